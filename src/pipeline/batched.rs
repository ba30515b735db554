//! A call of several records: sent, taken apart where the API refuses it, written down and told.
//!
//! It decides no outcome of a call. What a record ends with is the worst of what its calls end with, except that what
//! may have been applied in part is not sent again where that could apply it twice.

use std::sync::atomic::Ordering;

use crate::call::{Call, Settled};
use crate::failpoint;
use crate::mapping::{Batching, Invalid, Request};
use crate::outcome::Outcome;
use crate::output::{Event, Kept, Share, Subject, batch_event_id};

use super::board::Work;
use super::intents::BatchIntents;
use super::says::{Say, outcomes, says};
use super::settlement::{entry, unkept};
use super::task::{Invalidity, Plan, Task};
use super::watched::Watched;
use super::work::{Workshop, call_id, cost, needs_intent, time};

/// Statuses by which an API refuses what a body says: a part of it may be welcome (RFC 9110, 15.5.1, 15.5.14, 15.5.21).
const REFUSALS: [u16; 3] = [400, 413, 422];

/// Batches in a row that were taken apart for nothing, after which none is any more.
const FRUITLESS: u32 = 2;

/// What became of a batch, or of a part of it.
enum Part {
    Ended(Ended),
    /// Its halves may fare better: the whole was refused, or is longer than it may be.
    Halves {
        first: Vec<Work>,
        second: Vec<Work>,
        is_refused: bool,
    },
}

/// How much of a batch was delivered.
#[derive(Clone, Copy, Default)]
struct Ended {
    some: bool,
    all: bool,
}

