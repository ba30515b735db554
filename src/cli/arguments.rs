//! The options that `run`, `preview` and their relatives share, as typed. Their meaning is found in `setup`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use crate::pipeline::FailureBudget;

use super::batch::BatchArguments;
use super::watch::WatchArguments;
use super::webhook::WebhookArguments;

/// What to call: an endpoint template, or a URL.
#[derive(Debug, Args)]
pub(super) struct CallArguments {
    /// Endpoint id or destination file, then inputs: files, or - for stdin [default: -]; all are inputs with --url
    #[arg(value_name = "ENDPOINT|DESTINATION|INPUT")]
    pub(super) positionals: Vec<String>,

    #[command(flatten)]
    pub(super) input: InputArguments,
    #[command(flatten)]
    pub(super) mapping: MappingArguments,
    #[command(flatten)]
    pub(super) manual: ManualArguments,
    #[command(flatten)]
    pub(super) batch: BatchArguments,
    #[command(flatten)]
    pub(super) target: TargetArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(super) struct InputArguments {
    /// jsonl, json, csv or tsv [default: by name, else by first byte]
    #[arg(long, value_enum, env = "ROOMPIPE_FORMAT", hide_env = true, hide_possible_values = true)]
    pub(super) format: Option<InputFormat>,
    /// Character between CSV cells [default: , in csv, tab in tsv]
    #[arg(
        long,
        value_name = "CHAR",
        env = "ROOMPIPE_CSV_DELIMITER",
        hide_env = true,
        hide_short_help = true
    )]
    pub(super) csv_delimiter: Option<String>,
    /// What an empty CSV cell means
    #[arg(long, value_enum, default_value_t = EmptyCell::Omit, env = "ROOMPIPE_EMPTY", hide_env = true, hide_short_help = true)]
    pub(super) empty: EmptyCell,
    /// Without a schema, CSV cells that look like numbers or booleans become such
    #[arg(long, env = "ROOMPIPE_INFER_TYPES", hide_env = true, hide_short_help = true, value_parser = BoolishValueParser::new())]
    pub(super) infer_types: bool,
    /// Read at most N records [default: all]
    #[arg(long, value_name = "N", env = "ROOMPIPE_LIMIT", hide_env = true)]
    pub(super) limit: Option<u64>,
    /// Only records for which this is true [default: all]
    #[arg(long = "where", value_name = "JQ", env = "ROOMPIPE_WHERE", hide_env = true)]
    pub(super) filter: Option<String>,
    /// A longer record is invalid (units: KiB, MiB)
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = size, env = "ROOMPIPE_MAX_RECORD_BYTES", hide_env = true, hide_short_help = true)]
    pub(super) max_record_bytes: usize,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Mapping")]
pub(super) struct MappingArguments {
    /// Fill TARGET (dots nest) from a field or by jq
    #[arg(long, value_name = "TARGET=EXPR", env = "ROOMPIPE_MAP", hide_env = true)]
    pub(super) map: Vec<String>,
    /// Fill TARGET with a constant
    #[arg(long, value_name = "TARGET=VALUE", env = "ROOMPIPE_SET", hide_env = true)]
    pub(super) set: Vec<String>,
    /// Attributes not taken by name
    #[arg(long, value_name = "A,B", value_delimiter = ',', env = "ROOMPIPE_EXCLUDE", hide_env = true)]
    pub(super) exclude: Vec<String>,
    /// The whole body by jq; each output is a call [default: by name]
    #[arg(long, value_name = "JQ", env = "ROOMPIPE_BODY", hide_env = true)]
    pub(super) body: Option<String>,
    /// Attributes the endpoint does not know go into the body [default: left out]
    #[arg(
        long,
        env = "ROOMPIPE_PASS_UNKNOWN",
        hide_env = true,
        hide_short_help = true, value_parser = BoolishValueParser::new())]
    pub(super) pass_unknown: bool,
    /// Attributes the endpoint does not know make a record invalid [default: left out]
    #[arg(long, env = "ROOMPIPE_STRICT", hide_env = true, hide_short_help = true, value_parser = BoolishValueParser::new())]
    pub(super) strict: bool,
    /// Constants with types of their own, from a destination file.
    #[arg(skip)]
    pub(super) values: Vec<(String, serde_json::Value)>,
    /// Parameters of a read.
    #[arg(skip)]
    pub(super) params: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Manual configuration")]
