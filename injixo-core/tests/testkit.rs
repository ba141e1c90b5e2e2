//! The conformance suite against connectors with known defects: each is found, by the check that is meant for it.

#[expect(unreachable_pub, reason = "a module of one test")]
mod stand_in;

use std::collections::BTreeSet;

use injixo_core::testkit::{self, CHECKS, Fault, Judgement, Report, Suite};
use injixo_core::zone::Zone;

use self::stand_in::folder::{self, Folder};
use self::stand_in::{Defect, Desk, Endless, KEY, System, Way, window};

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

fn deliveries(defect: folder::Defect) -> Report {
    let place = tempfile::tempdir().unwrap();
    let facts = folder::fill(place.path());
    let make = || Folder::new(place.path()).with(defect);
    let suite = Suite::deliveries(make)
        .secret(KEY)
        .truth(facts)
        .with(Fault::WrongCredentials, || make().at_fault(Fault::WrongCredentials))
        .with(Fault::Unreachable, || make().at_fault(Fault::Unreachable))
        .with(Fault::RateLimited, || make().at_fault(Fault::RateLimited))
        .with(Fault::BrokenAnswer, || make().at_fault(Fault::BrokenAnswer))
        .with(Fault::Hangs, || make().at_fault(Fault::Hangs));
    report(suite)
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
    let report = deliveries(folder::Defect::None);
    assert_eq!((report.failed(), unjudged(&report)), (vec![], vec![]), "{report}");
    let report = intervals(Defect::None);
    assert_eq!(report.failed(), [""; 0], "{report}");
    assert_eq!(unjudged(&report), ["truth"], "{report}");
}

#[test]
fn connectors_that_are_correct_in_another_way_pass() {
    for way in [Way::SmallWindows, Way::LowCap, Way::Lags, Way::Eager] {
        let make = move |system: System| Desk::new(system).working(way);
        for kind in [Suite::contacts(move || make(System::good())), Suite::statuses(move || make(System::good()))] {
            let report = report(suite(kind, make));
            assert_eq!(report.failed(), [""; 0], "{way:?}: {report}");
            assert_eq!(unjudged(&report), ["truth"], "{way:?}: {report}");
        }
    }
    for way in [Way::OpenSpans, Way::OnlyWhatStarts, Way::NewStatusesOnly] {
        let make = move |system: System| Desk::new(system).working(way);
        let report = report(suite(Suite::statuses(move || make(System::good())), make));
        assert_eq!((report.failed(), unjudged(&report)), (vec![], vec!["truth"]), "{way:?}: {report}");
    }
}

#[test]
fn a_source_without_end_and_without_waiting_passes() {
    testkit::contacts(|| Endless);
    let report = report(Suite::contacts(|| Endless));
    assert!(unjudged(&report).contains(&"cancel"), "{report}");
    assert_eq!(report.result("local-days"), Some(&Judgement::Passed), "{report}");
}

#[test]
fn the_truth_says_where_the_data_is() {
    let contacts = Suite::contacts(|| Desk::new(System::good())).truth(System::good().contacts());
    let statuses = Suite::statuses(|| Desk::new(System::good())).truth(System::good().statuses());
    for report in [report(contacts), report(statuses)] {
        assert!(report.is_passed(), "{report}");
        assert_eq!(report.result("truth"), Some(&Judgement::Passed), "{report}");
    }
}

