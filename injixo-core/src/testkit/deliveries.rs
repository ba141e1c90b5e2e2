//! The checks of sources in which data arrives.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fact::{Fact, difference, difference_from_truth};
use super::faults::{ERRORS, judge_checks, judge_error, judge_hang, wanted};
use super::read::{Ending, Kit, Seen, read_delivery, read_parts};
use super::report::{self, Judgement, Report};
use super::{Fault, Suite};
use crate::connector::{Connector, Delivery, DeliverySource};

type Source = Arc<dyn DeliverySource>;

/// More deliveries make a suite slow and prove no more.
const MANY: usize = 8;

pub(super) async fn judge(suite: &Suite<'_>, kit: &Kit, connector: &Arc<dyn Connector>, report: &mut Report) {
    let Some(source) = connector.deliveries() else {
        report.set(&report::HAS_SOURCE, Judgement::failed("a source from `deliveries`", "none"));
        report.fill("there is no source");
        return;
    };
    report.set(&report::HAS_SOURCE, Judgement::Passed);
    kit.ear.hear_debug("Debug of the source", &source);
    let handed_out = (connector.info(), source.form(), connector.zone().name().to_owned());
    let (listed, scan) = scan_agrees(kit, &source).await;
    report.set(&report::SCAN_AGREES, scan);
    let mut seen = Seen::default();
    match find(suite, kit, &source, &listed).await {
        Ok(found) => {
            report.set(&report::FINDS_DATA, Judgement::Passed);
            let folder = tempfile::tempdir().ok();
            let mut data = Data { suite, kit, source: &source, deliveries: found, facts: Vec::new(), folder };
            report.set(&report::REPEATED_READS, data.repeated_reads(&mut seen).await);
            report.set(&report::TRUTH, data.truth());
            report.set(&report::CANCEL, data.cancel(&mut seen).await);
            report.set(&report::WITHOUT_KEY, data.without_key(&mut seen).await);
            report.set(&report::PARTS, data.parts(&mut seen).await);
            report.set(&report::FILE_AS_LISTED, data.file_as_listed(&listed).await);
            report.set(&report::OLDEST_FIRST, oldest_first(&listed));
            let (by_content, changed) = data.copies(&mut seen).await;
            report.set(&report::KEY_BY_CONTENT, by_content);
            report.set(&report::CHANGED_DELIVERY, changed);
            let of = |found: &Option<String>, expected: &str| Judgement::of(found.clone(), expected);
            report.set(&report::OWN_KIND, of(&seen.kind, "only rows of the announced form"));
            report.set(&report::IDENTITY, of(&seen.identity, "a name for every queue, agent and status"));
            report.set(&report::MEASURES, of(&seen.measures, "counts and times that can be"));
        }
        Err(found) => report.set(&report::FINDS_DATA, Judgement::failed("a delivery", found)),
    }
    judge_faults(suite, kit, report).await;
    let again =
        connector.deliveries().map(|source| (connector.info(), source.form(), connector.zone().name().to_owned()));
    let found = (again.as_ref() != Some(&handed_out)).then(|| format!("{handed_out:?}, then {again:?}"));
    report.set(&report::HANDS_OUT_THE_SAME, Judgement::of(found, "the same info, form and zone each time"));
}

async fn scan_agrees(kit: &Kit, source: &Source) -> (Vec<Delivery>, Judgement) {
    let mut listed: Option<Vec<Delivery>> = None;
    for _ in 0..3 {
        let found = match kit.ask(source.scan(&kit.cx)).await {
            Ok(found) => found,
            Err(error) => return (Vec::new(), Judgement::failed("a list", format!("{error:?}"))),
        };
        if let Some(first) = listed.as_ref().filter(|first| **first != found) {
            let found = format!("{} deliveries, then {}, or in another order", first.len(), found.len());
            return (first.clone(), Judgement::failed("the same list each time", found));
        }
        listed = Some(found);
    }
    (listed.unwrap_or_default(), Judgement::Passed)
}

async fn find(suite: &Suite<'_>, kit: &Kit, source: &Source, listed: &[Delivery]) -> Result<Vec<Delivery>, String> {
    // What they hold together can be compared only when all are read.
    let most = if suite.truth.is_some() { usize::MAX } else { MANY };
    let mut found: Vec<Delivery> = listed.iter().take(most).cloned().collect();
    for path in &suite.files {
        let named = kit.ask(source.file(path)).await.map_err(|error| format!("{}: {error:?}", path.display()))?;
        if found.iter().all(|known| known.key != named.key) {
            found.push(named);
        }
    }
    if found.is_empty() {
        return Err("none in the folder: put some there, or name a file with `Suite::file`".to_owned());
    }
    Ok(found)
}

