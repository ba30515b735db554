//! A call as people want to see it before it is sent: where its records stand, the request with its headers, where
//! every value came from, and what is left out.
//!
//! It draws what it is given; it maps nothing and sends nothing.

use std::io::Write as _;

use crate::mapping::{CallTrace, Endpoint, Field, Invalid, Omitted, Origin, Request, Turned, Why};
use crate::record::Position;
use crate::template::{Effect, Place, TokenKind};

use super::paint::{Hue, Paint};
use super::wire::GivenHeader;

/// The longest text of a cell or an expression in the table of origins, in characters.
const LONGEST: usize = 60;

/// One record of a call.
pub(super) struct Member<'a> {
    pub(super) position: &'a Position,
    /// Which of the record's calls, from 0, and how many there are.
    pub(super) call: (usize, usize),
}

/// The headers that calls carry, besides those of the connection.
pub(super) struct Headers {
    pub(super) needs_token: bool,
    pub(super) given: Vec<GivenHeader>,
}

impl Headers {
    /// The headers of one call; `token` stands for the token.
    pub(super) fn of(&self, request: &Request, token: &str) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        if self.needs_token {
            headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        }
        let own_type = self.given.iter().any(|header| header.name.eq_ignore_ascii_case("content-type"));
        if request.body.is_some() && !own_type {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        headers.extend(self.given.iter().map(|header| (header.name.clone(), header.shown().to_owned())));
        headers
    }

    /// The same, for people.
    pub(super) fn shown(&self, request: &Request) -> Vec<(String, String)> {
        let token = match request.template.as_ref().map(|template| template.token) {
            Some(TokenKind::App) => "<app token>",
            _ => "<token>",
        };
        self.of(request, token)
    }
}

/// What the drawings of one command share.
pub(super) struct Draw<'a> {
    pub(super) paint: Paint,
    pub(super) endpoint: &'a Endpoint,
    pub(super) headers: &'a Headers,
}

impl Draw<'_> {
    /// A request of one record, or of the several of a batch.
    pub(super) fn request(&self, members: &[Member<'_>], request: &Request, out: &mut Vec<u8>) {
        let name = request.template.as_ref().map_or("manual", |template| &template.id);
        self.title(&format!("{}: {name} ({})", places(members), request.effect), out);
        if let Some(route) = self.endpoint.route_of(request) {
            self.remark(Hue::Warn, &format!("routed from {}: {}", self.endpoint.name(), route.why), out);
        }
        self.remark(
            Hue::Quiet,
            &format!("{}: {}", of_a_repeat(request.effect), request.effect_reason()),
            out,
        );
        let (method, url) =
            (self.paint.text(Hue::Good, &request.method), self.paint.text(Hue::Title, &request.url));
        let _ = writeln!(out, "{method} {url}");
        self.header_lines(&self.headers.shown(request), out);
        if let Some(body) = &request.body {
            out.push(b'\n');
            self.body(body, out);
        }
        out.push(b'\n');
    }

    /// Headers, one a line.
    pub(super) fn header_lines(&self, headers: &[(String, String)], out: &mut Vec<u8>) {
        for (name, value) in headers {
            let name = self.paint.text(Hue::Name, name);
            let _ = writeln!(out, "{name}: {}", self.paint.text(Hue::Quiet, value));
        }
    }

    fn body(&self, body: &[u8], out: &mut Vec<u8>) {
        match serde_json::from_slice(body) {
            Ok(value) => self.paint.json(&value, out),
            // JSON that is nested deeper than our library reads.
            Err(_) => {
                let _ = writeln!(out, "{}", self.paint.text(Hue::Quiet, String::from_utf8_lossy(body)));
            }
        }
    }

    /// Where every value of a call came from, and what is left out.
    pub(super) fn origins(&self, trace: &CallTrace, request: &Request, out: &mut Vec<u8>) {
        let from = trace
            .fields
            .iter()
            .map(|field| ("from", Hue::Name, short(&field.name), origin(field, is_open(field, request))));
        let left = |left: &Omitted| ("left out", Hue::Warn, short(&left.what), self.why(left, request));
        let rows: Vec<_> = from.chain(trace.left_out.iter().map(left)).collect();
        self.table(&rows, out);
    }

    /// That a body came from elsewhere than a record.
    pub(super) fn body_from(&self, text: &str, out: &mut Vec<u8>) {
        self.table(&[("from", Hue::Name, "body".to_owned(), text.to_owned())], out);
    }

    /// Rows of a word for several of them, a name in its colour, and what is said of it.
    fn table(&self, rows: &[(&str, Hue, String, String)], out: &mut Vec<u8>) {
        let width = rows.iter().map(|(_, _, name, _)| printed(name).chars().count()).max();
        let Some(width) = width else { return };
        let mut before = "";
        for (word, hue, name, text) in rows {
            let shown = if *word == before { "" } else { word };
            let gap = " ".repeat(width - printed(name).chars().count());
            let (word_shown, name) =
                (self.paint.text(Hue::Quiet, format!("{shown:8}")), self.paint.text(*hue, name));
            let _ = writeln!(out, "  {word_shown}  {name}{gap}  {}", printed(text));
            before = word;
        }
        out.push(b'\n');
    }

    /// A record, or one of its calls, that is not sent.
    pub(super) fn invalid(&self, member: &Member<'_>, invalid: &Invalid, out: &mut Vec<u8>) {
        let of_problems: Vec<_> =
            invalid.problems.iter().map(|problem| (problem.to_string(), problem.hint.as_deref())).collect();
        let all = match of_problems.is_empty() {
            true => vec![(invalid.message.clone(), invalid.hint.as_deref())],
            false => of_problems,
        };
        self.title(&format!("{}: invalid, not sent", places(std::slice::from_ref(member))), out);
        for (text, hint) in all {
            let _ = writeln!(out, "{} {}", self.paint.text(Hue::Bad, "invalid:"), printed(&text));
            if let Some(hint) = hint {
                let _ = writeln!(out, "{} {}", self.paint.text(Hue::Name, "hint:"), printed(hint));
            }
        }
        out.push(b'\n');
    }

    /// Where something stands, or what happened.
    pub(super) fn title(&self, text: &str, out: &mut Vec<u8>) {
        let _ = writeln!(out, "{}", self.paint.text(Hue::Title, format!("# {text}")));
    }

    /// What is said beside it.
    pub(super) fn remark(&self, hue: Hue, text: &str, out: &mut Vec<u8>) {
        let _ = writeln!(out, "{}", self.paint.text(hue, format!("# {text}")));
    }

    fn why(&self, left: &Omitted, request: &Request) -> String {
        let aim = request.template.as_ref().map_or("the endpoint", |template| &template.id);
        match &left.why {
            Why::Unknown { nearest: Some(near) } => {
                format!("no parameter of {}; did you mean `{near}`?", self.endpoint.name())
            }
            Why::Unknown { nearest: None } => format!("no parameter of {}", self.endpoint.name()),
            Why::NoBody => format!("not in the URL, and {} sends no body", request.method),
            Why::Excluded => "--exclude".to_owned(),
            Why::EmptyCell => "an empty cell".to_owned(),
            Why::Null => "null, which stands for nothing here".to_owned(),
            Why::NoOutput => "no output for this record".to_owned(),
            Why::Overridden(Origin::Name | Origin::Passed) => "a later column wins".to_owned(),
            Why::Overridden(by) => format!("{} wins", giver(by)),
            Why::Event => "an event maps by --map, --set and --body only".to_owned(),
            Why::Beside(other) => format!("`{other}` says more"),
            Why::Elsewhere => format!("{aim} does not take it"),
        }
    }
}

