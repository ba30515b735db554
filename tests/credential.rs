//! Named credentials: what `credential` stores, shows, forgets and checks, and who may read the file.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use support::{ACCESS_KEY, Emulator, Program, Ran, Reply, SECRET, Server};
use tempfile::TempDir;

const HUSH: &str = "hush-hush-secret==";

/// A user's home, for several commands.
struct Home(Arc<TempDir>);

impl Home {
    fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    fn program(&self, line: &str) -> Program {
        let config = self.0.path().join("config");
        Program::new("").within(&self.0).env("XDG_CONFIG_HOME", config.to_str().unwrap()).line(line)
    }

    fn add(&self, name: &str, text: &str) -> Ran {
        self.program("credential add").arg(name).stdin(text).run()
    }

    /// With the demo workspace's key under `demo`.
    fn with_demo() -> Self {
        let home = Self::new();
        home.add("demo", &format!("{ACCESS_KEY}\n{SECRET}\n")).exits(0);
        home
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("config/roompipe/credentials.toml")
    }

    fn names(&self) -> Vec<String> {
        let ran = self.program("credential list --format json").run().exits(0);
        let list: Value = ran.text().parse().unwrap();
        list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
    }

    fn check(&self, name: &str, emulator: &Emulator) -> Ran {
        self.program("credential check").arg(name).line("--base-url").arg(&emulator.base_url).run()
    }
}

/// A management token of the demo workspace, good from and until so many seconds from now.
fn token(from: i64, until: i64) -> String {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let (begin, end) = (now + from, now + until);
    let claims = json!({
        "access_key": ACCESS_KEY, "type": "management", "version": 2, "jti": "j", "iat": begin, "nbf": begin, "exp": end
    });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

#[test]
fn what_is_added_is_listed_without_its_secret_and_can_be_removed() {
    let home = Home::new();
    let ready = token(-60, 600);
    let lines = format!("export HMS_ACCESS_KEY=abcdef0123456789\nexport HMS_SECRET={HUSH}\nexport X=y\n");
    for (name, text) in [
        ("prod", format!("0123456789abcdef\n{HUSH}\n")),
        ("ci.1", ready.clone()),
        ("eu", lines),
        ("opaque", "HMS_MANAGEMENT_TOKEN=hush-hush".to_owned()),
    ] {
        let ran = home.add(name, &text).exits(0).says(&format!("credential `{name}`"));
        assert!(ran.text().is_empty() && !ran.stderr.contains("hush"), "{}", ran.stderr);
        assert!(!ran.stderr.contains(&ready), "{}", ran.stderr);
    }
    let list = home.program("credential list --format json").run().exits(0);
    let expected = json!([
        {"name": "ci.1", "kind": "token", "access_key": "65a1b2…"},
        {"name": "eu", "kind": "key", "access_key": "abcdef…"},
        {"name": "opaque", "kind": "token", "access_key": null},
        {"name": "prod", "kind": "key", "access_key": "012345…"},
    ]);
    assert_eq!(list.text().parse::<Value>().unwrap(), expected);
    let list = home.program("credential list").run().exits(0);
    assert_eq!(
        list.text(),
        "ci.1    token  65a1b2…\neu      key    abcdef…\nopaque  token  -\nprod    key    012345…\n"
    );
    home.program("credential remove eu").run().exits(0).says("`eu`");
    assert_eq!(home.names(), ["ci.1", "opaque", "prod"]);
    home.program("credential remove eu").run().exits(78).says("no credential is named `eu`");
}

#[test]
fn nothing_stored_is_said_and_no_failure() {
    let home = Home::new();
    let ran = home.program("credential list").run().exits(0).says("credential add");
    assert_eq!(ran.text(), "");
    assert_eq!(home.names(), [""; 0]);
    assert!(!home.file().parent().unwrap().exists(), "who only looks leaves nothing");
}

#[test]
fn a_name_that_is_there_is_replaced_only_where_that_is_said() {
    let home = Home::with_demo();
    home.add("demo", "fresh\nsecret\n").exits(78).says("already named `demo`").says("--replace");
    let kept = fs::read_to_string(home.file()).unwrap();
    assert!(kept.contains(ACCESS_KEY) && !kept.contains("fresh"));
    home.program("credential add demo --replace").stdin("fresh\nsecret\n").run().exits(0).says("replaced");
    let kept = fs::read_to_string(home.file()).unwrap();
    assert!(!kept.contains(ACCESS_KEY) && kept.contains("fresh"));
}

#[test]
fn what_is_no_credential_is_refused_and_not_repeated() {
    let home = Home::new();
    for (text, says) in [
        ("", "no credential"),
        (HUSH, "one line"),
        ("k\nhush hush\n", "white space"),
        ("hush==\nk\n", "`=`"),
        ("HMS_SECRET=hush", "HMS_ACCESS_KEY"),
        ("a\nb\nhush", "more than two lines"),
    ] {
        let ran = home.add("x", text).exits(78).says(says);
        assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);
    }
    home.program("credential add x").stdin([0xff, 0xfe]).run().exits(78);
    let ran = home.program("credential add x hush-hush").run().exits(2).says("argument");
    assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);
    for name in ["a/b", "..", "a b", ""] {
        home.program("credential add").arg(name).stdin("k\ns\n").run().exits(2);
    }
    assert!(!home.file().exists());
}

