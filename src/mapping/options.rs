//! The mapping as written on the command line, and its check: everything wrong with it is found before a record.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::jq::{self, CompileError, Program};
use crate::template::Place;

use super::batch::{BatchOptions, Batching};
use super::claims::AppToken;
use super::coerce;
use super::endpoint::Endpoint;
use super::expression::Expression;
use super::look::Key;
use super::target::Target;
use super::{Assignment, Mapping, OrderRule, Source, digest, parameters};

/// A mapping as written.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `TARGET=EXPR`.
    pub map: Vec<String>,
    /// `TARGET=VALUE`.
    pub set: Vec<String>,
    /// TARGET and VALUE of constants that have a type of their own. Those of `set` win over them.
    pub values: Vec<(String, Value)>,
    /// `NAME=VALUE` of parameters; one that is there several times is a list. They win over all others.
    pub params: Vec<String>,
    /// Attributes not taken by name.
    pub exclude: Vec<String>,
    /// A jq program whose outputs are the bodies.
    pub body: Option<String>,
    /// A jq program that chooses records.
    pub filter: Option<String>,
    /// A field or jq program whose value makes a record the same record in a later run.
    pub key: Option<String>,
    /// Unknown attributes go into the body.
    pub pass_unknown: bool,
    /// Unknown attributes make a record invalid.
    pub strict: bool,
    /// The meaning of an empty CSV cell.
    pub empty: Empty,
    /// Cells without a schema are read as JSON scalars.
    pub infer_types: bool,
    /// Which calls keep their order.
    pub order: Order,
    /// How several records share a call; nothing where each makes its own.
    pub batch: Option<BatchOptions>,
    /// Who says whom an app token speaks for, where calls need one.
    pub app_token: AppToken,
}

/// The meaning of an empty CSV cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Empty {
    /// As if the column were not there.
    #[default]
    Omit,
    /// JSON null.
    Null,
    /// An empty text.
    Keep,
}

/// Which calls keep their order.
#[derive(Clone, Debug, Default)]
pub enum Order {
    /// Those that write the same thing, as the endpoint template says.
    #[default]
    Template,
    /// Those with the same value of a jq program over the record.
    By(String),
    /// None.
    Unordered,
}

