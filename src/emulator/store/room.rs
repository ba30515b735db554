//! A room and what is set for it.

use jiff::Timestamp;
use serde_json::Value;

use super::table::Row;

/// A room of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    /// 24 hex digits.
    pub(crate) id: String,
    /// As first given; compared without regard to case.
    pub(crate) name: String,
    /// Whether peers may join.
    pub(crate) enabled: bool,
    /// Free text.
    pub(crate) description: String,
    /// The template it follows.
    pub(crate) template_id: String,
    /// Its own recording settings; without them the template's count.
    pub(crate) recording_info: Option<Value>,
    /// Where it is held.
    pub(crate) region: String,
    /// Whether it may hold more than 2500 peers.
    pub(crate) large_room: bool,
    /// The most peers it takes.
    pub(crate) size: Option<i64>,
    /// The longest a session may last.
    pub(crate) max_duration_seconds: Option<i64>,
    /// Ids of polls linked to it.
    pub(crate) polls: Vec<Value>,
    /// Where its events go instead of the workspace's address.
    pub(crate) webhook: Option<Value>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it last changed.
    pub(crate) updated_at: Timestamp,
}

impl Room {
    /// A room with nothing set.
    pub(crate) fn new(id: String, name: String, template_id: String, now: Timestamp) -> Self {
        Self {
            id,
            name,
            enabled: true,
            description: String::new(),
            template_id,
            recording_info: None,
            region: "auto".to_owned(),
            large_room: false,
            size: None,
            max_duration_seconds: None,
            polls: Vec::new(),
            webhook: None,
            created_at: now,
            updated_at: now,
        }
    }
}

impl Row for Room {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> String {
        self.name.to_ascii_lowercase()
    }
}
