//! What of an event an output carries (`--emit`): the event itself, in our shape or as a CloudEvent, the answer, the record
//! with the answer, or whatever a jq program makes of the event.
//!
//! It knows how to say it, not where it is written.

use crate::call::BodyKind;
use crate::jq::{self, Program};
use crate::outcome::Outcome;
use crate::record::write_line;
use crate::template::Listed;

use super::cloudevents::CloudEvents;
use super::event::{Event, Shown, SubjectContent, push_answer};
use super::told::Told;
use super::veil::Veil;

/// The form of the lines on stdout or `--output`.
#[derive(Debug)]
pub enum Emit {
    /// The whole event.
    Event,
    /// The answer's body.
    Body,
    /// The record with the answer's body as its member `response`.
    Merge,
    /// Each output of a jq program that runs on the event.
    Jq {
        /// What makes the lines.
        program: Box<Program>,
        /// Texts are written as they are, not as JSON.
        raw: bool,
    },
    /// The whole event as a CloudEvent.
    CloudEvents(CloudEvents),
}

/// Why an event could not be emitted as asked: jq failed on it.
#[derive(Debug)]
pub struct EmitError(pub String);

impl Emit {
    /// True where the form carries an event of this outcome; the others go to dead letters or stderr.
    #[must_use]
    pub fn carries(&self, outcome: Outcome) -> bool {
        matches!(self, Self::Event | Self::CloudEvents(_)) || outcome == Outcome::Delivered
    }

    /// Appends the lines for one event.
    ///
    /// # Errors
    /// Where the jq program fails on the event; nothing is appended then.
    pub fn write(&self, event: &Event<'_>, shown: Shown, out: &mut Vec<u8>) -> Result<(), EmitError> {
        match self {
            Self::Event => event.write(shown, out),
            Self::Body => each_answer(event, &Veil::of(event, shown), |answer| {
                out.extend_from_slice(answer);
                out.push(b'\n');
            }),
            Self::Merge => {
                let veil = Veil::of(event, shown);
                for (i, subject) in event.records.iter().enumerate() {
                    let SubjectContent::Record(record) = &subject.content else { continue };
                    let mut line = Vec::new();
                    veil.push_record(subject, record, &mut line);
                    match event.result(i, &veil) {
                        Some(result) => {
                            merge(line, out, |out| out.extend_from_slice(result.to_string().as_bytes()))
                        }
                        None => each_answer(event, &veil, |answer| {
                            merge(line.clone(), out, |out| out.extend_from_slice(answer));
                        }),
                    }
                }
            }
            Self::Jq { program, raw } => {
                let mut line = Vec::new();
                event.write(shown, &mut line);
                let most = event.page.map_or(1, |page| usize::try_from(page.items).unwrap_or(1)).max(1);
                write_outputs((program, most), *raw, &line, out)?;
            }
            Self::CloudEvents(form) => {
                let mut line = Vec::new();
                event.write(shown, &mut line);
                form.write(&line, out).map_err(EmitError)?;
            }
        }
        Ok(())
    }

    /// Appends the lines for an event that was told once before, as `line`.
    ///
    /// # Errors
    /// Where the jq program fails on the event; nothing is appended then.
    pub(super) fn write_again(
        &self,
        told: &Told<'_>,
        line: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), EmitError> {
        match self {
            Self::Event => out.extend_from_slice(line),
            Self::Body => {
                out.extend_from_slice(told.body.as_bytes());
                out.push(b'\n');
            }
            Self::Merge => {
                for (record, result) in &told.records {
                    merge(record.as_bytes().to_vec(), out, |out| {
                        out.extend_from_slice(result.unwrap_or(told.body).as_bytes());
                    });
                }
            }
            Self::Jq { program, raw } => write_outputs((program, 1), *raw, line, out)?,
            Self::CloudEvents(form) => form.write(line, out).map_err(EmitError)?,
        }
        Ok(())
    }
}

/// `things` is how many things the event tells of: each may have as many outputs as a record.
fn write_outputs(
    (program, things): (&Program, usize),
    raw: bool,
    line: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EmitError> {
    let value: serde_json::Value =
        serde_json::from_slice(line).map_err(|error| EmitError(error.to_string()))?;
    let start = out.len();
    for output in program.run_up_to(things.saturating_mul(jq::MAX_OUTPUTS), jq::from_json(&value)) {
        match output.and_then(|output| jq::to_json(&output)) {
            Ok(serde_json::Value::String(text)) if raw => {
                out.extend_from_slice(text.as_bytes());
                out.push(b'\n');
            }
            Ok(value) => {
                let _ = serde_json::to_writer(&mut *out, &value);
                out.push(b'\n');
            }
            Err(error) => {
                out.truncate(start);
                return Err(EmitError(error));
            }
        }
    }
    Ok(())
}

/// What the answer is told as: the whole body on one line, or each of its items, where it is read as a list.
fn each_answer(event: &Event<'_>, veil: &Veil<'_>, mut tell: impl FnMut(&[u8])) {
    let Some(response) = event.response else { return tell(b"null") };
    let Some(page) = event.page else {
        let mut body = Vec::with_capacity(response.body.len());
        push_answer(&mut body, response, veil);
        return tell(&body);
    };
    if response.kind == BodyKind::Empty {
        return;
    }
    let mut body = Vec::new();
    let whole: &[u8] = if !veil.may_hold(&response.body) && response.kind == BodyKind::Json {
        &response.body
    } else {
        push_answer(&mut body, response, veil);
        &body
    };
    let most = usize::try_from(page.items).unwrap_or(usize::MAX);
    match Listed::read(page.pagination.as_ref(), whole) {
        Ok(listed) => {
            let mut line = Vec::new();
            for item in listed.items.into_iter().take(most) {
                let text = item.get().as_bytes();
                if memchr::memchr2(b'\n', b'\r', text).is_none() {
                    tell(text);
                } else {
                    line.clear();
                    write_line(text, &mut line);
                    tell(&line);
                }
            }
        }
        // What masking has left may be no list any more; it is told all the same.
        Err(_) => tell(whole),
    }
}

/// `line` is the record's JSON object; the answer becomes its last member, in place of one of the same name.
fn merge(mut line: Vec<u8>, out: &mut Vec<u8>, push_answer: impl FnOnce(&mut Vec<u8>)) {
    // The name could also be written with escapes.
    let may_hold =
        memchr::memmem::find(&line, b"response").is_some() || memchr::memmem::find(&line, br"\u").is_some();
    if may_hold
        && let Ok(mut map) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&line)
        && map.shift_remove("response").is_some()
    {
        line = serde_json::Value::Object(map).to_string().into_bytes();
    }
    let end = line.iter().rposition(|b| *b == b'}').unwrap_or(line.len());
    let empty = line[..end].iter().rev().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    out.extend_from_slice(&line[..end]);
    out.extend_from_slice(if empty { br#""response":"# } else { br#","response":"# });
    push_answer(out);
    out.extend_from_slice(b"}\n");
}
