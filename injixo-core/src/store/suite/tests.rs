//! Each method by examples.

use std::collections::BTreeSet;

use super::dump::dump;
use super::*;

macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $name() { super::$name(super::Subjected::memory()).await; })*
        }
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
                super::$name(super::Subjected::sqlite().await).await;
            })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")] async fn $name() {
                super::$name(super::Subjected::postgres().await).await;
            })*
        }
    };
}

on_every_store![
    integrations_are_kept_under_names_that_are_unique_unless_deleted,
    subjects_are_numbered_and_changed,
    chunks_come_in_the_order_asked_for,
    neighbours_are_the_nearest_days_with_a_chunk,
    coverage_is_replaced_by_later_reads,
    ranges_and_marks_are_kept,
    the_log_knows_the_last_import,
    the_quarantine_keeps_rows_until_they_are_released,
    claims_take_what_is_due_and_free,
    claims_leave_out_what_others_must_do,
    the_next_claim_is_when_work_is_due_and_free,
    leases_are_extended_for_their_owner_only,
    credentials_and_mappings_are_kept,
    revisions_have_no_gaps,
    a_dropped_transaction_leaves_nothing,
    a_reader_sees_one_state,
    no_work_is_claimed_twice,
    many_rows_at_once_are_kept,
];

async fn integrations_are_kept_under_names_that_are_unique_unless_deleted(on: Subjected) {
    let mut write = on.write().await;
    let sales = write.put_integration(&integration("Sales")).await.unwrap();
    let other = write.put_integration(&IntegrationRecord { config: None, ..integration("Other") }).await.unwrap();
    assert!(sales > 0 && other > sales);
    let taken = write.put_integration(&integration("Sales")).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::ConfigInvalid);
    let taken = write.put_integration(&IntegrationRecord { id: other, ..integration("Sales") }).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::ConfigInvalid);
    let deleted = IntegrationRecord {
        id: sales,
        state: IntegrationState::Deleted,
        generation: 9,
        stopped_at: Some(at(50)),
        ..integration("Sales")
    };
    assert_eq!(write.put_integration(&deleted).await.unwrap(), sales);
    assert_eq!(write.integration("Sales").await.unwrap(), Some(deleted.clone()));
    let again = write.put_integration(&integration("Sales")).await.unwrap();
    assert_eq!(write.integration("Sales").await.unwrap().map(|held| held.id), Some(again));
    let taken = write.put_integration(&IntegrationRecord { id: sales, ..integration("Sales") }).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::ConfigInvalid);
    let earlier = IntegrationRecord { id: again, stopped_at: Some(at(40)), ..deleted.clone() };
    write.put_integration(&earlier).await.unwrap();
    assert_eq!(write.integration("Sales").await.unwrap(), Some(deleted.clone()), "it was deleted last");
    assert_eq!(write.lock_integration(sales).await.unwrap(), Some(deleted));
    write.commit().await.unwrap();
    let mut read = on.read().await;
    let all: Vec<_> = read.integrations().await.unwrap();
    assert_eq!(all.iter().map(|held| held.id).collect::<Vec<_>>(), [sales, other, again]);
    assert_eq!(all[1], IntegrationRecord { id: other, config: None, ..integration("Other") });
    assert_eq!(read.integration_by_id(again).await.unwrap(), Some(earlier));
    assert_eq!(read.integration_by_id(99).await.unwrap(), None);
    assert_eq!(read.integration("other").await.unwrap(), None);
}

