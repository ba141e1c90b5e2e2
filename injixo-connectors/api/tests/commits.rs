//! The resource for commits: versions, wrong parts, and what it does not mix.

mod support;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{CONTACTS, Host, contact};

const COMMITS: &str = "/external-systems/v1/commits";

fn part(after: &str, reached: &str) -> Value {
    json!({ "version": 1, "sender": "store", "after": after, "reached": reached })
}

/// A part that begins, with a contact at noon of 2024-05-20.
fn first() -> Value {
    let mut first = part("", "1");
    first["begins"] = json!(true);
    first["whole"] = json!({ "after": null, "upto": null });
    let noon = json!([43_200_000, 1_000_000, 1_000_000, 5_000]);
    first["queues"] = json!([{
        "id": "q", "channel": "calls", "first": 1_716_206_400_000_i64, "last": 1_716_206_400_000_i64,
        "days": [{ "day": 19_863, "contacts": [noon] }],
    }]);
    first
}

async fn position(host: &Host) -> String {
    let request = Request::get(COMMITS).header("authorization", format!("Bearer {}", host.key));
    let answer = host.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["position"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_part_is_taken_once_and_in_its_place() {
    let host = Host::new().await;
    assert_eq!(position(&host).await, "");
    let answer = host.send(COMMITS, &first()).await;
    assert_eq!((answer.status.as_u16(), answer.json()["repeated"].clone()), (202, json!(false)), "{}", answer.text);
    assert_eq!(position(&host).await, "store 1");
    assert_eq!(host.kept().await, 1);
    let answer = host.send(COMMITS, &first()).await;
    assert_eq!((answer.status.as_u16(), answer.json()["repeated"].clone()), (202, json!(true)));
    // Neither what follows on something else nor another store is let in.
    let mut other = part("store 1", "2");
    other["sender"] = json!("another");
    for wrong in [part("store 9", "2"), part("", "2"), other] {
        let answer = host.send(COMMITS, &wrong).await;
        assert_eq!(answer.code(), (409, "elsewhere".to_owned()));
        assert_eq!(answer.json()["position"], "store 1");
    }
    let mut gone = part("store 1", "2");
    gone["queues"] = json!([{ "id": "q", "channel": "calls", "first": 0, "last": 0, "days": [{ "day": 19_863 }] }]);
    assert_eq!(host.send(COMMITS, &gone).await.status, 202);
    assert_eq!(host.kept().await, 0, "a day without facts has none");
}

#[tokio::test]
async fn an_integration_holds_either_parts_or_events() {
    let host = Host::new().await;
    assert_eq!(host.send(COMMITS, &first()).await.status, 202);
    let answer = host.send(CONTACTS, &host.body(&[contact()])).await;
    assert_eq!(answer.code(), (409, "filled_by_commits".to_owned()));
    let host = Host::new().await;
    assert_eq!(host.send(CONTACTS, &host.body(&[contact()])).await.status, 202);
    assert_eq!(position(&host).await, "other");
    assert_eq!(host.send(COMMITS, &first()).await.code(), (409, "elsewhere".to_owned()));
    // Unless the sender is told to begin anew: what is not stated is gone.
    let mut anew = first();
    anew["after"] = json!("other");
    assert_eq!(host.send(COMMITS, &anew).await.status, 202);
    let queues = host.runtime.intervals("API").await.unwrap();
    assert_eq!(queues.iter().map(|row| row.queue.id.as_str()).collect::<Vec<_>>(), ["q"]);
}

#[tokio::test]
async fn unknown_versions_are_named_and_states_of_the_integration_count() {
    let host = Host::new().await;
    let answer = host.post("/external-systems/v2/commits", &[], "{}").await;
    assert_eq!(
        (answer.code(), answer.json()["versions"].clone()),
        ((404, "unknown_version".to_owned()), json!(["v1"]))
    );
    let mut later = first();
    later["version"] = json!(2);
    let answer = host.send(COMMITS, &later).await;
    assert_eq!(
        (answer.code(), answer.json()["versions"].clone()),
        ((400, "unknown_version".to_owned()), json!(["v1"]))
    );
    assert_eq!(host.post("/external-systems/vx/commits", &[], "{}").await.code().0, 404);
    host.runtime.pause("API").await.unwrap();
    let answer = host.send(COMMITS, &first()).await;
    assert_eq!(answer.code(), (503, "paused".to_owned()));
    assert!(answer.headers.contains_key("retry-after"));
    host.runtime.resume("API").await.unwrap();
    host.runtime.delete("API").await.unwrap();
    assert_eq!(host.send(COMMITS, &first()).await.code(), (404, "integration_deleted".to_owned()));
    let request = Request::put(COMMITS).header("authorization", format!("Bearer {}", host.key));
    let answer = host.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["allow"]), (405, &"GET, POST".parse().unwrap()));
}

