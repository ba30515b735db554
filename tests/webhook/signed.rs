//! What a post says and bears.

use std::time::SystemTime;

use super::*;

#[test]
fn every_event_is_posted_once_as_it_is_on_stdout_and_signed() {
    let (api, receiver) = (api(), Server::answering(vec![Reply::text(204, "")]));
    let ran = run(&api, &format!("{}/hook?a=b", receiver.origin()), "").stdin(records(50)).run().exits(0);
    let posts = receiver.received();
    let lines: BTreeMap<_, _> =
        ran.text().lines().map(|line| (ids_of(&line.parse().unwrap()), line)).collect();
    assert_eq!((posts.len(), lines.len()), (50, 50));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    for post in &posts {
        let id = post.header("webhook-id").to_owned();
        assert_eq!(lines[&vec![id]].as_bytes(), post.body);
        assert_eq!((post.method.as_str(), post.path.as_str()), ("POST", "/hook?a=b"));
        assert_eq!(post.header("content-type"), "application/json");
        assert_eq!(post.header("webhook-signature"), signature(SECRET, post));
        let sent: u64 = post.header("webhook-timestamp").parse().unwrap();
        assert!((now - 60..=now + 60).contains(&sent));
        assert!(post.header("user-agent").starts_with("roompipe/"));
        assert!(!post.headers.iter().any(|(name, _)| name == "authorization"), "{:?}", post.headers);
    }
    let webhook = &ran.summary()["webhook"];
    assert_eq!(
        (
            &webhook["events"],
            &webhook["posts"],
            &webhook["repeated"],
            &webhook["backlog"],
            &webhook["spilled"]
        ),
        (&json!(50), &json!(50), &json!(0), &json!(0), &json!(0))
    );
    ran.says("50 events in 50 posts, 0 repeated");
}

#[test]
fn a_run_without_a_webhook_does_not_speak_of_one() {
    let ran = api().run("--url /rooms").stdin(records(1)).run().exits(0);
    assert_eq!(ran.summary()["webhook"], Value::Null);
    assert!(!ran.stderr.contains("webhook"), "{}", ran.stderr);
}

#[test]
fn secrets_come_from_wherever_secrets_come_from_and_each_signs() {
    let both = format!("{NEXT_SECRET}\n{SECRET}\n");
    type Way = fn(Program, &str) -> Program;
    let ways: [(Way, &str, &[&str]); 5] = [
        (|program, text| program.env("ROOMPIPE_WEBHOOK_SECRET", text), SECRET, &[SECRET]),
        (|program, text| program.env("ROOMPIPE_WEBHOOK_SECRET", text), &both, &[NEXT_SECRET, SECRET]),
        (
            |program, text| program.file("s.secret", text).env("ROOMPIPE_WEBHOOK_SECRET_FILE", "s.secret"),
            &both,
            &[NEXT_SECRET, SECRET],
        ),
        (
            |program, text| program.file("roompipe_webhook_secret", text).env("CREDENTIALS_DIRECTORY", "."),
            SECRET,
            &[SECRET],
        ),
        (
            |program, text| program.file("ROOMPIPE_WEBHOOK_SECRET", text).env("CREDENTIALS_DIRECTORY", "."),
            SECRET,
            &[SECRET],
        ),
    ];
    for (way, text, secrets) in ways {
        let (api, receiver) = (api(), Server::answering(vec![Reply::ok()]));
        let program = api.run("--url /rooms --webhook").arg(receiver.origin());
        way(program, text).stdin(records(2)).run().exits(0);
        let posts = receiver.received();
        assert_eq!(posts.len(), 2);
        for post in &posts {
            let expected: Vec<_> = secrets.iter().map(|secret| signature(secret, post)).collect();
            assert_eq!(post.header("webhook-signature"), expected.join(" "));
        }
    }
}

