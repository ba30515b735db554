//! The progress bar on a terminal: how much of the input is read, what became of it, how fast.
//!
//! It looks at the run's counts from a thread of its own; the run does not know it is watched.

use std::io::IsTerminal as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::outcome::Outcome;
use crate::pipeline::Progress;

use super::arguments::{LooksArguments, ProgressWhen};
use super::log;

/// How often it is drawn anew.
const EVERY: Duration = Duration::from_millis(100);

/// A bar that is shown until it is dropped.
pub(super) struct Shown {
    bar: ProgressBar,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Shows a bar, where one is wanted.
pub(super) fn show(looks: &LooksArguments, events_on_stdout: bool, progress: Progress) -> Option<Shown> {
    let wanted = match looks.progress {
        ProgressWhen::Always => true,
        ProgressWhen::Never => false,
        // Events on the same terminal would run through the bar.
        ProgressWhen::Auto => {
            let mixed = events_on_stdout && std::io::stdout().is_terminal();
            log::is_terminal() && !looks.quiet && !mixed
        }
    };
    if !wanted {
        return None;
    }
    let (bar, template) = match progress.total_bytes() {
        Some(total) => (ProgressBar::new(total), "{bar:24} {percent:>3}% {msg} eta {eta}"),
        None => (ProgressBar::no_length(), "{spinner} {msg}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    log::set_bar(Some(bar.clone()));
    let (end, ended) = channel();
    let watched = bar.clone();
    let watch = move || {
        let began = Instant::now();
        while matches!(ended.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
            watched.set_position(settled_bytes(&progress));
            watched.set_message(message(&progress, began.elapsed()));
        }
    };
    let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(watch).ok();
    Some(Shown { bar, end: Some(end), thread })
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

fn message(progress: &Progress, elapsed: Duration) -> String {
    let tally = progress.tally();
    let mut text = format!("{} read", tally.records_read());
    for outcome in Outcome::ALL {
        if tally.of(outcome) > 0 {
            text.push_str(&format!(", {} {outcome}", tally.of(outcome)));
        }
    }
    let in_flight = tally.records_read() - tally.settled();
    text.push_str(&format!(", {in_flight} under way, {:.0}/s", tally.per_second(elapsed)));
    text
}

impl Drop for Shown {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A bar that panicked is no reason to fail a run that is over.
            let _ = thread.join();
        }
        self.bar.finish_and_clear();
        log::set_bar(None);
    }
}