/// What is wrong with a mapping.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No `=`, or a TARGET that is no name.
    #[error("`{option} {text}` is not TARGET={what}")]
    Form {
        /// `--map` or `--set`.
        option: &'static str,
        /// As written.
        text: String,
        /// `EXPR` or `VALUE`.
        what: &'static str,
    },
    /// The endpoint has no such parameter.
    #[error("`{option} {text}`: {endpoint} has no parameter `{name}`")]
    UnknownTarget {
        /// `--map` or `--set`.
        option: &'static str,
        /// As written.
        text: String,
        /// The endpoint's id.
        endpoint: String,
        /// The parameter that does not exist.
        name: String,
        /// A parameter with a similar name.
        nearest: Option<String>,
    },
    /// An app token says no such thing.
    #[error("`{option} {text}`: an app token has no claim `{name}`")]
    UnknownClaim {
        /// `--map` or `--set`.
        option: &'static str,
        /// As written.
        text: String,
        /// The claim that does not exist.
        name: String,
    },
    /// The attribute that is to take the token is a column already.
    #[error("{input} has a column `{attribute}` already, where the token is to go")]
    TakenColumn {
        /// The input's name.
        input: String,
        /// The attribute.
        attribute: String,
    },
    /// Two owners of the body.
    #[error("`{option} {text}` fills a body field, and `--body` makes the whole body")]
    BesideBody {
        /// `--map` or `--set`.
        option: &'static str,
        /// As written.
        text: String,
    },
    /// A jq program that does not compile.
    #[error("`{option}` does not compile: {source}")]
    Program {
        /// The option with its target.
        option: String,
        /// Where and why.
        source: CompileError,
    },
    /// No column is a parameter, and nothing else fills one.
    #[error("no column of {input} is a parameter of {endpoint}: {columns}")]
    NoColumn {
        /// The input's name.
        input: String,
        /// The endpoint's id.
        endpoint: String,
        /// The columns there are.
        columns: String,
    },
    /// A placeholder that would never be filled.
    #[error("the URL names `{{{name}}}`, which is no column of {input}")]
    UnfilledPlaceholder {
        /// The placeholder.
        name: String,
        /// The input's name.
        input: String,
        /// A column with a similar name.
        nearest: Option<String>,
    },
    /// A `--map` or `--key` whose field is no column.
    #[error("`{option} {text}` names column `{column}`, which {input} does not have")]
    UnknownColumn {
        /// `--map` or `--key`.
        option: &'static str,
        /// As written.
        text: String,
        /// The missing column.
        column: String,
        /// The input's name.
        input: String,
        /// A column with a similar name.
        nearest: Option<String>,
    },
    /// Calls of this endpoint carry one record.
    #[error("{endpoint} takes one record a call: {why}")]
    NoBatches {
        /// The endpoint's id.
        endpoint: String,
        /// What keeps it from taking more.
        why: &'static str,
    },
    /// No way to put records together.
    #[error("`--batch-as {text}` is not array, property:NAME or jq:EXPR")]
    BatchForm {
        /// As written.
        text: String,
    },
    /// The other properties of a batch's object cannot be used.
    #[error("`--batch-props` is not what stands beside the records: {why}")]
    BatchProps {
        /// What is wrong with them.
        why: String,
    },
    /// A call by hand, of which nobody says whom its token speaks for.
    #[error("{id} takes an app token, and a call by hand does not say for whom it is to be signed")]
    NoClaims {
        /// The template whose call it is.
        id: String,
    },
    /// Other properties, and no object to put them in.
    #[error("`--batch-props` stands beside a property, and `--batch-as` names none")]
    PropsAlone,
}

impl Error {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Form { option, .. } => {
                Some(format!("write it as in `{option} name=…`; dots nest: `a.b=…`"))
            }
            Self::UnknownTarget { nearest: Some(name), .. } => Some(format!("did you mean `{name}`?")),
            Self::UnknownTarget { endpoint, option: "--param", .. } => {
                Some(format!("`roompipe endpoints show {endpoint}` lists the parameters"))
            }
            Self::UnknownTarget { endpoint, .. } => Some(format!(
                "`roompipe endpoints show {endpoint}` lists the parameters; `--pass-unknown` sends others in the body"
            )),
            Self::UnknownClaim { .. } => Some("it has `room_id`, `role` and `user_id`".to_owned()),
            Self::TakenColumn { .. } => Some("`--as NAME` puts the token under another name".to_owned()),
            Self::BesideBody { .. } => Some("build the field inside the `--body` program".to_owned()),
            Self::Program { .. } => None,
            Self::NoBatches { .. } => Some(
                "leave the `--batch` options out: `--concurrency` sends several calls at once".to_owned(),
            ),
            Self::BatchForm { .. } => {
                Some("write it as in `--batch-as property:items` or `--batch-as 'jq:{items: .}'`".to_owned())
            }
            Self::BatchProps { .. } => {
                Some("write it as in `--batch-props '{\"source\":\"etl\"}'`".to_owned())
            }
            Self::NoClaims { id } => Some(format!(
                "`{id}` takes room, role and user from the record; HMS_APP_TOKEN holds a ready token"
            )),
            Self::PropsAlone => Some("`--batch-as property:NAME` puts the records into one".to_owned()),
            Self::NoColumn { columns, endpoint, .. } => Some(match columns.find([';', '\t', '|']) {
                Some(at) => {
                    format!("is the delimiter another one? `--csv-delimiter '{}'`", &columns[at..=at])
                }
                None => format!(
                    "`--map TARGET=COLUMN` places a column; `roompipe endpoints show {endpoint}` lists the targets"
                ),
            }),
            Self::UnfilledPlaceholder { nearest: Some(name), .. }
            | Self::UnknownColumn { nearest: Some(name), .. } => Some(format!("did you mean `{name}`?")),
            Self::UnfilledPlaceholder { name, .. } => {
                Some(format!("`--map {name}=COLUMN` or `--set {name}=VALUE` fills it"))
            }
            Self::UnknownColumn { .. } => {
                Some("columns are named by the header, letter by letter".to_owned())
            }
        }
    }
}

