//! The end of a run: what went wrong besides records, the exit code that has been earned, the books closed.
//!
//! It starts nothing and decides nothing about a record.

use std::io;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::call::{Level, Reason, Stop};
use crate::exit::ExitCode;
use crate::ledger::{self, Closing, Left, Leftovers, StoredEvent};
use crate::outcome::Outcome;
use crate::output::{About, Account, Kept, Outputs, Said, Written};

use super::board::Board;
use super::read::ReadEnd;
use super::run::{Message, Report};
use super::webhook::Posts;
use super::work::Workshop;

/// Events of earlier runs that are looked at together.
const LEFTOVERS: usize = 256;

/// What the end of a run gathers for its report.
#[derive(Debug, Default)]
pub(super) struct End {
    exit: Option<ExitCode>,
    messages: Vec<Message>,
    pub(super) input_left: bool,
    events_lost: u64,
    posts: Option<Posts>,
}

impl End {
    fn raise(&mut self, exit: ExitCode) {
        self.exit = Some(self.exit.map_or(exit, |known| known.worst(exit)));
    }

    fn say(&mut self, exit: ExitCode, text: String, hint: Option<String>) {
        self.raise(exit);
        self.messages.push(Message { text, hint });
    }

    pub(super) fn read(&mut self, whole: bool, end: Option<ReadEnd>) {
        self.input_left = !whole;
        let Some(end) = end else {
            return self.say(ExitCode::Io, "an internal error ended the reading".to_owned(), None);
        };
        if end.broke_off {
            self.say(ExitCode::Io, "an input broke off; what was whole was sent".to_owned(), None);
        }
        if end.outdated > 0 {
            let text = format!(
                "skipped dead letters out of date, of calls that are not delivered: {}",
                end.outdated
            );
            let hint = "these calls have ended once more since: replay the dead letters of that later run, or give the \
                        original command again";
            self.say(ExitCode::SomeNot, text, Some(hint.to_owned()));
        }
        if end.pages > 0 {
            tracing::warn!(
                "{} of lists read again, but none behind them: `roompipe get` with the `--param` of its hint goes on there, \
                 and reads all",
                if end.pages == 1 { "1 page".to_owned() } else { format!("{} pages", end.pages) }
            );
        }
        if let Some(error) = end.error {
            let (exit, Message { text, hint }) = error.told();
            self.say(exit, text, hint);
        }
    }

    /// Tells events of earlier runs that some output has not surely taken.
    pub(super) async fn tell_again(&mut self, outputs: &Outputs, mut leftovers: Leftovers, stop: &Stop) {
        let (mut told, mut only_webhook) = (0_u64, 0_u64);
        let mut failed = (0_u64, None);
        let mut unread = None;
        let again = async {
            loop {
                let page = match leftovers.next(LEFTOVERS) {
                    Ok(page) if page.is_empty() => return,
                    Ok(page) => page,
                    Err(error) => return unread = Some(error),
                };
                for StoredEvent { seq, outputs: missing, line } in page {
                    match outputs.emit_again(Kept { seq, line }, missing).await {
                        Ok(true) => told += 1,
                        Ok(false) => only_webhook += 1,
                        Err(error) => {
                            told += 1;
                            failed.0 += 1;
                            failed.1.get_or_insert(error.0);
                        }
                    }
                }
            }
        };
        // An output that takes nothing must not keep a run from being stopped.
        tokio::select! {
            () = again => {}
            () = stop.reached(Level::Drain) => {}
        }
        if told > 0 {
            tracing::info!("{} told again: an earlier run may not have written them", events(told));
        }
        if only_webhook > 0 && outputs.webhook.is_none() {
            tracing::warn!(
                "{} kept for a webhook, which this run has none of: `roompipe ledger flush LEDGER --webhook URL` posts them",
                events(only_webhook)
            );
        }
        self.emit_failed(failed);
        if let Some(error) = unread {
            self.say(ExitCode::Io, with_causes(&error), None);
        }
    }

    fn emit_failed(&mut self, (count, first): (u64, Option<String>)) {
        if let Some(first) = first {
            let text =
                format!("`--emit` failed; {} told on stderr or as dead letters: {first}", events(count));
            self.say(ExitCode::Io, text, None);
        }
    }

