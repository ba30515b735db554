//! A call of several records: sent, taken apart where the API refuses it, written down and told.
//!
//! It decides no outcome of a call. What a record ends with is the worst of what its calls end with, except that what
//! may have been applied in part is not sent again where that could apply it twice.

use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::call::{Call, CallError, Settled};
use crate::failpoint;
use crate::ledger::Entry;
use crate::mapping::{Batching, Invalid, Request};
use crate::outcome::Outcome;
use crate::output::{Event, Kept, Share, Subject, batch_event_id};

use super::board::Work;
use super::intents::BatchIntents;
use super::settlement::{entry, unkept};
use super::task::{Invalidity, Plan, Task};
use super::work::{Workshop, call_id, cost, needs_intent, time};

/// Statuses by which an API refuses what a body says: a part of it may be welcome (RFC 9110, 15.5.1, 15.5.14, 15.5.21).
const REFUSALS: [u16; 3] = [400, 413, 422];

/// Batches in a row that were taken apart for nothing, after which none is any more.
const FRUITLESS: u32 = 2;

/// What became of a batch, or of a part of it.
enum Part {
    /// It ended; true where some record of it was delivered.
    Ended(bool),
    /// It was refused as a whole, and its halves may fare better.
    Halves(Vec<Work>, Vec<Work>),
}

/// What is to be told of some records of a batch.
struct Say {
    outcome: Outcome,
    /// Which of the records; at least one.
    members: Vec<usize>,
    /// What the answer says of each of them.
    results: Option<Vec<Value>>,
    /// Which of the batch's calls it is about.
    call: usize,
    error: Option<CallError>,
}

/// The same as an event.
struct Telling {
    say: Say,
    id: String,
    timestamp: jiff::Timestamp,
    generation: u64,
    subjects: Vec<Subject>,
    shares: Vec<Share>,
}

impl Workshop {
    /// Sends a batch, and whatever it is taken apart into, one after another. True where all of it was delivered.
    pub(super) async fn send_batch(&self, members: Vec<Work>) -> bool {
        let Some(batching) = self.batches.as_ref().map(|batches| batches.batching.clone()) else {
            return false;
        };
        let (mut parts, mut is_apart, mut is_fruitful, mut is_whole) = (vec![members], false, false, true);
        while let Some(part) = parts.pop() {
            match self.send_part(&batching, part).await {
                Part::Ended(is_delivered) => {
                    is_fruitful |= is_delivered;
                    is_whole &= is_delivered;
                }
                Part::Halves(first, second) => {
                    is_apart = true;
                    parts.extend([second, first]);
                }
            }
        }
        if is_fruitful {
            self.fruitless.store(0, Ordering::Relaxed);
        } else if is_apart && self.fruitless.fetch_add(1, Ordering::Relaxed) + 1 == FRUITLESS {
            tracing::info!(
                "{FRUITLESS} refused batches in a row held no record that is welcome: from here on a refused batch is \
                 not sent again in halves"
            );
        }
        is_whole && !is_apart
    }

    /// Sends a call of several records as it was recorded, which cannot be taken apart. True where it was delivered.
    pub(super) async fn send_recorded(&self, members: Vec<Work>) -> bool {
        let Some(request) = members.first().and_then(request).cloned() else { return false };
        matches!(self.send_calls(None, members, &[request]).await, Part::Ended(true))
    }

    async fn send_part(&self, batching: &Batching, members: Vec<Work>) -> Part {
        let calls = match batching.assemble(&members.iter().filter_map(request).collect::<Vec<_>>()) {
            Ok(calls) => calls,
            Err(invalid) => {
                self.refuse_all(&members, &invalid).await;
                return Part::Ended(false);
            }
        };
        self.send_calls(Some(batching), members, &calls).await
    }

