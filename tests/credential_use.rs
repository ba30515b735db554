//! With whose authority calls are made: `--credential`, the variables beside it, and systemd's folder of credentials.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use support::{ACCESS_KEY, Emulator, Program, Reply, SECRET, Server};
use tempfile::TempDir;

const RECORD: &str = "{\"name\":\"a\"}\n";
const HUSH: &str = "hush-hush-secret==";

/// A folder in which `demo` is the demo workspace's key and `other` that of another workspace.
fn home() -> Arc<TempDir> {
    let home = Arc::new(tempfile::tempdir().unwrap());
    let folder = home.path().join(".config/roompipe");
    fs::create_dir_all(&folder).unwrap();
    let add = |name: &str, key: &str, secret: &str| {
        let program = Program::new("credential").within(&home).arg("add").arg(name);
        program.stdin(format!("{key}\n{secret}")).run().exits(0);
    };
    add("demo", ACCESS_KEY, SECRET);
    add("other", "other-key", HUSH);
    home
}

/// The command `run` in that folder against this base URL.
fn run(home: &Arc<TempDir>, base_url: &str, line: &str) -> Program {
    let program = Program::new("run").within(home).line(line).stdin(RECORD);
    if base_url.is_empty() { program } else { program.env("ROOMPIPE_BASE_URL", base_url) }
}

/// The access key that a token claims.
fn claimed(token: &str) -> String {
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap();
    claims["access_key"].as_str().unwrap().to_owned()
}

/// The access key of the one call of this run; the server must have had no other.
fn used(prepare: impl FnOnce(Program) -> Program) -> String {
    let server = Server::answering(vec![Reply::ok()]);
    let program = run(&home(), &format!("{}/v2", server.origin()), "create-room");
    let ran = prepare(program).run().exits(0);
    assert!(!ran.stderr.contains(HUSH) && !ran.text().contains(HUSH), "{}", ran.stderr);
    let [request] = &server.received()[..] else { panic!("one request") };
    claimed(request.token())
}

#[test]
fn the_api_sees_the_credential_that_is_named() {
    let emulator = Emulator::start();
    let home = home();
    run(&home, &emulator.base_url, "create-room --credential demo").run().exits(0);
    run(&home, &emulator.base_url, "create-room --credential other").run().exits(77);
    let journal = emulator.journal();
    let keys: Vec<&Value> = journal.iter().map(|call| &call["token"]["access_key"]).collect();
    assert_eq!(keys, [ACCESS_KEY, "other-key", "other-key"], "{journal:?}");
    assert_eq!(journal[0]["token"]["valid"], true);
}

#[test]
fn what_names_a_credential_goes_before_what_is_one() {
    assert_eq!(used(Program::with_key), ACCESS_KEY);
    assert_eq!(used(|program| program.with_key().line("--credential other")), "other-key");
    assert_eq!(used(|program| program.with_key().env("ROOMPIPE_CREDENTIAL", "other")), "other-key");
    assert_eq!(
        used(|program| program.env("ROOMPIPE_CREDENTIAL", "other").line("--credential demo")),
        ACCESS_KEY
    );
    assert_eq!(used(|program| program.with_key().env("ROOMPIPE_CREDENTIAL", "")), ACCESS_KEY);
    // A ready token, too, gives way.
    let ready =
        |program: Program| program.env("HMS_MANAGEMENT_TOKEN_FILE", "missing").line("--credential demo");
    assert_eq!(used(ready), ACCESS_KEY);
}

#[test]
fn verbose_says_which_credential_is_used_and_which_is_not() {
    let emulator = Emulator::start();
    let home = home();
    let verbose = || run(&home, &emulator.base_url, "create-room -v --credential demo");
    verbose().with_key().run().exits(0).says("credential `demo` is used, and not HMS_ACCESS_KEY");
    let ran = verbose().run().exits(0).says("credential `demo` is used");
    assert!(!ran.stderr.contains("HMS_"), "{}", ran.stderr);
}

#[test]
fn the_emulator_takes_its_demo_key_only() {
    let home = home();
    run(&home, "", "create-room --emulator --credential other").run().exits(2).says("demo key");
    let both = run(&home, "", "create-room --credential other").env("ROOMPIPE_EMULATOR", "1");
    both.run().exits(2).says("ROOMPIPE_EMULATOR");
    // In the environment it is for the runs that need one.
    run(&home, "", "create-room --emulator").env("ROOMPIPE_CREDENTIAL", "nobody").run().exits(0);
}

