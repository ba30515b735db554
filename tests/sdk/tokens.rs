//! Tokens: what the SDK claims we claim, with the same options; its tokens we take for good, and ours another library of
//! its world.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::support::{ACCESS_KEY, Program, SECRET, judge, keys};

/// A method of the SDK with its configuration, and our command.
fn cases() -> Vec<(&'static str, Value, String)> {
    let peer = "--room-id r1 --role host";
    let times = json!({"issuedAt": 1_800_000_000, "notValidBefore": 1_800_000_600, "validForSeconds": 900});
    let with = |more: Value| {
        let mut peer = json!({"roomId": "r1", "role": "host"});
        peer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        peer
    };
    let words = "--issued-at 1800000000 --not-before 2027-01-15T08:10:00Z --valid-for 15m";
    vec![
        ("getManagementToken", json!({}), "management".to_owned()),
        ("getManagementToken", times.clone(), format!("management {words}")),
        ("getManagementToken", json!({"issuedAt": 5}), "management --issued-at 5".to_owned()),
        ("getAuthToken", with(json!({})), format!("app {peer}")),
        ("getAuthToken", with(json!({"userId": "ü\"1"})), format!("app {peer} --user-id ü\"1")),
        ("getAuthToken", with(times), format!("app {peer} {words}")),
        ("getAuthToken", with(json!({"notValidBefore": 7})), format!("app {peer} --not-before 7")),
    ]
}

/// Whether the configuration decides a claim.
fn is_said(claim: &str, config: &Value) -> bool {
    let names: &[&str] = if claim == "iat" { &["issuedAt"] } else { &["issuedAt", "notValidBefore"] };
    names.iter().any(|name| config.get(name).is_some())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn the_sdk_and_the_program_claim_the_same() {
    let key = [("HMS_ACCESS_KEY", ACCESS_KEY), ("HMS_SECRET", SECRET)];
    let wanted: Vec<Value> = cases().iter().map(|(method, config, _)| json!([method, config])).collect();
    let before = now();
    let Some(theirs) = judge::verdict("sdk-tokens.mjs", &[], &key, json!(wanted).to_string()) else { return };
    let ours: String = cases()
        .iter()
        .map(|(_, _, words)| Program::new("token").line(words).with_key().run().exits(0).text().to_owned())
        .collect();
    let verified = |tokens: &str| -> Vec<Value> {
        let lines: String = tokens.lines().map(|token| format!("{}\n", json!({"token": token}))).collect();
        serde_json::from_str(&judge::verdict("tokens.mjs", &[], &key, lines).unwrap()).unwrap()
    };
    let time = before..=now();
    let (their_claims, our_claims) = (verified(&theirs), verified(&ours));
    for ((ours, theirs), (_, config, words)) in our_claims.iter().zip(&their_claims).zip(cases()) {
        let mut names = [keys(ours), keys(theirs)];
        names.iter_mut().for_each(|names| names.sort_unstable());
        assert_eq!(names[0], names[1], "{words}");
        for claim in keys(ours) {
            match claim {
                "jti" => assert_ne!(ours[claim], theirs[claim]),
                // What was asked for is the same; else we date back by a minute, the SDK by ten seconds.
                "iat" | "nbf" | "exp" if is_said(claim, &config) => {
                    assert_eq!(ours[claim], theirs[claim], "{words}: {claim}");
                }
                "iat" => {
                    let made =
                        [(ours, 60), (theirs, 10)].map(|(it, back)| it[claim].as_u64().unwrap() + back);
                    assert!(made.iter().all(|at| time.contains(at)), "{words}: {made:?}, {time:?}");
                }
                "nbf" => {
                    assert_eq!([&ours[claim], &theirs[claim]], [&ours["iat"], &theirs["iat"]], "{words}")
                }
                "exp" => {}
                _ => assert_eq!(ours[claim], theirs[claim], "{words}: {claim}"),
            }
        }
        let lifetime = |claims: &Value| claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap();
        assert_eq!(lifetime(ours), lifetime(theirs), "{words}");
    }
    for token in theirs.lines() {
        let ran = Program::new("token").arg("inspect").with_key().stdin(token).run();
        let seen: Value = ran.text().parse().unwrap();
        assert_eq!((&seen["signature"], &seen["algorithm"]), (&json!("valid"), &json!("HS256")));
    }
}