#[test]
fn rows_outside_the_window_are_a_warning() {
    let report = contacts(Defect::ClosedEnd);
    assert_eq!(report.failed(), [""; 0], "{report}");
    assert_eq!(warned(&report), ["nothing-outside"], "{report}");
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

macro_rules! defect_of {
    (deliveries) => {
        folder::Defect
    };
    ($judge:ident) => {
        Defect
    };
}

macro_rules! defects {
    ($($name:ident: $judge:ident($defect:ident) fails $first:literal $(, and $other:literal)*;)*) => {
        $(#[test]
        fn $name() {
            let report = $judge(<defect_of!($judge)>::$defect);
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
    no_status_data: statuses(Silent) fails "finds-data";
    another_value: contacts(Untrue) fails "truth";
    start_left_out: contacts(OpenStart) fails "half-open-windows", and "any-split", and "concurrent-reads", and "truth";
    start_left_out_of_statuses: statuses(OpenStart) fails "half-open-windows", and "any-split", and "concurrent-reads", and "local-days", and "spans-whole", and "truth";
    whole_hours_only: contacts(WholeHours) fails "any-split", and "half-open-windows", and "row-cap";
    progress_kept: contacts(Remembers) fails "repeated-reads", and "any-split", and "cancel", and "concurrent-reads", and "half-open-windows", and "row-cap";
    empty_is_an_error: contacts(EmptyFails) fails "empty-windows", and "any-split", and "half-open-windows";
    empty_is_late: contacts(EmptyIsLate) fails "empty-windows", and "any-split", and "half-open-windows";
    the_future_is_an_error: contacts(FutureFails) fails "empty-windows";
    days_of_24_hours: contacts(DaysOf24Hours) fails "local-days", and "any-split", and "concurrent-reads", and "row-cap", and "truth";
    until_behind_the_window: contacts(UntilBehind) fails "until-in-window", and "row-cap";
    a_page_left_behind: contacts(LeavesPage) fails "cancel";
    one_window_for_all: contacts(OneWindow) fails "concurrent-reads";
    one_window_for_all_statuses: statuses(OneWindow) fails "concurrent-reads";
    cap_overlooked: contacts(IgnoresCap) fails "row-cap";
    cap_overlooked_in_statuses: statuses(IgnoresCap) fails "row-cap";
    cap_is_an_error: contacts(FailsAtCap) fails "row-cap";
    repeats_kept: contacts(KeepsRepeats) fails "repeated-page", and "missing-page", and "short-page";
    repeats_kept_in_statuses: statuses(KeepsRepeats) fails "repeated-page", and "missing-page", and "short-page";
    a_missing_page_is_the_end: contacts(TrustsEmptyPage) fails "missing-page", and "short-page";
    a_short_page_is_the_end: contacts(TrustsShortPage) fails "short-page", and "missing-page";
    login_is_unexpected: contacts(LoginUnexpected) fails "wrong-credentials";
    login_is_tried_again: contacts(LoginRetryable) fails "wrong-credentials";
    down_for_good: contacts(DownForGood) fails "unreachable";
    waiting_is_down: contacts(WaitIsDown) fails "rate-limited";
    garbage_is_empty: contacts(GarbageIsEmpty) fails "broken-answer", and "missing-page", and "short-page";
    no_answer_is_empty: contacts(GivesUpQuietly) fails "hangs", and "missing-page", and "short-page";
    check_without_login: contacts(ChecksNothing) fails "check-credentials", and "check-unreachable";
    check_without_a_call: contacts(ChecksNothing) fails "check-unreachable", and "check-credentials";
    check_with_the_wrong_error: contacts(CheckBlamesData) fails "check-credentials", and "check-unreachable";
    key_in_debug: contacts(DebugShowsKey) fails "secrets";
    key_in_an_error: contacts(ErrorShowsKey) fails "secrets";
    key_in_a_cause: contacts(CauseShowsKey) fails "secrets";
    key_in_an_event: contacts(EventShowsKey) fails "secrets";
    no_queue: contacts(NoQueue) fails "identity", and "truth";
    no_agent: statuses(NoQueue) fails "identity", and "truth";
    negative_times: contacts(NegativeTime) fails "measures", and "truth";
    ends_before_starts: statuses(NegativeTime) fails "measures", and "truth";
    rows_off_the_grid: intervals(OffGrid) fails "measures", and "any-split", and "concurrent-reads", and "half-open-windows";
    rows_of_another_kind: contacts(OtherKind) fails "own-kind";
    a_panic: contacts(Panics) fails "finds-data";
    ends_cut_at_edges: statuses(CutsEnds) fails "spans-whole", and "any-split", and "concurrent-reads", and "half-open-windows";
    starts_cut_at_edges: statuses(CutsStarts) fails "spans-whole", and "any-split", and "concurrent-reads", and "empty-windows", and "half-open-windows", and "local-days", and "row-cap";
    ends_never_told: statuses(ForgetsEnds) fails "late-ends", and "any-split", and "local-days";
    sums_cut_at_edges: intervals(PartialSums) fails "any-split", and "half-open-windows";
    no_delivery_source: deliveries(NoSource) fails "has-source";
    a_form_that_changes: deliveries(Moody) fails "hands-out-the-same", and "own-kind";
    deliveries_listed_once: deliveries(ListsOnce) fails "scan-agrees";
    newest_first: deliveries(NewestFirst) fails "oldest-first";
    files_named_apart: deliveries(NamesFilesApart) fails "file-as-listed";
    keys_from_paths: deliveries(KeyFromPath) fails "key-by-content", and "changed-delivery";
    changed_files_read: deliveries(ReadsWhatChanged) fails "changed-delivery";
    files_without_key_refused: deliveries(WantsKey) fails "without-key";
    rows_lost_at_cuts: deliveries(LosesAtCuts) fails "parts";
    lines_read_once: deliveries(Remembers) fails "repeated-reads", and "truth";
    a_line_left_behind: deliveries(LeavesLine) fails "cancel";
    another_time: deliveries(Untrue) fails "truth";
    files_without_queue: deliveries(NoQueue) fails "identity", and "truth";
    files_with_negative_times: deliveries(NegativeTime) fails "measures", and "truth";
    folder_may_not_be_read: deliveries(LoginUnexpected) fails "wrong-credentials", and "check-credentials";
    folder_not_there: deliveries(DownIsEmpty) fails "unreachable", and "check-unreachable";
    folder_asks_to_wait: deliveries(WaitIsDown) fails "rate-limited";
    file_is_garbage: deliveries(GarbageIsEmpty) fails "broken-answer";
    file_does_not_come: deliveries(GivesUpQuietly) fails "hangs";
    folder_not_looked_at: deliveries(ChecksNothing) fails "check-unreachable", and "check-credentials";
    key_in_the_place_of_an_error: deliveries(ErrorShowsKey) fails "secrets";
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
    // A warning, and so without a defect that fails it.
    let warned_only = "nothing-outside";
    let found: BTreeSet<&str> = FOUND.iter().copied().chain([warned_only]).collect();
    let known: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(found, known);
}