#[test]
fn another_origin_gets_a_token_only_where_a_flag_names_it() {
    let home = home();
    let authorization = |prepare: fn(Program) -> Program, code: i32| {
        let server = Server::answering(vec![Reply::ok()]);
        let url = format!("{}/things", server.origin());
        let program = run(&home, "https://api.example.com/v2", "--url").arg(url);
        prepare(program.with_key()).run().exits(code);
        let received = server.received();
        let values = received.iter().flat_map(|request| &request.headers);
        let values = values.filter(|(name, _)| name == "authorization").map(|(_, value)| value.clone());
        (received.len(), values.collect::<Vec<_>>())
    };
    let (calls, values) = authorization(|program| program.line("--credential other"), 0);
    let [value] = &values[..] else { panic!("one authorization") };
    assert_eq!((calls, claimed(value.strip_prefix("Bearer ").unwrap()).as_str()), (1, "other-key"));
    assert_eq!(authorization(|program| program, 0), (1, vec![]));
    // A variable may be set for 100ms, and long ago.
    assert_eq!(authorization(|program| program.env("ROOMPIPE_CREDENTIAL", "other"), 0), (1, vec![]));
    // Two that say it.
    let two = |program: Program| {
        program.line("--credential other").env("ROOMPIPE_HEADERS", "Authorization: Basic eDp5")
    };
    assert_eq!(authorization(two, 78), (0, vec![]));
}

#[test]
fn another_origin_gets_no_token_in_plain_http() {
    let home = home();
    let ran = run(&home, "", "--credential other --url http://things.example.com/x").run().exits(78);
    ran.says("plain http").says("things.example.com");
}

#[test]
fn preview_shows_where_a_credential_goes_and_needs_none() {
    let preview = |line: &str| {
        let program = Program::new("preview").line("--url https://things.example.com/x --as json").line(line);
        program.stdin(RECORD).run().exits(0).events()[0]["headers"].clone()
    };
    assert_eq!(preview("--credential nobody")["Authorization"], "Bearer <token>");
    assert_eq!(preview("").get("Authorization"), None);
}

#[test]
fn a_ledger_belongs_to_the_workspace_of_the_credential() {
    let emulator = Emulator::start();
    let home = home();
    let line = |name: &str| format!("create-room --key name --ledger l --credential {name}");
    run(&home, &emulator.base_url, &line("demo")).run().exits(0);
    run(&home, &emulator.base_url, &line("other")).run().exits(78).says("other-key");
    let ran = run(&home, &emulator.base_url, "create-room --key name --ledger l").with_key().run().exits(0);
    assert_eq!(ran.count("skipped"), 1, "the same workspace, however it is named");
}

#[test]
fn a_replay_takes_a_credential_too() {
    let emulator = Emulator::start();
    let home = home();
    let refused = run(&home, &emulator.base_url, "create-room --dead-letters dead.jsonl");
    refused.line("--credential other").run().exits(77);
    let replay = |line: &str| {
        let program = Program::new("replay").within(&home).line("dead.jsonl").line(line);
        program.env("ROOMPIPE_BASE_URL", &emulator.base_url).run()
    };
    for line in ["--credential demo", "create-room --credential demo"] {
        assert_eq!(replay(line).exits(0).count("delivered"), 1, "{line}");
    }
    replay("").exits(78).says("no credentials");
}

#[test]
fn a_recorded_request_chooses_no_origin_for_a_credential() {
    let home = home();
    let server = Server::answering(vec![Reply::json(500, &json!({}))]);
    let url = format!("{}/things", server.origin());
    let first =
        run(&home, "", "--dead-letters dead.jsonl --max-attempts 1 --effect idempotent --url").arg(&url);
    first.line("--credential other").run().exits(1);
    let replay = Program::new("replay").within(&home).line("dead.jsonl --credential other");
    let ran = replay.run().exits(1);
    assert_eq!((ran.count("invalid"), server.received().len()), (1, 1), "{}", ran.stderr);
    // Where the base URL is that origin, it is the user who says so.
    let replay = Program::new("replay").within(&home).line("dead.jsonl --credential other --max-attempts 1");
    replay.env("ROOMPIPE_BASE_URL", &server.origin()).run().exits(1);
    assert_eq!(claimed(server.received()[1].token()), "other-key");
}

#[test]
fn tokens_are_minted_with_a_named_key() {
    let home = home();
    let token = |line: &str| Program::new("token").within(&home).line(line);
    let minted = token("management --credential other").with_key().run().exits(0);
    assert_eq!(claimed(minted.text().trim()), "other-key");
    let minted = token("app --room-id r --role host").env("ROOMPIPE_CREDENTIAL", "demo").run().exits(0);
    assert_eq!(claimed(minted.text().trim()), ACCESS_KEY);
    let seen = token("inspect --credential demo").stdin(minted.text()).run().exits(0);
    assert!(seen.text().contains("\"signature\": \"valid\""), "{}", seen.text());
}

/// The folder that systemd would make, with these files.
fn folder_of_credentials(home: &Arc<TempDir>, files: &[(&str, &str)]) -> PathBuf {
    let folder = home.path().join("credentials");
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    folder
}

