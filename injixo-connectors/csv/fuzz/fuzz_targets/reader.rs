//! Any bytes as a file under some schemas: nothing panics, and neither the size of the pieces in which it arrives nor the way in which rows
//! are read changes anything.
//!
//! Run with: `cargo fuzz run reader` in `injixo-connectors/csv`, or with `RUSTC_BOOTSTRAP=1` on a stable compiler.

#![no_main]

use injixo_connector_csv::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| fuzzing::reader(input.0, input.1));
