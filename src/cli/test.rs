//! `roompipe test`: sends one sample for real and shows the whole exchange. No ledger, no output file.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Command};

use crate::call::{Call, CallError, Sender, Settled, Stop};
use crate::exit::ExitCode;
use crate::mapping::{Invalid, Looked, Mapping, Notes, Request};
use crate::outcome::Outcome;
use crate::output::{Event, RAW_SHOWN, Share, Shown, Subject, event_id};
use crate::pipeline::{self, Reconciler};
use crate::record::{Input, Record, write_line};

use super::arguments::{
    CallArguments, DeliveryArguments, Form, LedgerArguments, LooksArguments, OutputArguments,
};
use super::destination::Destination;
use super::draw::{Draw, Headers, Member};
use super::emulator::{Bound, Embedded};
use super::exchange::{self, Watch};
use super::failure::Failure;
use super::paint::{Hue, Paint};
use super::sample::{self, Sample};
use super::trial::{BodyFrom, Trial, Untried};
use super::{log, setup, wire};

/// What `test` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    call: CallArguments,
    /// Send the N-th record [default: the first that --where lets through]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "record", help_heading = "Test")]
    number: Option<u64>,
    /// Send this record; no input is read
    #[arg(long, value_name = "JSON", help_heading = "Test")]
    record: Option<String>,
    /// Send this JSON body as it is; the URL from --set, --record or a named input
    #[arg(long, value_name = "FILE", help_heading = "Test")]
    payload: Option<PathBuf>,
    /// Open the body in $VISUAL or $EDITOR first
    #[arg(long, help_heading = "Test")]
    edit: bool,
    /// text, or json: the event on one line, and nothing else
    #[arg(
        long = "as",
        value_name = "FORM",
        value_enum,
        default_value_t = Form::Text,
        hide_possible_values = true,
        help_heading = "Test"
    )]
    form: Form,
    #[command(flatten)]
    delivery: DeliveryArguments,
    /// Taken so that the same words serve `run` and `test`.
    #[command(flatten)]
    ledger: LedgerArguments,
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    looks: LooksArguments,
}

impl Arguments {
    /// Takes what a destination file says; beside a record of its own no input is read.
    pub(super) fn take(&mut self, destination: &Destination) {
        self.call.take(destination, self.record.is_none());
    }
}

/// Options of `run` that mean nothing for one call are hidden, and most of those that mean little.
pub(super) fn of_one(command: Command) -> Command {
    let first = ["timeout", "max_attempts", "retry"];
    command
        .mut_args(|option| match option.get_help_heading() {
            Some("Ledger") => option.hide(true),
            Some("Output") if option.get_id() != "show_sensitive" => option.hide(true),
            Some("Delivery") if !first.contains(&option.get_id().as_str()) => option.hide(true),
            _ => option,
        })
        .mut_arg("show_sensitive", |option| {
            let help = "Show credentials and signed URLs that request and answer hold";
            option.help(help).help_heading("Test").hide_short_help(false)
        })
}

/// Sends one call and shows it.
pub(super) fn run(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    log::start(&arguments.looks);
    arguments.call.settle()?;
    arguments.delivery.settle()?;
    arguments.output.settle()?;
    note_ignored(&arguments);
    let bound = if arguments.call.target.emulator { Some(Bound::new()?) } else { None };
    let bench = Bench::prepare(&arguments, bound.as_ref())?;
    match bench.sample(&arguments)? {
        Sample::Nothing(why) => {
            tracing::warn!("nothing was sent: {why}");
            Ok(ExitCode::SomeNot)
        }
        Sample::Invalid(subject, invalid) => bench.refuse(&subject, (0, 1), &invalid),
        Sample::Record(record, looked) => bench.test(&arguments, &record, looked, bound),
    }
}

/// What `run` would write is not written here.
fn note_ignored(arguments: &Arguments) {
    let (ledger, output) = (&arguments.ledger, &arguments.output);
    let files = [
        ("--ledger", ledger.ledger.is_some()),
        ("--output", output.output.is_some()),
        ("--dead-letters", output.dead_letters.is_some()),
        ("--summary-json", output.summary_json.is_some()),
        ("--report", output.watch.report.is_some()),
        ("--metrics", output.watch.metrics.is_some()),
        ("--metrics-textfile", output.watch.metrics_textfile.is_some()),
    ];
    let given: Vec<&str> = files.iter().filter(|(_, given)| *given).map(|(option, _)| *option).collect();
    if !given.is_empty() {
        tracing::info!("test touches no ledger and writes no file; without effect: {}", given.join(", "));
    }
}

