//! The receiver as a sender sees it.

mod support;

use std::io::Write;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use injixo_connector_api::{Api, Arrives, BadRows, OPENAPI, RateLimit};
use serde_json::{Value, json};

use crate::support::{CONTACTS, Host, STATUSES, contact, status};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// The row with another value in a field, or without it.
fn changed(mut row: Value, path: &str, value: Option<Value>) -> Value {
    let mut object = &mut row;
    let (parents, field) = path.rsplit_once('.').unwrap_or(("", path));
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        object = &mut object[parent];
    }
    match value {
        Some(value) => object[field] = value,
        None => _ = object.as_object_mut().unwrap().remove(field),
    }
    row
}

#[tokio::test]
async fn events_as_the_documentation_shows_them_are_kept() {
    let host = Host::with(|receiver| receiver.known_as(1234, 1).known_as(8431, 1)).await;
    let contacts = r#"{"data": [{"properties": {"offered": true, "handled": false, "duration": 124.6},
           "queueName": "Level 1 support", "queueIdentifier": "1337_99",
           "timestamp": "2021-12-06T10:34:22Z", "channel": "calls"}],
        "meta": {"integrationConfigurationId": 1234}}"#;
    let statuses = r#"{"data": [{"agentIdentifier": "bob@mycompany.com", "activityIdentifier": "Test",
           "startTime": "2021-12-06T10:00:00Z", "endTime": "2021-12-06T15:00:00Z"}],
        "meta": {"integrationConfigurationId": 8431, "externalSystem": "My ACD"}}"#;
    for (path, body) in [(CONTACTS, contacts), (STATUSES, statuses)] {
        let answer = host.post(path, &[], body).await;
        assert_eq!((answer.status.as_u16(), answer.counts()), (202, (1, 1, 0, false)), "{}", answer.text);
    }
    let intervals = host.runtime.intervals("API").await.unwrap();
    assert_eq!(intervals.len(), 1);
    assert_eq!(
        (intervals[0].queue.id.as_str(), intervals[0].start.to_string().as_str()),
        ("1337_99", "2021-12-06T10:30:00Z")
    );
    assert_eq!(intervals[0].measures.handled.micros(), 0);
    assert_eq!(host.runtime.queues("API").await.unwrap()[0].name.as_deref(), Some("Level 1 support"));
    let timelines = host.runtime.timelines("API").await.unwrap();
    assert_eq!(timelines[0].agent, "bob@mycompany.com");
    assert_eq!(timelines[0].stretches[0].to.unwrap().to_string(), "2021-12-06T15:00:00Z");
    let imports = host.runtime.imports("API", 9).await.unwrap();
    assert_eq!(imports[0].name, "agent-statuses of My ACD");
}

#[tokio::test]
async fn only_encrypted_requests_to_right_paths_are_answered() {
    let host = Host::new().await;
    let body = host.body(&[contact()]).to_string();
    let not_found = (404, "not_found".to_owned());
    for path in [
        "/external-systems",
        "/external-systems/",
        "/external-systems/contact-event",
        "/external-systems/contact-events/x",
        "/external-systems/Contact-Events",
    ] {
        assert_eq!(host.post(path, &[], body.clone()).await.code(), not_found, "{path}");
    }
    // What the host says of the request counts.
    let mut plain = Request::post(CONTACTS)
        .header("authorization", format!("Bearer {}", host.key))
        .body(Body::from(body.clone()))
        .unwrap();
    plain.extensions_mut().insert(Arrives::Plain);
    assert_eq!(host.ask(plain).await.code(), not_found);
    let mut plain = Request::get("/external-systems/openapi.json").body(Body::empty()).unwrap();
    plain.extensions_mut().insert(Arrives::Plain);
    assert_eq!(host.ask(plain).await.code(), not_found);
    let behind_proxy = |forwarded: &[&str]| {
        let mut request = Request::post(CONTACTS).header("authorization", format!("Bearer {}", host.key));
        for value in forwarded {
            request = request.header("x-forwarded-proto", *value);
        }
        let mut request = request.body(Body::from(body.clone())).unwrap();
        request.extensions_mut().insert(Arrives::ByProxy);
        request
    };
    for forwarded in [&[][..], &["http"], &[""], &["https, http"], &["https", "http"], &["httpsx"]] {
        assert_eq!(host.ask(behind_proxy(forwarded)).await.code(), not_found, "{forwarded:?}");
    }
    assert_eq!(host.kept().await, 0);
    assert_eq!(host.ask(behind_proxy(&["HTTPS"])).await.status, 202);
    let got = host.ask(Request::get(CONTACTS).body(Body::empty()).unwrap()).await;
    assert_eq!((got.code(), got.headers["allow"].to_str().unwrap()), ((405, "method_not_allowed".to_owned()), "POST"));
    let direct = Host::with(|_| injixo_connector_api::Receiver::new(&host.runtime, Arrives::Plain)).await;
    assert_eq!(direct.send(CONTACTS, &direct.body(&[contact()])).await.code(), not_found);
}

