//! What the documentation of single endpoints makes particular about them, through the binary against the emulator, whose
//! journal is the judge: which repeats do harm, which answers that look good are not, and which tokens are taken.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Emulator, Program, Ran, Reply, STANDUP, Server, TEMPLATE, TOWNHALL, jsonl, took_effect};

/// What the calls of a method whose paths begin so came to.
fn calls<'a>(journal: &'a [Value], method: &str, path: &str) -> Vec<&'a Value> {
    let is_one = |call: &&Value| {
        call["method"] == method && call["path"].as_str().unwrap().starts_with(&format!("/v2{path}"))
    };
    journal.iter().filter(is_one).collect()
}

/// The answer to one record that is delivered.
fn answer(emulator: &Emulator, line: &str, record: &Value) -> Value {
    let ran = emulator.run(line).stdin(jsonl([record.clone()])).run().exits(0);
    ran.events().remove(0)["data"]["response"]["body"].take()
}

fn data(ran: &Ran) -> Value {
    ran.events().remove(0)["data"].take()
}

fn poll_of_three(emulator: &Emulator) -> String {
    let question = |index: u64| json!({"index": index, "text": format!("q{index}"), "type": "short-answer"});
    let questions: Vec<Value> = (1..=3).map(question).collect();
    let poll =
        answer(emulator, "create-poll", &json!({"title": "t", "type": "poll", "questions": questions}));
    poll["id"].as_str().unwrap().to_owned()
}

fn texts(emulator: &Emulator, poll: &str) -> Vec<Value> {
    let read = answer(emulator, "get-poll", &json!({"poll_id": poll}));
    read["questions"].as_array().unwrap().iter().map(|question| question["text"].clone()).collect()
}

#[test]
fn a_question_is_never_deleted_twice_for_the_next_one_has_its_place() {
    for fault in ["reset-after", "no-answer-after", "500", "status-after=500", "cut-body"] {
        let emulator = Emulator::start();
        let poll = poll_of_three(&emulator);
        emulator.play(&format!("{fault}@DELETE/polls/*/questions/*"), 1);
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let run = || {
            let line = "delete-poll-question --ledger l.db --timeout 2s";
            emulator
                .run(line)
                .within(&folder)
                .stdin(jsonl([json!({"poll_id": poll, "question_id": 1})]))
                .run()
        };
        let ran = run().exits(1);
        assert_eq!((ran.count("unknown"), data(&ran)["attempts"].clone()), (1, json!(1)), "{fault}");
        emulator.heal();
        // Nor by the same command again.
        assert_eq!(run().exits(1).count("unknown"), 1, "{fault}");
        assert_eq!(calls(&emulator.journal(), "DELETE", "/polls/").len(), 1, "{fault}");
        let left = if fault == "500" { vec!["q1", "q2", "q3"] } else { vec!["q2", "q3"] };
        assert_eq!(texts(&emulator, &poll), left, "{fault}");
    }
}

#[test]
fn an_option_is_never_deleted_twice_either_and_an_index_may_be_a_text() {
    let emulator = Emulator::start();
    let option = |index: u64| json!({"index": index, "text": format!("o{index}")});
    let options: Vec<Value> = (1..=3).map(option).collect();
    let question = json!({"index": 1, "text": "q", "type": "single-choice", "options": options});
    let poll =
        answer(&emulator, "create-poll", &json!({"title": "t", "type": "poll", "questions": [question]}));
    emulator.play("reset-after@DELETE/polls/**", 1);
    let record = json!({"poll_id": poll["id"], "question_id": "1", "option_id": "2"});
    let ran = emulator.run("delete-poll-option").stdin(jsonl([record])).run().exits(1);
    assert_eq!(ran.count("unknown"), 1);
    assert_eq!(calls(&emulator.journal(), "DELETE", "/polls/").len(), 1);
}

#[test]
fn a_stop_that_is_answered_200_with_an_error_is_rejected() {
    for (start, stop) in [
        ("start-live-stream", "stop-live-streams-for-room"),
        ("start-external-stream", "stop-external-streams-for-room"),
    ] {
        let emulator = Emulator::start();
        let mut record = json!({"room_id": STANDUP});
        if start == "start-external-stream" {
            record["rtmp_urls"] = json!(["rtmp://a.example/x"]);
        }
        let stream = answer(&emulator, start, &record);
        let id = stream["id"].as_str().unwrap();
        emulator.lever(&format!("streams/{id}"), &json!({"stop_error": "beam is gone"}));
        let ran = emulator.run(stop).stdin(jsonl([json!({"room_id": STANDUP})])).run().exits(1);
        let data = data(&ran);
        assert_eq!((ran.count("rejected"), &data["attempts"]), (1, &json!(1)), "{data}");
        assert_eq!(data["response"]["status"], 200, "{data}");
        assert_eq!(data["error"]["message"], "beam is gone", "{data}");
    }
}

