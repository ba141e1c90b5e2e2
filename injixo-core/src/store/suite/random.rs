//! Whatever happens to a store, it returns what the one in memory returns.

use proptest::prelude::*;

use super::dump::dump;
use super::*;

/// One change; the numbers choose what it concerns.
#[derive(Debug, Clone)]
enum Change {
    Integration(u8),
    State(u8, u8),
    Subjects(u8, u8),
    Update(u8, i64),
    Chunk(u8, bool, i32, u8),
    Coverage(u8, Option<u8>, i64, i64),
    Range(u8, i64),
    RemoveRange(u8, u8),
    Mark(u8, u8),
    Import(u8, u8),
    Again(u8, bool),
    Rejected(u8, u8),
    Release(u8),
    Work(u8, u8, i64, Option<(u8, i64)>),
    Claim(u8, u8, i64, u32),
    Extend(u8, i64),
    Credential(bool, u8),
    Mapping(u8, bool, u8),
    RemoveMapping(u8, bool, u8),
    Feed(u8, u32),
    Memo(u8, Option<u8>),
    Clear(u8),
    Commit,
    Drop,
}

fn change() -> impl Strategy<Value = Change> {
    use Change::*;
    let few = 0_u8..4;
    prop_oneof![
        1 => few.clone().prop_map(Integration),
        1 => (any::<u8>(), 0_u8..3).prop_map(|(a, b)| State(a, b)),
        2 => (any::<u8>(), 1_u8..4).prop_map(|(a, b)| Subjects(a, b)),
        2 => (any::<u8>(), 0_i64..99).prop_map(|(a, b)| Update(a, b)),
        3 => (any::<u8>(), any::<bool>(), -3_i32..4, 0_u8..3).prop_map(|(a, b, c, d)| Chunk(a, b, c, d)),
        6 => (any::<u8>(), prop::option::of(any::<u8>()), 0_i64..30, 1_i64..15).prop_map(|(a, b, c, d)| Coverage(a, b, c, d)),
        1 => (any::<u8>(), 0_i64..30).prop_map(|(a, b)| Range(a, b)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| RemoveRange(a, b)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Mark(a, b)),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Import(a, b)),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(a, b)| Again(a, b)),
        1 => (any::<u8>(), 0_u8..3).prop_map(|(a, b)| Rejected(a, b)),
        1 => any::<u8>().prop_map(Release),
        4 => (any::<u8>(), 0_u8..6, 0_i64..30, prop::option::of((few, 0_i64..30))).prop_map(|(a, b, c, d)| Work(a, b, c, d)),
        4 => (0_u8..4, 0_u8..6, 0_i64..40, 1_u32..4).prop_map(|(a, b, c, d)| Claim(a, b, c, d)),
        1 => (0_u8..4, 0_i64..40).prop_map(|(a, b)| Extend(a, b)),
        1 => (any::<bool>(), any::<u8>()).prop_map(|(a, b)| Credential(a, b)),
        2 => (any::<u8>(), any::<bool>(), 0_u8..9).prop_map(|(a, b, c)| Mapping(a, b, c)),
        1 => (any::<u8>(), any::<bool>(), 0_u8..9).prop_map(|(a, b, c)| RemoveMapping(a, b, c)),
        2 => (any::<u8>(), 0_u32..4).prop_map(|(a, b)| Feed(a, b)),
        2 => (0_u8..6, prop::option::of(any::<u8>())).prop_map(|(a, b)| Memo(a, b)),
        1 => any::<u8>().prop_map(Clear),
        3 => Just(Commit),
        1 => Just(Drop),
    ]
}

const LANES: [Lane; 6] =
    [Lane::Live, Lane::Deliveries, Lane::Contacts, Lane::Statuses, Lane::ContactsBackfill, Lane::StatusesBackfill];

fn pick<T: Clone>(items: &[T], number: u8) -> Option<T> {
    items.get(usize::from(number) % items.len().max(1)).cloned()
}

