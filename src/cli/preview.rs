//! `roompipe preview`: the requests that records would become. It sends nothing and asks for no credential.

use std::borrow::Cow;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::exit::ExitCode;
use crate::mapping::{
    BatchPlace, Batching, CallTrace, Collector, Invalid, Mapped, Mapping, Notes, Request, Trace,
};
use crate::record::{Item, Position};
use crate::template::TokenKind;

use super::arguments::{CallArguments, DeliveryArguments, LedgerArguments, LooksArguments, OutputArguments};
use super::draw::{self, Draw, Headers, Member};
use super::failure::Failure;
use super::paint::Paint;
use super::{log, setup, wire};

/// A longer body does not fit into one word of a command line (on Linux 128 KiB, once quoted).
const LONGEST_WORD: usize = 60 * 1024;

/// What `preview` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) call: CallArguments,
    /// How many records to show
    #[arg(short, long, value_name = "N", default_value_t = 3, help_heading = "Preview")]
    number: u64,
    /// Show all records
    #[arg(long, conflicts_with = "number", help_heading = "Preview")]
    all: bool,
    /// Form of the requests
    #[arg(long = "as", value_enum, default_value_t = Form::Text, help_heading = "Preview")]
    form: Form,
    /// Taken so that the same words serve `run` and `preview`.
    #[command(flatten)]
    delivery: DeliveryArguments,
    #[command(flatten)]
    ledger: LedgerArguments,
    #[command(flatten)]
    output: OutputArguments,
    #[command(flatten)]
    looks: LooksArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// What goes where, with the effect of a repeat
    Text,
    /// As on the wire
    Http,
    /// A command for each call
    Curl,
    /// One JSON object for each call: method, url, headers, body
    Json,
}

/// Shows the requests.
pub(super) fn run(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    log::start(&arguments.looks);
    arguments.call.settle()?;
    arguments.delivery.settle()?;
    arguments.output.settle()?;
    arguments.ledger.settle(&mut arguments.call, &mut arguments.output)?;
    let base_url = match arguments.call.target.emulator {
        true => "http://127.0.0.1:4100/v2".to_owned(),
        false => setup::base_url(arguments.call.target.base_url.as_deref()),
    };
    let meaning = setup::meaning(&arguments.call, &base_url)?;
    let headers = wire::headers(&arguments.call.manual)?;
    let needs_token = wire::needs_token(&arguments.call.target, &base_url, meaning.endpoint.url(), &headers);
    let mapping = setup::mapping(
        &arguments.call,
        meaning.endpoint,
        setup::order(&arguments.delivery),
        arguments.ledger.key.as_ref(),
    )?;
    let mut inputs = setup::inputs(&arguments.call, &meaning.paths)?;
    setup::check_columns(&mapping, &inputs)?;
    let headers = Headers { needs_token, given: headers };
    let draw = Draw { paint: Paint::of_stdout(), endpoint: mapping.endpoint(), headers: &headers };
    let mut shown = Shown {
        form: arguments.form,
        sensitive: arguments.output.show_sensitive,
        draw,
        gathered: mapping.batching().map(|batching| Gathered::new(Arc::clone(batching))),
        out: Vec::new(),
        invalid: false,
    };
    let mut notes = Notes::default();
    let most = if arguments.all { u64::MAX } else { arguments.number };
    let mut stdout = std::io::stdout().lock();
    let mut count = 0;
    while count < most {
        let next = inputs.next().transpose();
        let next = next.map_err(|error| setup::refused(&error, error.hint()))?;
        let Some(item) = next else { break };
        count += 1;
        shown.item(item, &mapping, &mut notes);
        stdout.write_all(&shown.out)?;
        shown.out.clear();
    }
    shown.gathered_rest();
    stdout.write_all(&shown.out)?;
    stdout.flush()?;
    if let Some(note) = notes.take_new() {
        tracing::info!("{note}");
    }
    if count == 0 {
        tracing::info!("the input holds no record");
    }
    Ok(if shown.invalid { ExitCode::SomeNot } else { ExitCode::Done })
}

struct Shown<'a> {
    form: Form,
    /// Secrets are shown as they are.
    sensitive: bool,
    draw: Draw<'a>,
    /// What waits for others to share a call with.
    gathered: Option<Gathered>,
    out: Vec<u8>,
    invalid: bool,
}

