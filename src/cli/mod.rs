//! The command line: one file per command, each a few calls into the library.
//!
//! It is the only layer that knows arguments, environment variables and the terminal. What was typed is turned into
//! checked settings here (`setup`), once; below, nothing fails for a reason that was known before the first record.

mod about;
mod arguments;
mod batch;
mod book;
mod canary;
mod contradictions;
mod credential;
mod destination;
mod draw;
mod drive;
mod edit;
mod emulator;
mod endpoints;
mod exchange;
mod failure;
mod get;
mod ledger;
mod log;
mod outputs;
mod paint;
mod plan;
mod preview;
mod progress;
mod replay;
mod report;
mod run;
mod sample;
mod setup;
mod shell;
mod shown;
mod test;
mod token;
mod trial;
mod watch;
mod webhook;
mod wire;

use std::ffi::OsString;

use clap::{ArgAction, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::exit::ExitCode;

use arguments::LooksArguments;
use destination::Destination;
use watch::WatchArguments;

pub use failure::Failure;

/// Push a stream of records into a REST API: nothing lost, nothing done twice that must not be, every answer out.
#[derive(Debug, Parser)]
#[command(
    name = "roompipe",
    after_long_help = MORE,
    version,
    disable_help_subcommand = true,
    disable_help_flag = true,
    max_term_width = 100
)]
struct Cli {
    /// Print help
    #[arg(short, long, global = true, action = ArgAction::HelpShort, display_order = 1000)]
    help: Option<bool>,
    /// Print help with all options
    #[arg(long, global = true, action = ArgAction::HelpLong, display_order = 1000)]
    help_all: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

/// What `--help-all` and the manual say besides the options.
const MORE: &str = "\
Credentials, from the environment (each also as NAME_FILE, the path of a file):
  HMS_ACCESS_KEY, HMS_SECRET  sign tokens: see Developer on the dashboard
  HMS_MANAGEMENT_TOKEN        a ready management token, instead of the two
  HMS_APP_TOKEN               a ready app token, for calls in the name of a peer (send-dtmf)
  ROOMPIPE_WEBHOOK_SECRET     signs posts to --webhook: whsec_…, or two of them with a space between
  CREDENTIALS_DIRECTORY       systemd's folder of files with these names, for what is not set
  ROOMPIPE_CREDENTIAL         a credential that `roompipe credential add` stored, before all of these
Every option of run is also a variable, such as ROOMPIPE_BASE_URL; a flag wins.

Exit codes:
  0   everything delivered, skipped or filtered
  1   finished, and some records were not delivered
  2   the command line is wrong
  74  an output or a ledger cannot be written, or an input broke off
  75  stopped early: a signal, the failure budget, an API that does not answer, stdout's reader gone, a ledger in use
  77  the credentials were refused
  78  the configuration is wrong";

#[derive(Debug, Subcommand)]
enum Command {
    /// Send each record as a call and write each answer as an event.
    #[command(after_help = "`--help-all` shows all options, the credentials' variables and the exit codes.", after_long_help = MORE)]
    Run(Box<run::Arguments>),
    /// Show the requests records would become; nothing is sent, no credential is needed.
    Preview(Box<preview::Arguments>),
    /// Send one sample for real and show the whole exchange; no ledger and no file is touched.
    Test(Box<test::Arguments>),
    /// Check and count the whole input, and compare it with what is there; nothing is written.
    #[command(after_long_help = plan::MORE)]
    Plan(Box<plan::Arguments>),
    /// Send dead letters again: as they were recorded, or their records mapped afresh.
    #[command(after_help = "`--help-all` shows all options, the credentials' variables and the exit codes.", after_long_help = MORE)]
    Replay(Box<replay::Arguments>),
    /// Read: all pages of a list, one item a line.
    Get(Box<get::Arguments>),
    /// Destination files: start one, or show what one may say.
    Destination(destination::Arguments),
    /// The catalog of endpoint templates.
    Endpoints(endpoints::Arguments),
    /// What a ledger knows, and what it is to forget.
    Ledger(ledger::Arguments),
    /// A past run as one HTML page.
    Report(report::Arguments),
    /// Store access keys and secrets under names, for --credential.
    Credential(credential::Arguments),
    /// Mint tokens, or look into one.
    Token(token::Arguments),
    /// Serve a local 100ms API with a demo workspace.
    Emulator(emulator::Arguments),
    /// Print a completion script for a shell.
    Completions(shell::Completions),
    /// Print the manual page (roff).
    Man,
}

impl Command {
    /// Takes from a destination file what flags do not replace but add to, and what its name stood for.
    fn take(&mut self, destination: &Destination) {
        match self {
            Self::Run(arguments) => arguments.call.take(destination, true),
            Self::Preview(arguments) => arguments.call.take(destination, true),
            Self::Plan(arguments) => arguments.call.take(destination, true),
            Self::Test(arguments) => arguments.take(destination),
            Self::Replay(arguments) => arguments.take(destination),
            _ => {}
        }
    }

