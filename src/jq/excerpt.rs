//! Where in a text something is: line and column, and the line with the piece underlined.
//!
//! It knows neither jq nor TOML; errors of both point with it.

use std::ops::Range;

/// Line and column of a byte offset, both from 1; columns count characters.
pub(crate) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..floor(text, offset)];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

/// The line of `range` and a second line that underlines as much of `range` as is on it; both indented by two.
pub(crate) fn underlined(text: &str, range: Range<usize>) -> String {
    let from = floor(text, range.start);
    let (before, after) = text.split_at(from);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = after.find('\n').map_or(text.len(), |newline| from + newline);
    let to = floor(text, range.end.clamp(from, line_end));
    let line = text[start..line_end].trim_end().replace('\t', " ");
    let carets = text[from..to].chars().count().max(1);
    format!("  {line}\n  {}{}", " ".repeat(text[start..from].chars().count()), "^".repeat(carets))
}

fn floor(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_piece_is_underlined_on_its_line() {
        let text = "ab\n\té = 'x\ny'\n";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, text.find('=').unwrap()), (2, 4));
        assert_eq!(position(text, 999), (4, 1));
        let quote = text.find('\'').unwrap();
        assert_eq!(underlined(text, quote..text.len()), "   é = 'x\n       ^^");
        assert_eq!(underlined("", 0..0), "  \n  ^");
    }
}
