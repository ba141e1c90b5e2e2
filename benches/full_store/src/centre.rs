//! A made-up contact centre: 75 queues with the same volumes in each run, and its connectors.

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use injixo_connectors::core::Result;
use injixo_connectors::core::connector::{
    CheckReport, Connector, ConnectorInfo, ContactSource, ContactWriter, Context, Form, Limits, Outcome,
};
use injixo_connectors::core::model::{
    Attribution, Channel, Contact, IntervalLength, IntervalRow, Measures, Millis, Quantity, Timed, Timestamp, Window,
};
use injixo_connectors::core::zone::{LocalTime, Zone};

pub(crate) const SERIES: u64 = 75;

pub(crate) const QUARTER: i64 = 900;

pub(crate) fn zone() -> Zone {
    Zone::new("Europe/Berlin").unwrap_or_else(|error| panic!("{error}"))
}

/// The queue and the channel of a series.
pub(crate) fn series(index: u64) -> (String, Channel) {
    let channel = match index % 5 {
        0..=2 => Channel::Calls,
        3 => Channel::Chats,
        _ => Channel::Emails,
    };
    (format!("Queue {:02}", index + 1), channel)
}

/// What a series counted in a quarter of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) offered: u32,
    pub(crate) handled: u32,
    pub(crate) handle_secs: u32,
}

/// Contacts in a quarter of an hour by the hour of the day, in hundredths of those at the busiest hour.
const PROFILE: [u64; 24] = [3, 2, 1, 1, 2, 6, 18, 42, 70, 92, 100, 97, 84, 78, 86, 90, 84, 70, 52, 38, 26, 16, 9, 5];