pub(super) struct ManualArguments {
    /// Call this URL, absolute or behind the base URL; {field} in path and query
    #[arg(long, value_name = "URL", env = "ROOMPIPE_URL", hide_env = true)]
    pub(super) url: Option<String>,
    /// HTTP method [default: POST]
    #[arg(long, value_name = "METHOD", env = "ROOMPIPE_METHOD", hide_env = true)]
    pub(super) method: Option<String>,
    /// A header of every call
    #[arg(long, value_name = "NAME:VALUE")]
    pub(super) header: Vec<String>,
    /// Several headers of every call; secret ones in ROOMPIPE_HEADER, ROOMPIPE_HEADERS, or lines of the file in ROOMPIPE_HEADERS_FILE
    #[arg(long, value_name = "NAME:VALUE,…", hide_short_help = true)]
    pub(super) headers: Option<String>,
    /// What a repeat of the call does [default: by method, or of the endpoint at that path]
    #[arg(long, value_enum, env = "ROOMPIPE_EFFECT", hide_env = true, hide_short_help = true)]
    pub(super) effect: Option<EffectWord>,
    /// Headers from a destination file.
    #[arg(skip)]
    pub(super) of_file: Vec<super::wire::GivenHeader>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Target")]
pub(super) struct TargetArguments {
    /// Where the API is [default: https://api.100ms.live/v2]
    #[arg(long, value_name = "URL", env = "ROOMPIPE_BASE_URL", hide_env = true)]
    pub(super) base_url: Option<String>,
    /// Use this stored credential [default: HMS_… of the environment]
    #[arg(long, value_name = "NAME", env = "ROOMPIPE_CREDENTIAL", hide_env = true)]
    pub(super) credential: Option<String>,
    /// Call an embedded 100ms with a demo workspace; needs no account
    #[arg(long, env = "ROOMPIPE_EMULATOR", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(super) emulator: bool,
    /// Write every call the embedded 100ms received to FILE
    #[arg(
        long,
        value_name = "FILE",
        env = "ROOMPIPE_EMULATOR_JOURNAL",
        hide_env = true,
        hide_short_help = true
    )]
    pub(super) emulator_journal: Option<PathBuf>,
    /// More endpoint templates [default: the embedded ones only]
    #[arg(long, value_name = "DIR", env = "ROOMPIPE_TEMPLATES", hide_env = true, hide_short_help = true)]
    pub(super) templates: Option<PathBuf>,
    /// Send through this proxy [default: HTTPS_PROXY, NO_PROXY]
    #[arg(long, value_name = "URL", env = "ROOMPIPE_PROXY", hide_env = true, hide_short_help = true)]
    pub(super) proxy: Option<String>,
    /// Trust the certificates in this PEM file, too
    #[arg(long, value_name = "FILE", env = "ROOMPIPE_CA_CERT", hide_env = true, hide_short_help = true)]
    pub(super) ca_cert: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Delivery")]
