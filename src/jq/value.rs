//! JSON values into jq's values and back: key order and every digit survive.
//!
//! It knows no program; what a number means to a program is jaq's business.

use std::fmt::{self, Write};

use bytes::Bytes;
use jaq_json::{Num, Rc, Val};
use serde_json::{Map, Number, Value};

/// The deepest nesting of a value that leaves jq.
pub const MAX_DEPTH: usize = 128;

/// Converts a borrowed JSON value.
#[must_use]
pub fn from_json(value: &Value) -> Val {
    match value {
        Value::Null => Val::Null,
        Value::Bool(flag) => Val::Bool(*flag),
        Value::Number(number) => Val::Num(number_in(number.as_str())),
        Value::String(text) => Val::utf8_str(Bytes::copy_from_slice(text.as_bytes())),
        Value::Array(items) => items.iter().map(from_json).collect(),
        Value::Object(members) => Val::obj(
            members
                .iter()
                .map(|(key, value)| (Val::utf8_str(Bytes::copy_from_slice(key.as_bytes())), from_json(value)))
                .collect(),
        ),
    }
}

/// Converts a JSON value without copying its texts.
#[must_use]
pub fn from_json_owned(value: Value) -> Val {
    match value {
        Value::String(text) => Val::utf8_str(text),
        Value::Array(items) => items.into_iter().map(from_json_owned).collect(),
        Value::Object(members) => from_map(members),
        scalar => from_json(&scalar),
    }
}

/// Converts a JSON object without copying its texts.
#[must_use]
pub fn from_map(members: Map<String, Value>) -> Val {
    Val::obj(members.into_iter().map(|(key, value)| (Val::utf8_str(key), from_json_owned(value))).collect())
}

/// Converts what a program made into JSON.
///
/// A number that came from JSON keeps its digits; a calculated whole number has no decimal point, as in jq
/// (`10 / 2` is `5`: an integer that stays one).
///
/// # Errors
/// What JSON cannot say: NaN and infinities, byte strings, keys that are not strings, nesting beyond [`MAX_DEPTH`].
pub fn to_json(value: &Val) -> Result<Value, String> {
    convert(value, MAX_DEPTH)
}

fn convert(value: &Val, depth_left: usize) -> Result<Value, String> {
    let inner = || depth_left.checked_sub(1).ok_or_else(|| format!("nested deeper than {MAX_DEPTH} levels"));
    Ok(match value {
        Val::Null => Value::Null,
        Val::Bool(flag) => Value::Bool(*flag),
        Val::Num(number) => Value::Number(number_out(number)?),
        Val::TStr(text) => Value::String(utf8(text)?),
        Val::BStr(_) => return Err("a byte string is no JSON value".to_owned()),
        Val::Arr(items) => {
            let depth_left = inner()?;
            Value::Array(items.iter().map(|item| convert(item, depth_left)).collect::<Result<_, _>>()?)
        }
        Val::Obj(members) => {
            let depth_left = inner()?;
            let member = |(key, value): (&Val, &Val)| match key {
                Val::TStr(key) => Ok((utf8(key)?, convert(value, depth_left)?)),
                _ => Err(format!("the key {} of an object is not a string", cut_value(key))),
            };
            Value::Object(members.iter().map(member).collect::<Result<_, String>>()?)
        }
    })
}

fn utf8(bytes: &Bytes) -> Result<String, String> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| "a text that is not valid UTF-8 is no JSON value".to_owned())
}

fn number_in(text: &str) -> Num {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // Longer integers would take quadratic time to convert; as a decimal they keep their digits all the same.
    let whole = digits.len() <= 310 && digits.bytes().all(|byte| byte.is_ascii_digit()) && text != "-0";
    let integer = whole.then(|| Num::from_str_radix(text, 10)).flatten();
    integer.unwrap_or_else(|| Num::Dec(Rc::new(text.to_owned())))
}

fn number_out(number: &Num) -> Result<Number, String> {
    match number {
        Num::Int(integer) => Ok(Number::from(*integer)),
        Num::BigInt(integer) => integer.to_string().parse().map_err(|_| not_a_number(integer)),
        Num::Dec(text) => text.parse().or_else(|_| float_out(text.parse().unwrap_or(f64::NAN))),
        Num::Float(float) => float_out(*float),
    }
}

fn float_out(float: f64) -> Result<Number, String> {
    let whole = float.fract() == 0.0 && float.abs() < 1e17 && !(float == 0.0 && float.is_sign_negative());
    if whole {
        #[expect(clippy::cast_possible_truncation, reason = "whole and far inside the range of i64")]
        return Ok(Number::from(float as i64));
    }
    Number::from_f64(float).ok_or_else(|| not_a_number(&float))
}