#[test]
fn an_unknown_name_is_78_with_the_nearest_one() {
    let home = Home::with_demo();
    home.add("prod", "k\ns").exits(0);
    for words in [
        "run create-room --credential prdo",
        "credential check prdo",
        "credential remove prdo",
        "token management --credential prdo",
    ] {
        home.program(words).stdin("{}").run().exits(78).says("`prdo`").says("did you mean `prod`?");
    }
    home.program("run create-room --credential nothing-like-it").stdin("{}").run().exits(78).says("list");
    // What cannot be a name may be a secret in the wrong place.
    let ran = home.program("run create-room --credential").arg("hush==").stdin("{}").run().exits(78);
    assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);
}

#[test]
fn a_file_that_is_broken_is_told_by_its_place_only() {
    let home = Home::with_demo();
    let whole = fs::read_to_string(home.file()).unwrap();
    for (line, column) in [("secret = hush-hush", 10), ("hush-hush", 10), ("sceret = 'hush-hush'", 1)] {
        let text = format!("{whole}\n[other]\naccess_key = 'k'\n{line}\n");
        fs::write(home.file(), &text).unwrap();
        let place = format!("credentials.toml`, line {}, column {column}: ", text.lines().count());
        for words in ["credential list", "credential remove demo", "run create-room --credential demo"] {
            let ran = home.program(words).stdin("{}").run().exits(78).says(&place);
            assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);
        }
        home.add("new", "k\ns").exits(78);
        assert_eq!(fs::read_to_string(home.file()).unwrap(), text, "it is left as it is");
    }
}

#[test]
fn the_specified_folder_holds_the_file() {
    // Without XDG_CONFIG_HOME, and with one that the specification has ignored.
    for config in ["", "relative/path"] {
        let program = Program::new("credential").line("add a").env("XDG_CONFIG_HOME", config).stdin("k\ns\n");
        let ran = program.run().exits(0);
        assert!(ran.path(".config/roompipe/credentials.toml").is_file(), "{config:?}");
    }
}

#[cfg(unix)]
mod modes {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn mode(path: &std::path::Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set(path: &std::path::Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_the_user_can_read_what_is_stored() {
        let home = Home::new();
        // Also where the shell would let everybody.
        let add = |name: &str| home.program("credential add").behind("umask 0000").arg(name).stdin("k\ns\n");
        for name in ["a", "b"] {
            add(name).run().exits(0);
            assert_eq!(mode(&home.file()), 0o600);
            assert_eq!(mode(home.file().parent().unwrap()), 0o700);
        }
        let names = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), mode(&entry.path()));
        let mut left: Vec<_> =
            fs::read_dir(home.file().parent().unwrap()).unwrap().map(|entry| names(entry.unwrap())).collect();
        left.sort();
        let expected = [("credentials.toml".to_owned(), 0o600), ("credentials.toml.lock".to_owned(), 0o600)];
        assert_eq!(left, expected, "and nothing else is left");
    }

