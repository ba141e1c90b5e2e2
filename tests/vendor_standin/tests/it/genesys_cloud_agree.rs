//! Genesys Cloud: what a plain client reads and adds up is what the ledger says, over days of a simulated contact centre.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use vendor_standin::genesys_cloud::{Measured, Place, Settings};
use vendor_standin::ledger::truth::{Told, status_table};
use vendor_standin::ledger::{Precision, Simulation};
use vendor_standin::time::{DAY, HOUR, Ms, at, rfc3339};
use vendor_standin::zone::Zone;

use crate::genesys_cloud::{AGGREGATES, Desk};
use crate::genesys_cloud_users::USERS;

/// Days of a contact centre; in the midst of it late rows and edits are still to come.
async fn desk(settings: Settings) -> (Desk, Ms, Ms) {
    let first_day = at("2024-03-30T00:00:00Z");
    let simulation = Simulation {
        zone: Zone::Berlin,
        precision: Precision::Millis,
        is_mixed: true,
        contacts_a_day: 150,
        edits_per_mille: 30,
        ..Simulation::new(11, first_day, 3)
    };
    let desk = Desk::new(settings, simulation.ledger(), first_day + 2 * DAY + 10 * HOUR).await;
    (desk, first_day - DAY, first_day + 3 * DAY)
}

fn channel(media: &str) -> &'static str {
    match media {
        "voice" | "callback" => "calls",
        "chat" | "message" => "chats",
        _ => "emails",
    }
}

type Names = BTreeMap<String, String>;

