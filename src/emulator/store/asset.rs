//! The files that jobs leave when they are over.
//!
//! Their bytes are nowhere; what is written out of a recording is whole some time after the others. It does not know
//! when a job is over, nor who may see its files.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agenda::Moment;
use super::job::{Job, Phase, Status};
use super::kind::{File, Kind};
use super::{Row, Store};

/// The least time that writing out a recording takes, and the share of its duration.
const TRANSCRIBING_S: f64 = 300.0;
const TRANSCRIBING_SHARE: f64 = 0.2;
/// How long pre-signed links are good for by default.
const PRESIGN_S: i64 = 3 * 24 * 3600;
const PRESIGN_OSS_S: i64 = 9 * 3600;

/// A file that a job left.
#[derive(Clone, Debug)]
pub(crate) struct Asset {
    /// 24 hex digits.
    pub(crate) id: String,
    /// The job that left it.
    pub(crate) job_id: String,
    /// The room of that job.
    pub(crate) room_id: String,
    /// The session of that job.
    pub(crate) session_id: String,
    /// What it is; its bytes are nowhere.
    pub(crate) file: File,
    /// Where it is stored.
    pub(crate) path: String,
    /// How many whole seconds it lasts.
    pub(crate) duration: u64,
    /// How long links to it are good for unless a call says otherwise.
    pub(crate) presign_s: i64,
    /// When the job ended.
    pub(crate) created_at: Timestamp,
    state: State,
}

/// How an asset comes to its end.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Whole at a moment.
    At(Timestamp),
    /// Not whole before somebody says so.
    Never,
    /// Lost with its job.
    Failed,
}

/// The stages of an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AssetStatus {
    /// Being written out.
    Processing,
    /// Whole.
    Completed,
    /// Lost.
    Failed,
}

impl Asset {
    /// Where it stands at a moment.
    pub(crate) fn status(&self, now: Timestamp) -> AssetStatus {
        match self.state {
            State::Failed => AssetStatus::Failed,
            State::At(moment) if moment <= now => AssetStatus::Completed,
            State::At(_) | State::Never => AssetStatus::Processing,
        }
    }

    /// Makes it whole now, unless it is or cannot be any more.
    pub(crate) fn finish(&mut self, now: Timestamp) {
        if self.status(now) == AssetStatus::Processing {
            self.state = State::At(now);
        }
    }
}

impl Row for Asset {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> String {
        self.job_id.clone()
    }
}

impl Store {
    /// Makes the files of a job appear that came to its end, as of that end.
    pub(super) fn collect<K: Kind>(&mut self, id: &str, phase: Phase, time_scale: f64) {
        let Some(job) = K::table(self).get(id) else { return };
        // A job that never ran has nothing, and one that ended twice has its files already.
        if phase.started_at.is_none() || !job.assets.is_empty() {
            return;
        }
        let ended = Ended::new(self, job, phase, time_scale);
        let files = job.kind.files();
        let ids = files.into_iter().map(|file| {
            let asset = ended.asset(self.new_id(phase.since), file);
            self.assets.insert(asset).id.clone()
        });
        let ids = ids.collect();
        K::table_mut(self).change(id, |job| job.assets = ids);
    }
}

/// A job that is over, as far as its files need to know it.
struct Ended {
    job_id: String,
    room_id: String,
    session_id: String,
    phase: Phase,
    seconds: u64,
    time_scale: f64,
    folder: String,
    presign_s: i64,
}

impl Ended {
    fn new<K: Kind>(store: &Store, job: &Job<K>, phase: Phase, time_scale: f64) -> Self {
        let room = store.rooms.get(&job.room_id);
        let template = room.and_then(|room| store.template_of(room));
        let of_room = room.and_then(|room| room.recording_info.as_ref()).map(|info| &info["upload_info"]);
        let of_template = template.map(|template| &template.settings["recording"]["upload"]);
        let upload = of_room.filter(|upload| upload.is_object()).or(of_template);
        let (folder, usual) = storage(upload.unwrap_or(&Value::Null));
        Self {
            job_id: job.id.clone(),
            room_id: job.room_id.clone(),
            session_id: job.session_id.clone(),
            phase,
            seconds: job.pauses.recorded_s(phase),
            time_scale,
            folder,
            presign_s: template
                .and_then(|template| K::presign_s(template, &job.destination))
                .unwrap_or(usual),
        }
    }

    fn asset(&self, id: String, file: File) -> Asset {
        let (room_id, job_id) = (&self.room_id, &self.job_id);
        let path = format!("{}{room_id}/{job_id}/{}-{id}.{}", self.folder, file.asset_type, file.extension);
        let state = match self.phase.status {
            Status::Failed => State::Failed,
            _ if file.is_transcribed() => self.written(),
            _ => State::At(self.phase.since),
        };
        Asset {
            id,
            job_id: job_id.clone(),
            room_id: room_id.clone(),
            session_id: self.session_id.clone(),
            file,
            path,
            duration: self.seconds,
            presign_s: self.presign_s,
            created_at: self.phase.since,
            state,
        }
    }

    fn written(&self) -> State {
        let seconds = u32::try_from(self.seconds).map_or(f64::MAX, f64::from);
        let takes = (seconds * TRANSCRIBING_SHARE).max(TRANSCRIBING_S);
        let ended = Moment { at: self.phase.since, time_scale: self.time_scale };
        ended.later(takes).map_or(State::Never, State::At)
    }
}

/// Where files go by the settings of a room or a template, and how long links to them are good for there.
fn storage(upload: &Value) -> (String, i64) {
    let text = |name: &str| upload[name].as_str().unwrap_or_default();
    let presign_s = if text("type") == "oss" { PRESIGN_OSS_S } else { PRESIGN_S };
    if !upload.is_object() {
        return (String::new(), presign_s);
    }
    let prefix = text("prefix").trim_matches('/');
    let slash = if prefix.is_empty() { "" } else { "/" };
    (format!("{}://{}/{prefix}{slash}", text("type"), text("location")), presign_s)
}
