//! The connector against the stand-in: the conformance suite, and what the suite cannot know.

mod standin;

use std::net::TcpListener;
use std::sync::Arc;

use injixo_connector_acme::{Acme, AcmeConfig};
use injixo_core::aggregate::Interval;
use injixo_core::connector::{Connector, ConnectorFactory, Context, Registry};
use injixo_core::model::{Channel, Contact, IntervalLength, Measures, Millis, Quantity, Rule, Timestamp, Window};
use injixo_core::testkit::{Fact, Fault, Suite, TestClock};
use injixo_core::zone::Zone;
use injixo_core::{Clock, ImportReport, MemoryStore, Runtime, read_intervals};
use standin::{FIRST, KEY, StandIn, System};

fn connector(config: &str) -> Acme {
    Acme::build(toml::from_str::<AcmeConfig>(config).unwrap()).unwrap()
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn hours(from: i64, to: i64) -> Window {
    Window::new(at(FIRST + from * 3_600), at(FIRST + to * 3_600)).unwrap()
}

fn contact(row: &standin::Contact) -> Fact {
    let channel = if row.medium == "chat" { Channel::Chats } else { Channel::Calls };
    let handled = if row.wait.is_some() { Quantity::ONE } else { Quantity::ZERO };
    let (wait, duration) = (row.wait.map(Millis::from_secs), row.work.map(Millis::from_secs));
    Fact::contact(row.queue, channel, Contact { handled, wait, duration, ..Contact::offered(at(row.entered)) })
}

fn status(row: &standin::Status) -> Fact {
    Fact::span(row.agent, row.status, at(row.since), row.until.map(at))
}

/// The stand-in as it should be, and one for each thing that can be wrong.
struct StandIns {
    good: StandIn,
    faulty: Vec<(Fault, StandIn)>,
}

impl StandIns {
    fn serve() -> Self {
        let with = |fault| StandIn::serve(System { fault: Some(fault), ..System::default() });
        let faulty = vec![
            (Fault::RateLimited, with(standin::Fault::AsksToWait)),
            (Fault::BrokenAnswer, with(standin::Fault::AnswersOddly)),
            (Fault::Hangs, with(standin::Fault::NeverAnswers)),
            (Fault::RepeatedPage, with(standin::Fault::RepeatsAPage)),
            (Fault::MissingPage, with(standin::Fault::LeavesOutAPage)),
            (Fault::ShortPage, with(standin::Fault::ShortensAPage)),
            (Fault::RowCap, StandIn::serve(System { cap: 20, ..System::default() })),
        ];
        Self { good: StandIn::serve(System::default()), faulty }
    }

    /// Tells the suite what the stand-in holds and what can be wrong, and runs it. Nothing may be left unjudged.
    fn judge<'a>(&'a self, mut suite: Suite<'a>, truth: impl Iterator<Item = Fact>) {
        for (fault, standin) in &self.faulty {
            suite = suite.with(*fault, || connector(&standin.config(KEY)));
        }
        let report = suite
            .truth(truth)
            .zone(Zone::new("Europe/Berlin").unwrap())
            .secret(KEY)
            .with(Fault::WrongCredentials, || connector(&self.good.config("another-key")))
            .secret("another-key")
            .with(Fault::Unreachable, || connector(&standin::config(&nobody(), KEY)))
            .run();
        assert_eq!(report.unjudged(), [""; 0], "{report}");
    }
}

/// An address at which nobody answers.
fn nobody() -> String {
    format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap())
}

#[test]
fn contacts_conform() {
    let servers = StandIns::serve();
    let suite = Suite::contacts(|| connector(&servers.good.config(KEY)));
    servers.judge(suite, servers.good.system.contacts.iter().map(contact));
}

#[test]
fn statuses_conform() {
    let servers = StandIns::serve();
    let suite = Suite::statuses(|| connector(&servers.good.config(KEY)));
    servers.judge(suite, servers.good.system.statuses.iter().map(status));
}

