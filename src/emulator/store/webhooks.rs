//! Webhooks: what is to be posted where, how often that was tried, and what came of it.
//!
//! An attempt that is not answered 200 is made again as the API documents it. What waits is bounded: beyond it, a
//! webhook fails at once, and is listed as such. It does not know how anything is posted.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::agenda::Moment;
use super::event::Event;
use super::{Room, Store};
use crate::emulator::address::Address;

/// How long after an attempt the next one is made.
const AGAIN_S: [f64; 3] = [1.0, 3.0, 10.0];
/// The most webhooks that wait for their outcome.
const MOST_WAITING: usize = 1000;
/// How the kinds begin that no webhook is sent for.
const NOT_POSTED: [&str; 2] = ["track.", "client."];

/// All webhooks of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Webhooks {
    address: Option<Address>,
    waiting: HashMap<String, Letter>,
    outbox: VecDeque<String>,
    deliveries: Vec<Delivery>,
    attempts: u64,
    made: u64,
}

/// A webhook whose outcome is open.
#[derive(Clone, Debug)]
struct Letter {
    event: Event,
    room_id: String,
    address: Address,
    headers: Vec<(String, String)>,
    attempts: usize,
    /// The replay it belongs to.
    replay: Option<String>,
}

/// A webhook that is to be posted now.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// What it is reported by.
    pub(crate) letter: String,
    /// Where it goes.
    pub(crate) address: Address,
    /// The headers that were configured for it.
    pub(crate) headers: Vec<(String, String)>,
    /// What it says.
    pub(crate) body: Vec<u8>,
}

/// A webhook that got through or was given up.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// A uuid, of the delivery and not of its event.
    pub(crate) id: String,
    /// When its outcome was known.
    pub(crate) at: Timestamp,
    /// What was told.
    pub(crate) event: Event,
    /// The room that it is about.
    pub(crate) room_id: String,
    /// Where it went.
    pub(crate) url: String,
    /// Why it did not get through, if so.
    pub(crate) error: Option<String>,
}

impl Webhooks {
    /// Webhooks that go to an address, or none at all.
    pub(crate) fn to(address: Option<Address>) -> Self {
        Self { address, ..Self::default() }
    }

    /// Whether any are sent.
    pub(crate) fn are_on(&self) -> bool {
        self.address.is_some()
    }

    /// Those that are settled, oldest first.
    pub(crate) fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// How many attempts were made; how many webhooks got through, were given up, and wait.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 4] {
        let failed = self.deliveries.iter().filter(|delivery| delivery.error.is_some()).count() as u64;
        [
            ("webhook_attempts", self.attempts),
            ("webhooks_delivered", self.deliveries.len() as u64 - failed),
            ("webhooks_failed", failed),
            ("webhooks_waiting", self.waiting.len() as u64),
        ]
    }

    fn put(&mut self, letter: Letter) {
        self.made += 1;
        let id = self.made.to_string();
        self.waiting.insert(id.clone(), letter);
        self.outbox.push_back(id);
    }
}

impl Store {
    /// Sends the webhook of an event, if there is one.
    pub(crate) fn send_webhook(&mut self, event: Event, room_id: &str, moment: Moment) {
        if self.webhooks.are_on() && !NOT_POSTED.iter().any(|start| event.kind.starts_with(start)) {
            self.dispatch(event, room_id, None, moment);
        }
    }

    /// Sends the event of a delivery again.
    pub(crate) fn send_again(&mut self, delivery: usize, replay: &str, moment: Moment) {
        if let Some(delivery) = self.webhooks.deliveries.get(delivery) {
            let (event, room_id) = (delivery.event.clone(), delivery.room_id.clone());
            self.dispatch(event, &room_id, Some(replay.to_owned()), moment);
        }
    }