/// Everything a test needs, checked before anything is read or sent.
struct Bench {
    mapping: Mapping,
    paths: Vec<Input>,
    headers: Headers,
    sender: Sender,
    reconciler: Reconciler,
    stop: Stop,
    form: Form,
    sensitive: bool,
}

impl Bench {
    fn prepare(arguments: &Arguments, bound: Option<&Bound>) -> Result<Self, Failure> {
        let base_url = match bound {
            Some(bound) => format!("http://{}/v2", bound.address),
            None => setup::base_url(arguments.call.target.base_url.as_deref()),
        };
        let meaning = setup::aim(&arguments.call, &base_url)?;
        let given = wire::headers(&arguments.call.manual)?;
        let target = &arguments.call.target;
        let needs_token = wire::needs_token(target, &base_url, meaning.endpoint.url(), &given);
        let reconciler = setup::reconciler(&meaning, &base_url)?;
        let order = setup::order(&arguments.delivery);
        let mapping = setup::mapping(&arguments.call, meaning.endpoint, order, None)?;
        let authority = wire::authority(target, &base_url, mapping.endpoint(), &given)?;
        let stop = Stop::new();
        let wire = wire::Wire { base_url, authority, headers: given.clone(), emulator: bound.is_some() };
        let settings = wire.settings(&arguments.call, &arguments.delivery, &stop)?;
        let sender = Sender::new(settings).map_err(|error| setup::refused(&error, error.hint()))?;
        Ok(Self {
            mapping,
            paths: meaning.paths,
            headers: Headers { needs_token, given },
            sender,
            reconciler,
            stop,
            form: arguments.form,
            sensitive: arguments.output.show_sensitive,
        })
    }

