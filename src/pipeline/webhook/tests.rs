//! Posts to a receiver that says what a test wants, under a clock that nobody waits for.

use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::call::Posted;
use crate::output::{WebhookSink, webhook_queue};

type Answer = Box<dyn Fn(&str, usize) -> Posted + Send + Sync>;

/// Answers by the id of a post and how often it came before.
struct Receiver {
    answer: Answer,
    /// When each post came, under which id.
    came: Arc<Mutex<Vec<(Duration, String)>>>,
    began: Instant,
}

impl Post for Receiver {
    async fn post(&self, headers: &[(&str, &str)], _: Bytes) -> Posted {
        let id = headers.iter().find(|(name, _)| *name == "webhook-id").unwrap().1;
        tokio::time::sleep(Duration::from_millis(1)).await;
        let before = {
            let mut came = self.came.lock().unwrap();
            came.push((self.began.elapsed(), id.to_owned()));
            came.iter().filter(|(_, other)| other == id).count() - 1
        };
        (self.answer)(id, before)
    }
}

struct World {
    came: Arc<Mutex<Vec<(Duration, String)>>>,
    stop: Stop,
    sink: WebhookSink,
    end: JoinHandle<Posts>,
    folder: TempDir,
}

fn answered(status: u16) -> Posted {
    Posted::Answered(status, None)
}

fn start(
    change: impl FnOnce(&mut PostRules),
    answer: impl Fn(&str, usize) -> Posted + Send + Sync + 'static,
) -> World {
    let (folder, came, stop) = (tempfile::tempdir().unwrap(), Arc::default(), Stop::new());
    let mut rules = PostRules {
        name: "there".to_owned(),
        form: PostForm::Events,
        signer: None,
        batch: None,
        concurrency: 8,
        give_up: Duration::from_secs(300),
        later: String::new(),
    };
    change(&mut rules);
    let (sink, posting) = webhook_queue(false);
    let receiver = Receiver { answer: Box::new(answer), came: Arc::clone(&came), began: Instant::now() };
    let spill = Spill::new(folder.path().join("spill"), None, None);
    let courier = Courier::new(receiver, rules, posting, None, spill, stop.clone());
    let told = stop.clone();
    let end = tokio::spawn(async move { courier.run(told.reached(crate::call::Level::Now)).await });
    World { came, stop, sink, end, folder }
}

impl World {
    async fn tell(&self, ids: impl IntoIterator<Item = usize>) {
        for id in ids {
            let line = Bytes::from(format!("{{\"id\":\"evt_{id}\"}}\n"));
            let event = ToPost { line: line.clone(), masked: line, seq: None };
            self.sink.send(event).await;
        }
    }

