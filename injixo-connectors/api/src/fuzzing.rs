//! What the fuzz targets call; compiled for them alone.

use std::sync::OnceLock;

use injixo_core::exchange::Taken;
use injixo_core::model::{Channel, Contact, Millis, Timestamp};
use injixo_core::{Events, MemoryStore, Runtime};

use crate::connector::Api;
use crate::receiver::unpack;
use crate::wire::{self, BodyError, Resource};

/// Reads bytes as a body, packed or not.
///
/// # Panics
///
/// If what was read does not add up, which is what the fuzzer looks for.
pub fn body(choice: u8, bytes: &[u8]) {
    const MOST_BYTES: usize = 1 << 16;
    const MOST_ROWS: u64 = 50;
    let resource = if choice & 1 == 0 { Resource::ContactEvents } else { Resource::AgentStatuses };
    let unpacked = if choice & 2 == 0 { Ok(bytes.to_vec()) } else { unpack(bytes, MOST_BYTES) };
    let Ok(bytes) = unpacked else { return };
    assert!(choice & 2 == 0 || bytes.len() <= MOST_BYTES);
    match wire::read(&bytes, resource, "key", MOST_ROWS) {
        Ok(body) => {
            assert!(body.received <= MOST_ROWS);
            assert!(body.events.len() as u64 <= body.received);
            let rejected = body.received - body.events.len() as u64;
            assert_eq!(body.errors.len() as u64, rejected.min(wire::MOST_ERRORS as u64));
            assert!(body.errors.iter().all(|error| error.index < body.received && error.excerpt.chars().count() < 700));
            // Another reading agrees on how many rows there are; it cannot read every number.
            if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&bytes) {
                assert_eq!(value["data"].as_array().map(|rows| rows.len() as u64), Some(body.received));
            }
        }
        Err(BodyError::TooManyRows) => {}
        Err(BodyError::Malformed(message)) => assert!(message.len() < 300, "{message}"),
    }
}

/// Reads bytes as a part of another store: one that is good but for so many bytes, each changed, taken out or put in.
///
/// # Panics
///
/// If a part is applied by half, which is what the fuzzer looks for.
pub fn part(edits: &[(u16, u8, u8)]) {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut bytes = GOOD.get_or_init(|| runtime.block_on(good())).clone();
    for &(at, byte, how) in edits {
        let at = usize::from(at) % bytes.len().max(1);
        match how % 3 {
            0 if at < bytes.len() => bytes[at] = byte,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, byte),
        }
    }
    runtime.block_on(async {
        let receiver = Runtime::new(MemoryStore::new());
        receiver.add("API", Api::new()).await.expect("an integration");
        let sender = receiver.own_sender("API").await.expect("a sender");
        let taken = receiver.take_part(&sender, bytes).await;
        let position = receiver.position(&sender).await.expect("a position");
        let held = receiver.queues("API").await.expect("queues").len();
        match taken {
            Ok(Taken::Applied | Taken::Repeated) => assert!(!position.is_empty()),
            Err(error) if error.to_string().len() > 1_000 => panic!("{error}"),
            refused => assert_eq!((position.as_str(), held), ("", 0), "{refused:?}"),
        }
    });
}

/// The first part of a store that holds contacts and statuses.
async fn good() -> Vec<u8> {
    let sender = Runtime::new(MemoryStore::new());
    sender.add("ACD", Api::new()).await.expect("an integration");
    let own = sender.own_sender("ACD").await.expect("a sender");
    let noon = Timestamp::from_secs(1_716_206_400);
    let mut contacts = Events::contacts("1");
    for (number, queue) in (0..).zip(["Sales", "Support", "Sales", "Zürich \"2\""]) {
        let start = noon.after(Millis::from_secs(number * 50_000));
        contacts.contact(queue, Channel::Emails, Some("By hand"), Contact::offered(start).handled(Millis::new(1_234)));
    }
    sender.receive(&own, contacts).await.expect("contacts");
    let mut statuses = Events::statuses("2");
    statuses.status("amy", "Break", noon, Some(noon.after(Millis::from_mins(15))));
    statuses.status("bob", "Ready", noon, None);
    sender.receive(&own, statuses).await.expect("statuses");
    let mut outgoing = sender.outgoing("ACD", "", false).await.expect("an integration");
    outgoing.try_next().await.expect("a store").expect("a part").body
}
