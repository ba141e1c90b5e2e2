//! A folder of small files, and a connector for it that can be given one defect.

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use injixo_core::connector::{
    CheckReport, Connector, ConnectorInfo, Context, Delivery, DeliverySource, Form, PartEnd, RowWriter,
};
use injixo_core::model::{Channel, Contact, Millis, Timestamp};
use injixo_core::testkit::{Fact, Fault};
use injixo_core::{Error, ErrorKind, Result};

use super::KEY;

/// What is wrong with the connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    None,
    NoSource,
    Moody,
    ListsOnce,
    NewestFirst,
    NamesFilesApart,
    KeyFromPath,
    ReadsWhatChanged,
    WantsKey,
    LosesAtCuts,
    Remembers,
    LeavesLine,
    Untrue,
    NoQueue,
    NegativeTime,
    LoginUnexpected,
    DownIsEmpty,
    WaitIsDown,
    GarbageIsEmpty,
    GivesUpQuietly,
    ChecksNothing,
    ErrorShowsKey,
}

#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    fault: Option<Fault>,
    defect: Defect,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: AtomicUsize,
    line: AtomicUsize,
    listed: Mutex<HashSet<String>>,
}

const LINES: i64 = 40;

/// Puts three files into a folder, the first written last, and returns what they hold.
pub fn fill(path: &Path) -> Vec<Fact> {
    let mut facts = Vec::new();
    for (index, name) in ["c.txt", "a.txt", "b.txt"].into_iter().enumerate() {
        let mut text = String::new();
        for line in 0..LINES {
            let secs = 1_730_000_000 + i64::try_from(index).unwrap() * 100_000 + line * 700;
            text.push_str(&format!("Hotline {secs} {}\n", 60 + line));
            let contact = Contact::offered(Timestamp::from_secs(secs)).handled(Millis::from_secs(60 + line));
            facts.push(Fact::contact("Hotline", Channel::Calls, contact));
        }
        fs::write(path.join(name), text).unwrap();
        let file = fs::File::options().append(true).open(path.join(name)).unwrap();
        let age = Duration::from_secs(1_730_000_000 + 60 * u64::try_from(index).unwrap());
        file.set_modified(SystemTime::UNIX_EPOCH + age).unwrap();
    }
    facts
}

impl Folder {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), fault: None, defect: Defect::None, state: Arc::default() }
    }

    pub fn at_fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    pub fn with(mut self, defect: Defect) -> Self {
        self.defect = defect;
        self
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    async fn open(&self) -> Result<()> {
        tokio::task::yield_now().await;
        let error = match self.fault {
            Some(Fault::WrongCredentials) if self.has(Defect::LoginUnexpected) => {
                Error::new(ErrorKind::Unexpected, "no")
            }
            Some(Fault::WrongCredentials) if self.has(Defect::ErrorShowsKey) => {
                Error::new(ErrorKind::PermissionDenied, "no").with("key", KEY)
            }
            Some(Fault::WrongCredentials) => Error::new(ErrorKind::PermissionDenied, "the folder may not be read"),
            Some(Fault::Unreachable) if self.has(Defect::DownIsEmpty) => return Ok(()),
            Some(Fault::Unreachable) => Error::new(ErrorKind::Unavailable, "the folder is not there"),
            Some(Fault::RateLimited) if self.has(Defect::WaitIsDown) => Error::new(ErrorKind::Unavailable, "wait"),
            Some(Fault::RateLimited) => Error::new(ErrorKind::RateLimited, "wait"),
            _ => return Ok(()),
        };
        Err(error)
    }

    fn delivery(&self, path: &Path) -> Result<Delivery> {
        let content = fs::read(path).map_err(|error| Error::new(ErrorKind::NotFound, error.to_string()))?;
        let key = if self.has(Defect::KeyFromPath) { key(path.as_os_str().as_encoded_bytes()) } else { key(&content) };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Ok(Delivery { key, name, settings: String::new(), location: path.to_owned() })
    }
}

fn key(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

#[async_trait]
impl Connector for Folder {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("folder", "A folder")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        if self.has(Defect::ChecksNothing) {
            return Ok(CheckReport::ok());
        }
        self.open().await.map(|()| CheckReport::ok())
    }

    fn deliveries(&self) -> Option<Arc<dyn DeliverySource>> {
        (!self.has(Defect::NoSource)).then(|| Arc::new(self.clone()) as Arc<dyn DeliverySource>)
    }
}

#[async_trait]
impl DeliverySource for Folder {
    fn form(&self) -> Form {
        let is_odd = self.has(Defect::Moody) && self.state.asked.fetch_add(1, Ordering::SeqCst) > 0;
        if is_odd { Form::Statuses } else { Form::Contacts }
    }

