//! Call by call: what the SDK puts on the wire and what the program does for the same data, both as an emulator's journal
//! has them. Differences are named with their reason in `calls.json`; any other is a failure, and so is a named one that
//! is none.
//!
//! The outcome is `docs/sdk.md`, which is compared, and written anew under `UPDATE_EXAMPLES=1`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use super::judged;
use super::support::{ACCESS_KEY, Emulator, repository};

/// The page that tells users of the SDK what is the same and what is not.
const PAGE: &str = "docs/sdk.md";

/// Methods of the SDK that put nothing on the wire.
const MAKES_NO_CALL: [&str; 3] = ["setLogLevel", "auth.getManagementToken", "auth.getAuthToken"];

/// One row of the table: a call of the SDK, an endpoint of ours, and the data for both.
struct Row {
    call: String,
    arguments: Value,
    endpoint: String,
    record: Value,
    why: Option<String>,
}

fn rows() -> Vec<Row> {
    let table = fs::read_to_string(repository("tests/sdk/calls.json")).unwrap();
    let table: Vec<Value> = serde_json::from_str(&table).unwrap();
    let text = |row: &Value, member: &str| row[member].as_str().unwrap().to_owned();
    let row = |row: &Value| Row {
        call: text(row, "call"),
        arguments: row["arguments"].clone(),
        endpoint: text(row, "endpoint"),
        record: row["record"].clone(),
        why: row["why"].as_str().map(str::to_owned),
    };
    table.iter().map(row).collect()
}

/// A request as it is compared: a query's parameters have no order, a body's members neither.
fn request(call: &Value) -> String {
    let mut query: Vec<&str> = call["query"].as_str().unwrap().split('&').collect();
    query.sort_unstable();
    let (query, path) = (query.join("&"), call["path"].as_str().unwrap());
    let mark = if query.is_empty() { "" } else { "?" };
    let mut shown = format!("{} {path}{mark}{query}", call["method"].as_str().unwrap());
    if call["body"] != Value::Null {
        write!(shown, " {}", sorted(&call["body"])).unwrap();
    }
    shown
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<&String, Value> =
                members.iter().map(|(name, value)| (name, sorted(value))).collect();
            json!(members)
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// The one request of a journal. What a call is answered does not matter here, but that it had the same token does.
fn only(journal: &[Value], who: &str) -> String {
    assert_eq!(journal.len(), 1, "{who} made {journal:?}");
    let token = &journal[0]["token"];
    let expected = json!({"valid": true, "type": "management", "access_key": ACCESS_KEY, "version": 2});
    for (claim, value) in expected.as_object().unwrap() {
        assert_eq!(&token[claim], value, "{who}: {claim}");
    }
    assert_eq!(token["jti"].as_str().map(str::len), Some(36), "{who}: {token}");
    request(&journal[0])
}

#[test]
fn the_sdk_and_the_program_make_the_same_requests() {
    let rows = rows();
    let calls: Vec<Value> =
        rows.iter().map(|row| json!({"call": row.call, "arguments": row.arguments})).collect();
    let Some(told) = judged("sdk-calls.mjs", &Emulator::start(), &json!(calls)) else { return };
    let compared_methods: BTreeSet<&str> = rows.iter().map(|row| row.call.as_str()).collect();
    let methods = told["methods"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let missed: Vec<&str> =
        methods.filter(|name| !compared_methods.contains(name) && !MAKES_NO_CALL.contains(name)).collect();
    assert!(missed.is_empty(), "methods that are not compared: {missed:?}");
    let emulator = Emulator::start();
    let (mut failures, mut compared) = (Vec::new(), Vec::new());
    for (row, told) in rows.iter().zip(told["told"].as_array().unwrap()) {
        emulator.forget();
        emulator.run(&format!("{} --retry never", row.endpoint)).stdin(row.record.to_string()).run();
        let theirs = only(told["requests"].as_array().unwrap(), &row.call);
        let ours = only(&emulator.journal(), &row.endpoint);
        match &row.why {
            None if theirs != ours => failures.push(format!("{}:\n  {theirs}\n  {ours}", row.call)),
            Some(why) if theirs == ours => failures.push(format!("{}: no difference: {why}", row.call)),
            _ => {}
        }
        compared.push((row, theirs, ours));
    }
    assert!(failures.is_empty(), "other requests than the SDK's:\n{}", failures.join("\n"));
    told_to_users(&page(&compared));
}

/// What the page says.
fn page(compared: &[(&Row, String, String)]) -> String {
    let mut page = fs::read_to_string(repository("tests/sdk/page.md")).unwrap();
    let mut calls: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for (row, ..) in compared {
        *calls.entry((&row.call, &row.endpoint)).or_default() += u32::from(row.why.is_some());
    }
    page.push_str("\n## Call by call\n\n| the SDK | roompipe | request |\n| --- | --- | --- |\n");
    for ((call, endpoint), differences) in &calls {
        let request = if *differences == 0 { "the same" } else { "[differs](#where-they-differ)" };
        writeln!(page, "| `{call}` | `{endpoint}` | {request} |").unwrap();
    }
    page.push_str("\n## Where they differ\n");
    for (row, theirs, ours) in compared {
        let Some(why) = &row.why else { continue };
        let capital = why[..1].to_uppercase() + &why[1..];
        write!(
            page,
            "\n- `{}`: {capital}.\n\n  ```text\n  SDK      {theirs}\n  roompipe {ours}\n  ```\n",
            row.call
        )
        .unwrap();
    }
    page
}

fn told_to_users(page: &str) {
    let place = repository(PAGE);
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        fs::write(&place, page).unwrap();
    }
    let there = fs::read_to_string(&place).unwrap_or_default();
    assert_eq!(there, page, "{PAGE} is not what was found; UPDATE_EXAMPLES=1 writes it anew");
}