impl Mapping {
    /// Checks and compiles a mapping for an endpoint.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn compile(options: &Options, endpoint: Endpoint) -> Result<Self, Error> {
        if let Some(id) = endpoint.lacks_claims().filter(|_| options.app_token == AppToken::Record) {
            return Err(Error::NoClaims { id: id.to_owned() });
        }
        let mut assignments =
            Vec::with_capacity(options.map.len() + options.values.len() + options.set.len());
        for text in &options.map {
            let (target, rest) = assignment("--map", "EXPR", text, options, &endpoint)?;
            let expression = Expression::compile(rest)
                .map_err(|source| Error::Program { option: format!("--map {}", target.dotted()), source })?;
            assignments.push(Assignment {
                option: text.clone(),
                target,
                from: Source::Expression(expression),
            });
        }
        for (target, value) in &options.values {
            assignments.push(typed(target, value, options, &endpoint)?);
        }
        for text in &options.set {
            let (target, rest) = assignment("--set", "VALUE", text, options, &endpoint)?;
            assignments.push(Assignment {
                option: text.clone(),
                target,
                from: Source::Constant(rest.to_owned()),
            });
        }
        assignments.extend(parameters::assignments(options, &endpoint)?);
        let filter = program("--where", options.filter.as_deref())?;
        let body = program("--body", options.body.as_deref())?;
        let key = options.key.as_deref().map(key).transpose()?;
        let order = match &options.order {
            Order::Template => OrderRule::Template,
            Order::Unordered => OrderRule::Nothing,
            Order::By(text) => OrderRule::By(compile("--order-by", text)?),
        };
        let batching = options.batch.as_ref();
        let batching = batching.map(|batch| Batching::compile(batch, &endpoint)).transpose()?;
        let batch_by = options.batch.as_ref().and_then(|batch| batch.by.as_deref());
        let batch_by = program("--batch-by", batch_by)?;
        let by_jq = |a: &Assignment| matches!(&a.from, Source::Expression(expression) if expression.is_jq());
        let needs_value = body.is_some()
            || batch_by.is_some()
            || matches!(order, OrderRule::By(_))
            || assignments.iter().any(by_jq);
        let digest = digest::of_options(options, &assignments);
        let mut mapping = Self {
            endpoint,
            filter,
            key,
            body,
            assignments,
            exclude: options.exclude.iter().cloned().collect::<HashSet<_>>(),
            pass_unknown: options.pass_unknown,
            strict: options.strict,
            empty: options.empty,
            infer_types: options.infer_types,
            app_token: options.app_token.clone(),
            order,
            batching: batching.map(Arc::new),
            batch_by,
            needs_value,
            secrets: None,
            digest,
        };
        mapping.secrets = mapping.known_secrets();
        Ok(mapping)
    }

    /// Checks that every field a `--map` names is a column of a CSV input, and the one of `--key`.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_columns<'c>(
        &self,
        input: &str,
        columns: impl Iterator<Item = &'c str> + Clone,
    ) -> Result<(), Error> {
        let has = |column: &str| columns.clone().any(|name| name == column);
        let unknown = |option, text: &str, column: &str| Error::UnknownColumn {
            option,
            text: text.to_owned(),
            column: column.to_owned(),
            input: input.to_owned(),
            nearest: jq::nearest(column, columns.clone()).map(str::to_owned),
        };
        for assignment in &self.assignments {
            if let Source::Expression(Expression::Field(column)) = &assignment.from
                && !has(column)
            {
                return Err(unknown("--map", &assignment.option, column));
            }
        }
        // A jq path may miss on purpose where it fills a parameter; as a key it would leave no record valid.
        if let Some(key) = &self.key
            && let Some(column) = key.expression.attribute()
            && !has(column)
        {
            return Err(unknown("--key", &key.option, column));
        }
        for name in self.endpoint.placeholders() {
            let filled = self.assignments.iter().any(|assignment| assignment.target.name == name);
            if !filled && (!has(name) || self.exclude.contains(name)) {
                return Err(Error::UnfilledPlaceholder {
                    name: name.to_owned(),
                    input: input.to_owned(),
                    nearest: jq::nearest(name, columns).map(str::to_owned),
                });
            }
        }
        let maps = |column: &str| self.endpoint.target_of_attribute(column, true, false).is_some();
        if self.assignments.is_empty()
            && self.body.is_none()
            && !self.pass_unknown
            && !columns.clone().any(maps)
        {
            return Err(Error::NoColumn {
                input: input.to_owned(),
                endpoint: self.endpoint.name().to_owned(),
                columns: columns.map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", "),
            });
        }
        Ok(())
    }
}

