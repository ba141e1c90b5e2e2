//! Receives contact events and agent statuses by the injixo API, over TLS, into a store.
//!
//! Run with: `cargo run --release -p api_receiver -- --listen 127.0.0.1:8443 --store wfm.db`
//!
//! `--help` tells the options, and the lines in which it prints its address and the key of the sender.

use std::process::ExitCode;

fn main() -> ExitCode {
    api_receiver::main()
}
