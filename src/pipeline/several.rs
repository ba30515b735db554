//! Dead letters of calls with several records: mapped afresh they are as many letters as records; as recorded they are one
//! call again.
//!
//! It knows how such a letter is taken apart; what is done with a letter of one record is `letters`' business.

use std::sync::Arc;

use crate::ledger::Known;
use crate::mapping::{Invalid, Notes, Request};
use crate::outcome::Outcome;
use crate::output::{Letter, LetterRecord, batch_event_id};
use crate::record::Identity;

use super::again::{refused, whole};
use super::board::{Job, Work};
use super::letters::{Chosen, Letters, OfLedger, fresh, lost, unidentified};
use super::read::Reading;
use super::read_error::ReadError;
use super::task::Task;

impl Letters {
    /// Admits what is to be done with the records of a letter.
    pub(super) fn admit_several(
        &mut self,
        chosen: &Chosen,
        reading: &mut Reading,
        notes: &mut Notes,
    ) -> Result<(), ReadError> {
        let letter = &chosen.letter;
        let identities = match self.ledger_id() {
            None => None,
            Some(ledger) => match identify(letter, ledger) {
                Some(identities) => Some(identities),
                None => {
                    refuse_all(chosen, &unidentified(), reading);
                    return Ok(());
                }
            },
        };
        if self.again.maps() {
            for (index, one) in chosen.apart().into_iter().enumerate() {
                match &identities {
                    Some(identities) => self.admit_known(&one, identities[index].clone(), reading, notes)?,
                    None => self.admit_unknown(&one, reading, notes)?,
                }
            }
            return Ok(());
        }
        // The ledger knows how the records ended, not each of the calls that were made for all of them.
        if identities.is_some() && letter.call.1 > 1 {
            refuse_all(chosen, &one_of_several(letter.call), reading);
            return Ok(());
        }
        if letter.records.iter().any(|told| told.has_result) {
            refuse_all(chosen, &in_part(), reading);
            return Ok(());
        }
        match self.again.recorded(letter).map_err(ReadError::Letters)? {
            Ok(request) => self.admit_whole(chosen, &request, identities.as_deref(), reading),
            Err(invalid) => {
                refuse_all(chosen, &invalid, reading);
                Ok(())
            }
        }
    }

    /// Admits the recorded request, for all the records that are in it.
    fn admit_whole(
        &mut self,
        chosen: &Chosen,
        request: &Request,
        identities: Option<&[Identity]>,
        reading: &mut Reading,
    ) -> Result<(), ReadError> {
        let apart = chosen.apart();
        let mut tasks: Vec<Option<Task>> = Vec::with_capacity(apart.len());
        for (index, one) in apart.iter().enumerate() {
            let Some(identity) = identities.map(|identities| &identities[index]) else {
                tasks.push(Some(fresh(&one.letter, Ok(request.clone()))));
                continue;
            };
            let known = reading.memory.as_mut().map(|memory| memory.known(identity)).transpose()?;
            let known: Known = known.unwrap_or_default();
            let Some(entry) = known.calls.iter().find_map(|call| call.entry.as_ref()) else {
                refuse_all(chosen, &lost(), reading);
                return Ok(());
            };
            let of_ledger = OfLedger { identity, known: &known, entry };
            let call = whole(one.letter.call.0);
            tasks.push(self.task(&one.letter, &of_ledger, call, Ok(request.clone())));
        }
        if tasks.iter().all(Option::is_none) {
            apart.iter().for_each(|one| one.skip(reading));
            return Ok(());
        }
        // A doubt is about a record, and the request is about all of them.
        if !tasks.iter().all(|task| matches!(task, Some(Task::Send(..)))) {
            refuse_all(chosen, &in_part(), reading);
            return Ok(());
        }
        let subjects: Vec<_> = apart
            .iter()
            .enumerate()
            .map(|(index, one)| one.subject(identities.map_or_else(|| one.place(), |all| all[index].clone())))
            .collect();
        let body = request.body.as_ref().map_or(0, bytes::Bytes::len);
        // One for all of them, which end together.
        let mut room =
            reading.room(body + subjects.iter().map(|subject| subject.content.len_bytes()).sum::<usize>());
        let mut members = Vec::with_capacity(apart.len());
        for ((one, subject), task) in apart.iter().zip(subjects).zip(tasks.into_iter().flatten()) {
            let (call, of) = (whole(one.letter.call.0), whole(one.letter.call.1));
            let (place, room) = reading.place(room.take());
            let mut job = Job::new(subject, of, (1, Outcome::Filtered), room);
            job.in_key_lane = true;
            job.letterhead = Some(self.letterhead(one));
            job.place = place;
            members.push(Work { job: Arc::new(job), index: call, task });
        }
        reading.board.admit_recorded(members);
        Ok(())
    }
}

impl Chosen {
    /// A letter for each of its records.
    pub(super) fn apart(&self) -> Vec<Self> {
        let one = |(part, told): (usize, &LetterRecord)| Self {
            letter: self.letter.about(vec![told.clone()]),
            position: self.position.clone(),
            part,
            secrets: self.secrets.clone(),
        };
        self.letter.records.iter().enumerate().map(one).collect()
    }
}

fn refuse_all(chosen: &Chosen, invalid: &Invalid, reading: &mut Reading) {
    chosen.apart().iter().for_each(|one| one.refuse(invalid.clone(), reading));
}

/// Finds out which records of its ledger a letter is about; see [`Letter::identify`].
fn identify(letter: &Letter, ledger: &str) -> Option<Vec<Identity>> {
    letter.identify_all(|identities| {
        let calls = letter.records.iter().map(|told| whole(told.call.0));
        batch_event_id(ledger, identities.iter().zip(calls), whole(letter.call.0), letter.generation)
    })
}

fn in_part() -> Invalid {
    let message =
        "the recorded request holds records that are done, or in doubt, besides those to be sent again";
    refused("done_in_part", message, "an endpoint or `--url` behind the file maps the others afresh")
}

fn one_of_several((index, of): (u32, u32)) -> Invalid {
    let message = format!(
        "the dead letter is of call {} of {of} for the same records, and all of them belong together",
        u64::from(index) + 1
    );
    refused("other_calls", message, "an endpoint or `--url` behind the file maps the records afresh")
}
