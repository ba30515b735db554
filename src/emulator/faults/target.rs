//! Which calls a rule is about: a method, and a path segment by segment.
//!
//! It compares bytes as they are on the wire and knows no routes.

use std::fmt;

use axum::http::request::Parts;

/// A method and a path that calls are compared to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    method: Option<String>,
    segments: Vec<String>,
    open_ended: bool,
}

const ANY: &str = "*";
const REST: &str = "**";
/// Paths are written as the API's documentation has them.
const PREFIX: &str = "/v2/";

impl Target {
    /// Reads `POST/rooms`, `/rooms/*` or `/live-streams/**`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (method, path) = text.split_once('/')?;
        if !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let mut segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        let open_ended = segments.pop_if(|last| last == REST).is_some();
        if segments.iter().any(|segment| segment == REST) {
            return None;
        }
        let method = Some(method.to_owned()).filter(|method| !method.is_empty());
        Some(Self { method, segments, open_ended })
    }

    /// Whether this call is meant.
    pub(super) fn is(&self, request: &Parts) -> bool {
        if self.method.as_ref().is_some_and(|method| method != request.method.as_str()) {
            return false;
        }
        let Some(path) = request.uri.path().strip_prefix(PREFIX) else { return false };
        let mut found = path.split('/');
        let all = self
            .segments
            .iter()
            .all(|wanted| found.next().is_some_and(|segment| wanted == ANY || wanted == segment));
        // The rest is at least one segment.
        all && found.next().is_some() == self.open_ended
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method.as_deref().unwrap_or_default())?;
        for segment in self.segments.iter().map(String::as_str).chain(self.open_ended.then_some(REST)) {
            write!(f, "/{segment}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn paths_match_segment_by_segment() {
        for (target, call, expected) in [
            ("/rooms", "POST /v2/rooms", true),
            ("/rooms", "POST /v2/rooms?limit=1", true),
            ("/rooms", "POST /v2/rooms/a", false),
            ("/rooms", "POST /v2/room", false),
            ("/rooms", "POST /rooms", false),
            ("POST/rooms", "POST /v2/rooms", true),
            ("POST/rooms", "GET /v2/rooms", false),
            ("/rooms/*", "GET /v2/rooms/a%20b", true),
            ("/rooms/*", "GET /v2/rooms", false),
            ("/rooms/*", "GET /v2/rooms/a/b", false),
            ("/live-streams/room/*/start", "POST /v2/live-streams/room/x/start", true),
            ("/live-streams/room/*/start", "POST /v2/live-streams/room/x/stop", false),
            ("/rooms/**", "GET /v2/rooms/a/b", true),
            ("/rooms/**", "GET /v2/rooms/a", true),
            ("/rooms/**", "GET /v2/rooms", false),
            ("/**", "GET /v2/anything/at/all", true),
            ("/**", "GET /elsewhere", false),
        ] {
            let (method, path) = call.split_once(' ').unwrap();
            let (request, ()) = Request::builder().method(method).uri(path).body(()).unwrap().into_parts();
            assert_eq!(Target::read(target).unwrap().is(&request), expected, "{target} {call}");
        }
    }
}
