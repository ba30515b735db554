//! Judges what is left when all runs of a campaign have ended: the emulator's journal says what was done, the files
//! say what was told. It believes no count of the program, and compares them all.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::support::took_effect;
use super::work::{AMBIGUOUS, Due, Work};

/// Everything that is looked at.
pub(crate) struct Evidence<'a> {
    pub(crate) work: &'a Work,
    /// Calls at once.
    pub(crate) concurrency: u64,
    pub(crate) kills: u64,
    pub(crate) journal: &'a [Value],
    pub(crate) output: &'a [u8],
    pub(crate) dead_letters: &'a [u8],
    /// Of the run that came to its end, and its code.
    pub(crate) summary: &'a Value,
    pub(crate) code: i32,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Calls neither done nor told to be unknown.
    pub(crate) lost: u64,
    /// Calls done more than once that must not be.
    pub(crate) doubled: u64,
    /// Calls told to be unknown.
    pub(crate) unknown: u64,
    /// Calls that the API refuses, and that were told to be so.
    pub(crate) refused: u64,
    /// Everything that breaks the promise, the two above among it.
    pub(crate) wrong: Vec<String>,
}

impl Findings {
    fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }
}

/// What was told of one call: types and ids, by generation.
type Generations = BTreeMap<u64, BTreeSet<(String, String)>>;

/// The events of a file, by call and by id.
#[derive(Default)]
struct Told {
    /// By record's number and call's index.
    calls: BTreeMap<(u64, u64), Generations>,
    lines: BTreeMap<String, Vec<u8>>,
}

impl Told {
    fn read(name: &str, bytes: &[u8], findings: &mut Findings) -> Self {
        let mut told = Self::default();
        if bytes.last().is_some_and(|last| *last != b'\n') {
            findings.wrong(format!("{name} ends within a line"));
        }
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Ok(event) = serde_json::from_slice::<Value>(line) else {
                findings.wrong(format!("a torn line in {name}: {}", String::from_utf8_lossy(line)));
                continue;
            };
            let id = event["id"].as_str().unwrap_or_default().to_owned();
            let data = &event["data"];
            let kind = event["type"].as_str().unwrap_or_default().to_owned();
            let generation = data["generation"].as_u64().unwrap_or_default();
            for record in data["records"].as_array().into_iter().flatten() {
                let number = record["number"].as_u64().unwrap_or_default();
                let call = if data["batched"] == true { &record["call"] } else { &data["call"] };
                let call =
                    told.calls.entry((number, call["index"].as_u64().unwrap_or_default())).or_default();
                call.entry(generation).or_default().insert((kind.clone(), id.clone()));
            }
            if let Some(before) = told.lines.insert(id, line.to_vec())
                && before != line
            {
                let (before, line) = (String::from_utf8_lossy(&before), String::from_utf8_lossy(line));
                findings.wrong(format!("one id, two events in {name}:\n{before}{line}"));
            }
        }
        told
    }

    /// What was told of a call, the latest last.
    fn of(&self, due: &Due) -> Vec<&(String, String)> {
        let call = self.calls.get(&(due.number, due.index));
        call.into_iter().flat_map(BTreeMap::values).flatten().collect()
    }
}

/// Every call is told once as what it came to. Only of one that a read can tell about there may be a doubt before.
/// One that the API refuses is told so by each run that sends it.
fn is_told_once(work: &Work, due: &Due, told: &[&(String, String)]) -> bool {
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    if due.is_refused {
        let refusals = kinds.iter().take_while(|kind| **kind == "call.rejected").count();
        let in_doubt = work.counts() && kinds[refusals..] == ["call.unknown"];
        return in_doubt || (refusals > 0 && refusals == kinds.len());
    }
    let resolved = ["call.unknown", "call.delivered"];
    kinds == ["call.delivered"] || kinds == ["call.unknown"] || (work.reconciles() && kinds == resolved)
}

