//! One writer: a lock on a file beside the ledger, which says in words who holds it.
//!
//! It knows nothing of what is in the ledger. The lock is the system's (`flock`): it ends with the process that holds
//! it, however that ends. It is never on the ledger itself, where closing a second descriptor would take SQLite's own
//! locks away.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::connect::beside;

/// Somebody who only looks whether it is held holds it for a moment.
const MOMENT: Duration = Duration::from_millis(100);

/// What is read of the holder's words.
const LONGEST: u64 = 300;

/// The lock, until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

/// What came of trying.
#[derive(Debug)]
pub(super) enum Taken {
    /// It is ours.
    Ours(Lock),
    /// Somebody holds it, and says so in these words.
    Held(String),
}

/// The file that is locked.
fn file_of(ledger: &Path) -> PathBuf {
    beside(ledger, "-lock")
}

impl Lock {
    /// Takes the lock, or says at once who has it.
    pub(super) fn take(ledger: &Path) -> io::Result<Taken> {
        Self::take_within(MOMENT, ledger)
    }

    fn take_within(patience: Duration, ledger: &Path) -> io::Result<Taken> {
        let path = file_of(ledger);
        // Not emptied here: what stands in it may be the words of whoever holds it.
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if since.elapsed() < patience => {
                    std::thread::sleep(MOMENT / 20);
                }
                Err(TryLockError::WouldBlock) => return Ok(Taken::Held(words(&mut file))),
            }
        }
        file.set_len(0)?;
        file.write_all(format!("{}\n", ours()).as_bytes())?;
        Ok(Taken::Ours(Self { file }))
    }

    /// Who holds the lock, where somebody does.
    pub(super) fn holder(ledger: &Path) -> io::Result<Option<String>> {
        let mut file = match File::open(file_of(ledger)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(words(&mut file))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The words of a run that is over would only mislead. The file stays: whoever removes it could remove one that
        // somebody else has just locked.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

fn ours() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .map_or_else(|_| std::env::var("HOSTNAME").unwrap_or_default(), |name| name.trim().to_owned());
    let on = if host.is_empty() { String::new() } else { format!(" on {host}") };
    format!("process {}{on} since {:.0}", std::process::id(), Timestamp::now())
}

/// What the holder wrote, fit for a message whatever that is.
fn words(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.take(LONGEST).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default();
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    if read.is_err() || line.is_empty() { "another process".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(ledger: &Path) -> String {
        match Lock::take(ledger).unwrap() {
            Taken::Held(words) => words,
            Taken::Ours(_) => panic!("the lock is free"),
        }
    }

    fn ours(ledger: &Path) -> Lock {
        match Lock::take(ledger).unwrap() {
            Taken::Ours(lock) => lock,
            Taken::Held(words) => panic!("the lock is held by {words}"),
        }
    }

    #[test]
    fn a_lock_is_held_by_one_who_is_named_and_free_again_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("rooms.ledger");
        assert_eq!(Lock::holder(&ledger).unwrap(), None);
        let lock = ours(&ledger);
        let since = Instant::now();
        let words = held(&ledger);
        assert!(since.elapsed() < Duration::from_secs(1));
        assert!(words.starts_with(&format!("process {} ", std::process::id())), "{words}");
        let (_, time) = words.split_once(" since ").unwrap();
        assert!(time.parse::<Timestamp>().is_ok() && time.ends_with('Z'), "{words}");
        assert_eq!(Lock::holder(&ledger).unwrap(), Some(words));
        drop(lock);
        assert_eq!(Lock::holder(&ledger).unwrap(), None);
        drop(ours(&ledger));
    }

    #[test]
    fn whoever_only_looks_does_not_stop_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("rooms.ledger");
        drop(ours(&ledger));
        let looking = File::open(file_of(&ledger)).unwrap();
        looking.try_lock_shared().unwrap();
        let (begun, begins) = std::sync::mpsc::channel();
        let run = std::thread::spawn(move || {
            begun.send(()).unwrap();
            Lock::take_within(Duration::from_secs(30), &ledger).unwrap()
        });
        begins.recv().unwrap();
        drop(looking);
        assert!(matches!(run.join().unwrap(), Taken::Ours(_)));
    }

    #[test]
    fn hostile_words_are_no_more_than_words() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("rooms.ledger");
        let lock = ours(&ledger);
        std::fs::write(file_of(&ledger), b"\x1b[2Jme\x07\xff\nmore").unwrap();
        assert_eq!(held(&ledger), "[2Jme\u{fffd}");
        std::fs::write(file_of(&ledger), "").unwrap();
        assert_eq!(held(&ledger), "another process");
        drop(lock);
    }
}
