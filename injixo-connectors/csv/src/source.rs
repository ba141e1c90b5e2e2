//! The connector: files named by hand, and a folder in which they arrive.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use injixo_core::connector::{
    CheckReport, Connector, ConnectorFactory, ConnectorInfo, Context, Delivery, DeliverySource, Form, PartEnd,
    RowWriter,
};
use injixo_core::model::{Attribution, Millis, Timestamp};
use injixo_core::zone::Zone;
use injixo_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Deserializer, de};

use crate::reader;
use crate::schema::{Data, Schema};

/// Reads contact data or agent statuses from CSV files by a [`Schema`].
#[derive(Debug, Clone)]
pub struct Csv {
    source: Arc<Files>,
}

#[derive(Debug)]
struct Files {
    schema: Schema,
    /// Checksums of files that did not change since, so that a folder is not read whole at each look.
    checksums: Mutex<Checksums>,
}

/// Size, time of the last change and checksum by path.
type Checksums = HashMap<PathBuf, (u64, Option<SystemTime>, String)>;

impl Csv {
    /// Reads by that schema.
    pub fn new(schema: Schema) -> Self {
        Self { source: Arc::new(Files { schema, checksums: Mutex::default() }) }
    }

    /// The schema.
    pub fn schema(&self) -> &Schema {
        &self.source.schema
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = toml::Table::deserialize(deserializer)?;
        table.to_string().parse().map_err(|error: Error| de::Error::custom(error.message()))
    }
}

impl ConnectorFactory for Csv {
    const KIND: &'static str = "csv";
    type Config = Schema;

    fn build(config: Schema) -> Result<Self> {
        Ok(Self::new(config))
    }
}

#[async_trait]
impl Connector for Csv {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new(Self::KIND, "CSV files")
    }

    async fn check(&self, cx: &Context) -> Result<CheckReport> {
        let Some(folder) = &self.schema().folder else { return Ok(CheckReport::ok()) };
        match self.source.scan(cx).await {
            Ok(found) => Ok(CheckReport::ok().note(format!("{}: {} files", folder.path.display(), found.len()))),
            Err(error) => Ok(CheckReport::ok().problem(error.to_string())),
        }
    }

    fn zone(&self) -> Zone {
        self.schema().zone().clone()
    }

    fn deliveries(&self) -> Option<Arc<dyn DeliverySource>> {
        Some(Arc::clone(&self.source) as Arc<dyn DeliverySource>)
    }
}

impl Files {
    fn delivery(&self, path: &Path) -> Result<Delivery> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let key = self.checksum(path).map_err(|error| error.with("file", path.display()))?;
        let settings = blake3::hash(format!("{:?}", self.schema).as_bytes()).to_hex().to_string();
        Ok(Delivery { key, name, settings, location: path.to_owned() })
    }

    fn checksum(&self, path: &Path) -> Result<String> {
        let metadata = fs::metadata(path).map_err(|error| reader::unreadable(&error))?;
        let (size, modified) = (metadata.len(), metadata.modified().ok());
        let known = |held: &Checksums| {
            let same = held.get(path).filter(|held| held.0 == size && held.1 == modified && modified.is_some());
            same.map(|held| held.2.clone())
        };
        if self.schema.folder.is_some()
            && let Some(known) = known(&self.checksums.lock().unwrap_or_else(PoisonError::into_inner))
        {
            return Ok(known);
        }
        let checksum = reader::checksum(path)?;
        if self.schema.folder.is_some() {
            let mut held = self.checksums.lock().unwrap_or_else(PoisonError::into_inner);
            held.insert(path.to_owned(), (size, modified, checksum.clone()));
        }
        Ok(checksum)
    }
}

#[async_trait]
impl DeliverySource for Files {
    fn form(&self) -> Form {
        match self.schema.data {
            Data::Contacts => Form::Contacts,
            Data::Intervals(length) => Form::IntervalRows { length, attribution: Attribution::AsDelivered },
            Data::Statuses => Form::Statuses,
        }
    }

    async fn scan(&self, cx: &Context) -> Result<Vec<Delivery>> {
        let Some(folder) = &self.schema.folder else { return Ok(Vec::new()) };
        let unreadable = |error: std::io::Error| {
            let message = "the folder cannot be looked through: check that it exists and may be read";
            Error::new(ErrorKind::Unavailable, message).with("folder", folder.path.display()).with("cause", &error)
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder.path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let is_wanted = entry.file_name().to_string_lossy().to_lowercase().ends_with(&folder.ending.to_lowercase());
            // A file that vanished in between is none.
            let Ok(metadata) = fs::metadata(entry.path()) else { continue };
            if is_wanted && metadata.is_file() && metadata.len() > 0 {
                files.push((modified(&metadata), entry.path()));
            }
        }
        let quiet = Millis::from_secs(i64::try_from(folder.quiet_secs).unwrap_or(i64::MAX));
        let now = cx.now();
        // A time ahead of the clock says nothing about how long the file was left alone, unless it is far ahead.
        files.retain(|(modified, _)| now >= modified.after(quiet) || *modified > now.after(quiet));
        files.sort();
        // A file that cannot be read, or vanishes meanwhile, must not keep the others from arriving.
        let readable = |(_, path): &(Timestamp, PathBuf)| {
            let delivery = self.delivery(path);
            delivery.inspect_err(|error| tracing::warn!(%error, "a file in the folder was passed over")).ok()
        };
        Ok(files.iter().filter_map(readable).collect())
    }

    async fn file(&self, path: &Path) -> Result<Delivery> {
        self.delivery(path)
    }

    async fn read(&self, _cx: &Context, delivery: &Delivery, out: &mut RowWriter<'_>) -> Result<()> {
        reader::read_file(&self.schema, &delivery.name, &delivery.location, &delivery.key, out).await
    }

    async fn cuts(&self, _cx: &Context, delivery: &Delivery, parts: usize) -> Result<Vec<u64>> {
        // A checksum is that of the whole.
        if delivery.key.is_empty() { reader::cuts(&self.schema, &delivery.location, parts) } else { Ok(Vec::new()) }
    }

    async fn read_part(
        &self,
        _cx: &Context,
        delivery: &Delivery,
        part: Range<u64>,
        out: &mut RowWriter<'_>,
    ) -> Result<PartEnd> {
        reader::read_file_part(&self.schema, &delivery.name, &delivery.location, part, out).await
    }
}

fn modified(metadata: &fs::Metadata) -> Timestamp {
    let since = metadata.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    Timestamp::from_millis(0).after(since.unwrap_or_default().into())
}
