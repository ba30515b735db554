//! `roompipe token app users.csv`: every record comes out with a token of its own, as fast as they can be signed.
//!
//! One loop on one thread: nothing here waits for a network. Memory does not grow with the input.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use serde_json::json;

use crate::call::{Credentials, Mint};
use crate::cli::failure::Failure;
use crate::cli::{log, outputs, setup};
use crate::exit::ExitCode;
use crate::mapping::{Columns, Invalid, Peers};
use crate::outcome::Outcome;
use crate::output::{Claims, Event, FileMode, RAW_SHOWN, Shown, Subject, SubjectContent, event_id};
use crate::pipeline::{told, with_causes};
use crate::record::{self, Content, Identity, Input, Inputs, Item, Record, Unreadable};

use super::app::{App, Records};
use super::cannot_sign;

/// So many bytes are written together.
const TOGETHER: usize = 64 * 1024;
/// What events say in place of an endpoint.
const ENDPOINT: &str = "token-app";

/// Signs to the end of the input.
pub(super) fn run(wanted: &App, credentials: &Credentials) -> Result<ExitCode, Failure> {
    let wrong =
        |error: crate::mapping::Error| Failure::configuration(error.to_string()).maybe_hint(error.hint());
    let peers = Peers::compile(&wanted.peers()).map_err(wrong)?;
    let mint = credentials.mint(wanted.times.meant()).ok_or_else(cannot_sign)?;
    let paths = wanted.inputs();
    setup::refuse_terminal(&paths)?;
    let out = Lines::new(outputs::stdout()?);
    let stdin = Box::new(Waited { stdin: io::stdin(), out: out.clone() });
    let inputs = open(&wanted.records, &paths, stdin)?;
    for (source, header) in inputs.headers() {
        peers.columns(source, header).map_err(wrong)?;
    }
    let letters = letters(&wanted.records, &paths)?;
    let attribute = serde_json::Value::from(wanted.records.attribute.as_str()).to_string();
    let signing = Signing {
        peers,
        mint,
        member: format!("{attribute}:\""),
        out,
        letters,
        raw_kept: wanted.records.max_record_bytes,
        run: uuid::Uuid::new_v4().to_string(),
        columns: None,
        counts: Counts::default(),
    };
    signing.run(inputs)
}

fn open(given: &Records, paths: &[Input], stdin: Box<dyn Read + Send>) -> Result<Inputs, Failure> {
    let settings = record::Settings {
        format: given.format.map(setup::format),
        csv_delimiter: given.csv_delimiter.as_deref().map(setup::csv_delimiter).transpose()?,
        max_record_bytes: given.max_record_bytes,
        limit: given.limit,
    };
    Inputs::open_with(paths, &settings, stdin).map_err(|error| setup::refused(&error, error.hint()))
}

/// The file of `--dead-letters`, by the rules of `run`.
fn letters(given: &Records, paths: &[Input]) -> Result<Option<File>, Failure> {
    let Some(path) = &given.dead_letters else { return Ok(None) };
    let mode = match (given.append, given.overwrite) {
        (true, _) => FileMode::Append,
        (false, true) => FileMode::Replace,
        (false, false) => FileMode::New,
    };
    let mut claims = Claims::new(paths.iter().map(|input| match input {
        Input::File(path) => path.as_path(),
        Input::Stdin => Path::new("/dev/stdin"),
    }));
    let claim = claims.claim(path, mode).map_err(outputs::refused)?;
    claims.enter(Path::new("stdout"), &outputs::stdout()?.metadata()?).map_err(outputs::refused)?;
    claim.begin().map(Some).map_err(outputs::refused)
}

struct Signing {
    peers: Peers,
    mint: Mint,
    /// What stands before the token in a record: its name as JSON, and a quote.
    member: String,
    out: Lines,
    letters: Option<File>,
    raw_kept: usize,
    run: String,
    /// Where the claims stand under the last header.
    columns: Option<Columns>,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    read: u64,
    signed: u64,
    invalid: u64,
    filtered: u64,
}

impl Signing {
    fn run(mut self, inputs: Inputs) -> Result<ExitCode, Failure> {
        let start = Instant::now();
        let done = self
            .sign_all(inputs)
            .and_then(|exit| self.out.lock().flush().map(|()| exit).map_err(Failure::from));
        let Counts { read, signed, invalid, filtered } = self.counts;
        let seconds = start.elapsed().as_secs_f64();
        let parts = [(signed, "signed"), (invalid, "invalid"), (filtered, "filtered")];
        let parts: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        let parts = if parts.is_empty() { "nothing to sign".to_owned() } else { parts.join(", ") };
        let rate = if seconds > 0.0 { signed as f64 / seconds } else { 0.0 };
        let counts = json!({"read": read, "signed": signed, "invalid": invalid, "filtered": filtered});
        log::summary(&format!("{read} read: {parts}, in {seconds:.1} s ({rate:.0}/s)"), &counts);
        let exit = done?;
        Ok(if invalid > 0 { exit.worst(ExitCode::SomeNot) } else { exit })
    }

