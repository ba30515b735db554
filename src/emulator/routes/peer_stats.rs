//! How well media of a peer got through, once the session has ended.
//!
//! The emulator measures nothing: the figures follow from which tracks were on and when. Its lines never lose a
//! packet, and a track that was left muted sent nothing.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/analytics/peer-quality-stats>

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Route;
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::store::{Peer, Session, Track};

pub(super) const ROUTES: &[Route] = &[Route::get("/analytics/peer-stats", get)];

/// How far the samples of a series are apart.
const STEP: SignedDuration = SignedDuration::from_secs(10);
const AUDIO_BITRATE: i64 = 32_000;
const VIDEO_BITRATE: i64 = 256_000;
const RTT_MS: i64 = 45;

fn get(call: &mut Call<'_>) -> Outcome {
    let needed = |name| call.query(name).ok_or_else(|| Refusal::bad_request(format!("{name} is required")));
    let (peer_id, session_id) = (needed("peer_id")?, needed("session_id")?);
    let session = call.store.sessions.get(session_id);
    let ended = session.filter(|session| session.ended_at.is_some());
    let peer = ended.and_then(|session| session.peers.iter().find(|peer| peer.id == peer_id));
    let sent: Vec<&Track> = peer.into_iter().flat_map(|peer| &peer.tracks).collect();
    let received = ended.zip(peer).map(|(session, peer)| received(session, peer)).unwrap_or_default();
    let own = |video: bool| -> Vec<Value> {
        sent.iter().filter(|track| is_video(track) == video).filter_map(|track| published(track)).collect()
    };
    let others = |video: bool| -> Vec<Value> {
        let tracks = received.iter().filter(|(track, ..)| is_video(track) == video);
        tracks.map(|(track, times)| subscribed(track, times)).collect()
    };
    Ok(Answer::ok(&json!({
        "peer_id": peer_id,
        "session_id": session_id,
        "room_id": session.map_or("", |session| session.room_id.as_str()),
        "publisher": { "video": own(true), "audio": own(false) },
        "subscriber": { "video": others(true), "audio": others(false) },
    })))
}

/// The tracks of others that were on while a peer was there, and when they were sampled.
fn received<'a>(session: &'a Session, peer: &Peer) -> Vec<(&'a Track, Vec<Timestamp>)> {
    let others = session.peers.iter().filter(|other| other.id != peer.id);
    let heard = others.flat_map(|other| &other.tracks).filter_map(|track| {
        let from = track.started_at.max(peer.joined_at);
        let to = track.stopped_at?.min(peer.left_at?);
        Some((track, samples(from, to)))
    });
    heard.filter(|(_, times)| !times.is_empty()).collect()
}

fn published(track: &Track) -> Option<Value> {
    let times = samples(track.started_at, track.stopped_at?);
    let (bitrate, zeros) = (vec![bitrate(track); times.len()], vec![0; times.len()]);
    let mut series = json!({
        "timestamps": millis(&times),
        "bitrate": bitrate,
        "packet_loss_percent": zeros,
        "rtt_ms": vec![RTT_MS; times.len()],
    });
    if !is_video(track) {
        series["jitter_ms"] = json!(zeros);
        return Some(json!({ "track_id": track.id, "time_series": series }));
    }
    series["fps"] = json!(vec![frames(track); times.len()]);
    // No layers are emulated: what is not a screen has one, the highest.
    let rid = (track.source != "screen").then_some("h");
    Some(json!({ "track_id": track.id, "type": track.source, "rid": rid, "time_series": series }))
}

fn subscribed(track: &Track, times: &[Timestamp]) -> Value {
    let (bitrate, zeros) = (vec![bitrate(track); times.len()], vec![0; times.len()]);
    let mut series = json!({ "timestamps": millis(times), "bitrate": bitrate });
    if !is_video(track) {
        series["concealed_samples"] = json!(zeros);
        series["packet_loss_percent"] = json!(zeros);
        return json!({ "track_id": track.id, "time_series": series });
    }
    series["fps"] = json!(vec![frames(track); times.len()]);
    series["freeze_count"] = json!(zeros);
    json!({ "track_id": track.id, "type": track.source, "time_series": series })
}

fn is_video(track: &Track) -> bool {
    track.media == "video"
}

fn bitrate(track: &Track) -> i64 {
    let on = if is_video(track) { VIDEO_BITRATE } else { AUDIO_BITRATE };
    if track.mute { 0 } else { on }
}

fn frames(track: &Track) -> i64 {
    match (track.mute, track.source == "screen") {
        (true, _) => 0,
        (false, true) => 10,
        (false, false) => 25,
    }
}

fn samples(from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let times = std::iter::successors(Some(from), |at| at.checked_add(STEP).ok());
    times.take_while(|at| *at <= to).collect()
}

fn millis(times: &[Timestamp]) -> Vec<i64> {
    times.iter().map(|at| at.as_millisecond()).collect()
}