#[tokio::test]
async fn only_the_newest_key_of_the_integration_is_taken() {
    let host = Host::new().await;
    host.runtime.add("Other", Api::new()).await.unwrap();
    let other = host.runtime.new_key("Other").await.unwrap().expose().to_owned();
    let body = host.body(&[contact()]).to_string();
    let with = async |values: &[&str]| {
        let mut request = Request::post(CONTACTS);
        for value in values {
            request = request.header("authorization", *value);
        }
        host.ask(request.body(Body::from(body.clone())).unwrap()).await
    };
    let bearer = format!("Bearer {}", host.key);
    let wrong = format!("Bearer {}0", host.key);
    for values in [
        &[][..],
        &["Bearer"],
        &["Bearer "],
        &["Bearer x"],
        &[wrong.as_str()],
        &[host.key.as_str()],
        &[&bearer, &bearer],
    ] {
        let answer = with(values).await;
        assert_eq!(answer.code(), (401, "unauthorized".to_owned()));
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    let basic = format!("Basic {}", host.key);
    assert_eq!(with(&[&basic]).await.status, 401);
    let others = with(&[&format!("Bearer {other}")]).await;
    assert_eq!(others.code(), (403, "wrong_integration".to_owned()));
    assert_eq!(host.kept().await, 0);
    assert_eq!(with(&[&bearer.replace("Bearer", "bearer")]).await.status, 202);
    host.runtime.new_key("API").await.unwrap();
    assert_eq!(with(&[&bearer]).await.status, 401);
    assert_eq!(host.kept().await, 1);
}

#[tokio::test]
async fn bad_rows_are_named_and_good_ones_are_kept() {
    let host = Host::new().await;
    let huge = "x".repeat(513);
    let cases: &[(&str, Option<Value>, &str)] = &[
        ("properties", None, "required"),
        ("properties", Some(json!(7)), "type"),
        ("properties.offered", None, "required"),
        ("properties.offered", Some(json!(1)), "type"),
        ("properties.handled", Some(json!("true")), "type"),
        ("properties.handled", Some(Value::Null), "required"),
        ("properties.duration", None, "required"),
        ("properties.duration", Some(json!("124.6")), "type"),
        ("properties.duration", Some(json!(-1)), "duration"),
        ("properties.duration", Some(json!(31_622_401)), "duration"),
        ("properties.duration", Some(json!([1])), "type"),
        ("queueName", Some(json!(5)), "type"),
        ("queueIdentifier", Some(json!(huge)), "too_long"),
        ("queueIdentifier", Some(json!({})), "type"),
        ("timestamp", None, "required"),
        ("timestamp", Some(json!(1_638_786_862)), "type"),
        ("timestamp", Some(json!("2021-12-06 10:34")), "date"),
        ("timestamp", Some(json!("2021-12-06T10:34:22")), "date"),
        ("timestamp", Some(json!("2021-02-30T10:34:22Z")), "date"),
        ("timestamp", Some(json!("1969-12-31T23:59:59Z")), "date_range"),
        ("timestamp", Some(json!("2100-01-01T00:00:00Z")), "date_range"),
        ("timestamp", Some(json!("9999-12-31T23:59:59.999999999Z")), "date_range"),
        ("timestamp", Some(json!("1".repeat(1_000))), "date"),
        ("channel", None, "required"),
        ("channel", Some(json!("Calls")), "channel"),
        ("channel", Some(json!("")), "channel"),
        ("channel", Some(json!(["calls"])), "type"),
    ];
    let mut rows = vec![contact()];
    rows.extend(cases.iter().map(|(path, value, _)| changed(contact(), path, value.clone())));
    rows.extend([json!(1), json!(null), json!([contact()]), contact()]);
    let answer = host.send(CONTACTS, &host.body(&rows)).await;
    let rejected = cases.len() as u64 + 3;
    assert_eq!((answer.status.as_u16(), answer.counts()), (202, (rejected + 2, 2, rejected, false)), "{}", answer.text);
    let errors = answer.json()["errors"].as_array().unwrap().clone();
    for (index, (path, value, rule)) in cases.iter().enumerate() {
        let found = (&errors[index]["index"], &errors[index]["field"], &errors[index]["rule"]);
        assert_eq!(found, (&json!(index + 1), &json!(path), &json!(rule)), "{value:?}");
    }
    assert_eq!(errors.len() as u64, rejected);
    assert_eq!(host.kept().await, 2);
    assert_eq!(host.runtime.quarantine("API").await.unwrap()[0].1.len() as u64, rejected);

    let cases: &[(&str, Option<Value>, &str)] = &[
        ("agentIdentifier", None, "required"),
        ("agentIdentifier", Some(json!("")), "required"),
        ("agentIdentifier", Some(json!(7)), "type"),
        ("activityIdentifier", None, "required"),
        ("activityIdentifier", Some(json!(huge)), "too_long"),
        ("startTime", None, "required"),
        ("startTime", Some(json!("yesterday")), "date"),
        ("endTime", Some(json!("2021-12-06T09:59:59Z")), "end_before_start"),
        ("endTime", Some(json!(0)), "type"),
        ("endTime", Some(json!("2222-12-06T09:59:59Z")), "date_range"),
    ];
    let mut rows: Vec<Value> = cases.iter().map(|(path, value, _)| changed(status(), path, value.clone())).collect();
    rows.push(changed(status(), "endTime", None));
    rows.push(changed(status(), "endTime", Some(Value::Null)));
    let answer = host.send(STATUSES, &host.body(&rows)).await;
    assert_eq!(answer.counts(), (12, 2, 10, false), "{}", answer.text);
    let errors = answer.json()["errors"].clone();
    for (index, (path, value, rule)) in cases.iter().enumerate() {
        assert_eq!((&errors[index]["field"], &errors[index]["rule"]), (&json!(path), &json!(rule)), "{value:?}");
    }
}

#[tokio::test]
async fn rows_that_differ_in_what_is_optional_are_good() {
    let host = Host::new().await;
    let rows = [
        changed(contact(), "queueIdentifier", None),
        changed(contact(), "queueName", None),
        changed(contact(), "somethingElse", Some(json!({ "a": [1, { "b": null }] }))),
        changed(contact(), "timestamp", Some(json!("1970-01-01T00:00:00Z"))),
        changed(contact(), "timestamp", Some(json!("2099-12-31T23:59:59.999Z"))),
        changed(contact(), "timestamp", Some(json!("2021-12-06T16:04:22.5+05:30"))),
    ];
    let answer = host.send(CONTACTS, &host.body(&rows)).await;
    assert_eq!((answer.status.as_u16(), answer.counts()), (202, (6, 6, 0, false)), "{}", answer.text);
    let queues = host.runtime.queues("API").await.unwrap();
    assert_eq!(queues.iter().map(|queue| queue.key.id.as_str()).collect::<Vec<_>>(), ["1337_99", "Level 1 support"]);
    let none = changed(changed(contact(), "queueName", None), "queueIdentifier", Some(json!("")));
    let answer = host.send(CONTACTS, &host.body(&[none])).await;
    assert_eq!(answer.code(), (422, "invalid_rows".to_owned()));
    assert_eq!(answer.json()["errors"][0]["field"], "queueIdentifier");
}

#[tokio::test]
async fn requests_without_a_good_row_leave_nothing_and_others_can_be_refused_whole() {
    let host = Host::with(|receiver| receiver.bad_rows(BadRows::RefuseAll)).await;
    let bad = changed(contact(), "channel", Some(json!("pigeons")));
    let answer = host.send(CONTACTS, &host.body(&[contact(), bad.clone()])).await;
    assert_eq!((answer.code(), answer.counts()), ((422, "invalid_rows".to_owned()), (2, 0, 1, false)));
    assert_eq!((host.kept().await, host.runtime.imports("API", 9).await.unwrap().len()), (0, 0));
    // Corrected, the request is another one.
    assert_eq!(host.send(CONTACTS, &host.body(&[contact(), contact()])).await.counts(), (2, 2, 0, false));
    let many: Vec<Value> = std::iter::repeat_n(bad, 300).collect();
    let answer = host.send(CONTACTS, &host.body(&many)).await;
    assert_eq!(answer.code().0, 422);
    assert_eq!(answer.json()["errors"].as_array().unwrap().len(), 100, "an answer stays short");
    assert_eq!(host.send(CONTACTS, &host.body(&[])).await.counts(), (0, 0, 0, false));
}

#[tokio::test]
async fn repeats_are_told_and_add_nothing() {
    let host = Host::new().await;
    let body = host.body(&[contact(), contact()]).to_string();
    assert_eq!(host.post(CONTACTS, &[], body.clone()).await.counts(), (2, 2, 0, false));
    assert_eq!(host.post(CONTACTS, &[], body.clone()).await.counts(), (2, 2, 0, true));
    // Packed it is the same body.
    let packed = host.post(CONTACTS, &[("content-encoding", "gzip")], gzip(body.as_bytes())).await;
    assert_eq!(packed.counts(), (2, 2, 0, true));
    assert_eq!(host.kept().await, 2);
    // The key decides where there is one: equal events under another key are other contacts.
    for (key, repeated, kept) in [("a", false, 4), ("a", true, 4), ("b", false, 6)] {
        let answer = host.post(CONTACTS, &[("idempotency-key", key)], body.clone()).await;
        assert_eq!((answer.counts().3, host.kept().await), (repeated, kept), "{key}");
        assert_eq!(answer.json()["warning"], Value::Null);
    }
    let other = host.body(&[contact()]).to_string();
    let answer = host.post(CONTACTS, &[("idempotency-key", "a")], other.clone()).await;
    assert_eq!((answer.counts(), host.kept().await), ((2, 2, 0, true), 6));
    assert!(answer.json()["warning"].as_str().unwrap().contains("another body"));
    for keys in [
        &[("idempotency-key", "")][..],
        &[("idempotency-key", "a"), ("idempotency-key", "b")],
        &[("idempotency-key", &"x".repeat(256))],
    ] {
        assert_eq!(host.post(CONTACTS, keys, other.clone()).await.code(), (400, "invalid_header".to_owned()));
    }
}

#[tokio::test]
async fn paused_and_deleted_integrations_refuse() {
    let host = Host::new().await;
    host.runtime.pause("API").await.unwrap();
    let body = host.body(&[contact()]);
    let answer = host.send(CONTACTS, &body).await;
    assert_eq!(answer.code(), (503, "paused".to_owned()));
    assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    host.runtime.resume("API").await.unwrap();
    assert_eq!(host.send(CONTACTS, &body).await.counts(), (1, 1, 0, false));
    host.runtime.delete("API").await.unwrap();
    assert_eq!(host.send(CONTACTS, &body).await.code(), (403, "integration_deleted".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_key_makes_so_many_requests_and_no_more() {
    let host = Host::with(|receiver| receiver.rate_limit(RateLimit::per_minute(60).burst(2))).await;
    let body = |number: usize| host.body(&vec![contact(); number]);
    assert_eq!(host.send(CONTACTS, &body(1)).await.status, 202);
    assert_eq!(host.send(CONTACTS, &body(2)).await.status, 202);
    let answer = host.send(CONTACTS, &body(3)).await;
    assert_eq!(answer.code(), (429, "rate_limited".to_owned()));
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    tokio::time::advance(Duration::from_secs(wait)).await;
    assert_eq!(host.send(CONTACTS, &body(3)).await.status, 202);
    assert_eq!(host.kept().await, 6);
}

#[tokio::test]
async fn bodies_are_bounded_packed_and_unpacked() {
    let host = Host::with(|receiver| receiver.most_bytes(20_000).most_rows(50)).await;
    let padded = |bytes: usize| {
        let body = host.body(&[contact()]).to_string();
        let pad = bytes - body.len();
        format!("{body}{}", " ".repeat(pad))
    };
    let too_large = (413, "too_large".to_owned());
    assert_eq!(host.post(CONTACTS, &[], padded(20_000)).await.status, 202);
    assert_eq!(host.post(CONTACTS, &[], padded(20_001)).await.code(), too_large);
    // Without a length.
    let pieces = |count: usize| {
        Body::from_stream(stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1_000])))))
    };
    assert_eq!(host.post(CONTACTS, &[], pieces(20)).await.code().0, 400);
    assert_eq!(host.post(CONTACTS, &[], pieces(21)).await.code(), too_large);
    // A length that is no length.
    let answer = host.post(CONTACTS, &[("content-length", "999999999999")], "").await;
    assert_eq!(answer.code(), too_large);
    let gzipped = [("content-encoding", "gzip")];
    assert_eq!(host.post(CONTACTS, &gzipped, gzip(padded(20_000).as_bytes())).await.counts(), (1, 1, 0, true));
    assert_eq!(host.post(CONTACTS, &gzipped, gzip(padded(20_001).as_bytes())).await.code(), too_large);
    let bomb = gzip(&vec![b'['; 15_000_000]);
    assert!(bomb.len() < 20_000);
    assert_eq!(host.post(CONTACTS, &gzipped, bomb).await.code(), too_large);
    // Many short members.
    let members: Vec<u8> = std::iter::repeat_n(gzip(&[b' '; 100]), 500).flatten().take(19_000).collect();
    assert!(
        [too_large.clone(), (400, "invalid_body".to_owned())]
            .contains(&host.post(CONTACTS, &gzipped, members).await.code())
    );
    let broken = &gzip(padded(5_000).as_bytes())[..60];
    assert_eq!(host.post(CONTACTS, &gzipped, broken.to_vec()).await.code(), (400, "invalid_body".to_owned()));
    assert_eq!(host.post(CONTACTS, &gzipped, padded(500)).await.code(), (400, "invalid_body".to_owned()));
    for encoding in ["br", "deflate", "gzip, gzip"] {
        let answer = host.post(CONTACTS, &[("content-encoding", encoding)], padded(500)).await;
        assert_eq!(answer.code(), (415, "unsupported_encoding".to_owned()));
    }
    // Rows.
    let small = || json!(0);
    let mut rows = vec![small(); 49];
    rows.push(contact());
    assert_eq!(host.send(CONTACTS, &host.body(&rows)).await.counts(), (50, 1, 49, false));
    rows.push(small());
    assert_eq!(host.send(CONTACTS, &host.body(&rows)).await.code(), too_large);
    assert_eq!(host.kept().await, 2);
}

