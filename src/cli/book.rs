//! `--ledger` and its options: opens the ledger and says what it is pinned to.
//!
//! What is remembered, and what is done with it, is the business of `ledger`.

use std::path::Path;

use crate::call::{Credentials, Reason, Stop};
use crate::exit::ExitCode;
use crate::ledger::{self, Inspection, Ledger, NoRecall, OnChange, Pins, Policy};
use crate::mapping::Mapping;
use crate::pipeline::{Book, Remembered};

use super::arguments::{LedgerArguments, OnChangeWord};
use super::failure::Failure;
use super::setup;

/// What a ledger of this run belongs to.
pub(super) fn pins(
    given: &LedgerArguments,
    base_url: &str,
    mapping: &Mapping,
    credentials: Option<&Credentials>,
) -> Pins {
    Pins {
        workspace: credentials.and_then(Credentials::access_key).unwrap_or_default(),
        base_url: base_url.to_owned(),
        endpoint: mapping.endpoint().signature(),
        mapping: mapping.digest().to_owned(),
        key: given.key.clone(),
    }
}

/// Opens the ledger, where one is named. Nothing in it is changed yet but that it is there.
pub(super) fn open(
    given: &LedgerArguments,
    pins: &Pins,
    mapping: &Mapping,
) -> Result<Option<Ledger>, Failure> {
    let Some(path) = &given.ledger else { return Ok(None) };
    let ledger = Ledger::open(path, pins).map_err(|error| refused(&error))?;
    accept(given, path, mapping, ledger.mapping_always_same())?;
    if ledger.mapping_changed() {
        tracing::info!("the mapping is another than in the run before: delivered records are compared anew");
    }
    Ok(Some(ledger))
}

/// Refuses to send again what must not be repeated, only because the mapping has changed.
fn accept(given: &LedgerArguments, path: &Path, mapping: &Mapping, always_same: bool) -> Result<(), Failure> {
    let repeats =
        mapping.endpoint().may_not_be_repeated() && matches!(given.on_change, Some(OnChangeWord::Send));
    // Not only in the first run with another mapping: what that one skipped would be sent by the next.
    if always_same || !repeats || given.accept_mapping_change {
        return Ok(());
    }
    let text = format!(
        "the mapping is another than it was, and `--on-change send` would send again what must not be repeated (ledger \
         `{}`)",
        path.display()
    );
    Err(Failure::configuration(text)
        .hint("`--accept-mapping-change` if that is meant; without `--on-change send` it is skipped"))
}

/// Looks at the ledger, where one is named, without a lock and without making one. Where no credentials are at hand, so
/// that the workspace is not known, it is that of the ledger.
pub(super) fn look(
    given: &LedgerArguments,
    mut pins: Pins,
    mapping: &Mapping,
    workspace_is_known: bool,
) -> Result<Option<Remembered>, Failure> {
    let Some(path) = &given.ledger else { return Ok(None) };
    let remembered = |exists, recall, is_blank, same_mapping| Remembered {
        path: path.clone(),
        exists,
        recall,
        is_blank,
        policy: policy(given, same_mapping),
        last_wins: given.last_wins,
    };
    // A run makes one, or takes an empty file for one.
    let is_there = match std::fs::metadata(path) {
        Ok(file) => !(file.is_file() && file.len() == 0),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    };
    if !is_there {
        return Ok(Some(remembered(false, Box::<NoRecall>::default(), true, true)));
    }
    let look = || {
        let inspection = Inspection::open(path)?;
        if !workspace_is_known {
            pins.workspace = inspection.pins()?.workspace;
        }
        inspection.check(&pins)?;
        let same_mapping = inspection.mapping_always_same(&pins.mapping)?;
        Ok((inspection.is_blank()?, same_mapping, inspection))
    };
    let looked: Result<(bool, bool, Inspection), ledger::Error> = { look }();
    let (is_blank, same_mapping, inspection) = looked.map_err(|error| refused(&error))?;
    accept(given, path, mapping, same_mapping)?;
    Ok(Some(remembered(true, inspection.into_recall(), is_blank, same_mapping)))
}

/// What is done with what is known.
fn policy(given: &LedgerArguments, same_mapping: bool) -> Policy {
    Policy {
        keyed: given.key.is_some(),
        same_mapping,
        on_change: match given.on_change {
            None => OnChange::ByEffect,
            Some(OnChangeWord::Send) => OnChange::Send,
            Some(OnChangeWord::Skip) => OnChange::Skip,
        },
        resend_unknown: given.resend_unknown,
    }
}

/// Opens the ledger of an earlier run, whose dead letters are replayed.
pub(super) fn reopen(path: &Path) -> Result<Ledger, Failure> {
    Ledger::reopen(path).map_err(|error| refused(&error))
}

/// A replay goes where the run went; how its records are mapped and known is left as it is pinned. Without an `endpoint`
/// every letter has its own.
pub(super) fn check(
    ledger: &Ledger,
    base_url: &str,
    endpoint: Option<String>,
    credentials: Option<&Credentials>,
) -> Result<(), Failure> {
    let pinned = ledger.pins().clone();
    let given = Pins {
        workspace: credentials.and_then(Credentials::access_key).unwrap_or_default(),
        base_url: base_url.to_owned(),
        endpoint: endpoint.unwrap_or(pinned.endpoint),
        ..pinned
    };
    ledger.check(&given).map_err(|error| {
        let hint = "a replay with `--ledger` goes where the run went that wrote the dead letters";
        Failure { hint: Some(hint.to_owned()), ..refused(&error) }
    })
}

/// Starts the ledger.
pub(super) fn begin(ledger: Ledger, given: &LedgerArguments, stop: &Stop) -> Result<Book, Failure> {
    let policy = policy(given, ledger.mapping_always_same());
    let id = ledger.id().to_owned();
    let is_blank = ledger.is_blank().map_err(|error| refused(&error))?;
    let recall = ledger.recall().map_err(|error| refused(&error))?;
    let leftovers = ledger.leftovers().map_err(|error| refused(&error))?;
    let stop = stop.clone();
    let on_failure = move |error: &ledger::Error| {
        let failure = setup::refused(error, error.hint());
        stop.drain(Reason { exit: ExitCode::Io, message: failure.message, hint: failure.hint });
    };
    let (scribe, closing) = ledger.start(Box::new(on_failure)).map_err(|error| refused(&error))?;
    Ok(Book { id, recall, is_blank, scribe, closing, policy, last_wins: given.last_wins, leftovers })
}

/// A ledger that cannot be used: in use by another run (75), or a matter of configuration.
pub(super) fn refused(error: &ledger::Error) -> Failure {
    let failure = setup::refused(error, error.hint());
    match error {
        ledger::Error::InUse { .. } => Failure { exit: ExitCode::Stopped, ..failure },
        _ => failure,
    }
}