/// Makes a change; what it returned, without the numbers of ranges.
#[expect(clippy::too_many_lines, reason = "a list of all changes")]
async fn make(write: &mut dyn Transaction, change: &Change) -> Result<String> {
    let integrations = write.integrations().await?;
    let ids: Vec<u32> = integrations.iter().map(|held| held.id).collect();
    let stream = |number: u8| {
        let stream = if number.is_multiple_of(2) { Stream::Contacts } else { Stream::Statuses };
        pick(&ids, number / 2).map(|integration| StreamId { integration, stream })
    };
    let mut subjects = Vec::new();
    let mut imports = Vec::new();
    for id in &ids {
        for kind in [SubjectKind::Queue, SubjectKind::Agent, SubjectKind::Status] {
            subjects.extend(write.subjects(*id, kind).await?);
        }
        imports.extend(write.imports(*id, u32::MAX).await?.into_iter().map(|import| import.id));
    }
    let key = |number: u8| ["a", "b", ""][usize::from(number) % 3];
    match *change {
        Change::Integration(number) => {
            // A name that is taken may use up a number.
            let name = format!("{number}");
            if !integrations.iter().any(|held| held.name == name && held.state != IntegrationState::Deleted) {
                return Ok(format!("{}", write.put_integration(&integration(&name)).await?));
            }
        }
        Change::State(number, state) => {
            if let Some(held) = pick(&integrations, number) {
                let state =
                    [IntegrationState::Active, IntegrationState::Paused, IntegrationState::Deleted][usize::from(state)];
                let stopped_at = Some(at(i64::from(number)));
                let changed = IntegrationRecord { state, stopped_at, generation: held.generation + 1, ..held };
                let done = write.put_integration(&changed).await;
                return Ok(format!("{:?}", done.map_err(|error| error.kind())));
            }
        }
        Change::Subjects(number, count) => {
            if let Some(id) = pick(&ids, number) {
                let kind = [SubjectKind::Queue, SubjectKind::Agent, SubjectKind::Status][usize::from(number) % 3];
                let known = subjects.len();
                let new: Vec<_> = (0..count).map(|index| subject(kind, &format!("{known} {index}"))).collect();
                return Ok(format!("{:?}", write.add_subjects(id, &new).await?));
            }
        }
        Change::Update(number, last) => {
            if let Some(held) = pick(&subjects, number) {
                let names = vec![(at(last), format!("name {last}"))];
                write.update_subjects(&[Subject { last: at(last), names, row_minutes: 30, ..held }]).await?;
            }
        }
        Change::Chunk(number, is_live, day, length) => {
            if let Some(held) = pick(&subjects, number) {
                let layer = if is_live { Layer::Live } else { Layer::History };
                write.put_chunks(&[chunk(held.id, layer, day, &vec![number; length.into()])]).await?;
                return Ok(format!("{:?}", write.neighbours(held.id, layer, day).await?));
            }
        }
        Change::Coverage(number, of, from, length) => {
            if let Some(stream) = stream(number) {
                let subject = of.and_then(|of| pick(&subjects, of)).map(|held| held.id);
                let window = window(from, from + length);
                let newer = Covered { subject, window, read_at: at(i64::from(number)) };
                let later = Covered { window: self::window(from + 2, from + length + 3), read_at: at(-1), ..newer };
                let both = [newer, later];
                write.put_coverage(stream, if number.is_multiple_of(3) { &both } else { &both[..1] }).await?;
                return Ok(format!("{:?}", write.coverage(stream, subject, window).await?));
            }
        }
        Change::Range(number, from) => {
            if let Some(stream) = stream(number) {
                let window = window(from, from + 1);
                let range =
                    RangeRecord { id: 0, stream, kind: RangeKind::Asked, window, at: at(1), note: String::new() };
                write.add_ranges(&[RangeRecord { kind: RangeKind::Blocked, ..range.clone() }, range]).await?;
            }
        }
        Change::RemoveRange(number, which) => {
            if let Some(stream) = stream(number) {
                let held = write.ranges(stream).await?;
                write.remove_ranges(&Vec::from_iter(pick(&held, which).map(|range| range.id))).await?;
            }
        }
        Change::Mark(number, mark) => {
            if let Some(stream) = stream(number) {
                write.put_mark(stream, &format!("{mark}")).await?;
            }
        }
        Change::Import(number, key_number) => {
            if let Some(stream) = stream(number) {
                return Ok(format!("{}", write.add_import(&import(stream, key(key_number))).await?));
            }
        }
        Change::Again(number, again) => {
            write.set_again(&Vec::from_iter(pick(&imports, number)), again).await?;
        }
        Change::Rejected(number, count) => {
            if let Some(import) = pick(&imports, number) {
                let rows: Vec<_> = (0..count).map(|line| rejected(u64::from(number) + u64::from(line))).collect();
                write.add_rejected(import, &rows).await?;
            }
        }
        Change::Release(number) => {
            write.release_rejected(&Vec::from_iter(pick(&imports, number))).await?;
        }
        Change::Work(number, lane, due, owner) => {
            if let Some(id) = pick(&ids, number) {
                let lease = owner.map(|(owner, until)| lease(&format!("{owner}"), until));
                let window = (number.is_multiple_of(2)).then(|| window(1, 2));
                let due = if due == 0 { Timestamp::MAX } else { at(due) };
                let work = WorkRecord { lease, window, due, ..work(id, LANES[usize::from(lane)], 0) };
                write.put_work(&[work]).await?;
            }
        }
        Change::Claim(owner, lane, now, limit) => {
            let lanes = &LANES[usize::from(lane)..];
            let claimed = write.claim(lanes, &NONE, &lease(&format!("{owner}"), now + 5), at(now), limit).await?;
            return Ok(format!("{claimed:?} {:?}", write.next_claim(lanes, &NONE).await?));
        }
        Change::Extend(owner, until) => {
            return Ok(format!("{:?}", write.extend_leases(&lease(&format!("{owner}"), until)).await?));
        }
        Change::Credential(is_a, state) => {
            let key = if is_a { "a" } else { "b" };
            let before = write.lock_credential(key).await?;
            write.put_credential(key, &format!("{state}")).await?;
            return Ok(format!("{before:?}"));
        }
        Change::Mapping(number, is_agent, external) => {
            if let Some(id) = pick(&ids, number) {
                let kind = if is_agent { MappedKind::Agent } else { MappedKind::Status };
                let external = format!("{external}");
                write.put_mappings(id, &[MappingRecord { kind, external, target: number.into() }]).await?;
            }
        }
        Change::RemoveMapping(number, is_agent, external) => {
            if let Some(id) = pick(&ids, number) {
                let kind = if is_agent { MappedKind::Agent } else { MappedKind::Status };
                write.remove_mapping(id, kind, &format!("{external}")).await?;
            }
        }
        Change::Feed(number, count) => {
            if let Some(id) = pick(&ids, number) {
                write.add_feed(&[entry(id, count, "x"), entry(id, 1, &format!("{number}"))]).await?;
            }
        }
        Change::Memo(number, value) => {
            let name = ["a", "a1", "a2", "ä", "b\u{0}", "b"][usize::from(number)];
            write.put_memos(&[(name.to_owned(), value.map(|value| vec![value; 3]))]).await?;
            return Ok(format!("{:?} {:?}", write.memo(name).await?, write.memos("a", "a1", 2).await?));
        }
        Change::Clear(number) => {
            if let Some(stream) = stream(number) {
                write.clear_coverage(stream).await?;
            }
        }
        Change::Commit | Change::Drop => {}
    }
    Ok(String::new())
}

