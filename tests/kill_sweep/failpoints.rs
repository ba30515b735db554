//! Kills at named steps instead of random moments, so that every instant that matters is met (`src/failpoint.rs`).

use std::collections::BTreeSet;
use std::thread;

use super::campaign::{Campaign, End, Row};
use super::random::Random;
use super::support::{Program, STEPS};
use super::{Make, WITH_LEDGER, WORKS, kills, seed, told};

const RECORDS: usize = 16;

/// Ends a run when a step is reached for the Nth time.
fn killed_at(command: Program, step: &str, times: u64) -> End {
    match command.env("ROOMPIPE_FAILPOINT", &format!("{step}:{times}")).start().ended() {
        Some(_) => End::Came,
        None => End::Killed,
    }
}

/// Kills one run of a campaign at each of these steps, the first time it is reached, the second, and so on.
fn sweep(make: Make, steps: &[&'static str], times: u64) -> (Row, BTreeSet<&'static str>) {
    let (mut all, mut reached) = (Row::default(), BTreeSet::new());
    let mut random = Random::new(seed());
    for step in steps {
        for n in 1..=times {
            let options = *random.one_of(&WITH_LEDGER);
            let campaign = Campaign::new(|emulator| make(RECORDS, emulator), options, "2ms", random.next());
            let mut first = true;
            let row = campaign.run(|command| match std::mem::take(&mut first) {
                true => killed_at(command, step, n),
                false => {
                    command.run();
                    End::Came
                }
            });
            reached.extend((row.kills > 0).then_some(*step));
            all.add(row);
        }
    }
    (all, reached)
}

/// Kills every run of a campaign at some step, until one comes through.
fn again_and_again(make: Make, kills: u64) -> Row {
    let mut random = Random::new(seed());
    let mut all = Row::default();
    while all.kills < kills && all.findings.wrong.is_empty() {
        let options = *random.one_of(&WITH_LEDGER);
        let campaign = Campaign::new(|emulator| make(RECORDS, emulator), options, "2ms", random.next());
        all.add(campaign.run(|command| {
            let step = random.one_of(&STEPS);
            killed_at(command, step, 1 + random.below(RECORDS as u64))
        }));
    }
    all
}

#[test]
fn a_run_that_is_killed_at_any_step_loses_nothing_and_does_nothing_twice() {
    let times = (kills() / STEPS.len() as u64).max(2);
    let sweeps = WORKS.map(|(effect, make)| {
        thread::spawn(move || (effect, sweep(make, &STEPS, times), again_and_again(make, kills())))
    });
    let mut rows = Vec::new();
    for sweep in sweeps {
        let (effect, (row, reached), again) = sweep.join().unwrap();
        // Only what must not be repeated is announced.
        let announced = effect.starts_with("non-idempotent") || effect == "reconciled";
        let due = STEPS.iter().filter(|step| announced || !step.ends_with("-intent"));
        let missed: Vec<&&str> = due.filter(|step| !reached.contains(*step)).collect();
        assert!(missed.is_empty(), "{effect}: no run came to {missed:?}");
        rows.push((format!("{effect}, each step"), row));
        rows.push((format!("{effect}, some step"), again));
    }
    told(rows);
}
