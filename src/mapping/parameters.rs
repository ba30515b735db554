//! `--param`: constants for an endpoint's parameters, of which several with one name are a list.
//!
//! What a value may be is the schema's to say, as for `--set`.

use serde_json::Value;

use super::endpoint::Endpoint;
use super::options::{Error, Options, assignment};
use super::target::Target;
use super::{Assignment, Source, coerce};

/// The constants of `--param`.
///
/// # Errors
/// The first that names no parameter.
pub(super) fn assignments(options: &Options, endpoint: &Endpoint) -> Result<Vec<Assignment>, Error> {
    let mut found: Vec<(Target, Vec<&str>, &str)> = Vec::new();
    for text in &options.params {
        let (target, value) = assignment("--param", "VALUE", text, options, endpoint)?;
        match found.iter_mut().find(|(known, ..)| *known == target) {
            Some((_, values, _)) => values.push(value),
            None => found.push((target, vec![value], text)),
        }
    }
    let one = |(target, values, text): (Target, Vec<&str>, &str)| {
        let from = match values.as_slice() {
            [value] => Source::Constant((*value).to_owned()),
            several => {
                let items = endpoint.shape_at(&target).and_then(|shape| shape.items.as_deref());
                let one = |value: &&str| match items {
                    Some(_) => coerce::constant(value, items),
                    None => Value::String((*value).to_owned()),
                };
                Source::Value(several.iter().map(one).collect())
            }
        };
        Assignment { option: text.to_owned(), target, from }
    };
    Ok(found.into_iter().map(one).collect())
}