    #[test]
    fn a_file_that_others_can_read_or_write_is_refused_with_the_remedy() {
        let home = Home::with_demo();
        let remedy = format!("chmod 600 {}", home.file().display());
        for mode in [0o644, 0o640, 0o620, 0o602, 0o604, 0o601] {
            set(&home.file(), mode);
            for words in ["credential list", "credential remove demo", "run create-room --credential demo"] {
                let ran = home.program(words).stdin("{}").run().exits(78).says(&remedy);
                assert!(ran.stderr.contains(&format!("mode {mode:04o}")), "{}", ran.stderr);
            }
            home.add("new", "k\ns").exits(78).says(&remedy);
        }
        set(&home.file(), 0o600);
        assert_eq!(home.names(), ["demo"]);
        set(&home.file(), 0o400);
        assert_eq!(home.names(), ["demo"]);
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let home = Home::with_demo();
        // Only root can give a file away.
        if chown(home.file(), Some(12_345), None).is_ok() {
            home.program("credential list").run().exits(78).says("another user");
            home.add("new", "k\ns").exits(78).says("another user");
        }
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let home = Home::new();
        fs::create_dir_all(home.file()).unwrap();
        home.program("credential list").run().exits(78).says("not a file");
        fs::remove_dir(home.file()).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(home.file()).status().unwrap().success());
        home.program("credential list").run().exits(78).says("not a file");
    }

    #[test]
    fn a_link_stays_a_link() {
        let home = Home::with_demo();
        let elsewhere = home.0.path().join("elsewhere.toml");
        fs::rename(home.file(), &elsewhere).unwrap();
        symlink(&elsewhere, home.file()).unwrap();
        home.add("new", "k\ns").exits(0);
        assert!(fs::symlink_metadata(home.file()).unwrap().is_symlink());
        assert!(fs::read_to_string(&elsewhere).unwrap().contains("new"));
        assert_eq!((home.names(), mode(&elsewhere)), (vec!["demo".to_owned(), "new".to_owned()], 0o600));
    }
}

#[test]
fn of_many_who_add_at_once_none_is_lost() {
    let home = Home::new();
    let mut names: Vec<String> = (0..24).map(|n| format!("n{n}")).collect();
    let start = |name: &String| {
        let mut running = home.program("credential add").arg(name).start();
        running.write(format!("key-{name}\ns\n").as_bytes());
        running
    };
    let running: Vec<_> = names.iter().map(start).collect();
    for one in running {
        one.finish().exits(0);
    }
    names.sort();
    assert_eq!(home.names(), names);
}

#[test]
fn check_says_that_a_credential_is_taken() {
    let emulator = Emulator::start();
    let home = Home::with_demo();
    home.add("ready", &token(-60, 600)).exits(0);
    for name in ["demo", "ready"] {
        let ran = home.check(name, &emulator).exits(0);
        assert!(ran.text().starts_with(&format!("{name}: valid\n")) && ran.text().contains("65a1b2…"));
        assert!(ran.text().contains("agrees") && !ran.text().contains("corrected"), "{}", ran.text());
        assert!(!ran.text().contains(SECRET) && ran.stderr.is_empty(), "{}", ran.stderr);
    }
    let calls = support::got(&emulator.journal());
    assert_eq!(calls, ["GET /v2/rooms", "GET /v2/rooms"], "one read each");
    let json = home.program("credential check demo --format json --base-url").arg(&emulator.base_url);
    let said: Value = json.run().exits(0).text().parse().unwrap();
    let expected = json!({"name": "demo", "result": "valid", "access_key": "65a1b2…", "base_url": emulator.base_url, "status": 200, "clock_ahead_s": said["clock_ahead_s"], "message": null});
    assert_eq!(said, expected);
}

#[test]
fn check_without_a_name_is_about_the_environment() {
    let emulator = Emulator::start();
    let home = Home::with_demo();
    let check = || home.program("credential check").env("ROOMPIPE_BASE_URL", &emulator.base_url);
    let ran = check().with_key().run().exits(0);
    assert!(ran.text().starts_with("the credential of the environment: valid"), "{}", ran.text());
    let named = check().env("ROOMPIPE_CREDENTIAL", "demo").env("HMS_ACCESS_KEY", "k").env("HMS_SECRET", "s");
    assert!(named.run().exits(0).text().starts_with("demo: valid"));
    check().run().exits(78).says("no credentials");
    check().env("HMS_ACCESS_KEY", "k").run().exits(78).says("HMS_SECRET");
}