    pub(super) fn written(&mut self, name: &str, written: Written) {
        self.events_lost += written.lost;
        if let Some(error) = written.error {
            // A reader that went away (`| head`) has what it wanted; a disk that is full has not.
            let gone = matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::Other);
            let exit = if gone { ExitCode::Stopped } else { ExitCode::Io };
            self.say(exit, format!("{name}: {} not written: {error}", events(written.lost)), None);
        }
    }

    /// What became of posts to a webhook; nothing where a panic ended them.
    pub(super) fn posted(&mut self, posts: Option<Posts>) {
        let Some(posts) = posts else {
            return self.say(
                ExitCode::Io,
                "an internal error ended the posts to the webhook".to_owned(),
                None,
            );
        };
        for (exit, Message { text, hint }) in posts.messages() {
            self.say(exit, text, hint);
        }
        self.posts = Some(posts);
    }

    pub(super) fn told(&mut self, workshop: &Workshop) {
        let telling = workshop.telling.load(Ordering::Relaxed);
        self.events_lost += telling;
        if telling > 0 {
            self.say(
                ExitCode::Stopped,
                format!("{} not handed to the outputs in time", events(telling)),
                None,
            );
        }
        self.emit_failed(std::mem::take(&mut *workshop.emit_failures()));
        if let (count, Some(Message { text, hint })) = std::mem::take(&mut *workshop.lists_lost()) {
            let text = match count {
                1 => format!("the list is not whole: {text}"),
                _ => format!("{count} lists are not whole; the first: {text}"),
            };
            self.say(ExitCode::SomeNot, text, hint);
        }
    }

    pub(super) fn report(
        mut self,
        board: &Board,
        elapsed: Duration,
        stopped: Vec<Reason>,
        remembers: bool,
    ) -> Report {
        // Whoever watches sees the same at the end.
        let mut counts = board.tally();
        let untold = counts.records_read() - counts.settled();
        (0..untold).for_each(|_| counts.record(Outcome::Pending));
        let tally = counts.clone();
        drop(counts);
        if untold > 0 {
            // With a ledger what is pending is never told of: the next run does it.
            if !remembers {
                let text = format!("records read and neither sent nor told of: {untold}");
                self.messages.push(Message { text, hint: None });
            }
        }
        let mut exit = self.exit.map_or(tally.exit(), |exit| exit.worst(tally.exit()));
        for reason in &stopped {
            // A stop that came when everything was read and settled has left nothing out.
            if self.input_left || tally.of(Outcome::Pending) > 0 || reason.exit != ExitCode::Stopped {
                exit = exit.worst(reason.exit);
            }
        }
        Report {
            account: Account::of(&tally, board.meter().attempts(), elapsed),
            tally,
            exit,
            elapsed,
            stopped,
            input_left: self.input_left,
            events_lost: self.events_lost,
            posts: self.posts,
            messages: self.messages,
        }
    }
}

impl Report {
    /// The same, with what else its page shows.
    pub(super) fn about(mut self, about: About, board: &Board) -> Self {
        if let Some(gauges) = board.progress().gauges() {
            self.account = self.account.with_pace(&gauges.pace, self.tally.began());
            self.account.endpoint.clone_from(&gauges.endpoint);
        }
        self.account.about = about;
        self.account.input_left = self.input_left;
        self.account.stopped =
            self.stopped.iter().map(|reason| said(&reason.message, reason.hint.as_deref())).collect();
        self.say();
        self
    }

    /// What is told besides the counts stands in the account, too.
    fn say(&mut self) {
        self.account.messages =
            self.messages.iter().map(|message| said(&message.text, message.hint.as_deref())).collect();
    }
}

/// Names of files stand in it, which are not ours.
fn said(text: &str, hint: Option<&str>) -> Said {
    let fit = |text: &str| ledger::printable(text).into_owned();
    Said { text: fit(text), hint: hint.map(fit) }
}

/// Says what of the ledger the run has not met, and closes it.
pub(super) fn closed(closing: Closing, mut report: Report, meets_all: bool) -> Report {
    // The ledger's thread is waited for, which a thread of the runtime must not.
    let finished = thread::scope(|scope| scope.spawn(|| close(closing, &mut report, meets_all)).join());
    if let Err(error) = finished.unwrap_or(Err(ledger::Error::Closed)) {
        report.exit = report.exit.worst(ExitCode::Io);
        report.messages.push(Message { text: with_causes(&error), hint: error.hint() });
    }
    report.say();
    report
}

/// First what the ledger is left with: the end that is written down holds what follows from that.
fn close(closing: Closing, report: &mut Report, meets_all: bool) -> Result<(), ledger::Error> {
    let left = closing.left();
    // A run that was stopped has not come to them yet.
    if let Ok(left) = &left
        && meets_all
        && report.stopped.is_empty()
        && !report.input_left
    {
        not_met(*left, report);
        report.say();
    }
    // An account that could not be written as JSON would be none; everything else is kept all the same.
    let closing = match serde_json::to_string(&report.account) {
        Ok(account) => closing.with_report(account),
        Err(_) => closing,
    };
    closing.finish(&report.to_json(), report.exit.number())?;
    left.map(drop)
}

/// Doubts of earlier runs that stay: their records may be missing from the input, filtered, or behind its limit.
fn not_met(left: Left, report: &mut Report) {
    // Whoever has met some has told of those, and ends with the same exit code.
    let unknown = if report.tally.of(Outcome::Unknown) == 0 { left.unknown } else { 0 };
    for (count, what, word) in [
        (left.open_intents, "may have been applied", "open"),
        (unknown, "stand unknown (they may have been applied)", "unknown"),
    ] {
        if count > 0 {
            report.exit = report.exit.worst(ExitCode::SomeNot);
            let text = format!(
                "calls of earlier runs that {what}, and whose records this run did not meet: {count}"
            );
            let hint = format!("`roompipe ledger list LEDGER --outcome {word}` names them");
            report.messages.push(Message { text, hint: Some(hint) });
        }
    }
}

/// An error with its causes; its own text fits after "failed to".
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = format!("failed to {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

pub(super) fn events(count: u64) -> String {
    if count == 1 { "1 event was".to_owned() } else { format!("{count} events were") }
}
