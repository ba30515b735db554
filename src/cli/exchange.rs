//! What comes back to a call that `test` sends: its attempts as they end, the answer, what it means, and what a run
//! would do with it.
//!
//! It sends nothing. What it shows of an answer it takes from the event, so that it shows no more than an event does.

use std::io::{self, Write as _};
use std::time::Instant;

use serde_json::Value;

use crate::call::{BeforeAttempt, BodyKind, Ended, NotNow, Reason, Settled};
use crate::exit::ExitCode;
use crate::ledger::printable;
use crate::mapping::Request;
use crate::outcome::Outcome;

use super::draw::Draw;
use super::paint::Hue;

/// Tells on stdout how each attempt ended, as it ends.
pub(super) struct Watch<'a> {
    draw: Option<&'a Draw<'a>>,
    /// When the last attempt ended.
    last: Option<Instant>,
    /// How long the attempt under way had waited.
    waited: Option<f64>,
    failed: Option<io::Error>,
}

impl<'a> Watch<'a> {
    /// Tells it in this drawing, or not at all.
    pub(super) fn new(draw: Option<&'a Draw<'a>>) -> Self {
        Self { draw, last: None, waited: None, failed: None }
    }

    /// Why it could not be told, where it could not.
    pub(super) fn end(self) -> io::Result<()> {
        self.failed.map_or(Ok(()), Err)
    }
}

impl BeforeAttempt for Watch<'_> {
    async fn before(&mut self, _: u32) -> Result<(), NotNow> {
        self.waited = self.last.map(|at| at.elapsed().as_secs_f64());
        Ok(())
    }

    async fn not_applied(&mut self) {}

    fn ended(&mut self, ended: &Ended<'_>) {
        self.last = Some(Instant::now());
        let Some(draw) = self.draw else { return };
        let mut out = Vec::new();
        let came = match (ended.status(), ended.failure()) {
            (Some(status), _) => in_words(status),
            (None, why) => format!("no answer ({})", why.unwrap_or_default()),
        };
        let waited = self.waited.map_or_else(String::new, |s| format!(", {s:.1} s later"));
        let took = ended.took.as_secs_f64() * 1000.0;
        draw.title(&format!("attempt {}{waited}: {came} in {took:.1} ms", ended.number), &mut out);
        draw.header_lines(&ended.headers(), &mut out);
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&out).and_then(|()| stdout.flush());
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }
}

/// The answer's body and what it means; `event` is what a run would write.
pub(super) fn answer(
    draw: &Draw<'_>,
    request: &Request,
    settled: &Settled,
    reasons: &[Reason],
    event: &[u8],
    out: &mut Vec<u8>,
) {
    out.push(b'\n');
    let data = serde_json::from_slice::<Value>(event).ok().map(|mut event| event["data"].take());
    match (&data, &settled.response) {
        (Some(data), Some(response)) => body(draw, &data["response"], response.kind, out),
        // Nested deeper than our library reads: as it would be written.
        (None, _) => {
            let _ = writeln!(out, "{}\n", printable(&String::from_utf8_lossy(event)));
        }
        (Some(_), None) => {}
    }
    let error = data.as_ref().map_or(&Value::Null, |data| &data["error"]);
    let (hue, text) = meaning(settled, error, reasons);
    draw.remark(hue, &text, out);
    for text in consequences(request, settled, reasons) {
        draw.remark(Hue::Quiet, &text, out);
    }
}

fn body(draw: &Draw<'_>, response: &Value, kind: BodyKind, out: &mut Vec<u8>) {
    match (kind, response["body"].as_str()) {
        (BodyKind::Empty, _) => return,
        (BodyKind::Text, Some(text)) => {
            for line in text.lines() {
                let _ = writeln!(out, "{}", printable(line));
            }
        }
        (BodyKind::Bytes, Some(base64)) => {
            let text = format!("# bytes, {} characters of base64 with `--as json`", base64.len());
            let _ = writeln!(out, "{}", draw.paint.text(Hue::Quiet, text));
        }
        _ => draw.paint.json(&response["body"], out),
    }
    if response["body_truncated"] == Value::Bool(true) {
        draw.remark(Hue::Warn, "the body is longer; events carry as much of it", out);
    }
    out.push(b'\n');
}

