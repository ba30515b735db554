//! The kinds of jobs: what each has of its own, and which files it leaves.
//!
//! It does not know the stages of a job; a kind is asked for its files when its job is over.

use serde::Serialize;
use serde_json::{Value, json};

use super::Store;
use super::job::Job;
use super::table::Table;
use super::template::Template;

/// A kind of job, with a table of its own.
pub(crate) trait Kind: Serialize + Sized + 'static {
    /// The word for the kind in effects.
    const WORD: &'static str;
    /// What the API calls such a job: the path parameter is this and `_id`.
    const THING: &'static str;

    /// The jobs of this kind.
    fn table(store: &Store) -> &Table<Job<Self>>;
    /// The jobs of this kind, to change them.
    fn table_mut(store: &mut Store) -> &mut Table<Job<Self>>;
    /// The names a template has for its settings of this kind.
    fn destinations(template: &Template) -> Vec<&str>;
    /// How long links to its files are good for, where a template says so.
    fn presign_s(_template: &Template, _destination: &str) -> Option<i64> {
        None
    }
    /// How many seconds it may run, where a template says so.
    fn longest_s(template: &Template, destination: &str) -> Option<i64>;
    /// The files that are left when the job is over; none where it does not record.
    fn files(&self) -> Vec<File>;
}

/// A file that a job is going to leave.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Its type, as the API names it.
    pub(crate) asset_type: &'static str,
    /// The end of its name.
    pub(crate) extension: &'static str,
    /// What else is known of it.
    pub(crate) metadata: Value,
    /// Its bytes for every second recorded.
    pub(crate) bytes_per_second: u64,
    /// Whether it has small pictures.
    pub(crate) thumbnails: bool,
}

impl File {
    /// Whether it is written out from another one, which takes time.
    pub(crate) fn is_transcribed(&self) -> bool {
        matches!(self.asset_type, TRANSCRIPT | SUMMARY)
    }
}

const COMPOSITE: &str = "room-composite";
const VOD: &str = "room-vod";
const CHAT: &str = "chat";
const TRANSCRIPT: &str = "transcript";
const SUMMARY: &str = "summary";

/// What is to be written out of a recording.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcription {
    /// The forms of the transcript: some of `txt`, `srt`, `json`.
    pub(crate) output_modes: Vec<&'static str>,
    /// Whether it is summed up as well.
    pub(crate) summary: bool,
}

impl Transcription {
    fn files(&self) -> impl Iterator<Item = File> {
        let written = |asset_type, mode: &'static str| File {
            asset_type,
            extension: mode,
            metadata: json!({ "output_mode": mode }),
            bytes_per_second: 12,
            thumbnails: false,
        };
        let transcripts = self.output_modes.iter().map(move |mode| written(TRANSCRIPT, mode));
        transcripts.chain(self.summary.then(|| written(SUMMARY, "json")))
    }
}

/// What only a live stream has.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LiveStream {
    /// Where it can be watched.
    pub(crate) playback: Value,
    /// What is recorded of it.
    pub(crate) recording: Value,
    /// What is written out of it.
    #[serde(skip)]
    pub(crate) transcription: Transcription,
}

/// What only an external stream has.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ExternalStream {
    /// Where it is sent.
    pub(crate) rtmp_urls: Vec<Value>,
    /// Whether it is recorded.
    pub(crate) recording: bool,
    /// The size of its picture.
    pub(crate) resolution: Value,
}

/// What only a recording has.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Recording {
    /// The types of the files it will leave.
    pub(crate) asset_types: Vec<&'static str>,
    #[serde(skip)]
    resolution: Value,
    #[serde(skip)]
    audio_only: bool,
    #[serde(skip)]
    transcription: Transcription,
}

impl Recording {
    /// A recording of such a picture, or of none.
    pub(crate) fn new(resolution: Value, audio_only: bool, transcription: Transcription) -> Self {
        let mut recording = Self { asset_types: Vec::new(), resolution, audio_only, transcription };
        recording.asset_types = recording.files().iter().map(|file| file.asset_type).collect();
        recording.asset_types.dedup();
        recording
    }
}

impl Kind for LiveStream {
    const WORD: &'static str = "live";
    const THING: &'static str = "stream";

