//! What a plain client reads and adds up is what the ledger says, over days of a simulated contact centre.

use std::collections::BTreeMap;

use serde_json::Value;
use vendor_standin::ledger::truth::{Counted, Told, contact_table, status_table};
use vendor_standin::ledger::{Precision, Simulation};
use vendor_standin::time::{DAY, HOUR, Ms, SECOND, at};
use vendor_standin::zone::Zone;
use vendor_standin::{five9 as five9_settings, vonage as vonage_settings};

use crate::{five9, vonage};

fn simulation(zone: Zone, precision: Precision, is_mixed: bool) -> Simulation {
    let first_day = zone.midnight(zone.local(at("2024-06-03T12:00:00Z")).date());
    Simulation { zone, precision, is_mixed, contacts_a_day: 150, ..Simulation::new(11, first_day, 3) }
}

/// The cells of a line of CSV.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    for letter in line.replace("\"\"", "\u{1}").chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            letter => cells.last_mut().unwrap().push(if letter == '\u{1}' { '"' } else { letter }),
        }
    }
    cells
}

fn records(csv: &str) -> Vec<BTreeMap<String, String>> {
    let mut lines = csv.lines().map(cells);
    let header = lines.next().unwrap();
    lines.map(|cells| header.iter().cloned().zip(cells).collect()).collect()
}

fn duration(text: &str) -> Ms {
    text.split(':').fold(0, |sum, part| sum * 60 + part.parse::<Ms>().unwrap()) * SECOND
}

fn local(text: &str, format: &str) -> Ms {
    Zone::Pacific.instant(chrono::NaiveDateTime::parse_from_str(text, format).unwrap())
}

#[tokio::test]
async fn five9_reports() {
    let simulation = simulation(Zone::Pacific, Precision::Seconds, false);
    let (from, to) = (simulation.first_day, simulation.first_day + 3 * DAY);
    let settings = five9_settings::Settings {
        grouping: five9_settings::Grouping::Skill,
        session_rows: five9_settings::SessionRows::Whole,
        ..Default::default()
    };
    // In the midst of it: late rows and edits are still to come.
    let desk = five9::Desk::new(settings, simulation.ledger(), from + 2 * DAY + 10 * HOUR).await;
    let now = desk.clock.now();
    let mut counted: Vec<Counted> = Vec::new();
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for hour in (from..to).step_by(usize::try_from(6 * HOUR).unwrap()) {
        let csv = desk.csv("Shared Reports (injixo)", "Call Log with Skills", hour, hour + 6 * HOUR).await;
        for row in records(&csv).into_iter().filter(|row| row["SKILL"] != "[None]") {
            let [talk, hold, wrap] =
                ["TALK TIME", "HOLD TIME", "AFTER CALL WORK TIME"].map(|name| duration(&row[name]));
            let is_handled = row["AGENT"] != "[None]" && talk > 0;
            let time = if is_handled { talk + hold + wrap } else { 0 };
            if let Some(last) =
                calls.get(&row["CALL ID"]).map(|place| &mut counted[*place]).filter(|last| last.queue == row["SKILL"])
            {
                last.is_handled |= is_handled;
                last.handle_time = last.handle_time.map(|sum| sum + time);
                continue;
            }
            calls.insert(row["CALL ID"].clone(), counted.len());
            counted.push(Counted {
                queue: row["SKILL"].clone(),
                channel: "calls",
                start: local(&row["TIMESTAMP"], "%a, %d %b %Y %H:%M:%S") + duration(&row["IVR TIME"]),
                is_handled,
                handle_time: Some(time),
            });
        }
    }
    let truth = contact_table(&desk.standin.counted(now), from, to);
    assert!(truth.lines().count() > 200);
    assert_eq!(contact_table(&counted, from, to), truth);

    let csv = desk.csv("Agent Reports", "Agent State Details", from - 60 * DAY, to).await;
    let told = records(&csv).into_iter().map(|row| {
        let start = local(&format!("{} {}", row["DATE"], row["TIME"]), "%Y/%m/%d %H:%M:%S");
        let reason = &row["REASON CODE"];
        let status = if reason.is_empty() { row["STATE"].clone() } else { format!("{}: {reason}", row["STATE"]) };
        Told { agent: row["AGENT"].clone(), status, start, end: Some(start + duration(&row["AGENT STATE TIME"])) }
    });
    let truth = status_table(&desk.standin.told(now), from, to, now);
    assert!(truth.lines().count() > 500);
    assert_eq!(status_table(&told.collect::<Vec<_>>(), from, to, now), truth);
    assert_eq!(desk.standin.world().log.violations().len(), 0);
}

