//! Who comes and goes: sessions open with their first peer and end after their last, by a call, or when time is up.
//!
//! Everything that happens is told as an event. It does not know who asked for it.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::agenda::Moment;
use super::event::{about, about_peer, about_track};
use super::{Peer, Room, Session, Store, Track};

/// The longest a session lasts where its room says nothing.
const LONGEST_S: f64 = 12.0 * 3600.0;

/// Why somebody leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving<'a> {
    /// One of the documented reasons.
    pub(crate) reason: &'a str,
    /// What whoever sent them away said.
    pub(crate) message: &'a str,
}

impl Leaving<'static> {
    /// They left by themselves.
    pub(crate) const BY_THEMSELVES: Self = Self { reason: "client request", message: "" };
}

impl<'a> Leaving<'a> {
    /// Somebody else sent them away.
    pub(crate) fn sent_away(message: &'a str) -> Self {
        Self { reason: "peer kicked", message }
    }
}

impl Store {
    /// Opens a session in a room that has none, until the longest it may last is over.
    pub(crate) fn open(&mut self, room_id: &str, moment: Moment) -> String {
        let id = self.new_id(moment.at);
        let set = self.rooms.get(room_id).and_then(|room| room.max_duration_seconds);
        // At most 43,200, which is exact as a float.
        let longest = set.and_then(|seconds| u32::try_from(seconds).ok()).map_or(LONGEST_S, f64::from);
        self.sessions.insert(Session {
            id: id.clone(),
            room_id: room_id.to_owned(),
            peers: Vec::new(),
            created_at: moment.at,
            updated_at: moment.at,
            ended_at: None,
        });
        self.agenda.plan(moment.later(longest), Self::time_is_up, &id);
        self.tell_session(&id, moment, "session.open.success", |_| json!({}));
        id
    }

    /// Lets peers into a session.
    pub(crate) fn join(&mut self, session_id: &str, peers: Vec<Peer>, moment: Moment) {
        let ids: Vec<String> = peers.iter().map(|peer| peer.id.clone()).collect();
        self.sessions.change(session_id, |session| {
            session.peers.extend(peers);
            session.updated_at = moment.at;
        });
        for id in ids {
            self.tell_peer(session_id, &id, moment, "peer.join.success", json!({}));
            for track in self.published(session_id, &id) {
                self.tell_track(session_id, &id, &track, moment, "track.add.success");
            }
        }
    }

    /// Lets the peers that match leave, and tells who they were; after the last one the session ends.
    pub(crate) fn leave(
        &mut self,
        session_id: &str,
        leaving: Leaving<'_>,
        moment: Moment,
        matches: impl Fn(&Peer) -> bool,
    ) -> Vec<String> {
        let Some(session) = self.sessions.get(session_id) else { return Vec::new() };
        let gone: Vec<String> =
            session.connected().filter(|peer| matches(peer)).map(|peer| peer.id.clone()).collect();
        for id in &gone {
            for track in self.published(session_id, id) {
                self.unpublish(session_id, id, &track, moment);
            }
            self.sessions.change(session_id, |session| {
                session.updated_at = moment.at;
                if let Some(peer) = session.peer_mut(id) {
                    peer.left_at = Some(moment.at);
                }
            });
            self.tell_leaving(session_id, id, leaving, moment);
        }
        let empty = self.sessions.get(session_id).is_some_and(|session| session.connected().next().is_none());
        if empty && !gone.is_empty() {
            self.close(session_id, moment);
        }
        gone
    }

    /// Ends a session: everybody is sent away.
    pub(crate) fn end(&mut self, session_id: &str, message: &str, moment: Moment) {
        self.leave(session_id, Leaving::sent_away(message), moment, |_| true);
        self.close(session_id, moment);
    }

    /// Adds a track to what a peer publishes.
    pub(crate) fn publish(&mut self, session_id: &str, peer_id: &str, track: Track, moment: Moment) {
        let id = track.id.clone();
        self.change_peer(session_id, peer_id, |peer| peer.tracks.push(track));
        self.tell_track(session_id, peer_id, &id, moment, "track.add.success");
    }

    /// Mutes a track or lets it be heard again.
    pub(crate) fn mute(&mut self, session_id: &str, peer_id: &str, track: &str, mute: bool, moment: Moment) {
        self.change_track(session_id, peer_id, track, |track| track.mute = mute);
        self.tell_track(session_id, peer_id, track, moment, "track.update.success");
    }

    /// Ends a track.
    pub(crate) fn unpublish(&mut self, session_id: &str, peer_id: &str, track: &str, moment: Moment) {
        self.change_track(session_id, peer_id, track, |track| track.stopped_at = Some(moment.at));
        self.tell_track(session_id, peer_id, track, moment, "track.remove.success");
    }

    /// Gives a peer another role; one that is full already is told as a failure, and `false` comes back.
    pub(crate) fn change_role(
        &mut self,
        session_id: &str,
        peer_id: &str,
        role: &str,
        moment: Moment,
    ) -> bool {
        let Some(session) = self.sessions.get(session_id) else { return false };
        let Some(previous) = session.peer(peer_id).map(|peer| peer.role.clone()) else { return false };
        if previous == role {
            return true;
        }
        if self.is_full(&session.room_id, role, 1) {
            let more = json!({ "role": role, "error_message": "role limit reached" });
            self.tell_peer(session_id, peer_id, moment, "role.change.failure", more);
            return false;
        }
        self.change_peer(session_id, peer_id, |peer| role.clone_into(&mut peer.role));
        let more = json!({ "previous_role": previous, "role_changed_at": moment.at });
        self.tell_peer(session_id, peer_id, moment, "role.change.success", more);
        true
    }

