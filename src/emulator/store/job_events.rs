//! What is told of a job as it goes through its stages.
//!
//! A job's stage is computed when someone looks, so the agenda looks whenever one ends. It does not know who started
//! a job; a kind needs nothing to be followed but its word and its own members.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::agenda::Moment;
use super::attendance::seconds;
use super::event::about;
use super::{Job, Kind, Phase, Room, Status, Store};

/// The stages that are told, in order.
const TOLD: [Status; 3] = [Status::Running, Status::PostProcessing, Status::Completed];
/// The size of a picture where nothing else was asked for.
const SIZE: (i64, i64) = (1280, 720);

impl Store {
    /// Tells what happened to a job since it was last looked at, and plans the next look.
    pub(crate) fn follow<K: Kind>(&mut self, id: &str, moment: Moment) {
        let Some(job) = K::table(self).get(id) else { return };
        let phase = job.phase.at(moment.at, moment.time_scale);
        let told = self.told.get(id).copied();
        // Also met where an entry of the agenda was overtaken by a call.
        if told == Some(phase.status) {
            return;
        }
        let is_over = matches!(phase.status, Status::Completed | Status::Failed);
        if is_over {
            self.collect::<K>(id, phase, moment.time_scale);
        }
        let Some(job) = K::table(self).get(id) else { return };
        let path = job.assets.first().and_then(|id| self.assets.get(id)).map(|asset| asset.path.as_str());
        let events = events::<K>(told.unwrap_or(Status::Starting), phase, path);
        if let Some(room) = self.rooms.get(&job.room_id).filter(|_| !events.is_empty()) {
            let room_id = room.id.clone();
            let data = self.about_job(room, job, phase);
            for (kind, more) in events {
                let mut data = data.clone();
                data.extend(more);
                self.tell(moment, kind, &room_id, Value::Object(data));
            }
        }
        if is_over {
            self.told.remove(id);
            return;
        }
        if let (Status::Running, Some(started_at)) = (phase.status, phase.started_at) {
            self.limit::<K>(id, started_at, moment.time_scale);
        }
        self.told.insert(id.to_owned(), phase.status);
        let next = phase.next(moment.time_scale).map(|(at, _)| at);
        self.agenda.plan(next, Self::follow::<K>, id);
    }

    fn about_job<K: Kind>(&self, room: &Room, job: &Job<K>, phase: Phase) -> Map<String, Value> {
        let own = own(job);
        let side = |name: &str, default| own["resolution"][name].as_i64().unwrap_or(default);
        let rtmp: Vec<Value> =
            own["rtmp_urls"].as_array().into_iter().flatten().map(|url| json!({ "url": url })).collect();
        let more = json!({
            "beam_id": job.id,
            "job_id": job.id,
            "session_id": job.session_id,
            // The bot that opens the page; nobody else ever meets it.
            "peer_id": Uuid::new_v4().to_string(),
            "recording_enabled": !job.kind.files().is_empty(),
            "created_at": job.created_at,
            "started_at": phase.started_at,
            "max_width": side("width", SIZE.0),
            "max_height": side("height", SIZE.1),
            "meeting_url": job.meeting_url,
            "rtmp": rtmp,
        });
        match about(room, self.sessions.get(&job.session_id), more) {
            Value::Object(data) => data,
            _ => Map::new(),
        }
    }
}

/// What happened to a job between a stage and the one it has now.
fn events<K: Kind>(
    told: Status,
    phase: Phase,
    path: Option<&str>,
) -> Vec<(&'static str, Map<String, Value>)> {
    let live = K::WORD == "live";
    let named = |hls, beam| if live { hls } else { beam };
    let stopped = |more: Value| {
        let ran = phase.started_at.zip(phase.stopped_at).map(|(from, to)| seconds(from, to));
        let mut data = Map::new();
        data.insert("duration".to_owned(), json!(ran));
        data.insert("stopped_at".to_owned(), json!(phase.stopped_at));
        data.extend(more.as_object().cloned().unwrap_or_default());
        data
    };
    if phase.status == Status::Failed {
        let more = json!({ "error_type": "INTERNAL_ERROR" });
        return vec![(named("hls.failure", "beam.failure"), stopped(more))];
    }
    if phase.started_at.is_none() {
        // Stopped before it ran: nothing of it was ever seen.
        return Vec::new();
    }
    let passed =
        TOLD.into_iter().filter(|stage| rank(told) < rank(*stage) && rank(*stage) <= rank(phase.status));
    let mut happened = Vec::new();
    for stage in passed {
        match stage {
            Status::Running => {
                happened.push((named("hls.started.success", "beam.started.success"), Map::new()))
            }
            Status::PostProcessing => {
                let more = json!({ "reason": "client request" });
                happened.push((named("hls.stopped.success", "beam.stopped.success"), stopped(more)));
            }
            _ if path.is_some() => {
                let more = json!({ "recording_path": path });
                happened.push((named("hls.recording.success", "beam.recording.success"), stopped(more)));
            }
            _ => {}
        }
    }
    happened
}

fn rank(status: Status) -> u8 {
    match status {
        Status::Starting => 0,
        Status::Running => 1,
        Status::Stopping => 2,
        Status::PostProcessing => 3,
        Status::Completed | Status::Failed => 4,
    }
}

/// What only the job's kind has.
fn own<K: Kind>(job: &Job<K>) -> Value {
    serde_json::to_value(&job.kind).unwrap_or_default()
}