pub(super) struct DeliveryArguments {
    /// Calls in flight at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..), env = "ROOMPIPE_CONCURRENCY", hide_env = true)]
    pub(super) concurrency: u16,
    /// Ceiling of attempts, such as 20/s or 600/m [default: none]
    #[arg(long, value_name = "RATE", env = "ROOMPIPE_RATE", hide_env = true)]
    pub(super) rate: Option<String>,
    /// Attempts that may begin together under --rate [default: 1, or 50 ms' worth]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), env = "ROOMPIPE_BURST", hide_env = true, hide_short_help = true)]
    pub(super) burst: Option<u32>,
    /// Longest an attempt may take [default: 30s, or the endpoint's]
    #[arg(long, value_name = "TIME", value_parser = duration, env = "ROOMPIPE_TIMEOUT", hide_env = true)]
    pub(super) timeout: Option<Duration>,
    /// Attempts of a call, answers 429 not counted
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..), env = "ROOMPIPE_MAX_ATTEMPTS", hide_env = true)]
    pub(super) max_attempts: u32,
    /// Longest a call may take, pauses included
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration, env = "ROOMPIPE_MAX_ELAPSED", hide_env = true, hide_short_help = true)]
    pub(super) max_elapsed: Duration,
    /// What is tried again: safe (to repeat), always, never
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = RetryWord::Safe, env = "ROOMPIPE_RETRY", hide_env = true)]
    pub(super) retry: RetryWord,
    /// Calls with the same value of this jq program keep their order [default: the endpoint's]
    #[arg(long, value_name = "JQ", env = "ROOMPIPE_ORDER_BY", hide_env = true, hide_short_help = true)]
    pub(super) order_by: Option<String>,
    /// No call waits for another [default: calls that write the same thing keep their order]
    #[arg(
        long,
        env = "ROOMPIPE_UNORDERED",
        hide_env = true,
        hide_short_help = true, value_parser = BoolishValueParser::new())]
    pub(super) unordered: bool,
    /// Send the first N calls alone; go on only if all are delivered [default: all at once]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), env = "ROOMPIPE_CANARY", hide_env = true, hide_short_help = true)]
    pub(super) canary: Option<u32>,
    /// Stop when more are not delivered; P% from the 100th settled on [default: never]
    #[arg(long, value_name = "N|P%", env = "ROOMPIPE_MAX_FAILURES", hide_env = true)]
    pub(super) max_failures: Option<FailureBudget>,
}

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Ledger")]
pub(super) struct LedgerArguments {
    /// Remember what was sent; the same command goes on [default: none]
    #[arg(long, value_name = "FILE", env = "ROOMPIPE_LEDGER", hide_env = true)]
    pub(super) ledger: Option<PathBuf>,
    /// Names a record from run to run: a field or jq [default: its place]
    #[arg(long, value_name = "JQ", env = "ROOMPIPE_KEY", hide_env = true)]
    pub(super) key: Option<String>,
    /// A delivered record that changed: send or skip [default: send if safe]
    #[arg(
        long,
        value_enum,
        value_name = "WORD",
        env = "ROOMPIPE_ON_CHANGE",
        hide_env = true,
        hide_possible_values = true
    )]
    pub(super) on_change: Option<OnChangeWord>,
    /// Send every record of several with one key, in order [default: the second is invalid]
    #[arg(long, env = "ROOMPIPE_LAST_WINS", hide_env = true, hide_short_help = true, value_parser = BoolishValueParser::new())]
    pub(super) last_wins: bool,
    /// Send calls again that may have been applied
    #[arg(long, env = "ROOMPIPE_RESEND_UNKNOWN", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(super) resend_unknown: bool,
    /// Let a changed mapping send again what must not be repeated
    #[arg(long, env = "ROOMPIPE_ACCEPT_MAPPING_CHANGE", hide_env = true, hide_short_help = true, value_parser = BoolishValueParser::new())]
    pub(super) accept_mapping_change: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArguments {
    /// Write to FILE [default: stdout]
    #[arg(short, long, value_name = "FILE", env = "ROOMPIPE_OUTPUT", hide_env = true)]
    pub(super) output: Option<PathBuf>,
    /// Write behind what an output file holds [default: refuse it]
    #[arg(long, env = "ROOMPIPE_APPEND", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(super) append: bool,
    /// Replace what an output file holds
    #[arg(long, env = "ROOMPIPE_OVERWRITE", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(super) overwrite: bool,
    /// event, cloudevents; of delivered calls only: body (the answer), merge (record and answer), jq:EXPR
    #[arg(long, value_name = "FORM", default_value = "event", env = "ROOMPIPE_EMIT", hide_env = true)]
    pub(super) emit: String,
    /// Texts that --emit jq:EXPR makes as they are, not as JSON (such as rows by @csv)
    #[arg(short, long, env = "ROOMPIPE_RAW", hide_env = true, hide_short_help = true, value_parser = BoolishValueParser::new())]
    pub(super) raw: bool,
    /// Events also of records with which nothing is to be done
    #[arg(long, env = "ROOMPIPE_EMIT_SKIPPED", hide_env = true, hide_short_help = true, value_parser = BoolishValueParser::new())]
    pub(super) emit_skipped: bool,
    /// Events in the order of the input; a record that takes long holds back the rest [default: as calls end]
    #[arg(long, env = "ROOMPIPE_ORDERED", hide_env = true, hide_short_help = true, value_parser = BoolishValueParser::new())]
    pub(super) ordered: bool,
    /// Events of what was not delivered, also to FILE [default: none]
    #[arg(long, value_name = "FILE", env = "ROOMPIPE_DEAD_LETTERS", hide_env = true)]
    pub(super) dead_letters: Option<PathBuf>,
    #[command(flatten)]
    pub(super) webhook: WebhookArguments,
    /// The counts, to FILE [default: none]
    #[arg(long, value_name = "FILE", env = "ROOMPIPE_SUMMARY_JSON", hide_env = true)]
    pub(super) summary_json: Option<PathBuf>,
    #[command(flatten)]
    pub(super) watch: WatchArguments,
    /// Show credentials and signed URLs that requests and answers hold, on the main output and webhook only
    #[arg(long, env = "ROOMPIPE_SHOW_SENSITIVE", hide_env = true, hide_short_help = true, value_parser = BoolishValueParser::new())]
    pub(super) show_sensitive: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Looks")]
pub(super) struct LooksArguments {
    /// Progress on stderr: a bar on a terminal, else a line every 30 s; auto, always, never
    #[arg(long, value_enum, default_value_t = ProgressWhen::Auto, hide_possible_values = true, env = "ROOMPIPE_PROGRESS", hide_env = true, hide_short_help = true)]
    pub(super) progress: ProgressWhen,
    /// Form of messages on stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "ROOMPIPE_LOG_FORMAT", hide_env = true, hide_short_help = true)]
    pub(super) log_format: LogFormat,
    /// Say more on stderr; twice: even more
    #[arg(short, long, action = clap::ArgAction::Count, env = "ROOMPIPE_VERBOSE", hide_env = true)]
    pub(super) verbose: u8,
    /// Only errors and the summary on stderr
    #[arg(short, long, env = "ROOMPIPE_QUIET", hide_env = true, value_parser = BoolishValueParser::new())]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum InputFormat {
    Jsonl,
    Json,
    Csv,
    Tsv,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum EmptyCell {
    Omit,
    Null,
    Keep,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum EffectWord {
    Read,
    Idempotent,
    Upsert,
    NonIdempotent,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RetryWord {
    Safe,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OnChangeWord {
    Send,
    Skip,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ProgressWhen {
    Auto,
    Always,
    Never,
}

/// How a command shows what it knows.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Form {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// A time such as `30s`, `500ms`, `10m`, `1h`, or seconds without a unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: f64 = digits.trim().parse().map_err(|_| refused(text))?;
    let seconds = match &text[digits.len()..] {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86_400.0,
        _ => return Err(refused(text)),
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(refused(text)),
    }
}

fn refused(text: &str) -> String {
    format!("`{text}` is not a time above zero with a unit of ms, s, m, h or d, such as `30s`")
}

/// A size such as `8MiB`, `512KiB`, or bytes without a unit.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: usize = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => 0,
    };
    let number: usize = digits.trim().parse().unwrap_or(0);
    number
        .checked_mul(unit)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| format!("`{text}` is not a size above zero such as `8MiB`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_carry_their_unit() {
        for (text, millis) in
            [("30s", 30_000), ("500ms", 500), ("1.5", 1_500), ("10m", 600_000), ("1h", 3_600_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "0", "-1s", "s", "1 w", "1e400s"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for (text, bytes) in [("1", 1), ("8MiB", 8 << 20), ("2k", 2048)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "-1", "1.5MiB", "1 TB", "99999999999999999999"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
