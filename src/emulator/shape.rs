//! The shapes of request bodies, declared as tables: types, bounds, defaults.
//!
//! A table is checked against a body (with the texts of the decoder the API is believed to use, see
//! `request body contains …`) and can fill in defaults. It does not know which endpoint it belongs to; rules between
//! fields are the handlers' business. JSON null counts as absent everywhere, as it does for that decoder.

use std::fmt;

use serde_json::{Map, Value, json};

use super::answer::Refusal;

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    name: &'static str,
    kind: Kind,
    default: Option<Preset>,
    standing: bool,
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Any string.
    Text,
    /// True or false.
    Flag,
    /// A whole number within bounds, written without fraction or exponent.
    Integer(i64, i64),
    /// A number within bounds.
    Number(f64, f64),
    /// One of some strings.
    Choice(&'static [&'static str]),
    /// An array of one kind.
    List(&'static Kind),
    /// An object with free keys and values of one kind.
    Map(&'static Kind),
    /// An object with these members.
    Object(&'static [Field]),
    /// An object whose members are not looked at.
    AnyObject,
}

/// A whole number without bounds.
pub(crate) const INTEGER: Kind = Kind::Integer(i64::MIN, i64::MAX);

/// A value that takes the place of an absent one.
#[derive(Clone, Copy, Debug)]
enum Preset {
    Flag(bool),
    Integer(i64),
    Text(&'static str),
    NoItems,
}

impl Field {
    /// A member that may be absent.
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, default: None, standing: false }
    }

    /// What it is called.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Gives a boolean its default.
    pub(crate) const fn or_flag(mut self, value: bool) -> Self {
        self.default = Some(Preset::Flag(value));
        self
    }

    /// Gives a whole number its default.
    pub(crate) const fn or_integer(mut self, value: i64) -> Self {
        self.default = Some(Preset::Integer(value));
        self
    }

    /// Gives a string its default.
    pub(crate) const fn or_text(mut self, value: &'static str) -> Self {
        self.default = Some(Preset::Text(value));
        self
    }

    /// Gives an array its default: nothing in it.
    pub(crate) const fn or_no_items(mut self) -> Self {
        self.default = Some(Preset::NoItems);
        self
    }

    /// Makes an object appear, with its defaults, even where it was not sent.
    pub(crate) const fn standing(mut self) -> Self {
        self.standing = true;
        self
    }
}

/// A body that has its shape: members are there with the right type, or absent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked<'a>(Option<&'a Map<String, Value>>);

impl<'a> Checked<'a> {
    /// The body that was not sent.
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    /// The member, unless it is absent or null.
    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        self.0?.get(name).filter(|value| !value.is_null())
    }

    /// A string member.
    pub(crate) fn text(self, name: &str) -> Option<&'a str> {
        self.get(name)?.as_str()
    }

    /// A string member that says something.
    pub(crate) fn filled(self, name: &str) -> Option<&'a str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// A boolean member.
    pub(crate) fn flag(self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    /// A whole number.
    pub(crate) fn integer(self, name: &str) -> Option<i64> {
        self.get(name)?.as_i64()
    }

    /// An object member, whose shape was checked along with its parent's.
    pub(crate) fn object(self, name: &str) -> Option<Checked<'a>> {
        self.get(name)?.as_object().map(|fields| Self(Some(fields)))
    }

    /// An array member.
    pub(crate) fn list(self, name: &str) -> Option<&'a [Value]> {
        self.get(name)?.as_array().map(Vec::as_slice)
    }

    /// All members, as sent.
    pub(crate) fn to_map(self) -> Map<String, Value> {
        self.0.cloned().unwrap_or_default()
    }
}

/// Checks an object against its shape.
pub(crate) fn check<'a>(
    shape: &[Field],
    fields: &'a Map<String, Value>,
    strict: bool,
) -> Result<Checked<'a>, Refusal> {
    members(shape, fields, strict, None)?;
    Ok(Checked(Some(fields)))
}

/// Puts defaults where nothing was sent.
pub(crate) fn fill(shape: &[Field], fields: &mut Map<String, Value>) {
    for field in shape {
        match (fields.get_mut(field.name), field.kind) {
            (Some(Value::Object(inner)), Kind::Object(inner_shape)) => fill(inner_shape, inner),
            (Some(Value::Null) | None, kind) => {
                if let Some(value) = field.absent(kind) {
                    fields.insert(field.name.to_owned(), value);
                }
            }
            (Some(_), _) => {}
        }
    }
}

/// Drops members that the shape does not know.
pub(crate) fn keep(shape: &[Field], fields: &mut Map<String, Value>) {
    fields.retain(|name, _| shape.iter().any(|field| field.name == name));
}

impl Field {
    fn absent(&self, kind: Kind) -> Option<Value> {
        if let (true, Kind::Object(shape)) = (self.standing, kind) {
            let mut inner = Map::new();
            fill(shape, &mut inner);
            return Some(Value::Object(inner));
        }
        self.default.map(|preset| match preset {
            Preset::Flag(value) => json!(value),
            Preset::Integer(value) => json!(value),
            Preset::Text(value) => json!(value),
            Preset::NoItems => json!([]),
        })
    }
}

