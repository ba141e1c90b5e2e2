//! Serves the stand-in while a command runs.
//!
//! Run with: `cargo run --example standin -- FROM TO COMMAND…`
//!
//! Copies the configuration FROM to TO with the address of the stand-in, runs COMMAND with the key in `ACME_KEY`, and ends as it
//! ends.

#[path = "../tests/standin/mod.rs"]
#[expect(dead_code, reason = "the faults are for tests")]
mod standin;

use std::error::Error;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let (Some(from), Some(to), Some(program)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: standin FROM TO COMMAND…".into());
    };
    let text = std::fs::read_to_string(&from).map_err(|error| format!("{}: {error}", from.display()))?;
    let mut config: toml::Table = text.parse().map_err(|error| format!("{}: {error}", from.display()))?;
    let served = standin::StandIn::serve(standin::System::default());
    config.insert("url".to_owned(), served.url.clone().into());
    std::fs::write(&to, config.to_string()).map_err(|error| format!("{}: {error}", to.display()))?;
    let status = Command::new(&program).args(args).env("ACME_KEY", standin::KEY).status();
    let status = status.map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}
