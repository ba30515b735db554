//! Plans, and how a test looks at them.

use serde_json::Value;

use super::{Program, Ran};

/// `roompipe plan …`.
pub fn plan(line: &str) -> Program {
    Program::new("plan").line(line)
}

/// The plan as JSON.
pub fn told(ran: &Ran) -> Value {
    ran.text().parse().unwrap()
}

/// The lines of places.
pub fn lines(first: &Value) -> Vec<u64> {
    first.as_array().unwrap().iter().map(|at| at["line"].as_u64().unwrap()).collect()
}

/// How often each repeated thing was met, under which spellings, on which lines.
pub fn repeated(value: &Value) -> Vec<(u64, Vec<&str>, Vec<u64>)> {
    let things = value["first"].as_array().unwrap().iter();
    things
        .map(|thing| {
            let first = thing["first"].as_array().unwrap().iter();
            let names = first.map(|seen| seen["value"].as_str().unwrap_or("-")).collect();
            (thing["times"].as_u64().unwrap(), names, lines(&thing["first"]))
        })
        .collect()
}

/// Holds a plan against what a run of the same command did.
pub fn counted(plan: &Value, run: &Ran) {
    let of = |name: &str| plan["records"][name].as_u64().unwrap();
    let expected = ["delivered", "invalid", "filtered", "skipped", "unknown"].map(|name| run.count(name));
    let names = ["to_send", "invalid", "filtered", "skipped", "unknown"];
    assert_eq!(names.map(of), expected, "{plan}\n{}", run.stderr);
    assert_eq!(plan["exit"], run.code);
    assert_eq!(plan["records"]["changed"].as_u64(), run.summary()["changed"].as_u64());
}