fn members(
    shape: &[Field],
    fields: &Map<String, Value>,
    strict: bool,
    parent: Option<&Place<'_>>,
) -> Result<(), Refusal> {
    for (name, found) in fields {
        let place = Place { parent, name };
        match shape.iter().find(|field| field.name == name) {
            Some(field) => value(field.kind, found, strict, &place)?,
            None if strict => {
                return Err(Refusal::bad_request(format!("request body contains unknown field \"{place}\"")));
            }
            None => {}
        }
    }
    Ok(())
}

fn value(kind: Kind, found: &Value, strict: bool, place: &Place<'_>) -> Result<(), Refusal> {
    match (kind, found) {
        (_, Value::Null)
        | (Kind::Text, Value::String(_))
        | (Kind::Flag, Value::Bool(_))
        | (Kind::AnyObject, Value::Object(_)) => Ok(()),
        (Kind::Integer(min, max), Value::Number(number)) => match number.as_i64() {
            Some(number) => bounds(number, min, max, place),
            None => Err(place.mistyped()),
        },
        (Kind::Number(min, max), Value::Number(number)) => match number.as_f64() {
            Some(number) => bounds(number, min, max, place),
            None => Err(place.mistyped()),
        },
        (Kind::Choice(choices), Value::String(text)) => {
            if choices.contains(&text.as_str()) {
                return Ok(());
            }
            Err(Refusal::bad_request(format!(
                "Invalid body param: {place} is not one of {}",
                choices.join(", ")
            )))
        }
        (Kind::List(item), Value::Array(items)) => {
            items.iter().try_for_each(|found| value(*item, found, strict, place))
        }
        (Kind::Map(item), Value::Object(fields)) => fields
            .iter()
            .try_for_each(|(name, found)| value(*item, found, strict, &Place { parent: Some(place), name })),
        (Kind::Object(shape), Value::Object(fields)) => members(shape, fields, strict, Some(place)),
        _ => Err(place.mistyped()),
    }
}

fn bounds<N: Copy + PartialOrd + fmt::Display>(
    number: N,
    min: N,
    max: N,
    place: &Place<'_>,
) -> Result<(), Refusal> {
    if number < min {
        return Err(Refusal::bad_request(format!("Invalid body param: {place} less than {min}")));
    }
    if number > max {
        return Err(Refusal::bad_request(format!("Invalid body param: {place} greater than {max}")));
    }
    Ok(())
}

/// Where in the body a value stands; written out only when it is refused.
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    name: &'a str,
}

impl Place<'_> {
    fn mistyped(&self) -> Refusal {
        Refusal::bad_request(format!("request body contains an invalid value for the \"{self}\" field"))
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Answer;
    use super::*;

    const SHAPE: &[Field] = &[
        Field::new("name", Kind::Text),
        Field::new("on", Kind::Flag).or_flag(true),
        Field::new("size", Kind::Integer(1, 9)).or_integer(4),
        Field::new("share", Kind::Number(0.5, 1.0)),
        Field::new("tags", Kind::List(&Kind::Choice(&["a", "b"]))).or_no_items(),
        Field::new("each", Kind::Map(&Kind::Object(&[Field::new("codec", Kind::Text).or_text("opus")]))),
        Field::new("part", Kind::Object(&[Field::new("depth", Kind::Integer(0, 3)).or_integer(1)]))
            .standing(),
        Field::new("rest", Kind::AnyObject),
    ];

    #[test]
    fn a_body_is_refused_for_types_bounds_and_strangers() {
        let table = [
            (json!({"name": "x", "size": 9, "share": 0.5, "tags": ["a"], "rest": {"x": 1}}), None),
            (json!({"name": null, "size": null, "part": null}), None),
            (json!({"name": 5}), Some("request body contains an invalid value for the \"name\" field")),
            (json!({"size": 5.0}), Some("request body contains an invalid value for the \"size\" field")),
            (json!({"size": 0}), Some("Invalid body param: size less than 1")),
            (json!({"share": 1.5}), Some("Invalid body param: share greater than 1")),
            (json!({"tags": ["c"]}), Some("Invalid body param: tags is not one of a, b")),
            (json!({"part": {"depth": 4}}), Some("Invalid body param: part.depth greater than 3")),
            (
                json!({"each": {"k": {"codec": 1}}}),
                Some("request body contains an invalid value for the \"each.k.codec\" field"),
            ),
            (json!({"part": {"x": 4}}), Some("request body contains unknown field \"part.x\"")),
        ];
        for (body, refusal) in table {
            let found = check(SHAPE, body.as_object().unwrap(), true).err().map(Answer::from).map(|answer| {
                serde_json::from_slice::<Value>(&answer.body).unwrap()["message"].as_str().unwrap().to_owned()
            });
            assert_eq!(found.as_deref(), refusal, "{body}");
        }
        assert!(check(SHAPE, json!({"stranger": 1}).as_object().unwrap(), false).is_ok());
    }

    #[test]
    fn defaults_fill_only_what_is_absent() {
        let mut body = json!({"on": false, "size": null, "each": {}}).as_object().unwrap().clone();
        fill(SHAPE, &mut body);
        assert_eq!(
            Value::Object(body),
            json!({"on": false, "size": 4, "each": {}, "tags": [], "part": {"depth": 1}})
        );
    }
}