#[test]
fn without_a_secret_only_whoever_says_so_posts() {
    let (api, receiver) = (api(), Server::answering(vec![Reply::ok()]));
    let program = || api.run("--url /rooms --webhook").arg(receiver.origin()).stdin(records(1));
    program().run().exits(78).says("no ROOMPIPE_WEBHOOK_SECRET").says("--webhook-unsigned");
    for wrong in ["hidden-secret-1", "whsec_hidden-secret-2", "whsec_aGlkZGVuLXNlY3JldC0z", "whsk_aGlkZGVu"] {
        let ran = program().arg("-vvv").env("ROOMPIPE_WEBHOOK_SECRET", wrong).run().exits(78);
        assert!(!ran.stderr.contains(wrong) && !ran.stderr.contains("hidden"), "{}", ran.stderr);
    }
    program().env("ROOMPIPE_WEBHOOK_SECRET", " ").run().exits(78).says("hold no secret");
    assert!(receiver.received().is_empty() && api.received().is_empty());
    program().arg("--webhook-unsigned").run().exits(0);
    let posts = receiver.received();
    assert_eq!(posts.len(), 1);
    assert!(!posts[0].headers.iter().any(|(name, _)| name == "webhook-signature"));
    assert!(posts[0].header("webhook-id").starts_with("evt_"));
}

#[test]
fn events_leave_this_machine_only_by_https() {
    let api = api();
    for (url, says) in [
        ("http://hooks.example.com/x", "over plain http"),
        ("https://user:hidden@hooks.example.com/x", "names a user"),
        ("nonsense", "relative URL"),
    ] {
        let ran = run(&api, url, "").stdin(records(1)).run().exits(78).says(says);
        assert!(!ran.stderr.contains("hidden"), "{}", ran.stderr);
    }
    let ran = run(&api, "http://127.0.0.1:9/x", "--proxy http://proxy.example.com:1").stdin(records(1)).run();
    ran.exits(78).says("not through a proxy");
    assert!(api.received().is_empty());
}

#[test]
fn options_that_need_a_webhook_say_so() {
    let api = api();
    for words in ["--webhook-batch 2", "--webhook-spill x", "--webhook-unsigned"] {
        api.run("--url /rooms").line(words).stdin(records(1)).run().exits(2).says("without `--webhook`");
    }
    for variable in ["ROOMPIPE_WEBHOOK_BATCH", "ROOMPIPE_WEBHOOK_SPILL"] {
        api.run("--url /rooms").env(variable, "2").stdin(records(1)).run().exits(0);
    }
}

#[test]
fn several_outputs_each_get_every_event() {
    let (api, receiver) = (api(), Server::answering(vec![Reply::ok()]));
    let program = run(&api, &receiver.origin(), "--output out.jsonl --dead-letters dead.jsonl");
    let input = format!("{}no record\n", records(9));
    let ran = program.stdin(input).run().exits(1);
    assert_eq!((ran.text(), ran.lines("dead.jsonl").len()), ("", 1));
    assert_eq!(told(&ran.lines("out.jsonl")).len(), 10);
    assert_eq!(told(&ran.lines("out.jsonl")), set(ids(&receiver.received())));
    let invalid =
        receiver.received().into_iter().map(|post| post.json()).find(|e| e["type"] == "record.invalid");
    assert_eq!(invalid.unwrap()["data"]["records"][0]["raw"], "no record");
}

#[test]
fn a_form_of_the_main_output_does_not_change_what_is_posted() {
    for emit in ["body", "merge", "jq:.data.outcome"] {
        let (api, receiver) = (api(), Server::answering(vec![Reply::ok()]));
        let ran = run(&api, &receiver.origin(), "--emit").arg(emit).stdin(records(3)).run().exits(0);
        assert_eq!(ran.text().lines().count(), 3);
        let posts = receiver.received();
        assert!(posts.len() == 3 && posts.iter().all(|post| post.json()["type"] == "call.delivered"));
    }
}

#[test]
fn a_batch_is_an_array_and_the_same_at_every_attempt() {
    let api = api();
    let receiver = Server::start(|post| Reply::text(if post.index < 3 { 503 } else { 200 }, ""));
    let words = "--webhook-batch 10 --webhook-concurrency 2";
    let ran = run(&api, &receiver.origin(), words).stdin(records(35)).run().exits(0);
    let posts = receiver.received();
    check_repeats(&posts);
    let by_id: BTreeMap<_, _> =
        posts.iter().map(|post| (post.header("webhook-id").to_owned(), post)).collect();
    assert!(by_id.len() < posts.len(), "none was repeated");
    let mut all = Vec::new();
    for (id, post) in &by_id {
        assert!(id.starts_with("batch_"), "{id}");
        assert_eq!(post.header("webhook-signature"), signature(SECRET, post));
        let members = ids_of(&post.json());
        assert!(post.json().is_array() && members.len() <= 10);
        all.extend(members);
    }
    assert_eq!((all.len(), set(all)), (35, told(&ran.events())));
}