async fn subjects_are_numbered_and_changed(on: Subjected) {
    let (id, _) = on.with_subjects().await;
    let other = on.integration("Other").await;
    let mut write = on.write().await;
    let more = [
        subject(SubjectKind::Queue, "z"),
        Subject { channel: Channel::Calls, ..subject(SubjectKind::Queue, "one") },
        subject(SubjectKind::Status, "\u{1A}A \0 ü"),
    ];
    let ids = write.add_subjects(id, &more).await.unwrap();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]) && ids[0] > 0);
    write.add_subjects(other, &[subject(SubjectKind::Queue, "one")]).await.unwrap();
    let changed = Subject {
        id: ids[1],
        row_minutes: 30,
        last: at(77),
        longest: Millis::new(9),
        names: vec![],
        ..more[1].clone()
    };
    write.update_subjects(&[Subject { last: at(1), ..changed.clone() }, changed.clone()]).await.unwrap();
    assert!(write.update_subjects(&[Subject { id: 9_999, ..more[0].clone() }]).await.is_err());
    write.commit().await.unwrap();
    let mut read = on.read().await;
    let queues = read.subjects(id, SubjectKind::Queue).await.unwrap();
    assert_eq!(queues.len(), 3);
    assert_eq!(queues[1], Subject { id: ids[0], ..more[0].clone() });
    assert_eq!(queues[2], changed);
    let statuses = read.subjects(id, SubjectKind::Status).await.unwrap();
    assert_eq!(statuses[1], Subject { id: ids[2], ..more[2].clone() });
    assert_eq!(read.subjects(other, SubjectKind::Agent).await.unwrap(), []);
}

async fn chunks_come_in_the_order_asked_for(on: Subjected) {
    let (_, subjects) = on.with_subjects().await;
    let (a, b) = (subjects[0], subjects[1]);
    let mut write = on.write().await;
    let history = |subject, day, bytes: &[u8]| chunk(subject, Layer::History, day, bytes);
    let live = chunk(a, Layer::Live, 2, b"live");
    write
        .put_chunks(&[
            history(b, 2, b"b2"),
            history(a, 3, b"a3"),
            history(a, -1, b"old"),
            history(a, -1, b"a-1"),
            history(a, 5, b""),
            history(a, 2, b"a2"),
            live.clone(),
        ])
        .await
        .unwrap();
    write
        .put_chunks(&[history(a, 3, b"new"), history(b, 2, b""), history(b, 7, b"b7"), history(b, 8, b"b8")])
        .await
        .unwrap();
    write.put_chunks(&[history(b, 8, b"x"), history(b, 8, b"")]).await.unwrap();
    write.commit().await.unwrap();
    let mut read = on.read().await;
    let range = |subject, layer, from, to| ChunkRange { subject, layer, from, to };
    let asked = [
        range(b, Layer::History, -10, 10),
        range(a, Layer::History, -5, 2),
        range(a, Layer::History, 4, 3),
        range(a, Layer::Live, 2, 2),
        range(a, Layer::History, 2, 3),
    ];
    let found = read.chunks(&asked).await.unwrap();
    let expected = [
        history(b, 7, b"b7"),
        history(a, -1, b"a-1"),
        history(a, 2, b"a2"),
        live,
        history(a, 2, b"a2"),
        history(a, 3, b"new"),
    ];
    assert_eq!(found, expected);
    assert_eq!(read.chunks(&asked[..1]).await.unwrap(), expected[..1]);
    assert_eq!(read.chunks(&[]).await.unwrap(), []);
}

async fn neighbours_are_the_nearest_days_with_a_chunk(on: Subjected) {
    let (_, subjects) = on.with_subjects().await;
    let subject = subjects[1];
    let mut write = on.write().await;
    let days = [-4, 1, 2, 9].map(|day| chunk(subject, Layer::History, day, b"x"));
    write.put_chunks(&days).await.unwrap();
    write
        .put_chunks(&[chunk(subject, Layer::Live, 5, b"x"), chunk(subjects[0], Layer::History, 3, b"x")])
        .await
        .unwrap();
    for (day, expected) in [
        (2, (Some(1), Some(9))),
        (5, (Some(2), Some(9))),
        (-4, (None, Some(1))),
        (9, (Some(2), None)),
        (i32::MIN, (None, Some(-4))),
        (i32::MAX, (Some(9), None)),
    ] {
        assert_eq!(write.neighbours(subject, Layer::History, day).await.unwrap(), expected, "{day}");
    }
    assert_eq!(write.neighbours(subject, Layer::Live, 2).await.unwrap(), (None, Some(5)));
}