    async fn send_calls(
        &self,
        batching: Option<&Batching>,
        mut members: Vec<Work>,
        calls: &[Request],
    ) -> Part {
        let mut intents = self.intents(&members);
        let maybe_applied = members.iter().filter_map(plan).any(|plan| plan.maybe_applied);
        let mut ends: Vec<Settled> = Vec::with_capacity(calls.len());
        for (index, request) in calls.iter().enumerate() {
            let settled = self.sender.send(Call { maybe_applied, ..Call::of(request) }, &mut intents).await;
            failpoint::reached("after-answer");
            let may_part = index == 0 && members.len() > 1 && batching.is_some() && self.bisects();
            if may_part && is_refused(&settled) {
                intents.refused().await;
                self.board.tally().call(cost(&settled));
                let second = members.split_off(members.len().div_ceil(2));
                return Part::Halves(members, second);
            }
            intents.ended(settled.outcome == Outcome::Delivered || settled.maybe_applied);
            ends.push(settled);
        }
        self.settle_part(batching, &members, calls, ends).await
    }

    fn bisects(&self) -> bool {
        self.batches.as_ref().is_some_and(|batches| batches.bisects)
            && self.fruitless.load(Ordering::Relaxed) < FRUITLESS
    }

    fn intents(&self, members: &[Work]) -> BatchIntents<'_> {
        let needed = members.iter().any(|work| match &work.task {
            Task::Send(request, plan) => needs_intent(request, plan),
            _ => false,
        });
        let scribe = self.scribe.as_ref().filter(|_| needed);
        let of_each = members.iter().filter_map(|work| Some((call_id(work), plan(work)?.clone())));
        BatchIntents::new(scribe, of_each)
    }

    /// No body could be made of them.
    async fn refuse_all(&self, members: &[Work], invalid: &Invalid) {
        for work in members {
            let generation = plan(work).map_or(0, |plan| plan.generation);
            let entry = plan(work).and_then(|plan| entry_of_unsent(work, plan));
            self.refuse(work, invalid, &Invalidity { generation, entry }).await;
        }
    }

    async fn settle_part(
        &self,
        batching: Option<&Batching>,
        members: &[Work],
        calls: &[Request],
        mut ends: Vec<Settled>,
    ) -> Part {
        keep_doubts(calls, &mut ends);
        let tellings: Vec<Telling> = ends
            .iter()
            .enumerate()
            .flat_map(|(call, end)| tell_call(batching, (call, calls), end, members.len()))
            .map(|say| self.telling(members, say))
            .collect();
        let outcomes = worst(members.len(), &tellings);
        let kept = self
            .keep_all(
                members,
                &outcomes,
                &ends,
                &tellings.iter().map(|telling| self.event(telling, calls, &ends)).collect::<Vec<_>>(),
            )
            .await;
        for settled in &ends {
            self.board.tally().call(cost(settled));
        }
        for (work, outcome) in members.iter().zip(&outcomes) {
            let outcome = match (&kept, request(work)) {
                (Err(NotKept), Some(request)) => unkept(request, ends.iter().map(|end| end.attempts).sum()),
                _ => *outcome,
            };
            self.count(work, outcome, None);
        }
        let Ok(kept) = kept else { return Part::Ended(false) };
        for (index, telling) in tellings.iter().enumerate() {
            if let Some(error) =
                telling.say.error.as_ref().filter(|_| telling.say.outcome != Outcome::Pending)
            {
                self.note_reason(&members[telling.say.members[0]], telling.say.outcome, error);
            }
            let kept = match &kept {
                None => None,
                Some(kept) => match kept.get(index) {
                    None => continue,
                    kept => kept,
                },
            };
            self.tell(&self.event(telling, calls, &ends), kept).await;
        }
        Part::Ended(outcomes.iter().all(|outcome| *outcome == Outcome::Delivered))
    }

    fn telling(&self, members: &[Work], say: Say) -> Telling {
        let of = || say.members.iter().map(|index| &members[*index]);
        let generation = of().filter_map(plan).map(|plan| plan.generation).max().unwrap_or(0);
        let identities = of().map(|work| (&*work.job.subject.identity, work.index));
        let run = self.teller.ledger.as_deref().unwrap_or(&self.teller.run);
        Telling {
            id: batch_event_id(run, identities, say.call, generation),
            timestamp: jiff::Timestamp::now(),
            generation,
            subjects: of().map(|work| work.job.subject.clone()).collect(),
            shares: of()
                .enumerate()
                .map(|(index, work)| Share {
                    call: (work.index, work.job.of),
                    result: say.results.as_ref().and_then(|results| results.get(index)).cloned(),
                })
                .collect(),
            say,
        }
    }

    fn event<'e>(&'e self, telling: &'e Telling, calls: &'e [Request], ends: &'e [Settled]) -> Event<'e> {
        let Telling { say, .. } = telling;
        let (request, end) = (&calls[say.call], &ends[say.call]);
        Event {
            id: &telling.id,
            timestamp: telling.timestamp,
            ledger: self.teller.ledger.as_deref(),
            endpoint: request.template.as_ref().map_or(&self.teller.endpoint, |template| &template.id),
            outcome: say.outcome,
            call: (say.call, calls.len()),
            generation: telling.generation,
            records: &telling.subjects,
            shares: &telling.shares,
            request: Some(request),
            response: end.response.as_ref(),
            attempts: end.attempts,
            reconciled: false,
            error: say.error.as_ref(),
        }
    }

    /// Commits how the records ended, with the events that tell of it; nothing where there is no ledger. What is pending
    /// is not written down, nor told: the next run sends it.
    async fn keep_all(
        &self,
        members: &[Work],
        outcomes: &[Outcome],
        ends: &[Settled],
        events: &[Event<'_>],
    ) -> Result<Option<Vec<Kept>>, NotKept> {
        let Some(scribe) = &self.scribe else { return Ok(None) };
        let maybe_applied = ends.iter().any(|end| end.maybe_applied);
        let first_attempt = ends.iter().filter_map(|end| end.first_attempt).min();
        let of_one = |(work, outcome): (&Work, &Outcome)| {
            let plan = plan(work)?;
            let left = (maybe_applied, plan.first_attempt.and_then(time).or(first_attempt));
            Some((call_id(work), entry(work, plan, *outcome, left)?))
        };
        let entries: Vec<_> = members.iter().zip(outcomes).filter_map(of_one).collect();
        if entries.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let lines: Vec<_> = events
            .iter()
            .map(|event| (self.outputs.carrying(event.outcome), self.outputs.line(event)))
            .collect();
        failpoint::reached("before-outcome");
        match scribe.settle_all(entries, lines.clone()).await {
            Ok(first) => {
                failpoint::reached("after-outcome");
                let kept = (first..).zip(lines).map(|(seq, (_, line))| Kept { seq, line });
                Ok(Some(kept.collect()))
            }
            Err(_) => {
                for (_, line) in lines {
                    self.outputs.fallback.send(line, None).await;
                }
                Err(NotKept)
            }
        }
    }
}

