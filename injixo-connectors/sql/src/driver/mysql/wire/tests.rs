use injixo_core::model::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::driver::mysql::definition;
use crate::driver::mysql::testing::{END, packet, saying};

/// The answer to a statement to be prepared with two places and one column.
fn prepared() -> Vec<Vec<u8>> {
    let place = definition::packet("?", 0xFD, 0, 0);
    let column = definition::packet("n", 0x08, 20, 0);
    vec![vec![0, 7, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0], place.clone(), place, END.to_vec(), column, END.to_vec()]
}

fn packets(bodies: &[Vec<u8>]) -> Vec<u8> {
    (1..).zip(bodies).flat_map(|(sequence, body)| packet(sequence, body)).collect()
}

fn values() -> [Edge; 2] {
    let instant: Timestamp = "2024-03-31T01:02:03.004Z".parse().unwrap();
    [Edge::Local("2024-02-29T23:59:58".parse().unwrap()), Edge::Instant(instant)]
}

#[tokio::test]
async fn statements_are_prepared_and_run() {
    let answer = [&[vec![1]], &prepared()[4..]].concat();
    let mut wire = saying([packets(&prepared()), packets(&answer)].concat(), 5).await;
    let statement = wire.prepare("SELECT n FROM t WHERE a < ? AND b < ?").await.unwrap();
    assert_eq!((statement.id, statement.places, statement.columns.len()), (7, 2, 1));
    let columns = wire.execute(&statement, &values()).await.unwrap();
    assert_eq!(columns, statement.columns);
    // As long as rows may follow, nothing else is asked for.
    assert!(matches!(wire.prepare("SELECT 1").await, Err(Failure::Garbled)));
    wire.forget(&statement);
    assert_eq!(wire.outbox, [5, 0, 0, 0, CLOSE, 7, 0, 0, 0]);
}

#[tokio::test]
async fn values_are_bound_in_their_types() {
    let mut out = Vec::new();
    for value in [values()[0].clone(), values()[1].clone(), Edge::Secs(-2), Edge::Text("ä".repeat(200))] {
        push_value(&value, &mut out).unwrap();
    }
    let text = "ä".repeat(200);
    let expected = [
        &[7, 0xE8, 7, 2, 29, 23, 59, 58, 11, 0xE8, 7, 3, 31, 1, 2, 3, 0xA0, 0x0F, 0, 0][..],
        &[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFC, 0x90, 1],
        text.as_bytes(),
    ];
    assert_eq!(out, expected.concat());
    // Before the year 0, and one for which there is no room.
    for secs in [-70_000_000_000, 2_200_000_000_000] {
        let far = Edge::Local(LocalTime::from_millis(secs * 1_000));
        assert!(push_value(&far, &mut Vec::new()).is_none(), "{secs}");
    }
}

#[tokio::test]
async fn a_statement_with_other_places_is_refused() {
    let mut wire = saying(packets(&prepared()), 100).await;
    let statement = wire.prepare("SELECT ?").await.unwrap();
    let Err(Failure::Refused(refusal)) = wire.execute(&statement, &values()[..1]).await else { panic!() };
    assert_eq!((refusal.number, refusal.message.as_str()), (1064, "it has places for 2 values, and there are 1"));
}

#[tokio::test]
async fn what_is_no_answer_is_garbled() {
    let many = [&[0xFC][..], &4_097_u16.to_le_bytes()].concat();
    // A file of this machine, no rows, more columns than there can be, one more byte, nothing, more results than one.
    let more = [&[vec![1]], &prepared()[4..5], &[vec![0xFE, 0, 0, 10, 0]]].concat();
    for answer in
        [vec![b"\xFB/etc/passwd".to_vec()], vec![vec![0; 7]], vec![many], vec![vec![1, 1]], vec![vec![]], more]
    {
        let mut wire = saying([packets(&prepared()), packets(&answer)].concat(), 100).await;
        let statement = wire.prepare("SELECT n").await.unwrap();
        let failure = wire.execute(&statement, &values()).await.unwrap_err();
        assert!(matches!(failure, Failure::Garbled), "{answer:?}: {failure:?}");
    }
    for answer in [vec![1, 3], vec![], vec![0xFE, 0, 0, 2, 0]] {
        let mut wire = saying(packets(&[answer]), 100).await;
        assert!(matches!(wire.set("SET a = 1").await, Err(Failure::Garbled)));
    }
}

#[tokio::test]
async fn a_refusal_does_not_end_the_session() {
    let refused = b"\xFF\xA9\x04#HY000Unknown system variable".to_vec();
    let mut wire = saying([packets(&[refused]), packets(&[vec![0; 7]])].concat(), 100).await;
    let Err(Failure::Refused(refusal)) = wire.set("SET a = 1").await else { panic!() };
    assert_eq!((refusal.number, refusal.state.as_str()), (1193, "HY000"));
    assert_eq!(refusal.message, "Unknown system variable");
    wire.set("SET b = 1").await.unwrap();
}

#[test]
fn refusals_are_taken_apart() {
    let early = refusal(b"\xFF\x10\x04Too many \xFF").unwrap();
    assert_eq!((early.number, early.state.as_str(), early.message.as_str()), (1040, "", "Too many \u{FFFD}"));
    assert_eq!((refusal(b"\xFF\x10"), refusal(b"\xFF\x10\x04#08S0"), refusal(b"")), (None, None, None));
}

proptest! {
    #[test]
    fn numbers_come_back(number in prop_oneof![0..300_usize, 60_000..70_000_usize, any::<usize>()], rest in any::<[u8; 2]>()) {
        let mut bytes = Vec::new();
        push_lenenc(number, &mut bytes);
        for length in 0..bytes.len() {
            prop_assert_eq!(lenenc(&bytes[..length]), None);
        }
        bytes.extend(rest);
        prop_assert_eq!(lenenc(&bytes), Some((number, &rest[..])));
    }

    #[test]
    fn no_answer_is_a_reason_to_panic(
        spoilt in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        at_once in 1..50_usize,
    ) {
        let answer = [&[vec![1]], &prepared()[4..]].concat();
        let mut sent = [packets(&prepared()), packets(&answer)].concat();
        for (at, byte) in spoilt {
            let at = at.index(sent.len());
            sent[at] = byte;
        }
        let threads = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        threads.block_on(async {
            let mut wire = saying(sent, at_once).await;
            if let Ok(statement) = wire.prepare("SELECT 1").await {
                let _ = wire.execute(&statement, &values()).await;
            }
        });
    }
}
