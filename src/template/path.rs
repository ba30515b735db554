//! A path with placeholders, each a whole segment.
//!
//! It never sees a value of a record; encoding values and refusing `..` is the mapping's part. Whole segments only:
//! two values side by side could add up to what neither is alone.

use std::fmt;

/// The path of an endpoint, such as `/rooms/{room_id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    pieces: Vec<Piece>,
}

/// One segment of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A segment as it is.
    Literal(String),
    /// A segment that a parameter fills.
    Parameter(String),
}

impl PathPattern {
    /// Reads a path as it is written in a template.
    ///
    /// # Errors
    /// What is wrong with the path.
    pub fn parse(path: &str) -> Result<Self, String> {
        let rest = path.strip_prefix('/').ok_or("a path begins with `/`")?;
        let pieces = rest.split('/').map(Self::piece).collect::<Result<Vec<_>, _>>()?;
        let pattern = Self { pieces };
        for (index, name) in pattern.parameters().enumerate() {
            if pattern.parameters().take(index).any(|earlier| earlier == name) {
                return Err(format!("the placeholder `{{{name}}}` is there twice"));
            }
        }
        Ok(pattern)
    }

    fn piece(segment: &str) -> Result<Piece, String> {
        if let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let valid =
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            return if valid {
                Ok(Piece::Parameter(name.to_owned()))
            } else {
                Err(format!("`{name}` is no name"))
            };
        }
        if segment.contains(['{', '}']) {
            return Err(format!("a placeholder is a whole segment, unlike `{segment}`"));
        }
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if segment.is_empty() || segment == "." || segment == ".." || !segment.bytes().all(unreserved) {
            return Err(format!("`{segment}` is no segment of a path"));
        }
        Ok(Piece::Literal(segment.to_owned()))
    }

    /// The segments in order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The names of the placeholders in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Parameter(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// If `path` is one of this pattern's: each placeholder with its segment, still percent-encoded.
    #[must_use]
    pub fn captures<'a>(&'a self, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let mut captured = Vec::new();
        for piece in &self.pieces {
            match (piece, segments.next()?) {
                (Piece::Literal(literal), segment) if literal == segment => {}
                (Piece::Parameter(name), segment) if !segment.is_empty() => {
                    captured.push((name.as_str(), segment))
                }
                _ => return None,
            }
        }
        segments.next().is_none().then_some(captured)
    }

    /// How many segments are fixed: where two patterns fit one path, the one with more is meant.
    pub(super) fn literals(&self) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, Piece::Literal(_))).count()
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Literal(literal) => write!(f, "/{literal}"),
            Piece::Parameter(name) => write!(f, "/{{{name}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_show_what_was_read_and_know_their_paths() {
        let pattern = PathPattern::parse("/templates/{template_id}/roles/{role_name}").unwrap();
        assert_eq!(pattern.to_string(), "/templates/{template_id}/roles/{role_name}");
        assert_eq!(pattern.parameters().collect::<Vec<_>>(), ["template_id", "role_name"]);
        let captured = pattern.captures("/templates/a/roles/co%20host%2F").unwrap();
        assert_eq!(captured, [("template_id", "a"), ("role_name", "co%20host%2F")]);
        for other in [
            "/templates/a/roles",
            "/templates/a/roles/",
            "/templates/a/roles/b/c",
            "/x/a/roles/b",
            "templates",
        ] {
            assert_eq!(pattern.captures(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in [
            "",
            "rooms",
            "/rooms/",
            "//a",
            "/a/../b",
            "/a?b",
            "/a#b",
            "/{a}{b}",
            "/{a}.json",
            "/{",
            "/{}",
            "/{a}/{a}",
            "/a b",
        ] {
            assert!(PathPattern::parse(path).is_err(), "{path}");
        }
    }
}
