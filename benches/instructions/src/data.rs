//! Data that is the same in each run, in the shape of real exports.

use std::fmt::Write as _;

use injixo_connectors::core::aggregate::IntervalTable;
use injixo_connectors::core::model::{
    Channel, Contact, ContactBatch, IntervalBatch, IntervalLength, IntervalRow, Millis, QueueKey, Span, StatusBatch,
    Timestamp,
};

/// One row of the general file in so many cannot be taken.
pub(crate) const ROWS_PER_REJECT: usize = 1_000;

const CHANNELS: [Channel; 4] = [Channel::Calls, Channel::Chats, Channel::Emails, Channel::Cases];
const ACTIVITIES: [&str; 8] = ["Ready", "On call", "After-call work", "Break", "Lunch", "Meeting", "Chat", "Coaching"];
const NOTES: [&str; 5] = ["", "ok", "asked for a refund; form sent", "wants the \"premium\" plan", "10 € voucher"];
const QUEUES: u64 = 50;
const AGENTS: usize = 500;
/// From 20 October 2024 on, with the end of summer time in it.
const FIRST_DAY: i64 = 20_016;

/// Twenty days for a hundred thousand contacts, and three years for those of a large contact centre.
fn days(rows: usize) -> u64 {
    (rows as u64 / 5_000).clamp(20, 1_096)
}

/// Numbers in no order, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).unwrap_or(0)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.index(index + 1));
        }
    }
}

pub(crate) struct Row {
    /// Seconds of the wall clock since the first day.
    at: u64,
    queue: u64,
    channel: Channel,
    is_handled: bool,
    duration: u64,
}

/// Contacts in the order of time; every second queue serves two channels.
pub(crate) fn contacts(rows: usize) -> Vec<Row> {
    let (mut numbers, days) = (Numbers(1), days(rows));
    let mut rows: Vec<Row> = (0..rows)
        .map(|_| {
            // The smaller of two: the first queues serve more.
            let queue = numbers.below(QUEUES).min(numbers.below(QUEUES));
            let other = usize::from(queue.is_multiple_of(2) && numbers.below(7) == 0);
            let channel = CHANNELS[(usize::try_from(queue).unwrap_or(0) + other) % CHANNELS.len()];
            // Most of the day, and a few at night.
            let hour = if numbers.below(20) == 0 { numbers.below(24) } else { 8 + numbers.below(12) };
            let at = numbers.below(days) * 86_400 + hour * 3_600 + numbers.below(3_600);
            let is_handled = numbers.below(100) < 92;
            let duration = if is_handled { 5 + numbers.below(1_200) } else { numbers.below(90) };
            Row { at, queue, channel, is_handled, duration }
        })
        .collect();
    rows.sort_by_key(|row| row.at);
    rows
}

pub(crate) fn shuffled(mut rows: Vec<Row>) -> Vec<Row> {
    Numbers(2).shuffle(&mut rows);
    rows
}

pub(crate) fn batch_of(rows: &[Row]) -> ContactBatch {
    let mut batch = ContactBatch::new();
    // The channels of a queue side by side.
    for queue in 0..QUEUES {
        for channel in CHANNELS {
            batch.add_queue(QueueKey::new(queue_name(queue), channel));
        }
    }
    for row in rows {
        let contact = Contact::offered(timestamp(row.at));
        let duration = Millis::from_secs(signed(row.duration));
        let contact = if row.is_handled { contact.handled(duration) } else { contact };
        let channel = CHANNELS.iter().position(|channel| *channel == row.channel).unwrap_or(0);
        let queue = u32::try_from(row.queue).unwrap_or(0) * 4 + u32::try_from(channel).unwrap_or(0);
        batch.push(queue, &contact);
    }
    batch
}

pub(crate) fn csv_of(rows: &[Row]) -> Vec<u8> {
    let mut text = "Queue;Date;Time;Offered;Answered;Duration;Channel\n".to_owned();
    for row in rows {
        let (year, month, day) = date(row.at);
        let (queue, clock, handled) = (queue_name(row.queue), clock(row.at), u8::from(row.is_handled));
        let _ =
            writeln!(text, "{queue};{day:02}/{month:02}/{year};{clock};1;{handled};{};{}", row.duration, row.channel);
    }
    text.into_bytes()
}