/// False where a value is a secret or holds one.
fn is_open(field: &Field, request: &Request) -> bool {
    let place: Vec<&str> = field.name.split('.').collect();
    field.place != Place::Body
        || request.template.as_ref().is_none_or(|template| !template.touches_secret(&place))
}

/// `open`: what was in the cell may be shown.
fn origin(field: &Field, open: bool) -> String {
    let mut text = giver(&field.origin);
    match field.place {
        Place::Path => text.push_str(", in the path"),
        Place::Query => text.push_str(", in the query"),
        Place::Token => text.push_str(", in the app token"),
        Place::Body => {}
    }
    match &field.turned {
        Some(Turned::FromText(_)) if !open => text.push_str(", turned from a text"),
        Some(Turned::FromText(cell)) => text.push_str(&format!(", turned from the text {:?}", short(cell))),
        Some(Turned::IntoText) => text.push_str(", turned into compact JSON text"),
        None => {}
    }
    text
}

fn giver(origin: &Origin) -> String {
    match origin {
        Origin::Name => "by name".to_owned(),
        Origin::Passed => "by name, passed on unknown (--pass-unknown)".to_owned(),
        Origin::Map(text) => format!("--map {}", short(text)),
        Origin::Set => "--set".to_owned(),
        Origin::Body => "--body".to_owned(),
        Origin::Item(list) => format!("an item of `{list}`: each makes a call"),
    }
}

/// What a repeat of a call does.
pub(super) fn of_a_repeat(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "a repeat changes nothing",
        Effect::Idempotent | Effect::Upsert => "a repeat leaves the same state",
        Effect::NonIdempotent => "a repeat has a second effect",
    }
}

/// Where the records of a call stand.
fn places(members: &[Member<'_>]) -> String {
    match members {
        [] => "no record".to_owned(),
        [Member { position, call: (index, of) }] => {
            let call = if *of > 1 { format!(", call {} of {of}", index + 1) } else { String::new() };
            format!("{}{call}", place(position))
        }
        [first, .., last] => {
            format!("{} records, {} to {}", members.len(), place(first.position), place(last.position))
        }
    }
}

/// Where a record stands.
pub(super) fn place(position: &Position) -> String {
    if position.source.starts_with("--") {
        return format!("the record of {}", position.source);
    }
    format!("{} record {}, line {}", position.source, position.number, position.line)
}

fn printed(text: &str) -> std::borrow::Cow<'_, str> {
    crate::ledger::printable(text)
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
