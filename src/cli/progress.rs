//! Progress on stderr: a bar on a terminal, and elsewhere a line now and then, for whoever reads the log of a long run.
//!
//! It looks at the run's counts from a thread of its own; the run does not know it is watched.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::outcome::Outcome;
use crate::pipeline::{Progress, time_in_words};

use super::arguments::{LooksArguments, ProgressWhen};
use super::{emulator, log};

/// How often the bar is drawn anew.
const EVERY: Duration = Duration::from_millis(100);

/// How often a line is written; a run that is over before says nothing.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Calls a second are those of this time.
const RECENT: Duration = Duration::from_secs(5);

/// Progress that is shown until it is dropped.
pub(super) struct Shown {
    bar: Option<ProgressBar>,
    /// Ends the thread when it is dropped.
    end: Option<End>,
    thread: Option<JoinHandle<()>>,
}

enum End {
    Bar { _end: std::sync::mpsc::Sender<()> },
    Lines { _end: oneshot::Sender<()> },
}

enum How {
    Bar,
    Lines,
    Not,
}

fn how(looks: &LooksArguments, events_on_stdout: bool) -> How {
    // Events on the same terminal would run through the bar.
    let mixed = || events_on_stdout && std::io::stdout().is_terminal();
    match (looks.progress, log::is_terminal()) {
        (ProgressWhen::Never, _) => How::Not,
        (ProgressWhen::Auto, _) if looks.quiet => How::Not,
        (ProgressWhen::Auto, true) if mixed() => How::Not,
        (ProgressWhen::Auto | ProgressWhen::Always, true) => How::Bar,
        (ProgressWhen::Auto | ProgressWhen::Always, false) => How::Lines,
    }
}

/// Shows progress, where it is wanted.
pub(super) fn show(looks: &LooksArguments, events_on_stdout: bool, progress: Progress) -> Option<Shown> {
    match how(looks, events_on_stdout) {
        How::Bar => Some(bar(progress)),
        How::Lines => Some(lines(progress)),
        How::Not => None,
    }
}

fn bar(progress: Progress) -> Shown {
    let (bar, template) = match progress.total_bytes() {
        Some(total) => (ProgressBar::new(total), "{bar:24} {percent:>3}% {msg} eta {eta}"),
        None => (ProgressBar::no_length(), "{spinner} {msg}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    log::set_bar(Some(bar.clone()));
    let (end, ended) = channel::<()>();
    let watched = bar.clone();
    let watch = move || {
        let mut speed = Speed::new(RECENT);
        while matches!(ended.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
            watched.set_position(settled_bytes(&progress));
            watched.set_message(message(&progress, &mut speed));
        }
    };
    let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(watch).ok();
    Shown { bar: Some(bar), end: Some(End::Bar { _end: end }), thread }
}

fn lines(progress: Progress) -> Shown {
    let (end, ended) = oneshot::channel::<()>();
    let watch = move || {
        let Ok(runtime) = emulator::runtime() else { return };
        let began = Instant::now();
        let mut speed = Speed::new(LINE_EVERY);
        let say = || {
            let mut text = message(&progress, &mut speed);
            if let Some(left) = time_left(&progress, began.elapsed()) {
                let _ = write!(text, ", eta {}", time_in_words(left));
            }
            log::tell("progress", &text, None);
        };
        runtime.block_on(now_and_then(say, ended));
    };
    let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(watch).ok();
    Shown { bar: None, end: Some(End::Lines { _end: end }), thread }
}

/// Says something now and then until there is nothing more to say.
async fn now_and_then(mut say: impl FnMut(), ended: oneshot::Receiver<()>) {
    let mut due = tokio::time::interval_at(Instant::now() + LINE_EVERY, LINE_EVERY);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            biased;
            _ = &mut ended => return,
            _ = due.tick() => say(),
        }
    }
}

/// As much of the input as has settled: what is only read may still take long.
fn settled_bytes(progress: &Progress) -> u64 {
    let (read, settled) = {
        let tally = progress.tally();
        (tally.records_read().max(1), tally.settled())
    };
    let bytes = u128::from(progress.bytes_read()) * u128::from(settled) / u128::from(read);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// How long the rest of the input takes, if it goes on like that; nothing where nobody knows how much there is.
fn time_left(progress: &Progress, elapsed: Duration) -> Option<Duration> {
    let total = progress.total_bytes()?;
    let settled = settled_bytes(progress).min(total);
    let left = (total - settled) as f64 / (settled > 0).then_some(settled as f64)?;
    Duration::try_from_secs_f64(elapsed.as_secs_f64() * left).ok()
}

fn message(progress: &Progress, speed: &mut Speed) -> String {
    let tally = progress.tally();
    let [calls, ..] = tally.sent();
    let mut text = format!("{} read", tally.records_read());
    for outcome in Outcome::ALL {
        if tally.of(outcome) > 0 {
            let _ = write!(text, ", {} {outcome}", tally.of(outcome));
        }
    }
    let under_way = tally.records_read() - tally.settled();
    drop(tally);
    let _ = write!(text, ", {under_way} under way, {} in flight", progress.in_flight());
    let _ = write!(text, ", {:.0}/s", speed.of(Instant::now(), calls));
    match progress.pace() {
        Some(pace) if pace.is_paused => text.push_str(", paused as the API asks"),
        Some(pace) if pace.is_adaptive => {
            let _ = write!(text, ", slowed by 429s to {:.0}/s", pace.per_second.unwrap_or_default());
        }
        _ => {}
    }
    text
}

/// How fast a count has risen of late.
struct Speed {
    over: Duration,
    seen: VecDeque<(Instant, u64)>,
}

impl Speed {
    fn new(over: Duration) -> Self {
        Self { over, seen: VecDeque::from([(Instant::now(), 0)]) }
    }

    fn of(&mut self, now: Instant, count: u64) -> f64 {
        // One that is older stays, so that there is always something to compare with.
        while self.seen.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= self.over) {
            self.seen.pop_front();
        }
        let (at, before) = self.seen.front().copied().unwrap_or((now, count));
        self.seen.push_back((now, count));
        let seconds = now.duration_since(at).as_secs_f64();
        if seconds > 0.0 { count.saturating_sub(before) as f64 / seconds } else { 0.0 }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // Progress that panicked is no reason to fail a run that is over.
            let _ = thread.join();
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            log::set_bar(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_comes_every_half_minute_and_none_before_the_first() {
        for (seconds, lines) in [(0, 0), (29, 0), (31, 1), (59, 1), (61, 2), (3601, 120)] {
            let (end, ended) = oneshot::channel();
            let mut said = 0;
            let watched = now_and_then(|| said += 1, ended);
            let run = async {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                drop(end);
            };
            tokio::join!(run, watched);
            assert_eq!(said, lines, "{seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn speed_is_that_of_the_last_seconds() {
        let mut speed = Speed::new(Duration::from_secs(5));
        let start = Instant::now();
        let mut at = |seconds: u64, count| speed.of(start + Duration::from_secs(seconds), count).round();
        assert_eq!(at(0, 0), 0.0);
        assert_eq!(at(1, 10), 10.0);
        assert_eq!(at(4, 100), 25.0);
        assert_eq!(at(9, 100), 0.0);
        assert_eq!(at(10, 160), 10.0);
    }
}
