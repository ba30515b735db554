//! The file for events that a webhook did not take and that nothing else keeps. It is made when the first of them comes.
//!
//! It knows lines, and no webhook.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::output::{Claim, Sink};

/// See the module.
#[derive(Debug)]
pub struct Spill {
    path: PathBuf,
    /// Open already, where the file was named.
    claim: Option<Claim>,
    file: Option<File>,
    /// Takes what the file does not.
    fallback: Option<Sink>,
    trouble: Option<String>,
    lines: u64,
}

impl Spill {
    /// A file that is opened already, or one to be made; lines that it does not take go to `fallback`.
    #[must_use]
    pub fn new(path: PathBuf, claim: Option<Claim>, fallback: Option<Sink>) -> Self {
        Self { path, claim, file: None, fallback, trouble: None, lines: 0 }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// How many lines the file has been given.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Why lines went elsewhere.
    pub(super) fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Writes a line; false where the file does not take it. Then it goes to `fallback`, unless it `is_kept` elsewhere.
    pub(super) async fn write(&mut self, line: &Bytes, is_kept: bool) -> bool {
        let Err(error) = self.try_write(line) else {
            self.lines += 1;
            return true;
        };
        if self.trouble.is_none() {
            let place = if is_kept { "stays in the ledger" } else { "is on stderr" };
            let path = self.path.display();
            self.trouble =
                Some(format!("cannot write `{path}`: {error}; what the webhook did not take {place}"));
        }
        if let Some(fallback) = self.fallback.as_ref().filter(|_| !is_kept) {
            fallback.send(line.clone(), None).await;
        }
        false
    }

    fn try_write(&mut self, line: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(match self.claim.take() {
                Some(claim) => claim.begin().map_err(io::Error::other)?,
                None => OpenOptions::new().append(true).create(true).open(&self.path)?,
            }),
        };
        let before = file.metadata().map(|metadata| metadata.len());
        file.write_all(line).inspect_err(|_| {
            // Half a line would spoil the next one. What cannot be cut off is no file.
            if let Ok(len) = before {
                let _ = file.set_len(len);
            }
        })
    }
}