    /// Whether a role of a room has no place for so many more.
    pub(crate) fn is_full(&self, room_id: &str, role: &str, more: usize) -> bool {
        let template = self.rooms.get(room_id).and_then(|room| self.template_of(room));
        let most = template.and_then(|template| template.roles.get(role)?["maxPeerCount"].as_u64());
        let peers = self.open_session(room_id).into_iter().flat_map(Session::connected);
        let there = peers.filter(|peer| peer.role == role).count();
        // None, and no more than none, mean no limit.
        most.is_some_and(|most| most > 0 && (there + more) as u64 > most)
    }

    /// Changes a peer that is in a session.
    pub(crate) fn change_peer(&mut self, session_id: &str, peer_id: &str, change: impl FnOnce(&mut Peer)) {
        self.sessions.change(session_id, |session| session.peer_mut(peer_id).map(change));
    }

    fn change_track(&mut self, session_id: &str, peer_id: &str, id: &str, change: impl FnOnce(&mut Track)) {
        self.change_peer(session_id, peer_id, |peer| {
            if let Some(track) = peer.tracks.iter_mut().find(|track| track.id == id) {
                change(track);
            }
        });
    }

    fn published(&self, session_id: &str, peer_id: &str) -> Vec<String> {
        let peer = self.sessions.get(session_id).and_then(|session| session.peer(peer_id));
        peer.into_iter().flat_map(Peer::published).map(|track| track.id.clone()).collect()
    }

    fn time_is_up(&mut self, session_id: &str, moment: Moment) {
        let room_id = self.sessions.get(session_id).filter(|session| session.ended_at.is_none());
        if let Some(room_id) = room_id.map(|session| session.room_id.clone()) {
            self.end(session_id, "max duration reached", moment);
            self.stop_jobs(&room_id, moment);
        }
    }

    fn close(&mut self, session_id: &str, moment: Moment) {
        let closed = self.sessions.change(session_id, |session| {
            let open = session.ended_at.is_none();
            if open {
                (session.updated_at, session.ended_at) = (moment.at, Some(moment.at));
            }
            open
        });
        if closed == Some(true) {
            self.leave_alone(session_id, moment);
            self.tell_session(session_id, moment, "session.close.success", |session| {
                json!({
                    "session_duration": seconds(session.created_at, moment.at),
                    "session_stopped_at": moment.at,
                })
            });
        }
    }

    fn tell_leaving(&mut self, session_id: &str, peer_id: &str, leaving: Leaving<'_>, moment: Moment) {
        let session = self.sessions.get(session_id);
        let peer = session.and_then(|session| session.peers.iter().find(|peer| peer.id == peer_id));
        let Some(joined_at) = peer.map(|peer| peer.joined_at) else { return };
        let more = json!({
            "left_at": moment.at,
            "duration": seconds(joined_at, moment.at),
            "reason": leaving.reason,
            "message": leaving.message,
        });
        self.tell_peer(session_id, peer_id, moment, "peer.leave.success", more);
    }

    /// Tells what happened to a session.
    pub(crate) fn tell_session(
        &mut self,
        session_id: &str,
        moment: Moment,
        kind: &'static str,
        more: impl FnOnce(&Session) -> Value,
    ) {
        if let Some((room, session)) = self.place(session_id) {
            let data = about(room, Some(session), more(session));
            let room_id = room.id.clone();
            self.tell(moment, kind, &room_id, data);
        }
    }

    fn tell_peer(
        &mut self,
        session_id: &str,
        peer_id: &str,
        moment: Moment,
        kind: &'static str,
        more: Value,
    ) {
        let Some((room, session)) = self.place(session_id) else { return };
        let Some(peer) = session.peers.iter().find(|peer| peer.id == peer_id) else { return };
        let data = about(room, Some(session), about_peer(peer, more));
        let room_id = room.id.clone();
        self.tell(moment, kind, &room_id, data);
    }

    fn tell_track(&mut self, session_id: &str, peer_id: &str, id: &str, moment: Moment, kind: &'static str) {
        let Some((_, session)) = self.place(session_id) else { return };
        let peer = session.peers.iter().find(|peer| peer.id == peer_id);
        let Some(track) = peer.and_then(|peer| peer.tracks.iter().find(|track| track.id == id)) else {
            return;
        };
        let more = about_track(track);
        self.tell_peer(session_id, peer_id, moment, kind, more);
    }

    fn place(&self, session_id: &str) -> Option<(&Room, &Session)> {
        let session = self.sessions.get(session_id)?;
        Some((self.rooms.get(&session.room_id)?, session))
    }
}

impl Track {
    /// A new track of a peer; all tracks of a peer belong to one media stream.
    pub(crate) fn new(peer: Option<&Peer>, media: String, source: String, now: Timestamp) -> Self {
        let known = peer.and_then(|peer| peer.tracks.first()).map(|track| track.stream_id.clone());
        Self {
            id: Uuid::new_v4().to_string(),
            stream_id: known.unwrap_or_else(|| Uuid::new_v4().to_string()),
            media,
            source,
            description: String::new(),
            mute: false,
            started_at: now,
            stopped_at: None,
        }
    }
}

/// Whole seconds between two times.
pub(crate) fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs()
}
