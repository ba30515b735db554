//! What each answer does to a post, to the others, and to the run.

use super::*;

/// What becomes of ten events, the third of which is always answered so.
fn always(reply: Reply, words: &str) -> (support::Ran, Server) {
    let api = api();
    let receiver = Server::start(move |post| {
        if post.json()["data"]["records"][0]["number"] == 3 { reply.clone() } else { Reply::ok() }
    });
    let ran = run(&api, &receiver.origin(), "--concurrency 1 --webhook-spill spill.jsonl").line(words);
    (ran.stdin(records(10)).run(), receiver)
}

#[test]
fn whatever_is_answered_nothing_is_lost() {
    let table: [(&str, Reply, i32, usize); 8] = [
        ("200 with a cut body", Reply::json(200, &json!({"a": "long enough"})).cut(), 0, 0),
        ("299", Reply::text(299, ""), 0, 0),
        ("400", Reply::text(400, ""), 74, 1),
        ("401", Reply::text(401, ""), 74, 1),
        ("404", Reply::text(404, ""), 74, 1),
        ("422", Reply::text(422, ""), 74, 1),
        ("301, which is not followed", Reply::text(301, "").header("Location", "http://127.0.0.1:1/"), 74, 1),
        ("a connection that ends", Reply::hang_up(), 74, 1),
    ];
    for (name, reply, code, spilled) in table {
        let (ran, receiver) = always(reply, "--webhook-give-up 3s");
        assert_eq!(ran.code, code, "{name}: {}", ran.stderr);
        assert_eq!(
            (ran.events().len(), ran.summary()["outcomes"]["delivered"].as_u64()),
            (10, Some(10)),
            "{name}"
        );
        let spill = if ran.path("spill.jsonl").exists() { ran.lines("spill.jsonl") } else { Vec::new() };
        assert_eq!(spill.len(), spilled, "{name}: {}", ran.stderr);
        for event in &spill {
            assert_eq!(event["data"]["records"][0]["number"], 3, "{name}");
            assert!(ran.events().contains(event), "{name}");
        }
        assert_eq!(set(ids(&receiver.received())), told(&ran.events()), "{name}");
        assert_eq!(ran.summary()["webhook"]["spilled"], spilled, "{name}");
    }
}

#[test]
fn answers_that_ask_for_another_time_get_another_post() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let api = api();
        let reply = move |post: &Received| match post.index {
            0..3 => Reply::text(status, "").header("Retry-After", "1"),
            _ => Reply::ok(),
        };
        let receiver = Server::start(reply);
        let ran = run(&api, &receiver.origin(), "").stdin(records(3)).run().exits(0);
        assert_eq!(ran.summary()["webhook"]["repeated"], 3, "{status}");
        let posts = receiver.received();
        check_repeats(&posts);
        assert!(posts.last().unwrap().at.duration_since(posts[0].at).as_millis() >= 900, "{status}");
    }
}

#[test]
fn a_webhook_that_is_gone_ends_the_run_and_nothing_is_lost() {
    let api = api();
    let receiver = Server::start(|post| Reply::text(if post.index < 4 { 200 } else { 410 }, ""));
    let words = "--concurrency 1 --webhook-concurrency 1 --webhook-spill spill.jsonl";
    let mut running = run(&api, &receiver.origin(), words).start();
    let feeding = running.feed_for_ever(b"{\"n\":1}\n");
    let ran = running.wait().exits(74).says("gone for good").says("410");
    feeding.join().unwrap();
    let taken = set(ids(&receiver.received()[..4]));
    let spilled = told(&ran.lines("spill.jsonl"));
    assert_eq!((taken.len(), receiver.received().len()), (4, 5));
    assert!(taken.is_disjoint(&spilled));
    assert_eq!(taken.union(&spilled).cloned().collect::<BTreeSet<_>>(), told(&ran.events()));
}

#[test]
fn where_every_post_is_refused_the_run_stops_soon() {
    let (api, receiver) = (api(), Server::answering(vec![Reply::text(404, "")]));
    let words = "--webhook-spill spill.jsonl --output out.jsonl";
    let mut running = run(&api, &receiver.origin(), words).start();
    let feeding = running.feed_for_ever(b"{\"n\":1}\n");
    let ran = running.wait().exits(74).says("refused 20 posts and took none");
    feeding.join().unwrap();
    assert_eq!(told(&ran.lines("spill.jsonl")), told(&ran.lines("out.jsonl")));
}
