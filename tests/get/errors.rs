//! What the API says when a read is refused appears in events as it says it, with all that its SDK's exception carries.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Emulator, Program, Reply, STANDUP, Server, keys};
