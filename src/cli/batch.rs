//! The options that put several records into one call.

use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::mapping::BatchOptions;

use super::arguments::{duration, size};
use super::contradictions::{from_environment, is_listed};
use super::failure::Failure;

/// Records of a call where only their form was said.
const USUAL_SIZE: u32 = 100;

/// How long a record waits for others where nothing was said.
const USUAL_WAIT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Batching")]
pub(super) struct BatchArguments {
    /// At most N records a call [default: 1; 100 beside --batch-as]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), env = "ROOMPIPE_BATCH", hide_env = true)]
    batch: Option<u32>,
    /// The body of several records: array, property:NAME, jq:EXPR [default: array]
    #[arg(long, value_name = "FORM", env = "ROOMPIPE_BATCH_AS", hide_env = true)]
    batch_as: Option<String>,
    /// What stands beside property:NAME, as a JSON object
    #[arg(long, value_name = "JSON", env = "ROOMPIPE_BATCH_PROPS", hide_env = true, hide_short_help = true)]
    batch_props: Option<String>,
    /// Only records with the same value share a call [default: with the same URL]
    #[arg(long, value_name = "JQ", env = "ROOMPIPE_BATCH_BY", hide_env = true, hide_short_help = true)]
    batch_by: Option<String>,
    /// How long a record waits for others [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = duration, env = "ROOMPIPE_BATCH_WAIT", hide_env = true, hide_short_help = true)]
    batch_wait: Option<Duration>,
    /// At most so many bytes a body (units: KiB, MiB); a longer record goes alone [default: any]
    #[arg(long, value_name = "SIZE", value_parser = size, env = "ROOMPIPE_BATCH_BYTES", hide_env = true, hide_short_help = true)]
    batch_bytes: Option<usize>,
    /// One result a record, from the answer; one with `error` is a refusal [default: the answer is for all]
    #[arg(long, value_name = "JQ", env = "ROOMPIPE_BATCH_RESULTS", hide_env = true, hide_short_help = true)]
    batch_results: Option<String>,
    /// For APIs that apply a part of what they refuse [default: a refused batch is sent again in halves]
    #[arg(long, env = "ROOMPIPE_NO_BISECT", hide_env = true, hide_short_help = true, value_parser = BoolishValueParser::new())]
    no_bisect: bool,
}

impl BatchArguments {
    /// A flag that means nothing without a batch is a mistake; in the environment it just has no effect.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        let options = [
            ("--batch-props", "ROOMPIPE_BATCH_PROPS", self.batch_props.is_some()),
            ("--batch-by", "ROOMPIPE_BATCH_BY", self.batch_by.is_some()),
            ("--batch-wait", "ROOMPIPE_BATCH_WAIT", self.batch_wait.is_some()),
            ("--batch-bytes", "ROOMPIPE_BATCH_BYTES", self.batch_bytes.is_some()),
            ("--batch-results", "ROOMPIPE_BATCH_RESULTS", self.batch_results.is_some()),
            ("--no-bisect", "ROOMPIPE_NO_BISECT", self.no_bisect),
        ];
        for (option, variable, given) in options {
            debug_assert!(is_listed(option, &["--batch", "--batch-as"]), "{option}: a line is missing");
            if given && !self.is_given() && !from_environment(variable) {
                let text = format!("`{option}` has no effect without `--batch` or `--batch-as`");
                return Err(Failure::usage(text));
            }
        }
        Ok(())
    }

    fn is_given(&self) -> bool {
        self.batch.is_some() || self.batch_as.is_some()
    }

    /// What the mapping needs to know; nothing where each record makes a call of its own.
    pub(super) fn options(&self) -> Option<BatchOptions> {
        self.is_given().then(|| BatchOptions {
            size: usize::try_from(self.batch.unwrap_or(USUAL_SIZE)).unwrap_or(usize::MAX),
            bytes: self.batch_bytes,
            form: self.batch_as.clone().unwrap_or_else(|| "array".to_owned()),
            props: self.batch_props.clone(),
            by: self.batch_by.clone(),
            results: self.batch_results.clone(),
        })
    }

    /// How long a record waits for others.
    pub(super) fn wait(&self) -> Duration {
        self.batch_wait.unwrap_or(USUAL_WAIT)
    }

    /// A refused batch is sent again in halves.
    pub(super) fn bisects(&self) -> bool {
        !self.no_bisect
    }
}