async fn coverage_is_replaced_by_later_reads(on: Subjected) {
    let (id, subjects) = on.with_subjects().await;
    let of = |subject, from, to, read_at| Covered { subject, window: window(from, to), read_at: at(read_at) };
    let one = Some(subjects[0]);
    let mut write = on.write().await;
    write.put_coverage(contacts(id), &[of(None, 0, 100, 1), of(one, 10, 20, 1), of(one, 30, 40, 1)]).await.unwrap();
    write.put_coverage(contacts(id), &[of(None, 20, 30, 2), of(one, 15, 35, 3)]).await.unwrap();
    write.commit().await.unwrap();
    let mut read = on.read().await;
    let all = read.coverage(contacts(id), one, window(0, 100)).await.unwrap();
    let expected = [
        of(None, 0, 20, 1),
        of(None, 20, 30, 2),
        of(None, 30, 100, 1),
        of(one, 10, 15, 1),
        of(one, 15, 35, 3),
        of(one, 35, 40, 1),
    ];
    assert_eq!(all, expected);
    assert_eq!(read.coverage(contacts(id), None, window(29, 30)).await.unwrap(), expected[1..2]);
    assert_eq!(read.coverage(contacts(id), one, window(40, 41)).await.unwrap(), expected[2..3]);
    let statuses = StreamId { integration: id, stream: Stream::Statuses };
    assert_eq!(read.coverage(statuses, one, window(0, 100)).await.unwrap(), []);
}

async fn ranges_and_marks_are_kept(on: Subjected) {
    let id = on.integration("Sales").await;
    let statuses = StreamId { integration: id, stream: Stream::Statuses };
    let range = |stream, kind, from| RangeRecord {
        id: 0,
        stream,
        kind,
        window: window(from, from + 5),
        at: at(3),
        note: "because".to_owned(),
    };
    let mut write = on.write().await;
    let added = [
        range(contacts(id), RangeKind::Blocked, 9),
        range(statuses, RangeKind::Asked, 1),
        range(contacts(id), RangeKind::Waived, 2),
    ];
    write.add_ranges(&added).await.unwrap();
    assert_eq!(write.mark(contacts(id)).await.unwrap(), None);
    write.put_mark(contacts(id), "one").await.unwrap();
    write.put_mark(contacts(id), "two").await.unwrap();
    write.commit().await.unwrap();
    let mut write = on.write().await;
    let held = write.ranges(contacts(id)).await.unwrap();
    let ids: Vec<u64> = held.iter().map(|range| range.id).collect();
    assert!(ids[0] > 0 && ids[0] < ids[1]);
    assert_eq!(held[0], RangeRecord { id: ids[0], ..added[0].clone() });
    assert_eq!(held[1], RangeRecord { id: ids[1], ..added[2].clone() });
    write.remove_ranges(&[ids[0], 12_345]).await.unwrap();
    write.remove_ranges(&[]).await.unwrap();
    assert_eq!(write.ranges(contacts(id)).await.unwrap(), held[1..]);
    assert_eq!(write.ranges(statuses).await.unwrap().len(), 1);
    assert_eq!(write.mark(contacts(id)).await.unwrap().as_deref(), Some("two"));
    assert_eq!(write.mark(statuses).await.unwrap(), None);
}

async fn the_log_knows_the_last_import(on: Subjected) {
    let id = on.integration("Sales").await;
    let other = on.integration("Other").await;
    let stream = contacts(id);
    let mut write = on.write().await;
    let first = write.add_import(&import(stream, "a")).await.unwrap();
    let second =
        write.add_import(&ImportRecord { window: None, subjects: vec![], ..import(stream, "b") }).await.unwrap();
    write.add_import(&import(contacts(other), "a")).await.unwrap();
    assert!(0 < first && first < second);
    let (last, is_newest) = write.last_import(stream, "a").await.unwrap().unwrap();
    assert_eq!((last, is_newest), (ImportRecord { id: first, ..import(stream, "a") }, false));
    let (last, is_newest) = write.last_import(stream, "b").await.unwrap().unwrap();
    assert_eq!((last.id, last.window, is_newest), (second, None, true));
    assert_eq!(write.last_import(stream, "c").await.unwrap(), None);
    let third = write.add_import(&import(stream, "a")).await.unwrap();
    write.set_again(&[third, 4_711], true).await.unwrap();
    write.set_again(&[], true).await.unwrap();
    write.commit().await.unwrap();
    let mut write = on.write().await;
    let (last, is_newest) = write.last_import(stream, "a").await.unwrap().unwrap();
    assert_eq!((last, is_newest), (ImportRecord { id: third, again: true, ..import(stream, "a") }, true));
    write.set_again(&[third], false).await.unwrap();
    assert!(!write.last_import(stream, "a").await.unwrap().unwrap().0.again);
    let newest: Vec<u64> = write.imports(id, 2).await.unwrap().iter().map(|import| import.id).collect();
    assert_eq!(newest, [third, second]);
    assert_eq!(write.imports(id, u32::MAX).await.unwrap().len(), 3);
}