/// What is to be told, as an event.
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
        let (mut parts, mut is_apart) = (vec![members], false);
        let mut ended = Ended { some: false, all: true };
        while let Some(part) = parts.pop() {
            // What has been worth while so far is brought to its end.
            let bisects = self.bisects(ended.some);
            match self.send_part(&batching, part, bisects).await {
                Part::Ended(part) => {
                    ended.some |= part.some;
                    ended.all &= part.all;
                }
                Part::Halves { first, second, is_refused } => {
                    is_apart |= is_refused;
                    parts.extend([second, first]);
                }
            }
        }
        self.note_fruit(is_apart, ended.some);
        ended.all && !is_apart
    }

    /// Sends a call of several records as it was recorded, which cannot be taken apart. True where it was delivered.
    pub(super) async fn send_recorded(&self, members: Vec<Work>) -> bool {
        let Some(request) = members.first().and_then(request).cloned() else { return false };
        matches!(
            self.send_calls(None, members, &[request], false).await,
            Part::Ended(Ended { all: true, .. })
        )
    }

    async fn send_part(&self, batching: &Batching, members: Vec<Work>, bisects: bool) -> Part {
        let calls = match batching.assemble(&members.iter().filter_map(request).collect::<Vec<_>>()) {
            Ok(calls) => calls,
            Err(invalid) => {
                self.refuse_all(&members, &invalid).await;
                return Part::Ended(Ended::default());
            }
        };
        if members.len() > 1 && batching.is_too_long(&calls) {
            return halves(members, false);
        }
        self.send_calls(Some(batching), members, &calls, bisects).await
    }

    async fn send_calls(
        &self,
        batching: Option<&Batching>,
        mut members: Vec<Work>,
        calls: &[Request],
        bisects: bool,
    ) -> Part {
        let mut intents = self.intents(&members);
        let maybe_applied = members.iter().filter_map(plan).any(|plan| plan.maybe_applied);
        let mut ends: Vec<Settled> = Vec::with_capacity(calls.len());
        for (index, request) in calls.iter().enumerate() {
            let mut watched = Watched::new(&self.board, &mut intents);
            let settled = self.sender.send(Call { maybe_applied, ..Call::of(request) }, &mut watched).await;
            let times = watched.times();
            failpoint::reached("after-answer");
            if let Some(first) = members.first() {
                self.note_slow(first, request, &settled, times);
            }
            let may_part = index == 0 && members.len() > 1 && bisects;
            if may_part && is_refused(&settled) {
                self.board.tally().call(cost(&settled));
                if settled.maybe_applied {
                    carry(&mut members, &settled);
                } else {
                    intents.refused().await;
                }
                return halves(members, true);
            }
            intents.ended(settled.outcome == Outcome::Delivered || settled.maybe_applied);
            ends.push(settled);
        }
        self.settle_part(batching, &members, calls, ends).await
    }

    fn bisects(&self, is_fruitful: bool) -> bool {
        self.batches.as_ref().is_some_and(|batches| batches.bisects)
            && (is_fruitful || self.fruitless.load(Ordering::Relaxed) < FRUITLESS)
    }

    /// Counts batches in a row that were taken apart for nothing; once there were enough, nothing is counted any more.
    fn note_fruit(&self, is_apart: bool, is_fruitful: bool) {
        let before = self.fruitless.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
            let after = if is_fruitful { 0 } else { before + u32::from(is_apart) };
            (before < FRUITLESS && after != before).then_some(after)
        });
        if before == Ok(FRUITLESS - 1) && !is_fruitful {
            tracing::info!(
                "{FRUITLESS} refused batches in a row held no record that is welcome: from here on a refused batch is \
                 not sent again in halves"
            );
        }
    }

    fn intents(&self, members: &[Work]) -> BatchIntents<'_> {
        let needed = members.iter().any(|work| match &work.task {
            Task::Send(request, plan) => needs_intent(request, plan),
            _ => false,
        });
        let scribe = self.scribe.as_ref().filter(|_| needed);
        let of_each = members.iter().filter_map(|work| Some((call_id(work), plan(work)?)));
        BatchIntents::new(scribe, of_each)
    }

    /// No body could be made of them.
    async fn refuse_all(&self, members: &[Work], invalid: &Invalid) {
        for work in members {
            let Some(plan) = plan(work) else { continue };
            let invalidity = plan.unsent.as_deref().cloned().unwrap_or_else(|| Invalidity {
                generation: plan.generation,
                entry: entry(work, plan, Outcome::Invalid, (plan.maybe_applied, None)),
            });
            self.refuse(work, invalid, &invalidity).await;
        }
    }

    async fn settle_part(
        &self,
        batching: Option<&Batching>,
        members: &[Work],
        calls: &[Request],
        mut ends: Vec<Settled>,
    ) -> Part {
        let says = says(batching, calls, &mut ends, members.len());
        let outcomes = outcomes(&says, members.len());
        let tellings: Vec<Telling> = says.into_iter().map(|say| self.telling(members, say)).collect();
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
        let Ok(kept) = kept else { return Part::Ended(Ended::default()) };
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
            // The first of its records in the input.
            let jobs = telling.say.members.iter().map(|member| &members[*member].job);
            let Some(job) = jobs.min_by_key(|job| job.place.as_ref().map(|place| place.number)) else {
                continue;
            };
            self.tell(&self.event(telling, calls, &ends), kept, job).await;
        }
        let is_delivered = |outcome: &Outcome| *outcome == Outcome::Delivered;
        Part::Ended(Ended { some: outcomes.iter().any(is_delivered), all: outcomes.iter().all(is_delivered) })
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
            page: None,
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
        let (maybe_applied, is_held) = (
            ends.iter().any(|end| end.maybe_applied),
            ends.iter().any(|end| end.outcome == Outcome::Delivered),
        );
        let first_attempt = ends.iter().filter_map(|end| end.first_attempt).min();
        let of_one = |(work, outcome): (&Work, &Outcome)| {
            let plan = plan(work)?;
            // Delivered, and nothing is known of this one.
            let in_doubt = is_held && matches!(outcome, Outcome::Unknown | Outcome::Failed);
            let left = (maybe_applied || in_doubt, plan.first_attempt.and_then(time).or(first_attempt));
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

/// Refused as a whole, for what the body says. What may have been applied before that is only so where it may be applied
/// once more; else it would be unknown.
fn is_refused(end: &Settled) -> bool {
    let status = end.response.as_ref().map(|response| response.status);
    end.outcome == Outcome::Rejected && status.is_some_and(|s| REFUSALS.contains(&s))
}

fn halves(mut members: Vec<Work>, is_refused: bool) -> Part {
    let second = members.split_off(members.len().div_ceil(2));
    Part::Halves { first: members, second, is_refused }
}

/// An attempt with all of them may have been applied: that is true of each.
fn carry(members: &mut [Work], end: &Settled) {
    let left = end.first_attempt.and_then(|at| jiff::Timestamp::try_from(at).ok());
    for work in members {
        if let Task::Send(_, plan) = &mut work.task {
            plan.maybe_applied = true;
            plan.first_attempt = plan.first_attempt.or(left.map(jiff::Timestamp::as_millisecond));
        }
    }
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