#[test]
fn cloud_events_bear_their_media_type() {
    let (api, receiver) = (api(), Server::answering(vec![Reply::ok()]));
    let ran = run(&api, &receiver.origin(), "--emit cloudevents").stdin(records(2)).run().exits(0);
    let posts = receiver.received();
    let lines: Vec<&str> = ran.text().lines().collect();
    for post in &posts {
        assert_eq!(post.header("content-type"), "application/cloudevents+json");
        let event = post.json();
        assert!(lines.contains(&std::str::from_utf8(&post.body).unwrap()));
        assert_eq!(
            (&event["specversion"], &event["type"]),
            (&json!("1.0"), &json!("com.100ms.roompipe.call.delivered"))
        );
        assert_eq!(event["source"], format!("{}/v2#create-room", api.origin()));
        assert_eq!(event["id"], post.header("webhook-id"));
        assert_eq!(event["data"]["outcome"], "delivered");
    }
    let receiver = Server::answering(vec![Reply::ok()]);
    let words = "--emit cloudevents --webhook-batch 5";
    run(&api, &receiver.origin(), words).stdin(records(7)).run().exits(0);
    for post in receiver.received() {
        assert_eq!(post.header("content-type"), "application/cloudevents-batch+json");
        assert!(post.json().as_array().unwrap().iter().all(|event| event["specversion"] == "1.0"));
    }
}

#[test]
fn no_secret_of_a_webhook_is_seen_anywhere() {
    let inner = SECRET.strip_prefix("whsec_").unwrap();
    for words in
        ["-vvv", "-vvv --log-format json --emit cloudevents", "-vvv --ledger run.ledger --webhook-batch 2"]
    {
        let api = api();
        // A receiver that repeats what it was told, and does not take everything.
        let receiver = Server::start(|post| {
            let told = format!("{:?} {SECRET}", post.headers);
            match post.index {
                0 | 4 => Reply::text(500, &told),
                1 => Reply::text(302, &told).header("Location", &format!("http://127.0.0.1:1/{SECRET}")),
                2 | 3 => Reply::text(400, &told).cut(),
                _ => Reply::text(200, &told),
            }
        });
        let ran = run(&api, &receiver.origin(), words).stdin(records(6)).run().exits(0);
        let posts = receiver.received();
        assert!(posts.len() > 6);
        for (place, bytes) in ran.everything() {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(inner), "{place}");
            for post in &posts {
                let signature = post.header("webhook-signature").strip_prefix("v1,").unwrap();
                assert!(!text.contains(signature), "a signature is in {place}");
            }
        }
    }
}

#[test]
fn a_replay_posts_what_comes_of_it() {
    let receiver = Server::answering(vec![Reply::ok()]);
    let api = Server::start(|request| if request.index < 3 { Reply::text(400, "no") } else { Reply::ok() });
    let first = api.run("--url /rooms --dead-letters dead.jsonl").stdin(records(3)).run().exits(1);
    let again = Program::new("replay")
        .with_key()
        .env("ROOMPIPE_BASE_URL", &format!("{}/v2", api.origin()))
        .env("ROOMPIPE_WEBHOOK_SECRET", SECRET)
        .file("dead.jsonl", first.file("dead.jsonl"))
        .line("dead.jsonl --webhook")
        .arg(receiver.origin())
        .run()
        .exits(0);
    assert_eq!(told(&again.events()), set(ids(&receiver.received())));
}

#[test]
fn a_read_posts_an_event_for_each_page() {
    let receiver = Server::answering(vec![Reply::ok()]);
    let page =
        |id: &str, last: &str| Reply::json(200, &json!({"limit": 1, "data": [{"id": id}], "last": last}));
    let api = Server::answering(vec![page("a", "next"), page("b", "")]);
    let ran = Program::new("get")
        .with_key()
        .env("ROOMPIPE_BASE_URL", &format!("{}/v2", api.origin()))
        .env("ROOMPIPE_WEBHOOK_SECRET", SECRET)
        .line("list-rooms --webhook-concurrency 1 --webhook")
        .arg(receiver.origin())
        .run()
        .exits(0);
    assert_eq!(ran.events(), [json!({"id": "a"}), json!({"id": "b"})]);
    let rooms: Vec<_> = receiver
        .received()
        .iter()
        .map(|post| post.json()["data"]["response"]["body"]["data"][0]["id"].clone())
        .collect();
    assert_eq!(rooms, [json!("a"), json!("b")]);
}
