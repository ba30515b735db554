//! Room codes: short texts that let their bearer into a room in one role.
//!
//! Kept room by room, since whoever looks asks for one room. It does not know whether a room or a role still exists.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::table::{Row, Table};

/// A code of a room, as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RoomCode {
    /// Lower-case letters, three, four and three.
    pub(crate) code: String,
    /// The room it opens.
    pub(crate) room_id: String,
    /// The role its bearer gets.
    pub(crate) role: String,
    /// Whether it opens the room.
    pub(crate) enabled: bool,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it was last switched on or off.
    pub(crate) updated_at: Timestamp,
}

/// All codes of the workspace.
#[derive(Debug, Default)]
pub(crate) struct RoomCodes {
    rooms: HashMap<String, Table<RoomCode>>,
    room_of: HashMap<String, String>,
}

impl RoomCodes {
    /// The codes of a room, if it ever had any.
    pub(crate) fn of_room(&self, room_id: &str) -> Option<&Table<RoomCode>> {
        self.rooms.get(room_id)
    }

    /// Makes an enabled code.
    pub(crate) fn make(&mut self, room_id: &str, role: &str, now: Timestamp) -> &RoomCode {
        let mut code = spell(&Uuid::new_v4());
        while self.room_of.contains_key(&code) {
            code = spell(&Uuid::new_v4());
        }
        self.room_of.insert(code.clone(), room_id.to_owned());
        self.rooms.entry(room_id.to_owned()).or_default().insert(RoomCode {
            code,
            room_id: room_id.to_owned(),
            role: role.to_owned(),
            enabled: true,
            created_at: now,
            updated_at: now,
        })
    }

    /// The code with these letters.
    pub(crate) fn get(&self, code: &str) -> Option<&RoomCode> {
        self.rooms.get(self.room_of.get(code)?)?.get(code)
    }

    /// Switches a code on or off; one that is so already stays untouched.
    pub(crate) fn switch(&mut self, code: &str, enabled: bool, now: Timestamp) {
        let room = self.room_of.get(code).and_then(|room_id| self.rooms.get_mut(room_id));
        if let Some(room) = room {
            room.change(code, |code| {
                if code.enabled != enabled {
                    (code.enabled, code.updated_at) = (enabled, now);
                }
            });
        }
    }

    /// How many codes there are.
    pub(crate) fn len(&self) -> usize {
        self.room_of.len()
    }
}

impl Row for RoomCode {
    fn id(&self) -> &str {
        &self.code
    }

    fn key(&self) -> String {
        self.role.clone()
    }
}

/// Letters out of random bytes.
fn spell(random: &Uuid) -> String {
    let letters: String = random.as_bytes()[..10].iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    format!("{}-{}-{}", &letters[..3], &letters[3..7], &letters[7..])
}
