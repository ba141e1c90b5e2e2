//! The line to the outside: a proxy that wants a password, authorities of a company's own, and no word of a secret.
//!
//! Systems have names that no server of names knows, so whoever reaches one went through the proxy. What the environment decides is
//! tried in a process of its own.

use std::process::Command;
use std::sync::Arc;

use injixo_core::connector::Context;
use injixo_core::http::{HttpClient, HttpSettings, Reply, Request, Retry};
use injixo_core::{Error, ErrorKind, Result, Secret, SystemClock};
use injixo_test_cloud::net::{Authority, Logged, Proxy, System};

const USER: &str = "office:p@ss/w:%rd";
/// The same in an address.
const ENCODED: &str = "office:p%40ss%2Fw%3A%25rd";
/// What must not be seen anywhere: of the password its begin, its whole, and both together as they are sent.
const SECRETS: [&str; 5] = ["p@ss", "p%40ss", "hunter2", "b2ZmaWNlOnBAc3Mvdzo", "b2ZmaWNlOmh1bnRlcjI"];

struct Office {
    authority: Authority,
    folder: tempfile::TempDir,
    proxy: Proxy,
}

impl Office {
    async fn new() -> Self {
        let authority = Authority::new("office");
        let encrypted = System::encrypted(&authority, "vendor.test").await;
        let plain = System::plain("plain.test").await;
        // Whoever answers in another's name.
        let other = System::encrypted(&authority, "other.test").await;
        let leads = vec![("vendor.test", encrypted.addr), ("plain.test", plain.addr), ("wrong.test", other.addr)];
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        Self { proxy: Proxy::start(USER, leads).await, authority, folder }
    }

    fn settings(&self, user: &str) -> HttpSettings {
        let mut settings = HttpSettings::default();
        settings.proxy = Some(Secret::new(format!("http://{user}@{}", self.proxy.addr)));
        settings.ca_file = Some(self.folder.path().join("ca.pem"));
        settings
    }
}

fn client(settings: &HttpSettings) -> HttpClient {
    HttpClient::new(settings).unwrap().retry(Retry::never())
}

fn cx() -> Context {
    Context::new(Arc::new(SystemClock))
}

async fn get(client: &HttpClient, url: &str) -> Result<String> {
    let reply = client.send(&cx(), &Request::get(url), Reply::ok).await?;
    Ok(String::from_utf8_lossy(reply.body()).into_owned())
}

/// An error with all that it says, and what it was caused by.
fn whole(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    text
}

#[track_caller]
fn assert_no_secret(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[tokio::test]
async fn through_a_proxy_with_a_password() {
    let office = Office::new().await;
    let client = client(&office.settings(ENCODED));
    assert_eq!(get(&client, "https://vendor.test:8443/calls?key=1").await.unwrap(), "hello from vendor.test");
    assert_eq!(get(&client, "http://plain.test/calls").await.unwrap(), "hello from plain.test");
    // Both hosts of a vendor, and what comes over a socket, take the same way.
    let mut socket = client.socket(&cx(), "wss://vendor.test/channels/1").await.unwrap();
    socket.send("over a proxy and TLS").await.unwrap();
    assert_eq!(socket.next().await.unwrap().as_deref(), Some("over a proxy and TLS"));
    let user = Some(USER.to_owned());
    let asked = ["CONNECT vendor.test:8443", "GET http://plain.test/calls", "CONNECT vendor.test:443"];
    assert_eq!(office.proxy.asked(), asked.map(|line| (line.to_owned(), user.clone())));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_and_its_password_is_not() {
    let office = Office::new().await;
    for user in ["office:hunter2@", "office@", ""] {
        let mut settings = office.settings("nobody");
        settings.proxy = Some(Secret::new(format!("http://{user}{}", office.proxy.addr)));
        let client = client(&settings);
        let mut errors = Vec::new();
        for url in ["https://vendor.test/", "http://plain.test/"] {
            errors.push(get(&client, url).await.unwrap_err());
        }
        errors.push(client.socket(&cx(), "wss://vendor.test/").await.unwrap_err());
        for error in errors {
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::ConfigInvalid, false), "{error}");
            let said = format!("the proxy http://{} refuses to be used (HTTP 407): check user", office.proxy.addr);
            assert!(error.message().starts_with(&said), "{error}");
            assert_no_secret(&whole(&error));
        }
    }
    // One that does not know the system is no matter of passwords, and may know it later.
    let error = get(&client(&office.settings(ENCODED)), "https://unknown.test/").await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true), "{error}");
    assert!(error.message().contains(&format!("the proxy http://{}", office.proxy.addr)), "{error}");
    assert_no_secret(&whole(&error));
}

