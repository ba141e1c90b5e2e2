//! What the fuzz target calls; compiled for it alone.

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
