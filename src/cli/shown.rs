//! Options and their values as others may see them: on a page that is passed on, and in a line of a log.
//!
//! What was typed is no secret by the ways of the program, and people type secrets all the same. It knows options by
//! name, and no run.

use std::fmt::Write as _;

use crate::ledger::printable;

use super::destination::is_secret;
use super::preview::quoted;

/// What stands in place of a value.
pub(super) const NOT_SHOWN: &str = "(not shown)";

/// Options that give something a value, behind the first of these characters.
const ASSIGN: [(&str, char); 5] =
    [("header", ':'), ("headers", ':'), ("map", '='), ("set", '='), ("param", '=')];

/// Options whose text may hold a constant.
const PROGRAMS: [&str; 3] = ["body", "batch-props", "batch-as"];

/// For whom it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Who has typed it, or reads the log of that.
    Log,
    /// Whoever is given the page.
    Page,
}

/// The value of an option, by the long name of that.
pub(super) fn value(option: &str, text: &str, reader: Reader) -> String {
    if option == "webhook" && reader == Reader::Page {
        return origin(text);
    }
    let shown = if hides(option, text, reader) { hidden(option, text) } else { without_secrets(text) };
    shown.lines().map(printable).collect::<Vec<_>>().join("\n")
}

fn hides(option: &str, text: &str, reader: Reader) -> bool {
    // What such an option sets may be the API's secret under any name, and others need not know the value.
    let is_constant = ["header", "headers", "set"].contains(&option);
    let may_hold_one = ASSIGN.iter().any(|(name, _)| *name == option) || PROGRAMS.contains(&option);
    (is_constant && reader == Reader::Page) || (may_hold_one && sounds_secret(text))
}

fn sounds_secret(text: &str) -> bool {
    is_secret(text) || text.to_ascii_lowercase().contains("credential")
}

fn hidden(option: &str, text: &str) -> String {
    let mark = ASSIGN.iter().find(|(name, _)| *name == option).map(|(_, mark)| *mark);
    match mark.and_then(|mark| text.split_once(mark).map(|(name, _)| (name, mark))) {
        // Several headers stand in one text.
        Some((name, ':')) if option == "header" => format!("{}: {NOT_SHOWN}", name.trim()),
        Some((name, mark)) if option != "headers" => format!("{name}{mark}{NOT_SHOWN}"),
        _ => NOT_SHOWN.to_owned(),
    }
}

/// Where a URL leads, without the path that only those know who may post there.
fn origin(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return NOT_SHOWN.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rsplit('@').next().unwrap_or_default();
    let more = if rest[end..].len() > 1 { format!("/{NOT_SHOWN}") } else { String::new() };
    printable(&format!("{scheme}://{host}{more}")).into_owned()
}