/// The same with quoted texts, dates of two forms, more columns, and rows that cannot be taken; in windows-1252.
pub(crate) fn general_csv_of(rows: &[Row]) -> Vec<u8> {
    let mut numbers = Numbers(3);
    let mut text = "Customer;Queue;Agent;Day;Clock;Note;Offered;Answered;Seconds;Channel;Score;Reserved\n".to_owned();
    for (index, row) in rows.iter().enumerate() {
        let (year, month, day) = date(row.at);
        let date = match (index % ROWS_PER_REJECT, numbers.below(2)) {
            (500, _) => "31/02/2024".to_owned(),
            (_, 0) => format!("{year}-{month:02}-{day:02}"),
            _ => format!("{day:02}/{month:02}/{year}"),
        };
        let topic = ["Gebühren", "Support", "Claims; Damage", "\"\"VIP\"\"", "Sales €"][(row.queue % 5) as usize];
        let note = NOTES[if numbers.below(10) < 6 { 0 } else { numbers.index(NOTES.len()) }].replace('"', "\"\"");
        let _ = writeln!(
            text,
            "{};\"{topic} {}\";\"Jörg O'Brien {}\";{date};{};\"{note}\";1;{};{};\"{}\";{},{:02};",
            100_000 + numbers.below(900_000),
            row.queue,
            numbers.below(40),
            clock(row.at),
            u8::from(row.is_handled),
            row.duration,
            row.channel,
            numbers.below(6),
            numbers.below(100),
        );
    }
    let byte = |letter| if letter == '€' { 0x80 } else { u8::try_from(u32::from(letter)).unwrap_or(b'?') };
    text.chars().map(byte).collect()
}

pub(crate) struct Spent {
    agent: usize,
    activity: usize,
    from: u64,
    to: u64,
}

/// Statuses in the order of time: each agent's follow each other, one in twenty reaches into those after it.
pub(crate) fn statuses(count: usize) -> Vec<Spent> {
    let mut numbers = Numbers(4);
    let mut rows = Vec::with_capacity(count);
    for agent in 0..AGENTS {
        let mut from = (6 + numbers.below(8)) * 3_600;
        for _ in 0..count / AGENTS {
            // Short ones are many.
            let longest = [60, 300, 1_200, 7_200][numbers.index(4)];
            let lasts = 10 + numbers.below(longest);
            let longer = if numbers.below(20) == 0 { 600 } else { 0 };
            rows.push(Spent { agent, activity: numbers.index(ACTIVITIES.len()), from, to: from + lasts + longer });
            from += lasts;
            // After nine hours, the next shift.
            if numbers.below(30) == 0 {
                from = (from / 86_400 + 1) * 86_400 + (6 + numbers.below(8)) * 3_600;
            }
        }
    }
    rows.sort_by_key(|row| row.from);
    rows
}

pub(crate) fn status_batch_of(rows: &[Spent]) -> StatusBatch {
    let mut batch = StatusBatch::new();
    let agents: Vec<u32> = (0..AGENTS).map(|agent| batch.add_agent(agent_name(agent))).collect();
    let activities = ACTIVITIES.map(|activity| batch.add_status(activity));
    for row in rows {
        let status = activities[row.activity];
        batch.push(agents[row.agent], Span { start: timestamp(row.from), status, end: Some(timestamp(row.to)) });
    }
    batch
}

pub(crate) fn status_csv_of(rows: &[Spent]) -> Vec<u8> {
    let mut text = "AgentID;Activity;Start;End\n".to_owned();
    let written = |at| {
        let (year, month, day) = date(at);
        format!("{year}-{month:02}-{day:02} {}", clock(at))
    };
    for row in rows {
        let (agent, activity) = (agent_name(row.agent), ACTIVITIES[row.activity]);
        let _ = writeln!(text, "{agent};{activity};{};{}", written(row.from), written(row.to));
    }
    text.into_bytes()
}

/// The rows of a table of quarter hours in no order.
pub(crate) fn unsorted(table: &IntervalTable) -> IntervalBatch {
    let mut batch = IntervalBatch::new();
    let mut rows = Vec::with_capacity(table.len());
    for (queue, cells) in table.queues() {
        let queue = batch.add_queue(queue.clone());
        let length = IntervalLength::MINUTES_15.millis();
        rows.extend(cells.map(|(start, measures)| (queue, IntervalRow { start, length, measures })));
    }
    Numbers(5).shuffle(&mut rows);
    rows.into_iter().for_each(|(queue, row)| batch.push(queue, row));
    batch
}

fn queue_name(queue: u64) -> String {
    let brand = ["Nordwind", "Alpenblick", "Hansa", "Rheintal", "Sonnenhof"][(queue % 5) as usize];
    let topic = ["Billing", "Support", "Sales", "Claims", "Orders", "Tech L2", "VIP"][(queue % 7) as usize];
    format!("{brand} {topic} DE{queue}")
}

fn agent_name(agent: usize) -> String {
    (100_000 + agent * 37).to_string()
}

fn timestamp(at: u64) -> Timestamp {
    Timestamp::from_secs(FIRST_DAY * 86_400 + signed(at))
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(0)
}

/// Year, month and day.
fn date(at: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4);
    let (mut year, mut month, mut day) = (2024, 10, 20 + at / 86_400);
    loop {
        let days = match month {
            2 => 28 + u64::from(is_leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if day <= days {
            return (year, month, day);
        }
        day -= days;
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
}

fn clock(at: u64) -> String {
    format!("{:02}:{:02}:{:02}", at / 3_600 % 24, at / 60 % 60, at % 60)
}