    fn dispatch(&mut self, event: Event, room_id: &str, replay: Option<String>, moment: Moment) {
        let configured = self.rooms.get(room_id).and_then(own_webhook);
        let (url, headers) = configured.unwrap_or_else(|| {
            (self.webhooks.address.as_ref().map(ToString::to_string).unwrap_or_default(), Vec::new())
        });
        // The workspace's address is the user's own word; a room's may have come from anywhere.
        let address = url.parse::<Address>().ok();
        let trusted = address
            .filter(|address| address.is_loopback() || self.webhooks.address.as_ref() == Some(address));
        let Some(address) = trusted else {
            let error = Some("webhook of a room is not an http address of this machine".to_owned());
            return self
                .settle_delivery(Ended { event, room_id: room_id.to_owned(), url, error, replay }, moment);
        };
        let room_id = room_id.to_owned();
        let letter = Letter { event, room_id, address, headers, attempts: 0, replay };
        if self.webhooks.waiting.len() < MOST_WAITING {
            self.webhooks.put(letter);
        } else {
            self.settle_delivery(letter.ended(Some("too many webhooks are waiting".to_owned())), moment);
        }
    }

    /// Up to so many webhooks that are to be posted now.
    pub(crate) fn take_webhooks(&mut self, most: usize) -> Vec<Outgoing> {
        let count = most.min(self.webhooks.outbox.len());
        let taken: Vec<String> = self.webhooks.outbox.drain(..count).collect();
        taken.into_iter().filter_map(|id| self.outgoing(id)).collect()
    }

    fn outgoing(&self, id: String) -> Option<Outgoing> {
        let letter = self.webhooks.waiting.get(&id)?;
        let mut body = json!({
            "version": "2.0",
            "id": letter.event.id,
            "account_id": self.customer_id,
            "app_id": self.app_id,
            "timestamp": letter.event.at,
            "type": letter.event.kind,
            "data": letter.event.data,
        });
        if letter.replay.is_some() {
            body["is_replay"] = json!(true);
        }
        Some(Outgoing {
            address: letter.address.clone(),
            headers: letter.headers.clone(),
            body: body.to_string().into_bytes(),
            letter: id,
        })
    }

    /// Takes down how an attempt went; one that failed may be followed by another.
    pub(crate) fn webhook_attempted(&mut self, id: &str, error: Option<String>, moment: Moment) {
        let Some(letter) = self.webhooks.waiting.get_mut(id) else { return };
        let again = AGAIN_S.get(letter.attempts).filter(|_| error.is_some());
        letter.attempts += 1;
        self.webhooks.attempts += 1;
        if let Some(seconds) = again {
            self.agenda.plan(moment.later(*seconds), Self::try_again, id);
        } else if let Some(letter) = self.webhooks.waiting.remove(id) {
            self.settle_delivery(letter.ended(error), moment);
        }
    }

    fn try_again(&mut self, id: &str, _: Moment) {
        self.webhooks.outbox.push_back(id.to_owned());
    }

    fn settle_delivery(&mut self, ended: Ended, moment: Moment) {
        let Ended { event, room_id, url, error, replay } = ended;
        // A replay is told by its own figures; listed once more, it would be replayed once more too.
        if let Some(replay) = replay {
            return self.replayed(&replay, &event.id, error.is_none(), moment);
        }
        let id = Uuid::new_v4().to_string();
        self.webhooks.deliveries.push(Delivery { id, at: moment.at, event, room_id, url, error });
    }
}

/// A webhook that will not be tried again.
struct Ended {
    event: Event,
    room_id: String,
    url: String,
    error: Option<String>,
    replay: Option<String>,
}

impl Letter {
    fn ended(self, error: Option<String>) -> Ended {
        let Self { event, room_id, address, replay, .. } = self;
        Ended { event, room_id, url: address.to_string(), error, replay }
    }
}

/// Address and headers that a room has set for itself.
fn own_webhook(room: &Room) -> Option<(String, Vec<(String, String)>)> {
    let webhook = room.webhook.as_ref()?;
    let url = webhook["url"].as_str().filter(|url| !url.is_empty())?;
    let headers = webhook["headers"].as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some((url.to_owned(), headers.map(|(name, value)| (name.clone(), text(value))).collect()))
}
