//! Which record `test` sends: the first of the input, the N-th, or one given on the command line.
//!
//! It reads no further than it must, and maps nothing.

use std::sync::Arc;

use crate::mapping::{Invalid, Looked, Mapping};
use crate::output::{Subject, SubjectContent};
use crate::record::{Content, Identity, Inputs, Item, Position, Record, Unreadable};

use super::failure::Failure;
use super::setup;

/// What was found.
pub(super) enum Sample {
    /// A record that `--where` lets through.
    Record(Record, Looked),
    /// Something that is no record to send.
    Invalid(Subject, Invalid),
    /// No record, and why.
    Nothing(String),
}

/// A record that stands nowhere but on the command line.
pub(super) fn given(option: &str, text: &str) -> Record {
    let position = Position { input: 0, source: option.into(), number: 1, line: 1, byte: 0 };
    Record { position, content: Content::Json(text.to_owned().into()) }
}

/// Looks at one record.
pub(super) fn of_record(record: Record, mapping: &Mapping) -> Sample {
    let object = match record.object() {
        Ok(object) => object,
        Err(fault) => return of_unreadable(record.into_unreadable(fault), mapping, &[]),
    };
    match mapping.look(object) {
        Ok(Some(looked)) => Sample::Record(record, looked),
        Ok(None) => Sample::Nothing(format!("{} is left out by `--where`", record.position)),
        Err(invalid) => Sample::Invalid(subject(&record, mapping), invalid),
    }
}

fn of_unreadable(unreadable: Unreadable, mapping: &Mapping, columns: &[String]) -> Sample {
    let Unreadable { position, fault, raw, raw_len, .. } = unreadable;
    let content = SubjectContent::Raw(raw, raw_len);
    let identity = identity(&position);
    let secrets = mapping.secrets().map(|secrets| secrets.in_row_of(columns));
    Sample::Invalid(Subject { position, identity, content, secrets }, Invalid::unreadable(fault))
}

/// The first record of the inputs that `--where` lets through, or the one with this number among all.
pub(super) fn of_inputs(
    inputs: &mut Inputs,
    number: Option<u64>,
    mapping: &Mapping,
) -> Result<Sample, Failure> {
    let mut count = 0;
    while let Some(item) = inputs.next() {
        let item = item.map_err(|error| setup::refused(&error, error.hint()))?;
        count += 1;
        if number.is_some_and(|number| count < number) {
            continue;
        }
        let sample = match item {
            Item::Unreadable(unreadable) => {
                let columns = inputs.header().map_or(&[][..], |header| header.names());
                of_unreadable(unreadable, mapping, columns)
            }
            Item::Record(record) => of_record(record, mapping),
        };
        if number.is_some() || !matches!(sample, Sample::Nothing(_)) {
            return Ok(sample);
        }
    }
    Ok(Sample::Nothing(match (number, count) {
        (_, 0) => "the input holds no record".to_owned(),
        (None, count) => format!("`--where` leaves out all records of the input ({count})"),
        (Some(number), 1) => format!("the input holds one record, and none with number {number}"),
        (Some(number), count) => format!("the input holds {count} records, and none with number {number}"),
    }))
}

/// What events say of a record.
pub(super) fn subject(record: &Record, mapping: &Mapping) -> Subject {
    Subject {
        position: record.position.clone(),
        identity: identity(&record.position),
        content: SubjectContent::Record(record.clone()),
        secrets: mapping.secrets_of(record),
    }
}

fn identity(position: &Position) -> Arc<Identity> {
    Arc::new(Identity::Position { input: position.input, number: position.number })
}
