//! `runReport`, `isReportRunning`, `getReportResult` and `getReportResultCsv`.

use roxmltree::Node;

use super::soap::{self, Children, Fault, element};
use super::{AboveLimit, Service, Settings, columns, lock, rows};
use crate::time::{self, Ms, SECOND};

/// A report that was run.
#[derive(Debug)]
pub(super) struct Report {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    polls_left: u32,
    ran: Ms,
}

/// What to run: the folder, the report and its columns.
struct Kind<'a> {
    is_calls: bool,
    columns: &'a [String],
}

/// Names that a filter asks for, by their type.
struct Filter(Vec<(String, Vec<String>)>);

impl Service {
    pub(super) fn run_report(&self, wrapper: Node<'_, '_>) -> Result<String, Fault> {
        let asked = Children::of(wrapper, &["folderName", "reportName", "criteria"])?;
        let (Some(folder), Some(name)) = (asked.text("folderName"), asked.text("reportName")) else {
            return Err(Fault::new("MissedArgumentFault", "folderName and reportName are needed"));
        };
        let criteria = asked.node("criteria").ok_or_else(|| Fault::new("MissedArgumentFault", "criteria is needed"))?;
        let criteria = Children::of(criteria, &["reportObjects*", "time"])?;
        let filter = self.filter(&criteria)?;
        let range = self.range(&criteria)?;
        self.count("ReportRequest")?;
        let kind = kind(&self.settings, folder, name).ok_or_else(|| not_found(folder, name))?;
        let header = kind.columns.iter().map(|column| self.settings.renamed.get(column).unwrap_or(column).clone());
        let report = Report {
            header: header.collect(),
            rows: self.rows(&kind, range, &filter),
            polls_left: self.settings.report_polls,
            ran: self.now(),
        };
        let number = lock(&self.identifiers).next();
        let identifier = format!("{number:016x}");
        lock(&self.reports).insert(identifier.clone(), report);
        Ok(format!("<return>{identifier}</return>"))
    }

    fn range(&self, criteria: &Children<'_>) -> Result<(Ms, Ms), Fault> {
        let missing = || Fault::new("MissedArgumentFault", "time with end and start is needed");
        let time = criteria.node("time").ok_or_else(missing)?;
        let range = Children::of(time, &["end", "start"]);
        let range = if self.settings.takes_start_first {
            range.or_else(|_| Children::of(time, &["start", "end"]))?
        } else {
            range?
        };
        let instant = |name: &str| {
            let text = range.text(name).ok_or_else(missing)?.trim();
            let naive = || time::parse_naive(text).map(|local| self.settings.zone.instant(local));
            let bad = || Fault::new("IncorrectArgumentFault", format!("{name} is no dateTime: {text}"));
            let instant = time::parse(text).or_else(naive).ok_or_else(bad)?;
            let has_zero_offset = text.ends_with("+00:00");
            Ok((instant, has_zero_offset))
        };
        let ((start, is_zero), (end, _)) = (instant("start")?, instant("end")?);
        if start > end {
            return Err(Fault::new("IncorrectArgumentFault", "start is after end"));
        }
        if is_zero && self.settings.empties_zero_offset {
            return Ok((start, start));
        }
        Ok((start, end))
    }

    fn filter(&self, criteria: &Children<'_>) -> Result<Filter, Fault> {
        let mut all = Vec::new();
        for object in criteria.nodes("reportObjects") {
            let object = Children::of(object, &["objectNames*", "objectType"])?;
            let kind = object.text("objectType").unwrap_or("").to_owned();
            let names: Vec<String> =
                object.nodes("objectNames").map(|name| name.text().unwrap_or("").to_owned()).collect();
            let ledger = self.world.ledger();
            for name in &names {
                let is_known = match kind.as_str() {
                    "Skill" => ledger.queues.iter().any(|queue| queue.name == *name),
                    "Campaign" => ledger.queues.iter().any(|queue| queue.campaign == *name),
                    "User" => ledger.agents.iter().any(|agent| agent.user == *name),
                    _ => return Err(Fault::new("IncorrectArgumentFault", format!("no filter by {kind}"))),
                };
                if !is_known {
                    let text = format!("{kind} {name} is not found");
                    let fields = vec![("message", text.clone()), ("objectName", name.clone()), ("objectType", kind)];
                    return Err(Fault { name: "ObjectNotFoundFault".to_owned(), fields, text });
                }
            }
            all.push((kind, names));
        }
        Ok(Filter(all))
    }