    fn table(store: &Store) -> &Table<Job<Self>> {
        &store.live_streams
    }

    fn table_mut(store: &mut Store) -> &mut Table<Job<Self>> {
        &mut store.live_streams
    }

    fn destinations(template: &Template) -> Vec<&str> {
        template.destinations_of("hlsDestinations")
    }

    fn longest_s(template: &Template, destination: &str) -> Option<i64> {
        template.destinations["hlsDestinations"][destination]["maxDuration"].as_i64()
    }

    fn presign_s(template: &Template, destination: &str) -> Option<i64> {
        template.destinations["hlsDestinations"][destination]["recording"]["presignDuration"].as_i64()
    }

    fn files(&self) -> Vec<File> {
        let vod = |extension, metadata| File {
            asset_type: VOD,
            extension,
            metadata,
            bytes_per_second: 180_000,
            thumbnails: true,
        };
        let layer = json!({ "resolution": { "width": 1280, "height": 720 }, "layer": "0" });
        let all = json!({ "num_layers": "1", "max_width": 1280, "max_height": 720 });
        let asked = |name: &str| self.recording[name] == true;
        let single = asked("single_file_per_layer").then(|| vod("mp4", layer));
        let mut files: Vec<File> =
            single.into_iter().chain(asked("hls_vod").then(|| vod("zip", all))).collect();
        if !files.is_empty() {
            files.extend(self.transcription.files());
        }
        files
    }
}

impl Kind for ExternalStream {
    const WORD: &'static str = "external";
    const THING: &'static str = "stream";

    fn table(store: &Store) -> &Table<Job<Self>> {
        &store.external_streams
    }

    fn table_mut(store: &mut Store) -> &mut Table<Job<Self>> {
        &mut store.external_streams
    }

    fn destinations(template: &Template) -> Vec<&str> {
        template.destinations_of("rtmpDestinations")
    }

    fn longest_s(template: &Template, destination: &str) -> Option<i64> {
        template.destinations["rtmpDestinations"][destination]["maxDuration"].as_i64()
    }

    fn files(&self) -> Vec<File> {
        if self.recording { vec![composite(&self.resolution)] } else { Vec::new() }
    }
}

impl Kind for Recording {
    const WORD: &'static str = "recording";
    const THING: &'static str = "recording";

    fn table(store: &Store) -> &Table<Job<Self>> {
        &store.recordings
    }

    fn table_mut(store: &mut Store) -> &mut Table<Job<Self>> {
        &mut store.recordings
    }

    fn destinations(template: &Template) -> Vec<&str> {
        let configured: Vec<&str> =
            template.recordings.iter().filter_map(|config| config["name"].as_str()).collect();
        if configured.is_empty() { template.destinations_of("browserRecordings") } else { configured }
    }

    fn longest_s(template: &Template, destination: &str) -> Option<i64> {
        recording_of(template, destination)["maxDuration"].as_i64()
    }

    fn presign_s(template: &Template, destination: &str) -> Option<i64> {
        recording_of(template, destination)["presignDuration"].as_i64()
    }

    fn files(&self) -> Vec<File> {
        let picture = if self.audio_only {
            File {
                extension: "mp3",
                metadata: json!({}),
                bytes_per_second: 16_000,
                ..composite(&self.resolution)
            }
        } else {
            composite(&self.resolution)
        };
        let chat = File {
            asset_type: CHAT,
            extension: "csv",
            metadata: json!({}),
            bytes_per_second: 0,
            thumbnails: false,
        };
        [picture, chat].into_iter().chain(self.transcription.files()).collect()
    }
}

/// The configuration of recordings with a name, in its present or its old place.
fn recording_of<'a>(template: &'a Template, name: &str) -> &'a Value {
    let mut configured = template.recordings.iter().filter(|config| config["name"] == name);
    configured.next().unwrap_or(&template.destinations["browserRecordings"][name])
}

fn composite(resolution: &Value) -> File {
    File {
        asset_type: COMPOSITE,
        extension: "mp4",
        metadata: json!({ "resolution": resolution }),
        bytes_per_second: 480_000,
        thumbnails: false,
    }
}
