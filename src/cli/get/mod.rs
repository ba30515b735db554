//! `roompipe get`: reads, all pages of them, one item a line. A run whose calls are made for what they answer.
//!
//! What a list is and how it goes on is the template's to say, or that of `--items` and `--cursor` for a URL.

mod aim;
mod time;

use std::io::{BufRead as _, IsTerminal as _};

use clap::{Args, Command};

use crate::call::{Sender, Stop};
use crate::exit::ExitCode;
use crate::mapping::{Mapping, Order};
use crate::pipeline::{Front, Listing, Progress, Run};
use crate::record::{Input, Inputs};

use super::arguments::{
    CallArguments, DeliveryArguments, InputArguments, LedgerArguments, LooksArguments, ManualArguments,
    MappingArguments, OutputArguments, TargetArguments,
};
use super::batch::BatchArguments;
use super::contradictions::from_environment;
use super::drive::{GoesOn, Prepared};
use super::emulator::Bound;
use super::failure::Failure;
use super::outputs::{AtEnd, Opened};
use super::{log, setup, webhook, wire};

use time::Moment;

/// What `get` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Endpoint id, then inputs: files, or - for stdin; all are inputs with --url [default: one read without a record]
    #[arg(value_name = "ENDPOINT|INPUT")]
    positionals: Vec<String>,
    #[command(flatten)]
    read: ReadArguments,
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    mapping: MappingArguments,
    #[command(flatten)]
    manual: UrlArguments,
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    delivery: DeliveryArguments,
    #[command(flatten)]
    pub(super) output: OutputArguments,
    #[command(flatten)]
    looks: LooksArguments,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Read")]
struct ReadArguments {
    /// A parameter of the endpoint; several of one name are a list
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// From this time on: 2026-01-31T09:00:00Z, 2026-01-31, or ago: 7d, 24h
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    since: Option<Moment>,
    /// Up to this time
    #[arg(long, value_name = "TIME", value_parser = time::moment)]
    until: Option<Moment>,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Manual configuration")]
struct UrlArguments {
    /// Read this URL, absolute or behind the base URL; {field} in path and query
    #[arg(long, value_name = "URL", env = "ROOMPIPE_URL", hide_env = true)]
    url: Option<String>,
    /// Where in an answer its items are, such as data.rooms [default: the answer, or what a list holds]
    #[arg(long, value_name = "MEMBER")]
    items: Option<String>,
    /// Which member of an answer leads on, and the parameter that takes it, such as start=last [default: one page]
    #[arg(long, value_name = "NAME=MEMBER")]
    cursor: Option<String>,
    /// A header of every call
    #[arg(long, value_name = "NAME:VALUE")]
    header: Vec<String>,
    /// Several headers of every call; secret ones as for run
    #[arg(long, value_name = "NAME:VALUE,…", hide_short_help = true)]
    headers: Option<String>,
}

/// Options of `run` that mean something else for reads, or nothing.
pub(super) fn of_reads(command: Command) -> Command {
    let nothing = ["body", "pass_unknown", "order_by", "unordered", "canary", "emit_skipped"];
    let command =
        nothing.into_iter().fold(command, |command, id| command.mut_arg(id, |option| option.hide(true)));
    command.mut_arg("limit", |option| option.help("At most N items of each list [default: all]")).mut_arg(
        "emit",
        |option| {
            let help = "body (each item), merge (record and item), event (each page), jq:EXPR of events";
            option.default_value("body").help(help)
        },
    )
}

/// Reads to the end.
pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    log::start(&arguments.looks);
    let (mut given, looks) = settle(arguments)?;
    let bound = if given.call.target.emulator { Some(Bound::new()?) } else { None };
    let watchers = given.output.watch.bind()?;
    let (run, at_end) = prepare(&mut given, bound.as_ref())?;
    let prepared = Prepared {
        run,
        at_end,
        watchers,
        bound,
        journal: given.call.target.emulator_journal,
        events_on_stdout: given.output.output.is_none(),
        goes_on: GoesOn::Reads,
    };
    prepared.drive(&looks)
}

/// What was typed, sorted out.
struct Given {
    call: CallArguments,
    read: ReadArguments,
    delivery: DeliveryArguments,
    output: OutputArguments,
    /// Where a URL's items are, and what leads on.
    items: Option<String>,
    cursor: Option<String>,
    /// Items of each list at most.
    most: Option<u64>,
}

