//! A key with which a room takes a stream from outside.

use jiff::Timestamp;
use uuid::Uuid;

use super::table::Row;

/// A key of a room; only the latest of a room can be in use.
#[derive(Clone, Debug)]
pub(crate) struct StreamKey {
    /// 24 hex digits.
    pub(crate) id: String,
    /// The room it lets streams into.
    pub(crate) room_id: String,
    /// The secret part of the stream's address.
    pub(crate) key: String,
    /// Whether it is in use, as long as its room is enabled.
    pub(crate) enabled: bool,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it last changed.
    pub(crate) updated_at: Timestamp,
}

impl StreamKey {
    /// A new key, in use.
    pub(crate) fn new(id: String, room_id: String, now: Timestamp) -> Self {
        let key = Uuid::new_v4().simple().to_string();
        Self { id, room_id, key, enabled: true, created_at: now, updated_at: now }
    }
}

impl Row for StreamKey {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> String {
        self.room_id.clone()
    }
}