#[test]
fn a_stream_key_whose_answer_was_lost_is_there() {
    let emulator = Emulator::start();
    emulator.play("reset-after@POST/stream-keys/room/*:first1", 1);
    let record = || jsonl([json!({"room_id": TOWNHALL})]);
    let ran = emulator.run("create-stream-key").stdin(record()).run().exits(0);
    let data = data(&ran);
    assert_eq!((ran.count("delivered"), &data["attempts"]), (1, &json!(2)), "{data}");
    assert_eq!(data["response"]["status"], 400, "{data}");
    let journal = emulator.journal();
    let made = calls(&journal, "POST", "/stream-keys/");
    assert_eq!(made.iter().map(|call| took_effect(call)).collect::<Vec<_>>(), [true, false]);
    // Where nothing was lost, the same answer is a refusal.
    let ran = emulator.run("create-stream-key").stdin(record()).run().exits(1);
    assert_eq!(ran.count("rejected"), 1);
}

#[test]
fn the_recordings_of_a_template_are_a_list_of_what_a_record_says() {
    let emulator = Emulator::start();
    let one = json!({"name": "default", "role": "host", "maxDuration": 1800, "thumbnails": {"enabled": true, "width": 640}});
    let mut record = one.clone();
    record["template_id"] = json!(TEMPLATE);
    let cells = format!(
        "template_id,name,role,maxDuration,thumbnails.enabled,thumbnails.width\n{TEMPLATE},default,host,1800,yes,640\n"
    );
    let lists = json!({"template_id": TEMPLATE, "list": [one]});
    for (line, input) in [
        ("update-template-recordings", jsonl([record])),
        ("update-template-recordings --format csv", cells),
        ("update-template-recordings --body .list", jsonl([lists])),
    ] {
        emulator.run(line).stdin(input).run().exits(0);
        let journal = emulator.journal();
        let sent = calls(&journal, "POST", &format!("/templates/{TEMPLATE}/recordings"));
        assert_eq!(sent.last().unwrap()["body"], json!([one]), "{line}");
        assert!(took_effect(sent.last().unwrap()));
    }
}

#[test]
fn tones_go_with_the_token_of_a_peer_and_with_no_other() {
    let emulator = Emulator::start();
    let record = json!({"room_id": STANDUP, "role": "host", "user_id": "pbx", "digits": ["1", "#"]});
    emulator.run("send-dtmf").stdin(jsonl([record.clone()])).run().exits(0);
    // So does `test`.
    let test = Program::new("test").env("ROOMPIPE_BASE_URL", &emulator.base_url).with_key();
    let tested = test.args(["send-dtmf", "--as", "json", "--record", &record.to_string()]).run().exits(0);
    assert_eq!(data(&tested)["outcome"], "delivered");
    let journal = emulator.journal();
    let tones = calls(&journal, "POST", "/sip/dtmf");
    assert_eq!(tones.len(), 2);
    for call in tones {
        let token = &call["token"];
        assert_eq!(
            (&token["type"], &token["room_id"], &token["role"]),
            (&json!("app"), &json!(STANDUP), &json!("host"))
        );
        assert_eq!((&call["status"], &call["body"]), (&json!(200), &json!({"digits": ["1", "#"]})));
        assert_eq!(call["effects"][0]["digits"], json!(["1", "#"]), "{call}");
    }
    let token = Program::new("token").line("management").with_key().run().exits(0);
    let header = format!("Authorization: Bearer {}", token.text().trim());
    let refused = emulator.run("send-dtmf").env("ROOMPIPE_HEADERS", &header).stdin(jsonl([record])).run();
    assert_ne!(refused.code, 0);
    let journal = emulator.journal();
    let last = journal.last().unwrap();
    assert_eq!((&last["token"]["type"], &last["status"]), (&json!("management"), &json!(401)), "{last}");
    assert!(!took_effect(last));
}