/// Where a part is changed, and how.
type Wrong = (&'static str, Box<dyn Fn(&mut Value)>);

#[tokio::test]
async fn wrong_parts_are_refused_whole() {
    let wrong: Vec<Wrong> = vec![
        ("/queues/0/days/0/contacts/0", Box::new(|at| *at = json!([86_400_000, 0, 0]))),
        ("/queues/0/days/0/contacts/0", Box::new(|at| *at = json!([-1, 0, 0]))),
        ("/queues/0/days/0/contacts/0", Box::new(|at| *at = json!([0, -1, 0]))),
        ("/queues/0/days/0/contacts/0", Box::new(|at| *at = json!([0, i64::MAX, 0]))),
        ("/queues/0/days/0/contacts/0", Box::new(|at| *at = json!([0, 0]))),
        ("/queues/0/days/0/contacts/0", Box::new(|at| *at = json!([0, 0, 0, i64::MAX]))),
        ("/queues/0/days/0/contacts/0", Box::new(|at| *at = json!([0, 0, 0, 1, 1, 1, 1, "zz", 1]))),
        ("/queues/0/days/0/contacts/0", Box::new(|at| *at = json!({}))),
        ("/queues/0/days/0/contacts", Box::new(|at| *at = json!([[5, 0, 0], [4, 0, 0]]))),
        ("/queues/0/days/0/day", Box::new(|at| *at = json!(-1))),
        ("/queues/0/days/0/day", Box::new(|at| *at = json!(i32::MAX))),
        ("/queues/0/days/0", Box::new(|at| at["rows"] = json!([[0, 900_000, 0, 0]]))),
        ("/queues/0/days/0", Box::new(|at| at["reach"] = json!([[5, 5]]))),
        ("/queues/0/days/0", Box::new(|at| at["reach"] = json!([[i64::MIN, i64::MAX]]))),
        ("/queues/0/days/0", Box::new(|at| at["sides"] = json!([{ "at": 9, "side": "ends", "facts": [[8, 0, 0]] }]))),
        ("/queues/0/days/0", Box::new(|at| at["sides"] = json!([{ "at": 9, "side": "up", "facts": [[9, 0, 0]] }]))),
        ("/queues/0", Box::new(|at| at["rowMinutes"] = json!(7))),
        ("/queues/0", Box::new(|at| at["channel"] = json!("pigeons"))),
        ("/queues/0", Box::new(|at| at["id"] = json!("x".repeat(5_000)))),
        ("/queues/0", Box::new(|at| at["first"] = json!(i64::MIN))),
        ("/queues/0", Box::new(|at| at["names"] = json!([[5, "b"], [4, "a"]]))),
        (
            "/queues",
            Box::new(|at| {
                let twice = at[0].clone();
                at.as_array_mut().unwrap().push(twice);
            }),
        ),
        ("/whole", Box::new(|at| *at = Value::Null)),
        (
            "/whole",
            Box::new(|at| {
                at["upto"] = json!({ "kind": "queue", "id": "a", "channel": "calls", "live": false, "day": 1 })
            }),
        ),
        ("/sender", Box::new(|at| *at = json!("a b"))),
        ("/reached", Box::new(|at| *at = json!(""))),
        ("", Box::new(|at| at["coverage"] = json!([{ "stream": "contacts", "of": 7, "windows": [[0, 1, 0]] }]))),
        ("", Box::new(|at| at["coverage"] = json!([{ "stream": "contacts", "windows": [[1, 1, 0]] }]))),
        ("", Box::new(|at| at["agents"] = json!([{ "id": "a", "first": 0, "last": 0, "longest": -1 }]))),
        (
            "",
            Box::new(|at| {
                at["agents"] = json!([{ "id": "a", "first": 0, "last": 0, "longest": 0, "days": [{ "day": 1, "spans": [[0, 0]] }] }]);
            }),
        ),
    ];
    let host = Host::new().await;
    for (index, (pointer, change)) in wrong.iter().enumerate() {
        let mut body = first();
        change(body.pointer_mut(pointer).unwrap());
        let answer = host.send(COMMITS, &body).await;
        assert_eq!(answer.code(), (422, "invalid_part".to_owned()), "{index}: {body} {}", answer.text);
        assert_eq!((position(&host).await.as_str(), host.kept().await), ("", 0), "{index}: nothing is kept");
    }
    for text in ["", "{", "[]", "{\"version\": 1}", "null", &"[".repeat(100_000)] {
        assert_eq!(host.post(COMMITS, &[], text.to_owned()).await.code().0, 422, "{text:.20}");
    }
    // A row that is longer than its interval in the zone of the integration.
    let mut rows = first();
    rows["queues"][0]["rowMinutes"] = json!(30);
    rows["queues"][0]["days"][0] = json!({ "day": 19_863, "rows": [[900_000, 1_800_000, 0, 0]] });
    assert_eq!(host.send(COMMITS, &rows).await.code(), (422, "invalid_part".to_owned()));
    let many = format!("{{\"version\": 1, \"queues\": [{{}}{}]}}", ",{}".repeat(700_000));
    assert!(host.post(COMMITS, &[], many).await.text.contains("too many rows"));
    assert_eq!(host.post(COMMITS, &[], vec![b' '; 9 << 20]).await.code(), (413, "too_large".to_owned()));
}

/// Whatever becomes of a part on its way, it is applied or refused.
#[tokio::test]
async fn damaged_parts_do_no_harm() {
    let mut whole = first();
    whole["queues"][0]["days"][0]["sides"] = json!([{ "at": 9, "side": "ends", "facts": [[9, 0, 0]] }]);
    whole["queues"][0]["days"][0]["reach"] = json!([[5, 86_400_000]]);
    whole["statuses"] = json!([{ "id": "Ready", "first": 0, "last": 5 }]);
    whole["agents"] = json!([{
        "id": "amy", "first": 0, "last": 0, "longest": 7,
        "days": [{ "day": 0, "live": true, "spans": [[0, 0, 7], [9, null]] }],
    }]);
    whole["coverage"] = json!([{ "stream": "statuses", "of": 0, "windows": [[0, 900_000, 5]] }]);
    let text = whole.to_string().into_bytes();
    let mut random = 7_u64;
    let mut below = |bound: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % bound
    };
    let mut applied = 0;
    for _ in 0..1_500 {
        let host = Host::new().await;
        let mut damaged = text.clone();
        for _ in 0..=below(2) {
            let (at, with) = (below(damaged.len()), b"0123456789,-.[]{}\"null"[below(22)]);
            match below(3) {
                0 => damaged[at] = with,
                1 => damaged.insert(at, with),
                _ => drop(damaged.remove(at)),
            }
        }
        let shown = String::from_utf8_lossy(&damaged).into_owned();
        let answer = host.post(COMMITS, &[], damaged).await;
        let status = answer.status.as_u16();
        assert!([202, 400, 409, 422].contains(&status), "{status} {}: {shown}", answer.text);
        // What was applied can be read.
        applied += i32::from(status == 202);
        let _ = (host.kept().await, host.runtime.timelines("API").await.unwrap());
    }
    assert!(applied > 100, "some say something else, and something that is possible");
}