async fn the_quarantine_keeps_rows_until_they_are_released(on: Subjected) {
    let id = on.integration("Sales").await;
    let stream = contacts(id);
    let mut write = on.write().await;
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        ids.push(write.add_import(&import(stream, key)).await.unwrap());
    }
    let rows: Vec<RejectedRow> = (1..=900).map(rejected).collect();
    write.add_rejected(ids[2], &rows).await.unwrap();
    write.add_rejected(ids[0], &rows[..2]).await.unwrap();
    write.add_rejected(ids[0], &rows[5..6]).await.unwrap();
    write.add_rejected(ids[1], &[]).await.unwrap();
    write.commit().await.unwrap();
    let mut write = on.write().await;
    let held = write.quarantine(id).await.unwrap();
    assert_eq!(held.iter().map(|(import, _)| import.id).collect::<Vec<_>>(), [ids[0], ids[2]]);
    assert_eq!(held[0].1, [rows[0].clone(), rows[1].clone(), rows[5].clone()]);
    assert_eq!(held[1].1, rows);
    let quarantined = write.quarantined(stream).await.unwrap();
    assert_eq!(quarantined.iter().map(|import| import.id).collect::<Vec<_>>(), [ids[0], ids[2]]);
    write.release_rejected(&[ids[0], ids[1]]).await.unwrap();
    assert_eq!(write.quarantined(stream).await.unwrap().len(), 1);
    assert_eq!(write.quarantine(id).await.unwrap()[0].1.len(), 900);
}

async fn claims_take_what_is_due_and_free(on: Subjected) {
    let (a, b) = (on.integration("a").await, on.integration("b").await);
    let mut write = on.write().await;
    let held = |until| Some(lease("other", until));
    let all = [
        WorkRecord { window: Some(window(1, 2)), fence: 4, ..work(a, Lane::Live, 50) },
        work(a, Lane::Deliveries, 101),
        WorkRecord { lease: held(100), ..work(a, Lane::Contacts, 10) },
        WorkRecord { lease: held(101), ..work(a, Lane::Statuses, 10) },
        work(b, Lane::Live, 50),
        work(b, Lane::Deliveries, 20),
        WorkRecord { due: Timestamp::MAX, ..work(b, Lane::Contacts, 0) },
        work(b, Lane::StatusesBackfill, 0),
    ];
    write.put_work(&all).await.unwrap();
    write.commit().await.unwrap();
    let mut write = on.write().await;
    let lanes = [Lane::Statuses, Lane::Live, Lane::Deliveries, Lane::Contacts];
    assert_eq!(write.claim(&[], &NONE, &lease("me", 200), at(100), 9).await.unwrap(), []);
    assert_eq!(write.claim(&lanes, &NONE, &lease("me", 200), at(100), 0).await.unwrap(), []);
    let claimed = write.claim(&lanes, &NONE, &lease("me", 200), at(100), 3).await.unwrap();
    let mine = |work: &WorkRecord| WorkRecord {
        lease: Some(lease("me", 200)),
        fence: work.fence + 1,
        window: None,
        ..work.clone()
    };
    assert_eq!(claimed, [mine(&all[5]), mine(&all[0]), mine(&all[4])]);
    let rest = write.claim(&lanes, &NONE, &lease("me", 200), at(100), 9).await.unwrap();
    assert_eq!(rest, [mine(&all[2])]);
    assert_eq!(write.lock_work(a, Lane::Live).await.unwrap(), Some(claimed[1].clone()));
    assert_eq!(write.lock_work(b, Lane::Statuses).await.unwrap(), None);
    assert_eq!(write.work(Some(a)).await.unwrap(), [mine(&all[0]), all[1].clone(), mine(&all[2]), all[3].clone()]);
    write.commit().await.unwrap();
    let mut read = on.read().await;
    assert_eq!(read.work(None).await.unwrap().len(), all.len());
    assert_eq!(read.work(Some(b)).await.unwrap()[3], all[7]);
}

