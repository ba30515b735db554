//! The loop against servers that misbehave: real sockets, tiny waits, and no look at the clock.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::super::fault_server::{Act, Fault, FaultServer, Seen, answer, cut, reset};
use super::super::{Backoff, BodyKind, Credentials, Header, NoRules, NotNow, Proxy, Retry, Settings, Stop};
use super::*;
use crate::template::Effect;

mod doubt;

/// A template whose answers are JSON and whose 409 says that it was done already.
struct Start;

impl AnswerRules for Start {
    fn json_expected(&self) -> bool {
        true
    }

    fn error_in(&self, _: u16, body: &Value) -> Option<CallError> {
        Some(CallError::ours("error", body.get("error")?.as_str()?))
    }

    fn already_done(&self, status: u16, _: Option<&Value>) -> bool {
        status == 409
    }
}

/// Writes down what the loop tells it.
#[derive(Default)]
struct Diary(Vec<String>);

impl BeforeAttempt for Diary {
    async fn before(&mut self, attempt: u32) -> Result<(), NotNow> {
        self.0.push(format!("before {attempt}"));
        Ok(())
    }

    async fn not_applied(&mut self) {
        self.0.push("not applied".into());
    }
}

fn settings(server: &FaultServer) -> Settings {
    let tiny = Duration::from_millis(2);
    Settings {
        credentials: Some(Credentials::key("key-1", "secret".into())),
        backoff: Backoff { first: tiny, longest: tiny, seed: Some(1) },
        proxy: Proxy::Direct,
        ..Settings::new(server.url("/v2"))
    }
}

fn request(server: &FaultServer, effect: Effect) -> Request {
    Request {
        method: http::Method::POST,
        url: server.url("/v2/rooms"),
        body: Some(Bytes::from_static(b"{}")),
        effect,
        lane: None,
        group: None,
        claims: None,
        template: None,
    }
}

/// Serves the acts one after another, the last one for ever.
async fn serving<const N: usize>(acts: [Fault; N]) -> FaultServer {
    FaultServer::start(move |n, _| acts[n.min(N - 1)]()).await
}

async fn send(server: &FaultServer, effect: Effect, change: impl FnOnce(&mut Settings)) -> (Settled, Stop) {
    let mut settings = settings(server);
    change(&mut settings);
    let stop = settings.stop.clone();
    let sender = Sender::new(settings).unwrap();
    let request = request(server, effect);
    (sender.send(Call::new(&request, &Start), &mut ()).await, stop)
}

fn code(settled: &Settled) -> &str {
    settled.error.as_ref().map_or("", |error| &error.code)
}

fn status(settled: &Settled) -> Option<u16> {
    settled.response.as_ref().map(|response| response.status)
}

fn exits(stop: &Stop) -> Vec<ExitCode> {
    stop.reasons().iter().map(|reason| reason.exit).collect()
}

