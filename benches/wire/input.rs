//! The records that both send: a file of JSON lines, each at once a record and the body of its call.

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
    pub(crate) fn write(folder: &Path, records: u64) -> Result<Self> {
        let path = folder.join(format!("rooms-{records}.jsonl"));
        let mut file = BufWriter::new(File::create_new(&path)?);
        let mut body_bytes = 0;
        for number in 1..=records {
            let line = format!(
                r#"{{"name":"room-{number:07}","description":"Weekly planning of team {number}","region":"eu","size":10}}"#
            );
            body_bytes += line.len() as u64;
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