async fn claims_leave_out_what_others_must_do(on: Subjected) {
    let mut write = on.write().await;
    let mut all = Vec::new();
    for number in 0..3_i64 {
        let id = write.put_integration(&integration(&format!("{number}"))).await.unwrap();
        write.put_work(&[work(id, Lane::Live, 10 + number)]).await.unwrap();
        all.push(id);
    }
    let except = BTreeSet::from([all[0], all[2]]);
    assert_eq!(write.next_claim(&[Lane::Live], &except).await.unwrap(), Some(at(11)));
    let claimed = write.claim(&[Lane::Live], &except, &lease("me", 200), at(100), 9).await.unwrap();
    assert_eq!(claimed.iter().map(|work| work.integration).collect::<Vec<_>>(), [all[1]]);
    let most = write.claim(&[Lane::Live], &BTreeSet::from([all[0]]), &lease("me", 200), at(100), 1).await.unwrap();
    assert_eq!(most.iter().map(|work| work.integration).collect::<Vec<_>>(), [all[2]]);
    let everyone = all.iter().copied().collect();
    assert_eq!(write.claim(&[Lane::Live], &everyone, &lease("me", 200), at(300), 9).await.unwrap(), []);
    assert_eq!(write.next_claim(&[Lane::Live], &everyone).await.unwrap(), None);
}

async fn the_next_claim_is_when_work_is_due_and_free(on: Subjected) {
    let id = on.integration("a").await;
    let mut write = on.write().await;
    assert_eq!(write.next_claim(&[Lane::Live], &NONE).await.unwrap(), None);
    let never = WorkRecord { due: Timestamp::MAX, ..work(id, Lane::Statuses, 0) };
    let held = WorkRecord { lease: Some(lease("x", 90)), ..work(id, Lane::Live, 10) };
    write.put_work(&[never, held, work(id, Lane::Contacts, 95)]).await.unwrap();
    for (lanes, expected) in [
        (&[Lane::Live, Lane::Contacts][..], Some(90)),
        (&[Lane::Contacts, Lane::Statuses], Some(95)),
        (&[Lane::Statuses], None),
        (&[Lane::Deliveries], None),
        (&[], None),
    ] {
        assert_eq!(write.next_claim(lanes, &NONE).await.unwrap(), expected.map(at), "{lanes:?}");
    }
    write.put_work(&[work(id, Lane::Live, 10)]).await.unwrap();
    assert_eq!(write.next_claim(&[Lane::Live], &NONE).await.unwrap(), Some(at(10)));
}

async fn leases_are_extended_for_their_owner_only(on: Subjected) {
    let id = on.integration("a").await;
    let mut write = on.write().await;
    let owned = |lane, owner: &str| WorkRecord { lease: Some(lease(owner, 50)), ..work(id, lane, 10) };
    let late = WorkRecord { due: at(500), ..owned(Lane::Statuses, "me") };
    write
        .put_work(&[owned(Lane::Live, "me"), owned(Lane::Contacts, "you"), work(id, Lane::Deliveries, 60), late])
        .await
        .unwrap();
    assert_eq!(write.extend_leases(&lease("me", 300)).await.unwrap(), [(id, Lane::Live), (id, Lane::Statuses)]);
    assert_eq!(write.extend_leases(&lease("nobody", 300)).await.unwrap(), []);
    write.commit().await.unwrap();
    let mut read = on.read().await;
    let until: Vec<_> = read.work(Some(id)).await.unwrap().into_iter().map(|work| work.lease).collect();
    assert_eq!(until, [Some(lease("me", 300)), None, Some(lease("you", 50)), Some(lease("me", 300))]);
    for (lane, expected) in [(Lane::Live, 300), (Lane::Contacts, 50), (Lane::Statuses, 500)] {
        assert_eq!(read.next_claim(&[lane], &NONE).await.unwrap(), Some(at(expected)));
    }
}

