//! `roompipe replay`: checks and opens everything that a run of dead letters needs.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::{Args, Command};

use crate::call::{Sender, Stop};
use crate::exit::ExitCode;
use crate::ledger::Ledger;
use crate::mapping::UrlPattern;
use crate::output::Selection;
use crate::pipeline::{
    Again, Batches, Canary, Front, LedgerName, Letters, Progress, Reconciler, Resend, ResendSettings, Run,
};
use crate::record::Input;
use crate::template::Effect;

use super::arguments::{
    CallArguments, DeliveryArguments, InputArguments, InputFormat, LedgerArguments, LooksArguments,
    ManualArguments, MappingArguments, OutputArguments, TargetArguments,
};
use super::batch::BatchArguments;
use super::contradictions::{from_environment, refuse_without_effect};
use super::destination::Destination;
use super::drive::{GoesOn, Prepared};
use super::emulator::Bound;
use super::failure::Failure;
use super::outputs::{AtEnd, Opened};
use super::wire::{Authority, GivenHeader, Wire};
use super::{book, canary, credential, log, setup, webhook, wire};

/// What `replay` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The dead letters of a run: a file, or - for stdin
    #[arg(value_name = "DEAD_LETTERS")]
    letters: String,
    /// Map the records, mended or not, afresh to this endpoint [default: send the recorded requests]
    #[arg(value_name = "ENDPOINT|DESTINATION")]
    endpoint: Option<String>,
    /// Which letters, by outcome [default: failed,rejected,pending; with an endpoint also invalid]
    #[arg(
        long,
        value_name = "OUTCOME,…",
        value_delimiter = ',',
        env = "ROOMPIPE_ONLY",
        hide_env = true,
        help_heading = "Replay"
    )]
    only: Vec<String>,
    /// The ledger of the run that wrote the letters [default: none, where it had none]
    #[arg(long, value_name = "FILE", env = "ROOMPIPE_LEDGER", hide_env = true, help_heading = "Replay")]
    ledger: Option<PathBuf>,
    #[command(flatten)]
    input: InputArguments,
    #[command(flatten)]
    mapping: MappingArguments,
    #[command(flatten)]
    manual: ManualArguments,
    #[command(flatten)]
    batch: BatchArguments,
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    delivery: DeliveryArguments,
    #[command(flatten)]
    pub(super) output: OutputArguments,
    #[command(flatten)]
    looks: LooksArguments,
}

impl Arguments {
    /// Takes from a destination file what flags do not replace but add to, and the endpoint.
    pub(super) fn take(&mut self, destination: &Destination) {
        self.endpoint = destination.endpoint();
        destination.merge(&mut self.mapping, &mut self.manual);
    }
}

/// Options of `run` that say less about dead letters, or nothing.
pub(super) fn of_letters(command: Command) -> Command {
    let format = "jsonl or json [default: json by the ending .json, else jsonl]";
    command
        .mut_arg("format", |option| option.help(format).hide_short_help(true))
        .mut_arg("csv_delimiter", |option| option.hide(true))
        .mut_arg("limit", |option| option.help("Read at most N letters [default: all]"))
}

/// What was typed, sorted out.
struct Given {
    letters: String,
    call: CallArguments,
    delivery: DeliveryArguments,
    ledger: LedgerArguments,
    output: OutputArguments,
    selection: Selection,
    /// Records are mapped; else requests are sent as they were recorded.
    afresh: bool,
    /// What a repeat of a recorded manual call does.
    effect: Option<Effect>,
}

/// Replays to the end of the dead letters.
pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    log::start(&arguments.looks);
    let (given, looks) = settle(arguments)?;
    let bound = if given.call.target.emulator { Some(Bound::new()?) } else { None };
    let watchers = given.output.watch.bind()?;
    let (run, at_end) = prepare(&given, bound.as_ref())?;
    let prepared = Prepared {
        run,
        at_end,
        watchers,
        bound,
        journal: given.call.target.emulator_journal,
        events_on_stdout: given.output.output.is_none(),
        goes_on: if given.ledger.ledger.is_some() { GoesOn::Ledger } else { GoesOn::Letters },
    };
    prepared.drive(&looks)
}