/// Imports the contacts of a window.
fn import(system: System, window: Window) -> (ImportReport, Vec<Interval>) {
    let standin = StandIn::serve(system);
    let host = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    host.block_on(async {
        let runtime = Runtime::new(MemoryStore::new());
        let integration = runtime.add("Acme", connector(&standin.config(KEY))).await.unwrap();
        let report = integration.import_contacts(window).await.unwrap();
        let three_hours = IntervalLength::from_minutes(180).unwrap();
        (report, runtime.intervals("Acme").every(three_hours).await.unwrap())
    })
}

/// Six contacts: 0 and 3 are chats, 0, 2 and 4 are for the hotline, 4 is abandoned, n is worked on for 200 + n seconds.
#[test]
fn contacts_come_to_the_sums_worked_out_by_hand() {
    let (report, intervals) = import(System::default(), hours(0, 3));
    assert_eq!((report.imported, report.rejected), (6, 0), "{report}");
    let mut seen: Vec<_> = intervals
        .iter()
        .map(|row| {
            let Measures { offered, handled, .. } = row.measures;
            (row.queue.to_string(), offered.to_string(), handled.to_string(), row.measures.aht())
        })
        .collect();
    seen.sort();
    let row = |queue: &str, offered: &str, handled: &str, aht| {
        (queue.to_owned(), offered.to_owned(), handled.to_owned(), Some(Millis::from_secs(aht)))
    };
    let expected = [
        row("Hotline (calls)", "2", "1", 202),
        row("Hotline (chats)", "1", "1", 200),
        row("Orders (calls)", "2", "2", 203),
        row("Orders (chats)", "1", "1", 203),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn odd_rows_are_rejected_by_name() {
    let mut system = System::default();
    system.contacts[1].medium = "telepathy";
    system.contacts[2].wait = Some(-1);
    let (report, _) = import(system, hours(0, 3));
    assert_eq!((report.imported, report.rejected), (4, 2), "{report}");
    let rejected: Vec<_> = report.first_rejected.iter().map(|row| (row.rule, row.excerpt.as_str())).collect();
    assert!(rejected.contains(&(Rule::Type, "\"c-1\"")), "{rejected:?}");
    assert!(rejected.iter().any(|row| row.0 == Rule::Duration && row.1.starts_with("Hotline")), "{rejected:?}");
}

#[test]
fn what_the_system_does_not_know_yet_stays_open() {
    let (report, _) = import(System { as_of: FIRST + 3_600, ..System::default() }, hours(0, 3));
    assert_eq!(report.window, Some(hours(0, 1)), "{report}");
}

#[test]
fn pages_that_moved_are_read_again_later() {
    let standin = StandIn::serve(System { fault: Some(standin::Fault::ShortensAPage), ..System::default() });
    let (connector, cx) = (connector(&standin.config(KEY)), Context::default());
    let host = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = host.block_on(read_intervals(&connector, hours(0, 3), &cx, |_| {})).unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}

#[test]
fn a_time_longer_than_the_system_answers_for_is_read_in_pieces() {
    let (report, _) = import(System::default(), hours(-40 * 24, 3));
    assert_eq!(report.imported, 6, "{report}");
}

#[test]
fn no_more_is_asked_a_minute_than_configured() {
    let standin = StandIn::serve(System::default());
    let connector = connector(&standin.config(KEY).replace("= 300", "= 1"));
    let clock = TestClock::at(at(FIRST)).hasty();
    let cx = Context::new(Arc::new(clock.clone()));
    let host = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    host.block_on(async {
        connector.check(&cx).await.unwrap();
        assert_eq!(clock.now(), at(FIRST));
        connector.check(&cx).await.unwrap();
    });
    assert!(clock.now() >= at(FIRST + 60), "{}", clock.now());
}

#[test]
fn the_sample_is_a_configuration_and_mistakes_are_named() {
    let registry = Registry::new().with::<Acme>();
    let sample = include_str!("../sample.toml");
    registry.build("acme", sample).unwrap();
    for (from, to, message) in [
        ("account =", "acount =", "acme: unknown field `acount`"),
        ("= 300", "= 0", "nonzero"),
        ("key = \"env:ACME_KEY\"", "", "missing field `key`"),
    ] {
        let error = registry.build("acme", &sample.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
