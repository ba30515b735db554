//! Bodies of every kind and what is made of them.

use serde_json::json;

use super::*;

/// A template's rules in small.
struct Template;

impl AnswerRules for Template {
    fn json_expected(&self) -> bool {
        true
    }

    fn error_in(&self, _: u16, body: &Value) -> Option<CallError> {
        let text = body.get("error")?.as_str().filter(|text| !text.is_empty())?;
        Some(CallError::ours("error", text))
    }

    fn already_done(&self, status: u16, _: Option<&Value>) -> bool {
        status == 409
    }
}

fn raw(status: u16, body: &str) -> Raw {
    Raw {
        status,
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        complete: true,
        truncated: false,
        latency: Duration::ZERO,
    }
}

fn answer(reading: &Reading) -> Answer {
    let Observation::Answer(answer) = reading.seen else { panic!("an answer is an answer") };
    answer
}

#[test]
fn bodies_are_told_apart() {
    let table: &[(&[u8], BodyKind)] = &[
        (b"", BodyKind::Empty),
        (b"{}", BodyKind::Json),
        (b" [1, 2]\n", BodyKind::Json),
        (b"null", BodyKind::Json),
        (b"{} {}", BodyKind::Text),
        (b"<html>", BodyKind::Text),
        (b"{\"a\":", BodyKind::Text),
        ("ä".as_bytes(), BodyKind::Text),
        (b"\xff\xfe", BodyKind::Bytes),
        (b"{\"a\":\"\xff\"}", BodyKind::Bytes),
        (b"{\"a\":\"\\ud800\"}", BodyKind::Text),
        (b" \r\n", BodyKind::Empty),
    ];
    let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
    assert_eq!((kind_of(&deep(100), false), kind_of(&deep(5_000), false)), (BodyKind::Json, BodyKind::Text));
    for (body, kind) in table {
        assert_eq!(kind_of(body, false), *kind, "{}", body.escape_ascii());
    }
    let cut = &"{\"a\":\"ä".as_bytes()[..7];
    assert_eq!((kind_of(cut, true), kind_of(cut, false)), (BodyKind::Text, BodyKind::Bytes));
    assert_eq!(reduced(cut, BodyKind::Text, true), Body::Json);
    assert_eq!(reduced(b"<html>", BodyKind::Text, true), Body::NotJson);
}

#[test]
fn a_success_is_parsed_only_where_an_error_may_be_inside() {
    let fine = read(raw(200, r#"{"id":"1"}"#), &Template);
    assert!(fine.value.is_none() && fine.error.is_none());
    let empty = read(raw(200, r#"{"error":""}"#), &Template);
    assert!(empty.value.is_some() && !answer(&empty).error);
    let failed = read(raw(200, r#"{"error":"beam failed"}"#), &Template);
    assert!(answer(&failed).error);
    assert_eq!(failed.error.unwrap().message, "beam failed");
    assert!(answer(&read(raw(200, r#"{"\u0065rror":"beam failed"}"#), &Template)).error);
    assert!(!answer(&read(raw(200, r#"{"error":"beam failed"}"#), &NoRules)).error);
}

#[test]
fn the_apis_words_become_the_error() {
    let said = |status, body| read(raw(status, body), &Template).error.unwrap();
    let documented = said(400, r#"{"code":400,"message":"Invalid body param","details":["what"]}"#);
    let want = CallError {
        code: "400".into(),
        name: Some("Bad Request".into()),
        message: "Invalid body param".into(),
        details: Some(json!(["what"])),
    };
    assert_eq!(documented, want);
    assert_eq!(said(403, r#"{"code":"denied","name":"Denied"}"#).name.as_deref(), Some("Denied"));
    assert_eq!(said(404, "hls not running").message, "hls not running");
    assert_eq!(said(502, "<html>…</html>").message, "Bad Gateway");
    assert_eq!(said(599, "").message, "status 599");
    assert_eq!(said(400, &"ä".repeat(5000)).message.chars().count(), 513);
}

#[test]
fn our_codes_stand_where_they_say_more() {
    let theirs = || read(raw(429, r#"{"code":429,"message":"slow down"}"#), &Template).error;
    let limited = CallError::about(Reason::RateLimited, theirs());
    assert_eq!((limited.code.as_str(), limited.message.as_str()), ("rate_limited", "slow down"));
    assert_eq!(CallError::about(Reason::Refused, theirs()).code, "429");
    assert_eq!(CallError::about(Reason::Redirect, theirs()).code, "redirect");
    assert_eq!(CallError::about(Reason::BodyCut, None).code, "body_cut");
}

#[test]
fn a_body_is_readable_only_whole_and_unencoded() {
    assert_eq!(answer(&read(raw(200, "{}"), &Template)).body, Body::Json);
    let cut = Raw { complete: false, ..raw(200, "{}") };
    assert_eq!(answer(&read(cut, &Template)).body, Body::Unreadable);
    for (encoding, body) in [("gzip", Body::Unreadable), ("identity", Body::Json)] {
        let mut raw = raw(200, "{}");
        raw.headers.insert(CONTENT_ENCODING, encoding.parse().unwrap());
        assert_eq!(answer(&read(raw, &Template)).body, body);
    }
}

#[test]
fn the_delay_is_found_in_the_message() {
    let body = r#"{"code":429,"message":"rate limit exceeded, retry after 45 seconds"}"#;
    assert_eq!(read(raw(429, body), &Template).stated_delay, Some(Duration::from_secs(45)));
    assert!(answer(&read(raw(503, body), &Template)).code);
    assert!(!answer(&read(raw(503, r#"{"code":null}"#), &Template)).code);
    assert!(!answer(&read(raw(503, "[1]"), &Template)).code);
}

#[test]
fn an_echoed_secret_is_taken_out() {
    let echoed = raw(200, r#"{"authorization":"Bearer a.b.c","again":"a.b.c"}"#);
    let clean = echoed.without([b"a.b.c".as_slice(), b"other"].into_iter());
    let want = r#"{"authorization":"Bearer [redacted by roompipe]","again":"[redacted by roompipe]"}"#;
    assert_eq!(clean.body, want);
}

#[test]
fn of_a_body_that_did_not_come_whole_nothing_is_believed() {
    let whole = read(raw(503, r#"{"code":503}"#), &Template);
    let cut = read(Raw { complete: false, ..raw(503, r#"{"code":503}"#) }, &Template);
    assert_eq!((answer(&whole).code, answer(&cut).code), (true, false));
    assert_eq!(answer(&cut).body, Body::Unreadable);
    // What is too long to look into may hold the error it mentions.
    let long = read(Raw { truncated: true, ..raw(200, r#"{"error":"no","pad":"#) }, &Template);
    let harmless = read(Raw { truncated: true, ..raw(200, r#"{"data":"#) }, &Template);
    assert_eq!((answer(&long).body, answer(&harmless).body), (Body::Unreadable, Body::Json));
}