async fn credentials_and_mappings_are_kept(on: Subjected) {
    let (id, other) = (on.integration("a").await, on.integration("b").await);
    let mut write = on.write().await;
    assert_eq!(write.lock_credential("k").await.unwrap(), None);
    write.put_credential("k", "1").await.unwrap();
    write.put_credential("k", "2").await.unwrap();
    assert_eq!(write.lock_credential("k").await.unwrap().as_deref(), Some("2"));
    let mapping = |kind, external: &str, target| MappingRecord { kind, external: external.to_owned(), target };
    let mappings = [
        mapping(MappedKind::Status, "a", 1),
        mapping(MappedKind::Agent, "ä", 1),
        mapping(MappedKind::Agent, "b", 7),
        mapping(MappedKind::Agent, "b", u64::MAX),
        mapping(MappedKind::Agent, "a\0", 3),
        mapping(MappedKind::Agent, "Z", 4),
    ];
    write.put_mappings(id, &mappings).await.unwrap();
    write.put_mappings(other, &mappings[..1]).await.unwrap();
    write.put_mappings(id, &[mapping(MappedKind::Agent, "ä", 5)]).await.unwrap();
    write.remove_mapping(id, MappedKind::Agent, "Z").await.unwrap();
    write.remove_mapping(id, MappedKind::Agent, "a").await.unwrap();
    write.commit().await.unwrap();
    let mut read = on.read().await;
    let expected = [
        mapping(MappedKind::Agent, "a\0", 3),
        mapping(MappedKind::Agent, "b", u64::MAX),
        mapping(MappedKind::Agent, "ä", 5),
        mapping(MappedKind::Status, "a", 1),
    ];
    assert_eq!(read.mappings(id).await.unwrap(), expected);
    assert_eq!(read.mappings(other).await.unwrap(), expected[3..]);
}

async fn revisions_have_no_gaps(on: Subjected) {
    let id = on.integration("a").await;
    let mut read = on.read().await;
    assert_eq!(read.last_revision().await.unwrap(), 0);
    drop(read);
    let mut write = on.write().await;
    write.add_feed(&[entry(id, 3, "a"), entry(id, 0, "none"), entry(id, 1, "b")]).await.unwrap();
    write.add_feed(&[entry(id, 2, "c")]).await.unwrap();
    write.commit().await.unwrap();
    let mut dropped = on.write().await;
    dropped.add_feed(&[entry(id, 5, "x")]).await.unwrap();
    drop(dropped);
    let mut write = on.write().await;
    write.add_feed(&[]).await.unwrap();
    write.commit().await.unwrap();
    let mut write = on.write().await;
    write.add_feed(&[entry(id, 2, "d")]).await.unwrap();
    write.commit().await.unwrap();
    let mut read = on.read().await;
    let of = |revision, count, text: &str| FeedEntry { revision, ..entry(id, count, text) };
    let all = [of(1, 3, "a"), of(4, 1, "b"), of(5, 2, "c"), of(7, 2, "d")];
    assert_eq!(read.last_revision().await.unwrap(), 8);
    for (after, limit, expected) in [
        (0, 9, &all[..]),
        (0, 2, &all[..2]),
        (2, 2, &all[..2]),
        (3, 9, &all[1..]),
        (5, 1, &all[2..3]),
        (6, 9, &all[3..]),
        (7, 9, &all[3..]),
        (8, 9, &[]),
        (u64::MAX, 9, &[]),
        (0, 0, &[]),
    ] {
        assert_eq!(read.feed(after, limit).await.unwrap(), expected, "after {after}");
    }
}

