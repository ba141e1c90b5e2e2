//! `/api/v2/analytics/{conversations,users}/details/jobs`: queries whose results are read later.
//!
//! A job is asked about three times until it is done: `QUEUED`, `PENDING`, `FULFILLED`. The faults `FAILED`, `EXPIRED` and `CANCELLED`,
//! played on the question, have it end so. Results show what was known [`jobs_lag`](super::Settings::jobs_lag) before it was submitted;
//! each page names the next by a cursor, the last one none.

use std::collections::BTreeMap;

use serde_json::Value;

use super::body::{self, CONVERSATIONS_JOB, USERS_JOB};
use super::refusal::Refusal;
use super::shape::Object;
use super::{Service, lock};
use crate::serve::{Answer, Request};
use crate::time::{MINUTE, Ms};

/// What a job is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Conversations,
    Users,
}

#[derive(Debug, Clone)]
struct Job {
    about: About,
    body: Value,
    submitted: Ms,
    completed: Option<Ms>,
    polls: u32,
    ended: Option<&'static str>,
}

/// All jobs, by id.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    given: u64,
    all: BTreeMap<String, Job>,
}

impl Jobs {
    /// Has a job end in another way than by being fulfilled.
    pub(super) fn end(&mut self, id: &str, how: &str) -> bool {
        let how = ["FAILED", "EXPIRED", "CANCELLED"].into_iter().find(|known| *known == how);
        match (self.all.get_mut(id), how) {
            (Some(job), Some(how)) => {
                job.ended = Some(how);
                true
            }
            _ => false,
        }
    }
}

impl Service {
    pub(super) fn jobs(&self, request: &Request, about: About, rest: &[&str]) -> Result<Answer, Refusal> {
        match (request.method.as_str(), rest) {
            ("POST", []) => self.submit(request, about),
            ("GET", ["availability"]) => {
                let answer = Object::new().date("dataAvailabilityDate", self.available(request.at));
                Ok(Answer::json(200, answer.done()))
            }
            ("GET", [id]) => self.job_status(request, about, id),
            ("GET", [id, "results"]) => self.job_results(request, about, id),
            ("DELETE", [id]) => {
                self.job(about, id)?;
                lock(&self.jobs).all.remove(*id);
                Ok(Answer::new(204, "application/json", ""))
            }
            (_, [] | [_] | [_, "results"]) => Err(super::wrong_method()),
            _ => Err(Refusal::not_found()),
        }
    }

    /// The instant before which jobs know everything.
    fn available(&self, now: Ms) -> Ms {
        (now - self.settings.jobs_lag).div_euclid(MINUTE) * MINUTE
    }

    fn submit(&self, request: &Request, about: About) -> Result<Answer, Refusal> {
        let fields = if about == About::Users { USERS_JOB } else { CONVERSATIONS_JOB };
        let body = body::read(&request.body, fields)?;
        match about {
            About::Users => self.users_interval(&body)?,
            About::Conversations => {
                let interval = body::interval(&body)?;
                body::pass_length(interval, self.settings.longest_conversations)?;
                interval
            }
        };
        let mut jobs = lock(&self.jobs);
        jobs.given += 1;
        let id = format!("job-{}", jobs.given);
        let job = Job { about, body, submitted: request.at, completed: None, polls: 0, ended: None };
        jobs.all.insert(id.clone(), job);
        Ok(Answer::json(202, Object::new().text("jobId", &id).done()))
    }

    fn job(&self, about: About, id: &str) -> Result<Job, Refusal> {
        let jobs = lock(&self.jobs);
        jobs.all.get(id).filter(|job| job.about == about).cloned().ok_or_else(Refusal::not_found)
    }

    fn job_status(&self, request: &Request, about: About, id: &str) -> Result<Answer, Refusal> {
        self.job(about, id)?;
        let mut jobs = lock(&self.jobs);
        let job = jobs.all.get_mut(id).ok_or_else(Refusal::not_found)?;
        job.polls += 1;
        let kept_until = job.submitted + self.settings.jobs_kept;
        let state = match (job.ended, job.polls) {
            (Some(how), _) => how,
            (None, _) if request.at >= kept_until => "EXPIRED",
            (None, 1) => "QUEUED",
            (None, 2) => "PENDING",
            _ => "FULFILLED",
        };
        if state == "FULFILLED" {
            job.completed = job.completed.or(Some(request.at));
        }
        let answer = Object::new()
            .text("state", state)
            .maybe("errorMessage", (state == "FAILED").then_some("The query failed."))
            .date("submissionDate", job.submitted)
            .maybe_date("completionDate", job.completed)
            .date("expirationDate", kept_until);
        Ok(Answer::json(200, answer.done()))
    }

    fn job_results(&self, request: &Request, about: About, id: &str) -> Result<Answer, Refusal> {
        let job = self.job(about, id)?;
        if job.ended.is_some() || request.at >= job.submitted + self.settings.jobs_kept {
            return Err(Refusal::new(410, "job.expired", "The results of the job are not kept any more."));
        }
        if job.completed.is_none() {
            return Err(Refusal::bad("The job is not fulfilled yet.".to_owned()));
        }
        let largest = self.settings.results_page;
        let number = |name: &str| request.query.get(name).map(|text| text.parse::<usize>().ok());
        let size = number("pageSize").unwrap_or(Some(largest)).filter(|size| *size > 0);
        let size = size.ok_or_else(|| Refusal::bad("pageSize is not valid".to_owned()))?.min(largest);
        let first = match request.query.get("cursor") {
            None => 0,
            Some(cursor) => place(cursor).ok_or_else(|| Refusal::bad(format!("cursor is not valid: {cursor}")))?,
        };
        let available = self.available(job.submitted);
        let interval = body::interval(&job.body)?;
        let limit = job.body["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let (name, mut rows): (_, Vec<String>) = match about {
            About::Users => {
                let entries = self.user_details(&job.body, interval, available)?;
                ("userDetails", entries.iter().map(|entry| self.entry_json(entry)).collect())
            }
            About::Conversations => {
                let by_day = job.body["startOfDayIntervalMatching"] == true;
                let found = self.conversations(&job.body, interval, available, by_day)?;
                ("conversations", found.iter().map(|one| self.conversation_json(one, true)).collect())
            }
        };
        rows.truncate(limit);
        let has_more = rows.len() > first.saturating_add(size);
        let next = has_more.then(|| format!("cur-{:08}", first + size));
        let shown = rows.into_iter().skip(first).take(size).collect();
        let answer = Object::new()
            .list_or_nothing(name, shown, self.settings.omits_empty)
            .maybe("cursor", next.as_deref())
            .date("dataAvailabilityDate", available);
        Ok(Answer::json(200, answer.done()))
    }
}

/// From where a cursor goes on.
fn place(cursor: &str) -> Option<usize> {
    cursor.strip_prefix("cur-")?.parse().ok()
}
