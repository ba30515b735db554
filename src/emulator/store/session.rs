//! A session of a room and the peers in it.

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

    /// Sends away the peers that match and tells who they were.
    pub(crate) fn remove(&mut self, now: Timestamp, matches: impl Fn(&Peer) -> bool) -> Vec<String> {
        let leaving = self.peers.iter_mut().filter(|peer| peer.left_at.is_none() && matches(peer));
        leaving
            .map(|peer| {
                peer.left_at = Some(now);
                peer.id.clone()
            })
            .collect()
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
