//! Any bytes as the body of a request, packed or not: nothing panics, counts add up, and sizes stay bounded.
//!
//! Run with: `cargo fuzz run body` in `injixo-connectors/api`, or with `RUSTC_BOOTSTRAP=1` on a stable compiler.

#![no_main]

use injixo_connector_api::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| fuzzing::body(input.0, input.1));