/// How the call ended, in words.
fn meaning(settled: &Settled, error: &Value, reasons: &[Reason]) -> (Hue, String) {
    let status = settled.response.as_ref().map(|response| response.status);
    let why = match (error["code"].as_str(), error["message"].as_str()) {
        (Some(code), Some(message)) => format!("{message} ({code})"),
        _ => "no more is known".to_owned(),
    };
    let attempts = match settled.attempts {
        1 => "1 attempt".to_owned(),
        several => format!("{several} attempts"),
    };
    match settled.outcome {
        Outcome::Delivered if settled.reconciled => {
            let text = "its answer was lost, and a read of what is there shows that it was applied";
            (Hue::Good, format!("delivered: {text}"))
        }
        Outcome::Delivered if status.is_some_and(|status| !(200..300).contains(&status)) => {
            (Hue::Good, "delivered: the answer says that an earlier attempt had been applied".to_owned())
        }
        Outcome::Delivered => {
            (Hue::Good, "delivered: the whole answer came, and no error is in it".to_owned())
        }
        Outcome::Rejected => (Hue::Bad, format!("rejected: the API refused it: {why}")),
        Outcome::Failed => (Hue::Bad, format!("failed after {attempts}: {why}")),
        Outcome::Unknown => (Hue::Bad, format!("unknown: it may have been applied: {why}")),
        Outcome::Pending => {
            let told: Vec<&str> = reasons.iter().map(|reason| reason.message.as_str()).collect();
            (Hue::Bad, format!("pending: not delivered, and stopped: {}", told.join("; ")))
        }
        outcome => (Hue::Bad, format!("{outcome}: {why}")),
    }
}

/// What a run would do after such an end, and what this test has left behind.
fn consequences(request: &Request, settled: &Settled, reasons: &[Reason]) -> Vec<String> {
    let mut all = Vec::new();
    let status = settled.response.as_ref().map(|response| response.status);
    if let Some(reason) = reasons.first() {
        all.push(format!("run would stop here, with exit code {}", reason.exit.number()));
        return all;
    }
    let may_repeat = request.effect.may_repeat();
    match settled.outcome {
        Outcome::Delivered => {
            all.push("run would count it as delivered; with a ledger it would skip it from then on".to_owned());
        }
        Outcome::Rejected => all.push(
            "run would not try again: it writes it to --dead-letters, goes on, and ends with exit code 1".to_owned(),
        ),
        Outcome::Failed => all.push(
            "run would have tried as often: it writes it to --dead-letters, from where replay sends it, and goes on"
                .to_owned(),
        ),
        Outcome::Unknown => all.push(
            "run would not repeat it: it writes it to --dead-letters, and keeps it unknown until --resend-unknown"
                .to_owned(),
        ),
        _ => {}
    }
    match status {
        Some(403) => {
            all.push("run would stop with exit code 77 if its first 20 calls all ended so".to_owned())
        }
        Some(300..400) => {
            all.push("run would stop with exit code 78 if its first 20 calls all ended so".to_owned())
        }
        None if settled.outcome == Outcome::Failed => {
            all.push(
                "run would stop with exit code 75 after 20 attempts without an answer, 10 s at least"
                    .to_owned(),
            );
        }
        _ => {}
    }
    if !may_repeat && matches!(settled.outcome, Outcome::Delivered | Outcome::Unknown) {
        all.push(
            "test keeps no ledger: a run over this record sends it once more, with a second effect"
                .to_owned(),
        );
    }
    all
}

/// What the process ends with.
pub(super) fn exit_code(settled: &Settled, reasons: &[Reason]) -> ExitCode {
    let of_call = match settled.outcome {
        Outcome::Delivered => ExitCode::Done,
        // Nobody is there.
        Outcome::Failed if settled.response.is_none() => ExitCode::Stopped,
        _ => ExitCode::SomeNot,
    };
    match settled.outcome {
        // A stop that came when all was done has left nothing out.
        Outcome::Delivered => of_call,
        _ => reasons.iter().fold(of_call, |exit, reason| exit.worst(reason.exit)),
    }
}

fn in_words(status: u16) -> String {
    let words = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    words.map_or_else(|| status.to_string(), |words| format!("{status} {words}"))
}
