//! What is to be written out of a recording: by the body that starts it, or else by the template.
//!
//! It does not know when the files appear.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/recordings/start-recording-for-room#transcription>

use serde_json::Value;

use crate::emulator::answer::Refusal;
use crate::emulator::call::Call;
use crate::emulator::shape::{Checked, Field, Kind};
use crate::emulator::store::Transcription;

/// The forms of a transcript.
pub(super) const MODES: [&str; 3] = ["txt", "srt", "json"];

const SECTION: &[Field] =
    &[Field::new("title", Kind::Text), Field::new("format", Kind::Choice(&["bullets", "paragraph"]))];
/// A summary; the docs name its flag in two ways.
pub(super) const SUMMARY: &[Field] = &[
    Field::new("enabled", Kind::Flag),
    Field::new("enable", Kind::Flag),
    Field::new("context", Kind::Text),
    Field::new("temperature", Kind::Number(0.1, 1.0)),
    Field::new("sections", Kind::List(&Kind::Object(SECTION))),
];

const ENABLED: Field = Field::new("enabled", Kind::Flag);
const OUTPUT_MODES: Field = Field::new("output_modes", Kind::List(&Kind::Choice(&MODES)));
const VOCABULARY: Field = Field::new("custom_vocabulary", Kind::List(&Kind::Text));
const SUMMED_UP: Field = Field::new("summary", Kind::Object(SUMMARY));

/// The transcription of a live stream, during it or after it.
pub(super) const TRANSCRIPTION: &[Field] = &[
    ENABLED,
    Field::new("modes", Kind::List(&Kind::Choice(&["recorded", "live"]))),
    OUTPUT_MODES,
    VOCABULARY,
    SUMMED_UP,
];
/// The transcription of a recording, which is always after it.
pub(super) const RECORDED: &[Field] = &[ENABLED, OUTPUT_MODES, VOCABULARY, SUMMED_UP];

const LONGEST_CONTEXT: usize = 300;
const LONGEST_TITLE: usize = 100;
const MOST_SECTIONS: usize = 6;

/// What is to be written out when the job is over, by its body or else by the template of its room.
pub(super) fn wanted(call: &Call<'_>, body: Checked<'_>) -> Result<Transcription, Refusal> {
    if let Some(asked) = body.object("transcription") {
        if let Some(summary) = asked.object("summary") {
            check_summary("transcription.summary", summary)?;
        }
        let enabled = asked.flag("enabled").unwrap_or(false);
        return Ok(after(body.get("transcription").filter(|_| enabled), "output_modes"));
    }
    let room = call.store.rooms.get(call.parameter("room_id"));
    let template = room.and_then(|room| call.store.template_of(room));
    let configured = template.and_then(|template| template.destinations["transcriptions"].as_object());
    Ok(after(configured.and_then(|configured| configured.values().next()), "outputModes"))
}

/// Checks the limits of a summary that tables of fields cannot tell.
pub(super) fn check_summary(place: &str, summary: Checked<'_>) -> Result<(), Refusal> {
    let wrong = |text: &str| Err(Refusal::bad_request(format!("Invalid body param: {place}.{text}")));
    let length = |text: &str| text.chars().count();
    if summary.text("context").is_some_and(|context| length(context) > LONGEST_CONTEXT) {
        return wrong("context is longer than 300 characters");
    }
    let sections = summary.list("sections").unwrap_or_default();
    if sections.len() > MOST_SECTIONS {
        return wrong("sections are more than 6");
    }
    for section in sections {
        match section["title"].as_str() {
            Some(title) if length(title) > LONGEST_TITLE => {
                return wrong("sections.title is longer than 100 characters");
            }
            Some(title) if !title.is_empty() && section["format"].is_string() => {}
            Some(_) | None => return wrong("sections need title and format"),
        }
    }
    Ok(())
}

/// What such settings leave after a job; settings for the time of the call only leave nothing.
fn after(settings: Option<&Value>, output_modes: &str) -> Transcription {
    let Some(settings) = settings else { return Transcription::default() };
    let names = |name: &str, value: &str| {
        settings[name].as_array().is_some_and(|items| items.iter().any(|item| item == value))
    };
    if settings["modes"].is_array() && !names("modes", "recorded") {
        return Transcription::default();
    }
    let mut modes: Vec<&str> = MODES.into_iter().filter(|mode| names(output_modes, mode)).collect();
    if modes.is_empty() {
        modes.extend(MODES);
    }
    let summary = &settings["summary"];
    Transcription { output_modes: modes, summary: summary["enabled"] == true || summary["enable"] == true }
}
