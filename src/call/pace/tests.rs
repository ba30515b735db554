//! The gates together, on a clock that only tests move.

use std::sync::Arc;

use super::*;

/// Tells the pace of an answer to an attempt that leaves now.
fn hear(pace: &Pace, status: u16, delay: Option<Duration>) {
    let permit = Permit { pace, left: pace.gates().told.take(Instant::now()) };
    pace.heard(&permit, Heard { status, delay, quota: None });
}

const MS: Duration = Duration::from_millis(1);

fn rate(text: &str) -> Option<Rate> {
    Some(text.parse().unwrap())
}

/// Takes permits one after another and returns when each was given, in milliseconds.
async fn times(pace: &Pace, count: usize) -> Vec<u128> {
    let start = Instant::now();
    let mut given = Vec::new();
    for _ in 0..count {
        pace.permit().await;
        given.push(start.elapsed().as_millis());
    }
    given
}

#[tokio::test(start_paused = true)]
async fn without_a_rate_nothing_waits() {
    assert_eq!(times(&Pace::new(None, None), 1000).await, [0; 1000]);
}

#[tokio::test(start_paused = true)]
async fn a_rate_spaces_the_permits() {
    assert_eq!(times(&Pace::new(rate("20/s"), None), 4).await, [0, 50, 100, 150]);
    assert_eq!(times(&Pace::new(rate("60/m"), None), 3).await, [0, 1000, 2000]);
}

#[tokio::test(start_paused = true)]
async fn a_burst_goes_first() {
    let burst = NonZeroU32::new(3);
    assert_eq!(times(&Pace::new(rate("10/s"), burst), 5).await, [0, 0, 0, 100, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_late_wake_up_is_caught_up_within_the_burst() {
    let pace = Pace::new(rate("100/s"), None);
    times(&pace, 5).await;
    tokio::time::advance(25 * MS).await;
    assert_eq!(times(&pace, 4).await, [0, 0, 5, 15]);
}

#[tokio::test(start_paused = true)]
async fn a_high_rate_is_kept_although_the_timer_counts_milliseconds() {
    let pace = Pace::new(rate("5000/s"), None);
    let given = times(&pace, 5250).await;
    let last = given[5249];
    assert!((999..=1002).contains(&last), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_everything_and_the_longest_one_counts() {
    let pace = Pace::new(None, None);
    hear(&pace, 503, Some(500 * MS));
    hear(&pace, 503, Some(100 * MS));
    assert_eq!(times(&pace, 3).await, [500, 500, 500]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_begins_while_others_wait_holds_them_too() {
    let pace = Arc::new(Pace::new(rate("10/s"), None));
    let start = Instant::now();
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let pace = Arc::clone(&pace);
            tokio::spawn(async move {
                pace.permit().await;
                start.elapsed().as_millis()
            })
        })
        .collect();
    tokio::time::sleep(50 * MS).await;
    hear(&pace, 503, Some(950 * MS));
    let mut given = Vec::new();
    for each in waiting {
        given.push(each.await.unwrap());
    }
    assert_eq!(given, [0, 1000, 1100]);
}

#[tokio::test(start_paused = true)]
async fn one_that_stops_waiting_leaves_the_queue() {
    let pace = Pace::new(rate("1/s"), None);
    times(&pace, 1).await;
    assert!(tokio::time::timeout(100 * MS, pace.permit()).await.is_err());
    assert_eq!(times(&pace, 1).await, [900]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_slows_the_pace_below_what_was_accepted() {
    let pace = Pace::new(None, None);
    for _ in 0..20 {
        pace.permit().await;
        hear(&pace, 200, None);
        tokio::time::advance(50 * MS).await;
    }
    hear(&pace, 429, None);
    let given = times(&pace, 19).await;
    let last = given[18];
    assert!((950..=1100).contains(&last), "19 permits at about 18/s took {last} ms");
}

#[tokio::test]
async fn a_fine_wait_never_ends_early() {
    for micros in [50, 700, 3100] {
        let at = Instant::now() + Duration::from_micros(micros);
        wait_until(at, true).await;
        assert!(Instant::now() >= at);
    }
}