/// Sorts out options that contradict or need each other, or mean nothing here.
fn settle(arguments: Arguments) -> Result<(Given, LooksArguments), Failure> {
    let Arguments { positionals, read, mut input, mapping, manual, target, mut delivery, mut output, looks } =
        arguments;
    let idle = [
        ("--body", "ROOMPIPE_BODY", mapping.body.is_some()),
        ("--pass-unknown", "ROOMPIPE_PASS_UNKNOWN", mapping.pass_unknown),
        ("--order-by", "ROOMPIPE_ORDER_BY", delivery.order_by.is_some()),
        ("--unordered", "ROOMPIPE_UNORDERED", delivery.unordered),
        ("--canary", "ROOMPIPE_CANARY", delivery.canary.is_some()),
    ];
    for (option, variable, is_given) in idle {
        if is_given && !from_environment(variable) {
            return Err(Failure::usage(format!(
                "`{option}` has no effect on reads, which send no body and change nothing"
            )));
        }
    }
    let UrlArguments { url, items, cursor, header, headers } = manual;
    for (option, is_given) in [("--items", items.is_some()), ("--cursor", cursor.is_some())] {
        if is_given && url.is_none() {
            return Err(Failure::usage(format!(
                "`{option}` has no effect without `--url`: the endpoint says it"
            )));
        }
    }
    if cursor.is_some() && items.is_none() {
        return Err(Failure::usage(
            "`--cursor` has no effect without `--items`, the member that holds the list",
        ));
    }
    if positionals.is_empty() && url.is_none() {
        return Err(Failure::usage("an endpoint id is needed, or `--url`").hint(
            "`roompipe endpoints list` shows which read; `roompipe get list-rooms --emulator` is a first try",
        ));
    }
    let method = url.as_ref().map(|_| "GET".to_owned());
    let manual = ManualArguments { url, method, header, headers, effect: None, of_file: Vec::new() };
    let mapping = MappingArguments { body: None, pass_unknown: false, ..mapping };
    // What is limited are items.
    let most = input.limit.take();
    let batch = BatchArguments::default();
    let mut call = CallArguments { positionals, input, mapping, manual, batch, target };
    call.settle()?;
    (delivery.order_by, delivery.unordered, delivery.canary) = (None, false, None);
    delivery.settle()?;
    output.settle()?;
    LedgerArguments::default().settle(&mut call, &mut output)?;
    Ok((Given { call, read, delivery, output, items, cursor, most }, looks))
}

/// Checks and opens everything; nothing is sent, and no file is changed before the last thing is found right.
fn prepare(given: &mut Given, bound: Option<&Bound>) -> Result<(Run, AtEnd), Failure> {
    let base_url = match bound {
        Some(bound) => format!("http://{}/v2", bound.address),
        None => setup::base_url(given.call.target.base_url.as_deref()),
    };
    let meaning = aim::aim(given, &base_url)?;
    let pagination = aim::pagination(given, &meaning.endpoint)?;
    let endpoint = meaning.endpoint.name().to_owned();
    let headers = wire::headers(&given.call.manual)?;
    let reconciler = setup::reconciler(&meaning, &base_url)?;
    let mapping = setup::mapping(&given.call, meaning.endpoint, Order::Unordered, None)?;
    let paths = sources(given, &mapping, meaning.paths)?;
    let authority = wire::authority(&given.call.target, &base_url, mapping.endpoint(), &headers)?;
    let stop = Stop::new();
    let target = &given.call.target;
    let form = webhook::form(&given.output.emit, &base_url);
    let webhook =
        given.output.webhook.prepare(form, (target.proxy.as_ref(), target.ca_cert.as_ref()), None)?;
    let shown_url = base_url.clone();
    let target = wire::Wire { base_url, authority, headers, emulator: bound.is_some() };
    let settings = target.settings(&given.call, &given.delivery, &stop)?;
    let concurrency = settings.concurrency;
    let sender = Sender::new(settings).map_err(|error| setup::refused(&error, error.hint()))?;
    let inputs = match paths.as_slice() {
        [] => Inputs::of_one("get", "{}").map_err(|error| setup::refused(&error, error.hint()))?,
        paths => setup::inputs(&given.call, paths)?,
    };
    setup::check_columns(&mapping, &inputs)?;
    let journal = given.call.target.emulator_journal.as_deref();
    let raw_kept = given.call.input.max_record_bytes;
    let opened = Opened::new(&given.output, &paths, journal, raw_kept, None, &shown_url)?;
    let ready = opened.begin(&stop, None, webhook.map(|webhook| (webhook, None)))?;
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
        failures: given.delivery.max_failures,
        stop,
        book: None,
        emit_skipped: false,
        ordered: given.output.ordered,
        batches: None,
        canary: None,
        listing: Some(Listing { pagination, most: given.most }),
        about: given.output.watch.about.clone(),
    };
    Ok((run, ready.at_end))
}

/// Where records come from; nowhere where one read is all that is asked for.
///
/// Stdin is read where it is named, where a `--map` takes something of records, and where only a record can fill what the endpoint
/// requires and something is there to be read.
fn sources(given: &Given, mapping: &Mapping, named: Vec<Input>) -> Result<Vec<Input>, Failure> {
    let call = &given.call;
    let speaks_of_records = !call.mapping.map.is_empty();
    let check = aim::check(mapping, given)?;
    if !named.is_empty() || speaks_of_records {
        let paths = if named.is_empty() { vec![Input::Stdin] } else { named };
        setup::refuse_terminal(&paths)?;
        return Ok(paths);
    }
    if call.input.filter.is_some() && !from_environment("ROOMPIPE_WHERE") {
        let hint = "name an input, or `-` for stdin; `--emit 'jq:…'` chooses among what comes";
        return Err(Failure::usage("`--where` chooses records, and none are given").hint(hint));
    }
    let Some(missing) = check else { return Ok(Vec::new()) };
    let stdin = std::io::stdin();
    // What is looked at here stays in the buffer that the run reads from.
    if stdin.is_terminal() || stdin.lock().fill_buf().map_or(true, <[u8]>::is_empty) {
        return Err(missing);
    }
    Ok(vec![Input::Stdin])
}
