//! `--webhook` and its options: what was typed becomes posts that are ready to leave.
//!
//! It knows no event. Secrets come from the environment or a file, never from a flag.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::call::{PostSettings, Poster, Stop, webhook_secret};
use crate::ledger::{Outbox, Scribe};
use crate::output::{
    Claim, Claims, CloudEvents, FileError, FileMode, PostForm, Posting, SecretError, Signer, Sink,
};
use crate::pipeline::{Courier, PostRules, Spill};

use super::arguments::duration;
use super::contradictions::{from_environment, is_listed};
use super::failure::Failure;
use super::preview::quoted;
use super::{setup, wire};

/// The variable that names the webhook.
const VARIABLE: &str = "ROOMPIPE_WEBHOOK";

/// How long one post may take (Standard Webhooks: 15 to 30 s).
const TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct WebhookArguments {
    /// Post every event to URL, too, signed with ROOMPIPE_WEBHOOK_SECRET [default: none]
    #[arg(long, value_name = "URL", env = "ROOMPIPE_WEBHOOK", hide_env = true)]
    webhook: Option<String>,
    /// Post arrays of at most N events [default: one event a post, as itself]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), env = "ROOMPIPE_WEBHOOK_BATCH", hide_env = true, hide_short_help = true)]
    webhook_batch: Option<u32>,
    /// Posts at once; only one after another are in order
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..), env = "ROOMPIPE_WEBHOOK_CONCURRENCY", hide_env = true, hide_short_help = true)]
    webhook_concurrency: u16,
    /// Stop when no post was taken for so long
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration, env = "ROOMPIPE_WEBHOOK_GIVE_UP", hide_env = true, hide_short_help = true)]
    webhook_give_up: Duration,
    /// Where events go that were not taken and no ledger keeps [default: roompipe-webhook-….jsonl]
    #[arg(
        long,
        value_name = "FILE",
        env = "ROOMPIPE_WEBHOOK_SPILL",
        hide_env = true,
        hide_short_help = true
    )]
    webhook_spill: Option<PathBuf>,
    /// Post without a signature
    #[arg(long, env = "ROOMPIPE_WEBHOOK_UNSIGNED", hide_env = true, hide_short_help = true, value_parser = BoolishValueParser::new())]
    webhook_unsigned: bool,
}

/// A webhook that can be posted to.
pub(super) struct Webhook {
    poster: Poster,
    rules: PostRules,
    spill: PathBuf,
}