#[test]
fn check_says_that_a_credential_is_refused_and_why() {
    let emulator = Emulator::start();
    let home = Home::with_demo();
    home.add("wrong", &format!("{ACCESS_KEY}\n{HUSH}")).exits(0);
    home.add("other", &format!("another\n{SECRET}")).exits(0);
    home.add("old", &token(-7200, -3600)).exits(0);
    home.add("early", &token(3600, 7200)).exits(0);
    home.add("opaque", "HMS_MANAGEMENT_TOKEN=hush").exits(0);
    for (name, says) in [
        ("wrong", "belong together"),
        ("other", "belong together"),
        ("old", "expired 36"),
        ("early", "valid in 3"),
        ("opaque", "is it whole"),
    ] {
        let ran = home.check(name, &emulator).exits(77).says(says).says("401");
        assert!(ran.text().starts_with(&format!("{name}: refused\n")), "{}", ran.text());
        assert!(!format!("{}{}", ran.text(), ran.stderr).contains("hush"), "{}", ran.stderr);
    }
    let server = Server::answering(vec![Reply::json(403, &json!({"code": 403, "message": "no permission"}))]);
    let check = home.program("credential check demo --base-url").arg(format!("{}/v2", server.origin()));
    check.run().exits(77).says("no permission").says("may it list rooms?");
    assert_eq!(server.received()[0].path, "/v2/rooms?limit=10");
}

#[test]
fn check_says_how_far_the_clock_is_off() {
    let home = Home::with_demo();
    for (offset, word) in [(300, "behind"), (-300, "ahead of")] {
        let emulator = Emulator::with(&format!("--clock-offset {offset}"));
        let ran = home.check("demo", &emulator).exits(0);
        let line = ran.text().lines().find(|line| line.contains("clock")).unwrap().to_owned();
        assert!(line.contains(word) && line.contains("tokens are corrected"), "{line}");
        let seconds: i64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!((298..=302).contains(&seconds), "{line}");
        let json = home.program("credential check demo --format json --base-url").arg(&emulator.base_url);
        let said: Value = json.run().exits(0).text().parse().unwrap();
        assert!((said["clock_ahead_s"].as_i64().unwrap() + offset).abs() <= 2, "{said}");
    }
}

#[test]
fn check_tells_no_answer_from_one_that_says_nothing() {
    let home = Home::with_demo();
    let check =
        |base_url: &str| home.program("credential check demo --timeout 2s --base-url").arg(base_url).run();
    let ran = check("http://127.0.0.1:1/v2").exits(75).says("no answer");
    assert!(ran.text().starts_with("demo: unreachable\n"), "{}", ran.text());
    let down = Reply::json(503, &json!({"code": 503, "message": "down"}));
    for (reply, code, says) in [
        (Reply::json(404, &json!({"message": "no such page"})), 78, "base URL"),
        (Reply::json(302, &json!({})).header("Location", "https://example.com"), 78, "base URL"),
        (Reply::text(200, "<html>log in</html>"), 78, "base URL"),
        (down, 75, "later"),
        (Reply::json(429, &json!({})).header("Retry-After", "3600"), 75, "wait until"),
        (Reply::json(407, &json!({})), 78, "proxy"),
    ] {
        let server = Server::answering(vec![reply.clone()]);
        let ran = check(&format!("{}/v2", server.origin())).exits(code).says(says);
        assert!(ran.text().starts_with("demo: unclear\n"), "{reply:?}: {}", ran.text());
    }
    check("http://api.example.com/v2").exits(78).says("plain http");
    check("nonsense").exits(78).says("base URL");
}

#[test]
fn check_with_the_emulator_is_about_its_demo_key() {
    let home = Home::with_demo();
    let ran = home.program("credential check --emulator").env("HMS_ACCESS_KEY", "half").run().exits(0);
    assert!(ran.text().starts_with("the emulator's demo key: valid\n"), "{}", ran.text());
    home.program("credential check demo --emulator").run().exits(2).says("demo key");
    home.program("credential check --emulator --base-url http://127.0.0.1:1/v2").run().exits(2);
}

#[test]
fn each_help_fits_a_screen_and_says_what_is_read() {
    for (words, says) in [
        ("credential --help", "check"),
        ("credential add --help", "HMS_MANAGEMENT_TOKEN"),
        ("credential list --help", "--format"),
        ("credential check --help", "77"),
    ] {
        let ran = Program::new("").line(words).run().exits(0);
        assert!(ran.text().contains(says) && ran.text().lines().count() <= 40, "{}", ran.text());
    }
}