#[tokio::test]
async fn malformed_bodies_are_refused_as_a_whole() {
    let host = Host::new().await;
    let row = contact().to_string();
    let deep = format!(
        "{{\"data\":[{}{}],\"meta\":{{\"integrationConfigurationId\":1}}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let deeper = "{\"data\":".repeat(100_000);
    let twice = format!(r#"{{"data":[{row}],"data":[],"meta":{{"integrationConfigurationId":1}}}}"#);
    let id_twice =
        format!(r#"{{"data":[{row}],"meta":{{"integrationConfigurationId":1,"integrationConfigurationId":1}}}}"#);
    let valid = host.body(&[contact()]).to_string();
    let latin =
        valid.replace("Level", "L\u{e9}vel").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let utf16: Vec<u8> = valid.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_id = |id: &str| format!(r#"{{"data":[{row}],"meta":{{"integrationConfigurationId":{id}}}}}"#).into_bytes();
    let bodies: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        b"\"x\"".to_vec(),
        b"{\"data\":[]}".to_vec(),
        deep.into(),
        deeper.into(),
        twice.into(),
        id_twice.into(),
        latin,
        utf16,
        valid.as_bytes()[..valid.len() - 1].to_vec(),
        format!("{valid}x").into(),
        format!("\u{feff}{valid}").into(),
        with_id("\"1\""),
        with_id("1.0"),
        with_id("-1"),
        with_id("1e400"),
        with_id("null"),
        with_id("[1]"),
        with_id("18446744073709551616"),
        br#"{"data":{},"meta":{"integrationConfigurationId":1}}"#.to_vec(),
        br#"{"data":[],"meta":[]}"#.to_vec(),
        br#"{"data":[],"meta":{"integrationConfigurationId":1,"externalSystem":7}}"#.to_vec(),
        br#"{"data":[01],"meta":{"integrationConfigurationId":1}}"#.to_vec(),
        br#"{"data":[NaN],"meta":{"integrationConfigurationId":1}}"#.to_vec(),
    ];
    for (index, body) in bodies.into_iter().enumerate() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        let answer = host.post(CONTACTS, &[], body).await;
        assert_eq!(answer.code(), (400, "invalid_body".to_owned()), "{index}: {shown}: {}", answer.text);
        assert!(answer.text.len() < 300, "{}", answer.text);
    }
    let answer = host.post(CONTACTS, &[], with_id("4711")).await;
    assert_eq!(answer.code(), (403, "wrong_integration".to_owned()));
    assert_eq!((host.kept().await, host.runtime.imports("API", 9).await.unwrap().len()), (0, 0));
}

#[tokio::test]
async fn what_serde_would_not_read_is_one_bad_row() {
    let host = Host::new().await;
    let row = contact().to_string();
    let bad = [
        row.replace("124.6", "1e400"),
        row.replace("124.6", "-1e400"),
        row.replace("124.6", "1e99999999999999999999"),
        row.replace("\"channel\":", "\"channel\":\"chats\",\"channel\":"),
        row.replace("\"offered\":", "\"offered\":false,\"offered\":"),
        row.replace("1337_99", "\\ud800"),
        row.replace("\"duration\":124.6", "\"duration\":1,\"\\u0064uration\":2"),
    ];
    let good = [
        row.replace("124.6", "1e-400"),
        row.replace("124.6", "1.246E+2"),
        row.replace("\"channel\"", "\"\\u0063hannel\""),
        row.replace("1337_99", "\\u0000 \\ud83d\\ude00"),
    ];
    let rows = [bad.clone().join(","), good.join(",")].join(",");
    let body = format!(r#"{{"data":[{rows}],"meta":{{"integrationConfigurationId":1}}}}"#);
    let answer = host.post(CONTACTS, &[], body).await;
    assert_eq!(answer.counts(), (11, 4, 7, false), "{}", answer.text);
    let rules: Vec<_> = answer.json()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["rule"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(rules, ["duration", "duration", "duration", "twice", "twice", "type", "twice"]);
    assert!(host.runtime.queues("API").await.unwrap().iter().any(|queue| queue.key.id == "\0 😀"));
}

#[tokio::test(start_paused = true)]
async fn slow_bodies_are_given_up() {
    let host = Host::with(|receiver| receiver.body_timeout(Duration::from_secs(7))).await;
    let begun = tokio::time::Instant::now();
    let endless = Body::from_stream(stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
    }));
    let answer = host.post(CONTACTS, &[], endless).await;
    assert_eq!(answer.code(), (408, "timeout".to_owned()));
    assert_eq!(answer.headers["connection"], "close");
    assert_eq!(begun.elapsed().as_secs(), 7);
    let broken = Body::from_stream(stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))]));
    assert_eq!(host.post(CONTACTS, &[], broken).await.code(), (400, "incomplete".to_owned()));
    // Without a key nobody waits for the body: only for the sender to see the answer.
    let begun = tokio::time::Instant::now();
    let stuck =
        Request::post(CONTACTS).body(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>())).unwrap();
    assert_eq!(host.ask(stuck).await.status, 401);
    assert!(begun.elapsed() <= Duration::from_secs(5));
}

