//! A template and its roles.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::table::Row;

/// A template of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// 24 hex digits.
    pub(crate) id: String,
    /// Unique in the workspace.
    pub(crate) name: String,
    /// Role by name, complete with defaults.
    pub(crate) roles: Map<String, Value>,
    /// As sent.
    pub(crate) settings: Value,
    /// As sent.
    pub(crate) destinations: Value,
    /// As sent.
    pub(crate) plugins: Value,
    /// How rooms are recorded, as sent: one entry or none.
    pub(crate) recordings: Vec<Value>,
    /// The web address made on the dashboard; templates made through the API have none.
    pub(crate) subdomain: Option<String>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it last changed.
    pub(crate) updated_at: Timestamp,
}

impl Template {
    /// Whether its recordings go to a bucket of the customer's.
    pub(crate) fn has_own_storage(&self) -> bool {
        self.settings["recording"]["upload"].is_object()
    }

    /// The names of the template's destinations of one type, such as `hlsDestinations`.
    pub(crate) fn destinations_of(&self, kind: &str) -> Vec<&str> {
        self.destinations[kind].as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect()
    }
}

impl Row for Template {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> String {
        self.name.clone()
    }
}
