//! `${VAR}` in a text of a destination file: the value of a variable of the environment. `$${` is a literal `${`.
//!
//! It knows texts only; the environment is handed in.

/// A text with its variables filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) text: String,
    /// Part of it came from the environment: it may be a secret, and is not shown.
    pub(super) is_secret: bool,
}

/// A piece of a text that cannot be filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No such variable is set.
    Unset(String),
    /// What stands behind `${` is no name, or the brace is never closed.
    NoName(String),
}

impl Trouble {
    /// The piece as it is written.
    pub(super) fn written(&self) -> String {
        match self {
            Self::Unset(name) => format!("${{{name}}}"),
            Self::NoName(written) => written.clone(),
        }
    }

    pub(super) fn message(&self) -> String {
        match self {
            Self::Unset(name) => format!("the variable `{name}` is not set"),
            Self::NoName(_) => "`${` is not followed by the name of a variable and `}`".to_owned(),
        }
    }

    pub(super) fn hint(&self) -> String {
        match self {
            Self::Unset(name) => format!("`export {name}=…` before; `$${{` stands for the characters `${{`"),
            Self::NoName(_) => "write `${NAME}`; `$${` stands for the characters `${`".to_owned(),
        }
    }
}

/// Fills in every variable.
///
/// # Errors
/// Everything that cannot be filled.
pub(super) fn fill(text: &str, look: &dyn Fn(&str) -> Option<String>) -> Result<Filled, Vec<Trouble>> {
    let mut filled = Filled { text: String::with_capacity(text.len()), is_secret: false };
    let mut troubles = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, behind) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            filled.text.push_str(before);
            filled.text.push_str("${");
            rest = behind;
            continue;
        }
        filled.text.push_str(before);
        let name = behind.split('}').next().unwrap_or_default();
        if name.len() == behind.len() || !is_name(name) {
            let end = behind.find('}').map_or(behind.len(), |end| end + 1);
            troubles.push(Trouble::NoName(rest[at..at + 2 + end].to_owned()));
            rest = &behind[end..];
            continue;
        }
        match look(name) {
            Some(value) => {
                filled.text.push_str(&value);
                filled.is_secret = true;
            }
            None => troubles.push(Trouble::Unset(name.to_owned())),
        }
        rest = &behind[name.len() + 1..];
    }
    filled.text.push_str(rest);
    if troubles.is_empty() { Ok(filled) } else { Err(troubles) }
}

/// A text that stands in a file as itself.
pub(super) fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look(name: &str) -> Option<String> {
        match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            "_b2" => Some("${A}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_filled_once() {
        for (text, expected, is_secret) in [
            ("", "", false),
            ("$ {A} $A {} $", "$ {A} $A {} $", false),
            ("x${A}y${A}", "x1y1", true),
            ("${EMPTY}", "", true),
            // What a variable holds is not looked into.
            ("${_b2}", "${A}", true),
            ("$${A}", "${A}", false),
            ("$${A} ${A}", "${A} 1", true),
            ("${A}$${", "1${", true),
        ] {
            assert_eq!(fill(text, &look), Ok(Filled { text: expected.to_owned(), is_secret }), "{text}");
        }
    }

    #[test]
    fn everything_that_cannot_be_filled_is_told() {
        let unset = |name: &str| Trouble::Unset(name.to_owned());
        let no_name = |text: &str| Trouble::NoName(text.to_owned());
        for (text, expected) in [
            ("${NO} ${A} ${NEITHER}", vec![unset("NO"), unset("NEITHER")]),
            ("a${}b", vec![no_name("${}")]),
            ("${1A}", vec![no_name("${1A}")]),
            ("${A:-b} ${NO}", vec![no_name("${A:-b}"), unset("NO")]),
            ("${A", vec![no_name("${A")]),
        ] {
            assert_eq!(fill(text, &look), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_literal_stays_what_it_is(text in "[${}A a]{0,12}") {
            let filled = fill(&literal(&text), &look);
            prop_assert_eq!(filled, Ok(Filled { text, is_secret: false }));
        }
    }
}
