//! A value that several programs look at: as it is where that will do, and made a jq value once where one needs it.
//!
//! It knows no program.

use std::cell::OnceCell;

use serde_json::{Map, Value};

use super::shortcut::is_true;
use super::value::{from_json, from_json_owned, from_map, to_json};
use super::{Program, Root, Val, truthy};

/// What programs look at.
#[derive(Debug)]
pub struct View<'v> {
    root: Root<'v>,
    whole: OnceCell<Val>,
}

impl<'v> View<'v> {
    /// Of a value or of the members of one.
    #[must_use]
    pub fn new(root: Root<'v>) -> Self {
        Self { root, whole: OnceCell::new() }
    }

    /// Of a value.
    #[must_use]
    pub fn of(value: &'v Value) -> Self {
        Self::new(Root::Value(value))
    }

    /// The same as a jq value.
    fn whole(&self) -> Val {
        let make = || match self.root {
            Root::Value(value) => from_json(value),
            Root::Object(members) => from_map(members.clone()),
            Root::Members(members) => {
                let members = members.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone()));
                from_json_owned(Value::Object(members.collect::<Map<_, _>>()))
            }
        };
        self.whole.get_or_init(make).clone()
    }

    /// The first output of a program.
    #[must_use]
    pub fn first(&self, program: &Program) -> Option<Result<Value, String>> {
        match program.quick(self.root) {
            Some(output) => output.map(|output| Ok(output.into_owned())),
            None => program.run(self.whole()).next().map(|output| output.and_then(|output| to_json(&output))),
        }
    }

    /// Whether the first output of a program counts as true; nothing where there is none.
    #[must_use]
    pub fn is_true(&self, program: &Program) -> Option<Result<bool, String>> {
        match program.quick(self.root) {
            Some(output) => output.map(|output| Ok(is_true(&output))),
            None => program.run(self.whole()).next().map(|output| Ok(truthy(&output?))),
        }
    }

    /// Whether the only output of a program counts as true.
    ///
    /// # Errors
    /// The program's error, or that it had no output or several.
    pub fn is_only_true(&self, program: &Program) -> Result<bool, String> {
        match program.quick(self.root) {
            Some(Some(output)) => Ok(is_true(&output)),
            _ => Ok(truthy(&program.run_one(self.whole())?)),
        }
    }
}
