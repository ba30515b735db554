//! A credential that is typed: on a terminal of the test's own, which shows what a person would see.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use support::PATIENCE;

const WORDS: &str = "ROOMPIPE_TEST_WORDS";

/// Not a test: what [`Terminal::start`] starts, to become the program as the head of a session on that terminal.
#[test]
#[ignore = "started by the tests below"]
fn becomes_the_program_on_a_terminal() {
    let words = std::env::var(WORDS).expect("started by a test below");
    rustix::process::setsid().unwrap();
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).unwrap();
    let error = Command::new(env!("CARGO_BIN_EXE_roompipe")).args(words.split(' ')).env_remove(WORDS).exec();
    panic!("{error}");
}

/// A terminal with the program on it.
struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    shows: Option<JoinHandle<()>>,
    child: Child,
}

impl Terminal {
    fn start(home: &Path, words: &str) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let path = ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap();
        let no_control = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
        let line = OpenOptions::new().read(true).write(true).custom_flags(no_control).open(path).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "becomes_the_program_on_a_terminal", "--ignored", "--nocapture"]);
        command.env_clear().env("HOME", home).env(WORDS, words);
        command.stdin(line.try_clone().unwrap()).stdout(line.try_clone().unwrap()).stderr(line);
        let child = command.spawn().unwrap();
        // The command holds the line open, and the end of the program would not show.
        drop(command);
        let keyboard = File::from(keyboard);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut from, seen) = (keyboard.try_clone().unwrap(), Arc::clone(&screen));
        let shows = thread::spawn(move || {
            let mut bytes = [0; 512];
            // On Linux the end of the last one on the line is an error.
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                seen.lock().unwrap().extend_from_slice(&bytes[..read]);
            }
        });
        Self { keyboard, screen, shows: Some(shows), child }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        while !holds(self) {
            assert!(since.elapsed() < PATIENCE, "{what}; the screen shows: {}", self.shown());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for a prompt, and for whether what is typed is shown; then types.
    #[track_caller]
    fn answer(&mut self, prompt: &str, echo: bool, typed: &str) {
        self.until(prompt, |terminal| {
            let modes = tcgetattr(&terminal.keyboard).unwrap().local_modes;
            terminal.shown().contains(prompt) && modes.contains(LocalModes::ECHO) == echo
        });
        self.keyboard.write_all(typed.as_bytes()).unwrap();
    }

    /// Its exit code and all that was shown.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        let echo = tcgetattr(&self.keyboard).unwrap().local_modes.contains(LocalModes::ECHO);
        assert!(echo, "the terminal shows again what is typed");
        self.shows.take().unwrap().join().unwrap();
        (code, self.shown())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has ended, or the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const STORED: &str = ".config/roompipe/credentials.toml";

#[test]
fn a_secret_that_is_typed_is_not_shown() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(home.path(), "credential add prod");
    terminal.answer("Access key of `prod`", true, "0123456789abcdef\n");
    terminal.answer("Secret: ", false, "hush-hush==\n");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("0123456789abcdef") && shown.contains("stored: credential `prod`"), "{shown}");
    assert!(!shown.contains("hush"), "{shown}");
    let kept = fs::read_to_string(home.path().join(STORED)).unwrap();
    assert!(kept.contains("0123456789abcdef") && kept.contains("hush-hush=="), "{kept}");
}

#[test]
fn without_an_access_key_a_ready_token_is_typed() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(home.path(), "credential add ci");
    terminal.answer("Access key of `ci`", true, "\n");
    terminal.answer("Management token: ", false, "hush.hush.hush\n");
    let (code, shown) = terminal.end();
    assert!(code == Some(0) && !shown.contains("hush"), "{shown}");
    assert!(fs::read_to_string(home.path().join(STORED)).unwrap().contains("hush.hush.hush"));
}

#[test]
fn what_is_not_typed_to_its_end_is_not_stored() {
    // Nothing, the end of the input, and Ctrl-C.
    for (typed, expected) in [("\n", 78), ("\u{4}", 2), ("\u{3}", 75)] {
        let home = tempfile::tempdir().unwrap();
        let mut terminal = Terminal::start(home.path(), "credential add prod");
        terminal.answer("Access key", true, "0123456789abcdef\n");
        terminal.answer("Secret: ", false, typed);
        let (code, shown) = terminal.end();
        assert_eq!(code, Some(expected), "{shown}");
        assert!(!home.path().join(STORED).exists(), "{typed:?}");
    }
}

#[test]
fn a_name_that_is_taken_is_told_before_anything_is_typed() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(home.path(), "credential add prod");
    terminal.answer("Access key", true, "k\n");
    terminal.answer("Secret: ", false, "s\n");
    assert_eq!(terminal.end().0, Some(0));
    let (code, shown) = Terminal::start(home.path(), "credential add prod").end();
    assert!(
        code == Some(78) && shown.contains("already named") && !shown.contains("Access key of"),
        "{shown}"
    );
}
