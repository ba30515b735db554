//! `roompipe token`: tokens on stdout, the one place where a secret is meant to be seen; and a look into a token.

mod app;
mod many;
mod times;

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::call::{Inspection, Validity, inspect};
use crate::exit::ExitCode;

use super::failure::Failure;
use super::{setup, wire};
use app::App;
use times::TimesArguments;

/// What `token` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    kind: Kind,
    /// Sign with this stored credential [default: HMS_… of the environment]
    #[arg(long, value_name = "NAME", global = true, env = "ROOMPIPE_CREDENTIAL", hide_env = true)]
    credential: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Print a management token, for calls of a server.
    Management(Management),
    /// Print an app token, with which one user joins one room; or add one to every record.
    App(Box<App>),
    /// Read a token from stdin; print its claims, its times and whether our secret signed it.
    Inspect {
        /// Taken only to be refused: arguments are seen by everyone on the machine
        #[arg(hide = true)]
        token: Option<String>,
    },
}

#[derive(Debug, Args)]
struct Management {
    #[command(flatten)]
    times: TimesArguments,
}

/// Prints or reads a token.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let failed = |error: crate::call::Error| setup::refused(&error, error.hint());
    let now = SystemTime::now();
    let credentials = || wire::credentials(arguments.credential.as_deref(), false);
    let token = match &arguments.kind {
        Kind::Inspect { token: Some(_) } => {
            return Err(Failure::usage("a token is a secret and does not come as an argument")
                .hint("pipe it in: `… | roompipe token inspect`"));
        }
        Kind::Inspect { token: None } => return look(arguments.credential.as_deref(), now),
        Kind::Management(wanted) => {
            credentials()?.management_token(now, wanted.times.meant()).map_err(failed)?
        }
        Kind::App(wanted) if wanted.is_for_records() => return many::run(wanted, &credentials()?),
        Kind::App(wanted) => {
            let claims = wanted.claims()?;
            let token = credentials()?.app_token(&claims, now, wanted.times.meant()).map_err(failed)?;
            token.ok_or_else(cannot_sign)?
        }
    };
    writeln!(std::io::stdout().lock(), "{}", token.expose_secret())?;
    Ok(ExitCode::Done)
}

fn cannot_sign() -> Failure {
    Failure::configuration("an app token must be signed, and a ready management token signs nothing").hint(
        "set HMS_ACCESS_KEY and HMS_SECRET, and unset HMS_MANAGEMENT_TOKEN; or `--credential` names a key",
    )
}

/// A token is a secret and never a flag: it comes from stdin.
fn look(named: Option<&str>, now: SystemTime) -> Result<ExitCode, Failure> {
    if std::io::stdin().is_terminal() {
        return Err(Failure::usage("no token: stdin is a terminal")
            .hint("pipe it in: `roompipe token management | roompipe token inspect`"));
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(1 << 20)
        .read_to_string(&mut text)
        .map_err(|error| Failure::configuration(format!("failed to read the token: {error}")))?;
    let text = text.trim();
    let token: SecretString = text.strip_prefix("Bearer ").unwrap_or(text).into();
    let credentials = wire::found_credentials(named)?;
    let seen =
        inspect(&token, credentials.as_ref(), now).map_err(|error| setup::refused(&error, None::<String>))?;
    writeln!(std::io::stdout().lock(), "{:#}", report(&seen))?;
    let good =
        seen.has_our_algorithm() && seen.signed != Some(false) && matches!(seen.validity, Validity::Valid(_));
    Ok(if good { ExitCode::Done } else { ExitCode::SomeNot })
}

fn report(seen: &Inspection) -> serde_json::Value {
    let signature = match seen.signed {
        _ if !seen.has_our_algorithm() => "refused: the algorithm is not HS256",
        Some(true) => "valid",
        Some(false) => "invalid",
        None => "not checked: no HMS_SECRET",
    };
    let (state, seconds) = match seen.validity {
        Validity::NotYet(left) => ("not valid yet", Some(left)),
        Validity::Valid(left) => ("valid", left),
        Validity::Expired(since) => ("expired", Some(since)),
        Validity::Unreadable("nbf") => ("not known: `nbf` is no number", None),
        Validity::Unreadable(_) => ("not known: `exp` is no number", None),
    };
    let words = match seen.validity {
        Validity::NotYet(_) => "valid_in_s",
        Validity::Valid(_) | Validity::Unreadable(_) => "valid_for_s",
        Validity::Expired(_) => "expired_since_s",
    };
    let mut out =
        json!({"algorithm": seen.algorithm, "claims": seen.claims, "signature": signature, "time": state});
    if let (Some(seconds), Some(members)) = (seconds, out.as_object_mut()) {
        members.insert(words.to_owned(), seconds.as_secs().into());
    }
    out
}