async fn all(desk: &vonage::Desk, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    for page in 1.. {
        let (status, body) = desk.get(&format!("{path}&limit=100&page={page}")).await;
        assert_eq!(status, 200, "{body}");
        items.extend(body["items"].as_array().unwrap().iter().cloned());
        if body["meta"]["page"].as_u64() >= body["meta"]["pageCount"].as_u64() {
            break;
        }
    }
    items
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn vonage_queues_and_states() {
    let simulation = simulation(Zone::Berlin, Precision::Millis, true);
    let (from, to) = (simulation.first_day, simulation.first_day + 3 * DAY);
    let ledger = simulation.ledger();
    let desk = vonage::Desk::new(vonage_settings::Settings::default(), ledger, from + 2 * DAY + 10 * HOUR).await;
    let now = desk.clock.now();
    let range = format!("start={}&end={}", vendor_standin::time::rfc3339(from), vendor_standin::time::rfc3339(to));
    // For each interaction: the queue events with their ends, and what agents did with its times.
    let interactions = all(&desk, &format!("/stats/interactions?{range}")).await;
    let mut parts: BTreeMap<String, Vec<(Ms, Option<Ms>)>> = BTreeMap::new();
    for interaction in &interactions {
        let start = at(text(&interaction["start"]));
        for channel in
            interaction["channels"].as_array().unwrap().iter().filter(|channel| channel["party"]["role"] == "Agent")
        {
            let events = channel["events"].as_array().unwrap().iter().filter(|event| event["type"] != "Ringing");
            let time =
                channel["duration"].as_i64().map(|_| events.map(|event| event["duration"].as_i64().unwrap()).sum());
            let offered = start + channel["offset"].as_i64().unwrap();
            parts.entry(text(&interaction["guid"]).to_owned()).or_default().push((offered, time));
        }
    }
    let items = all(&desk, &format!("/stats/queue-times?{range}")).await;
    let others = items.clone();
    let counted = items.iter().map(|item| {
        let (guid, start) = (text(&item["interactionGuid"]), at(text(&item["start"])));
        let next =
            others.iter().filter(|other| other["interactionGuid"] == *guid).map(|other| at(text(&other["start"])));
        let next = next.filter(|other| *other > start).min().unwrap_or(Ms::MAX);
        let own = parts.get(guid).into_iter().flatten().filter(|(offered, _)| (start..next).contains(offered));
        let times: Vec<Ms> = own.filter_map(|(_, time)| *time).collect();
        let channel = match text(&item["medium"]) {
            "Email" => "emails",
            "Chat" => "chats",
            _ => "calls",
        };
        Counted {
            queue: text(&item["queue"]).to_owned(),
            channel,
            start,
            is_handled: item["category"] == "Answered",
            handle_time: (!times.is_empty()).then(|| times.iter().sum()),
        }
    });
    let truth = contact_table(&desk.standin.counted(now), from, to);
    assert!(truth.lines().count() > 200);
    assert_eq!(contact_table(&counted.collect::<Vec<_>>(), from, to), truth);

    let states = all(&desk, &format!("/stats/wfm/agent-states?{range}")).await;
    let told = states.iter().map(|state| {
        let start = at(text(&state["start"]));
        Told {
            agent: text(&state["agentId"]).to_owned(),
            status: match (text(&state["state"]), text(&state["description"])) {
                (state, description) if state == description => state.to_owned(),
                (state, description) => format!("{state}: {description}"),
            },
            start,
            end: state["duration"].as_i64().map(|duration| start + duration),
        }
    });
    let mut truth = desk.standin.told(now);
    truth.retain(|state| state.start >= from);
    let told = status_table(&told.collect::<Vec<_>>(), from, to, now);
    assert!(told.lines().count() > 500);
    assert_eq!(told, status_table(&truth, from, to, now));
}
