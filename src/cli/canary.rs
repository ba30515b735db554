//! Asks on the terminal whether a run may go on after its first calls.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};

use crate::pipeline::Consent;

use super::log;

/// Where there is a terminal to ask on: stdin is the input, and stdout the output.
pub(super) fn consent() -> Option<Consent> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
    Some(Box::new(move |said: &str| {
        let mut answer = String::new();
        let _no_bar = log::without_bar();
        // In the line of what was drawn of the bar.
        let asked = write!(&terminal, "\r\x1b[2Kcanary: {said}. Go on with the rest? [y/N] ");
        let told = asked.and_then(|()| BufReader::new(&terminal).read_line(&mut answer));
        told.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }))
}
