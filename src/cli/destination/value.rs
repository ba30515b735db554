//! Values of TOML as the command line and JSON have them.
//!
//! It knows neither keys nor variables.

use serde_json::{Map, Number, Value};
use toml::de::DeValue;

/// What a value is, for messages.
pub(super) fn type_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A number as it would be typed; nothing for what is no number, such as `nan`.
pub(super) fn number(value: &DeValue<'_>) -> Option<Number> {
    match value {
        DeValue::Integer(integer) if integer.radix() == 10 => digits(integer.as_str()),
        DeValue::Integer(integer) => {
            i128::from_str_radix(integer.as_str(), integer.radix()).ok().and_then(|n| digits(&n.to_string()))
        }
        DeValue::Float(float) => digits(float.as_str()),
        _ => None,
    }
}

fn digits(text: &str) -> Option<Number> {
    text.trim_start_matches('+').replace('_', "").parse().ok()
}

/// A value as JSON; texts go through `text`, which tells by itself what is wrong with them.
///
/// # Errors
/// A value that JSON cannot hold.
pub(super) fn json(
    value: &toml::Spanned<DeValue<'_>>,
    text: &mut dyn FnMut(&str, std::ops::Range<usize>) -> String,
) -> Result<Value, std::ops::Range<usize>> {
    Ok(match value.get_ref() {
        DeValue::String(written) => Value::String(text(written, value.span())),
        DeValue::Boolean(boolean) => Value::Bool(*boolean),
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| json(item, text)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(members) => {
            let mut object = Map::new();
            for (name, member) in members {
                object.insert(name.get_ref().to_string(), json(member, text)?);
            }
            Value::Object(object)
        }
        other => Value::Number(number(other).ok_or_else(|| value.span())?),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use toml::de::DeTable;

    #[test]
    fn values_keep_their_type_and_digits() {
        let text = "v = [1, 1_000, +2, 0x10, 1.50, 1e3, true, '2', 2026-01-31, { a = [] }]";
        let table = DeTable::parse(text).unwrap();
        let value = table.get_ref().iter().next().unwrap().1;
        let got = super::json(value, &mut |text, _| format!("<{text}>")).unwrap();
        let expected = r#"[1,1000,2,16,1.50,1e3,true,"<2>","2026-01-31",{"a":[]}]"#;
        assert_eq!(got, expected.parse::<serde_json::Value>().unwrap());
        assert_eq!(got[9], json!({"a": []}));
        for wrong in ["nan", "-inf"] {
            let text = format!("v = {wrong}");
            let table = DeTable::parse(&text).unwrap();
            let value = table.get_ref().iter().next().unwrap().1;
            assert_eq!(super::json(value, &mut |text, _| text.to_owned()), Err(4..text.len()));
        }
    }
}