impl Shown<'_> {
    fn item(&mut self, item: Item, mapping: &Mapping, notes: &mut Notes) {
        let (record, object) = match item {
            Item::Unreadable(unreadable) => {
                let member = Member { position: &unreadable.position, call: (0, 1) };
                return self.refuse(&member, &Invalid::unreadable(unreadable.fault));
            }
            Item::Record(record) => match record.object() {
                Ok(object) => (record, object),
                Err(fault) => {
                    let member = Member { position: &record.position, call: (0, 1) };
                    return self.refuse(&member, &Invalid::unreadable(fault));
                }
            },
        };
        let member = |call| Member { position: &record.position, call };
        let (mapped, trace) = match mapping.look(object) {
            Ok(Some(looked)) => mapping.trace(&record, looked, notes),
            Ok(None) => (Mapped::Filtered, Trace::default()),
            Err(invalid) => (Mapped::Invalid(invalid), Trace::default()),
        };
        match mapped {
            Mapped::Filtered => {
                if self.form == Form::Text {
                    let text = format!("{}: filtered, no call", draw::place(&record.position));
                    self.draw.title(&text, &mut self.out);
                    self.out.push(b'\n');
                }
            }
            Mapped::Invalid(invalid) => self.refuse(&member((0, 1)), &invalid),
            Mapped::Calls(calls) => {
                let of = calls.len();
                for (index, call) in calls.into_iter().enumerate() {
                    match call {
                        Err(invalid) => self.refuse(&member((index, of)), &invalid),
                        Ok(request) if self.gathered.is_none() => {
                            self.request(std::slice::from_ref(&member((index, of))), &request);
                            self.origins(&trace.of_call(&request), &request);
                        }
                        Ok(request) => {
                            let trace = trace.of_call(&request);
                            let position = record.position.clone();
                            self.gather(Waiting { position, call: (index, of), request, trace });
                        }
                    }
                }
            }
        }
    }

    fn refuse(&mut self, member: &Member<'_>, invalid: &Invalid) {
        self.invalid = true;
        if self.form == Form::Text {
            self.draw.invalid(member, invalid, &mut self.out);
        } else {
            let text = format!("{}: {}", draw::place(member.position), invalid.message);
            log::tell("invalid", &text, invalid.hint.as_deref());
        }
    }

    fn gather(&mut self, waiting: Waiting) {
        let full = self.gathered.as_mut().map(|gathered| gathered.push(waiting)).unwrap_or_default();
        full.into_iter().for_each(|group| self.batch(&group));
    }

    fn gathered_rest(&mut self) {
        let rest = self.gathered.as_mut().map(Gathered::rest).unwrap_or_default();
        rest.into_iter().for_each(|group| self.batch(&group));
    }

    /// A call of several records, with where the values of the first come from.
    fn batch(&mut self, group: &[Waiting]) {
        let Some(batching) = self.gathered.as_ref().map(|gathered| Arc::clone(&gathered.batching)) else {
            return;
        };
        let members: Vec<Member<'_>> =
            group.iter().map(|one| Member { position: &one.position, call: one.call }).collect();
        match batching.assemble(&group.iter().map(|one| &one.request).collect::<Vec<_>>()) {
            Err(invalid) => members.iter().for_each(|member| self.refuse(member, &invalid)),
            Ok(requests) => {
                for request in &requests {
                    self.request(&members, request);
                }
                if let Some(first) = group.first() {
                    self.origins(&first.trace, &first.request);
                }
            }
        }
    }

    fn origins(&mut self, trace: &CallTrace, request: &Request) {
        if self.form == Form::Text {
            self.draw.origins(trace, request, &mut self.out);
        }
    }

    fn request(&mut self, members: &[Member<'_>], request: &Request) {
        let masked = (!self.sensitive).then(|| request.masked());
        let request = masked.as_ref().unwrap_or(request);
        match self.form {
            Form::Text => self.draw.request(members, request, &mut self.out),
            Form::Http => self.http(request),
            Form::Curl => self.curl(request),
            Form::Json => self.json(request),
        }
    }

    fn http(&mut self, request: &Request) {
        let behind = request.url.split_once("://").map_or("", |(_, behind)| behind);
        let (host, path) = behind.split_at(behind.find(['/', '?']).unwrap_or(behind.len()));
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let _ = write!(self.out, "{} {path} HTTP/1.1\r\nHost: {host}\r\n", request.method);
        for (name, value) in self.draw.headers.of(request, "<token>") {
            let _ = write!(self.out, "{name}: {value}\r\n");
        }
        if let Some(body) = &request.body {
            let _ = write!(self.out, "Content-Length: {}\r\n\r\n", body.len());
            self.out.extend_from_slice(body);
            self.out.extend_from_slice(b"\r\n\r\n");
        } else {
            self.out.extend_from_slice(b"\r\n");
        }
    }

    fn curl(&mut self, request: &Request) {
        // Brackets and braces in a URL are letters here, and ranges to curl.
        let globs = if request.url.contains(['[', ']', '{', '}']) { " -g" } else { "" };
        let _ = write!(self.out, "curl{globs} -X {} {}", request.method, quoted(&request.url));
        let token = match request.template.as_ref().map(|template| template.token) {
            Some(TokenKind::App) => "$HMS_APP_TOKEN",
            _ => "$HMS_MANAGEMENT_TOKEN",
        };
        for (name, value) in self.draw.headers.of(request, token) {
            // The token's variable must be seen by the shell, everything else must not be.
            match name == "Authorization" {
                true => {
                    let _ = write!(self.out, " -H \"{name}: {value}\"");
                }
                false => {
                    let _ = write!(self.out, " -H {}", quoted(&format!("{name}: {value}")));
                }
            }
        }
        if let Some(body) = &request.body {
            let text = String::from_utf8_lossy(body);
            if text.len() > LONGEST_WORD {
                // JSON on one line: no line of it is the end.
                let _ = write!(self.out, " --data-binary @- <<'END'\n{text}\nEND");
            } else {
                let _ = write!(self.out, " --data-raw {}", quoted(&text));
            }
        }
        self.out.push(b'\n');
    }

    fn json(&mut self, request: &Request) {
        let headers: serde_json::Map<_, _> = self
            .draw
            .headers
            .of(request, "<token>")
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let body: serde_json::Value =
            request.body.as_ref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        let line = serde_json::json!({
            "method": request.method.as_str(), "url": request.url, "headers": headers, "body": body
        });
        let _ = writeln!(self.out, "{line}");
    }
}