fn oldest_first(listed: &[Delivery]) -> Judgement {
    let changed = |delivery: &Delivery| std::fs::metadata(&delivery.location).and_then(|file| file.modified()).ok();
    let times: Vec<_> = listed.iter().filter_map(changed).collect();
    if times.len() < 2 || times.len() < listed.len() {
        return Judgement::not_judged("fewer than two files were listed");
    }
    if times.iter().all(|time| *time == times[0]) {
        return Judgement::not_judged("all files were changed at the same instant");
    }
    let wrong = times.windows(2).position(|pair| pair[0] > pair[1]);
    let found = wrong.map(|index| format!("{:?} before {:?}", listed[index].name, listed[index + 1].name));
    Judgement::of(found, "the file that was changed first at the front")
}

/// The deliveries, and what they hold.
struct Data<'d> {
    suite: &'d Suite<'d>,
    kit: &'d Kit,
    source: &'d Source,
    deliveries: Vec<Delivery>,
    /// Of each delivery, once read.
    facts: Vec<Vec<Fact>>,
    folder: Option<tempfile::TempDir>,
}

impl Data<'_> {
    async fn read(&self, delivery: &Delivery, seen: &mut Seen, polls: usize) -> Ending<(Vec<Fact>, u64)> {
        read_delivery(self.kit, self.source, delivery, seen, (polls, self.kit.patience)).await
    }

    async fn repeated_reads(&mut self, seen: &mut Seen) -> Judgement {
        for delivery in &self.deliveries {
            let mut first: Option<(Vec<Fact>, u64)> = None;
            for _ in 0..3 {
                let answer = match self.read(delivery, seen, usize::MAX).await {
                    Ending::Done(answer) => answer,
                    Ending::Failed(error) => {
                        return Judgement::failed("an answer", format!("{}: {error:?}", delivery.name));
                    }
                    Ending::Stuck | Ending::Dropped => {
                        return Judgement::failed("an answer", format!("{}: none", delivery.name));
                    }
                };
                if let Some(first) = &first {
                    let rejected = (first.1 != answer.1).then(|| format!("{} rejected, then {}", first.1, answer.1));
                    if let Some(found) = difference(&first.0, &answer.0).or(rejected) {
                        return Judgement::failed("the same rows each time", format!("{}: {found}", delivery.name));
                    }
                } else {
                    first = Some(answer);
                }
            }
            self.facts.extend(first.map(|(facts, _)| facts));
        }
        Judgement::Passed
    }

    fn truth(&self) -> Judgement {
        let Some(truth) = &self.suite.truth else {
            return Judgement::not_judged("say what the deliveries hold with `Suite::truth`");
        };
        let found: Vec<Fact> = self.facts.iter().flatten().cloned().collect();
        Judgement::of(difference_from_truth(truth, &found), "what the deliveries hold")
    }

    async fn cancel(&self, seen: &mut Seen) -> Judgement {
        let Some((delivery, facts)) = self.deliveries.iter().zip(&self.facts).max_by_key(|(_, facts)| facts.len())
        else {
            return Judgement::not_judged("no delivery could be read");
        };
        let mut polls = 1;
        while polls <= 1 << 12 {
            match self.read(delivery, seen, polls).await {
                Ending::Dropped => {}
                Ending::Done(_) if polls == 1 => {
                    return Judgement::not_judged(
                        "the source never waits, so that a read cannot be dropped half-way: give it more than 4,096 rows",
                    );
                }
                Ending::Done(_) => break,
                Ending::Failed(error) => return Judgement::failed("an answer", format!("{error:?}")),
                Ending::Stuck => return Judgement::failed("an answer", "none"),
            }
            let wrong = match self.read(delivery, seen, usize::MAX).await {
                Ending::Done((again, _)) => difference(facts, &again),
                Ending::Failed(error) => Some(format!("{error:?}")),
                Ending::Stuck | Ending::Dropped => Some("no answer".to_owned()),
            };
            if let Some(found) = wrong {
                let expected = "the same answer after a dropped read";
                return Judgement::failed(expected, format!("dropped after {polls} polls; then {found}"));
            }
            polls *= 2;
        }
        Judgement::Passed
    }

    async fn without_key(&self, seen: &mut Seen) -> Judgement {
        for (delivery, facts) in self.deliveries.iter().zip(&self.facts) {
            let unnamed = Delivery { key: String::new(), settings: String::new(), ..delivery.clone() };
            let wrong = match self.read(&unnamed, seen, usize::MAX).await {
                Ending::Done((found, _)) => difference(facts, &found),
                Ending::Failed(error) => Some(format!("{error:?}")),
                Ending::Stuck | Ending::Dropped => Some("no answer".to_owned()),
            };
            if let Some(found) = wrong {
                return Judgement::failed("the same rows without a key", format!("{}: {found}", delivery.name));
            }
        }
        Judgement::Passed
    }

    async fn parts(&self, seen: &mut Seen) -> Judgement {
        let mut has_parts = false;
        for (delivery, facts) in self.deliveries.iter().zip(&self.facts) {
            let unnamed = Delivery { key: String::new(), settings: String::new(), ..delivery.clone() };
            let Some(ending) = read_parts(self.kit, self.source, &unnamed, seen).await else { continue };
            has_parts = true;
            let wrong = match ending {
                Ending::Done((found, _)) => difference(facts, &found),
                Ending::Failed(error) => Some(format!("{error:?}")),
                Ending::Stuck | Ending::Dropped => Some("no answer".to_owned()),
            };
            if let Some(found) = wrong {
                return Judgement::failed("the rows of the whole", format!("{}: {found}", delivery.name));
            }
        }
        if has_parts { Judgement::Passed } else { Judgement::not_judged("the source names no cuts") }
    }

    async fn file_as_listed(&self, listed: &[Delivery]) -> Judgement {
        let files: Vec<&Delivery> = listed.iter().take(MANY).filter(|delivery| delivery.location.is_file()).collect();
        for delivery in &files {
            match self.kit.ask(self.source.file(&delivery.location)).await {
                Ok(found) if found == **delivery => {}
                Ok(found) => return Judgement::failed(format!("{delivery:?}"), format!("{found:?}")),
                Err(error) => return Judgement::failed(format!("{delivery:?}"), format!("{error:?}")),
            }
        }
        if files.is_empty() { Judgement::not_judged("no file was listed") } else { Judgement::Passed }
    }

    /// A copy of a delivery's file, elsewhere.
    fn copy(&self, delivery: &Delivery, name: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?.path().join(name);
        let original = Path::new(&delivery.location);
        std::fs::create_dir_all(&folder).ok()?;
        let copy = folder.join(original.file_name()?);
        std::fs::copy(original, &copy).ok()?;
        Some(copy)
    }

    async fn copies(&self, seen: &mut Seen) -> (Judgement, Judgement) {
        let none = || Judgement::not_judged("no delivery lies in a file that can be copied");
        let Some(delivery) = self.deliveries.first().filter(|delivery| delivery.location.is_file()) else {
            return (none(), none());
        };
        let (Some(elsewhere), Some(changing)) = (self.copy(delivery, "elsewhere"), self.copy(delivery, "changing"))
        else {
            return (none(), none());
        };
        let by_content = match self.kit.ask(self.source.file(&elsewhere)).await {
            Ok(found) => {
                let wrong = (found.key != delivery.key).then(|| format!("{} elsewhere", found.key));
                Judgement::of(wrong, format!("the key {}", delivery.key))
            }
            Err(error) => Judgement::failed("a delivery", format!("a copy elsewhere: {error:?}")),
        };
        let expected = "an error once the content changed";
        let listed = match self.kit.ask(self.source.file(&changing)).await {
            Ok(listed) => listed,
            Err(error) => return (by_content, Judgement::failed("a delivery", format!("{error:?}"))),
        };
        let content = std::fs::read(&changing).unwrap_or_default();
        // Half of the file: what a transfer that began anew leaves.
        if std::fs::write(&changing, &content[..content.len() / 2]).is_err() {
            return (by_content, none());
        }
        let changed = match self.read(&listed, seen, usize::MAX).await {
            Ending::Failed(_) => Judgement::Passed,
            Ending::Done((facts, _)) => Judgement::failed(expected, format!("{} facts of half the file", facts.len())),
            Ending::Stuck | Ending::Dropped => Judgement::failed(expected, "no answer"),
        };
        (by_content, changed)
    }
}