    /// Keeps what was asked for, for the report of a run.
    fn note(&mut self, command: &clap::Command, matches: &ArgMatches, destination: Option<&Destination>) {
        let (Some((name, matches)), Some(watch)) = (matches.subcommand(), self.watch()) else { return };
        if let Some(command) = command.find_subcommand(name) {
            watch.about = about::about(command, matches, destination);
        }
    }

    fn watch(&mut self) -> Option<&mut WatchArguments> {
        match self {
            Self::Run(arguments) => Some(&mut arguments.output.watch),
            Self::Replay(arguments) => Some(&mut arguments.output.watch),
            Self::Get(arguments) => Some(&mut arguments.output.watch),
            _ => None,
        }
    }
}

/// jq programs recurse over the values they make, and a thread's usual stack is soon used up. Only what is touched takes
/// memory.
const STACK: usize = 256 * 1024 * 1024;

/// Runs the program on the process's own arguments.
#[must_use]
pub fn main() -> ExitCode {
    match std::thread::Builder::new().name("roompipe".to_owned()).stack_size(STACK).spawn(run_command) {
        // A panic has been told on stderr.
        Ok(thread) => thread.join().unwrap_or(ExitCode::Io),
        Err(_) => run_command(),
    }
}

/// The definition of the command line.
fn definition() -> clap::Command {
    // `preview` takes what `run` takes, and shows of it what changes a preview.
    let command = Cli::command().mut_subcommand("preview", |preview| {
        preview.mut_args(|option| {
            let of_run = matches!(option.get_help_heading(), Some("Delivery" | "Ledger" | "Output"));
            option.hide(of_run)
        })
    });
    let command = command.mut_subcommand("plan", |plan| {
        plan.mut_args(|option| {
            let of_run = option.get_help_heading() == Some("Output");
            option.hide(of_run)
        })
    });
    command
        .mut_subcommand("test", test::of_one)
        .mut_subcommand("replay", replay::of_letters)
        .mut_subcommand("get", get::of_reads)
}

fn run_command() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let mut command = definition();
    let (matches, destination) = match parse(&mut command, &words) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    let mut cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error.format(&mut command)),
    };
    if let Some(destination) = &destination {
        cli.command.take(destination);
    }
    cli.command.note(&command, &matches, destination.as_ref());
    let result = match cli.command {
        Command::Run(arguments) => run::run(*arguments),
        Command::Preview(arguments) => preview::run(*arguments),
        Command::Test(arguments) => test::run(*arguments),
        Command::Plan(arguments) => plan::run(*arguments),
        Command::Replay(arguments) => replay::run(*arguments),
        Command::Get(arguments) => get::run(*arguments),
        Command::Destination(arguments) => destination::run(&arguments, run_of(&command)),
        Command::Endpoints(arguments) => endpoints::run(&arguments),
        Command::Ledger(arguments) => ledger::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Credential(arguments) => credential::run(arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Emulator(arguments) => emulator::run(&arguments),
        Command::Completions(arguments) => shell::completions(&arguments, &mut command),
        Command::Man => shell::man(&command),
    };
    result.unwrap_or_else(|failure| told(&failure))
}

/// What was typed; with a destination file once more, over what that says.
fn parse(
    command: &mut clap::Command,
    words: &[OsString],
) -> Result<(ArgMatches, Option<Destination>), ExitCode> {
    let matches = command.try_get_matches_from_mut(words).map_err(|error| usage(&error))?;
    let start_log = |matches: &ArgMatches| {
        if let Some(Ok(looks)) = matches.subcommand().map(|(_, sub)| LooksArguments::from_arg_matches(sub)) {
            log::start(&looks);
        }
    };
    let destination = destination::named(&matches, run_of(command)).map_err(|failure| {
        start_log(&matches);
        told(&failure)
    })?;
    let Some(destination) = destination else { return Ok((matches, None)) };
    *command = destination.below(definition());
    let matches = command.try_get_matches_from_mut(words).map_err(|error| usage(&error))?;
    start_log(&matches);
    for note in destination.notes() {
        tracing::info!("{note}");
    }
    Ok((matches, Some(destination)))
}

/// The definition of `run`.
fn run_of(command: &clap::Command) -> &clap::Command {
    command.find_subcommand("run").unwrap_or(command)
}

fn told(failure: &Failure) -> ExitCode {
    log::problem(&failure.message, failure.hint.as_deref());
    failure.exit
}

fn usage(error: &clap::Error) -> ExitCode {
    // `--help` and `--version` come as errors too, and go to stdout. A reader that is gone needs no help.
    let _ = error.print();
    if error.use_stderr() { ExitCode::Usage } else { ExitCode::Done }
}