    fn sign_all(&mut self, inputs: Inputs) -> Result<ExitCode, Failure> {
        let mut exit = ExitCode::Done;
        for item in inputs {
            let item = item.map_err(|error| Failure {
                exit: error.exit_code(),
                message: with_causes(&error),
                hint: error.hint().map(str::to_owned),
            })?;
            self.counts.read += 1;
            match item {
                Item::Record(record) => self.record(record)?,
                Item::Unreadable(unreadable) => {
                    if unreadable.breaks_off {
                        log::problem("an input broke off; what was whole was signed", None);
                        exit = exit.worst(ExitCode::Io);
                    }
                    self.unreadable(unreadable)?;
                }
            }
        }
        Ok(exit)
    }

    fn record(&mut self, record: Record) -> Result<(), Failure> {
        if let Content::Cells { header, .. } = &record.content
            && self.columns.as_ref().is_none_or(|columns| !columns.are_of(header))
        {
            let columns = self.peers.columns(&record.position.source, header);
            self.columns = Some(
                columns
                    .map_err(|error| Failure::configuration(error.to_string()).maybe_hint(error.hint()))?,
            );
        }
        let invalid = match self.peers.peer(&record, self.columns.as_ref()) {
            Err(invalid) => invalid,
            Ok(None) => {
                self.counts.filtered += 1;
                return Ok(());
            }
            Ok(Some(peer)) => {
                let mut out = self.out.lock();
                record.write_json(&mut out.waiting);
                open_object(&mut out.waiting);
                out.waiting.extend_from_slice(self.member.as_bytes());
                self.mint
                    .sign(
                        &peer.room_id,
                        &peer.role,
                        peer.user_id.as_deref(),
                        SystemTime::now(),
                        &mut out.waiting,
                    )
                    .map_err(|error| setup::refused(&error, error.hint()))?;
                out.waiting.extend_from_slice(b"\"}\n");
                out.line_ends()?;
                self.counts.signed += 1;
                return Ok(());
            }
        };
        // What is no record is told as what was read instead.
        if let Err(fault) = record.object() {
            return self.unreadable(record.into_unreadable(fault));
        }
        let position = record.position.clone();
        self.refuse(position, SubjectContent::Record(record), &invalid)
    }

    fn unreadable(&mut self, unreadable: Unreadable) -> Result<(), Failure> {
        let content = SubjectContent::Raw(unreadable.raw, unreadable.raw_len);
        self.refuse(unreadable.position, content, &Invalid::unreadable(unreadable.fault))
    }

    /// Tells of a record that gets no token.
    fn refuse(
        &mut self,
        position: record::Position,
        content: SubjectContent,
        invalid: &Invalid,
    ) -> Result<(), Failure> {
        self.counts.invalid += 1;
        let identity = Identity::Position { input: position.input, number: position.number };
        let id = event_id(&self.run, &identity, 0, 0);
        let subject = [Subject { position, identity: Arc::new(identity), content, secrets: None }];
        let error = told(invalid);
        let event = Event {
            id: &id,
            timestamp: jiff::Timestamp::now(),
            ledger: None,
            endpoint: ENDPOINT,
            outcome: Outcome::Invalid,
            call: (0, 1),
            generation: 0,
            records: &subject,
            page: None,
            shares: &[],
            request: None,
            response: None,
            attempts: 0,
            reconciled: false,
            error: Some(&error),
        };
        let raw = if self.letters.is_some() { self.raw_kept } else { RAW_SHOWN };
        let mut line = Vec::new();
        event.write(Shown { raw, sensitive: false }, &mut line);
        match &mut self.letters {
            Some(file) => file
                .write_all(&line)
                .map_err(|error| Failure::io(format!("cannot write the dead letters: {error}"))),
            // A stderr that is gone can be told nothing.
            None => {
                drop(log::Stderr.write_all(&line));
                Ok(())
            }
        }
    }
}

/// Takes back the brace that ends an object, so that one more member fits in.
fn open_object(line: &mut Vec<u8>) {
    line.pop();
    if line.trim_ascii_end().last() != Some(&b'{') {
        line.push(b',');
    }
}

/// Stdout, written when enough has come together or the next record is not there yet.
#[derive(Clone)]
struct Lines(Arc<Mutex<Waiting>>);

struct Waiting {
    to: File,
    waiting: Vec<u8>,
    /// Why nothing more can be written.
    failed: Option<io::Error>,
}

impl Lines {
    fn new(to: File) -> Self {
        Self(Arc::new(Mutex::new(Waiting { to, waiting: Vec::with_capacity(2 * TOGETHER), failed: None })))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn line_ends(&mut self) -> io::Result<()> {
        if self.waiting.len() < TOGETHER { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let written = self.to.write_all(&self.waiting);
        self.waiting.clear();
        written
    }
}

/// Stdin, before which what is ready goes out: whoever pipes in one record and waits for its token gets it.
struct Waited {
    stdin: io::Stdin,
    out: Lines,
}

impl Read for Waited {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut out = self.out.lock();
        if !out.waiting.is_empty() {
            // What cannot be written is told at the end, which this is.
            if let Err(error) = out.flush() {
                out.failed = Some(error);
                return Ok(0);
            }
        }
        drop(out);
        self.stdin.read(bytes)
    }
}
