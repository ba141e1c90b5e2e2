//! A part of another store with any bytes changed: it is applied whole or refused whole, and nothing panics.
//!
//! Run with: `cargo fuzz run part` in `injixo-connectors/api`, or with `RUSTC_BOOTSTRAP=1` on a stable compiler.

#![no_main]

use injixo_connector_api::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|edits: Vec<(u16, u8, u8)>| fuzzing::part(&edits));
