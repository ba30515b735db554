//! A session of a room, the peers in it, and the tracks they publish.
//!
//! It does not know who opens or ends one, nor who is told.

use jiff::Timestamp;

use super::table::Row;

/// A meeting that is or was held in a room.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// 24 hex digits.
    pub(crate) id: String,
    /// The room it is held in.
    pub(crate) room_id: String,
    /// Everybody who was ever in it.
    pub(crate) peers: Vec<Peer>,
    /// When it was opened.
    pub(crate) created_at: Timestamp,
    /// When somebody last came or went; of one that ended, its end.
    pub(crate) updated_at: Timestamp,
    /// When it ended, if it did.
    pub(crate) ended_at: Option<Timestamp>,
}

/// Somebody in a session.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// A uuid.
    pub(crate) id: String,
    /// What others see.
    pub(crate) name: String,
    /// The caller's own id for them.
    pub(crate) user_id: String,
    /// JSON as text.
    pub(crate) metadata: String,
    /// A role of the room's template.
    pub(crate) role: String,
    /// When they came.
    pub(crate) joined_at: Timestamp,
    /// When they left, if they did.
    pub(crate) left_at: Option<Timestamp>,
    /// Everything they ever published.
    pub(crate) tracks: Vec<Track>,
}

/// Sound or picture that a peer sends.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    /// A uuid.
    pub(crate) id: String,
    /// The media stream it belongs to, one for each peer.
    pub(crate) stream_id: String,
    /// `audio` or `video`.
    pub(crate) media: String,
    /// `regular` or `screen`.
    pub(crate) source: String,
    /// Free text.
    pub(crate) description: String,
    /// Whether it is muted.
    pub(crate) mute: bool,
    /// When it began.
    pub(crate) started_at: Timestamp,
    /// When it ended, if it did.
    pub(crate) stopped_at: Option<Timestamp>,
}

impl Session {
    /// The peers that are in it now.
    pub(crate) fn connected(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().filter(|peer| peer.left_at.is_none())
    }

    /// A peer that is in it now.
    pub(crate) fn peer(&self, id: &str) -> Option<&Peer> {
        self.connected().find(|peer| peer.id == id)
    }

    /// A peer that is in it now, to change it.
    pub(crate) fn peer_mut(&mut self, id: &str) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.left_at.is_none() && peer.id == id)
    }
}

impl Peer {
    /// What they publish now.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| track.stopped_at.is_none())
    }
}

impl Row for Session {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> String {
        self.room_id.clone()
    }
}
