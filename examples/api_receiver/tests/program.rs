//! The program as its user sees it, and what hostile clients can do to its sockets.

mod support;

use std::process::Stdio;
use std::time::{Duration, Instant};

use api_receiver::load::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Receiver, program};

const CONTACTS: &str = r#"{"data": [{"properties": {"offered": true, "handled": false, "duration": 124.6},
           "queueName": "Level 1 support", "queueIdentifier": "1337_99",
           "timestamp": "2021-12-06T10:34:22Z", "channel": "calls"}],
 "meta": {"integrationConfigurationId": 1234}}"#;

const STATUSES: &str = r#"{"data": [{"agentIdentifier": "bob@mycompany.com", "activityIdentifier": "Test",
           "startTime": "2021-12-06T10:00:00Z", "endTime": "2021-12-06T15:00:00Z"}],
 "meta": {"integrationConfigurationId": 8431, "externalSystem": "My ACD"}}"#;

fn store() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db").display().to_string();
    (folder, path)
}

#[tokio::test]
async fn the_documented_requests_work_over_tls() {
    let (folder, store) = store();
    let certificate = folder.path().join("made.pem").display().to_string();
    let mut first = Receiver::start(&store, &["--certificate", &certificate]);
    assert!(first.address.starts_with("https://127.0.0.1:") && first.certificate.as_ref() == Some(&certificate));
    let mut connection = first.connect().await;
    for (path, body) in [("/external-systems/contact-events", CONTACTS), ("/external-systems/agent-statuses", STATUSES)]
    {
        let answer = connection.post(path, None, body).await.unwrap();
        assert_eq!((answer.status, answer.body.contains("\"accepted\":1")), (202, true), "{}", answer.body);
    }
    assert_eq!(connection.post("/wrong", None, CONTACTS).await.unwrap().status, 404);
    // Somebody who does not trust the certificate does not send the key.
    assert!(Connection::open(&first.address, None, &first.key).await.is_err());
    first.kill();
    // The store stays, the key does not.
    let second = Receiver::start(&store, &["--certificate", &certificate]);
    assert_eq!(second.integration, first.integration);
    let mut old = Connection::open(&second.address, second.certificate.as_deref(), &first.key).await.unwrap();
    assert_eq!(old.post("/external-systems/contact-events", None, CONTACTS).await.unwrap().status, 401);
    let answer = second.connect().await.post("/external-systems/contact-events", None, CONTACTS).await.unwrap();
    assert!(answer.body.contains("\"repeated\":true"), "{}", answer.body);
}

#[tokio::test]
async fn slow_and_odd_clients_are_let_go_and_others_are_served() {
    let (_folder, store) = store();
    let receiver = Receiver::start(&store, &["--insecure-loopback", "--patience", "1"]);
    let host = receiver.address.strip_prefix("http://").unwrap().to_owned();
    let head = "POST /external-systems/contact-events HTTP/1.1\r\nHost: x\r\n";
    let long = format!("{head}X-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    let many = format!("{head}{}\r\n", "X-Many: 1\r\n".repeat(5_000));
    let starts: [&[u8]; 6] =
        [b"", b"POST", head.as_bytes(), b"\x16\x03\x01\x02\x00\x01", long.as_bytes(), many.as_bytes()];
    let mut odd = Vec::new();
    for start in starts {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(&host).await.unwrap();
            // It may be let go while it still speaks.
            let _ = stream.write_all(start).await;
            odd.push(stream);
        }
    }
    let begun = Instant::now();
    let mut connection = receiver.connect().await;
    assert_eq!(connection.post("/external-systems/contact-events", None, CONTACTS).await.unwrap().status, 202);
    for mut stream in odd {
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "it is let go");
        assert!(!String::from_utf8_lossy(&answer).contains(" 202 "));
    }
    assert!(begun.elapsed() < Duration::from_secs(40));
    let answer = receiver
        .connect()
        .await
        .raw(format!("{head}Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345").as_bytes())
        .await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 400));
}

#[test]
fn wrong_arguments_are_explained() {
    let (_folder, store) = store();
    let said = |options: &[&str], listen: Option<&str>| {
        let mut command = program(&store, options);
        if let Some(listen) = listen {
            command = std::process::Command::new(env!("CARGO_BIN_EXE_api_receiver"));
            command.args(["--listen", listen, "--store", &store]).args(options).stdout(Stdio::piped());
        }
        let output = command.stderr(Stdio::piped()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (is_ok, help) = said(&["--help"], None);
    assert!(
        is_ok && ["address URL", "key KEY", "certificate FILE", "curl --cacert"].iter().all(|text| help.contains(text)),
        "{help}"
    );
    for (options, listen, expected) in [
        (&["--insecure-loopback"][..], Some("0.0.0.0:0"), "only an address of this machine"),
        (&["--tls", "no.pem"], None, "needs two files"),
        (&["--tls", "no.pem", "no.key"], None, "no.pem cannot be read"),
        (&["--frobnicate"], None, "unknown option"),
        (&["--known-as", "x"], None, "expected a number"),
        (&[], Some("localhost"), "expected an address and a port"),
    ] {
        let (is_ok, text) = said(options, listen);
        assert!(!is_ok && text.contains(expected), "{options:?}: {text}");
    }
}