    fn rows(&self, kind: &Kind<'_>, (start, end): (Ms, Ms), filter: &Filter) -> Vec<Vec<String>> {
        let (ledger, settings, now) = (self.world.ledger(), &self.settings, self.now());
        if kind.is_calls {
            let rows = rows::calls(&ledger, settings, now).into_iter().filter(|row| {
                let user = row.agent.as_ref().map_or("", |(user, _)| user);
                let skill = row.skill.as_deref().unwrap_or("");
                (start..end).contains(&row.at) && filter.takes(&row.campaign, skill, user)
            });
            let cells = |row: rows::CallRow| {
                kind.columns.iter().map(|column| columns::call(&row, column, settings)).collect::<Vec<_>>()
            };
            rows.map(cells).collect()
        } else {
            let rows = rows::states(&ledger, settings, now).into_iter();
            let rows = rows.filter(|row| (start..end).contains(&row.at) && filter.takes("", "", &row.user));
            let cells = |row: rows::StateRow| {
                let cell = |column: &String| columns::state(&row, column, &ledger.agents, settings);
                kind.columns.iter().map(cell).collect::<Vec<_>>()
            };
            rows.map(cells).collect()
        }
    }

    /// Whether a report still runs, and for how long the client is ready to wait.
    pub(super) fn ask_running(&self, wrapper: Node<'_, '_>) -> Result<(bool, Ms), Fault> {
        let asked = Children::of(wrapper, &["identifier", "timeout"])?;
        let timeout = asked.number("timeout")?.ok_or_else(|| Fault::new("MissedArgumentFault", "timeout is needed"))?;
        self.count("Query")?;
        self.with_report(&asked, |report| {
            let is_running = report.polls_left > 0;
            report.polls_left = report.polls_left.saturating_sub(1);
            Ok((is_running, timeout.max(0) * SECOND))
        })
    }

    pub(super) fn result_csv(&self, wrapper: Node<'_, '_>) -> Result<String, Fault> {
        let asked = Children::of(wrapper, &["identifier"])?;
        self.count("RetrieveReport")?;
        let (header, rows) = self.finished(&asked, self.settings.csv_limit)?;
        let csv = columns::csv(&header, &rows, &self.settings.line_end);
        Ok(format!("<return>{}</return>", soap::escaped(&csv)))
    }

    pub(super) fn result(&self, wrapper: Node<'_, '_>) -> Result<String, Fault> {
        let asked = Children::of(wrapper, &["identifier"])?;
        self.count("RetrieveReport")?;
        let (header, rows) = self.finished(&asked, self.settings.record_limit)?;
        let mut text = "<return>".to_owned();
        record(&mut text, "header", &header);
        for row in &rows {
            record(&mut text, "records", row);
        }
        text.push_str("</return>");
        Ok(text)
    }

    fn finished(&self, asked: &Children<'_>, limit: usize) -> Result<(Vec<String>, Vec<Vec<String>>), Fault> {
        self.with_report(asked, |report| {
            let mut rows = report.rows.clone();
            if report.polls_left > 0 {
                if !self.settings.gives_half_results {
                    let text = "Result is not ready due to process is not complete";
                    return Err(Fault::new("ResultIsNotReadyFault", text));
                }
                rows.truncate(rows.len() / 2);
            }
            if rows.len() > limit && self.settings.above_limit == AboveLimit::Fault {
                return Err(Fault::new("ServerFault", format!("The report has more than {limit} records")));
            }
            rows.truncate(limit);
            Ok((report.header.clone(), rows))
        })
    }

    fn with_report<T>(
        &self,
        asked: &Children<'_>,
        with: impl FnOnce(&mut Report) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let identifier = asked.text("identifier");
        let identifier = identifier.ok_or_else(|| Fault::new("MissedArgumentFault", "identifier is needed"))?;
        let mut reports = lock(&self.reports);
        reports.retain(|_, report| report.ran + self.settings.report_life > self.now());
        let report = reports.get_mut(identifier);
        with(report.ok_or_else(|| Fault::new("UnknownIdentifierFault", format!("Unknown identifier {identifier}")))?)
    }
}

impl Filter {
    fn takes(&self, campaign: &str, skill: &str, user: &str) -> bool {
        self.0.iter().all(|(kind, names)| {
            let value = match kind.as_str() {
                "Skill" => skill,
                "Campaign" => campaign,
                _ => user,
            };
            names.iter().any(|name| name == value)
        })
    }
}

fn kind<'a>(settings: &'a Settings, folder: &str, name: &str) -> Option<Kind<'a>> {
    match (folder, name) {
        ("Call Log Reports", "Call Log") => Some(Kind { is_calls: true, columns: &settings.call_columns }),
        ("Shared Reports (injixo)", "Call Log with Skills") if !settings.skill_columns.is_empty() => {
            Some(Kind { is_calls: true, columns: &settings.skill_columns })
        }
        ("Agent Reports", "Agent State Details") => Some(Kind { is_calls: false, columns: &settings.state_columns }),
        _ => None,
    }
}

fn not_found(folder: &str, name: &str) -> Fault {
    let text = "Report not found".to_owned();
    let fields = vec![("folder", folder.to_owned()), ("message", text.clone()), ("reportName", name.to_owned())];
    Fault { name: "ReportNotFoundFault".to_owned(), fields, text }
}

fn record(text: &mut String, name: &str, cells: &[String]) {
    text.push_str(&format!("<{name}><values>"));
    for cell in cells {
        element(text, "data", cell);
    }
    text.push_str(&format!("</values></{name}>"));
}
