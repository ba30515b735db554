//! Whom the app token of each record is to speak for, where tokens are all that is asked for: by name, `--map`, `--set`.
//!
//! It knows the claims an app token makes, no endpoint and no token. A row of cells is looked up by its columns, without
//! an object being made of it, unless a jq program wants to see one.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::jq::{self, Program};
use crate::record::{Content, Header, Record};
use crate::template::{Problem, REDACTED};

use super::expression::Expression;
use super::invalid::Invalid;
use super::options::{self, Error};
use super::{is_event, look};

/// What an app token claims of its owner, in the order of [`Peer`]'s members.
const CLAIMS: [&str; 3] = ["room_id", "role", "user_id"];
/// Which of them every token claims.
const NEEDED: [bool; 3] = [true, true, false];

/// A mapping to claims as written.
#[derive(Clone, Debug, Default)]
pub struct PeerOptions {
    /// `TARGET=EXPR`.
    pub map: Vec<String>,
    /// `TARGET=VALUE`; the last of one target wins.
    pub set: Vec<String>,
    /// Attributes not taken by name.
    pub exclude: Vec<String>,
    /// A jq program that chooses records.
    pub filter: Option<String>,
    /// The attribute that is to take the token, which no record may have already.
    pub attribute: String,
}

/// A mapping to claims, compiled.
#[derive(Debug)]
pub struct Peers {
    filter: Option<Program>,
    givers: [Giver; 3],
    attribute: String,
}

/// Where a claim comes from.
#[derive(Debug)]
enum Giver {
    /// The attribute of the claim's own name.
    Name,
    Expression(String, Expression),
    Constant(String),
    /// Nowhere: the attribute of its name is excluded.
    Nothing,
}

/// Where the claims stand in the rows under one header.
#[derive(Debug)]
pub struct Columns {
    header: Arc<Header>,
    places: [Option<usize>; 3],
}

/// Whom an app token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer<'r> {
    /// The room.
    pub room_id: Cow<'r, str>,
    /// The role in it.
    pub role: Cow<'r, str>,
    /// The caller's own id of the user.
    pub user_id: Option<Cow<'r, str>>,
}

impl Columns {
    /// True where they are those of this header.
    #[must_use]
    pub fn are_of(&self, header: &Arc<Header>) -> bool {
        Arc::ptr_eq(&self.header, header)
    }
}

impl Peers {
    /// Checks and compiles a mapping.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn compile(options: &PeerOptions) -> Result<Self, Error> {
        let excluded: HashSet<&str> = options.exclude.iter().map(String::as_str).collect();
        let mut givers =
            CLAIMS.map(|name| if excluded.contains(name) { Giver::Nothing } else { Giver::Name });
        for text in &options.map {
            let (claim, rest) = assignment("--map", "EXPR", text)?;
            let expression = Expression::compile(rest)
                .map_err(|source| Error::Program { option: format!("--map {}", CLAIMS[claim]), source })?;
            givers[claim] = Giver::Expression(text.clone(), expression);
        }
        for text in &options.set {
            let (claim, rest) = assignment("--set", "VALUE", text)?;
            givers[claim] = Giver::Constant(rest.to_owned());
        }
        let filter = options::program("--where", options.filter.as_deref())?;
        Ok(Self { filter, givers, attribute: options.attribute.clone() })
    }

    /// Checks a header and finds the claims in it.
    ///
    /// # Errors
    /// A `--map` names a column that is not there, or the token's own attribute is one.
    pub fn columns(&self, input: &str, header: &Arc<Header>) -> Result<Columns, Error> {
        if header.column(&self.attribute).is_some() {
            return Err(Error::TakenColumn { input: input.to_owned(), attribute: self.attribute.clone() });
        }
        let mut places = [None; 3];
        for (place, (giver, claim)) in places.iter_mut().zip(self.givers.iter().zip(CLAIMS)) {
            *place = match giver {
                Giver::Name => header.column(claim),
                Giver::Expression(text, Expression::Field(column)) => {
                    let unknown = || Error::UnknownColumn {
                        option: "--map",
                        text: text.clone(),
                        column: column.clone(),
                        input: input.to_owned(),
                        nearest: jq::nearest(column, header.names().iter().map(String::as_str))
                            .map(str::to_owned),
                    };
                    Some(header.column(column).ok_or_else(unknown)?)
                }
                Giver::Expression(..) | Giver::Constant(_) | Giver::Nothing => None,
            };
        }
        Ok(Columns { header: Arc::clone(header), places })
    }

    /// Whom the token of a record speaks for; nothing where `--where` leaves it out. `columns` are those of the record's
    /// header, if it has one.
    ///
    /// # Errors
    /// The record does not say, or not so that a token can.
    pub fn peer<'r>(
        &'r self,
        record: &'r Record,
        columns: Option<&Columns>,
    ) -> Result<Option<Peer<'r>>, Invalid> {
        let values = match (&record.content, columns) {
            (Content::Cells { header, cells, .. }, Some(columns))
                if columns.are_of(header) && !self.looks_inside() =>
            {
                std::array::from_fn(|claim| match &self.givers[claim] {
                    Giver::Constant(text) => Ok(Some(Cow::Borrowed(text.as_str()))),
                    _ => {
                        let cell = columns.places[claim].and_then(|place| cells.get(place));
                        Ok(cell.filter(|cell| !cell.is_empty()).map(Cow::Borrowed))
                    }
                })
            }
            _ => match self.values(record)? {
                Some(values) => values,
                None => return Ok(None),
            },
        };
        peer(values).map(Some).map_err(Invalid::fields)
    }

    /// True where a program wants to see the whole record.
    fn looks_inside(&self) -> bool {
        let program =
            |giver: &Giver| matches!(giver, Giver::Expression(_, e) if !matches!(e, Expression::Field(_)));
        self.filter.is_some() || self.givers.iter().any(program)
    }

    /// What a record says of each claim, by way of its object.
    fn values<'r>(&'r self, record: &Record) -> Result<Option<[Said<'r>; 3]>, Invalid> {
        let object = record.object().map_err(Invalid::unreadable)?;
        if object.contains_key(&self.attribute) {
            return Err(Invalid::taken(&self.attribute));
        }
        let wants_jq = |giver: &Giver| matches!(giver, Giver::Expression(_, program) if program.is_jq());
        let input =
            (self.filter.is_some() || self.givers.iter().any(wants_jq)).then(|| jq::from_map(object.clone()));
        if let (Some(filter), Some(input)) = (&self.filter, &input)
            && !look::is_true(filter, input.clone())?
        {
            return Ok(None);
        }
        let is_event = is_event(&object);
        let is_cells = record.content.cell_format().is_some();
        let mut values = [const { Ok(None) }; 3];
        for (value, (giver, claim)) in values.iter_mut().zip(self.givers.iter().zip(CLAIMS)) {
            let found = match giver {
                Giver::Constant(text) => {
                    *value = Ok(Some(Cow::Borrowed(text.as_str())));
                    continue;
                }
                Giver::Nothing => None,
                Giver::Name if is_event => None,
                Giver::Name => object.get(claim).cloned(),
                Giver::Expression(text, expression) => expression
                    .value(&object, input.as_ref())
                    .map_err(|error| Invalid::program(&format!("--map {text}"), &error))?,
            };
            *value = said(claim, found, is_cells);
        }
        Ok(Some(values))
    }
}

