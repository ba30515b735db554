//! `roompipe plan`: the whole input checked and counted, and with `--diff` compared with what is there. It writes nothing.

mod text;

use std::io::{BufWriter, Write as _};
use std::time::SystemTime;

use clap::Args;

use crate::call::{Sender, Stop};
use crate::exit::ExitCode;
use crate::mapping::Order;
use crate::pipeline::{DiffError, Differ, Estimating, NoDiff, Plan, PlanReport, Present, with_causes};
use crate::template::Catalog;

use super::arguments::{
    CallArguments, DeliveryArguments, Form, LedgerArguments, LooksArguments, OutputArguments,
};
use super::emulator::{Bound, Embedded};
use super::failure::Failure;
use super::paint::Paint;
use super::setup::Meaning;
use super::wire::{self, Authority, Wire};
use super::{book, log, setup};

/// What `--help-all` says besides the options.
pub(super) const MORE: &str = "\
`--as json` is one object:
  endpoint           the endpoint's id
  records            read, and what would become of them: to_send, invalid, filtered, skipped, unknown;
                     changed: of these, what was delivered with another request
  calls              to_send, unknown; by_endpoint: a list of endpoint, effect, calls
  problems           a list of code, field, rule, count, first (source, line, number), example, message, hint
  other_problems     how many are of further kinds: 100 are told apart
  left_out           a list of name, did_you_mean
  duplicate_keys     with --key: things, times, spelled_differently, and first: a list of times,
                     spelled_differently, first (source, line, number, value)
  identical_records  without --key: records that say the same; of the same form
  collisions         things that several calls would write, such as rooms of one name; of the same form
  estimate           requests, rate_per_s, at_least_s, token_left_s
  ledger             with --ledger: path, exists
  diff               with --diff: create, unchanged, change, missing, unread, and calls: a list of answer (one of
                     these words), name, source, line, number, call, method, url, changes (field, old, new; or
                     field, sensitive), not_compared, reason
  warnings           a list of sentences
  incomplete         why the plan does not cover the whole input
  exit               the exit code

Exit codes:
  0   nothing is wrong with any record (collisions and missing things are told, too)
  1   some record is invalid, stays unknown, or could not be compared
  2, 74, 75, 77, 78 as for run";

/// What `plan` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) call: CallArguments,
    /// Form of the plan
    #[arg(long = "as", value_enum, default_value_t = Form::Text, help_heading = "Plan")]
    form: Form,
    /// Read what is there, and say what each call would change
    #[arg(long, help_heading = "Plan")]
    diff: bool,
    #[command(flatten)]
    delivery: DeliveryArguments,
    #[command(flatten)]
    ledger: LedgerArguments,
    /// Taken so that the same words serve `run` and `plan`.
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    looks: LooksArguments,
}

/// Plans, and shows the plan.
pub(super) fn run(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    log::start(&arguments.looks);
    arguments.call.settle()?;
    arguments.delivery.settle()?;
    arguments.output.settle()?;
    arguments.ledger.settle(&mut arguments.call, &mut arguments.output)?;
    let is_embedded = arguments.call.target.emulator;
    let bound = if is_embedded && arguments.diff { Some(Bound::new()?) } else { None };
    let base_url = match (&bound, is_embedded) {
        (Some(bound), _) => format!("http://{}/v2", bound.address),
        (None, true) => "http://127.0.0.1:4100/v2".to_owned(),
        (None, false) => setup::base_url(arguments.call.target.base_url.as_deref()),
    };
    let (plan, differ) = prepare(&arguments, &base_url)?;
    let report = match differ {
        None => plan.run(|_| true),
        Some(differ) => compare(plan, differ, bound, &arguments)?,
    };
    match &report.incomplete {
        // It is not the input that is wrong.
        Some(message) if report.exit == ExitCode::Configuration => {
            return Err(Failure::configuration(&message.text).maybe_hint(message.hint.as_ref()));
        }
        _ => show(&report, arguments.form)?,
    }
    if let Some(message) = &report.incomplete {
        log::problem(&message.text, message.hint.as_deref());
    }
    Ok(report.exit)
}

