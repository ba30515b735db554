//! What a schema says about one place of a body: which JSON types may stand there, and what is inside.
//!
//! It checks nothing. Mapping asks it into what a CSV cell is to be turned; limits and patterns are `check`'s.

use serde_json::Value;

/// One type of JSON value; `Integer` is a number without a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JsonType {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number without a fraction.
    Integer,
    /// Any number.
    Number,
    /// A text.
    String,
    /// A list.
    Array,
    /// An object.
    Object,
}

impl JsonType {
    const ALL: [Self; 7] =
        [Self::Null, Self::Boolean, Self::Integer, Self::Number, Self::String, Self::Array, Self::Object];

    /// The word JSON Schema has for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// What may stand at one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The types named by the schema; empty where it names none, which allows all.
    types: Vec<JsonType>,
    /// The named members of an object, as written.
    pub properties: Vec<(String, Shape)>,
    /// The items of an array.
    pub items: Option<Box<Shape>>,
    /// The members of an object that have no name in the schema.
    pub additional: Option<Box<Shape>>,
}

impl Shape {
    pub(super) fn of(schema: &Value) -> Self {
        let named = |word: &Value| {
            let word = word.as_str()?;
            JsonType::ALL.into_iter().find(|candidate| candidate.as_str() == word)
        };
        let types = match schema.get("type") {
            Some(Value::Array(words)) => words.iter().filter_map(named).collect(),
            Some(word) => named(word).into_iter().collect(),
            None => Vec::new(),
        };
        let inner = |key: &str| {
            schema.get(key).filter(|inner| inner.is_object()).map(|inner| Box::new(Self::of(inner)))
        };
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        Self {
            types,
            properties: properties.map(|(name, schema)| (name.clone(), Self::of(schema))).collect(),
            items: inner("items"),
            additional: inner("additionalProperties"),
        }
    }

    /// True if the schema lets a value of this type stand here. An integer may stand where a number may.
    #[must_use]
    pub fn allows(&self, wanted: JsonType) -> bool {
        self.types.is_empty()
            || self.types.contains(&wanted)
            || (wanted == JsonType::Integer && self.types.contains(&JsonType::Number))
    }

    /// The types named by the schema; empty where it names none, which allows all.
    #[must_use]
    pub fn types(&self) -> &[JsonType] {
        &self.types
    }

    /// The shape of the member `name`.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Shape> {
        let named = self.properties.iter().find(|(known, _)| known == name).map(|(_, shape)| shape);
        named.or(self.additional.as_deref())
    }

    /// The shape at a dotted path such as `recording_info.enabled`; a number steps into the items of an array.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Shape> {
        path.split('.').try_fold(self, |shape, step| match &shape.items {
            Some(items) if step.bytes().all(|byte| byte.is_ascii_digit()) => Some(&**items),
            _ => shape.member(step),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shapes_are_found_by_dotted_paths() {
        let shape = Shape::of(&json!({"type": "object", "properties": {
            "size": {"type": ["integer", "null"]},
            "layers": {"type": "array", "items": {"properties": {"rid": {"type": "string"}}}},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "any": {}
        }}));
        let types = |path: &str| shape.at(path).map(|shape| shape.types().to_vec());
        assert_eq!(types("size"), Some(vec![JsonType::Integer, JsonType::Null]));
        assert_eq!(types("layers.0.rid"), Some(vec![JsonType::String]));
        assert_eq!(types("headers.x-a"), Some(vec![JsonType::String]));
        assert_eq!(types("any"), Some(vec![]));
        assert_eq!(types("nothing"), None);
        assert!(shape.at("any").is_some_and(|any| any.allows(JsonType::Array)));
        assert!(!shape.at("size").is_some_and(|size| size.allows(JsonType::Number)));
    }
}
