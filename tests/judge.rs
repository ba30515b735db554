//! The judges themselves: what others wrote is there in the locked versions, and can be used.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;

use serde_json::Value;
use support::{judge, repository};

#[test]
fn the_judges_are_those_that_are_locked() {
    let Some(printed) = judge::verdict("versions.mjs", &[], &[], "") else { return };
    let found: Value = printed.parse().unwrap();
    let manifest = fs::read_to_string(repository("tests/judge/package.json")).unwrap();
    let manifest: Value = manifest.parse().unwrap();
    assert_eq!(found, manifest["dependencies"]);
}

#[test]
fn the_lock_names_no_registry() {
    let lock = fs::read_to_string(repository("tests/judge/package-lock.json")).unwrap();
    let lock: Value = lock.parse().unwrap();
    for (name, package) in lock["packages"].as_object().unwrap().iter().filter(|(name, _)| !name.is_empty()) {
        assert!(package["resolved"].is_null(), "{name} says where it comes from");
        assert!(package["integrity"].is_string(), "{name} has no checksum");
    }
}