/// A number that looks random and is the same in each run.
fn noise(series: u64, quarter: i64, salt: u64) -> u64 {
    let mut mixed = (series << 48) ^ (salt << 40) ^ quarter.unsigned_abs();
    mixed = (mixed.wrapping_add(0x9E37_79B9_7F4A_7C15) ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn below(noise: u64, bound: u64) -> u32 {
    u32::try_from((noise >> 16) % bound.max(1)).unwrap_or(0)
}

/// What a series counted in the quarter of an hour that starts at a second: 56,000 contacts on a working day over all series.
pub(crate) fn counted(series: u64, start: i64) -> Counted {
    let quarter = start / QUARTER;
    let hour = usize::try_from(start.rem_euclid(86_400) / 3_600).unwrap_or(0);
    let is_weekend = matches!((start.div_euclid(86_400) + 3).rem_euclid(7), 5 | 6);
    // A few large queues, many small ones.
    let level = 6 + 300 / (series + 4);
    let mean = level * PROFILE[hour] * if is_weekend { 30 } else { 100 };
    let spread = 50 + noise(series, quarter, 1) % 101;
    let hundredths = mean * spread / 10_000;
    let offered =
        u32::try_from(hundredths / 100).unwrap_or(0) + u32::from(noise(series, quarter, 2) % 100 < hundredths % 100);
    let handled =
        (0..offered).map(|index| u32::from(!noise(series, quarter, 16 + u64::from(index)).is_multiple_of(20))).sum();
    let per_contact = 150 + below(noise(series, 0, 3), 240) + below(noise(series, quarter, 4), 60);
    Counted { offered, handled, handle_secs: handled * per_contact }
}

/// The contacts of a series in a quarter of an hour, sorted by start.
fn contacts(series: u64, start: i64) -> Vec<Contact> {
    let Counted { offered, handled, handle_secs } = counted(series, start);
    let mean = u64::from(handle_secs.checked_div(handled).unwrap_or(0));
    let contact = |index| {
        let noise = noise(series, start / QUARTER, 64 + u64::from(index));
        let at = Timestamp::from_secs(start + i64::from(below(noise, QUARTER.unsigned_abs())));
        let contact = Contact::offered(at);
        if index >= handled {
            return contact;
        }
        contact.handled(Millis::from_secs(i64::from(below(noise >> 20, mean * 2)) + 1))
    };
    let mut contacts: Vec<Contact> = (0..offered).map(contact).collect();
    contacts.sort_unstable_by_key(|contact| contact.start);
    contacts
}

/// The contacts that start in a window that is made of quarters of an hour, sorted by start, with their series.
pub(crate) fn contacts_of(window: Window) -> Vec<(u64, Contact)> {
    let mut all = Vec::new();
    for start in quarters(window) {
        let from = all.len();
        for index in 0..SERIES {
            all.extend(contacts(index, start).into_iter().map(|contact| (index, contact)));
        }
        all[from..].sort_by_key(|(_, contact)| contact.start);
    }
    all
}

/// The seconds at which the quarters of an hour in a window start.
pub(crate) fn quarters(window: Window) -> impl Iterator<Item = i64> {
    (window.from().millis() / 1_000..window.to().millis() / 1_000).step_by(900)
}

pub(crate) fn row(counted: Counted, start: i64) -> IntervalRow {
    let handled = Quantity::whole(counted.handled.into());
    IntervalRow {
        start: Timestamp::from_secs(start),
        length: IntervalLength::MINUTES_15.millis(),
        measures: Measures {
            offered: Quantity::whole(counted.offered.into()),
            handled,
            handle_time: Timed { total: Millis::from_secs(counted.handle_secs.into()), number: handled },
            ..Measures::default()
        },
    }
}

/// The contact centre as a system that is read by windows: ready-made rows, or contacts.
#[derive(Debug, Clone)]
pub(crate) enum Centre {
    Rows,
    Contacts,
}

#[async_trait]
impl Connector for Centre {
    fn info(&self) -> ConnectorInfo {
        ConnectorInfo::new("centre", "A made-up contact centre")
    }

    async fn check(&self, _: &Context) -> Result<CheckReport> {
        Ok(CheckReport::ok())
    }

    fn zone(&self) -> Zone {
        zone()
    }

    fn contacts(&self) -> Option<Arc<dyn ContactSource>> {
        Some(Arc::new(self.clone()))
    }
}

#[async_trait]
impl ContactSource for Centre {
    fn limits(&self) -> Limits {
        Limits::new()
    }

    fn form(&self) -> Form {
        match self {
            Self::Rows => Form::IntervalRows { length: IntervalLength::MINUTES_15, attribution: Attribution::Started },
            Self::Contacts => Form::Contacts,
        }
    }

    async fn read(&self, _: &Context, window: Window, out: &mut ContactWriter<'_>) -> Result<Outcome> {
        match self {
            Self::Rows => {
                for index in 0..SERIES {
                    let (name, channel) = series(index);
                    for start in quarters(window) {
                        out.interval_row(&name, channel, row(counted(index, start), start));
                    }
                    out.flush().await?;
                }
            }
            Self::Contacts => {
                let names: Vec<(String, Channel)> = (0..SERIES).map(series).collect();
                let mut numbers = Vec::with_capacity(names.len());
                for (name, channel) in &names {
                    numbers.push(out.rows().queue(name, *channel).unwrap_or_default());
                }
                for start in quarters(window) {
                    for (index, number) in (0..SERIES).zip(&numbers) {
                        contacts(index, start).iter().for_each(|contact| out.rows().contact(*number, contact));
                    }
                    out.flush().await?;
                }
            }
        }
        Ok(Outcome::complete())
    }
}

/// How the file below is to be read.
pub(crate) const SCHEMA: &str =
    "data = 'contacts'\ntime_zone = 'Europe/Berlin'\nfold = 'earlier'\n[columns]\nqueue = 'Queue'
date = { column = 'Date', format = 'DD/MM/YYYY' }\ntime = { column = 'Time', format = 'hh:mm:ss' }
offered = 'Offered'\nhandled = 'Answered'\nduration = 'Duration'\nchannel = 'Channel'\n";

/// A file of the contacts of a window, sorted by start.
pub(crate) fn file(window: Window) -> String {
    let (zone, names) = (zone(), (0..SERIES).map(series).collect::<Vec<_>>());
    let mut text = "Queue;Date;Time;Offered;Answered;Duration;Channel\n".to_owned();
    for (index, contact) in contacts_of(window) {
        let local: LocalTime = zone.to_local(contact.start);
        let local = local.to_string();
        let (year, month, day, time) = (&local[..4], &local[5..7], &local[8..10], &local[11..19]);
        let (name, channel) = &names[usize::try_from(index).unwrap_or(0)];
        let handled = u32::from(contact.handled == Quantity::ONE);
        let secs = contact.duration.map_or(0, Millis::get) / 1_000;
        let _ = writeln!(text, "{name};{day}/{month}/{year};{time};1;{handled};{secs};{channel}");
    }
    text
}
