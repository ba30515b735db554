//! One value of a destination file against the option it stands for: the same parsers, so the same values are taken.
//!
//! It knows nothing of the file.

use std::error::Error as _;
use std::ops::Range;

use clap::Command;
use clap::error::ErrorKind;

use crate::cli::failure::Failure;
use crate::cli::{outputs, setup, wire};
use crate::jq::{Program, nearest};

use super::keys::{Key, Kind};

/// Why a value is not taken.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// The piece of the value that is meant.
    pub(super) piece: Option<Range<usize>>,
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        Self { message: failure.message, hint: failure.hint, piece: None }
    }
}

/// Checks a value as it would be typed.
pub(super) fn check(key: &Key, text: &str) -> Result<(), Wrong> {
    parsed(key, text)?;
    match key.name.as_str() {
        "rate" => drop(wire::rate(text)?),
        "method" => drop(setup::method(text)?),
        "csv_delimiter" => drop(setup::csv_delimiter(text)?),
        "emit" if !text.starts_with("jq:") => drop(outputs::emit(text, "", false)?),
        _ => {}
    }
    match (key.value_name(), text.strip_prefix("jq:")) {
        (Some("JQ"), _) => program(text, key.name == "key"),
        (_, Some(source)) if key.kind == Kind::Text => {
            let behind = |range: Range<usize>| range.start + 3..range.end + 3;
            program(source, false).map_err(|wrong| Wrong { piece: wrong.piece.map(behind), ..wrong })
        }
        _ => Ok(()),
    }
}

/// Checks a jq program, or a field's name where that may stand for one.
pub(super) fn program(text: &str, may_be_field: bool) -> Result<(), Wrong> {
    let is_field = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
    if may_be_field && !text.trim().is_empty() && text.chars().all(is_field) {
        return Ok(());
    }
    Program::compile(text).map(drop).map_err(|error| Wrong {
        message: format!("it does not compile: {}", error.message),
        hint: error.hint,
        piece: Some(error.offset..error.offset + error.length),
    })
}

/// What the command line's parser says.
fn parsed(key: &Key, text: &str) -> Result<(), Wrong> {
    let Some(option) = &key.option else { return Ok(()) };
    let words = match key.kind {
        // These take no value as flags; their variables do.
        Kind::Switch if matches!(text, "true" | "false") => return Ok(()),
        Kind::Count if text.parse::<u8>().is_ok() => return Ok(()),
        Kind::Switch | Kind::Count => {
            let message = format!("`{text}` is not {}", key.kind.words());
            return Err(Wrong { message, hint: None, piece: None });
        }
        _ => format!("--{}={text}", option.get_long().unwrap_or_default()),
    };
    let command = Command::new("run").no_binary_name(true).arg(option.clone());
    let Err(error) = command.try_get_matches_from([words]) else { return Ok(()) };
    let known = key.words();
    let message = match (error.kind(), error.source()) {
        (ErrorKind::InvalidValue, _) if !known.is_empty() => {
            format!("`{text}` is not one of {}", known.join(", "))
        }
        (_, Some(source)) => source.to_string(),
        _ => format!("`{text}` is not taken"),
    };
    let hint = nearest(text, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
    Err(Wrong { message, hint, piece: None })
}
