//! The workspace every emulator starts with; its ids are fixed, so that examples and tests can name them.
//!
//! | thing | what it is |
//! | --- | --- |
//! | template `demo` | the default one, with roles `host` and `guest`; made "on the dashboard", so it has a subdomain and its rooms need no `meeting_url` |
//! | room `demo-standup` | has an open session with one host and two guests, which no time ends |
//! | room `demo-townhall` | nobody in it |

use jiff::Timestamp;
use serde_json::{Map, json};

use super::routes::role_body;
use super::store::{Peer, Room, Session, Store, Template};

/// The access key of the demo workspace.
pub const DEMO_ACCESS_KEY: &str = "65a1b2c3d4e5f60718293a4b";
/// The secret of the demo workspace. It is public and opens nothing but emulators.
pub const DEMO_SECRET: &str = "demo-secret-of-the-local-emulator-opens-nothing-else==";
/// The customer that owns the demo workspace.
pub const DEMO_CUSTOMER_ID: &str = "65a1b2c3d4e5f60718290001";
/// The demo workspace itself.
pub const DEMO_APP_ID: &str = "65a1b2c3d4e5f60718290002";
/// The default template, named `demo`.
pub const DEMO_TEMPLATE_ID: &str = "65a1b2c3d4e5f60718290010";
/// The room `demo-standup`, with an open session.
pub const DEMO_STANDUP_ROOM_ID: &str = "65a1b2c3d4e5f60718290020";
/// The room `demo-townhall`, with nobody in it.
pub const DEMO_TOWNHALL_ROOM_ID: &str = "65a1b2c3d4e5f60718290021";
/// The session open in `demo-standup`.
pub const DEMO_SESSION_ID: &str = "65a1b2c3d4e5f60718290030";
/// The host in `demo-standup`.
pub const DEMO_HOST_PEER_ID: &str = "00000000-0000-4000-8000-00000000a001";
/// The guests in `demo-standup`.
pub const DEMO_GUEST_PEER_IDS: [&str; 2] =
    ["00000000-0000-4000-8000-00000000b001", "00000000-0000-4000-8000-00000000b002"];

const MADE: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// The state of a new emulator.
pub(crate) fn workspace() -> Store {
    let mut store = Store::new(DEMO_CUSTOMER_ID, DEMO_APP_ID, template());
    for (id, name) in [(DEMO_STANDUP_ROOM_ID, "demo-standup"), (DEMO_TOWNHALL_ROOM_ID, "demo-townhall")] {
        store.rooms.insert(Room::new(id.to_owned(), name.to_owned(), DEMO_TEMPLATE_ID.to_owned(), MADE));
    }
    let peers = vec![
        peer(DEMO_HOST_PEER_ID, "Ada", "host"),
        peer(DEMO_GUEST_PEER_IDS[0], "Grace", "guest"),
        peer(DEMO_GUEST_PEER_IDS[1], "Linus", "guest"),
    ];
    store.sessions.insert(Session {
        id: DEMO_SESSION_ID.to_owned(),
        room_id: DEMO_STANDUP_ROOM_ID.to_owned(),
        peers,
        created_at: MADE,
        updated_at: MADE,
        ended_at: None,
    });
    store
}

fn template() -> Template {
    let mut host = Map::new();
    host.insert("permissions".to_owned(), json!({ "endRoom": true, "removeOthers": true }));
    let roles = [("host", host), ("guest", Map::new())]
        .map(|(name, sent)| (name.to_owned(), role_body::complete(name, sent)))
        .into_iter()
        .collect();
    Template {
        id: DEMO_TEMPLATE_ID.to_owned(),
        name: "demo".to_owned(),
        roles,
        settings: json!({ "region": "auto" }),
        destinations: json!({}),
        plugins: json!({}),
        recordings: Vec::new(),
        subdomain: Some("demo".to_owned()),
        created_at: MADE,
        updated_at: MADE,
    }
}

fn peer(id: &str, name: &str, role: &str) -> Peer {
    Peer {
        id: id.to_owned(),
        name: name.to_owned(),
        user_id: name.to_ascii_lowercase(),
        metadata: String::new(),
        role: role.to_owned(),
        joined_at: MADE,
        left_at: None,
        tracks: Vec::new(),
    }
}
