//! What a settled call says of attempts that may have been applied, and of the server's time.

use super::*;

#[tokio::test]
async fn the_first_attempt_in_doubt_is_remembered_with_its_time() {
    /// Notes the time before each attempt.
    #[derive(Default)]
    struct Times(Vec<SystemTime>);
    impl BeforeAttempt for Times {
        async fn before(&mut self, _: u32) -> Result<(), NotNow> {
            self.0.push(SystemTime::now());
            Ok(())
        }
        async fn not_applied(&mut self) {}
    }
    let refused: Fault = || answer(425, "", "");
    // What is answered, and which attempt (from 0) is the first in doubt.
    let table: [([Fault; 4], Effect, Option<usize>); 5] = [
        ([refused, reset, cut, ok], Effect::Idempotent, Some(1)),
        ([refused, reset, ok, ok], Effect::NonIdempotent, Some(1)),
        ([cut, refused, refused, ok], Effect::Upsert, Some(0)),
        ([refused, refused, refused, ok], Effect::NonIdempotent, None),
        ([refused, || answer(403, "", ""), ok, ok], Effect::Idempotent, None),
    ];
    for (row, (faults, effect, first)) in table.into_iter().enumerate() {
        let server = serving(faults).await;
        let sender = Sender::new(settings(&server)).unwrap();
        let (request, mut times) = (request(&server, effect), Times::default());
        let settled = sender.send(Call::new(&request, &Start), &mut times).await;
        assert_eq!((settled.maybe_applied, settled.reconciled), (first.is_some(), false), "row {row}");
        times.0.push(SystemTime::now());
        let during = first.map(|first| times.0[first]..times.0[first + 1]);
        match (&during, &settled.first_attempt) {
            (Some(during), Some(at)) => assert!(during.contains(at), "row {row}: {at:?} in {during:?}"),
            (during, at) => assert_eq!((during, at), (&None, &None), "row {row}"),
        }
    }
}

#[tokio::test]
async fn an_earlier_runs_doubt_remains_and_its_time_is_not_known_here() {
    let server = serving([|| answer(403, "", "")]).await;
    let sender = Sender::new(settings(&server)).unwrap();
    let good = request(&server, Effect::NonIdempotent);
    let unsendable = Request { url: "nowhere".into(), ..good.clone() };
    for (request, outcome) in [(good, Outcome::Unknown), (unsendable, Outcome::Invalid)] {
        let again = Call { maybe_applied: true, ..Call::new(&request, &Start) };
        let settled = sender.send(again, &mut ()).await;
        assert_eq!((settled.outcome, settled.maybe_applied), (outcome, true));
        assert_eq!(settled.first_attempt, None);
    }
}

#[tokio::test]
async fn an_answer_carries_the_servers_time() {
    let server = serving([|| answer(200, "date: Sat, 31 Jan 2026 12:00:00 GMT\r\n", "{}"), ok]).await;
    let (settled, _) = send(&server, Effect::Read, |_| ()).await;
    let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_860_800);
    assert_eq!(settled.response.unwrap().date, Some(noon));
    let (settled, _) = send(&server, Effect::Read, |_| ()).await;
    assert_eq!(settled.response.unwrap().date, None);
}