/// The ledger has failed, and the run stops.
struct NotKept;

/// Where a part of what must not be repeated may have been applied, and another part was not, it cannot be told which
/// records are done: none of them may be sent again blindly.
fn keep_doubts(calls: &[Request], ends: &mut [Settled]) {
    let may_be_held = |end: &Settled| end.outcome == Outcome::Delivered || end.maybe_applied;
    let in_part = ends.iter().any(may_be_held) && !ends.iter().all(|end| end.outcome == Outcome::Delivered);
    if ends.len() < 2 || !in_part || calls.iter().all(|call| call.effect.may_repeat()) {
        return;
    }
    for end in ends.iter_mut().filter(|end| end.outcome != Outcome::Delivered) {
        end.outcome = Outcome::Unknown;
        let error =
            end.error.get_or_insert_with(|| ours("stopped", "the run stopped before this call was sent"));
        error.message.push_str("; another call with the same records may have been applied");
    }
}

/// What is to be told of one call: one event, or one for those records that the answer refuses and one for the others.
fn tell_call(
    batching: Option<&Batching>,
    (call, calls): (usize, &[Request]),
    end: &Settled,
    of: usize,
) -> Vec<Say> {
    let all = || (0..of).collect();
    let as_it_ended =
        || Say { outcome: end.outcome, members: all(), results: None, call, error: end.error.clone() };
    let Some(response) = end.response.as_ref().filter(|_| end.outcome == Outcome::Delivered) else {
        return vec![as_it_ended()];
    };
    let results = match batching.and_then(|batching| batching.results(&response.body, of)) {
        None => return vec![as_it_ended()],
        Some(_) if calls.len() > 1 => Err("the batch makes several calls".to_owned()),
        Some(results) => results,
    };
    let results = match results {
        Ok(results) => results,
        Err(why) => {
            let may_repeat = calls[call].effect.may_repeat();
            let message =
                format!("delivered, but what became of each record cannot be told: `--batch-results`: {why}");
            let outcome = if may_repeat { Outcome::Failed } else { Outcome::Unknown };
            return vec![Say { outcome, error: Some(ours("batch_results", message)), ..as_it_ended() }];
        }
    };
    let (refused, welcome): (Vec<_>, Vec<_>) =
        results.into_iter().enumerate().partition(|(_, result)| refusal(result).is_some());
    let mut says = Vec::with_capacity(2);
    if !welcome.is_empty() {
        let (members, results) = welcome.into_iter().unzip();
        says.push(Say { members, results: Some(results), ..as_it_ended() });
    }
    if !refused.is_empty() {
        let first = refused.first().and_then(|(_, result)| refusal(result)).unwrap_or_default();
        let message = format!("the answer refuses {} of {of} records, the first: {first}", refused.len());
        let (members, results) = refused.into_iter().unzip();
        let error = Some(ours("batch_result", message));
        says.push(Say { outcome: Outcome::Rejected, members, results: Some(results), call, error });
    }
    says
}