/// What a record says of a claim, or why that is none.
type Said<'r> = Result<Option<Cow<'r, str>>, Problem>;

fn said<'r>(claim: &str, value: Option<Value>, is_cells: bool) -> Said<'r> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() && is_cells => Ok(None),
        Some(Value::String(text)) => Ok(Some(Cow::Owned(text))),
        Some(Value::Number(number)) => Ok(Some(Cow::Owned(number.to_string()))),
        Some(other) => Err(Problem::new(claim, &other, "a text or a number")),
    }
}

/// Puts the claims together; all problems at once.
fn peer(said: [Said<'_>; 3]) -> Result<Peer<'_>, Vec<Problem>> {
    let mut found = [const { None }; 3];
    let mut problems = Vec::new();
    for ((place, value), (claim, needed)) in found.iter_mut().zip(said).zip(CLAIMS.into_iter().zip(NEEDED)) {
        match value.and_then(|value| checked(claim, value, needed)) {
            Ok(value) => *place = value,
            Err(problem) => problems.push(problem),
        }
    }
    match found {
        [Some(room_id), Some(role), user_id] if problems.is_empty() => Ok(Peer { room_id, role, user_id }),
        _ => Err(problems),
    }
}

fn checked<'r>(claim: &str, value: Option<Cow<'r, str>>, needed: bool) -> Said<'r> {
    match value.as_deref() {
        None if needed => {
            let hint = format!("`--map {claim}=FIELD` or `--set {claim}=VALUE` says it");
            Err(Problem::missing(claim).with_hint(hint))
        }
        Some(text) if text.trim().is_empty() => {
            Err(Problem::new(claim, &Value::from(text), "a text that is not empty"))
        }
        Some(text) if text.len() >= REDACTED.len() && text.contains(REDACTED) => {
            let rule = "the real value: this one was masked in an event";
            Err(Problem::new(claim, &Value::from(text), rule))
        }
        _ => Ok(value),
    }
}

/// Splits `TARGET=…` at the first `=`.
fn assignment<'t>(
    option: &'static str,
    what: &'static str,
    text: &'t str,
) -> Result<(usize, &'t str), Error> {
    let form = || Error::Form { option, text: text.to_owned(), what };
    let (name, rest) = text.split_once('=').ok_or_else(form)?;
    let name = name.trim();
    let unknown = || Error::UnknownClaim { option, text: text.to_owned(), name: name.to_owned() };
    Ok((CLAIMS.iter().position(|claim| *claim == name).ok_or_else(unknown)?, rest))
}