impl WebhookArguments {
    /// A flag that means nothing without a webhook is a mistake; in the environment it just has no effect.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        let options = [
            ("--webhook-batch", "ROOMPIPE_WEBHOOK_BATCH", self.webhook_batch.is_some()),
            ("--webhook-spill", "ROOMPIPE_WEBHOOK_SPILL", self.webhook_spill.is_some()),
            ("--webhook-unsigned", "ROOMPIPE_WEBHOOK_UNSIGNED", self.webhook_unsigned),
        ];
        let is_empty = self.webhook.as_ref().is_some_and(String::is_empty);
        if is_empty && std::env::args().any(|word| ["--webhook", "--webhook="].contains(&word.as_str())) {
            let hint = "an empty ROOMPIPE_WEBHOOK in the environment stands for none";
            return Err(Failure::usage("`--webhook` is empty, and names no URL").hint(hint));
        }
        for (option, variable, given) in options {
            debug_assert!(is_listed(option, &["--webhook"]), "{option}: a line is missing");
            if given && self.webhook.is_none() && !from_environment(variable) {
                return Err(Failure::usage(format!("`{option}` has no effect without `--webhook`")));
            }
        }
        Ok(())
    }

    /// True where there is one.
    pub(super) fn is_given(&self) -> bool {
        self.webhook.as_ref().is_some_and(|url| !url.is_empty())
    }

    /// The file for what is not taken, where it is named.
    pub(super) fn spill(&self) -> Option<&PathBuf> {
        self.webhook_spill.as_ref().filter(|_| self.is_given())
    }

    /// Opens it, beside a ledger and nothing else.
    pub(super) fn claim_spill(&self, ledger: &Path) -> Result<Option<Claim>, Failure> {
        let refused = |error: FileError| Failure::configuration(error.to_string()).maybe_hint(error.hint());
        let mut claims = Claims::new([ledger].into_iter());
        self.spill().map(|path| claims.claim(path, FileMode::Append)).transpose().map_err(refused)
    }

    /// Checks everything; nothing is posted.
    pub(super) fn prepare(
        &self,
        form: PostForm,
        (proxy, ca_cert): (Option<&String>, Option<&PathBuf>),
        ledger: Option<&Path>,
    ) -> Result<Option<Webhook>, Failure> {
        let Some(url) = self.webhook.as_ref().filter(|_| self.is_given()) else { return Ok(None) };
        let concurrency = usize::from(self.webhook_concurrency);
        let poster = Poster::new(PostSettings {
            url: url.clone(),
            timeout: TIMEOUT.min(self.webhook_give_up),
            connections: concurrency,
            proxy: wire::proxy(proxy, false),
            ca_cert: ca_cert.cloned(),
        })
        .map_err(|error| setup::refused(&error, error.hint()))?;
        let later = self.later(&form, ledger, url);
        let rules = PostRules {
            name: poster.shown(),
            form,
            signer: self.signer()?,
            batch: self.webhook_batch.map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
            concurrency,
            give_up: self.webhook_give_up,
            later,
        };
        let spill = self
            .webhook_spill
            .clone()
            .unwrap_or_else(|| format!("roompipe-webhook-{}.jsonl", uuid::Uuid::new_v4()).into());
        Ok(Some(Webhook { poster, rules, spill }))
    }

    /// The command that posts what the ledger keeps, in the same form. A URL is shown only where it was typed: it may be a
    /// secret.
    fn later(&self, form: &PostForm, ledger: Option<&Path>, url: &str) -> String {
        let Some(ledger) = ledger else { return String::new() };
        let mut command = format!("roompipe ledger flush {}", quoted(&ledger.display().to_string()));
        let is_typed = std::env::args().any(|word| word == url || word.ends_with(&format!("={url}")));
        if is_typed {
            command.push_str(&format!(" --webhook {}", quoted(url)));
        } else if !from_environment(VARIABLE) {
            command.push_str(" --webhook URL");
        }
        if matches!(form, PostForm::CloudEvents(_)) {
            command.push_str(" --emit cloudevents");
        }
        if let Some(size) = self.webhook_batch {
            command.push_str(&format!(" --webhook-batch {size}"));
        }
        if self.webhook_unsigned {
            command.push_str(" --webhook-unsigned");
        }
        command
    }

    fn signer(&self) -> Result<Option<Signer>, Failure> {
        if self.webhook_unsigned {
            return Ok(None);
        }
        let secrets = webhook_secret(|name| std::env::var(name).ok())
            .map_err(|error| setup::refused(&error, error.hint()))?;
        let Some(secrets) = secrets else {
            return Err(Failure::configuration(
                "no ROOMPIPE_WEBHOOK_SECRET is set, with which posts are signed",
            )
            .hint(format!("{}; `--webhook-unsigned` posts without a signature", SecretError::Empty.hint())));
        };
        Signer::new(&secrets).map(Some).map_err(|error| {
            Failure::configuration(format!("the secrets of ROOMPIPE_WEBHOOK_SECRET {error}"))
                .hint(error.hint())
        })
    }
}

impl Webhook {
    /// Makes it ready for the events of a run; `claim` is the file for what is not taken, where it is open already.
    pub(super) fn courier(
        self,
        posting: Posting,
        outbox: Option<(Outbox, Scribe)>,
        claim: Option<Claim>,
        fallback: Option<Sink>,
        stop: &Stop,
    ) -> Courier<Poster> {
        let spill = Spill::new(self.spill, claim, fallback);
        Courier::new(self.poster, self.rules, posting, outbox, spill, stop.clone())
    }
}

/// In which form events are posted: as they are, unless `--emit` asks for CloudEvents.
pub(super) fn form(emit: &str, base_url: &str) -> PostForm {
    match emit {
        "cloudevents" => PostForm::CloudEvents(CloudEvents::new(base_url)),
        _ => PostForm::Events,
    }
}
