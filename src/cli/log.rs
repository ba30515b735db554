//! What is said on stderr: messages of commands, and tracing in the form `--log-format` asks for.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget};
use serde_json::json;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer as FormatWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::arguments::{LogFormat, LooksArguments};

/// The bar that must be taken off the terminal while something else is written to it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Names the bar on the terminal, or says that it is gone.
pub(super) fn set_bar(bar: Option<ProgressBar>) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = bar;
}

/// The bar is not drawn until this is dropped.
pub(super) struct NoBar(Option<ProgressBar>);

/// Keeps the bar from being drawn over something else. What is drawn of it already stays.
pub(super) fn without_bar() -> NoBar {
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(bar) = &bar {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    NoBar(bar)
}

impl Drop for NoBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

/// True where a person may be looking.
pub(super) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Messages are JSON, one a line (`--log-format json`).
static JSON: AtomicBool = AtomicBool::new(false);

/// Writes one line to stderr. A stderr that is gone can be told nothing.
fn line(text: &str) {
    let _ = writeln!(Stderr, "{text}");
}

/// Tells what went wrong, and what can be done about it.
pub(super) fn problem(text: &str, hint: Option<&str>) {
    tell("error", text, hint);
}

/// Tells what stopped a run, or how it can go on.
pub(super) fn tell(word: &str, text: &str, hint: Option<&str>) {
    if JSON.load(Ordering::Relaxed) {
        return json_line(&word.to_ascii_uppercase(), text, "hint", &hint.into());
    }
    line(&format!("{word}: {text}"));
    if let Some(hint) = hint {
        line(&format!("hint: {hint}"));
    }
}

/// A message in the form tracing gives its own.
fn json_line(level: &str, message: &str, name: &str, more: &serde_json::Value) {
    let now = format!("{:.6}", jiff::Timestamp::now());
    line(
        &json!({"timestamp": now, "level": level, "target": "roompipe", "message": message, name: more})
            .to_string(),
    );
}

/// Writes the end of a run: the text for people, or the counts as JSON.
pub(super) fn summary(text: &str, counts: &serde_json::Value) {
    if JSON.load(Ordering::Relaxed) {
        return json_line("INFO", "summary", "summary", counts);
    }
    line(text);
}

/// Stderr as everything of ours writes to it: above the progress bar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match bar {
            Some(bar) => bar.suspend(|| io::stderr().lock().write_all(bytes)),
            None => io::stderr().lock().write_all(bytes),
        }
    }

    fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        // One write, so that lines of several threads do not mix.
        self.write_all(text.to_string().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Begins to show tracing on stderr.
pub(super) fn start(looks: &LooksArguments) {
    let level = match (looks.quiet, looks.verbose) {
        (true, _) => Level::ERROR,
        (false, 0) => Level::INFO,
        (false, 1) => Level::DEBUG,
        (false, _) => Level::TRACE,
    };
    JSON.store(matches!(looks.log_format, LogFormat::Json), Ordering::Relaxed);
    let builder = tracing_subscriber::fmt().with_writer(|| Stderr).with_max_level(level);
    // A subscriber that is set already (an embedding program's) stays.
    let _ = match looks.log_format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(false).event_format(Plain).try_init(),
    };
}

/// `note: …`, `warning: …`: the form of compilers and of our own errors.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: FormatWriter<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let word = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "note",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        write!(writer, "{word}: ")?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
