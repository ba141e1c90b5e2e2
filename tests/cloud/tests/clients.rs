//! Public clients of the vendors' services work against the stand-ins, with nothing changed but the address, and what they read adds
//! up to the ledgers. So the stand-ins are judged by programs that were written for the vendors.
//!
//! Vonage has no public client.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use injixo_test_cloud::record::python;

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program for a vendor and runs a client with what it says about itself.
#[track_caller]
fn run(vendor: &str, script: &str, names: [&str; 3]) {
    let mut command = Command::new(env!("CARGO"));
    let program = ["run", "-q", "--locked", "-p", "vendor_standin", "--bin", "vendor_standin", "--"];
    let command = command.args(program).args([vendor, "--days", "4", "--seed", "3"]);
    let mut process = Process(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let given: BTreeMap<&str, &str> =
        line.split_whitespace().skip(1).map(|part| part.split_once('=').unwrap()).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script);
    let mut client = python();
    // Nothing of the environment leads away from this machine.
    client.args([script.as_os_str()]).args(names.map(|name| given[name])).env("no_proxy", "127.0.0.1");
    let output = client.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    assert!(output.status.success(), "{said}");
}

#[test]
fn five9() {
    run("five9", "five9_client.py", ["url", "user", "password"]);
}

#[test]
fn genesys_cloud() {
    run("genesys-cloud", "genesys_cloud_client.py", ["url", "client_id", "client_secret"]);
}
