//! Sending by the two resources of the public API. What cannot be told by them is held back.

use injixo_core::connector::Stream;
use injixo_core::exchange::{ContactEvent, EventRequest, EventRows, HeldBack, OutgoingEvents, RefusedRow, StatusEvent};
use injixo_core::http::Request;
use injixo_core::model::Quantity;
use injixo_core::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::line::{Line, Said, packed};
use super::{ApiSender, SendPhase};

impl ApiSender {
    /// What could not be told to a target of the public API: how much, and so many items.
    ///
    /// # Errors
    ///
    /// Whatever the store reports.
    pub async fn held_back(&self, items: u32) -> Result<HeldBack> {
        self.runtime.held_back(self.integration.as_str(), items).await
    }

    pub(super) async fn run_events(&self, line: &mut Line<'_>, configuration: u64) -> ! {
        let target = format!("{} {configuration}", self.target.url);
        // Whether the receiver takes packed bodies turns out.
        let mut packs = Packs::Perhaps;
        loop {
            line.tell(SendPhase::Begins, None);
            match self.runtime.outgoing_events(self.integration.as_str(), &target, self.anew).await {
                Ok(outgoing) => {
                    let mut outgoing = outgoing.most_rows(self.most_rows);
                    let error = self.tell(line, &mut outgoing, configuration, &mut packs).await;
                    rest(line, &error).await;
                }
                Err(error) => rest(line, &error).await,
            }
        }
    }

    /// Sends request after request; returns why that ended.
    async fn tell(
        &self,
        line: &mut Line<'_>,
        outgoing: &mut OutgoingEvents,
        configuration: u64,
        packs: &mut Packs,
    ) -> Error {
        let write = |rows: &EventRows| Ok(body(rows, configuration, &self.integration).to_string());
        loop {
            let request = match outgoing.try_next(&write).await {
                Ok(Some(request)) => request,
                Ok(None) => {
                    line.tell(SendPhase::Current, None);
                    outgoing.wait().await;
                    continue;
                }
                Err(error) => return error,
            };
            line.tell(SendPhase::Sends, None);
            let (refused, count) = loop {
                match self.send(line, &request, packs).await {
                    Said::Done(said) => break refused(&said),
                    Said::BadRows(said) => break (refused(&said).0, request.rows),
                    Said::Later(error) => line.wait(&error).await,
                    Said::TooLarge(error) | Said::Blocked(error) => line.block(&error).await,
                    Said::Elsewhere => {
                        line.block(&Error::new(ErrorKind::Protocol, "the receiver answered as to commits")).await;
                    }
                }
            };
            // What was taken is noted, or the store cannot be used and it is sent again.
            match outgoing.taken(&request, &refused, count).await {
                Ok(()) => line.sent(None),
                Err(error) => return error,
            }
        }
    }

    async fn send(&self, line: &mut Line<'_>, request: &EventRequest, packs: &mut Packs) -> Said {
        let path = if request.stream == Stream::Contacts { "/contact-events" } else { "/agent-statuses" };
        let made = Request::post(line.url(path)).header("idempotency-key", request.key.as_str());
        let plain = || made.clone().body("application/json", request.body.clone());
        if *packs == Packs::No {
            return line.ask(&plain()).await;
        }
        let said = line
            .ask(&made.clone().header("content-encoding", "gzip").body("application/json", packed(&request.body)))
            .await;
        match said {
            Said::Blocked(error) if *packs == Packs::Perhaps && error.kind() == ErrorKind::Protocol => {
                let said = line.ask(&plain()).await;
                if matches!(said, Said::Done(_)) {
                    *packs = Packs::No;
                }
                said
            }
            Said::Done(said) => {
                *packs = Packs::Yes;
                Said::Done(said)
            }
            said => said,
        }
    }
}

/// Whether the receiver takes packed bodies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packs {
    Perhaps,
    Yes,
    No,
}

async fn rest(line: &mut Line<'_>, error: &Error) {
    if error.is_retryable() { line.wait(error).await } else { line.block(error).await }
}

/// The rows that were not taken, and how many there are.
fn refused(said: &Value) -> (Vec<RefusedRow>, u64) {
    let rows: Vec<RefusedRow> = said["errors"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            Some((row["index"].as_u64()?, format!("{}: {}", text("field"), text("message"))))
        })
        .collect();
    let count = said["rejected"].as_u64().unwrap_or(rows.len() as u64);
    (rows, count)
}

fn body(rows: &EventRows, configuration: u64, system: &str) -> Value {
    let meta = json!({ "integrationConfigurationId": configuration });
    match rows {
        EventRows::Contacts(contacts) => {
            json!({ "data": contacts.iter().map(contact).collect::<Vec<_>>(), "meta": meta })
        }
        EventRows::Statuses(statuses) => {
            let mut meta = meta;
            meta["externalSystem"] = json!(system);
            json!({ "data": statuses.iter().map(status).collect::<Vec<_>>(), "meta": meta })
        }
        _ => json!({ "data": [], "meta": meta }),
    }
}

fn contact(ContactEvent { queue, name, contact, .. }: &ContactEvent) -> Value {
    let is = |count: Quantity| !count.is_zero();
    let millis = contact.duration.unwrap_or_default().get();
    #[expect(clippy::cast_precision_loss, reason = "the milliseconds of a year fit")]
    let secs = millis as f64 / 1_000.0;
    json!({
        "properties": { "offered": is(contact.offered), "handled": is(contact.handled), "duration": secs },
        "queueName": name,
        "queueIdentifier": queue.id,
        "timestamp": contact.start.to_string(),
        "channel": queue.channel.as_str(),
    })
}

fn status(StatusEvent { agent, status, start, end, .. }: &StatusEvent) -> Value {
    let mut row = json!({ "agentIdentifier": agent, "activityIdentifier": status, "startTime": start.to_string() });
    if let Some(end) = end {
        row["endTime"] = json!(end.to_string());
    }
    row
}
