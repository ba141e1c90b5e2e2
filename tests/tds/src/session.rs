//! The life of a connection: PRELOGIN, TLS, LOGIN7, requests.

use std::collections::HashMap;
use std::io;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rusqlite::Connection;

use crate::error::SqlError;
use crate::login::{self, Extent};
use crate::options::{Login, User};
use crate::packet::{self, ATTENTION, BATCH, LOGIN7, Message, PRELOGIN, REPLY, RPC, Reply, TRANSACTION};
use crate::server::{Control, Inner, lock};
use crate::sqlite::{self, Denied};
use crate::tokens::{self, DONE_ATTENTION, DONE_ERROR, DoneKind};
use crate::transport::{Inbound, Outbound};
use crate::types::Version;

/// The packet size before a login and where a client leaves it open.
const USUAL_SIZE: usize = 4096;

/// A client that is logged in.
pub(crate) struct Session<'a> {
    pub(crate) inner: &'a Inner,
    pub(crate) control: &'a Control,
    pub(crate) connection: Connection,
    pub(crate) denied: Denied,
    pub(crate) deadline: Arc<Mutex<Option<Instant>>>,
    pub(crate) user: User,
    pub(crate) host: String,
    pub(crate) application: String,
    pub(crate) database: String,
    pub(crate) version: Version,
    pub(crate) process: u16,
    /// How many transactions are open, one in the other.
    pub(crate) depth: u32,
    pub(crate) transaction: u64,
    pub(crate) only_describes: bool,
    pub(crate) only_compiles: bool,
    pub(crate) last_count: u64,
    pub(crate) last_error: u32,
    /// Prepared statements: their text and the declaration of their parameters.
    pub(crate) prepared: HashMap<i32, (String, String)>,
    pub(crate) next_handle: i32,
    /// The connection is to end after the answer.
    pub(crate) ends: bool,
}

/// Serves one connection until it ends.
pub(crate) fn serve(stream: &TcpStream, inner: &Arc<Inner>, control: &Arc<Control>, number: u64) {
    let (Ok(read), Ok(write)) = (stream.try_clone(), stream.try_clone()) else { return };
    let inbound = Inbound::new(read);
    let outbound = Outbound::new(write, Arc::clone(inner));
    // The client learns of an end by the end.
    let _ = converse(inbound, outbound, inner, control, number);
}

fn converse(
    mut inbound: Inbound,
    mut outbound: Outbound,
    inner: &Arc<Inner>,
    control: &Arc<Control>,
    number: u64,
) -> io::Result<()> {
    let process = u16::try_from(number % 32_000).unwrap_or_default();
    let mut message = packet::read(&mut inbound)?;
    let mut extent = Extent::Nothing;
    if message.kind == PRELOGIN {
        let client = login::client_encryption(&message.data).map_err(io::Error::other)?;
        let (answer, agreed) = login::negotiate(inner.options.encryption, client);
        extent = agreed;
        let mut reply = Reply::new(&mut outbound, REPLY, USUAL_SIZE, 0);
        reply.buffer = login::prelogin_answer(answer);
        reply.finish()?;
        if let (Extent::Login | Extent::Everything, Some((config, _))) = (extent, &inner.tls) {
            let tls = crate::tls::shake(config, &mut inbound, &mut outbound)?;
            inbound.set_tls(Some(Arc::clone(&tls)));
            outbound.set_tls((extent == Extent::Everything).then_some(tls));
        }
        message = packet::read(&mut inbound)?;
    } else if inner.options.encryption == crate::Encryption::Required {
        return Ok(());
    }
    if message.kind != LOGIN7 || extent == Extent::Refused {
        return Ok(());
    }
    if extent == Extent::Login {
        inbound.set_tls(None);
    }
    let request = login::read(&message.data).map_err(io::Error::other)?;
    let size = match usize::try_from(request.packet_size).unwrap_or(0) {
        0 => USUAL_SIZE,
        wanted => wanted.clamp(512, 32_767),
    };
    let found = inner.options.users.iter().find(|user| user.name.eq_ignore_ascii_case(&request.user));
    let refused =
        |number: u32, message: String| SqlError::new(number, if number == 18456 { 14 } else { 11 }, message, 1);
    let database = if request.database.is_empty() { &inner.options.databases[0] } else { &request.database };
    let known = inner.options.databases.iter().find(|name| name.eq_ignore_ascii_case(database));
    let fails = format!("Login failed for user '{}'.", request.user);
    let outcome = match (found.filter(|user| user.password == request.password && !request.integrated), known) {
        (None, _) => Err(vec![refused(18456, fails)]),
        (Some(_), None) => {
            let message = format!("Cannot open database \"{database}\" requested by the login. The login failed.");
            Err(vec![refused(4060, message), refused(18456, fails)])
        }
        (Some(user), Some(database)) => Ok((user, database)),
    };
    lock(&inner.logins).push(Login {
        user: request.user.clone(),
        application: request.application.clone(),
        host: request.host.clone(),
        database: request.database.clone(),
        read_only: request.read_only,
        tls: matches!(extent, Extent::Login | Extent::Everything),
        all_tls: extent == Extent::Everything,
        version: request.version,
        packet_size: request.packet_size,
        accepted: outcome.is_ok(),
    });
    let version = request.version;
    let mut reply = Reply::new(&mut outbound, REPLY, USUAL_SIZE, process);
    let (user, database) = match outcome {
        Ok(found) => found,
        Err(errors) => {
            for error in &errors {
                tokens::put_error(error, "", version, &mut reply.buffer);
            }
            tokens::put_done(DoneKind::Done, DONE_ERROR, 0, 0, version, &mut reply.buffer);
            return reply.finish();
        }
    };
    let out = &mut reply.buffer;
    tokens::put_change(1, database, "master", out);
    tokens::put_info(5701, &format!("Changed database context to '{database}'."), version, out);
    tokens::put_collation_change(out);
    tokens::put_change(2, "us_english", "", out);
    tokens::put_info(5703, "Changed language setting to us_english.", version, out);
    tokens::put_login_ack(version, out);
    tokens::put_change(4, &size.to_string(), &USUAL_SIZE.to_string(), out);
    tokens::put_done(DoneKind::Done, 0, 0, 0, version, out);
    let deadline = Arc::default();
    let (connection, denied) = sqlite::open_for(inner, user, control, &deadline).map_err(io::Error::other)?;
    reply.finish()?;
    let mut session = Session {
        inner,
        control,
        connection,
        denied,
        deadline,
        user: user.clone(),
        host: request.host,
        application: request.application,
        database: database.clone(),
        version,
        process,
        depth: 0,
        transaction: 0,
        only_describes: false,
        only_compiles: false,
        last_count: 0,
        last_error: 0,
        prepared: HashMap::new(),
        next_handle: 1,
        ends: false,
    };
    let (sender, receiver) = sync_channel(8);
    let reader_control = Arc::clone(control);
    let reader = std::thread::spawn(move || {
        while let Ok(message) = packet::read(&mut inbound) {
            if message.kind == ATTENTION {
                reader_control.attentions.fetch_add(1, Ordering::SeqCst);
                reader_control.cancel.store(true, Ordering::SeqCst);
                reader_control.ring();
            }
            if sender.send(message).is_err() {
                break;
            }
        }
        reader_control.gone.store(true, Ordering::SeqCst);
        reader_control.ring();
    });
    let outcome = session.requests(&receiver, &mut outbound, size);
    outbound.close();
    drop(receiver);
    let _ = reader.join();
    outcome
}

