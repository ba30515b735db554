//! A rule: which fault happens, at which path, to which calls. This file is the grammar.
//!
//! ```text
//! KIND[=NUMBER][@[METHOD]PATH][:WHEN]
//! ```
//!
//! It does not know what the kinds do, nor which calls there were so far.

use std::fmt;
use std::str::FromStr;

use super::kind::{KINDS, Kind};
use super::target::Target;

/// Which calls a fault happens to, and which fault.
#[derive(Clone)]
pub struct Rule {
    pub(super) kind: &'static Kind,
    pub(super) argument: u64,
    pub(super) target: Option<Target>,
    pub(super) when: When,
}

/// Which of the calls that a rule is about it happens to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum When {
    /// All of them.
    Always,
    /// So many of a hundred, drawn by the seed.
    Share(f64),
    /// The Nth, the 2Nth, and so on.
    Every(u64),
    /// The first N.
    First(u64),
    /// The Nth alone.
    Only(u64),
    /// The Nth and all later ones.
    From(u64),
    /// Of every distinct request the first N times it comes.
    Each(u64),
}

/// Why a text is no fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAFault {
    /// No such kind.
    #[error("read the fault `{rule}`: there is no kind `{kind}`; there are {}", names())]
    Kind {
        /// The whole rule.
        rule: String,
        /// What was taken for its kind.
        kind: String,
    },
    /// A number where none is due, none where one is, or one out of bounds.
    #[error("read the fault `{rule}`: {takes}")]
    Argument {
        /// The whole rule.
        rule: String,
        /// What the kind takes.
        takes: String,
    },
    /// A path that cannot be matched.
    #[error("read the fault `{rule}`: `@{target}` is not a path such as `@/rooms/*` or `@POST/rooms`")]
    Target {
        /// The whole rule.
        rule: String,
        /// What was taken for its path.
        target: String,
    },
    /// No such choice of calls.
    #[error(
        "read the fault `{rule}`: `:{when}` is none of `:10%`, `:every5`, `:first3`, `:only3`, `:from3`, `:each1`"
    )]
    When {
        /// The whole rule.
        rule: String,
        /// What was taken for its choice of calls.
        when: String,
    },
}

impl FromStr for Rule {
    type Err = NotAFault;

    fn from_str(text: &str) -> Result<Self, NotAFault> {
        let rule = text.trim();
        let (rest, when) = match rule.rsplit_once(':') {
            Some((rest, when)) => {
                let refused = || NotAFault::When { rule: rule.to_owned(), when: when.to_owned() };
                (rest, When::read(when).ok_or_else(refused)?)
            }
            None => (rule, When::Always),
        };
        let (rest, target) = match rest.split_once('@') {
            Some((rest, target)) => {
                let refused = || NotAFault::Target { rule: rule.to_owned(), target: target.to_owned() };
                (rest, Some(Target::read(target).ok_or_else(refused)?))
            }
            None => (rest, None),
        };
        let (name, number) = rest.split_once('=').map_or((rest, None), |(name, text)| (name, Some(text)));
        let Some(kind) = KINDS.iter().find(|kind| kind.name == name) else {
            return Err(NotAFault::Kind { rule: rule.to_owned(), kind: name.to_owned() });
        };
        let argument =
            argument(kind, number).map_err(|takes| NotAFault::Argument { rule: rule.to_owned(), takes })?;
        Ok(Self { kind, argument, target, when })
    }
}

fn argument(kind: &Kind, number: Option<&str>) -> Result<u64, String> {
    let name = kind.name;
    let Some(argument) = &kind.argument else {
        return if number.is_none() { Ok(0) } else { Err(format!("`{name}` takes no number")) };
    };
    let (least, most) = argument.bounds;
    let given = match number {
        Some(text) => whole(text).filter(|number| (least..=most).contains(number)),
        None => argument.default,
    };
    given.ok_or_else(|| {
        format!("`{name}` takes a whole number from {least} to {most}, as in `{name}={least}`")
    })
}

/// Digits only: no sign, no space.
fn whole(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl When {
    fn read(text: &str) -> Option<Self> {
        if let Some(share) = text.strip_suffix('%') {
            let plain = share.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let share: f64 = share.parse().ok().filter(|_| plain)?;
            return (share > 0.0 && share <= 100.0).then_some(Self::Share(share));
        }
        let (word, number) = text.split_at(text.find(|c: char| c.is_ascii_digit())?);
        let number = whole(number).filter(|number| *number > 0)?;
        Some(match word {
            "every" => Self::Every(number),
            "first" => Self::First(number),
            "only" => Self::Only(number),
            "from" => Self::From(number),
            "each" => Self::Each(number),
            _ => return None,
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name)?;
        if self.kind.argument.is_some() {
            write!(f, "={}", self.argument)?;
        }
        if let Some(target) = &self.target {
            write!(f, "@{target}")?;
        }
        match self.when {
            When::Always => Ok(()),
            When::Share(share) => write!(f, ":{share}%"),
            When::Every(number) => write!(f, ":every{number}"),
            When::First(number) => write!(f, ":first{number}"),
            When::Only(number) => write!(f, ":only{number}"),
            When::From(number) => write!(f, ":from{number}"),
            When::Each(number) => write!(f, ":each{number}"),
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rule({self})")
    }
}

fn names() -> String {
    KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_to_its_last_character() {
        for (text, told) in [
            ("reset-after:10%", "reset-after:10%"),
            (" 500:0.5% ", "500:0.5%"),
            ("429", "429=1"),
            ("429=7:every5", "429=7:every5"),
            ("status=425@POST/rooms:first3", "status=425@POST/rooms:first3"),
            ("slow-drip=0@/rooms/*:only2", "slow-drip=0@/rooms/*:only2"),
            ("no-answer@DELETE/live-streams/**:from20", "no-answer@DELETE/live-streams/**:from20"),
            ("close-before:each1", "close-before:each1"),
        ] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), told, "{text}");
            assert_eq!(told.parse::<Rule>().unwrap().to_string(), told);
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", "there is no kind ``"),
            ("429-sometimes:5%", "there is no kind `429-sometimes`"),
            ("Reset-after", "there is no kind `Reset-after`"),
            ("500=3", "`500` takes no number"),
            ("500=", "`500` takes no number"),
            ("429=", "`429` takes a whole number from 0 to 1000000000"),
            ("429=+1", "`429` takes a whole number"),
            ("429=1.5", "`429` takes a whole number"),
            ("status", "`status` takes a whole number from 400 to 599, as in `status=400`"),
            ("status=200", "`status` takes a whole number from 400 to 599"),
            ("500@rooms", "`@rooms` is not a path"),
            ("500@post/rooms", "`@post/rooms` is not a path"),
            ("500@", "`@` is not a path"),
            ("500@/**/rooms", "`@/**/rooms` is not a path"),
            ("500:", "`:` is none of"),
            ("500:0%", "`:0%` is none of"),
            ("500:101%", "`:101%` is none of"),
            ("500:NaN%", "`:NaN%` is none of"),
            ("500:1e1%", "`:1e1%` is none of"),
            ("500:5", "`:5` is none of"),
            ("500:every", "`:every` is none of"),
            ("500:every0", "`:every0` is none of"),
            ("500:every-1", "`:every-1` is none of"),
            ("500:first1x", "`:first1x` is none of"),
            ("500:sometimes1", "`:sometimes1` is none of"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("read the fault `{text}`: ")), "{error}");
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
