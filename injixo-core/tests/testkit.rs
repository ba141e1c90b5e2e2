//! The conformance suite against connectors with known defects: each is found, by the check that is meant for it.

#[expect(unreachable_pub, reason = "a module of one test")]
mod stand_in;

use std::collections::BTreeSet;

use injixo_core::testkit::{self, CHECKS, Fault, Judgement, Report, Suite};
use injixo_core::zone::Zone;

use self::stand_in::{Defect, Desk, KEY, System, window};

fn suite<'a>(suite: Suite<'a>, with: impl Fn(System) -> Desk + Copy + 'a) -> Suite<'a> {
    let faulty = move |fault| move || with(System::good().at_fault(fault));
    suite
        .between(window())
        .zone(Zone::new("Europe/Berlin").unwrap())
        .secret(KEY)
        .with(Fault::WrongCredentials, faulty(Fault::WrongCredentials))
        .with(Fault::Unreachable, faulty(Fault::Unreachable))
        .with(Fault::RateLimited, faulty(Fault::RateLimited))
        .with(Fault::BrokenAnswer, faulty(Fault::BrokenAnswer))
        .with(Fault::Hangs, faulty(Fault::Hangs))
        .with(Fault::RowCap, faulty(Fault::RowCap))
        .with(Fault::RepeatedPage, faulty(Fault::RepeatedPage))
        .with(Fault::MissingPage, faulty(Fault::MissingPage))
        .with(Fault::ShortPage, faulty(Fault::ShortPage))
}

fn report(suite: Suite<'_>) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(suite.report())
}

fn contacts(defect: Defect) -> Report {
    let make = move |system: System| Desk::new(system).with(defect);
    report(suite(Suite::contacts(move || make(System::good())), make).truth(System::good().contacts()))
}

fn statuses(defect: Defect) -> Report {
    let make = move |system: System| Desk::new(system).with(defect);
    report(suite(Suite::statuses(move || make(System::good())), make).truth(System::good().statuses()))
}

fn intervals(defect: Defect) -> Report {
    let make = move |system: System| Desk::new(system).summing_up().with(defect);
    report(suite(Suite::contacts(move || make(System::good())), make))
}

fn names(report: &Report, wanted: fn(&Judgement) -> bool) -> Vec<&'static str> {
    report.checks.iter().filter(|check| wanted(&check.result)).map(|check| check.name).collect()
}

fn unjudged(report: &Report) -> Vec<&'static str> {
    names(report, |result| matches!(result, Judgement::NotJudged { .. }))
}

fn warned(report: &Report) -> Vec<&'static str> {
    names(report, |result| matches!(result, Judgement::Warned { .. }))
}

#[test]
fn correct_connectors_pass_every_check() {
    for report in [contacts(Defect::None), statuses(Defect::None), statuses(Defect::KnowsEndsLate)] {
        assert_eq!(report.failed(), [""; 0], "{report}");
        assert_eq!(unjudged(&report), [""; 0], "{report}");
        assert_eq!(warned(&report), [""; 0], "{report}");
    }
    let report = intervals(Defect::None);
    assert_eq!(report.failed(), [""; 0], "{report}");
    assert_eq!(unjudged(&report), ["truth"], "{report}");
}

#[test]
fn one_call_is_enough() {
    testkit::contacts(|| Desk::new(System::good()));
    testkit::statuses(|| Desk::new(System::good()));
    testkit::contacts(|| Desk::new(System::good()).summing_up());
}

#[test]
fn one_call_finds_a_defect_and_says_what_to_do() {
    let panic = std::panic::catch_unwind(|| testkit::contacts(|| Desk::new(System::good()).with(Defect::OpenStart)));
    let message = *panic.unwrap_err().downcast::<String>().unwrap();
    for part in ["FAILED      half-open-windows", "expected: ", "found: ", "do: ", "not judged  secrets: name the"] {
        assert!(message.contains(part), "{part:?} is not in\n{message}");
    }
}

macro_rules! defects {
    ($($name:ident: $judge:ident($defect:ident) fails $first:literal $(, and $other:literal)*;)*) => {
        $(#[test]
        fn $name() {
            let report = $judge(Defect::$defect);
            assert!(report.failed().contains(&$first), "{} is not found in\n{report}", $first);
            let expected: BTreeSet<&str> = [$first $(, $other)*].into();
            assert_eq!(report.failed().into_iter().collect::<BTreeSet<_>>(), expected, "{report}");
        })*

        /// The checks that a defect above is found by.
        const FOUND: &[&str] = &[$($first),*];
    };
}

defects! {
    no_source: contacts(NoSource) fails "has-source";
    limits_upside_down: contacts(UpsideDown) fails "limits-sane";
    limits_that_change: contacts(Moody) fails "hands-out-the-same";
    a_check_that_complains: contacts(Complains) fails "check-passes";
    no_data: contacts(Silent) fails "finds-data";
}

#[test]
fn every_check_is_in_the_specification_and_every_name_there_is_a_check() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/connector-spec.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .filter_map(|line| line.trim_end_matches(" |").rsplit_once(" | "));
    let cells = rows
        .map(|(_, cell)| cell)
        .filter(|cell| !cell.starts_with("not checked") && !cell.starts_with("---") && *cell != "check");
    let named: BTreeSet<&str> = cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`')).collect();
    let known: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(named, known);
    assert_eq!(known.len(), CHECKS.len());
}

#[test]
fn every_check_is_known_to_find_its_defect() {
    let _ = FOUND;
}
