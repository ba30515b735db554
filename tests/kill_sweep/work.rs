//! What is sent in a sweep: one kind of work for each effect, with its records and what a call of it is known by.
//!
//! It knows neither kills nor how the end is judged.

use serde_json::{Value, json};

use super::support::{Emulator, STANDUP, jsonl};

/// A kind of work.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// The effect, as the catalog has it.
    pub(crate) effect: &'static str,
    /// Endpoint and options.
    pub(crate) command: &'static str,
    /// What goes wrong besides the kills. Nothing of it may spend a call's attempts: what fails is sent again later,
    /// behind what came after it.
    pub(crate) faults: &'static str,
    /// Records of a call, at most.
    pub(crate) batch: u64,
    /// The input.
    pub(crate) records: Vec<Value>,
}

/// The faults of the matrix that leave it open whether a call was applied.
pub(crate) const AMBIGUOUS: [&str; 5] = ["reset-before", "reset-after", "close-after", "cut-body", "500"];

/// One call that the input asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    /// Its record, from 1.
    pub(crate) number: u64,
    /// Which of the record's calls.
    pub(crate) index: u64,
    /// What it writes to.
    pub(crate) target: String,
    /// What it writes; no two calls write the same.
    pub(crate) text: String,
    /// The API refuses it, whenever it is sent.
    pub(crate) is_refused: bool,
}

impl Work {
    /// Rooms by their names, some of them twice: the later one changes the room.
    pub(crate) fn upsert(count: usize) -> Self {
        let names = count * 2 / 3;
        Self {
            effect: "upsert",
            command: "create-room --max-attempts 50",
            faults: "reset-before:3%,reset-after:3%,429-bare:1%,500:2%,cut-body:2%",
            batch: 1,
            records: (0..count)
                .map(|n| json!({"n": n, "name": format!("room-{}", n % names), "description": text(n)}))
                .collect(),
        }
    }

    /// Updates of a few rooms, which the emulator gets first.
    pub(crate) fn idempotent(count: usize, emulator: &Emulator) -> Self {
        let ids = rooms(count.div_ceil(5), emulator);
        Self {
            effect: "idempotent",
            command: "update-room --max-attempts 50",
            faults: "reset-before:3%,reset-after:3%,429-bare:1%,500:2%,cut-body:2%",
            batch: 1,
            records: (0..count)
                .map(|n| json!({"n": n, "room_id": ids[n % ids.len()], "description": text(n)}))
                .collect(),
        }
    }

    /// Messages, every fifth of them to two roles: two calls of one record.
    pub(crate) fn non_idempotent(count: usize) -> Self {
        let record = |n: usize| match n % 5 {
            4 => json!({"n": n, "room_id": STANDUP, "message": text(n), "roles": ["host", "guest"]}),
            _ => json!({"n": n, "room_id": STANDUP, "message": text(n)}),
        };
        Self {
            effect: "non-idempotent",
            // In one lane they would wait for one another.
            command: "send-message --unordered --max-attempts 50",
            faults: "reset-before:2%,reset-after:2%,429-bare:1%,503:3%,close-after:1%",
            batch: 1,
            records: (0..count).map(record).collect(),
        }
    }

    /// Messages to two roles each: two calls of one record.
    pub(crate) fn roles(count: usize) -> Self {
        let record =
            |n: usize| json!({"n": n, "room_id": STANDUP, "message": text(n), "roles": ["host", "guest"]});
        Self { records: (0..count / 2).map(record).collect(), ..Self::non_idempotent(0) }
    }

    /// Rows of some targets, several a call, and some that the API refuses together with all that are beside them. What
    /// is written to one target keeps its order.
    pub(crate) fn batched_idempotent(count: usize) -> Self {
        let record = |n: usize| match n % 20 {
            7 => json!({"n": n, "g": 1, "target": format!("bad-{n}"), "text": text(n), "poison": true}),
            _ => json!({"n": n, "g": n % 2, "target": format!("row-{}", n % 7), "text": text(n)}),
        };
        Self {
            effect: "idempotent",
            command: "--url /sink/rows --effect idempotent --batch 4 --batch-by .g --batch-wait 50ms --order-by .target \
                      --max-attempts 50",
            faults: "reset-before:3%,reset-after:3%,429-bare:1%,500:2%,cut-body:2%",
            batch: 4,
            records: (0..count).map(record).collect(),
        }
    }

    /// The same where no call may be repeated.
    pub(crate) fn batched_non_idempotent(count: usize) -> Self {
        Self {
            effect: "non-idempotent",
            command: "--url /sink/rows --effect non-idempotent --batch 4 --batch-by .g --batch-wait 50ms \
                      --order-by .target --max-attempts 50",
            faults: "reset-before:2%,reset-after:2%,429-bare:1%,503:3%,close-after:1%",
            ..Self::batched_idempotent(count)
        }
    }

    /// Streams, one a room, of which a read tells whether they were started.
    pub(crate) fn reconciled(count: usize, emulator: &Emulator) -> Self {
        let record = |(n, id)| json!({"n": n, "room_id": id, "meeting_url": format!("https://example.com/{}", text(n))});
        Self {
            effect: "reconciled",
            command: "start-live-stream --max-attempts 50",
            faults: "reset-before:2%,reset-after:2%,503:3%,close-after:1%",
            batch: 1,
            records: rooms(count, emulator).into_iter().enumerate().map(record).collect(),
        }
    }

    /// The same, and nothing goes wrong besides.
    pub(crate) fn calm(self) -> Self {
        Self { faults: "", ..self }
    }

    /// Whether the same call applied twice is a call too many.
    pub(crate) fn counts(&self) -> bool {
        self.effect == "non-idempotent" || self.reconciles()
    }

    /// Whether a read tells what became of a call.
    pub(crate) fn reconciles(&self) -> bool {
        self.effect == "reconciled"
    }

    /// The calls that the input asks for, in its order.
    pub(crate) fn due(&self) -> Vec<Due> {
        let mut all = Vec::new();
        for (number, record) in (1..).zip(&self.records) {
            let bodies: Vec<Value> = match record["roles"].as_array() {
                None => vec![record.clone()],
                Some(roles) => {
                    roles.iter().map(|role| json!({"message": record["message"], "role": role})).collect()
                }
            };
            for (index, body) in (0..).zip(bodies) {
                let target = ["room_id", "name", "target"].iter().find_map(|name| record[*name].as_str());
                let (target, is_refused) = (target.unwrap().to_owned(), record["poison"] == true);
                all.push(Due { number, index, target, text: written(&body), is_refused });
            }
        }
        all
    }

    /// What a call of the journal writes, in its order.
    pub(crate) fn texts(&self, call: &Value) -> Vec<String> {
        match call["body"].as_array() {
            Some(rows) => rows.iter().map(written).collect(),
            None => vec![written(&call["body"])],
        }
    }
}

/// Makes so many rooms; their ids.
fn rooms(count: usize, emulator: &Emulator) -> Vec<Value> {
    let rooms = jsonl((0..count).map(|n| json!({"name": format!("room-{n}")})));
    let ran = emulator.run("create-room --emit body --concurrency 1").stdin(rooms).run().exits(0);
    ran.events().into_iter().map(|mut room| room["id"].take()).collect()
}

fn text(n: usize) -> String {
    format!("text-{n}")
}

fn written(body: &Value) -> String {
    let text = ["message", "description", "meeting_url", "text"].iter().find_map(|name| body[*name].as_str());
    let text = text.unwrap_or_default();
    match body["role"].as_str() {
        Some(role) => format!("{text} to {role}"),
        None => text.to_owned(),
    }
}
