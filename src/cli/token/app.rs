//! What `token app` takes: one user, or records with a user each.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::call::AppClaims;
use crate::cli::arguments::{InputFormat, size};
use crate::cli::failure::Failure;
use crate::mapping::PeerOptions;
use crate::record::Input;

use super::times::TimesArguments;

/// What the token becomes, if nothing else is said.
const ATTRIBUTE: &str = "token";

#[derive(Debug, Args)]
pub(super) struct App {
    /// Files of records, or - for stdin: each record is printed with a token [default: one token]
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The room's id; of records it is the attribute `room_id` if nothing else is said
    #[arg(long, value_name = "ID")]
    room_id: Option<String>,
    /// The role in it; of records it is the attribute `role`
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// Your own id of the user; of records it is the attribute `user_id` [default: none]
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    #[command(flatten)]
    pub(super) times: TimesArguments,
    #[command(flatten)]
    pub(super) records: Records,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Records")]
pub(super) struct Records {
    /// Fill room_id, role or user_id from a field or by jq
    #[arg(long, value_name = "TARGET=EXPR")]
    map: Vec<String>,
    /// Fill room_id, role or user_id with a constant
    #[arg(long, value_name = "TARGET=VALUE")]
    set: Vec<String>,
    /// Attributes not taken by name
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    exclude: Vec<String>,
    /// Only records for which this is true [default: all]
    #[arg(long = "where", value_name = "JQ")]
    filter: Option<String>,
    /// The attribute that the token becomes; a record that has it already is invalid
    #[arg(long = "as", value_name = "NAME", default_value = ATTRIBUTE, value_parser = NonEmptyStringValueParser::new())]
    pub(super) attribute: String,
    /// jsonl, json, csv or tsv [default: by name, else by first byte]
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(super) format: Option<InputFormat>,
    /// Character between CSV cells [default: , in csv, tab in tsv]
    #[arg(long, value_name = "CHAR", hide_short_help = true)]
    pub(super) csv_delimiter: Option<String>,
    /// Read at most N records [default: all]
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<u64>,
    /// A longer record is invalid (units: KiB, MiB)
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = size, hide_short_help = true)]
    pub(super) max_record_bytes: usize,
    /// Events of invalid records, to FILE [default: stderr]
    #[arg(long, value_name = "FILE")]
    pub(super) dead_letters: Option<PathBuf>,
    /// Write behind what the file of dead letters holds [default: refuse it]
    #[arg(long, conflicts_with = "overwrite", hide_short_help = true)]
    pub(super) append: bool,
    /// Replace what the file of dead letters holds
    #[arg(long, hide_short_help = true)]
    pub(super) overwrite: bool,
}

impl App {
    /// True where there are records: inputs are named, or it is said what to make of one.
    pub(super) fn is_for_records(&self) -> bool {
        let Records { map, set, exclude, filter, attribute, .. } = &self.records;
        let Records { format, csv_delimiter, limit, dead_letters, .. } = &self.records;
        let said = [map, set, exclude].iter().any(|given| !given.is_empty());
        let is_named = *attribute != ATTRIBUTE;
        let reads = filter.is_some() || format.is_some() || csv_delimiter.is_some() || limit.is_some();
        !self.inputs.is_empty() || said || reads || is_named || dead_letters.is_some()
    }

    /// Whom the one token speaks for.
    pub(super) fn claims(&self) -> Result<AppClaims, Failure> {
        let missing = |option: &str| {
            Failure::usage(format!("an app token is for a room and a role, and `{option}` is missing"))
                .hint("`roompipe token app users.csv` makes one for each record")
        };
        for (option, _, value) in self.said() {
            if value.is_empty() {
                return Err(Failure::usage(format!("`{option}` is empty; a token for nobody opens nothing")));
            }
        }
        Ok(AppClaims {
            room_id: self.room_id.clone().ok_or_else(|| missing("--room-id"))?,
            role: self.role.clone().ok_or_else(|| missing("--role"))?,
            user_id: self.user_id.clone(),
        })
    }

    /// The inputs; stdin where none is named.
    pub(super) fn inputs(&self) -> Vec<Input> {
        if self.inputs.is_empty() {
            return vec![Input::Stdin];
        }
        self.inputs.iter().cloned().map(Input::from).collect()
    }

    /// What is said of whom tokens speak for: option, claim and value.
    fn said(&self) -> impl Iterator<Item = (&'static str, &'static str, &String)> {
        [
            ("--room-id", "room_id", &self.room_id),
            ("--role", "role", &self.role),
            ("--user-id", "user_id", &self.user_id),
        ]
        .into_iter()
        .filter_map(|(option, name, value)| Some((option, name, value.as_ref()?)))
    }

    /// Whom the tokens of records speak for. What is said for all of them is a constant.
    pub(super) fn peers(&self) -> PeerOptions {
        let said = self.said().map(|(_, name, value)| format!("{name}={value}"));
        let Records { map, set, exclude, filter, attribute, .. } = &self.records;
        PeerOptions {
            map: map.clone(),
            set: said.chain(set.iter().cloned()).collect(),
            exclude: exclude.clone(),
            filter: filter.clone(),
            attribute: attribute.clone(),
        }
    }
}