/// Makes the changes on both, in transactions that are committed, or dropped where numbers are not used up by that.
async fn compare(store: &dyn Store, changes: &[Change], drops: bool) -> Result<(), TestCaseError> {
    let memory = MemoryStore::new();
    let (mut left, mut right) = (memory.write().await.unwrap(), store.write().await.unwrap());
    for change in changes.iter().chain([&Change::Commit]) {
        match change {
            Change::Commit | Change::Drop => {
                if matches!(change, Change::Commit) || !drops {
                    left.commit().await.unwrap();
                    right.commit().await.unwrap();
                } else {
                    drop((left, right));
                }
                prop_assert_eq!(dump(&memory).await, dump(store).await);
                (left, right) = (memory.write().await.unwrap(), store.write().await.unwrap());
            }
            change => {
                let (left, right) = (make(&mut *left, change).await.unwrap(), make(&mut *right, change).await.unwrap());
                prop_assert_eq!(left, right, "{:?}", change);
            }
        }
    }
    Ok(())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_returns_what_memory_returns() {
    let runtime = runtime();
    proptest!(ProptestConfig::with_cases(40), |(changes in prop::collection::vec(change(), 1..60))| {
        runtime.block_on(async {
            let on = Subjected::sqlite().await;
            compare(&*on.store, &changes, true).await
        })?;
    });
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_returns_what_memory_returns() {
    let runtime = runtime();
    let url = injixo_test_servers::postgres();
    let number = std::cell::Cell::new(0);
    proptest!(ProptestConfig::with_cases(16), |(changes in prop::collection::vec(change(), 1..60))| {
        number.set(number.get() + 1);
        let schema = format!("schema_{}", number.get());
        runtime.block_on(async {
            let store = PostgresStore::connect_to_schema(&url, &schema).await.unwrap();
            let done = compare(&store, &changes, false).await;
            store.close().await;
            done
        })?;
    });
}