    async fn scan(&self, _: &Context) -> Result<Vec<Delivery>> {
        self.open().await?;
        if self.fault == Some(Fault::Unreachable) {
            return Ok(Vec::new());
        }
        let mut files: Vec<PathBuf> = fs::read_dir(&self.path).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort_by_key(|file| fs::metadata(file).unwrap().modified().unwrap());
        if self.has(Defect::NewestFirst) {
            files.reverse();
        }
        let mut deliveries = files.iter().map(|file| self.delivery(file)).collect::<Result<Vec<_>>>()?;
        if self.has(Defect::ListsOnce) {
            let mut listed = self.state.listed.lock().unwrap();
            deliveries.retain(|delivery| listed.insert(delivery.key.clone()));
        }
        Ok(deliveries)
    }

    async fn file(&self, path: &Path) -> Result<Delivery> {
        let mut delivery = self.delivery(path)?;
        if self.has(Defect::NamesFilesApart) {
            delivery.name = path.display().to_string();
        }
        Ok(delivery)
    }

    async fn read(&self, _: &Context, delivery: &Delivery, out: &mut RowWriter<'_>) -> Result<()> {
        match self.fault {
            Some(Fault::Hangs) if self.has(Defect::GivesUpQuietly) => return Ok(()),
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::BrokenAnswer) if self.has(Defect::GarbageIsEmpty) => return Ok(()),
            Some(Fault::BrokenAnswer) => return Err(Error::new(ErrorKind::DataInvalid, "no text")),
            _ => {}
        }
        let content =
            fs::read(&delivery.location).map_err(|error| Error::new(ErrorKind::NotFound, error.to_string()))?;
        let is_named = !delivery.key.is_empty() || self.has(Defect::WantsKey);
        let is_changed = is_named && !self.has(Defect::KeyFromPath) && key(&content) != delivery.key;
        if is_changed && !self.has(Defect::ReadsWhatChanged) {
            return Err(Error::new(ErrorKind::DataInvalid, "the file changed since it was listed"));
        }
        if is_named && self.has(Defect::KeyFromPath) && self.delivery(&delivery.location)?.key != delivery.key {
            return Err(Error::new(ErrorKind::DataInvalid, "another file"));
        }
        self.lines(&String::from_utf8(content).unwrap(), out).await
    }

    async fn cuts(&self, _: &Context, delivery: &Delivery, parts: usize) -> Result<Vec<u64>> {
        let length = fs::metadata(&delivery.location).unwrap().len();
        // In the middle of lines: each is a guess.
        Ok((1..parts as u64).map(|part| length * part / parts as u64).collect())
    }

    async fn read_part(
        &self,
        _: &Context,
        delivery: &Delivery,
        part: Range<u64>,
        out: &mut RowWriter<'_>,
    ) -> Result<PartEnd> {
        let content = fs::read_to_string(&delivery.location).unwrap();
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
        let (from, to) = (place(part.start), place(part.end));
        // The last line that begins before the end belongs to the part.
        let next =
            content[to.saturating_sub(1)..].find('\n').map_or(content.len(), |end| to.saturating_sub(1) + end + 1);
        let read = if self.has(Defect::LosesAtCuts) && next < content.len() { to } else { next };
        let whole = content[from..read].rfind('\n').map_or(from, |end| from + end + 1);
        self.lines(&content[from..whole], out).await?;
        Ok(PartEnd { next: next as u64, lines: content[from..next].lines().count() as u64 })
    }
}

impl Folder {
    async fn lines(&self, content: &str, out: &mut RowWriter<'_>) -> Result<()> {
        let leaves_line = self.has(Defect::LeavesLine);
        let first = if leaves_line { self.state.line.load(Ordering::SeqCst) } else { 0 };
        for (number, line) in content.lines().enumerate().skip(first) {
            self.state.line.store(number, Ordering::SeqCst);
            tokio::task::yield_now().await;
            let mut words = line.split(' ');
            let mut next = || words.next().unwrap();
            let (queue, start, time) = (next(), next(), next());
            if self.has(Defect::Remembers) && !self.state.listed.lock().unwrap().insert(line.to_owned()) {
                continue;
            }
            let queue = if self.has(Defect::NoQueue) { "" } else { queue };
            let time = if self.has(Defect::NegativeTime) { -60 } else { time.parse().unwrap() };
            let start: i64 = start.parse().unwrap();
            let start = if self.has(Defect::Untrue) { start + 3_600 } else { start };
            let contact = Contact::offered(Timestamp::from_secs(start)).handled(Millis::from_secs(time));
            let queue = out.queue(queue, Channel::Calls).unwrap();
            out.contact(queue, &contact);
            out.flush().await?;
        }
        self.state.line.store(0, Ordering::SeqCst);
        Ok(())
    }
}
