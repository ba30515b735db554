//! Where a value goes: the TARGET of `--map` and `--set`, or an attribute taken by name. Dots nest.
//!
//! It knows places and paths, not values.

use serde_json::{Map, Value};

use crate::template::Place;

/// A place in the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) place: Place,
    /// The parameter or top-level field.
    pub(super) name: String,
    /// Members below it.
    pub(super) below: Vec<String>,
}

impl Target {
    pub(super) fn new(place: Place, name: &str) -> Self {
        Self { place, name: name.to_owned(), below: Vec::new() }
    }

    /// Splits `a.b.c`; an empty part is no name.
    pub(super) fn split(text: &str) -> Option<(&str, Vec<&str>)> {
        let mut parts = text.split('.');
        let name = parts.next()?;
        let below: Vec<&str> = parts.collect();
        (!name.is_empty() && below.iter().all(|part| !part.is_empty())).then_some((name, below))
    }

    pub(super) fn dotted(&self) -> String {
        let mut out = self.name.clone();
        for part in &self.below {
            out.push('.');
            out.push_str(part);
        }
        out
    }

    /// Puts the value there; nothing takes away what is there.
    ///
    /// # Errors
    /// The dotted path of what stands in the way: a value that is not an object.
    pub(super) fn put(&self, into: &mut Map<String, Value>, value: Option<Value>) -> Result<(), String> {
        let Some((last, between)) = self.below.split_last() else {
            match value {
                Some(value) => {
                    into.insert(self.name.clone(), value);
                }
                None => {
                    into.shift_remove(&self.name);
                }
            }
            return Ok(());
        };
        if value.is_none() && !into.contains_key(&self.name) {
            return Ok(());
        }
        let mut here = into.entry(self.name.clone()).or_insert_with(|| Value::Object(Map::new()));
        let mut path = self.name.clone();
        for part in between {
            let Value::Object(map) = here else { return Err(path) };
            here = map.entry(part.clone()).or_insert_with(|| Value::Object(Map::new()));
            path.push('.');
            path.push_str(part);
        }
        let Value::Object(map) = here else { return Err(path) };
        match value {
            Some(value) => {
                map.insert(last.clone(), value);
            }
            None => {
                map.shift_remove(last);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target(text: &str) -> Target {
        let (name, below) = Target::split(text).unwrap();
        Target { below: below.into_iter().map(str::to_owned).collect(), ..Target::new(Place::Body, name) }
    }

    #[test]
    fn dots_nest_and_keep_what_stands_beside() {
        let mut body = Map::new();
        target("a.b.c").put(&mut body, Some(json!(1))).unwrap();
        target("a.d").put(&mut body, Some(json!(2))).unwrap();
        target("e").put(&mut body, Some(json!(3))).unwrap();
        target("a.b.c").put(&mut body, Some(json!(4))).unwrap();
        target("x.y").put(&mut body, None).unwrap();
        assert_eq!(Value::Object(body.clone()), json!({"a": {"b": {"c": 4}, "d": 2}, "e": 3}));
        assert_eq!(target("a.d.f").put(&mut body, Some(json!(1))), Err("a.d".to_owned()));
        target("a.d").put(&mut body, None).unwrap();
        target("e").put(&mut body, None).unwrap();
        assert_eq!(Value::Object(body), json!({"a": {"b": {"c": 4}}}));
        for wrong in ["", ".a", "a.", "a..b"] {
            assert_eq!(Target::split(wrong), None, "{wrong}");
        }
    }
}
