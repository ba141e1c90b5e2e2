//! What a connector does when its system is at fault.

use injixo_model::{Millis, Timestamp, Window};

use super::read::{Ending, Kit, Reader, Source, Trouble};
use super::report::{self, Check, Judgement, Report};
use super::windows::Data;
use super::{Fault, Suite};
use crate::error::{Error, ErrorKind, Result};

/// Which errors a fault may lead to, and whether trying again may help; `None` where either is fine.
type Allowed = (Fault, Check, &'static [ErrorKind], Option<bool>);

pub(super) const ERRORS: [Allowed; 4] = [
    (
        Fault::WrongCredentials,
        report::WRONG_CREDENTIALS,
        &[ErrorKind::Unauthenticated, ErrorKind::PermissionDenied],
        Some(false),
    ),
    (Fault::Unreachable, report::UNREACHABLE, &[ErrorKind::Unavailable, ErrorKind::Timeout], Some(true)),
    (Fault::RateLimited, report::RATE_LIMITED, &[ErrorKind::RateLimited], Some(true)),
    (Fault::BrokenAnswer, report::BROKEN_ANSWER, &[ErrorKind::Protocol, ErrorKind::DataInvalid], None),
];

/// Why a fault was not judged.
pub(super) fn wanted(fault: Fault) -> Judgement {
    Judgement::not_judged(format!("give a stand-in at fault with `Suite::with(Fault::{fault:?}, …)`"))
}

pub(super) async fn judge(suite: &Suite<'_>, kit: &Kit, data: Option<&Data<'_>>, report: &mut Report) {
    let window = data.map_or_else(|| a_day(kit.cx.now()), |data| Some(data.busy()));
    for (fault, check, kinds, retryable) in ERRORS {
        let result = match (reader(suite, kit, fault), window) {
            (Some(Ok(reader)), Some(window)) => judge_error(reader.read(window).await, kinds, retryable),
            (Some(Err(found)), _) => Judgement::failed("a source", found),
            _ => wanted(fault),
        };
        report.set(&check, result);
    }
    judge_checks(suite, kit, report).await;
    let result = match (reader(suite, kit, Fault::Hangs), window) {
        (Some(Ok(reader)), Some(window)) => judge_hang(reader.read_at_most(window, usize::MAX, suite.hang).await),
        (Some(Err(found)), _) => Judgement::failed("a source", found),
        _ => wanted(Fault::Hangs),
    };
    report.set(&report::HANGS, result);
    for (fault, check) in [
        (Fault::RowCap, report::ROW_CAP),
        (Fault::RepeatedPage, report::REPEATED_PAGE),
        (Fault::MissingPage, report::MISSING_PAGE),
        (Fault::ShortPage, report::SHORT_PAGE),
    ] {
        let result = match (reader(suite, kit, fault), data) {
            (Some(Ok(reader)), Some(data)) => judge_pages(fault, &reader, data).await,
            (Some(Err(found)), _) => Judgement::failed("a source", found),
            (Some(_), None) => Judgement::not_judged("the good stand-in showed no data to compare with"),
            (None, _) => wanted(fault),
        };
        report.set(&check, result);
    }
}

/// What `check` says about a system that refuses or does not answer.
pub(super) async fn judge_checks(suite: &Suite<'_>, kit: &Kit, report: &mut Report) {
    for (fault, _, kinds, _) in &ERRORS[..2] {
        let check =
            if *fault == Fault::WrongCredentials { report::CHECK_CREDENTIALS } else { report::CHECK_UNREACHABLE };
        let Some(make) = suite.with_fault(*fault) else {
            report.set(&check, wanted(*fault));
            continue;
        };
        let connector = make();
        kit.ear.hear_debug("Debug of the connector", &connector);
        let found = match kit.ask(connector.check(&kit.cx)).await {
            Ok(found) => {
                kit.ear.hear_debug("the report of check", &found);
                found.problems.is_empty().then(|| "a report without problems".to_owned())
            }
            Err(error) => (!kinds.contains(&error.kind())).then(|| format!("{error:?}")),
        };
        report.set(&check, Judgement::of(found, format!("a problem, or an error of {}", names(kinds))));
    }
}

fn a_day(now: Timestamp) -> Option<Window> {
    Window::new(now.before(Millis::from_mins(24 * 60)), now).ok()
}

fn reader<'k>(suite: &Suite<'_>, kit: &'k Kit, fault: Fault) -> Option<Result<Reader<'k>, String>> {
    let connector = suite.with_fault(fault)?();
    kit.ear.hear_debug("Debug of the connector", &connector);
    let source = Source::of(&*connector, suite.suite == report::STATUSES);
    Some(source.map(|source| Reader::new(kit, source)).ok_or_else(|| format!("none with {fault:?}")))
}

fn names(kinds: &[ErrorKind]) -> String {
    let names: Vec<String> = kinds.iter().map(|kind| format!("{kind:?}")).collect();
    names.join(" or ")
}

fn wrong_error(error: &Error, kinds: &[ErrorKind], retryable: Option<bool>) -> Option<String> {
    let is_right = kinds.contains(&error.kind()) && retryable.is_none_or(|wanted| wanted == error.is_retryable());
    let retry = if error.is_retryable() { "retryable" } else { "not retryable" };
    (!is_right).then(|| format!("{:?}, {retry}: {error}", error.kind()))
}

/// Whether something failed with one of these errors.
pub(super) fn judge_error<T>(ending: Ending<T>, kinds: &[ErrorKind], retryable: Option<bool>) -> Judgement {
    let retry = match retryable {
        Some(true) => ", retryable",
        Some(false) => ", not retryable",
        None => "",
    };
    let expected = format!("an error of {}{retry}", names(kinds));
    match ending {
        Ending::Failed(error) => Judgement::of(wrong_error(&error, kinds, retryable), expected),
        Ending::Done(_) => Judgement::failed(expected, "an answer that ended without an error"),
        Ending::Stuck | Ending::Dropped => Judgement::failed(expected, "no answer"),
    }
}

/// Whether a read of a system that never answers waits, or gives up as it should.
pub(super) fn judge_hang<T>(ending: Ending<T>) -> Judgement {
    let expected = "a read that waits, or fails with Timeout or Unavailable";
    match ending {
        Ending::Stuck | Ending::Dropped => Judgement::Passed,
        Ending::Done(_) => Judgement::failed(expected, "an answer that ended without an error"),
        Ending::Failed(error) => {
            Judgement::of(wrong_error(&error, &[ErrorKind::Timeout, ErrorKind::Unavailable], Some(true)), expected)
        }
    }
}

async fn judge_pages(fault: Fault, reader: &Reader<'_>, data: &Data<'_>) -> Judgement {
    let gathered = reader.gather(data.window).await;
    let is_loss = matches!(fault, Fault::MissingPage | Fault::ShortPage);
    let expected = match fault {
        Fault::RowCap => "truncated, and everything from the halves",
        Fault::RepeatedPage => "everything once",
        _ => "an error, or everything",
    };
    let gathered = match gathered {
        // The engine reads again, or says that it failed: nothing is lost.
        Err(Trouble::Failed(..)) if is_loss => return Judgement::Passed,
        Err(trouble) => return Judgement::failed(expected, trouble.to_string()),
        Ok(gathered) => gathered,
    };
    let found = data.differs(&[data.window], &gathered);
    let twice = if fault == Fault::RepeatedPage && data.is_statuses() { reader.seen().twice.clone() } else { None };
    if found.is_none() && fault == Fault::RowCap && gathered.truncated == 0 {
        let why = format!(
            "no answer was truncated and nothing is missing: give the stand-in a cap below {} rows",
            data.facts.len()
        );
        return Judgement::not_judged(why);
    }
    Judgement::of(found.or(twice), expected)
}