#[tokio::test]
async fn who_a_system_is_must_be_vouched_for() {
    let office = Office::new().await;
    let known = office.settings(ENCODED);
    let mut unknown = known.clone();
    unknown.ca_file = None;
    std::fs::write(office.folder.path().join("other.pem"), Authority::new("somebody else").pem()).unwrap();
    let mut other = known.clone();
    other.ca_file = Some(office.folder.path().join("other.pem"));
    for (settings, url, why) in [
        (&unknown, "https://vendor.test/", "UnknownIssuer"),
        (&other, "https://vendor.test/", "UnknownIssuer"),
        (&known, "https://wrong.test/", "not valid for name \"wrong.test\""),
    ] {
        let client = client(settings);
        let socket = client.socket(&cx(), &url.replace("https", "wss")).await.map(|_| ());
        for error in [get(&client, url).await.map(|_| ()), socket].map(Result::unwrap_err) {
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            let message = error.message();
            assert!(message.starts_with("the system is not who it should be:") && message.contains(why), "{error}");
            assert!(message.ends_with("http.ca_file names further authorities"), "{error}");
            assert_no_secret(&whole(&error));
        }
    }
    let nothing = HttpClient::new(&{
        let mut settings = HttpSettings::default();
        settings.ca_file = Some(office.folder.path().join("nothing.pem"));
        settings
    });
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    drop(office.authority);
}

/// Everything that is logged, at its most talkative, by us and by what we build on.
#[test]
fn nothing_that_is_logged_or_printed_holds_a_secret() {
    let logged = Logged::default();
    log::set_boxed_logger(Box::new(logged.clone())).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(logged.clone(), || {
        runtime.block_on(async {
            let office = Office::new().await;
            let sign_in = injixo_core::http::SignIn::bearer(&Secret::new("hunter2"));
            let settings = office.settings(ENCODED);
            let client = client(&settings).sign_in(sign_in);
            get(&client, "https://vendor.test/").await.unwrap();
            get(&client, "http://plain.test/").await.unwrap();
            client.socket(&cx(), "wss://vendor.test/").await.unwrap();
            let refused = office.settings("office:hunter2");
            let refusing = HttpClient::new(&refused).unwrap();
            get(&refusing, "https://vendor.test/").await.unwrap_err();
            for text in
                [format!("{settings:?} {settings:#?} {client:?} {client:#?}"), format!("{refused:?} {refusing:?}")]
            {
                assert_no_secret(&text);
                assert!(text.contains("HttpClient"), "{text}");
            }
        });
    });
    let text = logged.text();
    assert!(text.contains("intercepts") && text.contains("vendor.test"), "{text}");
    assert_no_secret(&text);
}

/// What `INJIXO_TEST_ASK` names is asked with nothing but the environment; the answer, or the error, is printed.
fn in_an_environment(url: &str, variables: &[(&str, String)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["asked_by_the_environment_alone", "--exact", "--nocapture"]).env("INJIXO_TEST_ASK", url);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    let output = command.envs(variables.iter().map(|(name, value)| (name, value))).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let line = said.lines().find_map(|line| line.split_once("answer: "));
    assert_no_secret(&said);
    line.map(|line| line.1.to_owned()).unwrap_or_else(|| panic!("{said}"))
}

#[tokio::test]
async fn asked_by_the_environment_alone() {
    if let Ok(url) = std::env::var("INJIXO_TEST_ASK") {
        let answer = get(&client(&HttpSettings::default()), &url).await;
        println!("\nanswer: {}", answer.unwrap_or_else(|error| format!("{} {error}", whole(&error))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_environment() {
    let office = Office::new().await;
    let here = System::encrypted(&office.authority, "127.0.0.1").await;
    let proxy = |user: &str| ("https_proxy", format!("http://{user}@{}", office.proxy.addr));
    let trusted = ("SSL_CERT_FILE", office.folder.path().join("ca.pem").display().to_string());
    let ask = async |url: &str, variables: &[(&str, String)]| {
        let (url, variables) = (url.to_owned(), variables.to_vec());
        let variables: Vec<(&'static str, String)> =
            variables.into_iter().map(|(name, value)| (&*name.to_owned().leak(), value)).collect();
        tokio::task::spawn_blocking(move || in_an_environment(&url, &variables)).await.unwrap()
    };
    let vendor = "https://vendor.test/";
    assert_eq!(ask(vendor, &[proxy(ENCODED), trusted.clone()]).await, "hello from vendor.test");
    assert_eq!(office.proxy.asked(), [("CONNECT vendor.test:443".to_owned(), Some(USER.to_owned()))]);
    let refused = ask(vendor, &[proxy("office:hunter2"), trusted.clone()]).await;
    assert!(refused.contains(&format!("the proxy http://{} refuses", office.proxy.addr)), "{refused}");
    let unknown = ask(vendor, &[proxy(ENCODED), ("SSL_CERT_FILE", String::new())]).await;
    assert!(unknown.contains("UnknownIssuer"), "{unknown}");
    // What `no_proxy` names is reached without it; the proxy knows no way to this machine.
    let asked = office.proxy.asked().len();
    let local = format!("https://127.0.0.1:{}/", here.addr.port());
    let beside = ("no_proxy", "localhost,127.0.0.1".to_owned());
    assert_eq!(ask(&local, &[proxy(ENCODED), trusted.clone(), beside]).await, "hello from 127.0.0.1");
    assert_eq!(office.proxy.asked().len(), asked);
    let through = ask(&local, &[proxy(ENCODED), trusted]).await;
    assert!(through.contains("does not connect to the system"), "{through}");
    assert_eq!(office.proxy.asked().len(), asked + 1);
}
