//! Requests of dead letters: sent again as they were, or not at all.

use super::*;
use crate::mapping::sample;
use crate::template::REDACTED;

fn letter<'l>(endpoint: &'l str, method: &'l str, url: &'l str, body: Option<&str>) -> Recorded<'l> {
    Recorded { endpoint, method, url, body: body.map(|text| text.to_owned().into()), claims: None }
}

fn from_catalog(id: &str) -> Option<Arc<crate::template::EndpointTemplate>> {
    Catalog::embedded().get(id).ok()
}

#[test]
fn every_request_of_every_template_comes_back_as_it_was() {
    let catalog = Catalog::embedded();
    let templates = catalog.all().unwrap();
    let mut seen = 0;
    for template in &templates {
        let routed = template.route.as_ref().map(|route| catalog.get(&route.to).unwrap());
        for test in &template.tests {
            for request in sample::calls(template, routed.clone(), test).unwrap().into_iter().flatten() {
                let found = request.template.clone().unwrap();
                let recorded = Recorded {
                    endpoint: &found.id,
                    method: request.method.as_str(),
                    url: &request.url,
                    body: request.body.clone(),
                    claims: request.claims.clone(),
                };
                let again = recorded.request(|_| Some(Arc::clone(&found))).unwrap();
                assert_eq!(again.digest(), request.digest());
                assert_eq!((&again.url, &again.body), (&request.url, &request.body));
                assert_eq!((again.effect, &again.lane), (request.effect, &request.lane), "{}", request.url);
                seen += 1;
            }
        }
    }
    assert!(seen >= templates.len(), "{seen}");
}

#[test]
fn a_manual_call_is_what_its_method_says_or_the_template_it_is_one_of() {
    for (method, effect) in [
        ("GET", Effect::Read),
        ("PUT", Effect::Idempotent),
        ("DELETE", Effect::Idempotent),
        ("POST", Effect::NonIdempotent),
        ("PATCH", Effect::NonIdempotent),
    ] {
        let request = letter("manual", method, "https://h/x?a=1", Some("[1]")).request(|_| None).unwrap();
        assert_eq!((request.effect, request.lane), (effect, None), "{method}");
    }
    let room = |body: &str| {
        let letter = letter("manual", "POST", "https://h/v2/rooms", Some(body));
        letter.request(|_| from_catalog("create-room")).unwrap()
    };
    let named = room(r#"{"name":"Daily"}"#);
    assert_eq!((named.effect, named.lane.as_deref()), (Effect::Upsert, Some("daily")));
    assert_eq!(room(r#"{"description":"d"}"#).effect, Effect::NonIdempotent);
    // What cannot be looked into takes the stricter effect.
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(room(&deep).effect, Effect::NonIdempotent);
}

#[test]
fn conditions_see_the_values_of_path_and_body() {
    let role = |name: &str| {
        let url = "https://h/v2/templates/t/roles/co%20host";
        letter("create-update-role", "POST", url, Some(&format!(r#"{{"name":"{name}"}}"#)))
            .request(from_catalog)
            .unwrap()
    };
    assert_eq!(role("co host").effect, Effect::Upsert);
    assert_eq!(role("other").effect, Effect::NonIdempotent);
    assert_eq!(role("co host").lane.as_deref(), Some("t"));
}

#[test]
fn what_is_no_request_of_the_template_is_invalid() {
    let rooms = "https://h/v2/rooms";
    for (endpoint, method, url, body, field, says) in [
        ("create-romo", "POST", rooms, None, "endpoint", "the id of an endpoint template"),
        ("create-room", "PUT", rooms, None, "request.method", "`POST`, as `create-room` is called"),
        ("create-room", "PO ST", rooms, None, "request.method", "an HTTP method"),
        ("manual", "", rooms, None, "request.method", "an HTTP method"),
        ("create-room", "POST", "https://h/v2/rooms/x", None, "request.url", "whose path is `/rooms`"),
        ("get-room", "GET", "https://h/v2/rooms/", None, "request.url", "whose path is `/rooms/{room_id}`"),
        ("get-room", "GET", "https://h/v2/rooms/..", None, "request.url", "`.` or `..` segment"),
        ("get-room", "GET", "https://h/v2/rooms/%2e%2E", None, "request.url", "`.` or `..` segment"),
        ("get-room", "GET", "https://h/v2/rooms/{room_id}", None, "request.url", "`{room_id}` is not filled"),
        ("manual", "GET", "/v2/rooms", None, "request.url", "must begin with"),
        ("manual", "GET", "ftp://h/", None, "request.url", "must begin with"),
        ("manual", "GET", "https://", None, "request.url", "no host"),
        ("manual", "GET", "https://h/a b", None, "request.url", "percent-encode"),
        ("manual", "GET", "https://h:99999/", None, "request.url", "leads nowhere"),
        ("manual", "GET", "https://user:secret@h/", None, "request.url", "no user and no password"),
        ("manual", "POST", rooms, Some("{"), "request.body", "JSON"),
    ] {
        let invalid = letter(endpoint, method, url, body).request(from_catalog).unwrap_err();
        assert_eq!((invalid.code, invalid.problems[0].field.as_str()), ("invalid_field", field), "{url}");
        assert!(invalid.message.contains(says), "{url}: {}", invalid.message);
        assert!(invalid.hint.is_some(), "{url}");
        assert!(!invalid.sentence().contains("secret"), "{}", invalid.message);
    }
}

#[test]
fn a_masked_value_is_not_sent_again() {
    let escaped = r#"{"a":[{"key":"\u005bredacted by roompip\u0065]"}]}"#;
    let deep = format!("{}\"{REDACTED}\"{}", "[".repeat(200), "]".repeat(200));
    let plain = format!(r#"{{"name":"{REDACTED}"}}"#);
    let url = "https://h/v2/rooms";
    let masked_url = "https://h/v2/rooms/%5Bredacted%20by%20roompipe%5D";
    for (url, body, field) in [
        (url, Some(escaped), "a.[0].key"),
        (url, Some(plain.as_str()), "name"),
        (url, Some(deep.as_str()), ""),
        (masked_url, None, "url"),
    ] {
        let invalid = letter("manual", "POST", url, body).request(|_| None).unwrap_err();
        assert_eq!(invalid.problems[0].field, field);
        assert!(invalid.message.contains("masked in an event"), "{}", invalid.message);
    }
}

/// The room is in the token alone, and no letter holds a token.
#[test]
fn what_an_app_token_said_is_not_recorded() {
    let letter = || letter("send-dtmf", "POST", "https://h/v2/sip/dtmf", Some(r#"{"digits":["1"]}"#));
    let refused = letter().request(from_catalog).unwrap_err();
    assert_eq!(refused.code, "app_token");
    assert!(
        refused.sentence().contains("`replay FILE ENDPOINT` maps the record afresh"),
        "{}",
        refused.sentence()
    );
    let claims = Arc::new(AppClaims { room_id: "r1".into(), role: "host".into(), user_id: None });
    let known = Recorded { claims: Some(claims), ..letter() }.request(from_catalog).unwrap();
    assert_eq!(known.lane.as_deref(), Some("r1"));
}