fn not_a_number(number: &dyn fmt::Display) -> String {
    format!("`{number}` is no JSON number")
}

/// True for every value but `null` and `false`.
#[must_use]
pub fn truthy(value: &Val) -> bool {
    !matches!(value, Val::Null | Val::Bool(false))
}

/// Renders an error of a program, with each value in it cut.
pub(super) fn error_text(error: jaq_json::Error) -> String {
    let mut cut = Cut::default();
    // An error of formatting means that enough was written.
    let _ = write!(cut, "{error}");
    if cut.text.starts_with('"') {
        // The program's own words, or jaq's: without the quotes.
        if let Val::TStr(text) = error.into_val() {
            return String::from_utf8_lossy(&text).chars().take(Cut::TOTAL).collect();
        }
    }
    cut.text
}

fn cut_value(value: &Val) -> String {
    let mut cut = Cut::default();
    let _ = write!(cut, "{value}");
    cut.text
}

/// Keeps the words of an error and the first characters of each value between them.
#[derive(Default)]
struct Cut {
    text: String,
    of_value: usize,
}

impl Cut {
    const VALUE: usize = 80;
    const TOTAL: usize = 400;
}

impl Write for Cut {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        // jaq writes its own words in one piece each, between the values.
        if matches!(piece, " with " | " as " | " + " | " - " | " * " | " / " | " % " | " ") {
            self.of_value = 0;
            self.text.push_str(piece);
            return Ok(());
        }
        if piece.starts_with("cannot ") || piece.starts_with("invalid path expression") {
            self.text.push_str(piece);
            return Ok(());
        }
        for character in piece.chars() {
            match self.of_value {
                0..Self::VALUE => self.text.push(character),
                Self::VALUE => self.text.push('…'),
                _ => break,
            }
            self.of_value += 1;
        }
        if self.text.len() > 4 * Self::TOTAL { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn round(text: &str) -> String {
        let value: Value = serde_json::from_str(text).unwrap();
        let moved = to_json(&from_json_owned(value.clone())).unwrap();
        let borrowed = to_json(&from_json(&value)).unwrap();
        assert_eq!(moved, borrowed);
        moved.to_string()
    }

    #[test]
    fn digits_and_key_order_survive() {
        let long = "9".repeat(1_000);
        for text in [
            "0",
            "-0",
            "1",
            "-9223372036854775808",
            "9223372036854775807",
            "18446744073709551616",
            "123456789012345678901234567890",
            "1.0",
            "1.50",
            "0.1000000000000000055511151231257827",
            "1e+400",
            "-1.5e-7",
            &long,
            r#"{"b":1,"a":{"z":[],"y":null},"":"\u0000é😀"}"#,
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(round(text), value.to_string(), "{text}");
        }
    }

    #[test]
    fn calculated_whole_numbers_have_no_decimal_point() {
        let table =
            [(10.0, "10"), (-3.0, "-3"), (0.5, "0.5"), (1e16, "10000000000000000"), (1e300, "1e+300")];
        for (float, expected) in table {
            assert_eq!(to_json(&Val::from(float)).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_json_cannot_say_is_an_error() {
        let odd_key = Val::obj([(Val::from(1_usize), Val::Null)].into_iter().collect());
        let odd_text = Val::utf8_str(vec![0xff_u8]);
        for value in [Val::from(f64::NAN), Val::from(f64::INFINITY), Val::byte_str("a"), odd_key, odd_text] {
            assert!(to_json(&value).is_err(), "{value}");
            assert!(to_json(&[value].into_iter().collect()).is_err());
        }
    }

    #[test]
    fn depth_is_bounded_without_recursing_further() {
        let nest = |levels: usize| (0..levels).fold(Val::Null, |inner, _| [inner].into_iter().collect());
        assert!(to_json(&nest(MAX_DEPTH)).is_ok());
        assert_eq!(to_json(&nest(MAX_DEPTH + 1)), Err("nested deeper than 128 levels".to_owned()));
        assert!(to_json(&nest(2_000)).is_err());
    }

    #[test]
    fn null_and_false_are_not_true() {
        assert!(!truthy(&Val::Null) && !truthy(&Val::Bool(false)));
        for value in [json!(true), json!(0), json!(""), json!([])] {
            assert!(truthy(&from_json(&value)), "{value}");
        }
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((".*", inner), 0..6)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_json_value_comes_back_as_the_same_text(value in json_value()) {
            let text = value.to_string();
            prop_assert_eq!(round(&text), serde_json::from_str::<Value>(&text).unwrap().to_string());
        }
    }
}