/// A template of one's own, which says otherwise when an end of a session is not repeated.
fn end_mine(when: &str) -> String {
    let file = support::repository("templates/active-rooms/end-active-room.toml");
    let mut text = std::fs::read_to_string(file).unwrap();
    let condition = format!("when = '{when}'");
    for (from, to) in [("id = \"end-active-room\"", "id = \"end-mine\""), ("when = 'true'", &condition)] {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    text
}

#[test]
fn an_end_of_a_session_is_not_repeated_for_it_may_end_the_next_one() {
    let table = [
        // As documented: a session that has opened meanwhile would end, too.
        ("true", json!({"room_id": STANDUP, "reason": "1"}), 1),
        // What cannot be computed counts as if it held.
        (".body.reason | tonumber > 5", json!({"room_id": STANDUP, "reason": "late"}), 1),
        (".body.reason | tonumber > 5", json!({"room_id": STANDUP, "reason": "9"}), 1),
        (".body.reason | tonumber > 5", json!({"room_id": STANDUP, "reason": "1"}), 2),
    ];
    for (when, record, attempts) in table {
        let emulator = Emulator::start();
        emulator.play("reset-after@POST/active-rooms/*/end-room:first1", 1);
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let templates = folder.path().join("mine/active-rooms");
        std::fs::create_dir_all(&templates).unwrap();
        std::fs::write(templates.join("end-mine.toml"), end_mine(when)).unwrap();
        let run = emulator.run("end-mine --templates mine").within(&folder);
        let ran = run.stdin(jsonl([record.clone()])).run();
        let sent = calls(&emulator.journal(), "POST", "/active-rooms/").len();
        assert_eq!(sent, attempts, "{when} {record}: {}", ran.text());
        let outcome = if attempts == 1 { "unknown" } else { "delivered" };
        assert_eq!(ran.count(outcome), 1, "{when} {record}: {}", ran.text());
    }
}

#[test]
fn credentials_that_a_room_keeps_are_masked_and_no_mask_is_written_back() {
    let emulator = Emulator::start();
    let credentials = json!({"key": "AKIA-of-a-room", "secret": "s3-secret-of-a-room"});
    let upload = json!({"type": "s3", "location": "b", "credentials": credentials});
    let record = json!({"name": "kept", "recording_info": {"enabled": true, "upload_info": upload}});
    let made = emulator.run("create-room").stdin(jsonl([record])).run().exits(0);
    assert!(!made.text().contains("-of-a-room"), "{}", made.text());
    let kept = "/data/response/body/recording_info/upload_info/credentials";
    assert_eq!(made.events()[0].pointer(kept).unwrap(), "[redacted by roompipe]");
    let line = "update-room --map room_id=.data.response.body.id --map recording_info=.data.response.body.recording_info";
    let back = emulator.run(line).stdin(made.stdout).run().exits(1);
    assert_eq!(back.count("invalid"), 1);
    let message = data(&back)["error"]["message"].to_string();
    assert!(message.contains("recording_info.upload_info.credentials"), "{message}");
    assert_eq!(calls(&emulator.journal(), "POST", "/rooms").len(), 1);
}

#[test]
fn a_refusal_that_is_documented_as_a_500_is_the_last_word() {
    let hipaa = json!({"code": 500, "message": "hipaa enabled: recording config is not provided"});
    for (status, answer, outcome) in [
        (500, hipaa.clone(), "rejected"),
        (500, json!({"code": 500, "message": "internal error"}), "unknown"),
        (500, json!("hipaa enabled"), "unknown"),
        (502, hipaa, "unknown"),
    ] {
        let server = Server::answering(vec![Reply::json(status, &answer)]);
        // Whether it was applied is not looked for here.
        let ran = server.run("start-recording").stdin(jsonl([json!({"room_id": "r1"})])).run().exits(1);
        let starts = server.received().iter().filter(|one| one.method == "POST").count();
        assert_eq!((ran.count(outcome), starts), (1, 1), "{status} {answer}: {}", ran.text());
    }
    // A cut answer says nothing.
    let server = Server::answering(vec![
        Reply::json(500, &json!({"code": 500, "message": "hipaa enabled: recording config is not provided"}))
            .cut(),
    ]);
    let ran = server.run("start-recording").stdin(jsonl([json!({"room_id": "r1"})])).run().exits(1);
    assert_eq!(ran.count("unknown"), 1, "{}", ran.text());
}

#[test]
fn a_template_says_how_long_its_calls_take_and_the_user_knows_better() {
    let call = roompipe::template::Catalog::embedded().get("start-sip-call").unwrap();
    assert_eq!(call.timeout, Some(Duration::from_secs(120)));
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let templates = folder.path().join("mine/sip");
    std::fs::create_dir_all(&templates).unwrap();
    let text = std::fs::read_to_string(support::repository("templates/sip/start-sip-call.toml")).unwrap();
    let quick =
        text.replace("\"start-sip-call\"", "\"ring\"").replace("timeout = \"120s\"", "timeout = \"1ms\"");
    std::fs::write(templates.join("ring.toml"), quick).unwrap();
    let server = Server::start(|_| {
        std::thread::sleep(Duration::from_secs(1));
        Reply::json(200, &json!({"id": "c"}))
    });
    let record = || jsonl([json!({"to": "+4930", "room_code": "c", "trunk_id": "t"})]);
    let run = |line: &str| server.run("ring --templates mine").line(line).within(&folder).stdin(record());
    let ran = run("").run().exits(1);
    assert_eq!((ran.count("unknown"), data(&ran)["error"]["code"].clone()), (1, json!("timeout")));
    run("--timeout 25s").run().exits(0);
    run("").env("ROOMPIPE_TIMEOUT", "25s").run().exits(0);
    let file = "endpoint = \"ring\"\ntimeout = \"25s\"\n";
    let by_file = Program::against(&format!("{}/v2", server.origin())).within(&folder).file("d.toml", file);
    by_file.line("d.toml --templates mine").stdin(record()).run().exits(0);
}
