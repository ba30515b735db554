//! Replays: deliveries of webhooks that are sent again, ten a second.
//!
//! It does not know which deliveries were asked for, nor how anything is posted.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::Store;
use super::agenda::Moment;
use super::table::Row;

/// Seconds from the call until the first webhook, and between two.
const QUEUED_S: f64 = 1.0;
const BETWEEN_S: f64 = 0.1;
/// The most replays that run at a time.
const MOST_RUNNING: usize = 10;

/// Webhooks that are sent again.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    /// Names the customer, and tells it from others.
    pub(crate) id: String,
    /// What was asked for, as sent; the same again while it runs is the same replay.
    pub(crate) asked: Value,
    /// What that came to.
    pub(crate) filters: Value,
    /// When it was asked for.
    pub(crate) started_at: Timestamp,
    /// When its last webhook was settled.
    pub(crate) completed_at: Option<Timestamp>,
    /// Places of its deliveries.
    deliveries: Vec<usize>,
    sent: usize,
    /// How many got through.
    pub(crate) delivered: usize,
    /// Ids of the events that did not.
    pub(crate) failed: Vec<String>,
}

impl Replay {
    /// How many webhooks it sends.
    pub(crate) fn total(&self) -> usize {
        self.deliveries.len()
    }

    /// The word for where it stands, in the mixed case of the documentation.
    pub(crate) fn status(&self) -> &'static str {
        match (self.completed_at, self.failed.len()) {
            (None, _) => "Running",
            (Some(_), 0) => "completed",
            (Some(_), failed) if failed == self.total() => "failed",
            (Some(_), _) => "completed_with_failures",
        }
    }

    fn is_over(&self) -> bool {
        self.delivered + self.failed.len() == self.total()
    }
}

impl Row for Replay {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> String {
        self.asked.to_string()
    }
}

impl Store {
    /// The replay of the very same that still runs.
    pub(crate) fn running_replay(&self, asked: &Value) -> Option<&Replay> {
        self.replays.by_key(&asked.to_string()).filter(|replay| replay.completed_at.is_none())
    }

    /// Starts to send deliveries again, unless too much of that is under way.
    pub(crate) fn replay(
        &mut self,
        asked: Value,
        filters: Value,
        deliveries: Vec<usize>,
        moment: Moment,
    ) -> Option<&Replay> {
        let running = self.replays.newest_first().filter(|replay| replay.completed_at.is_none());
        if running.count() >= MOST_RUNNING {
            return None;
        }
        let mut word = Uuid::new_v4().simple().to_string();
        word.truncate(8);
        let id = format!("webhook-replay-{}-{word}", self.customer_id);
        self.agenda.plan(moment.later(QUEUED_S), Self::send_next, &id);
        Some(self.replays.insert(Replay {
            id,
            asked,
            filters,
            started_at: moment.at,
            completed_at: None,
            deliveries,
            sent: 0,
            delivered: 0,
            failed: Vec::new(),
        }))
    }

    fn send_next(&mut self, id: &str, moment: Moment) {
        let next = self.replays.change(id, |replay| {
            replay.sent += 1;
            replay.deliveries.get(replay.sent - 1).copied()
        });
        if let Some(delivery) = next.flatten() {
            self.agenda.plan(moment.later(BETWEEN_S), Self::send_next, id);
            self.send_again(delivery, id, moment);
        } else {
            self.complete_replay(id, moment);
        }
    }

    /// Takes down how a webhook of a replay ended.
    pub(crate) fn replayed(&mut self, id: &str, event_id: &str, delivered: bool, moment: Moment) {
        self.replays.change(id, |replay| match delivered {
            true => replay.delivered += 1,
            false => replay.failed.push(event_id.to_owned()),
        });
        self.complete_replay(id, moment);
    }

    fn complete_replay(&mut self, id: &str, moment: Moment) {
        self.replays.change(id, |replay| {
            if replay.is_over() && replay.completed_at.is_none() {
                replay.completed_at = Some(moment.at);
            }
        });
    }
}