/// How a batch of one record ended by what its answer says of that record, and what it says.
#[must_use]
pub fn of_one(batching: &Batching, request: &Request, end: Settled) -> (Settled, Option<Value>) {
    match tell_call(Some(batching), (0, std::slice::from_ref(request)), &end, 1).pop() {
        Some(Say { outcome, error, results, .. }) => {
            (Settled { outcome, error, ..end }, results.unwrap_or_default().pop())
        }
        None => (end, None),
    }
}

/// Why a result of one record is none that it was delivered with; by the rule for whole answers.
fn refusal(result: &Value) -> Option<String> {
    match result.get("error")? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Object(error) if !error.is_empty() => {
            let message = error.get("message").or_else(|| error.get("reason")).and_then(Value::as_str);
            Some(message.map_or_else(|| Value::Object(error.clone()).to_string(), str::to_owned))
        }
        _ => None,
    }
}

/// The worst of what each record's calls ended with.
fn worst(members: usize, tellings: &[Telling]) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::Filtered; members];
    for say in tellings.iter().map(|telling| &telling.say) {
        say.members.iter().for_each(|member| outcomes[*member] = outcomes[*member].worst(say.outcome));
    }
    outcomes
}

/// Refused as a whole, for what the body says, and surely not applied.
fn is_refused(end: &Settled) -> bool {
    let status = end.response.as_ref().map(|response| response.status);
    end.outcome == Outcome::Rejected && !end.maybe_applied && status.is_some_and(|s| REFUSALS.contains(&s))
}

/// What the ledger keeps of a record that was not sent. What an earlier run did, or may have done, stays.
fn entry_of_unsent(work: &Work, plan: &Plan) -> Option<Entry> {
    if plan.maybe_applied || plan.replaces {
        None
    } else {
        entry(work, plan, Outcome::Invalid, (false, None))
    }
}

fn ours(code: &str, message: impl Into<String>) -> CallError {
    CallError { code: code.to_owned(), name: None, message: message.into(), details: None }
}

fn request(work: &Work) -> Option<&Request> {
    work.task.request()
}

fn plan(work: &Work) -> Option<&Plan> {
    match &work.task {
        Task::Send(_, plan) => Some(plan),
        _ => None,
    }
}
