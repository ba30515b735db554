//! `roompipe ledger flush`: posts to a webhook what a ledger keeps for it. Nothing is sent to the API.
//!
//! It knows no event; how posts are made is that of a run.

use std::path::PathBuf;

use clap::Args;

use crate::call::{Level, Reason, Stop};
use crate::exit::ExitCode;
use crate::ledger::Error;
use crate::output::{WEBHOOK_BIT, webhook_queue};
use crate::pipeline::watch;

use super::super::arguments::LooksArguments;
use super::super::failure::Failure;
use super::super::webhook::{self, WebhookArguments};
use super::super::{book, log, setup};
use super::refused;

#[derive(Debug, Args)]
pub(super) struct Flush {
    /// The ledger; no run may be using it
    file: PathBuf,
    #[command(flatten)]
    webhook: WebhookArguments,
    /// Form of an event: event, cloudevents
    #[arg(long, value_name = "FORM", default_value = "event", value_parser = ["event", "cloudevents"], hide_possible_values = true, help_heading = "Output")]
    emit: String,
    /// Post through this proxy [default: HTTPS_PROXY, NO_PROXY]
    #[arg(long, value_name = "URL", env = "ROOMPIPE_PROXY", hide_env = true, help_heading = "Output")]
    proxy: Option<String>,
    /// Trust the certificates in this PEM file, too
    #[arg(long, value_name = "FILE", env = "ROOMPIPE_CA_CERT", hide_env = true, help_heading = "Output")]
    ca_cert: Option<PathBuf>,
    #[command(flatten)]
    looks: LooksArguments,
}

/// Posts until nothing is left.
pub(super) fn flush(given: &Flush) -> Result<ExitCode, Failure> {
    log::start(&given.looks);
    if !given.webhook.is_given() {
        return Err(Failure::usage("`--webhook URL` says where to"));
    }
    let ledger = book::reopen(&given.file)?;
    let form = webhook::form(&given.emit, &ledger.pins().base_url);
    let through = (given.proxy.as_ref(), given.ca_cert.as_ref());
    let webhook = given.webhook.prepare(form, through, Some(&given.file))?;
    let Some(webhook) = webhook else { return Ok(ExitCode::Done) };
    let spill = given.webhook.claim_spill(&given.file)?;
    let outbox = ledger.outbox(WEBHOOK_BIT, false).map_err(|error| refused(&error))?;
    let stop = Stop::new();
    let on_failure = {
        let stop = stop.clone();
        move |error: &Error| {
            let failure = setup::refused(error, error.hint());
            stop.drain(Reason { exit: ExitCode::Io, message: failure.message, hint: failure.hint });
        }
    };
    let (scribe, closing) =
        ledger.start_without_run(Box::new(on_failure)).map_err(|error| refused(&error))?;
    // Nothing comes but what is kept.
    let (_, posting) = webhook_queue(true);
    let courier = webhook.courier(posting, Some((outbox, scribe)), spill, None, &stop);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io(format!("cannot start the async runtime: {error}")))?;
    let posts = runtime.block_on(async {
        let watch = tokio::spawn(watch(stop.clone()));
        let posts = courier.run(stop.reached(Level::Drain)).await;
        watch.abort();
        posts
    });
    runtime.shutdown_background();
    let closed = closing.finish(&serde_json::Value::Null, 0);
    let mut exit = ExitCode::Done;
    for (code, message) in posts.messages() {
        exit = exit.worst(code);
        log::problem(&message.text, message.hint.as_deref());
    }
    for reason in stop.reasons() {
        log::tell("stopped", &reason.message, reason.hint.as_deref());
        exit = if posts.backlog > 0 { exit.worst(reason.exit) } else { exit };
    }
    log::summary(&posts.to_text(), &posts.to_json());
    closed.map_err(|error| refused(&error))?;
    Ok(exit)
}
