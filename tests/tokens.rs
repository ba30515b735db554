//! Tokens and where credentials come from: `token app`, `token inspect`, files, `HMS_ENV`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Value, json};
use support::{ACCESS_KEY, Program, Reply, SECRET, Server};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn signed(claims: &Value, secret: &str) -> String {
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// What `token inspect` prints; its code says whether the token would be taken.
fn inspect(code: i32, token: &str, prepare: impl FnOnce(Program) -> Program) -> Value {
    let ran = prepare(Program::new("token").arg("inspect")).stdin(format!("{token}\n")).run().exits(code);
    assert!(!ran.text().contains(token) && !ran.stderr.contains(token), "the token itself is not repeated");
    ran.text().parse().unwrap()
}

#[test]
fn an_app_token_lets_one_user_join_one_room() {
    let words = "app --room-id 65a1b2c3d4e5f60718290020 --role host --user-id u-1 --valid-for 10m";
    let ran = Program::new("token").line(words).with_key().run().exits(0);
    assert_eq!(ran.stderr, "");
    let token = ran.text().strip_suffix('\n').unwrap();
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let claims = decode::<Value>(token, &key, &Validation::new(Algorithm::HS256)).unwrap().claims;
    let expected = json!({
        "access_key": ACCESS_KEY, "type": "app", "version": 2, "room_id": "65a1b2c3d4e5f60718290020",
        "role": "host", "user_id": "u-1", "jti": claims["jti"], "iat": claims["iat"], "nbf": claims["nbf"],
        "exp": claims["exp"],
    });
    assert_eq!(claims, expected);
    let left = claims["exp"].as_u64().unwrap() - now();
    assert!((600 - 120..=600 + 120).contains(&left), "{left} s to live");
    // Two tokens are two.
    let other = Program::new("token").line(words).with_key().run().exits(0);
    assert_ne!(other.text(), ran.text());
}

#[test]
fn an_app_token_needs_a_key_a_room_and_a_role() {
    Program::new("token").line("app --room-id r --role host").run().exits(78).says("HMS_ACCESS_KEY");
    Program::new("token").line("app --role host").with_key().run().exits(2).says("--room-id");
    Program::new("token").line("app --room-id r").with_key().run().exits(2).says("--role");
    Program::new("token").line("app --room-id r --role host --valid-for 0").with_key().run().exits(2);
    for option in ["--room-id", "--role", "--user-id"] {
        let empty = |name: &str| if name == option { "" } else { "x" };
        let words = ["--room-id", "--role", "--user-id"].map(|name| format!("{name}={}", empty(name)));
        let ran = Program::new("token").arg("app").args(&words).with_key().run().exits(2);
        ran.says(&format!("`{option}` is empty"));
    }
    // A ready token signs nothing.
    let ran = Program::new("token")
        .line("app --room-id r --role host")
        .env("HMS_MANAGEMENT_TOKEN", "aaa.bbb.ccc")
        .run()
        .exits(78);
    assert!(!ran.stderr.contains("aaa.bbb.ccc"), "{}", ran.stderr);
}

#[test]
fn inspect_says_whose_token_it_is_and_whether_it_is_valid() {
    let claims = json!({"access_key": ACCESS_KEY, "type": "management", "version": 2, "iat": now() - 60, "nbf": now() - 60, "exp": now() + 600});
    let token = signed(&claims, SECRET);
    let seen = inspect(0, &token, Program::with_key);
    assert_eq!(
        (&seen["claims"], &seen["signature"], &seen["time"]),
        (&claims, &json!("valid"), &json!("valid"))
    );
    let left = seen["valid_for_s"].as_u64().unwrap();
    assert!((540..=600).contains(&left), "{seen}");

    let seen = inspect(0, &token, |program| program);
    assert!(seen["signature"].as_str().unwrap().contains("not checked"), "{seen}");
    let seen = inspect(1, &signed(&claims, "another secret"), Program::with_key);
    assert!(!seen["signature"].as_str().unwrap().starts_with("valid"), "{seen}");

    for (member, value) in [("exp", now() - 600), ("nbf", now() + 6_000)] {
        let mut claims = claims.clone();
        claims[member] = json!(value);
        let seen = inspect(1, &signed(&claims, SECRET), Program::with_key);
        assert_ne!(seen["time"], "valid", "{seen}");
    }
}

#[test]
fn a_token_that_is_not_signed_as_the_api_wants_it_is_refused_with_and_without_a_secret() {
    let claims =
        json!({"access_key": ACCESS_KEY, "type": "management", "version": 2, "nbf": 1, "exp": now() + 600});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = |alg: &str| format!("{}.{}.", part(&json!({"alg": alg, "typ": "JWT"})), part(&claims));
    let longer =
        encode(&Header::new(Algorithm::HS512), &claims, &EncodingKey::from_secret(SECRET.as_bytes()));
    for (token, alg) in [(unsigned("none"), "none"), (unsigned("None"), "None"), (longer.unwrap(), "HS512")] {
        for prepare in [Program::with_key, |program: Program| program] {
            let seen = inspect(1, &token, prepare);
            assert_eq!((&seen["algorithm"], &seen["claims"]), (&json!(alg), &claims));
            assert!(seen["signature"].as_str().unwrap().starts_with("refused"), "{seen}");
        }
    }
    assert_eq!(inspect(1, &unsigned("HS256"), Program::with_key)["signature"], "invalid");
}

#[test]
fn what_is_no_token_is_78_and_is_not_repeated() {
    for text in
        ["", "hunter2-not-a-token", "aaa.bbb.ccc", "a.b", "{\"token\":\"hunter2\"}", "\u{0}.\u{1}.\u{2}"]
    {
        let ran = Program::new("token").arg("inspect").with_key().stdin(text).run().exits(78);
        assert!(ran.stderr.starts_with("error: ") && ran.text().is_empty(), "{text}: {}", ran.stderr);
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
}

/// The token of the one call of a run.
fn token_sent(prepare: impl FnOnce(Program) -> Program) -> String {
    let server = Server::answering(vec![Reply::ok()]);
    let base_url = format!("{}/v2", server.origin());
    let program = Program::new("run").env("ROOMPIPE_BASE_URL", &base_url).line("create-room");
    prepare(program).stdin(r#"{"name":"a"}"#).run().exits(0);
    server.received()[0].token().to_owned()
}

#[test]
fn every_credential_may_stand_in_a_file() {
    for end in ["", "\n", "\r\n"] {
        let token = token_sent(|program| {
            program
                .file("key", format!("{ACCESS_KEY}{end}"))
                .file("secret", format!("{SECRET}{end}"))
                .env("HMS_ACCESS_KEY_FILE", "key")
                .env("HMS_SECRET_FILE", "secret")
        });
        let key = DecodingKey::from_secret(SECRET.as_bytes());
        let claims = decode::<Value>(&token, &key, &Validation::new(Algorithm::HS256)).unwrap().claims;
        assert_eq!(claims["access_key"], ACCESS_KEY, "{end:?}");
        let ready = token_sent(|program| {
            program.file("token", format!("aaa.bbb.ccc{end}")).env("HMS_MANAGEMENT_TOKEN_FILE", "token")
        });
        assert_eq!(ready, "aaa.bbb.ccc");
    }
    // One of each kind goes together.
    let token = token_sent(|program| {
        program.file("secret", SECRET).env("HMS_ACCESS_KEY", ACCESS_KEY).env("HMS_SECRET_FILE", "secret")
    });
    assert_eq!(token.split('.').count(), 3);
}

#[test]
fn a_credential_file_that_is_missing_or_empty_is_78_and_named() {
    for (variable, other) in [
        ("HMS_SECRET_FILE", "HMS_ACCESS_KEY"),
        ("HMS_ACCESS_KEY_FILE", "HMS_SECRET"),
        ("HMS_MANAGEMENT_TOKEN_FILE", "HMS_X"),
    ] {
        for file in ["missing", "empty"] {
            Program::new("run")
                .file("empty", "\n")
                .env(variable, file)
                .env(other, "k")
                .line("create-room")
                .stdin(r#"{"name":"a"}"#)
                .run()
                .exits(78)
                .says("HMS_");
        }
    }
}

#[test]
fn nonprod_changes_the_base_url_with_a_note() {
    let preview = |words: &str, env: &str| {
        Program::new("preview")
            .line("create-room --as json")
            .line(words)
            .env("HMS_ENV", env)
            .stdin(r#"{"name":"a"}"#)
            .run()
            .exits(0)
    };
    let ran = preview("", "nonprod").says("HMS_ENV=nonprod");
    assert_eq!(ran.events()[0]["url"], "https://api-nonprod.100ms.live/v2/rooms");
    // What is said by name wins.
    let ran = preview("--base-url https://api.example.com/v2", "nonprod");
    assert_eq!(ran.events()[0]["url"], "https://api.example.com/v2/rooms");
    assert!(!ran.stderr.contains("nonprod"), "{}", ran.stderr);
    for env in ["prod", ""] {
        let ran = preview("", env);
        assert_eq!(ran.events()[0]["url"], "https://api.100ms.live/v2/rooms");
        assert!(!ran.stderr.contains("nonprod"), "{}", ran.stderr);
    }
}
