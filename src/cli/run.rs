//! `roompipe run`: checks and opens everything that a run of records needs.

use clap::Args;

use crate::call::{Sender, Stop};
use crate::exit::ExitCode;
use crate::pipeline::{Canary, Front, Progress, Run};

use super::arguments::{CallArguments, DeliveryArguments, LedgerArguments, LooksArguments, OutputArguments};
use super::drive::{GoesOn, Prepared};
use super::emulator::Bound;
use super::failure::Failure;
use super::outputs::{AtEnd, Opened};
use super::{book, canary, log, setup, webhook, wire};

/// What `run` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) call: CallArguments,
    #[command(flatten)]
    delivery: DeliveryArguments,
    #[command(flatten)]
    ledger: LedgerArguments,
    #[command(flatten)]
    pub(super) output: OutputArguments,
    #[command(flatten)]
    looks: LooksArguments,
}

/// Runs to the end of the input.
pub(super) fn run(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    log::start(&arguments.looks);
    arguments.call.settle()?;
    arguments.delivery.settle()?;
    arguments.output.settle()?;
    arguments.ledger.settle(&mut arguments.call, &mut arguments.output)?;
    let bound = if arguments.call.target.emulator { Some(Bound::new()?) } else { None };
    let watchers = arguments.output.watch.bind()?;
    let (run, at_end) = prepare(&arguments, bound.as_ref())?;
    let prepared = Prepared {
        run,
        at_end,
        watchers,
        bound,
        journal: arguments.call.target.emulator_journal,
        events_on_stdout: arguments.output.output.is_none(),
        goes_on: if arguments.ledger.ledger.is_some() { GoesOn::Ledger } else { GoesOn::Records },
    };
    prepared.drive(&arguments.looks)
}

/// Checks and opens everything; nothing is sent, and no file is changed before the last thing is found right.
fn prepare(arguments: &Arguments, bound: Option<&Bound>) -> Result<(Run, AtEnd), Failure> {
    let base_url = match bound {
        Some(bound) => format!("http://{}/v2", bound.address),
        None => setup::base_url(arguments.call.target.base_url.as_deref()),
    };
    let meaning = setup::meaning(&arguments.call, &base_url)?;
    if let Some(id) = setup::paged(&meaning) {
        tracing::info!(
            "`run` asks for one page of a list; `roompipe get {id}` reads all of them, one item a line"
        );
    }
    let endpoint = meaning.endpoint.name().to_owned();
    let headers = wire::headers(&arguments.call.manual)?;
    let reconciler = setup::reconciler(&meaning, &base_url)?;
    let mapping = setup::mapping(
        &arguments.call,
        meaning.endpoint,
        setup::order(&arguments.delivery),
        arguments.ledger.key.as_ref(),
    )?;
    let authority = wire::authority(&arguments.call.target, &base_url, mapping.endpoint(), &headers)?;
    let ledger_path = arguments.ledger.ledger.as_deref();
    let credentials = authority.as_ref().map(|authority| &authority.credentials);
    let pins = book::pins(&arguments.ledger, &base_url, &mapping, credentials);
    let stop = Stop::new();
    let target = &arguments.call.target;
    let form = webhook::form(&arguments.output.emit, &base_url);
    let webhook = arguments.output.webhook.prepare(
        form,
        (target.proxy.as_ref(), target.ca_cert.as_ref()),
        ledger_path,
    )?;
    let shown_url = base_url.clone();
    let target = wire::Wire { base_url, authority, headers, emulator: bound.is_some() };
    let settings = target.settings(&arguments.call, &arguments.delivery, &stop)?;
    let concurrency = settings.concurrency;
    let sender = Sender::new(settings).map_err(|error| setup::refused(&error, error.hint()))?;
    let inputs = setup::inputs(&arguments.call, &meaning.paths)?;
    setup::check_columns(&mapping, &inputs)?;
    let journal = arguments.call.target.emulator_journal.as_deref();
    let raw_kept = arguments.call.input.max_record_bytes;
    let opened = Opened::new(&arguments.output, &meaning.paths, journal, raw_kept, ledger_path, &shown_url)?;
    // Last of all: a run that is refused leaves no ledger behind.
    let ledger = book::open(&arguments.ledger, &pins, &mapping)?;
    let outbox = opened.outbox(ledger.as_ref().filter(|_| webhook.is_some()))?;
    let book = ledger.map(|ledger| book::begin(ledger, &arguments.ledger, &stop)).transpose()?;
    let ready = opened.begin(
        &stop,
        book.as_ref().map(|book| &book.scribe),
        webhook.map(|webhook| (webhook, outbox)),
    )?;
    let batches = setup::batches(&arguments.call.batch, &mapping);
    let run = Run {
        progress: Progress::new(&inputs),
        inputs,
        front: Front::Records(Box::new(mapping)),
        sender,
        reconciler,
        concurrency,
        endpoint,
        outputs: ready.outputs,
        writings: ready.writings,
        webhook: ready.courier,
        failures: arguments.delivery.max_failures,
        stop,
        book,
        emit_skipped: arguments.output.emit_skipped,
        ordered: arguments.output.ordered,
        batches,
        canary: arguments.delivery.canary.map(|calls| Canary::new(calls, canary::consent())),
        listing: None,
        about: arguments.output.watch.about.clone(),
    };
    Ok((run, ready.at_end))
}