async fn queue_names(desk: &Desk) -> Names {
    let (_, queues) = desk.get("/api/v2/routing/queues?pageSize=100").await;
    let names = queues["entities"].as_array().unwrap().iter();
    names.map(|queue| (text(&queue["id"]).to_owned(), text(&queue["name"]).to_owned())).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn place(names: &Names, queue: &str, media: &str, at: Ms) -> Place {
    let quarter = 900_000;
    (queue.to_owned(), names[queue].clone(), channel(media), at.div_euclid(quarter) * quarter)
}

async fn add_aggregates(desk: &Desk, interval: &str, names: &Names, sums: &mut BTreeMap<Place, Measured>) {
    let body = json!({
        "interval": interval, "granularity": "PT15M", "groupBy": ["queueId", "mediaType"],
        "filter": {"type": "and", "predicates": [
            {"dimension": "queueId", "operator": "exists"}, {"dimension": "originatingDirection", "value": "inbound"}]},
        "metrics": ["nOffered", "tAnswered", "tAbandon", "tHandle", "oServiceLevel"],
    });
    let (status, answer) = desk.post(AGGREGATES, &body).await;
    assert_eq!(status, 200, "{answer}");
    for group in answer["results"].as_array().into_iter().flatten() {
        for bucket in group["data"].as_array().unwrap() {
            let start = at(text(&bucket["interval"]).split('/').next().unwrap());
            let (queue, media) = (text(&group["group"]["queueId"]), text(&group["group"]["mediaType"]));
            let sum = sums.entry(place(names, queue, media, start)).or_default();
            for metric in bucket["metrics"].as_array().unwrap() {
                let count = metric["stats"]["count"].as_u64().unwrap_or(0);
                let total = metric["stats"]["sum"].as_i64().unwrap_or(0);
                match text(&metric["metric"]) {
                    "nOffered" => sum.offered += count,
                    "tAnswered" => (sum.handled, sum.wait_time) = (sum.handled + count, sum.wait_time + total),
                    "tAbandon" => sum.abandoned += count,
                    "tHandle" => {
                        (sum.handle_number, sum.handle_time) = (sum.handle_number + count, sum.handle_time + total);
                    }
                    _ => sum.within += metric["stats"]["numerator"].as_u64().unwrap(),
                }
            }
        }
    }
}

/// Counts each metric in the session's queue where it was emitted.
fn add_events(conversation: &Value, names: &Names, sums: &mut BTreeMap<Place, Measured>) {
    if conversation["originatingDirection"] != "inbound" {
        return;
    }
    let participants = conversation["participants"].as_array().unwrap();
    for session in participants.iter().flat_map(|participant| participant["sessions"].as_array().unwrap()) {
        let Some(queue) =
            session["segments"].as_array().unwrap().iter().find_map(|segment| segment["queueId"].as_str())
        else {
            continue;
        };
        for metric in session["metrics"].as_array().into_iter().flatten() {
            let (name, value) = (text(&metric["name"]), metric["value"].as_i64().unwrap());
            if !["nOffered", "tAnswered", "tAbandon", "tHandle", "oServiceLevel"].contains(&name) {
                continue;
            }
            let place = place(names, queue, text(&session["mediaType"]), at(text(&metric["emitDate"])));
            let sum = sums.entry(place).or_default();
            match name {
                "nOffered" => sum.offered += 1,
                "tAnswered" => (sum.handled, sum.wait_time) = (sum.handled + 1, sum.wait_time + value),
                "tAbandon" => sum.abandoned += 1,
                "tHandle" => (sum.handle_number, sum.handle_time) = (sum.handle_number + 1, sum.handle_time + value),
                _ => sum.within += value.unsigned_abs(),
            }
        }
    }
}

#[tokio::test]
async fn aggregates_and_conversations() {
    let (desk, from, to) = desk(Settings::default()).await;
    let names = queue_names(&desk).await;
    let (mut found, mut by_event) = (BTreeMap::new(), BTreeMap::new());
    let mut seen = BTreeSet::new();
    for day in (from..to).step_by(usize::try_from(DAY).unwrap()) {
        let interval = format!("{}/{}", rfc3339(day), rfc3339(day + DAY));
        add_aggregates(&desk, &interval, &names, &mut found).await;
        for page in 1.. {
            let body = json!({"interval": interval, "paging": {"pageSize": 100, "pageNumber": page}});
            let (_, answer) = desk.post("/api/v2/analytics/conversations/details/query", &body).await;
            let Some(all) = answer["conversations"].as_array() else { break };
            for conversation in all {
                assert!(seen.insert(text(&conversation["conversationId"]).to_owned()), "one day has it");
                add_events(conversation, &names, &mut by_event);
            }
        }
    }
    let truth = desk.standin.measured(desk.clock.now());
    assert!(truth.len() > 200);
    assert!(truth.values().any(|one| one.handle_number > one.handled) && truth.values().any(|one| one.abandoned > 0));
    assert_eq!(found, truth);
    assert_eq!(by_event, truth, "the events of the conversations are those of the aggregates");
    assert!(desk.standin.world().log.violations().is_empty());
}

/// Start, end and what it is.
type Record = (Ms, Option<Ms>, String);

/// Presences and routing statuses, without repetitions, cut into what is told.
#[tokio::test]
async fn statuses() {
    let reasons = BTreeSet::from(["Pause, kurz & gut".to_owned()]);
    let settings = Settings { not_responding: reasons, routing_skew: 15, ..Settings::default() };
    let (desk, from, to) = desk(settings).await;
    let mut records: BTreeMap<(String, &str), BTreeSet<Record>> = BTreeMap::new();
    for page in 1.. {
        let interval = format!("{}/{}", rfc3339(from), rfc3339(to));
        let body = json!({"interval": interval, "paging": {"pageSize": 10, "pageNumber": page}});
        let (status, answer) = desk.post(USERS, &body).await;
        assert_eq!(status, 200, "{answer}");
        let Some(users) = answer["userDetails"].as_array() else { break };
        for user in users {
            for (kind, name) in [("primaryPresence", "organizationPresenceId"), ("routingStatus", "routingStatus")] {
                for record in user[kind].as_array().into_iter().flatten() {
                    let end = record["endTime"].as_str().map(at);
                    let own = records.entry((text(&user["userId"]).to_owned(), kind)).or_default();
                    own.insert((at(text(&record["startTime"])), end, text(&record[name]).to_owned()));
                }
            }
        }
    }
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    for deactivated in ["true", "false"] {
        let (_, list) =
            desk.get(&format!("/api/v2/presence/definitions?deactivated={deactivated}&localeCode=ALL")).await;
        for one in list["entities"].as_array().unwrap() {
            labels.insert(text(&one["id"]).to_owned(), text(&one["languageLabels"]["en_US"]).to_owned());
        }
    }
    let (_, users) = desk.get("/api/v2/users?state=any&pageSize=100").await;
    let mut told = Vec::new();
    for user in users["entities"].as_array().unwrap() {
        let own = |kind| records.get(&(text(&user["id"]).to_owned(), kind)).into_iter().flatten();
        let mut tell = |status: &str, start: Ms, end: Option<Ms>| {
            told.push(Told { agent: text(&user["username"]).to_owned(), status: status.to_owned(), start, end });
        };
        for (start, end, presence) in own("primaryPresence") {
            if presence != "op-1" {
                tell(&labels[presence], *start, *end);
                continue;
            }
            for (begin, until, status) in own("routingStatus").filter(|(.., status)| status != "OFF_QUEUE") {
                let words = status.split('_').map(|word| format!("{}{}", &word[..1], word[1..].to_lowercase()));
                let status = format!("{} - {}", labels[presence], words.collect::<Vec<_>>().join(" "));
                let until = [*end, *until].into_iter().flatten().min();
                let begin = (*start).max(*begin);
                if until.is_none_or(|until| begin < until) && end.is_none_or(|end| begin < end) {
                    tell(&status, begin, until);
                }
            }
        }
    }
    let now = desk.clock.now();
    let truth = status_table(&desk.standin.told(now), from, to, now);
    assert!(truth.lines().count() > 500);
    for word in ["Idle", "Interacting", "Not Responding", "Communicating"] {
        assert!(truth.contains(&format!("On Queue - {word}")), "{word}");
    }
    assert_eq!(status_table(&told, from, to, now), truth);
}
