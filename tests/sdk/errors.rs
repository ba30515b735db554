//! What the SDK throws and what an event's `error` says of the same answer: the same code, name and message. The code is
//! text with us, for some errors have a word where there was no answer; and we keep the API's `details`.

use serde_json::{Value, json};

use super::judged;
use super::support::{Emulator, STANDUP, TOWNHALL};

/// A room that does not exist.
const NOWHERE: &str = "65a1b2c3d4e5f607182900ff";
/// A room whose token the emulator refuses, on purpose.
const REFUSED: &str = "65a1b2c3d4e5f607182900fe";

#[test]
fn an_event_carries_what_the_sdk_throws() {
    let meeting =
        json!({"meeting_url": "https://demo.app.100ms.live/x", "rtmp_urls": ["rtmp://a.example/k"]});
    // The call of the SDK, the same in our words, the record, and what is told.
    let cases = [
        ("rooms.retrieveById", json!([NOWHERE]), "get-room", json!({"room_id": NOWHERE}), 404, "Not Found"),
        (
            "rooms.create",
            json!([{"region": "mars"}]),
            // Our template would not let it pass.
            "--method POST --url /rooms",
            json!({"region": "mars"}),
            400,
            "Bad Request",
        ),
        (
            "rooms.retrieveById",
            json!([REFUSED]),
            "get-room",
            json!({"room_id": REFUSED}),
            401,
            "Unauthorized",
        ),
        (
            "roomCodes.create",
            json!([TOWNHALL]),
            "create-room-codes",
            json!({"room_id": TOWNHALL}),
            403,
            "Forbidden",
        ),
        (
            "externalStreams.start",
            json!([STANDUP, meeting]),
            "start-external-stream",
            json!({"room_id": STANDUP, "meeting_url": meeting["meeting_url"], "rtmp_urls": meeting["rtmp_urls"]}),
            409,
            "Conflict",
        ),
    ];
    let emulator = Emulator::with(&format!("--faults 401@GET/rooms/{REFUSED}"));
    let mut calls = vec![
        json!({"call": "rooms.enableOrDisable", "arguments": [TOWNHALL, false]}),
        json!({"call": "externalStreams.start", "arguments": [STANDUP, meeting]}),
    ];
    let prepared = calls.len();
    calls.extend(cases.iter().map(|(call, arguments, ..)| json!({"call": call, "arguments": arguments})));
    let Some(told) = judged("sdk-calls.mjs", &emulator, &json!(calls)) else { return };
    let told = told["told"].as_array().unwrap();
    assert!(told[..prepared].iter().all(|told| told["thrown"].is_null()), "{:?}", &told[..prepared]);
    for ((call, _, ours, record, code, name), told) in cases.iter().zip(&told[prepared..]) {
        let thrown = &told["thrown"];
        assert_eq!((&thrown["code"], &thrown["name"]), (&json!(code), &json!(name)), "{call}: {told}");
        // Two tokens refused stop a run; what was not delivered is told all the same.
        let exit = if *code == 401 { 77 } else { 1 };
        let ran = emulator.run(ours).stdin(record.to_string()).run().exits(exit);
        let error = ran.events().pop().unwrap()["data"]["error"].clone();
        assert_eq!(error["code"], code.to_string(), "{call}: {error}");
        assert_eq!((&error["name"], &error["message"]), (&thrown["name"], &thrown["message"]), "{call}");
        assert!(error["details"].is_array() || error["details"] == Value::Null, "{call}: {error}");
    }
}