impl Session<'_> {
    fn requests(&mut self, receiver: &Receiver<Message>, outbound: &mut Outbound, size: usize) -> io::Result<()> {
        let mut answered = 0;
        while let Ok(message) = receiver.recv() {
            let mut reply = Reply::new(outbound, REPLY, size, self.process);
            if message.kind != ATTENTION {
                let delay = *lock(&self.inner.faults.delay);
                if !delay.is_zero() {
                    self.control.wait(delay);
                }
                self.inner.running.fetch_add(1, Ordering::SeqCst);
                let outcome = self.request(&message, &mut reply);
                self.inner.running.fetch_sub(1, Ordering::SeqCst);
                outcome?;
            }
            let attentions = self.control.attentions.load(Ordering::SeqCst);
            if attentions > answered {
                self.control.cancel.store(false, Ordering::SeqCst);
                answered = attentions;
                let out = &mut reply.buffer;
                tokens::put_done(DoneKind::Done, DONE_ATTENTION, 0, 0, self.version, out);
            }
            if !reply.buffer.is_empty() || message.kind != ATTENTION {
                reply.finish()?;
            }
            if self.ends {
                return Ok(());
            }
        }
        Ok(())
    }

    fn request(&mut self, message: &Message, reply: &mut Reply<'_>) -> io::Result<()> {
        if message.reset {
            let _ = self.rolled_back();
            self.only_describes = false;
            self.only_compiles = false;
            tokens::put_change_bytes(18, &[], &[], &mut reply.buffer);
        }
        if message.ignored {
            tokens::put_done(DoneKind::Done, DONE_ERROR, 0, 0, self.version, &mut reply.buffer);
            return Ok(());
        }
        match message.kind {
            BATCH => self.batch(&message.data, reply),
            RPC => self.procedure(&message.data, reply),
            TRANSACTION => self.transaction_request(&message.data, reply),
            _ => {
                self.ends = true;
                let error = SqlError::beyond("this kind of request", 1);
                self.failure(&error, DoneKind::Done, reply);
                Ok(())
            }
        }
    }

    /// An error and the end of the answer.
    pub(crate) fn failure(&mut self, error: &SqlError, kind: DoneKind, reply: &mut Reply<'_>) {
        self.last_error = error.number;
        tokens::put_error(error, "", self.version, &mut reply.buffer);
        tokens::put_done(kind, DONE_ERROR, 0, 0, self.version, &mut reply.buffer);
    }
}