/// Holds the evidence against the promise.
pub(crate) fn judge(evidence: &Evidence<'_>) -> Findings {
    let mut findings = Findings::default();
    let output = Told::read("the output", evidence.output, &mut findings);
    let dead = Told::read("the dead letters", evidence.dead_letters, &mut findings);
    let due = evidence.work.due();
    let done = done(evidence, &due, &mut findings);
    let mut unknown_records = BTreeSet::new();
    for call in &due {
        let times = done.get(call.text.as_str()).copied().unwrap_or_default();
        let told = output.of(call);
        if !is_told_once(evidence.work, call, &told) {
            findings.wrong(format!("told as {told:?}: {call:?}"));
        }
        let is_unknown = told.last().is_some_and(|(kind, _)| kind == "call.unknown");
        if is_unknown {
            findings.unknown += 1;
            unknown_records.insert(call.number);
        } else {
            findings.refused += u64::from(call.is_refused);
        }
        let doubt = |(kind, _): &&&(String, String)| kind != "call.delivered";
        if !dead.of(call).iter().eq(told.iter().filter(doubt)) {
            findings.wrong(format!("told as {told:?}, and {:?} in the dead letters", dead.of(call)));
        }
        if times > 0 && is_unknown && evidence.work.reconciles() {
            findings.wrong(format!("unknown, although a read tells that it was done: {call:?}"));
        }
        if times > 0 && call.is_refused {
            findings.wrong(format!("done, although it is refused: {call:?}"));
        }
        if times == 0 && !is_unknown && !call.is_refused {
            findings.lost += 1;
            findings.wrong(format!("neither done nor unknown, told as {told:?}: {call:?}"));
        }
        if times > 1 && evidence.work.counts() {
            findings.doubled += 1;
            findings.wrong(format!("done {times} times: {call:?}"));
        }
    }
    last_effects(evidence, &due, &mut findings);
    few_unknown(evidence, &mut findings);
    counts(evidence, unknown_records.len() as u64, &mut findings);
    findings
}

/// How often each text was written, by the journal.
fn done<'a>(evidence: &Evidence<'_>, due: &'a [Due], findings: &mut Findings) -> BTreeMap<&'a str, u64> {
    let mut done: BTreeMap<&str, u64> = due.iter().map(|call| (call.text.as_str(), 0)).collect();
    for call in evidence.journal.iter().filter(|call| took_effect(call)) {
        for text in evidence.work.texts(call) {
            match done.get_mut(text.as_str()) {
                Some(times) => *times += 1,
                None => findings.wrong(format!("nobody asked for this: {call}")),
            }
        }
    }
    done
}

/// What a target was written last is what the input says last; and nothing was made twice.
fn last_effects(evidence: &Evidence<'_>, due: &[Due], findings: &mut Findings) {
    if evidence.work.counts() {
        return;
    }
    let wanted: BTreeMap<&str, &str> =
        due.iter().map(|call| (call.target.as_str(), call.text.as_str())).collect();
    let target_of: BTreeMap<&str, &str> =
        due.iter().map(|call| (call.text.as_str(), call.target.as_str())).collect();
    let (mut last, mut made) = (BTreeMap::new(), BTreeMap::new());
    for call in evidence.journal.iter().filter(|call| took_effect(call)) {
        let makes = call["effects"].as_array().unwrap().iter().any(|effect| effect["kind"] == "room.created");
        for text in evidence.work.texts(call) {
            let Some((text, target)) = target_of.get_key_value(text.as_str()) else { continue };
            last.insert(*target, *text);
            *made.entry(*target).or_insert(0) += u64::from(makes);
        }
    }
    for (target, text) in wanted {
        if last.get(target).is_some_and(|last| *last != text) {
            findings.wrong(format!("{target} ends as {:?}, not {text}", last[target]));
        }
        if made.get(target).is_some_and(|times| *times > 1) {
            findings.wrong(format!("{target} was made twice"));
        }
    }
}

/// Only what was in flight at a kill, or lost its answer, may be unknown.
fn few_unknown(evidence: &Evidence<'_>, findings: &mut Findings) {
    let is_ambiguous = |call: &&Value| call["fault"].as_str().is_some_and(|name| AMBIGUOUS.contains(&name));
    let ambiguous = evidence.journal.iter().filter(is_ambiguous).count() as u64;
    let most = match evidence.work.counts() {
        true => (evidence.kills * evidence.concurrency + ambiguous) * evidence.work.batch,
        false => 0,
    };
    if findings.unknown > most {
        findings.wrong(format!("{} unknown, and at most {most} may be", findings.unknown));
    }
}

/// The last run's summary: all records, all settled.
fn counts(evidence: &Evidence<'_>, unknown: u64, findings: &mut Findings) {
    let records = evidence.work.records.len() as u64;
    let outcomes = &evidence.summary["outcomes"];
    let of = |name: &str| outcomes[name].as_u64().unwrap_or_default();
    let read = evidence.summary["read"].as_u64().unwrap_or_default();
    let told = (read, of("delivered") + of("skipped"), of("unknown"), of("rejected"));
    let refused = findings.refused;
    if told != (records, records - unknown - refused, unknown, refused) {
        let text =
            format!("{unknown} of {records} records are unknown, {refused} refused: {}", evidence.summary);
        findings.wrong(text);
    }
    if evidence.code != i32::from(unknown + refused > 0) {
        findings.wrong(format!("exit {} with {unknown} unknown, {refused} refused", evidence.code));
    }
}