/// Words of a command line, to be pasted.
pub(super) fn command_line(words: impl Iterator<Item = String>, reader: Reader) -> String {
    let mut option = None;
    let shown = words.map(|word| {
        if let Some(option) = option.take() {
            return value(option, &word, reader);
        }
        let Some(name) = word.strip_prefix("--") else { return value("", &word, reader) };
        let (name, given) = name.split_once('=').map_or((name, None), |(name, given)| (name, Some(given)));
        let known = ["webhook"].into_iter().chain(ASSIGN.map(|(name, _)| name)).chain(PROGRAMS);
        match (known.into_iter().find(|known| *known == name), given) {
            (Some(known), Some(given)) => format!("--{known}={}", value(known, given, reader)),
            (known, None) => {
                option = known;
                word
            }
            (None, Some(_)) => value("", &word, reader),
        }
    });
    shown.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

/// A text without user names, passwords and secret parameters of the URLs in it.
fn without_secrets(text: &str) -> String {
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once("://") {
        let end = behind.find(['/', '?', '#', ' ', ',', '"', '\'']).unwrap_or(behind.len());
        let host = behind[..end].rfind('@').unwrap_or(0);
        let _ = write!(shown, "{before}://{}", if host > 0 { "…" } else { "" });
        shown.push_str(&behind[host..end]);
        rest = &behind[end..];
    }
    shown.push_str(rest);
    without_parameters(&shown)
}

fn without_parameters(text: &str) -> String {
    let Some((path, query)) = text.split_once('?') else { return text.to_owned() };
    let parameter = |text: &str| match text.split_once('=') {
        Some((name, value)) if names_secret(name) && !value.starts_with('{') => format!("{name}={NOT_SHOWN}"),
        _ => text.to_owned(),
    };
    format!("{path}?{}", query.split('&').map(parameter).collect::<Vec<_>>().join("&"))
}

fn names_secret(parameter: &str) -> bool {
    is_secret(parameter)
        || ["key", "sig", "signature", "auth"].iter().any(|name| parameter.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_that_may_be_a_secret_is_shown() {
        // Option, value; as a log has it, as the page has it.
        for (option, text, log, page) in [
            ("proxy", "http://user:hush@h:1/x", "http://…@h:1/x", "http://…@h:1/x"),
            ("url", "https://h/a@b", "https://h/a@b", "https://h/a@b"),
            ("url", "http://a:hush@h, http://b:hush@g", "http://…@h, http://…@g", "http://…@h, http://…@g"),
            (
                "url",
                "https://h/x?a=1&api_key=hush",
                "https://h/x?a=1&api_key=(not shown)",
                "https://h/x?a=1&api_key=(not shown)",
            ),
            ("url", "/x?token={token}", "/x?token={token}", "/x?token={token}"),
            ("header", "X-Source: crm", "X-Source: crm", "X-Source: (not shown)"),
            ("header", "X-Api-Key: hush", "X-Api-Key: (not shown)", "X-Api-Key: (not shown)"),
            ("headers", "A:b,X-Api-Key:hush", "(not shown)", "(not shown)"),
            ("set", "region=eu", "region=eu", "region=(not shown)"),
            (
                "set",
                "upload.credentials={\"key\":\"hush\"}",
                "upload.credentials=(not shown)",
                "upload.credentials=(not shown)",
            ),
            ("map", "name=.title", "name=.title", "name=.title"),
            ("map", "a.secret=\"hush\"", "a.secret=(not shown)", "a.secret=(not shown)"),
            ("body", "{password: \"hush\"}", "(not shown)", "(not shown)"),
            ("webhook", "https://h:1/T0/hush", "https://h:1/T0/hush", "https://h:1/(not shown)"),
            ("webhook", "https://u:p@h/", "https://…@h/", "https://h"),
            ("where", ".token != null", ".token != null", ".token != null"),
            ("where", ".a\n| .b\u{202e}\x1b", ".a\n| .b\\u202e\\u001b", ".a\n| .b\\u202e\\u001b"),
        ] {
            assert_eq!(value(option, text, Reader::Log), log, "{option} {text}");
            assert_eq!(value(option, text, Reader::Page), page, "{option} {text}");
        }
    }

    #[test]
    fn a_command_line_is_shown_word_by_word() {
        let words =
            ["roompipe", "run", "a b.csv", "--set", "a.secret=hush", "--set=b=c", "--header", "X-T: hush"];
        let shown = |reader| command_line(words.into_iter().map(str::to_owned), reader);
        assert_eq!(
            shown(Reader::Log),
            "roompipe run 'a b.csv' --set 'a.secret=(not shown)' --set=b=c --header 'X-T: hush'"
        );
        assert_eq!(
            shown(Reader::Page),
            "roompipe run 'a b.csv' --set 'a.secret=(not shown)' '--set=b=(not shown)' --header 'X-T: (not shown)'"
        );
        assert_eq!(command_line(["--set".to_owned()].into_iter(), Reader::Page), "--set");
    }
}
