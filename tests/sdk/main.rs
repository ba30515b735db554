//! The API's own SDK is the judge: of the emulator, which it must be able to work with, and of the requests, tokens and
//! errors of the program, which must be the SDK's own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(unreachable_pub, reason = "a test has no outside")]

mod errors;
mod requests;
#[path = "../support/mod.rs"]
mod support;
mod tokens;

use serde_json::Value;
use support::{ACCESS_KEY, Emulator, SECRET, judge};

/// What a script prints that works with the SDK on an emulator; nothing where the judge is skipped.
fn judged(script: &str, emulator: &Emulator, stdin: &Value) -> Option<Value> {
    let key = [("HMS_ACCESS_KEY", ACCESS_KEY), ("HMS_SECRET", SECRET)];
    judge::verdict(script, &[&emulator.base_url], &key, stdin.to_string()).map(|text| text.parse().unwrap())
}

#[test]
fn the_sdk_works_with_the_emulator_through_every_method_it_has() {
    let Some(told) = judged("sdk-tour.mjs", &Emulator::start(), &Value::Null) else { return };
    let methods = told["methods"].as_u64().unwrap();
    println!("the SDK works with the emulator: {} of its {methods} methods called", told["called"]);
    assert_eq!(told["missed"], Value::Array(Vec::new()), "methods nobody called");
    let readme = std::fs::read_to_string(support::repository("README.md")).unwrap();
    assert!(readme.contains(&format!("all {methods} public methods")), "the README names another number");
    assert!(methods >= 48, "only {methods} methods were found: is the reflection blind?");
}
