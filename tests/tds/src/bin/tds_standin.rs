//! The stand-in as a program: `tds_standin --port N [--database FILE] [--user U --password P]`.
//!
//! Also `--browser-port N`, `--tls none|offered|required`, and `--certificate FILE`, where it writes its certificate.
//!
//! It ends with its input.

use std::io::Read;

use injixo_test_tds::{Encryption, Options, TdsServer, User};

fn main() {
    let mut options = Options::default();
    let mut certificate = None;
    let mut user = "sa".to_owned();
    let mut password = "Secret-1".to_owned();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| end(&format!("{argument} needs a value")));
        let number = |text: String| text.parse().unwrap_or_else(|_| end(&format!("{text} is no port")));
        match argument.as_str() {
            "--port" => options = options.port(number(value())),
            "--browser-port" => options = options.browser_port(number(value())),
            "--database" => options = options.file(value()),
            "--certificate" => certificate = Some(value()),
            "--user" => user = value(),
            "--password" => password = value(),
            "--tls" => {
                options = options.encryption(match value().as_str() {
                    "none" => Encryption::NotSupported,
                    "offered" => Encryption::Offered,
                    "required" => Encryption::Required,
                    other => end(&format!("--tls is none, offered or required, not {other}")),
                });
            }
            other => end(&format!("unknown argument {other}")),
        }
    }
    let server = TdsServer::start(options.user(User::new(&user, &password).writes()));
    if let (Some(file), Some(der)) = (certificate, server.certificate())
        && let Err(error) = std::fs::write(&file, der)
    {
        end(&format!("{file}: {error}"));
    }
    println!("listens on {}, browser on UDP {}", server.address(), server.browser_port());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn end(message: &str) -> ! {
    eprintln!("{message}");
    std::process::exit(2)
}
