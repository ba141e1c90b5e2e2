//! TLS whose handshake travels in PRELOGIN packets.

use std::io;
use std::sync::{Arc, Mutex};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::packet::{self, PRELOGIN, Reply};
use crate::transport::{Inbound, Outbound};

/// A certificate of the server's own for `localhost` and `127.0.0.1`, in DER, and what TLS needs of it.
///
/// TLS 1.2, as TDS before version 8 has it.
pub(crate) fn certificate() -> (Arc<ServerConfig>, Vec<u8>) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let own = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.key_pair.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("TLS 1.2 is built in")
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .expect("the certificate fits its key");
    (Arc::new(config), own.cert.der().to_vec())
}

/// The handshake.
pub(crate) fn shake(
    config: &Arc<ServerConfig>,
    inbound: &mut Inbound,
    outbound: &mut Outbound,
) -> io::Result<Arc<Mutex<ServerConnection>>> {
    let mut tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    loop {
        let message = packet::read(inbound)?;
        if message.kind != PRELOGIN {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the handshake is left"));
        }
        let mut raw = message.data.as_slice();
        let mut outcome = Ok(());
        while !raw.is_empty() && outcome.is_ok() {
            tls.read_tls(&mut raw)?;
            outcome = tls.process_new_packets().map(|_| ()).map_err(io::Error::other);
        }
        let mut answer = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut answer)?;
        }
        if !answer.is_empty() {
            let mut reply = Reply::new(outbound, PRELOGIN, 4096, 0);
            reply.buffer = answer;
            reply.finish()?;
        }
        outcome?;
        if !tls.is_handshaking() {
            return Ok(Arc::new(Mutex::new(tls)));
        }
    }
}
