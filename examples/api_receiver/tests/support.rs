//! The program in a process of its own.
#![allow(dead_code, reason = "each test uses a part")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use api_receiver::load::Connection;

pub(crate) struct Receiver {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) integration: u32,
    pub(crate) key: String,
    pub(crate) certificate: Option<String>,
}

pub(crate) fn program(store: &str, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api_receiver"));
    command.args(["--listen", "127.0.0.1:0", "--store", store]).args(options);
    command.stdout(Stdio::piped());
    command
}

impl Receiver {
    /// Starts it and reads the lines that it prints.
    pub(crate) fn start(store: &str, options: &[&str]) -> Self {
        let is_plain = options.contains(&"--insecure-loopback");
        let mut child = program(store, options).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut value = |name: &str| {
            let line = lines.next().unwrap_or_else(|| {
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("it ended: {said}")
            });
            let line = line.unwrap();
            line.strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(' '))
                .unwrap_or_else(|| panic!("{line}"))
                .to_owned()
        };
        let address = value("address");
        let integration = value("integration").parse().unwrap();
        let key = value("key");
        let certificate = (!is_plain).then(|| value("certificate"));
        Self { child, address, integration, key, certificate }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(&self.address, self.certificate.as_deref(), &self.key).await.unwrap()
    }

    /// Kills it; what it said on standard error.
    pub(crate) fn kill(&mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
