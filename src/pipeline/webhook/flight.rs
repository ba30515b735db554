//! One post until it is taken, or until nobody can wait for it any longer; and what all posts of a run share.
//!
//! It knows no queue: which events are in the post, and what becomes of them then, is decided elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::call::{Backoff, Post, Posted};
use crate::output::{Meaning, Parcel, Signer, meaning};

/// Answers that blame the post, after which others go first.
const REFUSALS: u32 = 5;

/// A stated delay that is shorter than this does not take the place of our own.
const STATED: Duration = Duration::from_secs(1);

/// How one post ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    Taken,
    /// The receiver wants no more posts.
    Gone,
    /// It does not get through, and others may.
    Refused,
}

/// What all posts of a run share.
#[derive(Debug, Default)]
pub(super) struct Weather {
    /// The receiver has said how long it wants to be left alone.
    pause: Mutex<Option<Instant>>,
    /// What was heard last instead of success.
    last: Mutex<Option<String>>,
    pub(super) repeated: AtomicU64,
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Weather {
    /// What was heard last instead of success.
    pub(super) fn last(&self) -> String {
        hold(&self.last).clone().unwrap_or_else(|| "no answer yet".to_owned())
    }

    async fn clear(&self) {
        loop {
            let until = *hold(&self.pause);
            match until {
                Some(until) if until > Instant::now() => sleep_until(until).await,
                _ => return,
            }
        }
    }

    fn pause(&self, delay: Duration) {
        let until = Instant::now().checked_add(delay);
        let mut pause = hold(&self.pause);
        *pause = (*pause).max(until);
    }

    fn heard(&self, posted: &Posted) {
        let text = match posted {
            Posted::Answered(status, _) => format!("the answer was {status}"),
            Posted::Failed(why) => why.clone(),
        };
        *hold(&self.last) = Some(text);
    }
}

/// Posts one parcel, the same bytes each time, signed anew each time.
pub(super) async fn fly(
    poster: &impl Post,
    signer: Option<&Signer>,
    weather: &Weather,
    parcel: &Parcel,
    longest: Duration,
) -> Landing {
    let began = Instant::now();
    let mut waits = Backoff::default().waits();
    let mut refusals = 0;
    for attempt in 0_u64.. {
        weather.clear().await;
        weather.repeated.fetch_add(u64::from(attempt > 0), Ordering::Relaxed);
        let posted = attempt_once(poster, signer, parcel).await;
        let (status, delay) = match &posted {
            Posted::Answered(status, delay) => (Some(*status), *delay),
            Posted::Failed(_) => (None, None),
        };
        let meaning = meaning(status);
        if meaning != Meaning::Taken {
            weather.heard(&posted);
        }
        match meaning {
            Meaning::Taken => return Landing::Taken,
            Meaning::Gone => return Landing::Gone,
            Meaning::Refused => refusals += 1,
            Meaning::Again => {}
        }
        if refusals >= REFUSALS || began.elapsed() >= longest {
            return Landing::Refused;
        }
        let wait = waits.next().unwrap_or_default();
        if let Some(delay) = delay {
            weather.pause(delay);
        }
        // Whoever asks for next to nothing would get nothing else but this post.
        if delay.is_none_or(|delay| delay < STATED) {
            sleep(wait).await;
        }
    }
    Landing::Refused
}

async fn attempt_once(poster: &impl Post, signer: Option<&Signer>, parcel: &Parcel) -> Posted {
    let timestamp = jiff::Timestamp::now().as_second();
    let written = timestamp.to_string();
    let signature = signer.map(|signer| signer.sign(&parcel.id, timestamp, &parcel.body));
    let mut headers = vec![
        ("content-type", parcel.content_type),
        ("webhook-id", &parcel.id),
        ("webhook-timestamp", &written),
    ];
    headers.extend(signature.as_deref().map(|signature| ("webhook-signature", signature)));
    poster.post(&headers, parcel.body.clone()).await
}