fn ok() -> Act {
    answer(200, "", r#"{"id":"1"}"#)
}

fn tokens(seen: &[Seen]) -> Vec<&str> {
    let mut tokens: Vec<_> = seen.iter().map(|seen| seen.header("authorization").unwrap()).collect();
    tokens.dedup();
    tokens
}

#[tokio::test]
async fn a_success_is_delivered_with_its_body() {
    let server = serving([ok]).await;
    let (settled, stop) = send(&server, Effect::NonIdempotent, |_| ()).await;
    assert_eq!((settled.outcome, settled.attempts, settled.retries), (Outcome::Delivered, 1, 0));
    let response = settled.response.unwrap();
    assert_eq!(
        (response.status, response.kind, &response.body[..]),
        (200, BodyKind::Json, &br#"{"id":"1"}"#[..])
    );
    assert!(settled.error.is_none() && stop.reasons().is_empty());
}

#[tokio::test]
async fn an_ambiguity_is_repeated_only_where_the_effect_allows_it() {
    let ambiguities: [(Fault, &str); 7] = [
        (|| answer(500, "", ""), "500"),
        (|| answer(408, "", ""), "408"),
        (|| answer(503, "", "busy"), "503"),
        (reset, "reset"),
        (cut, "body_cut"),
        (|| answer(200, "", "<html>log in</html>"), "not_json"),
        (
            || Act::Last(b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec()),
            "informational",
        ),
    ];
    for (fault, word) in ambiguities {
        let server = serving([fault, ok]).await;
        let (settled, _) = send(&server, Effect::NonIdempotent, |_| ()).await;
        assert_eq!((settled.outcome, settled.attempts, code(&settled)), (Outcome::Unknown, 1, word));

        let server = serving([fault, ok]).await;
        let (settled, _) = send(&server, Effect::Upsert, |_| ()).await;
        assert_eq!(
            (settled.outcome, settled.attempts, code(&settled)),
            (Outcome::Delivered, 2, ""),
            "{word}"
        );

        let server = serving([fault]).await;
        let (settled, _) = send(&server, Effect::Read, |_| ()).await;
        assert_eq!((settled.outcome, settled.attempts, code(&settled)), (Outcome::Failed, 5, word));
    }
}

#[tokio::test]
async fn a_refusal_is_repeated_whatever_the_effect() {
    let refusals: [Fault; 3] = [
        || answer(425, "", ""),
        || answer(503, "retry-after: 0.01\r\n", ""),
        || answer(503, "", r#"{"code":503,"message":"later"}"#),
    ];
    for refusal in refusals {
        let server = serving([refusal, ok]).await;
        let (settled, _) = send(&server, Effect::NonIdempotent, |_| ()).await;
        assert_eq!((settled.outcome, settled.attempts), (Outcome::Delivered, 2));

        let server = serving([refusal]).await;
        let (settled, _) = send(&server, Effect::NonIdempotent, |_| ()).await;
        assert_eq!((settled.outcome, settled.attempts), (Outcome::Failed, 5));
    }
}

#[tokio::test]
async fn rate_limits_do_not_count_as_attempts() {
    let server = FaultServer::start(|n, _| match n {
        0..2 => answer(429, "", r#"{"code":429,"message":"slow down"}"#),
        2 => answer(429, "", r#"{"code":429,"message":"rate limit exceeded, retry after 5 ms"}"#),
        3..8 => answer(429, "retry-after: 0.005\r\n", ""),
        _ => ok(),
    })
    .await;
    let (settled, stop) = send(&server, Effect::NonIdempotent, |s| s.max_attempts = 1).await;
    assert_eq!((settled.outcome, settled.attempts, settled.rate_limited), (Outcome::Delivered, 9, 8));
    assert_eq!(settled.retries, 8);
    assert!(stop.reasons().is_empty());
}

#[tokio::test]
async fn rate_limits_end_with_the_calls_time() {
    let server = serving([|| answer(429, "", "")]).await;
    let (settled, _) =
        send(&server, Effect::NonIdempotent, |s| s.max_elapsed = Duration::from_millis(20)).await;
    assert_eq!((settled.outcome, code(&settled)), (Outcome::Failed, "rate_limited"));
    assert!(settled.rate_limited >= 1);
}

#[tokio::test]
async fn a_delay_beyond_the_calls_time_stops_the_run() {
    let server = serving([|| answer(429, "retry-after: 3600\r\n", "")]).await;
    let (settled, stop) = send(&server, Effect::NonIdempotent, |_| ()).await;
    assert_eq!((settled.outcome, settled.attempts), (Outcome::Pending, 1));
    assert_eq!(exits(&stop), [ExitCode::Stopped]);
    assert!(stop.reasons()[0].message.contains("until 20"), "{:?}", stop.reasons());
}

#[tokio::test]
async fn a_stated_delay_pauses_other_calls_too() {
    let server = serving([|| answer(429, "retry-after: 3000\r\n", ""), ok]).await;
    let settings = Settings { max_elapsed: Duration::from_secs(7200), ..settings(&server) };
    let sender = Sender::new(settings).unwrap();
    let request = request(&server, Effect::Read);
    let call = Call::new(&request, &Start);
    let one = async {
        sender.send(call, &mut ()).await;
    };
    let other = async {
        while server.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        sender.send(call, &mut ()).await;
    };
    let both = async { tokio::join!(one, other) };
    assert!(tokio::time::timeout(Duration::from_millis(300), both).await.is_err());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_the_api_refuses_is_rejected_at_once() {
    let redirect = || answer(302, "location: /v2/elsewhere\r\n", "");
    let table: [(Fault, &str); 6] = [
        (|| answer(400, "", r#"{"code":400,"message":"Invalid body param","details":["size"]}"#), "400"),
        (|| answer(403, "", ""), "403"),
        (|| answer(501, "", ""), "501"),
        (|| answer(505, "", ""), "505"),
        (redirect, "redirect"),
        (|| answer(200, "", r#"{"error":"beam failed"}"#), "error"),
    ];
    for (refusal, word) in table {
        let server = serving([refusal]).await;
        let (settled, _) = send(&server, Effect::Idempotent, |_| ()).await;
        assert_eq!((settled.outcome, settled.attempts, code(&settled)), (Outcome::Rejected, 1, word));
        assert_eq!(server.seen().len(), 1);
        assert!(settled.response.is_some());
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_the_call_sent_again() {
    let server = serving([|| answer(401, "date: Sat, 31 Jan 2026 12:00:00 GMT\r\n", ""), ok]).await;
    let (settled, stop) = send(&server, Effect::NonIdempotent, |_| ()).await;
    assert_eq!((settled.outcome, settled.attempts), (Outcome::Delivered, 2));
    assert!(stop.reasons().is_empty());
    let seen = server.seen();
    let tokens = tokens(&seen);
    assert_eq!(tokens.len(), 2);
    let token = tokens[1].strip_prefix("Bearer ").unwrap();
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap();
    // 2026-01-31T12:00:00Z by the server's clock, dated back a minute.
    let iat = claims["iat"].as_u64().unwrap();
    assert!((1_769_860_740..1_769_860_800).contains(&iat), "{iat}");
}

#[tokio::test]
async fn two_refused_tokens_stop_the_run_and_leave_the_call_pending() {
    let server = serving([|| answer(401, "", r#"{"code":401,"message":"Token validation error"}"#)]).await;
    let (settled, stop) = send(&server, Effect::NonIdempotent, |_| ()).await;
    assert_eq!((settled.outcome, settled.attempts, code(&settled)), (Outcome::Pending, 2, "401"));
    assert_eq!(exits(&stop), [ExitCode::Credentials]);
    assert_eq!(tokens(&server.seen()).len(), 2);
}

#[tokio::test]
async fn the_first_401_stops_where_there_is_no_other_token() {
    let server = serving([|| answer(401, "", "")]).await;
    let ready = Credentials::token("a.b.c".into());
    let (settled, stop) = send(&server, Effect::Read, |s| s.credentials = Some(ready)).await;
    assert_eq!((settled.outcome, settled.attempts), (Outcome::Pending, 1));
    assert_eq!(exits(&stop), [ExitCode::Credentials]);

    let own = Header::secret("Authorization", "Basic eDp5").unwrap();
    let (settled, stop) = send(&server, Effect::Read, |s| s.headers.push(own)).await;
    assert_eq!((settled.outcome, settled.attempts), (Outcome::Pending, 1));
    assert_eq!(exits(&stop), [ExitCode::Credentials]);
    assert_eq!(server.seen()[1].header("authorization"), Some("Basic eDp5"));
}

/// Makes a call that succeeds right before the second attempt of another.
struct SuccessBetween<'a>(&'a Sender, &'a Request);

impl BeforeAttempt for SuccessBetween<'_> {
    async fn before(&mut self, attempt: u32) -> Result<(), NotNow> {
        if attempt == 2 {
            let settled = Box::pin(self.0.send(Call::new(self.1, &Start), &mut ())).await;
            assert_eq!(settled.outcome, Outcome::Delivered);
        }
        Ok(())
    }

    async fn not_applied(&mut self) {}
}

#[tokio::test]
async fn a_call_refused_with_two_tokens_is_rejected_while_others_succeed() {
    let server =
        FaultServer::start(
            |_, seen| {
                if seen.head.starts_with("POST /v2/bad") { answer(401, "", "") } else { ok() }
            },
        )
        .await;
    let settings = settings(&server);
    let stop = settings.stop.clone();
    let sender = Sender::new(settings).unwrap();
    let good = request(&server, Effect::Read);
    let bad = Request { url: server.url("/v2/bad"), ..good.clone() };
    let settled = sender.send(Call::new(&bad, &Start), &mut SuccessBetween(&sender, &good)).await;
    assert_eq!((settled.outcome, settled.attempts, code(&settled)), (Outcome::Rejected, 2, "401"));
    assert!(stop.reasons().is_empty());
}

#[tokio::test]
async fn many_calls_refused_together_share_one_new_token() {
    let server = FaultServer::start(|n, _| if n < 8 { answer(401, "", "") } else { ok() }).await;
    let sender = Sender::new(settings(&server)).unwrap();
    let request = request(&server, Effect::NonIdempotent);
    let calls = (0..8).map(|_| async { sender.send(Call::new(&request, &Start), &mut ()).await });
    let settled = futures_util::future::join_all(calls).await;
    assert!(settled.iter().all(|settled| settled.outcome == Outcome::Delivered));
    let mut seen: Vec<_> =
        server.seen().iter().map(|s| s.header("authorization").unwrap().to_owned()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn never_means_one_attempt() {
    let faults: [Fault; 4] =
        [|| answer(429, "", ""), || answer(401, "", ""), || answer(503, "retry-after: 1\r\n", ""), reset];
    for fault in faults {
        let server = serving([fault, ok]).await;
        let (settled, _) = send(&server, Effect::Idempotent, |s| s.retry = Retry::Never).await;
        assert_eq!((settled.outcome, settled.attempts), (Outcome::Failed, 1));
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn always_repeats_and_keeps_the_doubt() {
    let always = |s: &mut Settings| s.retry = Retry::Always;
    let server = serving([reset, ok]).await;
    assert_eq!(send(&server, Effect::NonIdempotent, always).await.0.outcome, Outcome::Delivered);

    let server = serving([reset, || answer(409, "", r#"{"message":"beam already started"}"#)]).await;
    let (settled, _) = send(&server, Effect::NonIdempotent, always).await;
    assert_eq!((settled.outcome, status(&settled)), (Outcome::Delivered, Some(409)));

    let server = serving([reset, || answer(400, "", "")]).await;
    let (settled, _) = send(&server, Effect::NonIdempotent, always).await;
    assert_eq!((settled.outcome, code(&settled), status(&settled)), (Outcome::Unknown, "reset", Some(400)));

    let server = serving([reset, || answer(400, "", "")]).await;
    let (settled, _) = send(&server, Effect::Idempotent, always).await;
    assert_eq!((settled.outcome, code(&settled)), (Outcome::Rejected, "400"));

    let server = serving([reset, || answer(429, "", "")]).await;
    let short = |s: &mut Settings| (s.retry, s.max_elapsed) = (Retry::Always, Duration::from_millis(20));
    let (settled, _) = send(&server, Effect::NonIdempotent, short).await;
    assert_eq!((settled.outcome, code(&settled)), (Outcome::Unknown, "reset"));
}

#[tokio::test]
async fn already_done_counts_only_after_an_ambiguity() {
    let server = serving([|| answer(409, "", "{}")]).await;
    let sender = Sender::new(settings(&server)).unwrap();
    let request = request(&server, Effect::NonIdempotent);
    let call = Call::new(&request, &Start);
    assert_eq!(sender.send(call, &mut ()).await.outcome, Outcome::Rejected);
    let resent = Call { maybe_applied: true, ..call };
    assert_eq!(sender.send(resent, &mut ()).await.outcome, Outcome::Delivered);
    let unruled = Call { rules: &NoRules, ..resent };
    assert_eq!(sender.send(unruled, &mut ()).await.outcome, Outcome::Unknown);
}

#[tokio::test]
async fn the_hook_learns_what_was_not_applied() {
    let server = serving([
        || answer(429, "", ""),
        || answer(503, "", r#"{"code":1}"#),
        reset,
        || answer(425, "", ""),
        ok,
    ])
    .await;
    let sender = Sender::new(settings(&server)).unwrap();
    let request = request(&server, Effect::Idempotent);
    let mut diary = Diary::default();
    sender.send(Call::new(&request, &Start), &mut diary).await;
    // After the reset nothing can be said any more, and so the 425 clears nothing.
    let want = ["before 1", "not applied", "before 2", "not applied", "before 3", "before 4", "before 5"];
    assert_eq!(diary.0, want);
}

#[tokio::test]
async fn a_hook_can_hold_an_attempt_back() {
    struct Full;
    impl BeforeAttempt for Full {
        async fn before(&mut self, _: u32) -> Result<(), NotNow> {
            Err(NotNow)
        }
        async fn not_applied(&mut self) {}
    }
    let server = serving([ok]).await;
    let sender = Sender::new(settings(&server)).unwrap();
    let request = request(&server, Effect::NonIdempotent);
    let settled = sender.send(Call::new(&request, &Start), &mut Full).await;
    assert_eq!((settled.outcome, settled.attempts), (Outcome::Pending, 0));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_drain_ends_waiting_at_once_and_lets_attempts_in_flight_go_on() {
    let server = serving([|| answer(429, "retry-after: 300\r\n", ""), ok]).await;
    let settings = settings(&server);
    let stop = settings.stop.clone();
    let sender = Arc::new(Sender::new(settings).unwrap());
    let request = request(&server, Effect::NonIdempotent);
    let waiting = {
        let (sender, request) = (Arc::clone(&sender), request.clone());
        tokio::spawn(async move { sender.send(Call::new(&request, &Start), &mut ()).await })
    };
    while server.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    stop.drain(StopReason::new(ExitCode::Stopped, "interrupted"));
    let settled = waiting.await.unwrap();
    assert_eq!((settled.outcome, settled.attempts), (Outcome::Pending, 1));
    let mut diary = Diary::default();
    let late = sender.send(Call::new(&request, &Start), &mut diary).await;
    assert_eq!((late.outcome, late.attempts, diary.0.len()), (Outcome::Pending, 0, 0));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_is_in_flight_when_time_is_up_is_unknown_or_pending() {
    for (effect, outcome) in [(Effect::NonIdempotent, Outcome::Unknown), (Effect::Upsert, Outcome::Pending)] {
        let server = serving([|| Act::Stall(Vec::new())]).await;
        let settings = settings(&server);
        let stop = settings.stop.clone();
        let sender = Sender::new(settings).unwrap();
        let request = request(&server, effect);
        let mut diary = Diary::default();
        let sending = sender.send(Call::new(&request, &Start), &mut diary);
        let stopping = async {
            while server.seen().is_empty() {
                tokio::task::yield_now().await;
            }
            stop.drain(StopReason::new(ExitCode::Stopped, "interrupted"));
            stop.hurry();
        };
        let (settled, ()) = tokio::join!(sending, stopping);
        assert_eq!((settled.outcome, code(&settled)), (outcome, "stopped"));
        assert_eq!(diary.0, ["before 1"]);
    }
}

#[tokio::test]
async fn another_origin_gets_no_token_and_its_401_is_its_own() {
    let server = serving([ok, || answer(401, "", "")]).await;
    let other = |s: &mut Settings| s.base_url = "https://api.100ms.live/v2".into();
    let mut settings = settings(&server);
    other(&mut settings);
    let stop = settings.stop.clone();
    let sender = Sender::new(settings).unwrap();
    let request = request(&server, Effect::Read);
    let call = Call::new(&request, &NoRules);
    assert_eq!(sender.send(call, &mut ()).await.outcome, Outcome::Delivered);
    assert_eq!(sender.send(call, &mut ()).await.outcome, Outcome::Rejected);
    assert!(stop.reasons().is_empty());
    assert!(server.seen().iter().all(|seen| seen.header("authorization").is_none()));

    let server = serving([|| answer(401, "", "")]).await;
    let (settled, stop) = send(&server, Effect::Read, other).await;
    assert_eq!((settled.outcome, exits(&stop)), (Outcome::Pending, vec![ExitCode::Credentials]));
}

#[tokio::test]
async fn a_secret_that_is_echoed_does_not_come_back() {
    let server = FaultServer::start(|_, seen| {
        let echo = format!("{:?}", [seen.header("authorization"), seen.header("x-api-key")]);
        answer(400, "", &format!("{{\"message\":{echo:?}}}"))
    })
    .await;
    let key = Header::secret("X-Api-Key", "hush-hush").unwrap();
    let (settled, _) = send(&server, Effect::Read, |s| s.headers.push(key)).await;
    let shown = format!("{settled:?}");
    let seen = server.seen();
    let token = seen[0].header("authorization").unwrap().strip_prefix("Bearer ").unwrap();
    assert!(!shown.contains(token) && !shown.contains("hush-hush"), "{shown}");
    assert!(shown.contains("[redacted by roompipe]"));
}

#[tokio::test]
async fn a_proxy_that_wants_credentials_stops_the_run() {
    let server = serving([|| answer(407, "", "")]).await;
    let through = |s: &mut Settings| {
        s.proxy = Proxy::Url(s.base_url.replace("/v2", "").into());
        s.base_url = "https://api.100ms.live/v2".into();
    };
    let mut settings = settings(&server);
    through(&mut settings);
    let stop = settings.stop.clone();
    let sender = Sender::new(settings).unwrap();
    let tunnelled =
        Request { url: "https://api.100ms.live/v2".into(), ..request(&server, Effect::NonIdempotent) };
    let settled = sender.send(Call::new(&tunnelled, &Start), &mut ()).await;
    assert_eq!((settled.outcome, code(&settled)), (Outcome::Pending, "proxy_auth"));
    assert_eq!(exits(&stop), [ExitCode::Configuration]);

    let (settled, stop) = send(&server, Effect::NonIdempotent, |_| ()).await;
    assert_eq!((settled.outcome, status(&settled)), (Outcome::Pending, Some(407)));
    assert_eq!(exits(&stop), [ExitCode::Configuration]);
}

#[tokio::test]
async fn twenty_forbidden_calls_stop_the_run() {
    let server = serving([|| answer(403, "", "")]).await;
    let settings = settings(&server);
    let stop = settings.stop.clone();
    let sender = Sender::new(settings).unwrap();
    let request = request(&server, Effect::Read);
    for n in 0..20 {
        assert_eq!(stop.level(), Level::Running, "{n}");
        assert_eq!(sender.send(Call::new(&request, &Start), &mut ()).await.outcome, Outcome::Rejected);
    }
    assert_eq!(exits(&stop), [ExitCode::Credentials]);
}

#[tokio::test]
async fn what_cannot_be_sent_is_told_without_sending() {
    let server = serving([ok]).await;
    let settings = settings(&server);
    let stop = settings.stop.clone();
    let sender = Sender::new(settings).unwrap();
    let nowhere = Request { url: "rooms".into(), ..request(&server, Effect::Read) };
    let settled = sender.send(Call::new(&nowhere, &Start), &mut ()).await;
    assert_eq!((settled.outcome, code(&settled), settled.attempts), (Outcome::Invalid, "url", 0));
    assert!(stop.reasons().is_empty());
}

/// The pipeline may move calls between threads.
#[test]
fn a_call_in_progress_can_be_sent_to_another_thread() {
    fn check<T: Send>(_: impl FnOnce(&'static Sender, Call<'static>) -> T) {}
    check(|sender, call| async move { sender.send(call, &mut Diary::default()).await });
}
