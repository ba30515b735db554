//! What the emulated workspace holds, all of it in memory and behind one lock.
//!
//! Things are kept in tables in the order they were made and never go away, as in the API. It knows how things relate
//! (which room a name means, which session is open), but neither requests nor answers.

mod agenda;
mod asset;
mod attendance;
mod event;
mod job;
mod job_events;
mod job_limits;
mod kind;
mod poll;
mod replay;
mod room;
mod room_code;
mod session;
mod sip;
mod stream_key;
mod table;
mod template;
mod webhooks;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

pub(crate) use self::agenda::{Agenda, Moment};
pub(crate) use self::asset::{Asset, AssetStatus};
pub(crate) use self::attendance::Leaving;
pub(crate) use self::event::{ERRORS, Event, Events, about, about_peer, kept_kind};
pub(crate) use self::job::{Job, Pauses, Phase, Status};
pub(crate) use self::kind::{ExternalStream, Kind, LiveStream, Recording, Transcription};
pub(crate) use self::poll::{Poll, PollResponse, PollResult, PollRun, Voter, score, take, take_option, vote};
pub(crate) use self::replay::Replay;
pub(crate) use self::room::Room;
pub(crate) use self::room_code::{RoomCode, RoomCodes};
pub(crate) use self::session::{Peer, Session, Track};
pub(crate) use self::sip::{Number, Sip, Trunk};
pub(crate) use self::stream_key::StreamKey;
pub(crate) use self::table::{Row, Table};
pub(crate) use self::template::Template;
pub(crate) use self::webhooks::{Delivery, Outgoing, Webhooks};

/// All state of the workspace.
#[derive(Debug)]
pub(crate) struct Store {
    ids: Ids,
    default_template: String,
    /// Whose workspace it is.
    pub(crate) customer_id: &'static str,
    /// The workspace's own id.
    pub(crate) app_id: &'static str,
    /// Templates, by name.
    pub(crate) templates: Table<Template>,
    /// Rooms, by lower-cased name.
    pub(crate) rooms: Table<Room>,
    /// Codes of rooms.
    pub(crate) room_codes: RoomCodes,
    /// Sessions, open and ended, by room: the latest of each.
    pub(crate) sessions: Table<Session>,
    /// Live streams, by room: the latest of each.
    pub(crate) live_streams: Table<Job<LiveStream>>,
    /// External streams, by room: the latest of each.
    pub(crate) external_streams: Table<Job<ExternalStream>>,
    /// What happened, as far as analytics keep it.
    pub(crate) events: Events,
    /// Webhooks, on their way and settled.
    pub(crate) webhooks: Webhooks,
    /// Deliveries that are or were sent again, by what was asked for.
    pub(crate) replays: Table<Replay>,
    /// Up to which stage of each unfinished job it was told what happened.
    told: HashMap<String, Status>,
    /// What is to happen by itself.
    pub(crate) agenda: Agenda,
    /// Recordings, by room: the latest of each.
    pub(crate) recordings: Table<Job<Recording>>,
    /// Files that jobs left, by job: the latest of each.
    pub(crate) assets: Table<Asset>,
    /// Stream keys, by room: the latest of each.
    pub(crate) stream_keys: Table<StreamKey>,
    /// Polls.
    pub(crate) polls: Table<Poll>,
    /// Times a poll was open, by poll: the latest of each.
    pub(crate) poll_runs: Table<PollRun>,
    /// Responses, by voter and question: the latest of each.
    pub(crate) poll_responses: Table<PollResponse>,
    /// Results, by voter and question.
    pub(crate) poll_results: Table<PollResult>,
    /// Telephones.
    pub(crate) sip: Sip,
    /// What left no other trace in the state.
    pub(crate) tally: Tally,
}

/// Counts of things that happened.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Messages sent.
    pub(crate) messages: u64,
    /// Peers that got a message, over all messages.
    pub(crate) deliveries: u64,
    /// Cues inserted into streams.
    pub(crate) cues: u64,
    /// Telephones that rang and were answered.
    pub(crate) sip_calls: u64,
    /// Tones played to telephones.
    pub(crate) tones: u64,
    /// Calls the sink took.
    pub(crate) sink_calls: u64,
    /// Objects in those calls.
    pub(crate) sink_objects: u64,
}

