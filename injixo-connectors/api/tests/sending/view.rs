//! What a store holds of an integration, read by its public side and by the bytes of its chunks.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use injixo_core::Runtime;
use injixo_core::connector::Stream;
use injixo_core::model::{Timestamp, Window};
use injixo_core::store::{ChunkRange, Layer, Store, StreamId, Subject, SubjectKind};

/// Chunks by kind, name, layer and day.
pub(crate) type Chunks = BTreeMap<(u8, String, u8, i32), String>;

/// The chunks of the two layers that are sent, with statuses by name.
pub(crate) async fn chunks(store: &dyn Store, integration: u32) -> Chunks {
    let mut read = store.read().await.unwrap();
    let statuses: BTreeMap<u32, String> = read
        .subjects(integration, SubjectKind::Status)
        .await
        .unwrap()
        .into_iter()
        .map(|status| (status.id, status.external))
        .collect();
    let mut found = BTreeMap::new();
    for (kind, number) in [(SubjectKind::Queue, 0), (SubjectKind::Agent, 1)] {
        for subject in read.subjects(integration, kind).await.unwrap() {
            for (layer, layer_number) in [(Layer::History, 0), (Layer::Live, 1)] {
                let all = ChunkRange { subject: subject.id, layer, from: i32::MIN, to: i32::MAX };
                for chunk in read.chunks(&[all]).await.unwrap() {
                    let text = match kind {
                        SubjectKind::Queue => format!("{:x?}", chunk.bytes),
                        _ => spans(&chunk.bytes, &statuses),
                    };
                    found.insert((number, name(&subject), layer_number, chunk.day), text);
                }
            }
        }
    }
    found
}

fn name(subject: &Subject) -> String {
    format!("{}/{}", subject.external, subject.channel)
}

/// A chunk of spans, read by nothing of the library.
fn spans(bytes: &[u8], statuses: &BTreeMap<u32, String>) -> String {
    assert_eq!(bytes[0], 0x13, "a chunk of spans");
    let unit = if bytes[1] == 1 { 1_000 } else { 1 };
    let (mut at, mut text) = (2, String::new());
    let mut next = || {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = bytes[at];
            at += 1;
            value |= u64::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                return value;
            }
        }
    };
    for _ in 0..next() {
        let _ = write!(text, "reach +{} {}; ", next(), next());
    }
    let facts = |text: &mut String, next: &mut dyn FnMut() -> u64| {
        for _ in 0..next() {
            let (start, status, end) = (next() * unit, next(), next());
            let status = statuses.get(&u32::try_from(status).unwrap()).map_or("none", String::as_str);
            let end = if end == 0 { "open".to_owned() } else { ((end - 1) * unit).to_string() };
            let _ = write!(text, "+{start} {status} {end}, ");
        }
    };
    for _ in 0..next() {
        let _ = write!(text, "side {} {}: ", next() * unit, next());
        facts(&mut text, &mut next);
    }
    facts(&mut text, &mut next);
    text
}

/// What is covered: stream, subject or all, from, to, read at; stretches that touch and were read at once as one.
pub(crate) type Covered = Vec<(u8, String, i64, i64, i64)>;

pub(crate) async fn coverage(store: &dyn Store, integration: u32) -> Covered {
    let mut read = store.read().await.unwrap();
    let always = Window::new(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)).unwrap();
    let mut all = Vec::new();
    for (stream, kind, number) in [(Stream::Contacts, SubjectKind::Queue, 0), (Stream::Statuses, SubjectKind::Agent, 1)]
    {
        let stream = StreamId { integration, stream };
        let mut subjects: Vec<Option<Subject>> = vec![None];
        subjects.extend(read.subjects(integration, kind).await.unwrap().into_iter().map(Some));
        for subject in subjects {
            let id = subject.as_ref().map(|subject| subject.id);
            let called = subject.as_ref().map(name).unwrap_or_default();
            for held in read.coverage(stream, id, always).await.unwrap() {
                if held.subject == id {
                    let (from, to) = (held.window.from().millis(), held.window.to().millis());
                    all.push((number, called.clone(), from, to, held.read_at.millis()));
                }
            }
        }
    }
    all.sort();
    let mut joined: Covered = Vec::new();
    for next in all {
        match joined.last_mut() {
            Some(last) if (last.0, &last.1, last.3, last.4) == (next.0, &next.1, next.2, next.4) => last.3 = next.3,
            _ => joined.push(next),
        }
    }
    joined
}

/// Intervals, timelines, spans and queues as readers see them.
pub(crate) async fn seen(runtime: &Runtime, integration: &str) -> String {
    let mut text = String::new();
    for queue in runtime.queues(integration).await.unwrap() {
        let _ =
            writeln!(text, "{:?} {:?} {:?} {} {}", queue.key, queue.name, queue.row_length, queue.first, queue.last);
    }
    for row in runtime.intervals(integration).await.unwrap() {
        let _ = writeln!(text, "{:?} {} {} {:?}", row.queue, row.start, row.end, row.measures);
    }
    let (agents, statuses) = runtime.statuses(integration).await.unwrap();
    for agent in agents {
        for span in agent.spans {
            let _ = writeln!(text, "{} {} {} {:?}", agent.agent, span.start, statuses[&span.status], span.end);
        }
    }
    for agent in runtime.timelines(integration).await.unwrap() {
        let _ = writeln!(text, "{} {:?}", agent.agent, agent.stretches);
    }
    text
}

/// The intervals and timelines as whoever followed the feed from its begin knows them, and as queries show them.
pub(crate) async fn followed(runtime: &Runtime, integration: &str, id: u32) -> (String, String) {
    use injixo_core::What;
    let mut known = BTreeMap::new();
    let mut changes = runtime.changes(0).await.unwrap();
    while let Some(change) = changes.try_next().await.unwrap() {
        if let (What::Interval { queue, start, before, after, .. }, true) = (change.what, change.integration == id) {
            let held = match after {
                Some(after) => known.insert((queue.clone(), start), after),
                None => known.remove(&(queue.clone(), start)),
            };
            assert_eq!(held, before, "{queue:?} {start}");
        }
    }
    let line = |((queue, start), measures)| format!("{queue:?} {start} {measures:?}\n");
    let followed = known.into_iter().map(line).collect();
    let intervals = runtime.intervals(integration).await.unwrap().into_iter();
    let mut shown: Vec<_> = intervals.map(|row| ((row.queue, row.start), row.measures)).collect();
    shown.sort_by(|a, b| a.0.cmp(&b.0));
    (followed, shown.into_iter().map(line).collect())
}