/// A record's call on its way into a batch.
struct Waiting {
    position: Position,
    call: (usize, usize),
    request: Request,
    trace: CallTrace,
}

/// Calls that wait for others, as they would in a run whose input comes at once.
struct Gathered {
    batching: Arc<Batching>,
    collector: Collector<Waiting>,
    waiting: usize,
}

impl Gathered {
    /// Calls that wait at most: a run reads no further ahead, either.
    const MOST: usize = 1024;

    fn new(batching: Arc<Batching>) -> Self {
        Self { collector: batching.collector(), batching, waiting: 0 }
    }

    /// Returns those that are full.
    fn push(&mut self, one: Waiting) -> Vec<Vec<Waiting>> {
        let lane = one.request.lane.as_deref().map(Cow::Borrowed);
        let place = BatchPlace::new(&one.request, "", [lane]);
        let mut full = Vec::new();
        self.waiting += 1;
        self.collector.push(one, place, Duration::ZERO, |group| full.push(group.members));
        self.waiting -= full.iter().map(Vec::len).sum::<usize>();
        if self.waiting > Self::MOST.max(self.batching.size().saturating_mul(2)) {
            full.extend(self.rest());
        }
        full
    }

    fn rest(&mut self) -> Vec<Vec<Waiting>> {
        self.waiting = 0;
        std::iter::from_fn(|| self.collector.take_begun(Duration::MAX)).map(|group| group.members).collect()
    }
}

/// A text as one word of a POSIX shell.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_survive_the_shell() {
        for (text, expected) in [("a-b", "a-b"), ("", "''"), ("it's", r"'it'\''s'"), ("$(x)", "'$(x)'")] {
            assert_eq!(quoted(text), expected);
        }
    }
}
