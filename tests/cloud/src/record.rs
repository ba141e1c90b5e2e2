//! What a connector sends, kept for judges that know nothing of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use injixo_core::http::{Answer, Connection, Request, Transport};
use injixo_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

/// A request as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// `GET`, `POST`.
    pub method: String,
    /// The address with its query.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Empty if there is none.
    pub body: String,
}

impl Sent {
    /// The path, without the query.
    pub fn path(&self) -> &str {
        let place = self.url.split('?').next().unwrap_or_default();
        place.splitn(4, '/').nth(3).map_or("", |path| &place[place.len() - path.len() - 1..])
    }

    fn line(&self, number: usize) -> Value {
        json!({"number": number, "method": self.method, "url": self.url, "headers": self.headers, "body": self.body})
    }
}

/// Keeps every request and passes it on.
#[derive(Debug)]
pub struct Recorder {
    inner: Arc<dyn Transport>,
    kept: Mutex<Vec<Sent>>,
}

impl Recorder {
    /// In front of another transport.
    pub fn over(inner: Arc<dyn Transport>) -> Arc<Self> {
        Arc::new(Self { inner, kept: Mutex::default() })
    }

    /// What was sent so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.kept().clone()
    }

    fn keep(&self, request: &Request) {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        self.kept().push(Sent {
            method: request.method().to_owned(),
            url: request.url().to_owned(),
            headers: request.headers().map(owned).collect(),
            body: String::from_utf8_lossy(request.content()).into_owned(),
        });
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for Recorder {
    async fn send(&self, request: &Request) -> Result<Answer> {
        self.keep(request);
        self.inner.send(request).await
    }

    async fn upgrade(&self, request: &Request) -> Result<(Answer, Connection)> {
        self.keep(request);
        self.inner.upgrade(request).await
    }
}

/// A plain client of servers on this machine.
#[derive(Debug, Default)]
pub struct Wire(reqwest::Client);

impl Wire {
    async fn exchange(&self, request: &Request) -> Result<reqwest::Response> {
        let lost = |error: reqwest::Error| Error::new(ErrorKind::Unavailable, "lost").caused_by(error);
        let method = reqwest::Method::from_bytes(request.method().as_bytes());
        let method = method.map_err(|_| Error::new(ErrorKind::Unexpected, "no such method"))?;
        let sent = request
            .headers()
            .fold(self.0.request(method, request.url()), |sent, (name, value)| sent.header(name, value));
        sent.body(request.content().clone()).send().await.map_err(lost)
    }
}

#[async_trait]
impl Transport for Wire {
    async fn send(&self, request: &Request) -> Result<Answer> {
        let response = self.exchange(request).await?;
        let lost = |error: reqwest::Error| Error::new(ErrorKind::Unavailable, "lost").caused_by(error);
        let (status, headers) = (response.status().as_u16(), headers(&response));
        Ok(Answer { status, headers, body: response.bytes_stream().map(move |piece| piece.map_err(lost)).boxed() })
    }

    async fn upgrade(&self, request: &Request) -> Result<(Answer, Connection)> {
        let response = self.exchange(request).await?;
        let (status, headers) = (response.status().as_u16(), headers(&response));
        let io = response.upgrade().await;
        let io = io.map_err(|error| Error::new(ErrorKind::Protocol, "not changed").caused_by(error))?;
        Ok((Answer { status, headers, body: futures::stream::empty().boxed() }, Connection::new(io)))
    }
}

fn headers(response: &reqwest::Response) -> Vec<(String, String)> {
    let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// Which of the requests a judge refuses, by their place, and why.
pub type Refused = Vec<(usize, String)>;

/// The requests that the schemas of a vendor's documented fields refuse: `five9`, `vonage`, `genesys-cloud`.
///
/// # Panics
///
/// If the judge cannot be asked.
pub fn judge_requests(vendor: &str, sent: &[Sent]) -> Refused {
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("requests.jsonl");
    let lines: Vec<String> = sent.iter().enumerate().map(|(number, sent)| sent.line(number).to_string()).collect();
    std::fs::write(&recording, lines.join("\n") + "\n").expect("a file");
    let mut command = python();
    command.arg(schema("validate.py")).arg(schema(&format!("{vendor}.json"))).arg(&recording);
    let output = run(&mut command);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let refused: Refused = said
        .lines()
        .map(|line| line.split_once(' ').expect("a number and why"))
        .map(|(number, why)| (number.parse().expect("a number"), why.to_owned()))
        .collect();
    let is_done = output.status.code() == Some(i32::from(!refused.is_empty()));
    assert!(is_done, "{said}{}", String::from_utf8_lossy(&output.stderr));
    refused
}

/// The envelopes that `xmllint` refuses by the schema of the service that they were sent to.
///
/// # Panics
///
/// If the judge cannot be asked.
pub fn judge_envelopes(sent: &[Sent]) -> Refused {
    let mut refused = Refused::new();
    for (path, service) in [("/wsadmin", "five9-admin"), ("/wssupervisor", "five9-supervisor")] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("xmllint");
        command.args(["--nonet", "--noout", "--schema"]).arg(schema(&format!("{service}-envelope.xsd")));
        command.current_dir(folder.path());
        let own: Vec<(usize, &Sent)> =
            sent.iter().enumerate().filter(|(_, sent)| sent.path().starts_with(path)).collect();
        if own.is_empty() {
            continue;
        }
        for (number, sent) in &own {
            let name = format!("{number}.xml");
            std::fs::write(folder.path().join(&name), &sent.body).expect("a file");
            command.arg(name);
        }
        let output = run(&mut command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        for (number, _) in &own {
            let of = |line: &&str| line.starts_with(&format!("{number}.xml"));
            let lines: Vec<&str> = said.lines().filter(of).collect();
            if !lines.contains(&format!("{number}.xml validates").as_str()) {
                refused.push((*number, lines.join("; ")));
            }
        }
        assert_eq!(
            output.status.success(),
            refused.is_empty() || !own.iter().any(|(own, _)| refused.iter().any(|(number, _)| number == own)),
            "{said}"
        );
    }
    refused.sort();
    refused
}

fn schema(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name)
}

/// The Python that has the packages which the tests need.
///
/// # Panics
///
/// If none is named.
pub fn python() -> Command {
    let python = std::env::var_os("INJIXO_TEST_PYTHON").expect(
        "set INJIXO_TEST_PYTHON to a Python that has the packages jsonschema, five9 and PureCloudPlatformClientV2, or run scripts/test cloud",
    );
    Command::new(python)
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| {
        panic!("{}: {error}; xmllint is in the Debian package libxml2-utils", command.get_program().display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_addresses() {
        let path = |url: &str| {
            let sent = Sent { method: String::new(), url: url.to_owned(), headers: Vec::new(), body: String::new() };
            sent.path().to_owned()
        };
        assert_eq!(path("http://127.0.0.1:1/stats/queue-times?start=a/b"), "/stats/queue-times");
        assert_eq!(path("http://127.0.0.1:1"), "");
    }
}
