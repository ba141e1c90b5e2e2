//! Any text as a format, any bytes as a value: nothing panics, and what is read lies within its range.
//!
//! Run with: `cargo fuzz run datetime` in `injixo-connectors/csv`, or with `RUSTC_BOOTSTRAP=1` on a stable compiler.

#![no_main]

use injixo_connector_csv::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| fuzzing::datetime(input.0, input.1));