    fn came(&self) -> MutexGuard<'_, Vec<(Duration, String)>> {
        self.came.lock().unwrap()
    }

    /// The ids in the spill file, sorted, and the report.
    async fn ends(self) -> (Vec<String>, Posts, Vec<Reason>) {
        drop(self.sink);
        let posts = self.end.await.unwrap();
        let text = std::fs::read_to_string(self.folder.path().join("spill")).unwrap_or_default();
        let mut ids: Vec<_> = text.lines().map(|line| line.split('"').nth(3).unwrap().to_owned()).collect();
        ids.sort();
        (ids, posts, self.stop.reasons())
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_answered_at_first_is_posted_until_it_is_taken() {
    for first in [
        answered(500),
        answered(503),
        answered(302),
        answered(404),
        answered(401),
        answered(429),
        Posted::Answered(503, Some(Duration::from_secs(7))),
        Posted::Failed("nobody is there".to_owned()),
    ] {
        let shown = format!("{first:?}");
        let world = start(|_| {}, move |_, before| if before < 3 { first.clone() } else { answered(204) });
        world.tell(0..20).await;
        let (spilled, posts, reasons) = world.ends().await;
        assert_eq!((posts.events, posts.repeated, posts.taken), (20, 60, 20), "{shown}");
        assert!(spilled.is_empty() && reasons.is_empty(), "{shown}: {spilled:?} {reasons:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_for_ever_is_set_aside_and_holds_up_nothing() {
    let refusals = [("evt_3", 400, 5), ("evt_0", 422, 5), ("evt_19", 413, 5)];
    for (poison, status, times) in refusals {
        for concurrency in [1, 8] {
            let answer = move |id: &str, _| answered(if id == poison { status } else { 200 });
            let world = start(|rules| rules.concurrency = concurrency, answer);
            world.tell(0..20).await;
            let came = Arc::clone(&world.came);
            let (spilled, posts, reasons) = world.ends().await;
            assert_eq!((spilled, posts.events, posts.spilled), (vec![poison.to_owned()], 19, 1));
            assert_eq!(reasons, []);
            assert_eq!(came.lock().unwrap().iter().filter(|(_, id)| id == poison).count(), times);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_for_ever_while_others_are_taken_is_set_aside_in_time() {
    let answer = |id: &str, _: usize| answered(if id == "evt_0" { 500 } else { 200 });
    let world = start(|rules| rules.give_up = Duration::from_secs(60), answer);
    for id in 0..100 {
        world.tell([id]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (spilled, posts, reasons) = world.ends().await;
    assert_eq!((spilled, posts.events, reasons), (vec!["evt_0".to_owned()], 99, vec![]));
}

#[tokio::test(start_paused = true)]
async fn where_every_post_is_refused_the_run_stops_and_all_is_kept() {
    for status in [400, 401, 403, 404] {
        let world = start(|_| {}, move |_, _| answered(status));
        world.tell(0..50).await;
        world.stop.reached(crate::call::Level::Drain).await;
        // What comes before the run has ended is kept, too.
        world.tell(50..60).await;
        let (spilled, posts, reasons) = world.ends().await;
        assert_eq!((spilled.len(), posts.spilled, posts.events), (60, 60, 0));
        assert_eq!(reasons.len(), 1);
        assert_eq!(reasons[0].exit, ExitCode::Io);
        assert!(reasons[0].message.contains(&status.to_string()), "{reasons:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_run_when_it_has_lasted_long_enough() {
    for give_up in [2, 300] {
        let world = start(
            |rules| rules.give_up = Duration::from_secs(give_up),
            |id, _| {
                if id == "evt_0" { answered(200) } else { Posted::Failed("connection refused".to_owned()) }
            },
        );
        let began = Instant::now();
        world.tell(0..30).await;
        world.stop.reached(crate::call::Level::Drain).await;
        let took = began.elapsed().as_secs();
        assert!((give_up..give_up + 3).contains(&took), "{took} s");
        let (spilled, posts, reasons) = world.ends().await;
        assert_eq!((spilled.len(), posts.events, reasons.len()), (29, 1, 1));
        assert!(reasons[0].message.contains("connection refused"), "{reasons:?}");
    }
}

/// One post is refused, and then there is nothing to post for longer than silence may last.
#[tokio::test(start_paused = true)]
async fn a_quiet_input_behind_a_refusal_is_no_silence() {
    let world = start(|_| {}, |id, _| answered(if id == "evt_0" { 400 } else { 200 }));
    world.tell([0]).await;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    world.tell(1..5).await;
    let (spilled, posts, reasons) = world.ends().await;
    assert_eq!((spilled, posts.events, reasons), (vec!["evt_0".to_owned()], 4, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_delay_of_next_to_nothing_is_no_leave_to_post_without_end() {
    let at_once = Posted::Answered(429, Some(Duration::from_micros(100)));
    let world = start(|_| {}, move |_, _| at_once.clone());
    world.tell(0..8).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let came = world.came().len();
    assert!((8..200).contains(&came), "{came} posts in a minute");
    world.stop.now(Reason::new(ExitCode::Stopped, "a signal"));
    assert_eq!(world.ends().await.0.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_gone_gets_no_more_posts() {
    let world = start(|rules| rules.concurrency = 1, |id, _| answered(if id == "evt_2" { 410 } else { 200 }));
    world.tell(0..10).await;
    let came = Arc::clone(&world.came);
    let (spilled, posts, reasons) = world.ends().await;
    assert_eq!((spilled.len(), posts.events, posts.repeated), (8, 2, 0));
    assert_eq!(came.lock().unwrap().len(), 3);
    assert!(reasons[0].message.contains("410") && reasons[0].exit == ExitCode::Io, "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stated_delay_is_kept_by_all_posts() {
    let world = start(
        |_| {},
        |id, before| match (id, before) {
            ("evt_0", 0) => Posted::Answered(429, Some(Duration::from_secs(60))),
            _ => answered(200),
        },
    );
    world.tell([0]).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    world.tell(1..30).await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(world.came().len(), 1);
    let (spilled, posts, _) = world.ends().await;
    assert_eq!((spilled.len(), posts.events, posts.repeated), (0, 30, 1));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_told_to_end_at_once_keeps_what_is_on_its_way() {
    let world = start(|_| {}, |_, _| answered(500));
    world.tell(0..12).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.stop.now(Reason::new(ExitCode::Stopped, "a signal"));
    let (spilled, posts, reasons) = world.ends().await;
    assert_eq!((spilled.len(), posts.events, reasons.len()), (12, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn members_of_a_batch_stay_together() {
    let answer = |_: &str, before: usize| answered(if before < 2 { 503 } else { 200 });
    let world = start(|rules| (rules.batch, rules.concurrency) = (Some(10), 2), answer);
    for part in [0..25, 25..26, 26..40] {
        world.tell(part).await;
        // Longer than an event waits for others.
        tokio::time::sleep(Duration::from_secs(9)).await;
    }
    let came = world.came().clone();
    let (_, posts, _) = world.ends().await;
    assert_eq!((posts.taken, posts.events, posts.repeated), (6, 40, 12));
    let mut ids: Vec<_> = came.into_iter().map(|(_, id)| id).collect();
    ids.sort();
    // Three times each: the same members make the same id.
    assert!(ids.len() == 18 && ids.chunks(3).all(|chunk| chunk[0] == chunk[2]), "{ids:?}");
    assert!(ids.iter().all(|id| id.starts_with("batch_")));
}

#[tokio::test(start_paused = true)]
async fn whoever_tells_waits_for_a_receiver_that_is_slow() {
    let world = start(|_| {}, |_, _| answered(500));
    let line = Bytes::from(format!("{{\"id\":\"evt_long\",\"data\":\"{}\"}}\n", "x".repeat(1024 * 1024)));
    let mut told = 0;
    let tell = async {
        for _ in 0..100 {
            world.sink.send(ToPost { line: line.clone(), masked: line.clone(), seq: None }).await;
            told += 1;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), tell).await.is_err());
    // Eight are on their way, one waits for its turn, and four are in the queue.
    assert!((8..16).contains(&told), "{told}");
}