impl Store {
    /// A workspace with nothing but its default template.
    pub(crate) fn new(customer_id: &'static str, app_id: &'static str, default: Template) -> Self {
        let default_template = default.id.clone();
        let mut templates = Table::default();
        templates.insert(default);
        Self {
            ids: Ids::default(),
            default_template,
            customer_id,
            app_id,
            templates,
            rooms: Table::default(),
            room_codes: RoomCodes::default(),
            sessions: Table::default(),
            live_streams: Table::default(),
            external_streams: Table::default(),
            events: Events::default(),
            webhooks: Webhooks::default(),
            replays: Table::default(),
            told: HashMap::new(),
            agenda: Agenda::default(),
            recordings: Table::default(),
            assets: Table::default(),
            stream_keys: Table::default(),
            polls: Table::default(),
            poll_runs: Table::default(),
            poll_responses: Table::default(),
            poll_results: Table::default(),
            sip: Sip::default(),
            tally: Tally::default(),
        }
    }

    /// The same workspace with webhooks.
    #[must_use]
    pub(crate) fn with_webhooks(self, webhooks: Webhooks) -> Self {
        Self { webhooks, ..self }
    }

    /// A new id: 24 hex digits.
    pub(crate) fn new_id(&mut self, now: Timestamp) -> String {
        self.ids.next(now)
    }

    /// The id of the template that rooms get by default.
    pub(crate) fn default_template(&self) -> &str {
        &self.default_template
    }

    /// The template a room follows.
    pub(crate) fn template_of(&self, room: &Room) -> Option<&Template> {
        self.templates.get(&room.template_id)
    }

    /// The session that is open in a room.
    pub(crate) fn open_session(&self, room_id: &str) -> Option<&Session> {
        self.sessions.by_key(room_id).filter(|session| session.ended_at.is_none())
    }

    /// How many things of each kind there are.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        let open = self.sessions.newest_first().filter(|session| session.ended_at.is_none());
        let (open_sessions, peers) =
            open.fold((0, 0), |(open, peers), session| (open + 1, peers + session.connected().count()));
        let roles = self.templates.newest_first().map(|template| template.roles.len()).sum::<usize>();
        let sizes = [
            ("templates", self.templates.len()),
            ("roles", roles),
            ("rooms", self.rooms.len()),
            ("room_codes", self.room_codes.len()),
            ("sessions", self.sessions.len()),
            ("open_sessions", open_sessions),
            ("peers", peers),
            ("live_streams", self.live_streams.len()),
            ("external_streams", self.external_streams.len()),
            ("recordings", self.recordings.len()),
            ("recording_assets", self.assets.len()),
            ("stream_keys", self.stream_keys.len()),
            ("polls", self.polls.len()),
            ("poll_responses", self.poll_responses.len()),
            ("trunks", self.sip.trunks.len()),
        ];
        let happened = [
            ("messages", self.tally.messages),
            ("deliveries", self.tally.deliveries),
            ("cues", self.tally.cues),
            ("sip_calls", self.tally.sip_calls),
            ("tones", self.tally.tones),
            ("sink_calls", self.tally.sink_calls),
            ("sink_objects", self.tally.sink_objects),
        ];
        sizes
            .into_iter()
            .map(|(name, size)| (name, size as u64))
            .chain(happened)
            .chain(self.webhooks.counts())
            .collect()
    }
}

/// Makes ids as the API's database does: the time, a word for the machine, a count.
#[derive(Debug, Default)]
struct Ids {
    made: u32,
}

impl Ids {
    fn next(&mut self, now: Timestamp) -> String {
        self.made = self.made.wrapping_add(1);
        let second = now.as_second() & 0xffff_ffff;
        format!("{second:08x}e31a70cafe{:06x}", self.made & 0x00ff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_24_hex_digits_and_never_the_same() {
        let mut ids = Ids::default();
        let made: Vec<_> = (0..1000).map(|_| ids.next(Timestamp::constant(1_750_000_000, 0))).collect();
        assert!(made.iter().all(|id| id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit())));
        assert!(made.is_sorted() && made.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
