//! The end of an output file that is there already: where a run goes on writing, beside other runs and behind what a
//! killed one has left.
//!
//! It knows lines and who else has the file open, not which file it is.

use std::fs::{File, TryLockError};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::thread;
use std::time::Duration;

use serde::de::IgnoredAny;

use super::FileMode;

/// How often, and after which rest, a lock is tried that another run holds only as long as it looks at the last line.
const TRIES: usize = if cfg!(unix) { 20 } else { 0 };
const REST: Duration = Duration::from_millis(10);

/// Makes a file ready for writing as its mode says, and says to other runs that it is in use.
pub(super) fn prepare(file: &mut File, mode: FileMode) -> io::Result<()> {
    if !file.metadata()?.is_file() {
        return Ok(());
    }
    let is_alone = is_alone(file);
    if !is_alone {
        // Who is alone now may be cutting the last line.
        share(file);
    }
    match mode {
        FileMode::New => {}
        FileMode::Replace => file.set_len(0)?,
        FileMode::Continue if is_alone => cut_torn_line(file)?,
        FileMode::Append | FileMode::Continue => end_last_line(file)?,
    }
    if is_alone {
        share(file);
    }
    Ok(())
}

/// True where no other run has the file open, and none can begin with it before [`share`]. Locks are advice that runs
/// give each other; where a file system has none, nobody is known to be alone.
#[cfg(unix)]
fn is_alone(file: &File) -> bool {
    file.try_lock().is_ok()
}

/// Locks keep the one who has them from writing there.
#[cfg(not(unix))]
fn is_alone(_: &File) -> bool {
    true
}

/// Says to other runs that the file is in use, as long as it is open. Where somebody keeps it locked for good (such as
/// `flock FILE roompipe …`), that says it, too.
fn share(file: &File) {
    for _ in 0..TRIES {
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => thread::sleep(REST),
            Ok(()) | Err(TryLockError::Error(_)) => return,
        }
    }
}

/// Goes to the end of the file, and ends its last line where that is not ended.
fn end_last_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// Goes to the end of the last line; what stands behind it goes, unless it is an event that lacks only its end.
fn cut_torn_line(file: &mut File) -> io::Result<()> {
    let len = file.metadata()?.len();
    let end = end_of_last_line(file, len)?;
    if is_object(file, end)? {
        return end_last_line(file);
    }
    file.set_len(end)?;
    file.seek(SeekFrom::End(0))?;
    Ok(())
}

/// True where the rest of a file is one JSON object. It is not kept in memory.
fn is_object(file: &mut File, start: u64) -> io::Result<bool> {
    file.seek(SeekFrom::Start(start))?;
    let mut first = [0];
    if file.read(&mut first)? == 0 || first != *b"{" {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(start))?;
    Ok(serde_json::from_reader::<_, IgnoredAny>(BufReader::new(&*file)).is_ok())
}

/// Where the last whole line of a file ends, looked for from behind.
fn end_of_last_line(file: &mut File, len: u64) -> io::Result<u64> {
    let mut piece = [0; 64 * 1024];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(piece.len() as u64);
        file.seek(SeekFrom::Start(start))?;
        let piece = &mut piece[..usize::try_from(end - start).unwrap_or_default()];
        file.read_exact(piece)?;
        if let Some(at) = memchr::memrchr(b'\n', piece) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Claims;
    use super::*;

    #[test]
    fn a_torn_last_line_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let long = "x".repeat(200_000);
        for (before, kept) in [
            (String::new(), String::new()),
            ("a\n".to_owned(), "a\n".to_owned()),
            ("a\nb".to_owned(), "a\n".to_owned()),
            ("torn".to_owned(), String::new()),
            (format!("a\n{long}"), "a\n".to_owned()),
            (format!("{long}\n{long}"), format!("{long}\n")),
            (long.clone(), String::new()),
            ("a\n{\"b\":1".to_owned(), "a\n".to_owned()),
            // Whole but for its end, and whole with too much behind it.
            ("a\n{\"b\":1}".to_owned(), "a\n{\"b\":1}\n".to_owned()),
            (format!("{{\"b\":\"{long}\"}}"), format!("{{\"b\":\"{long}\"}}\n")),
            ("a\n{\"b\":1}{".to_owned(), "a\n".to_owned()),
        ] {
            fs::write(&path, &before).unwrap();
            let mut file = Claims::default().claim(&path, FileMode::Continue).unwrap().begin().unwrap();
            file.write_all(b"new\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{kept}new\n"));
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_line_that_another_run_may_be_writing_is_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let open = |mode| Claims::default().claim(&path, mode).unwrap().begin().unwrap();
        for mode in [FileMode::New, FileMode::Append, FileMode::Continue, FileMode::Replace] {
            fs::write(&path, "").unwrap();
            let mut one = open(mode);
            one.write_all(b"one\nhalf").unwrap();
            let mut other = open(FileMode::Continue);
            other.write_all(b"other\n").unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text, "one\nhalf\nother\n", "{mode:?}");
            if mode != FileMode::Replace {
                // Neither writes over what the other wrote.
                one.write_all(b"again\n").unwrap();
                assert_eq!(fs::read_to_string(&path).unwrap(), format!("{text}again\n"), "{mode:?}");
            }
            drop((one, other));
            fs::write(&path, "one\nhalf").unwrap();
            drop(open(FileMode::Continue));
            assert_eq!(fs::read_to_string(&path).unwrap(), "one\n", "{mode:?}");
        }
    }
}
