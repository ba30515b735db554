//! What may be in the parts of a template besides its roles, and the rules between those fields.
//!
//! It does not know whether a part comes with its template or by itself.

use serde_json::Value;

use super::transcription::{MODES, SUMMARY, check_summary};
use crate::emulator::answer::Refusal;
use crate::emulator::shape::{Checked, Field, INTEGER, Kind};

const fn flag(name: &'static str) -> Field {
    Field::new(name, Kind::Flag)
}

const fn text(name: &'static str) -> Field {
    Field::new(name, Kind::Text)
}

const fn integer(name: &'static str) -> Field {
    Field::new(name, INTEGER)
}

const UPLOAD: &[Field] = &[
    text("type"),
    text("location"),
    text("prefix"),
    Field::new("options", Kind::Object(&[text("region")])),
    Field::new("credentials", Kind::Object(&[text("key"), text("secretKey")])),
];
const ROOM_STATE: &[Field] = &[
    Field::new("messageInterval", Kind::Integer(5, 3600)),
    flag("sendPeerList"),
    flag("enabled"),
    flag("stopRoomStateOnJoin"),
];
/// The settings of a template.
pub(super) const SETTINGS: &[Field] = &[
    Field::new("region", Kind::Choice(&["in", "us", "eu", "auto"])),
    Field::new("recording", Kind::Object(&[flag("enabled"), Field::new("upload", Kind::Object(UPLOAD))])),
    Field::new("roomState", Kind::Object(ROOM_STATE)),
    Field::new("retry", Kind::AnyObject),
];

const RTMP: &[Field] = &[
    text("name"),
    integer("width"),
    integer("height"),
    integer("maxDuration"),
    Field::new("rtmpUrls", Kind::List(&Kind::Text)),
    flag("recordingEnabled"),
    integer("autoStopTimeout"),
];
const LAYERS: Kind = Kind::List(&Kind::Object(&[
    integer("width"),
    integer("height"),
    integer("videoBitrate"),
    integer("audioBitrate"),
]));
const THUMBNAILS: Field = Field::new(
    "thumbnails",
    Kind::Object(&[
        flag("enabled"),
        integer("width"),
        integer("height"),
        Field::new("offsets", Kind::List(&INTEGER)),
        integer("fps"),
    ]),
);
const HLS_RECORDING: &[Field] = &[
    flag("hlsVod"),
    flag("singleFilePerLayer"),
    flag("enableZipUpload"),
    Field::new("layers", LAYERS),
    THUMBNAILS,
    integer("presignDuration"),
];
const HLS: &[Field] = &[
    text("name"),
    integer("maxDuration"),
    Field::new("layers", LAYERS),
    Field::new("playlistType", Kind::Choice(&["event", "live"])),
    Field::new("numPlaylistSegments", Kind::Integer(3, 150)),
    integer("videoFrameRate"),
    flag("enableMetadataInsertion"),
    flag("enableStaticUrl"),
    Field::new("recording", Kind::Object(HLS_RECORDING)),
    integer("autoStopTimeout"),
];
const TRANSCRIPTION: &[Field] = &[
    text("name"),
    text("role"),
    Field::new("modes", Kind::List(&Kind::Choice(&["recorded", "live", "caption"]))),
    Field::new("outputModes", Kind::List(&Kind::Choice(&MODES))),
    Field::new("customVocabulary", Kind::List(&Kind::Text)),
    Field::new("summary", Kind::Object(SUMMARY)),
    Field::new(
        "translation",
        Kind::Object(&[flag("enabled"), Field::new("roleLanguages", Kind::Map(&Kind::Text))]),
    ),
];
const BROWSER: &[Field] = &[
    text("name"),
    text("role"),
    integer("width"),
    integer("height"),
    integer("maxDuration"),
    THUMBNAILS,
    integer("presignDuration"),
    flag("autoStart"),
    integer("autoStopTimeout"),
];
/// The destinations of a template.
pub(super) const DESTINATIONS: &[Field] = &[
    Field::new("rtmpDestinations", Kind::Map(&Kind::Object(RTMP))),
    Field::new("hlsDestinations", Kind::Map(&Kind::Object(HLS))),
    Field::new("transcriptions", Kind::Map(&Kind::Object(TRANSCRIPTION))),
    Field::new("browserRecordings", Kind::Map(&Kind::Object(BROWSER))),
];

