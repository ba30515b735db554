//! Polls: create, rewrite, delete with new indexes; sessions, responses and results by the levers.

use serde_json::{Value, json};

use super::{Bench, says};
use crate::emulator::Settings;
use crate::emulator::demo::{DEMO_GUEST_PEER_IDS, DEMO_HOST_PEER_ID, DEMO_SESSION_ID, DEMO_STANDUP_ROOM_ID};

/// A quiz of three questions, the first with three options.
fn quiz() -> Value {
    json!({"title": "quiz", "type": "quiz", "duration": 60, "questions": [
        {"text": "one", "weight": 5, "answer": {"options": [2]},
            "options": [{"text": "a"}, {"text": "b"}, {"text": "c"}]},
        {"text": "two", "type": "short-answer", "answer": {"text": "Ada", "trim": true}, "skippable": false},
        {"text": "three", "once": true},
    ]})
}

async fn made(bench: &Bench, body: Value) -> String {
    bench.ok("POST /v2/polls", body).await["id"].as_str().unwrap().to_owned()
}

/// The texts of a list, with their indexes.
fn texts(items: &Value) -> Vec<String> {
    let items = items.as_array().unwrap().iter();
    items.map(|item| format!("{}{}", item["index"], item["text"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_poll_is_made_with_defaults_read_and_rewritten() {
    let bench = Bench::new();
    let poll = bench.ok("POST /v2/polls", quiz()).await;
    let path = format!("/v2/polls/{}", poll["id"].as_str().unwrap());
    for (name, value) in [
        ("title", json!("quiz")),
        ("duration", json!(60)),
        ("anonymous", json!(false)),
        ("mode", json!("userid")),
        ("type", json!("quiz")),
        ("start", json!("auto")),
    ] {
        assert_eq!(poll[name], value, "{name}");
    }
    assert_eq!(texts(&poll["questions"]), ["1one", "2two", "3three"]);
    assert_eq!(
        poll["questions"][2],
        json!({"text": "three", "once": true, "format": "text", "type": "single-choice", "attachment": [],
            "skippable": true, "duration": 0, "weight": 1, "answer_min_len": 0, "answer_max_len": 0,
            "answer": {}, "options": [], "index": 3})
    );
    assert_eq!(poll["questions"][0]["options"][1], json!({"index": 2, "text": "b", "weight": 1}));
    assert_eq!(bench.ok(&format!("GET {path}"), Value::Null).await, poll);

    let body = json!({"questions": [{"index": 3, "text": "c"}, {"index": 1, "text": "a"}], "id": "other"});
    let rewritten = bench.ok(&format!("POST {path}"), body).await;
    assert_eq!((&rewritten["id"], &rewritten["title"]), (&poll["id"], &json!("")));
    assert_eq!(texts(&rewritten["questions"]), ["1a", "3c"]);
    assert_ne!(bench.ok("POST /v2/polls", quiz()).await["id"], poll["id"]);
    let kinds: Vec<Value> = bench.effects().await.iter().map(|effect| effect["kind"].clone()).collect();
    assert_eq!(kinds, ["poll.created", "poll.updated", "poll.created"]);
}

#[tokio::test]
async fn bad_polls_are_refused() {
    let bench = Bench::new();
    let id = made(&bench, quiz()).await;
    let poll = |rest: &str| format!("POST /v2/polls/{id}{rest}");
    let missing = says("poll not found");
    let twice = json!([{"index": 2}, {"text": "the second by its place"}]);
    let unique = |place: &str| says(&format!("Invalid body param: {place}.index is not unique"));
    bench
        .play(&[
            ("POST /v2/polls", Value::Null, 400, says("request body must not be empty")),
            (
                "POST /v2/polls",
                json!({"type": "x"}),
                400,
                says("Invalid body param: type is not one of quiz, poll"),
            ),
            (
                "POST /v2/polls",
                json!({"mode": "x"}),
                400,
                says("Invalid body param: mode is not one of userid, peerid"),
            ),
            ("POST /v2/polls", json!({"questions": twice}), 400, unique("questions")),
            ("POST /v2/polls", json!({"questions": [{"options": twice}]}), 400, unique("questions.options")),
            (
                "POST /v2/polls",
                json!({"questions": [{"index": 0}]}),
                400,
                says("Invalid body param: questions.index less than 1"),
            ),
            ("POST /v2/polls/nope", json!({}), 404, missing.clone()),
            ("GET /v2/polls/nope", Value::Null, 404, missing.clone()),
            ("POST /v2/polls/nope/questions/1", json!({}), 404, missing.clone()),
            ("GET /v2/polls/nope/sessions", Value::Null, 404, missing.clone()),
            ("GET /v2/polls/nope/responses", Value::Null, 404, missing.clone()),
            ("GET /v2/polls/nope/results", Value::Null, 404, missing),
            (&poll("/questions/4"), json!({}), 404, says("question not found")),
            (&poll("/questions/x"), json!({}), 404, says("question not found")),
            (&poll("/questions/1"), json!({"index": 2}), 400, says("Invalid body param: index")),
            (&poll("/questions/1/options/4"), json!({}), 404, says("option not found")),
            (&poll("/questions/1/options/1"), json!({"index": 2}), 400, says("Invalid body param: index")),
        ])
        .await;
}

#[tokio::test]
async fn questions_and_options_are_rewritten_by_their_index() {
    let bench = Bench::new();
    let id = made(&bench, quiz()).await;
    let question = format!("POST /v2/polls/{id}/questions/2");
    let option = format!("POST /v2/polls/{id}/questions/1/options/3");
    let rewritten =
        bench.ok(&question, json!({"index": 2, "text": "zwei", "options": [{"text": "x"}]})).await;
    assert_eq!((&rewritten["index"], &rewritten["type"]), (&json!(2), &json!("single-choice")));
    assert_eq!((&rewritten["skippable"], &rewritten["answer"]), (&json!(true), &json!({})));
    let chosen = bench.ok(&option, json!({"text": "d", "weight": 7})).await;
    assert_eq!(chosen, json!({"text": "d", "weight": 7, "index": 3}));
    let poll = bench.ok(&format!("GET /v2/polls/{id}"), Value::Null).await;
    assert_eq!(poll["questions"][1], rewritten);
    assert_eq!(texts(&poll["questions"][0]["options"]), ["1a", "2b", "3d"]);
    let effects = bench.effects().await;
    assert_eq!(effects[1], json!({"kind": "poll.question.updated", "id": id, "question": 2}));
    assert_eq!(effects[2], json!({"kind": "poll.option.updated", "id": id, "question": 1, "option": 3}));
}

#[tokio::test]
async fn a_deleted_question_or_option_moves_the_later_ones_down() {
    let bench = Bench::new();
    let id = made(&bench, quiz()).await;
    let question = format!("DELETE /v2/polls/{id}/questions/2");
    let option = format!("DELETE /v2/polls/{id}/questions/1/options/1");
    let get = format!("GET /v2/polls/{id}");
    bench.play(&[(&option, Value::Null, 204, Value::Null)]).await;
    let first = bench.ok(&get, Value::Null).await["questions"][0].clone();
    assert_eq!(
        (texts(&first["options"]), &first["answer"]["options"]),
        (vec!["1b".into(), "2c".into()], &json!([1]))
    );
    // The repeat deletes the next one.
    bench.play(&[(&option, Value::Null, 204, Value::Null), (&question, Value::Null, 204, Value::Null)]).await;
    let poll = bench.ok(&get, Value::Null).await;
    assert_eq!(texts(&poll["questions"][0]["options"]), ["1c"]);
    assert_eq!(poll["questions"][0]["answer"]["options"], json!([]));
    assert_eq!(texts(&poll["questions"]), ["1one", "2three"]);
    bench
        .play(&[
            (&question, Value::Null, 204, Value::Null),
            (&question, Value::Null, 404, says("question not found")),
            (&option, Value::Null, 204, Value::Null),
            (&option, Value::Null, 404, says("option not found")),
            ("DELETE /v2/polls/nope/questions/1", Value::Null, 404, says("poll not found")),
        ])
        .await;
    let kinds: Vec<Value> = bench.effects().await.iter().map(|effect| effect["kind"].clone()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "poll.question.deleted").count(), 2);
    assert_eq!(kinds.iter().filter(|kind| *kind == "poll.option.deleted").count(), 3);
}

fn start() -> Value {
    json!({"room_id": DEMO_STANDUP_ROOM_ID})
}

fn says_of(peer_id: &str, question: i64, text: &str) -> Value {
    json!({"peer_id": peer_id, "question": question, "text": text, "duration": 3})
}

#[tokio::test]
async fn responses_are_changed_scored_and_listed() {
    let bench = Bench::new();
    let id = made(&bench, quiz()).await;
    let (lever, base) = (format!("POST /_control/polls/{id}"), format!("/v2/polls/{id}"));
    let respond = format!("{lever}/respond");
    bench.ok(&format!("{lever}/start"), start()).await;
    let first = bench.ok(&respond, says_of(DEMO_HOST_PEER_ID, 1, "a")).await;
    let expected = json!({"id": first["id"], "poll_id": id, "session_id": DEMO_SESSION_ID, "duration": 3,
        "question": 1, "skipped": false, "text": "a", "update": false, "original_response": "", "retries": 0,
        "sent_at": first["sent_at"], "peer_id": DEMO_HOST_PEER_ID, "user_id": "ada"});
    assert_eq!(first, expected);
    let second = bench.ok(&respond, says_of(DEMO_HOST_PEER_ID, 1, "B")).await;
    assert_eq!((&second["update"], &second["original_response"]), (&json!(true), &first["id"]));
    bench.ok(&respond, says_of(DEMO_GUEST_PEER_IDS[0], 2, " ada ")).await;
    bench.ok(&respond, says_of(DEMO_GUEST_PEER_IDS[1], 3, "x")).await;
    bench
        .play(&[
            (&respond, says_of(DEMO_GUEST_PEER_IDS[1], 3, "y"), 409, says("response can not be changed")),
            (&respond, says_of("nobody", 1, "a"), 404, says("peer not found")),
            (&respond, says_of(DEMO_HOST_PEER_ID, 9, "a"), 404, says("question not found")),
            (
                &respond,
                json!({"peer_id": DEMO_HOST_PEER_ID, "question": 2, "skipped": true}),
                400,
                says("question can not be skipped"),
            ),
        ])
        .await;
    let listed = |query: &'static str| {
        let (bench, base) = (&bench, &base);
        async move {
            let page = bench.ok(&format!("GET {base}/{query}"), Value::Null).await;
            assert_eq!(page["limit"], 10);
            let items = page["responses"].as_array().or_else(|| page["results"].as_array()).unwrap().clone();
            assert_eq!(page["last"], items.last().map_or(json!(""), |item| item["id"].clone()));
            items
        }
    };
    assert_eq!(listed("responses").await.len(), 3);
    assert_eq!(listed("responses?all=true").await.len(), 4);
    assert_eq!(listed("responses?question=1").await, std::slice::from_ref(&second));
    assert_eq!(listed("responses?question=1&all=true").await, [second, first.clone()]);
    let results = listed("results").await;
    let scores: Vec<_> = results.iter().map(|result| (&result["question"], &result["score"])).collect();
    assert_eq!(scores, [(&json!(3), &json!(0)), (&json!(2), &json!(1)), (&json!(1), &json!(5))]);
    assert_eq!(listed("results?question=2").await, [results[1].clone()]);
    let result = format!("GET {base}/results/{}", results[0]["id"].as_str().unwrap());
    let response = format!("GET {base}/responses/{}", first["id"].as_str().unwrap());
    bench
        .play(&[
            (&result, Value::Null, 200, results[0].clone()),
            (&response, Value::Null, 200, first),
            (&format!("GET {base}/results/nope"), Value::Null, 404, says("result not found")),
            (&format!("GET {base}/responses/nope"), Value::Null, 404, says("response not found")),
            (&format!("GET {base}/responses?all=x"), Value::Null, 400, says("Invalid query parameter: all")),
            (
                &format!("GET {base}/results?question=x"),
                Value::Null,
                400,
                says("Invalid query parameter: question"),
            ),
        ])
        .await;
    // Of another poll it is not.
    let other = made(&bench, json!({})).await;
    let line = result.replace(&id, &other);
    bench.play(&[(&line, Value::Null, 404, says("result not found"))]).await;
}

#[tokio::test]
async fn a_poll_is_open_for_its_duration_until_stopped_or_until_the_session_ends() {
    let bench = Bench::with(Settings { time_scale: 10.0, ..Settings::default() });
    let timed = made(&bench, quiz()).await;
    let open = made(&bench, json!({"questions": [{}]})).await;
    let lever = |id: &str, verb: &str| format!("POST /_control/polls/{id}/{verb}");
    let sessions = |id: &str| format!("GET /v2/polls/{id}/sessions");
    let run = bench.ok(&lever(&timed, "start"), start()).await;
    let fresh = json!({"id": run["id"], "poll_id": timed, "session_id": DEMO_SESSION_ID,
        "started_at": run["started_at"], "stopped_at": null, "total_responses": 0, "unique_participants": 0});
    assert_eq!(run, fresh);
    bench.play(&[(&lever(&timed, "start"), start(), 409, says("poll is running"))]).await;
    for (peer, text) in [(0, "a"), (0, "b"), (1, "a")] {
        bench.ok(&lever(&timed, "respond"), says_of(DEMO_GUEST_PEER_IDS[peer], 1, text)).await;
    }
    bench.hand.forward(6000);
    let shown = bench.ok(&sessions(&timed), Value::Null).await;
    let counted =
        json!({"total_responses": 3, "unique_participants": 2, "stopped_at": "2026-05-28T20:26:46Z"});
    assert!(super::holds(&shown["responses"], &json!([counted])), "{shown}");
    let late = says_of(DEMO_HOST_PEER_ID, 1, "a");
    bench.play(&[(&lever(&timed, "respond"), late, 409, says("poll is not running"))]).await;

    bench.ok(&lever(&open, "start"), start()).await;
    bench.hand.forward(3_600_000);
    assert_eq!(bench.ok(&sessions(&open), Value::Null).await["responses"][0]["stopped_at"], Value::Null);
    bench.ok(&lever(&open, "stop"), Value::Null).await;
    bench.play(&[(&lever(&open, "stop"), Value::Null, 409, says("poll is not running"))]).await;
    bench.ok(&lever(&open, "start"), start()).await;
    bench.ok(&format!("POST /v2/active-rooms/{DEMO_STANDUP_ROOM_ID}/end-room"), json!({})).await;
    let runs = bench.ok(&sessions(&open), Value::Null).await["responses"].clone();
    assert_eq!(runs.as_array().unwrap().len(), 2);
    assert!(runs.as_array().unwrap().iter().all(|run| run["stopped_at"].is_string()), "{runs}");
    bench
        .play(&[
            (&lever(&open, "start"), start(), 404, says("session not found")),
            (&lever(&open, "start"), json!({}), 404, says("room not found")),
            (&lever("nope", "start"), start(), 404, says("poll not found")),
        ])
        .await;
}

#[tokio::test]
async fn an_anonymous_poll_tells_nobody_and_still_knows_who_changed_their_mind() {
    let bench = Bench::new();
    let id = made(&bench, json!({"anonymous": true, "questions": [{}]})).await;
    bench.ok(&format!("POST /_control/polls/{id}/start"), start()).await;
    for text in ["a", "b"] {
        bench.ok(&format!("POST /_control/polls/{id}/respond"), says_of(DEMO_HOST_PEER_ID, 1, text)).await;
    }
    let page = bench.ok(&format!("GET /v2/polls/{id}/responses"), Value::Null).await;
    let expected = json!([{"text": "b", "update": true, "peer_id": "", "user_id": ""}]);
    assert!(super::holds(&page["responses"], &expected), "{page}");
}

#[tokio::test]
async fn responses_and_results_are_paged() {
    let bench = Bench::new();
    let questions: Vec<Value> = (0..25).map(|_| json!({})).collect();
    let id = made(&bench, json!({"questions": questions})).await;
    bench.ok(&format!("POST /_control/polls/{id}/start"), start()).await;
    for question in 1..=25 {
        bench
            .ok(&format!("POST /_control/polls/{id}/respond"), says_of(DEMO_HOST_PEER_ID, question, "x"))
            .await;
    }
    for key in ["responses", "results"] {
        let (mut seen, mut start) = (Vec::new(), String::new());
        for expected in [10, 10, 5, 0] {
            let page = bench.ok(&format!("GET /v2/polls/{id}/{key}?start={start}"), Value::Null).await;
            let items = page[key].as_array().unwrap();
            assert_eq!(items.len(), expected, "{key}");
            seen.extend(items.iter().map(|item| item["question"].as_i64().unwrap()));
            page["last"].as_str().unwrap().clone_into(&mut start);
        }
        assert!(seen.iter().copied().eq((1..=25).rev()), "{seen:?}");
    }
}