/// Checks and opens everything, as `run` does; nothing is sent.
fn prepare(arguments: &Arguments, base_url: &str) -> Result<(Plan, Option<Differ>), Failure> {
    let Arguments { call, delivery, ledger, .. } = arguments;
    let emulator = call.target.emulator;
    let meaning = setup::meaning(call, base_url)?;
    let headers = wire::headers(&call.manual)?;
    let needs_token = wire::needs_token(&call.target, base_url, meaning.endpoint.url(), &headers);
    setup::reconciler(&meaning, base_url)?;
    let Meaning { endpoint, catalog, paths } = meaning;
    let templates: Vec<_> = endpoint.may_call().cloned().collect();
    let present = match arguments.diff {
        true => Some(
            Present::new(base_url, &templates, |id| catalog.get(id))
                .map_err(|error| nothing_to_compare(&error, &catalog))?,
        ),
        false => None,
    };
    let order = setup::order(delivery);
    let lane_is_own = matches!(order, Order::Template);
    let mapping = setup::mapping(call, endpoint, order, ledger.key.as_ref())?;
    let authority = match (needs_token, arguments.diff) {
        (true, true) => wire::authority(&call.target, base_url, mapping.endpoint(), &headers)?,
        (true, false) if !emulator => {
            wire::found_for(mapping.endpoint(), call.target.credential.as_deref())?.map(Authority::from)
        }
        _ => None,
    };
    let credentials = authority.as_ref().map(|authority| &authority.credentials);
    let token = credentials.and_then(|credentials| credentials.validity(SystemTime::now()));
    let pins = book::pins(ledger, base_url, &mapping, credentials);
    let workspace_is_known = credentials.is_some() || !needs_token;
    let stop = Stop::new();
    let wire = Wire { base_url: base_url.to_owned(), authority, headers, emulator };
    let settings = wire.settings(call, delivery, &stop)?;
    let estimating = Estimating { rate: settings.rate, burst: settings.burst, token };
    let concurrency = settings.concurrency;
    let sender = Sender::new(settings).map_err(|error| setup::refused(&error, error.hint()))?;
    let differ = present.map(|present| Differ { present, sender, concurrency, stop });
    let inputs = setup::inputs(call, &paths)?;
    setup::check_columns(&mapping, &inputs)?;
    let remembered = book::look(ledger, pins, &mapping, workspace_is_known)?;
    Ok((Plan { inputs, mapping, lane_is_own, remembered, estimating }, differ))
}

/// `--diff` has nothing to compare with.
fn nothing_to_compare(error: &NoDiff, catalog: &Catalog) -> Failure {
    let failure = Failure::configuration(error.to_string());
    if let NoDiff::Lookup(error) = error {
        return failure.maybe_hint(error.hint());
    }
    let all = setup::all(catalog).unwrap_or_default();
    let those: Vec<String> = all
        .iter()
        .filter(|template| template.diff.is_some())
        .map(|template| format!("`{}`", template.id))
        .collect();
    failure.hint(format!("without `--diff` the plan is made; these say how it is read: {}", those.join(", ")))
}

/// Plans and compares, with the embedded emulator beside it where one is wanted.
fn compare(
    plan: Plan,
    differ: Differ,
    bound: Option<Bound>,
    arguments: &Arguments,
) -> Result<PlanReport, Failure> {
    let journal = arguments.call.target.emulator_journal.clone();
    let embedded = bound.map(|bound| bound.serve(journal)).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io(format!("cannot start the async runtime: {error}")))?;
    let stop = differ.stop.clone();
    let report = runtime.block_on(differ.run(plan));
    runtime.shutdown_background();
    let finished = embedded.map_or(Ok(()), Embedded::finish);
    let report = report.map_err(|error| match (error, stop.reasons().into_iter().next()) {
        (DiffError::Stopped, Some(reason)) => {
            Failure { exit: reason.exit, message: reason.message, hint: reason.hint }
        }
        (error, _) => Failure::io(with_causes(&error)),
    })?;
    finished.map(|()| report)
}

/// Writes the plan to stdout.
fn show(report: &PlanReport, form: Form) -> Result<(), Failure> {
    let stdout = std::io::stdout();
    let mut out = BufWriter::new(stdout.lock());
    match form {
        Form::Text => text::write(&mut out, report, Paint::of_stdout())?,
        Form::Json => {
            serde_json::to_writer(&mut out, report).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(())
}