    fn draw(&self) -> Draw<'_> {
        Draw { paint: Paint::of_stdout(), endpoint: self.mapping.endpoint(), headers: &self.headers }
    }

    /// Finds the record.
    fn sample(&self, arguments: &Arguments) -> Result<Sample, Failure> {
        let inputs = arguments.call.positionals.len() - usize::from(arguments.call.manual.url.is_none());
        let given = match (&arguments.record, &arguments.payload) {
            (Some(text), _) if inputs == 0 => sample::given("--record", text),
            (Some(_), _) => {
                return Err(Failure::usage("`--record` and an input: which one is to be sent?"));
            }
            (None, Some(_)) if inputs == 0 && arguments.number.is_none() => sample::given("--payload", "{}"),
            _ => {
                setup::refuse_terminal(&self.paths)?;
                let mut inputs = setup::inputs(&arguments.call, &self.paths)?;
                setup::check_columns(&self.mapping, &inputs)?;
                return sample::of_inputs(&mut inputs, arguments.number, &self.mapping);
            }
        };
        Ok(sample::of_record(given, &self.mapping))
    }

    /// Makes the call, sends it, and shows both.
    fn test(
        &self,
        arguments: &Arguments,
        record: &Record,
        looked: Looked,
        bound: Option<Bound>,
    ) -> Result<ExitCode, Failure> {
        let mut notes = Notes::default();
        let trial = match &arguments.payload {
            None => Trial::of_record(&self.mapping, record, looked, &mut notes),
            Some(path) => Trial::of_payload(&self.mapping, path, record, looked, &mut notes),
        };
        if let Some(note) = notes.take_new().filter(|_| arguments.payload.is_none()) {
            tracing::info!("{note}");
        }
        let mut trial = match trial {
            Ok(trial) => trial,
            Err(Untried::Filtered) => {
                tracing::warn!("nothing was sent: `--body` has no output for {}", record.position);
                return Ok(ExitCode::SomeNot);
            }
            Err(Untried::Invalid(call, invalid)) => {
                return self.refuse(&sample::subject(record, &self.mapping), call, &invalid);
            }
            Err(Untried::Failure(failure)) => return Err(failure),
        };
        if arguments.edit && !trial.edit(&self.mapping)? {
            log::tell("note", "the file was left empty: nothing was sent", None);
            return Ok(ExitCode::Done);
        }
        if let Some(word) = arguments.call.manual.effect {
            trial.request.effect = setup::effect(word);
        }
        let embedded =
            bound.map(|bound| bound.serve(arguments.call.target.emulator_journal.clone())).transpose()?;
        let exit = self.exchange(&trial);
        embedded.map_or(Ok(()), Embedded::finish)?;
        exit
    }

    /// Shows a record that makes no call.
    fn refuse(
        &self,
        subject: &Subject,
        call: (usize, usize),
        invalid: &Invalid,
    ) -> Result<ExitCode, Failure> {
        let mut out = Vec::new();
        match self.form {
            Form::Text => {
                self.draw().invalid(&Member { position: &subject.position, call }, invalid, &mut out)
            }
            Form::Json => {
                let error = CallError {
                    code: invalid.code.to_owned(),
                    name: None,
                    message: invalid.sentence(),
                    details: invalid.details(),
                };
                self.event(subject, call, None, Some(&error), &mut out);
            }
        }
        show(&out)?;
        Ok(ExitCode::SomeNot)
    }

    /// Sends the call, and shows what goes and what comes.
    fn exchange(&self, trial: &Trial) -> Result<ExitCode, Failure> {
        let draw = self.draw();
        let is_text = matches!(self.form, Form::Text);
        if is_text {
            show(&drawn(&draw, trial, self.sensitive))?;
        }
        let mut watch = Watch::new(is_text.then_some(&draw));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::io(format!("cannot start the async runtime: {error}")))?;
        let (settled, shares) = runtime.block_on(async {
            tokio::spawn(pipeline::watch(self.stop.clone()));
            let settled = self.sender.send(Call::of(&trial.request), &mut watch).await;
            let settled = self.reconciler.settle(&self.sender, &trial.request, settled).await;
            match self.mapping.batching() {
                Some(batching) => {
                    let (settled, result) = pipeline::of_one(batching, &trial.request, settled);
                    (settled, vec![Share { call: trial.call, result }])
                }
                None => (settled, Vec::new()),
            }
        });
        runtime.shutdown_background();
        let reasons = self.stop.reasons();
        for reason in &reasons {
            log::tell("stopped", &reason.message, reason.hint.as_deref());
        }
        // A payload may stand on several lines; an event does not.
        let request = on_one_line(&trial.request);
        let mut event = Vec::new();
        let sent = Some((&request, &settled, &shares[..]));
        self.event(&trial.subject, trial.call, sent, settled.error.as_ref(), &mut event);
        watch.end()?;
        if is_text {
            let mut out = Vec::new();
            exchange::answer(&draw, &trial.request, &settled, &reasons, &event, &mut out);
            show(&out)?;
        } else {
            show(&event)?;
        }
        Ok(exchange::exit_code(&settled, &reasons))
    }

    /// Appends the event that a run would write: of a call and its end, or of a record that makes no call.
    fn event(
        &self,
        subject: &Subject,
        call: (usize, usize),
        sent: Option<(&Request, &Settled, &[Share])>,
        error: Option<&CallError>,
        out: &mut Vec<u8>,
    ) {
        let (request, settled) = sent.map(|(request, settled, _)| (request, settled)).unzip();
        let template = request.and_then(|request| request.template.as_ref());
        let run = uuid::Uuid::new_v4().to_string();
        let event = Event {
            page: None,
            id: &event_id(&run, &subject.identity, call.0, 0),
            timestamp: jiff::Timestamp::now(),
            ledger: None,
            endpoint: template.map_or(self.mapping.endpoint().name(), |template| &template.id),
            outcome: settled.map_or(Outcome::Invalid, |settled| settled.outcome),
            call,
            generation: 0,
            records: std::slice::from_ref(subject),
            shares: sent.map_or(&[], |(.., shares)| shares),
            request,
            response: settled.and_then(|settled| settled.response.as_ref()),
            attempts: settled.map_or(0, |settled| settled.attempts),
            reconciled: settled.is_some_and(|settled| settled.reconciled),
            error,
        };
        event.write(Shown { raw: RAW_SHOWN, sensitive: self.sensitive }, out);
    }
}

/// What is about to be sent.
fn drawn(draw: &Draw<'_>, trial: &Trial, sensitive: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let request = if sensitive { trial.request.clone() } else { trial.request.masked() };
    let member = Member { position: &trial.subject.position, call: trial.call };
    draw.request(&[member], &request, &mut out);
    match &trial.body {
        BodyFrom::Record(trace) => draw.origins(trace, &request, &mut out),
        BodyFrom::File(name) => draw.body_from(&format!("{name}, as it is"), &mut out),
        BodyFrom::Editor => draw.body_from("the editor", &mut out),
    }
    if trial.call.1 > 1 {
        draw.remark(Hue::Warn, &format!("call 1 of {} only: test sends no other", trial.call.1), &mut out);
    }
    out
}

fn on_one_line(request: &Request) -> Request {
    let body = request.body.as_ref().map(|body| {
        let mut line = Vec::with_capacity(body.len());
        write_line(body, &mut line);
        line.into()
    });
    Request { body, ..request.clone() }
}

fn show(out: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(out)?;
    stdout.flush()?;
    Ok(())
}
