//! `roompipe token`: tokens on stdout, the one place where a secret is meant to be seen.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;

use crate::exit::ExitCode;

use super::arguments::duration;
use super::failure::Failure;
use super::setup;

/// What `token` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Print a management token, for calls of a server.
    Management(Management),
}

#[derive(Debug, Args)]
struct Management {
    /// How long it is valid
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "24h")]
    valid_for: Duration,
}

/// Prints a token.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let Kind::Management(management) = &arguments.kind;
    let credentials = setup::credentials(false)?;
    let token = credentials
        .management_token(SystemTime::now(), management.valid_for)
        .map_err(|error| Failure::configuration(format!("failed to {error}")))?;
    writeln!(std::io::stdout().lock(), "{}", token.expose_secret())?;
    Ok(ExitCode::Done)
}
