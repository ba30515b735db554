//! What became of the posts of a run, for people and for machines.
//!
//! It knows numbers, and neither events nor answers.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::super::end::events;
use super::super::run::Message;
use crate::exit::ExitCode;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Posts {
    /// What messages call the webhook.
    pub webhook: String,
    /// Posts that were taken.
    pub taken: u64,
    /// Events in them.
    pub events: u64,
    /// Posts that were made again.
    pub repeated: u64,
    /// Events that were written to the spill file instead.
    pub spilled: u64,
    /// Events that wait in the ledger.
    pub backlog: u64,
    /// How long the run has waited for the webhook.
    pub waited: Duration,
    /// The file of what was spilled.
    pub spill: PathBuf,
    /// What posts them later.
    pub later: String,
    /// What could not be read or written.
    pub troubles: Vec<String>,
}

impl Posts {
    /// One line of the summary for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "webhook {}: {} events in {} posts, {} repeated",
            self.webhook, self.events, self.taken, self.repeated
        );
        if self.waited >= Duration::from_secs(1) {
            text.push_str(&format!(", waited for {:.1} s", self.waited.as_secs_f64()));
        }
        if self.backlog > 0 {
            text.push_str(&format!(", {} events wait in the ledger", self.backlog));
        }
        if self.spilled > 0 {
            text.push_str(&format!(", {} events in `{}`", self.spilled, self.spill.display()));
        }
        text
    }

    /// What the user must know, and the exit code it earns.
    #[must_use]
    pub fn messages(&self) -> Vec<(ExitCode, Message)> {
        let say = |exit, text: String, hint| (exit, Message { text, hint });
        let mut all: Vec<_> =
            self.troubles.iter().map(|trouble| say(ExitCode::Io, trouble.clone(), None)).collect();
        let name = &self.webhook;
        if self.spilled > 0 {
            let (count, file) = (events(self.spilled), self.spill.display());
            let text = format!("webhook {name}: {count} not taken, and written to `{file}`");
            all.push(say(ExitCode::Io, text, None));
        }
        if self.backlog > 0 {
            let text = format!("webhook {name}: {} not taken, and kept in the ledger", events(self.backlog));
            all.push(say(ExitCode::Stopped, text, Some(format!("posted later by: {}", self.later))));
        }
        all
    }

    /// The same for `--summary-json`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        json!({
            "posts": self.taken,
            "events": self.events,
            "repeated": self.repeated,
            "backlog": self.backlog,
            "spilled": self.spilled,
            "waited_s": (self.waited.as_secs_f64() * 1000.0).round() / 1000.0,
        })
    }
}