/// Changes something in every table.
async fn change_everything(write: &mut dyn Transaction, id: u32, subjects: &[u32]) {
    let new = write.put_integration(&integration("New")).await.unwrap();
    let changed = IntegrationRecord { id, zone: "UTC".to_owned(), ..integration("Sales") };
    write.put_integration(&changed).await.unwrap();
    write.add_subjects(new, &[subject(SubjectKind::Queue, "new")]).await.unwrap();
    let renamed = Subject { id: subjects[0], last: at(1_000), ..subject(SubjectKind::Queue, "one") };
    write.update_subjects(&[renamed]).await.unwrap();
    let (kept, gone) = (chunk(subjects[0], Layer::Live, 4, b"new"), chunk(subjects[0], Layer::Live, 3, b""));
    write.put_chunks(&[kept, gone, chunk(subjects[0], Layer::Live, 5, b"more")]).await.unwrap();
    let covered = Covered { subject: Some(subjects[0]), window: window(2, 6), read_at: at(9) };
    write.put_coverage(contacts(id), &[covered]).await.unwrap();
    let held: Vec<u64> = write.ranges(contacts(id)).await.unwrap().iter().map(|range| range.id).collect();
    write.remove_ranges(&held).await.unwrap();
    let range = RangeRecord {
        id: 0,
        stream: contacts(id),
        kind: RangeKind::Asked,
        window: window(1, 2),
        at: at(1),
        note: format!("{held:?}"),
    };
    write.add_ranges(&[range]).await.unwrap();
    let mark = write.mark(contacts(id)).await.unwrap();
    write.put_mark(contacts(id), &format!("after {mark:?}")).await.unwrap();
    let imports: Vec<u64> = write.imports(id, 9).await.unwrap().iter().map(|import| import.id).collect();
    write.set_again(&imports, true).await.unwrap();
    write.release_rejected(&imports).await.unwrap();
    let added = write.add_import(&import(contacts(id), "a")).await.unwrap();
    write.add_rejected(added, &[rejected(1)]).await.unwrap();
    write.put_work(&[work(id, Lane::Live, 5), work(id, Lane::Contacts, 5)]).await.unwrap();
    write.claim(&[Lane::Live], &NONE, &lease("me", 10), at(6), 1).await.unwrap();
    write.extend_leases(&lease("me", 11)).await.unwrap();
    let credential = write.lock_credential("a").await.unwrap();
    write.lock_credential("b").await.unwrap();
    write.put_credential("a", &format!("after {credential:?}")).await.unwrap();
    let known = MappingRecord { kind: MappedKind::Agent, external: "x".to_owned(), target: u64::from(new) };
    write.remove_mapping(id, MappedKind::Status, "y").await.unwrap();
    write
        .put_mappings(id, &[known, MappingRecord { kind: MappedKind::Status, external: "z".to_owned(), target: 2 }])
        .await
        .unwrap();
    write.add_feed(&[entry(id, 2, "new")]).await.unwrap();
}

async fn a_dropped_transaction_leaves_nothing(on: Subjected) {
    let (id, subjects) = on.with_subjects().await;
    let mut write = on.write().await;
    write
        .put_chunks(&[chunk(subjects[0], Layer::Live, 3, b"x"), chunk(subjects[0], Layer::Live, 4, b"x")])
        .await
        .unwrap();
    write
        .put_mappings(id, &[MappingRecord { kind: MappedKind::Status, external: "y".to_owned(), target: 1 }])
        .await
        .unwrap();
    let added = write.add_import(&import(contacts(id), "b")).await.unwrap();
    write.add_rejected(added, &[rejected(1)]).await.unwrap();
    write
        .put_coverage(contacts(id), &[Covered { subject: Some(subjects[0]), window: window(1, 9), read_at: at(1) }])
        .await
        .unwrap();
    write.commit().await.unwrap();
    let empty = dump(&*on.store).await;
    let mut write = on.write().await;
    change_everything(&mut *write, id, &subjects).await;
    drop(write);
    assert_eq!(dump(&*on.store).await, empty);
    let mut write = on.write().await;
    change_everything(&mut *write, id, &subjects).await;
    write.commit().await.unwrap();
    let changed = dump(&*on.store).await;
    assert_ne!(changed, empty);
    let mut write = on.write().await;
    let new = write.integration("New").await.unwrap().unwrap();
    write.put_integration(&IntegrationRecord { state: IntegrationState::Deleted, ..new }).await.unwrap();
    change_everything(&mut *write, id, &subjects).await;
    drop(write);
    assert_eq!(dump(&*on.store).await, changed);
}