/// Sorts out options that contradict or need each other.
fn settle(arguments: Arguments) -> Result<(Given, LooksArguments), Failure> {
    let Arguments { letters, endpoint, only, ledger, input, mapping, mut manual, batch, target, .. } =
        arguments;
    let (mut delivery, mut output) = (arguments.delivery, arguments.output);
    let afresh = endpoint.is_some() || manual.url.is_some();
    if let (Some(id), Some(_)) = (&endpoint, &manual.url) {
        return Err(Failure::usage(format!("the endpoint `{id}` and `--url` say different things")));
    }
    let selection = if only.is_empty() {
        Selection::usual(afresh)
    } else {
        Selection::of_words(only.iter().map(String::as_str), afresh)
            .map_err(|error| Failure::usage(error.to_string()).maybe_hint(error.hint()))?
    };
    // Of the options of a manual configuration this one has a meaning for a recorded request, too.
    let effect = if afresh { None } else { manual.effect.take().map(setup::effect) };
    if !afresh {
        refuse_without_effect(&input, &mapping, &delivery)?;
    }
    if target.emulator && !afresh {
        return Err(Failure::usage(
            "`--emulator` has a new address each time, which is not that of the recorded requests",
        )
        .hint(
            "name the endpoint behind the file; `roompipe emulator` serves one that several runs can share",
        ));
    }
    let positionals = endpoint.into_iter().chain([letters.clone()]).collect();
    let mut call = CallArguments { positionals, input, mapping, manual, batch, target };
    let mut ledger = LedgerArguments {
        ledger,
        key: None,
        on_change: None,
        last_wins: false,
        resend_unknown: false,
        accept_mapping_change: false,
    };
    call.settle()?;
    delivery.settle()?;
    output.settle()?;
    ledger.settle(&mut call, &mut output)?;
    settle_input(&mut call.input, &letters)?;
    Ok((Given { letters, call, delivery, ledger, output, selection, afresh, effect }, arguments.looks))
}

/// How dead letters are read: as JSON, whatever their records came in, and with room for what surrounds a record.
fn settle_input(input: &mut InputArguments, letters: &str) -> Result<(), Failure> {
    let cells = matches!(input.format, Some(InputFormat::Csv | InputFormat::Tsv));
    if cells && !from_environment("ROOMPIPE_FORMAT") {
        return Err(Failure::usage("`--format`: dead letters are `jsonl` or `json`")
            .hint("rows of cells come back as such by themselves"));
    }
    if input.csv_delimiter.take().is_some() && !from_environment("ROOMPIPE_CSV_DELIMITER") {
        return Err(Failure::usage("`--csv-delimiter` has no effect on dead letters, which are JSON"));
    }
    if cells || input.format.is_none() {
        let name = letters.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
        let is_json = Path::new(name).extension().is_some_and(|ending| ending == "json");
        input.format = Some(if is_json { InputFormat::Json } else { InputFormat::Jsonl });
    }
    input.max_record_bytes = input.max_record_bytes.saturating_mul(RECORDS).saturating_add(BESIDES);
    if letters == "-" && std::io::stdin().is_terminal() {
        return Err(Failure::usage("no dead letters: stdin is a terminal")
            .hint("name the file of dead letters: `roompipe replay dead.jsonl`"));
    }
    Ok(())
}

/// A letter holds its record, the request made of it, whose body program may have told it manifold, and the answer.
const RECORDS: usize = 8;
/// What an answer takes at most, and what is told besides.
const BESIDES: usize = 64 * 1024 * 1024;

/// What the calls of a replay are, and what they are made with.
struct Aim {
    again: Again,
    endpoint: String,
    authority: Option<Authority>,
    reconciler: Reconciler,
}

impl Aim {
    /// At the endpoint that was named.
    fn afresh(given: &Given, base_url: &str, headers: &[GivenHeader]) -> Result<Self, Failure> {
        let meaning = setup::meaning(&given.call, base_url)?;
        let endpoint = meaning.endpoint.name().to_owned();
        let reconciler = setup::reconciler(&meaning, base_url)?;
        let order = setup::order(&given.delivery);
        let mapping = setup::mapping(&given.call, meaning.endpoint, order, None)?;
        let authority = wire::authority(&given.call.target, base_url, mapping.endpoint(), headers)?;
        Ok(Self { again: Again::Mapped(Box::new(mapping)), endpoint, authority, reconciler })
    }

