//! Colours, and JSON for people, on a stdout that may be a terminal.
//!
//! Whether there are colours is asked once, by the rules everybody follows (`NO_COLOR`, `CLICOLOR_FORCE`, a terminal).
//! What is painted is made fit for a terminal first.

use std::fmt::Display;
use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde_json::Value;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use crate::ledger::printable;

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hue {
    /// Where something stands, what it is.
    Title,
    /// The name of something.
    Name,
    /// What is said beside.
    Quiet,
    /// What is well.
    Good,
    /// What must be seen.
    Warn,
    /// What is wrong.
    Bad,
}

impl Hue {
    fn style(self) -> Style {
        match self {
            Self::Title => Style::new().bold(),
            Self::Name => AnsiColor::Cyan.on_default(),
            Self::Quiet => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default().bold(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    colours: bool,
}

impl Paint {
    /// As stdout wants it.
    pub(super) fn of_stdout() -> Self {
        Self { colours: AutoStream::choice(&io::stdout()) != ColorChoice::Never }
    }

    /// The text in its colour. Control characters are escaped.
    pub(super) fn text(self, hue: Hue, text: impl Display) -> String {
        let text = text.to_string();
        let text = printable(&text);
        if !self.colours || text.is_empty() {
            return text.into_owned();
        }
        let style = hue.style();
        format!("{style}{text}{style:#}")
    }

    /// JSON over several lines, its names in colour.
    pub(super) fn json(self, value: &Value, out: &mut Vec<u8>) {
        let names = Names { pretty: PrettyFormatter::new(), paint: self };
        // Writing into memory cannot fail, and a value always has a text.
        let _ = serde::Serialize::serialize(value, &mut Serializer::with_formatter(&mut *out, names));
        out.push(b'\n');
    }
}

/// Pretty JSON with coloured names of members and nothing that a terminal would act on.
struct Names<'a> {
    pretty: PrettyFormatter<'a>,
    paint: Paint,
}

impl Formatter for Names<'_> {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.pretty.begin_object_key(writer, first)?;
        match self.paint.colours {
            true => write!(writer, "{}", Hue::Name.style()),
            false => Ok(()),
        }
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.paint.colours {
            true => write!(writer, "{:#}", Hue::Name.style()),
            false => Ok(()),
        }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(writer)
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        writer.write_all(printable(text).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_for_people_is_still_the_same_json() {
        let value = json!({"a\u{9b}": ["\u{1b}[31m\u{202e}", {}, [], 1.50, null], "b": {"c": "é\n"}});
        for colours in [false, true] {
            let mut out = Vec::new();
            Paint { colours }.json(&value, &mut out);
            let text = String::from_utf8(out).unwrap();
            let plain = anstream::adapter::strip_str(&text).to_string();
            assert!(!plain.chars().any(|c| c.is_control() && c != '\n'), "{plain:?}");
            assert_eq!(serde_json::from_str::<Value>(&plain).unwrap(), value);
            assert_eq!(text != plain, colours);
        }
    }

    #[test]
    fn a_text_brings_no_colours_of_its_own() {
        let paint = Paint { colours: false };
        assert_eq!(paint.text(Hue::Bad, "\u{1b}[31mred"), r"\u001b[31mred");
        let painted = Paint { colours: true }.text(Hue::Bad, "red");
        assert!(painted.starts_with('\u{1b}') && painted.contains("red"), "{painted:?}");
    }
}
