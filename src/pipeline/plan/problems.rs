//! What is wrong with records, gathered by cause: one line tells of a thousand rows with one mistake.
//!
//! The number of causes it tells apart is bounded; records may say anything.

use std::collections::HashMap;

use crate::mapping::Invalid;
use crate::record::Position;
use crate::template::Problem;

use super::report::{At, Kind};

/// Causes that are told apart.
const KINDS: usize = 100;

/// Places that are told of each.
pub(super) const PLACES: usize = 5;

/// What makes problems one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Cause {
    code: &'static str,
    field: Option<String>,
    rule: Option<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Problems {
    kinds: HashMap<Cause, Gathered>,
    others: u64,
}

#[derive(Debug)]
struct Gathered {
    kind: Kind,
    /// The record that was counted last: it counts once, however many of its calls are wrong.
    last: (u32, u64),
}

impl Problems {
    /// Gathers what is wrong with one call, or with a record; values of fields that are sensitive are not kept.
    pub(super) fn add(
        &mut self,
        position: &Position,
        invalid: &Invalid,
        is_sensitive: impl Fn(&str) -> bool,
    ) {
        if invalid.problems.is_empty() {
            let field = program(invalid);
            let cause = Cause { code: invalid.code, field, rule: None };
            return self.count(position, cause, || (None, invalid.message.clone(), invalid.hint.clone()));
        }
        for problem in &invalid.problems {
            let field = without_places(&problem.field);
            let hidden = is_sensitive(&field);
            let cause = Cause { code: invalid.code, field: Some(field), rule: Some(problem.rule.clone()) };
            self.count(position, cause, || {
                let shown = if hidden { Problem { value: None, ..problem.clone() } } else { problem.clone() };
                (shown.value.clone(), shown.to_string(), shown.hint)
            });
        }
    }

    fn count(
        &mut self,
        position: &Position,
        cause: Cause,
        told: impl FnOnce() -> (Option<String>, String, Option<String>),
    ) {
        let here = (position.input, position.number);
        if let Some(Gathered { kind, last }) = self.kinds.get_mut(&cause) {
            if *last != here {
                *last = here;
                kind.count += 1;
                if kind.first.len() < PLACES {
                    kind.first.push(At::of(position));
                }
            }
            return;
        }
        if self.kinds.len() == KINDS {
            self.others += 1;
            return;
        }
        let (example, message, hint) = told();
        let Cause { code, field, rule } = cause.clone();
        let first = vec![At::of(position)];
        let kind = Kind { code, field, rule, count: 1, first, example, message, hint };
        self.kinds.insert(cause, Gathered { kind, last: here });
    }

    /// The kinds, the most frequent first, and how many problems are of none of them.
    pub(super) fn end(self) -> (Vec<Kind>, u64) {
        let mut kinds: Vec<Kind> = self.kinds.into_values().map(|gathered| gathered.kind).collect();
        kinds.sort_by(|a, b| {
            let order = |kind: &Kind| (kind.first.first().map(|at| at.number), kind.field.clone());
            b.count.cmp(&a.count).then_with(|| order(a).cmp(&order(b))).then_with(|| a.rule.cmp(&b.rule))
        });
        (kinds, self.others)
    }
}

impl At {
    /// Where a record begins.
    pub(super) fn of(position: &Position) -> Self {
        Self { source: position.source.to_string(), line: position.line, number: position.number }
    }
}

/// The program that failed, which stands in backticks at the beginning of the message.
fn program(invalid: &Invalid) -> Option<String> {
    if invalid.code != "mapping" {
        return None;
    }
    invalid.message.strip_prefix('`')?.split('`').next().map(str::to_owned)
}

/// The field without its places in lists: `rtmp_urls[2]` and `rtmp_urls[7]` are one.
fn without_places(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some((before, behind)) = rest.split_once('[') {
        out.push_str(before);
        out.push('[');
        rest = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(number: u64) -> Position {
        Position { input: 0, source: "in.csv".into(), number, line: number + 1, byte: 0 }
    }

    fn field(field: &str, value: &str, rule: &str) -> Invalid {
        let value = Some(value.to_owned());
        let problem = Problem { field: field.to_owned(), value, rule: rule.to_owned(), hint: None };
        Invalid { code: "invalid_field", message: String::new(), hint: None, problems: vec![problem] }
    }

    fn plain(code: &'static str, message: &str) -> Invalid {
        Invalid { code, message: message.to_owned(), hint: None, problems: Vec::new() }
    }

    #[test]
    fn problems_of_one_cause_are_one_with_its_first_places() {
        let mut problems = Problems::default();
        let secret = |field: &str| field == "secret";
        for number in 1..=9 {
            problems.add(&position(number), &field(&format!("urls[{number}].a"), "7", "a URL"), secret);
        }
        // Two calls of one record.
        problems.add(&position(9), &field("urls[0].a", "7", "a URL"), secret);
        problems.add(&position(3), &field("urls[3].a", "7", "shorter"), secret);
        problems.add(&position(4), &field("secret", "\"hush\"", "longer"), secret);
        problems.add(&position(5), &plain("mapping", "`--map a=.b.c` cannot index 5"), secret);
        problems.add(&position(6), &plain("mapping", "`--map a=.b.c` cannot index 6"), secret);
        problems.add(&position(7), &plain("malformed_json", "`x` is unexpected"), secret);
        let (kinds, others) = problems.end();
        let told: Vec<_> = kinds
            .iter()
            .map(|kind| (kind.count, kind.field.as_deref(), kind.first.len(), kind.example.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                (9, Some("urls[].a"), 5, Some("7")),
                (2, Some("--map a=.b.c"), 2, None),
                (1, Some("urls[].a"), 1, Some("7")),
                (1, Some("secret"), 1, None),
                (1, None, 1, None),
            ]
        );
        assert_eq!(kinds[0].message, "`urls[1].a` must be a URL, it is 7");
        assert_eq!(kinds[3].message, "`secret` must be longer");
        assert_eq!((kinds[0].first[4].line, others), (6, 0));
    }

    #[test]
    fn however_many_causes_there_are_the_memory_stays() {
        let mut problems = Problems::default();
        for number in 0..1000 {
            problems.add(&position(number), &field(&format!("f{number}"), "1", "2"), |_| false);
        }
        let (kinds, others) = problems.end();
        assert_eq!((kinds.len(), others), (KINDS, 900));
    }
}