    /// Wherever each letter says. Whether calls need a token is seen when the first one is met that does.
    fn recorded(
        given: &Given,
        base_url: &str,
        headers: &[GivenHeader],
        ledger: Option<&Ledger>,
    ) -> Result<Self, Failure> {
        let refused = |error: &dyn std::fmt::Display| Failure::configuration(error.to_string());
        let base = UrlPattern::parse(base_url).map_err(|error| refused(&error))?;
        // A ledger without a workspace is of calls that carried no token.
        let without = ledger.is_some_and(|ledger| ledger.pins().workspace.is_empty());
        let target = &given.call.target;
        let needs_token = wire::needs_token(target, base_url, &base, headers) && !without;
        let named = target.credential.as_deref();
        let credentials = if needs_token { wire::found_credentials(named)? } else { None };
        let lacks = needs_token && credentials.is_none();
        if lacks && ledger.is_some() {
            return Err(wire::no_credentials());
        }
        let no_token = lacks.then(wire::no_credentials);
        let catalog = setup::catalog(given.call.target.templates.as_ref())?;
        let reconciler = setup::reconciler_of_all(&catalog, base_url)?;
        let settings = ResendSettings {
            effect: given.effect,
            unordered: given.delivery.unordered,
            has_secrets: credential::on_purpose(named).is_some()
                || headers.iter().any(GivenHeader::is_secret),
            no_token: no_token.map(|failure| (failure.message, failure.hint.unwrap_or_default())),
        };
        let resend = Resend::new(base_url, catalog, settings).map_err(|error| refused(&error))?;
        let again = Again::Recorded(Box::new(resend));
        Ok(Self {
            again,
            endpoint: "manual".to_owned(),
            authority: credentials.map(Authority::from),
            reconciler,
        })
    }

    /// How records share calls, where they are mapped afresh and do.
    fn batches(&self, given: &Given) -> Option<Batches> {
        match &self.again {
            Again::Mapped(mapping) => setup::batches(&given.call.batch, mapping),
            Again::Recorded(_) => None,
        }
    }

    /// What the mapping aims at; nothing where every letter has an aim of its own.
    fn signature(&self) -> Option<String> {
        match &self.again {
            Again::Mapped(mapping) => Some(mapping.endpoint().signature()),
            Again::Recorded(_) => None,
        }
    }
}

/// Checks and opens everything; nothing is sent, and no file is changed before the last thing is found right.
fn prepare(given: &Given, bound: Option<&Bound>) -> Result<(Run, AtEnd), Failure> {
    let base_url = match bound {
        Some(bound) => format!("http://{}/v2", bound.address),
        None => setup::base_url(given.call.target.base_url.as_deref()),
    };
    let headers = wire::headers(&given.call.manual)?;
    let ledger_path = given.ledger.ledger.as_deref();
    let ledger = ledger_path.map(book::reopen).transpose()?;
    let aim = if given.afresh {
        Aim::afresh(given, &base_url, &headers)?
    } else {
        Aim::recorded(given, &base_url, &headers, ledger.as_ref())?
    };
    if let Some(ledger) = &ledger {
        let credentials = aim.authority.as_ref().map(|authority| &authority.credentials);
        book::check(ledger, &base_url, aim.signature(), credentials)?;
    }
    let batches = aim.batches(given);
    let stop = Stop::new();
    let target = &given.call.target;
    let form = webhook::form(&given.output.emit, &base_url);
    let webhook =
        given.output.webhook.prepare(form, (target.proxy.as_ref(), target.ca_cert.as_ref()), ledger_path)?;
    let shown_url = base_url.clone();
    let target = Wire { base_url, authority: aim.authority, headers, emulator: bound.is_some() };
    let settings = target.settings(&given.call, &given.delivery, &stop)?;
    let concurrency = settings.concurrency;
    let sender = Sender::new(settings).map_err(|error| setup::refused(&error, error.hint()))?;
    let paths = [Input::from(PathBuf::from(&given.letters))];
    let inputs = setup::inputs(&given.call, &paths)?;
    let journal = given.call.target.emulator_journal.as_deref();
    let raw_kept = given.call.input.max_record_bytes;
    let opened = Opened::new(&given.output, &paths, journal, raw_kept, ledger_path, &shown_url)?;
    let name = |ledger: &Ledger| LedgerName {
        id: ledger.id().to_owned(),
        file: ledger_path.map(Path::to_owned).unwrap_or_default(),
    };
    let letters = Letters::new(given.selection.clone(), aim.again, ledger.as_ref().map(name));
    let outbox = opened.outbox(ledger.as_ref().filter(|_| webhook.is_some()))?;
    let book = ledger.map(|ledger| book::begin(ledger, &given.ledger, &stop)).transpose()?;
    let ready = opened.begin(
        &stop,
        book.as_ref().map(|book| &book.scribe),
        webhook.map(|webhook| (webhook, outbox)),
    )?;
    let run = Run {
        progress: Progress::new(&inputs),
        inputs,
        front: Front::Letters(Box::new(letters)),
        sender,
        reconciler: aim.reconciler,
        concurrency,
        endpoint: aim.endpoint,
        outputs: ready.outputs,
        writings: ready.writings,
        webhook: ready.courier,
        failures: given.delivery.max_failures,
        stop,
        book,
        emit_skipped: given.output.emit_skipped,
        ordered: given.output.ordered,
        batches,
        canary: given.delivery.canary.map(|calls| Canary::new(calls, canary::consent())),
        listing: None,
        about: given.output.watch.about.clone(),
    };
    Ok((run, ready.at_end))
}