#[test]
fn a_unit_of_systemd_has_its_credentials_in_a_folder() {
    let emulator = Emulator::start();
    let home = home();
    let pair = format!("{ACCESS_KEY}\n");
    let folder = folder_of_credentials(&home, &[("hms_access_key", &pair), ("HMS_SECRET", SECRET)]);
    let start = |line: &str| {
        let program = run(&home, &emulator.base_url, line);
        program.env("CREDENTIALS_DIRECTORY", folder.to_str().unwrap())
    };
    start("create-room").run().exits(0);
    // Variables say more than the folder, and a name more than both.
    let ready = start("create-room").env("HMS_MANAGEMENT_TOKEN", "aaa.bbb.ccc");
    ready.run().exits(77);
    start("create-room --credential other").run().exits(77);
    let journal = emulator.journal();
    let keys: Vec<&Value> = journal.iter().map(|call| &call["token"]["access_key"]).collect();
    assert_eq!(keys, [&json!(ACCESS_KEY), &Value::Null, &json!("other-key"), &json!("other-key")]);
    fs::remove_file(folder.join("HMS_SECRET")).unwrap();
    start("create-room").run().exits(78).says("HMS_SECRET");
    fs::remove_dir_all(&folder).unwrap();
    start("create-room").run().exits(78).says("CREDENTIALS_DIRECTORY");
}

#[test]
fn a_token_in_the_folder_is_read_again_when_it_is_refused() {
    let home = home();
    let folder = folder_of_credentials(&home, &[("Hms_Management_Token", "old.old.old")]);
    let file = folder.join("Hms_Management_Token");
    let server = Server::start(move |request| {
        if request.token() == "old.old.old" {
            fs::write(&file, "new.new.new\n").unwrap();
            return Reply::json(401, &json!({"code": 401, "message": "Token validation error"}));
        }
        Reply::ok()
    });
    let program = run(&home, &format!("{}/v2", server.origin()), "create-room");
    program.env("CREDENTIALS_DIRECTORY", folder.to_str().unwrap()).run().exits(0);
    let received = server.received();
    let tokens: Vec<&str> = received.iter().map(support::Received::token).collect();
    assert_eq!(tokens, ["old.old.old", "new.new.new"]);
}

#[test]
fn a_destination_file_names_a_credential_below_variable_and_flag() {
    let with_file = |program: Program| {
        let text = "endpoint = \"create-room\"\ncredential = \"other\"\n";
        program.file("d.toml", text).line("d.toml")
    };
    let used = |prepare: fn(Program) -> Program| {
        let server = Server::answering(vec![Reply::ok()]);
        let program = with_file(run(&home(), &format!("{}/v2", server.origin()), ""));
        prepare(program.with_key()).run().exits(0);
        claimed(server.received()[0].token())
    };
    assert_eq!(used(|program| program), "other-key");
    assert_eq!(used(|program| program.env("ROOMPIPE_CREDENTIAL", "demo")), ACCESS_KEY);
    assert_eq!(used(|program| program.line("--credential demo")), ACCESS_KEY);
    assert_eq!(used(|program| program.env("ROOMPIPE_CREDENTIAL", "")), ACCESS_KEY, "that of HMS_ACCESS_KEY");
    // What a file or a variable names is no hindrance to a try with the demo workspace.
    with_file(run(&home(), "", "")).line("--emulator").run().exits(0);
    let file = "endpoint = \"create-room\"\nemulator = true\n";
    let program = || run(&home(), "", "d.toml").file("d.toml", file);
    program().env("ROOMPIPE_CREDENTIAL", "other").run().exits(0);
    program().line("--credential other").run().exits(2).says("demo key");
}

#[test]
fn a_destination_file_may_send_a_credential_to_another_origin() {
    let server = Server::answering(vec![Reply::ok()]);
    let file = format!("url = \"{}/things\"\ncredential = \"other\"\n", server.origin());
    let program = || run(&home(), "https://api.example.com/v2", "d.toml").file("d.toml", &file);
    program().run().exits(0);
    assert_eq!(claimed(server.received()[0].token()), "other-key");
    // Where the environment names one, it is not the file's any more; an empty one is none at all.
    for name in ["demo", ""] {
        program().with_key().env("ROOMPIPE_CREDENTIAL", name).run().exits(0);
        let last = server.received().pop().unwrap();
        assert!(last.headers.iter().all(|(name, _)| name != "authorization"), "{name:?}: {last:?}");
    }
}

#[test]
fn a_test_and_a_comparison_take_a_credential_too() {
    let used = |command: &str, record: &str| {
        let server = Server::answering(vec![Reply::json(200, &json!({"id": "r", "name": "a", "data": []}))]);
        let program = Program::new("").within(&home()).line(command).line("--credential other").with_key();
        let program = program.env("ROOMPIPE_BASE_URL", &format!("{}/v2", server.origin()));
        let ran = program.stdin(record).run();
        assert!([0, 1].contains(&ran.code), "{command}: {}", ran.stderr);
        let keys: Vec<String> = server.received().iter().map(|request| claimed(request.token())).collect();
        assert!(!keys.is_empty() && keys.iter().all(|key| key == "other-key"), "{command}: {keys:?}");
    };
    used("test create-room", RECORD);
    used("plan update-room --diff", "{\"room_id\":\"65a1b2c3d4e5f60718290020\",\"name\":\"b\"}\n");
}