async fn judge_faults(suite: &Suite<'_>, kit: &Kit, report: &mut Report) {
    for (fault, check, kinds, retryable) in ERRORS {
        let result = match first_read(suite, kit, fault, kit.patience).await {
            Some(ending) => judge_error(ending, kinds, retryable),
            None => wanted(fault),
        };
        report.set(&check, result);
    }
    judge_checks(suite, kit, report).await;
    let result =
        first_read(suite, kit, Fault::Hangs, suite.hang).await.map_or_else(|| wanted(Fault::Hangs), judge_hang);
    report.set(&report::HANGS, result);
}

/// Looks for deliveries and reads each, until something ends badly.
async fn first_read(
    suite: &Suite<'_>,
    kit: &Kit,
    fault: Fault,
    patience: std::time::Duration,
) -> Option<Ending<(Vec<Fact>, u64)>> {
    let connector = suite.with_fault(fault)?();
    kit.ear.hear_debug("Debug of the connector", &connector);
    let source = connector.deliveries()?;
    let mut deliveries = match kit.watch(source.scan(&kit.cx), usize::MAX, patience).await {
        Ending::Done(deliveries) => deliveries,
        Ending::Failed(error) => return Some(Ending::Failed(error)),
        Ending::Stuck | Ending::Dropped => return Some(Ending::Stuck),
    };
    for path in &suite.files {
        match kit.watch(source.file(path), usize::MAX, patience).await {
            Ending::Done(delivery) => deliveries.push(delivery),
            Ending::Failed(error) => return Some(Ending::Failed(error)),
            Ending::Stuck | Ending::Dropped => return Some(Ending::Stuck),
        }
    }
    for delivery in deliveries.iter().take(MANY) {
        let mut seen = Seen::default();
        match read_delivery(kit, &source, delivery, &mut seen, (usize::MAX, patience)).await {
            Ending::Done(_) => {}
            ended => return Some(ended),
        }
    }
    Some(Ending::Done((Vec::new(), 0)))
}
