//! The records that are sent: a file of JSON lines.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::Result;

/// A file of records, removed when dropped.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    pub(crate) records: u64,
    /// Of all bodies together.
    pub(crate) body_bytes: u64,
}

impl Input {
    /// Each record is the body of its call, byte for byte.
    pub(crate) fn rooms(folder: &Path, records: u64) -> Result<Self> {
        Self::write(folder.join(format!("rooms-{records}.jsonl")), records, |number| {
            let line = format!(
                r#"{{"name":"room-{number:07}","description":"Weekly planning of team {number}","region":"eu","size":10}}"#
            );
            let body = line.len();
            (line, body)
        })
    }

    /// Messages to a thousand rooms: those to one room wait for each other.
    pub(crate) fn messages(folder: &Path, records: u64) -> Result<Self> {
        Self::write(folder.join(format!("messages-{records}.jsonl")), records, |number| {
            let body = format!(r#"{{"message":"Good morning, team {number}","type":"chat"}}"#);
            let room = number % 1000;
            (format!(r#"{{"room_id":"65a1b2c3d4e5f60718{room:06}",{}"#, &body[1..]), body.len())
        })
    }

    /// A table with keys. Of so many rows one in each stretch is `changed`; the columns may come in another order.
    pub(crate) fn table(folder: &Path, records: u64, changed: u64, reordered: bool) -> Result<Self> {
        let path = folder.join(format!("table-{records}-{changed}-{reordered}.csv"));
        let mut file = BufWriter::new(File::create_new(&path)?);
        let stretch = records.checked_div(changed).unwrap_or(u64::MAX);
        writeln!(file, "{}", if reordered { "size,region,name,id" } else { "id,name,region,size" })?;
        for number in 0..records {
            let is_changed = number % stretch == stretch - 1 && number / stretch < changed;
            let (name, size) = (format!("room-{number:07}"), if is_changed { 20 } else { 10 });
            match reordered {
                true => writeln!(file, "{size},eu,{name},{number}")?,
                false => writeln!(file, "{number},{name},eu,{size}")?,
            }
        }
        file.flush()?;
        Ok(Self { path, records, body_bytes: 0 })
    }

    /// `line` gives each record's line and the bytes of its call's body.
    fn write(path: PathBuf, records: u64, line: impl Fn(u64) -> (String, usize)) -> Result<Self> {
        let mut file = BufWriter::new(File::create_new(&path)?);
        let mut body_bytes = 0;
        for number in 1..=records {
            let (line, body) = line(number);
            body_bytes += body as u64;
            writeln!(file, "{line}")?;
        }
        file.flush()?;
        Ok(Self { path, records, body_bytes })
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // The folder goes as a whole in any case.
        let _ = fs::remove_file(&self.path);
    }
}