async fn a_reader_sees_one_state(on: Subjected) {
    let (id, subjects) = on.with_subjects().await;
    let mut read = on.read().await;
    assert_eq!(read.last_revision().await.unwrap(), 0);
    let writer = {
        let (on, subjects) = (on.clone(), subjects.clone());
        tokio::spawn(async move {
            let mut write = on.write().await;
            change_everything(&mut *write, id, &subjects).await;
            write.commit().await.unwrap();
        })
    };
    let all = ChunkRange { subject: subjects[0], layer: Layer::Live, from: 0, to: 9 };
    if on.readers_overlap {
        writer.await.unwrap();
        assert_eq!(read.chunks(&[all]).await.unwrap(), []);
        assert_eq!(read.feed(0, 9).await.unwrap(), []);
        assert_eq!(read.integration("New").await.unwrap(), None);
        drop(read);
    } else {
        tokio::task::yield_now().await;
        assert_eq!(read.chunks(&[all]).await.unwrap(), []);
        assert_eq!(read.integration("New").await.unwrap(), None);
        drop(read);
        writer.await.unwrap();
    }
    let mut read = on.read().await;
    assert_eq!(read.chunks(&[all]).await.unwrap().len(), 2);
    assert_eq!(read.last_revision().await.unwrap(), 2);
}

async fn no_work_is_claimed_twice(on: Subjected) {
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(on.integration(&format!("{number}")).await);
    }
    let mut write = on.write().await;
    let all: Vec<WorkRecord> = ids.iter().map(|id| work(*id, Lane::Live, 0)).collect();
    write.put_work(&all).await.unwrap();
    write.commit().await.unwrap();
    let claimer = |owner: &'static str| {
        let on = on.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let mut write = on.write().await;
                let claimed = write.claim(&[Lane::Live], &NONE, &lease(owner, 100), at(1), 2).await.unwrap();
                tokio::task::yield_now().await;
                write.commit().await.unwrap();
                if claimed.is_empty() {
                    return mine;
                }
                assert!(claimed.iter().all(|work| work.fence == 1));
                mine.extend(claimed.into_iter().map(|work| work.integration));
            }
        })
    };
    let claimers: Vec<_> = ["a", "b", "c"].into_iter().map(claimer).collect();
    let mut claimed = Vec::new();
    for claimer in claimers {
        claimed.extend(claimer.await.unwrap());
    }
    assert_eq!(claimed.len(), ids.len());
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), ids.into_iter().collect());
}

async fn many_rows_at_once_are_kept(on: Subjected) {
    let (id, subjects) = on.with_subjects().await;
    let mut write = on.write().await;
    let days: Vec<StoredChunk> = (0..1_000).map(|day| chunk(subjects[0], Layer::History, day, b"x")).collect();
    write.put_chunks(&days).await.unwrap();
    let named: Vec<Subject> = (0..900).map(|number| subject(SubjectKind::Agent, &format!("agent {number}"))).collect();
    let ids = write.add_subjects(id, &named).await.unwrap();
    let changed: Vec<Subject> =
        ids.iter().zip(&named).map(|(id, subject)| Subject { id: *id, last: at(5), ..subject.clone() }).collect();
    write.update_subjects(&changed).await.unwrap();
    let entries: Vec<FeedEntry> = (0..900).map(|number| entry(id, 2, &format!("{number}"))).collect();
    write.add_feed(&entries).await.unwrap();
    let mut ranges: Vec<ChunkRange> = Vec::new();
    for day in (0..1_000).rev() {
        ranges.push(ChunkRange { subject: subjects[0], layer: Layer::History, from: day, to: day });
    }
    write.commit().await.unwrap();
    let mut write = on.write().await;
    let found = write.chunks(&ranges).await.unwrap();
    assert!(found.iter().rev().eq(&days));
    assert_eq!(write.subjects(id, SubjectKind::Agent).await.unwrap()[1..], changed);
    let feed = write.feed(0, 2_000).await.unwrap();
    let revisions = (0..900).map(|number| number * 2 + 1);
    assert!(feed.iter().zip(&entries).all(|(held, added)| held.bytes == added.bytes));
    assert!(feed.iter().map(|entry| entry.revision).eq(revisions));
    let gone: Vec<StoredChunk> = days.iter().map(|day| StoredChunk { bytes: Vec::new(), ..day.clone() }).collect();
    write.put_chunks(&gone).await.unwrap();
    assert_eq!(write.chunks(&ranges).await.unwrap(), []);
}