#[tokio::test]
async fn memory_for_all_bodies_together_is_bounded() {
    let host = Host::with(|receiver| receiver.most_in_flight(3_000)).await;
    let body = host.body(&[contact()]).to_string();
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let begin = Bytes::from(vec![b' '; 2_900]);
    let rest = Bytes::from(body[..].to_owned());
    let slow = Body::from_stream(stream::unfold((0, Some(receiver)), move |(step, mut receiver)| {
        let (begin, rest) = (begin.clone(), rest.clone());
        async move {
            match step {
                0 => Some((Ok::<_, std::io::Error>(begin), (1, receiver))),
                1 => {
                    let _ = receiver.take()?.await;
                    Some((Ok(rest.slice(..50)), (2, None)))
                }
                _ => None,
            }
        }
    }));
    let app = host.app.clone();
    let request = Request::post(CONTACTS).header("authorization", format!("Bearer {}", host.key)).body(slow).unwrap();
    let waiting = tokio::spawn(async move { tower::ServiceExt::oneshot(app, request).await.unwrap().status() });
    let refused = async {
        loop {
            let answer = host.post(CONTACTS, &[], body.clone()).await;
            if answer.status != 202 {
                break answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), refused).await.unwrap();
    assert_eq!(answer.code(), (503, "busy".to_owned()));
    assert!(answer.headers.contains_key("retry-after"));
    sender.send(()).unwrap();
    assert_eq!(waiting.await.unwrap(), 400);
    // It was given back.
    assert_eq!(host.post(CONTACTS, &[("idempotency-key", "later")], body).await.status, 202);
}

const COMMITS: &str = "/external-systems/v1/commits";

#[tokio::test]
async fn the_description_is_that_of_the_code() {
    let host = Host::with(|receiver| receiver.known_as(1234, 1).known_as(8431, 1)).await;
    let answer = host.ask(Request::get("/external-systems/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, OPENAPI));
    let document = answer.json();
    let schemas = &document["components"]["schemas"];
    let mut paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    paths.sort();
    assert_eq!(paths, [STATUSES, CONTACTS, "/external-systems/openapi.json", COMMITS]);
    let commits = document["paths"][COMMITS].as_object().unwrap();
    assert!(commits.contains_key("get") && commits.contains_key("post"));
    let other = Host::new().await;
    let part = json!({ "version": 1, "sender": "store", "after": "", "reached": "1", "begins": true, "whole": {} });
    assert_eq!(other.send(COMMITS, &part).await.status, 202);
    let known = schemas["Part"]["properties"].as_object().unwrap();
    assert!(part.as_object().unwrap().keys().all(|field| known.contains_key(field)), "{known:?}");
    for (path, row_schema) in [(CONTACTS, "ContactEvent"), (STATUSES, "AgentStatus")] {
        let operation = &document["paths"][path]["post"];
        // Its example is taken, and answered as described.
        let example = operation["requestBody"]["content"]["application/json"]["example"].clone();
        let answer = host.send(path, &example).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let described = |value: &Value, schema: &Value| {
            let value = value.as_object().unwrap();
            let properties = schema["properties"].as_object().unwrap();
            assert!(value.keys().all(|key| properties.contains_key(key)), "{value:?}");
            assert!(
                schema["required"].as_array().unwrap().iter().all(|key| value.contains_key(key.as_str().unwrap())),
                "{value:?}"
            );
        };
        described(&answer.json(), &schemas["Receipt"]);
        // What is required is, and what is not is not.
        let row = example["data"][0].clone();
        let schema = &schemas[row_schema];
        let mut fields: Vec<(String, bool)> = Vec::new();
        let is_required = |schema: &Value, name: &str| schema["required"].as_array().unwrap().contains(&json!(name));
        for (name, property) in schema["properties"].as_object().unwrap() {
            fields.push((name.clone(), is_required(schema, name)));
            for inner in property["properties"].as_object().into_iter().flatten() {
                fields.push((format!("{name}.{}", inner.0), is_required(property, inner.0)));
            }
        }
        assert!(fields.len() >= 4);
        for (field, is_required) in fields {
            let mut body = example.clone();
            body["data"][0] = changed(row.clone(), &field, None);
            let answer = host.send(path, &body).await;
            assert_eq!(answer.status == 422, is_required, "{field}: {}", answer.text);
            if is_required {
                described(&answer.json(), &schemas["InvalidRows"]);
                described(&answer.json()["errors"][0], &schemas["RowError"]);
                assert_eq!(answer.json()["errors"][0]["field"], json!(field));
            }
        }
        let statuses: Vec<&String> = operation["responses"].as_object().unwrap().keys().collect();
        assert_eq!(
            statuses,
            ["202", "400", "401", "403", "404", "405", "408", "413", "415", "422", "429", "500", "503"]
        );
    }
    let mut channels = Vec::new();
    for channel in schemas["ContactEvent"]["properties"]["channel"]["enum"].as_array().unwrap() {
        let body = host.body(&[changed(contact(), "channel", Some(channel.clone()))]);
        assert_eq!(host.send(CONTACTS, &body).await.status, 202);
        channels.push(channel.as_str().unwrap().to_owned());
    }
    assert_eq!(channels.len(), injixo_core::model::Channel::ALL.len());
}
