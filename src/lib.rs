//! Pushes a stream of records into a REST API: nothing lost, nothing done twice that must not be, every answer out.
//!
//! The home API is [100ms](https://www.100ms.live/docs/server-side/v2) (live video rooms). This crate is the library
//! behind the `roompipe` program; the program adds arguments and a terminal.
//!
//! # The path of a record
//!
//! ```text
//! input ─ record ─ where ─ known? ─ mapping ─ coercion, schema ─ request ─ lane ─ slot ─ permit ─ intent ─ attempt ─ verdict
//!                                                                                      └──────── again ────────┘  │
//!                              summary ─ dead letter ─ event ─ ledger ──────────────────────────────────────── outcome
//! ```
//!
//! 1. A reader's thread ([`record`]) splits the input into records. Raw bytes are kept; they are parsed where
//!    something looks inside.
//! 2. On the same thread [`mapping`] makes [requests](mapping::Request) of a record, by the rules of an
//!    [endpoint template](template::EndpointTemplate). From here a request is fixed: the same bytes at every attempt.
//! 3. [`pipeline`] admits the calls: those that write the same thing share a lane, keep their order and are never in
//!    flight together; those of one record go one after another. A worker is a slot.
//!    With a [`ledger`] the reader first asks what is known of a record; what is delivered and unchanged ends there.
//! 4. [`call`] sends. It holds the only loop that sends twice, and a pure table decides whether it may.
//! 5. [`output`] makes an event of the outcome and hands it to a writer's thread, with a ledger once both are committed
//!    there; what goes to a webhook is read from the ledger, or waits in a queue that is as bounded as the rest. Only then is the record's room in the read-ahead given back: a slow API or a slow reader of stdout slows
//!    the reading of stdin.
//!
//! # Where is what
//!
//! | question | file |
//! | --- | --- |
//! | which words does a record end with, which code the program | [`outcome`], [`exit`] |
//! | how is an input split and decoded | [`record`] |
//! | what is a template, what does it check | [`template`], the files under `templates/` |
//! | where does a field go, what is a CSV cell turned into | [`mapping`] |
//! | which page of a list comes next, where are its items | [`pipeline`], [`template`] |
//! | is it tried again, how fast, with which token | [`call`] |
//! | what is remembered from run to run, what is done with it | [`ledger`] |
//! | what does an event say, where is it written | [`output`] |
//! | who runs when, how does a run end | [`pipeline`] |
//! | how is an event posted, what does an answer mean, what if nobody takes it | [`output`], [`pipeline`] |
//! | what does a dead letter say, which is sent again and as what | [`output`], [`pipeline`] |
//! | what does an option mean | [`cli`] |
//! | what does 100ms answer | [`emulator`] |
//!
//! # Invariants
//!
//! - Every record read ends in exactly one [outcome](outcome::Outcome), and the counts add up.
//! - A call that may not be repeated is never repeated after an ambiguity; it is `unknown`.
//! - With a ledger nothing leaves that must not be repeated before it is written down, no event is told before its
//!   outcome is, and an event is forgotten only when every output has taken it.
//! - What a record says fills parameters. It never chooses the host, leaves the path, or adds a header.
//! - Nothing between input and output is unbounded: records read and not settled, bytes waiting for a writer, bytes
//!   kept of an answer.
//! - Lower layers never import higher ones: `jq`, `scratch`, `record` ← `template` ← `mapping` ← `call`, `ledger` ← `output` ← `pipeline` ←
//!   `cli`. `record`, `template`, `mapping`, the verdict and `ledger::resume` are pure and synchronous.
//! - Only `call` knows an HTTP client, and in it only one file.
//!
//! # What is deliberately absent
//!
//! - The emulator and the connector share no code: they meet over HTTP, so that neither hides the other's mistake.
//! - There is no code for any one endpoint: adding one touches only `templates/`.
//! - There is no second retry layer: the HTTP client's own repeats and redirects are off.
//! - There is no global state: two runs in one process do not know each other.

pub mod call;
pub mod cli;
pub mod emulator;
pub mod exit;
mod failpoint;
pub mod jq;
pub mod ledger;
pub mod mapping;
mod needle;
pub mod outcome;
pub mod output;
pub mod pipeline;
pub mod record;
pub mod scratch;
pub mod template;
