//! The program: one line, then it serves.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn serves(vendor: &str, names: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vendor_standin"));
    let command = command.args([vendor, "--days", "2", "--seed", "5", "--faults"]).stdout(Stdio::piped());
    let mut process = Process(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let parts: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(parts[0], vendor);
    let given: Vec<_> = parts[1..].iter().map(|part| part.split_once('=').unwrap()).collect();
    assert_eq!(given.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    for table in ["contacts", "statuses", "status-times"] {
        let url = format!("{}/_ledger/{table}?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z", given[0].1);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        assert!(text.lines().count() > 50, "{text}");
    }
}

#[tokio::test]
async fn five9_serves() {
    serves("five9", &["url", "user", "password"]).await;
}

#[tokio::test]
async fn vonage_serves() {
    serves("vonage", &["url", "client_id", "client_secret"]).await;
}

#[tokio::test]
async fn genesys_cloud_serves() {
    serves("genesys-cloud", &["url", "client_id", "client_secret"]).await;
}

#[test]
fn an_unknown_vendor_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_vendor_standin")).arg("acme").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("usage: vendor_standin five9|vonage|genesys-cloud"));
}
