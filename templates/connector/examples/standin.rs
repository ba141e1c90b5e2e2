//! Serves the stand-in while a command runs, and tells it where.
//!
//! Run with: `cargo run --example standin -- FILE COMMAND…`
//!
//! Writes a configuration that reads the stand-in to FILE, runs COMMAND with the key in `ACME_KEY`, and ends as it ends.

#[path = "../tests/standin/mod.rs"]
#[expect(dead_code, reason = "the faults are for tests")]
mod standin;

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let (Some(file), Some(program)) = (args.next(), args.next()) else {
        eprintln!("usage: standin FILE COMMAND…");
        return ExitCode::from(2);
    };
    let served = standin::StandIn::serve(standin::System::default());
    if let Err(error) = std::fs::write(&file, served.config("env:ACME_KEY")) {
        eprintln!("error: {} cannot be written: {error}", file.display());
        return ExitCode::FAILURE;
    }
    match Command::new(&program).args(args).env("ACME_KEY", standin::KEY).status() {
        Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: {} cannot be run: {error}", program.display());
            ExitCode::FAILURE
        }
    }
}