const BROWSER_COMPOSITE: &[Field] =
    &[flag("enabled"), flag("autoStart"), integer("autoStopTimeout"), integer("width"), integer("height")];
const COMPOSITE: &[Field] = &[
    Field::new("browserComposite", Kind::Object(BROWSER_COMPOSITE)),
    Field::new("customComposite", Kind::Object(&[flag("enabled")])),
];
/// How the rooms of a template are recorded.
pub(super) const RECORDING: &[Field] = &[
    text("name"),
    text("role"),
    integer("maxDuration"),
    integer("presignDuration"),
    THUMBNAILS,
    Field::new("compositeRecording", Kind::Object(COMPOSITE)),
    Field::new("trackRecording", Kind::Object(&[flag("enabled")])),
    Field::new("streamRecording", Kind::Object(&[flag("enabled"), integer("width"), integer("height")])),
];

const MOST_URLS: usize = 3;

/// Checks the rules between the fields of settings.
pub(super) fn check_settings(settings: Checked<'_>) -> Result<(), Refusal> {
    let state = settings.object("roomState");
    if state.and_then(|state| state.integer("messageInterval")).is_some_and(|seconds| seconds % 5 != 0) {
        return Err(Refusal::bad_request("Invalid body param: settings.roomState.messageInterval"));
    }
    let Some(upload) = settings.object("recording").and_then(|recording| recording.object("upload")) else {
        return Ok(());
    };
    if upload.filled("location").is_none() {
        return Err(Refusal::bad_request("Bucket location is missing"));
    }
    let known = upload.text("type").is_some_and(|kind| ["s3", "gs", "oss", "azure"].contains(&kind));
    let whole = upload.object("credentials").is_none_or(|credentials| {
        credentials.filled("key").is_some() && credentials.filled("secretKey").is_some()
    });
    if known && whole && upload.text("prefix").is_some() {
        return Ok(());
    }
    Err(Refusal::bad_request("Invalid upload configuration"))
}

/// Checks the rules between the fields of destinations, for a template with or without a storage of its own.
pub(super) fn check_destinations(destinations: Checked<'_>, own_storage: bool) -> Result<(), Refusal> {
    for (group, entry, fields) in entries(destinations) {
        let wrong = |what: &str| {
            Err(Refusal::bad_request(format!("Invalid body param: destinations.{group}.{entry}.{what}")))
        };
        if fields.filled("name").is_none() {
            return wrong("name");
        }
        let for_role = ["transcriptions", "browserRecordings"].contains(&group.as_str());
        if for_role && fields.filled("role").is_none() {
            return wrong("role");
        }
        if fields.list("rtmpUrls").is_some_and(|urls| urls.len() > MOST_URLS) {
            return wrong("rtmpUrls");
        }
        let recording = fields.object("recording");
        let layers =
            [Some(fields), recording].into_iter().flatten().filter_map(|fields| fields.list("layers"));
        if !layers.flatten().all(is_layer) {
            return wrong("layers");
        }
        if !own_storage && recording.and_then(|recording| recording.flag("enableZipUpload")) == Some(true) {
            return wrong("recording.enableZipUpload");
        }
        if let Some(summary) = fields.object("summary") {
            check_summary(&format!("destinations.{group}.{entry}.summary"), summary)?;
        }
    }
    Ok(())
}

fn entries(destinations: Checked<'_>) -> Vec<(String, String, Checked<'_>)> {
    let groups = destinations.to_map().into_iter();
    let mut entries = Vec::new();
    for (group, names) in groups.filter_map(|(group, value)| Some((group, value.as_object()?.clone()))) {
        for (name, _) in names {
            let fields = destinations.object(&group).and_then(|names| names.object(&name));
            entries.extend(fields.map(|fields| (group.clone(), name, fields)));
        }
    }
    entries
}

/// Whether the sides of a layer are within bounds; the docs' own example leaves one empty.
fn is_layer(layer: &Value) -> bool {
    let (Some(width), Some(height)) = (layer["width"].as_i64(), layer["height"].as_i64()) else {
        return true;
    };
    let (small, large) = (width.min(height), width.max(height));
    width % 2 == 0 && height % 2 == 0 && (144..=1080).contains(&small) && (192..=1920).contains(&large)
}