/// TARGET and what follows it, as an option gives them.
pub(super) fn assignment<'t>(
    option: &'static str,
    what: &'static str,
    text: &'t str,
    options: &Options,
    endpoint: &Endpoint,
) -> Result<(Target, &'t str), Error> {
    let form = || Error::Form { option, text: text.to_owned(), what };
    let (left, right) = text.split_once('=').ok_or_else(form)?;
    let (name, below) = Target::split(left.trim()).ok_or_else(form)?;
    let place = match endpoint.place_of(name) {
        Some(place) => place,
        None if options.pass_unknown => Place::Body,
        None => {
            return Err(Error::UnknownTarget {
                option,
                text: text.to_owned(),
                endpoint: endpoint.name().to_owned(),
                name: name.to_owned(),
                nearest: jq::nearest(name, endpoint.parameters()).map(str::to_owned),
            });
        }
    };
    if options.body.is_some() && place == Place::Body {
        return Err(Error::BesideBody { option, text: text.to_owned() });
    }
    let below = below.into_iter().map(str::to_owned).collect();
    Ok((Target { place, name: name.to_owned(), below }, right))
}

/// A constant of its own type. Where a text spells it, it is that text: a mapping stays the same wherever it is written.
fn typed(target: &str, value: &Value, options: &Options, endpoint: &Endpoint) -> Result<Assignment, Error> {
    let json = value.to_string();
    let plain = value.as_str().unwrap_or(&json);
    let option = format!("{target}={plain}");
    let (target, _) = assignment("--set", "VALUE", &option, options, endpoint)?;
    let shape = endpoint.shape_at(&target);
    let meant = coerce::cell(value.clone(), shape, false);
    let spelled = [plain, &json].into_iter().find(|text| coerce::constant(text, shape) == meant);
    let from = match spelled {
        Some(text) => Source::Constant(text.to_owned()),
        None => Source::Value(meant),
    };
    Ok(Assignment { option, target, from })
}

fn key(text: &str) -> Result<Key, Error> {
    let expression =
        Expression::compile(text).map_err(|source| Error::Program { option: "--key".to_owned(), source })?;
    Ok(Key { option: text.to_owned(), expression })
}

pub(super) fn program(option: &str, text: Option<&str>) -> Result<Option<Program>, Error> {
    text.map(|text| compile(option, text)).transpose()
}

fn compile(option: &str, text: &str) -> Result<Program, Error> {
    Program::compile(text).map_err(|source| Error::Program { option: option.to_owned(), source })
}
