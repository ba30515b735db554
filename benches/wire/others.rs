//! Does what other commands take grow with the input? `plan` over a file, `get` over the pages of a list, and `replay` of
//! dead letters out of a pipe, which would fill a disk; each ten times as long as the one before.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, PipeWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::Result;
use crate::child::{self, Taken};
use crate::meter::Bench;
use crate::peers::machine;
use crate::report::as_f64;
use crate::section;
use crate::server;

/// Of its section of the page.
pub(crate) const HEADING: &str = "## Longer inputs of other commands";
/// The shortest input, as a power of ten.
const SHORTEST: u32 = 4;

const PREFACE: &str = "One run of each: `plan` of a file of rooms, `get` of a list of as many rooms in pages of a hundred, \
`replay` of as many dead letters out of a pipe; what they write goes to `/dev/null`. All three keep to a bounded memory: \
what must be remembered of a whole input goes to temporary files.";

/// What is measured.
#[derive(Clone, Copy, Debug)]
enum Other {
    Plan,
    Get,
    Replay,
}

const ALL: [Other; 3] = [Other::Plan, Other::Get, Other::Replay];

/// Runs every length up to ten to the power of `longest`, and writes the section.
pub(crate) fn measure(bench: &Bench, longest: u32, docs: &Path, out: &mut impl Write) -> Result<bool> {
    let mut section = format!("{HEADING}\n\n{PREFACE}\n\n{}\n\n", machine::line());
    section.push_str("| records | `plan`: peak MiB | µs a record | `get`: peak MiB | µs an item |");
    section.push_str(" `replay`: peak MiB | µs a letter |\n| --- | --- | --- | --- | --- | --- | --- |\n");
    for power in SHORTEST.min(longest)..=longest {
        let records = 10_u64.pow(power);
        write!(section, "| {records} |")?;
        for other in ALL {
            let taken = other.run(bench, records)?;
            let micros = taken.elapsed.as_secs_f64() * 1e6 / as_f64(records);
            let peak = taken.peak_kib.map_or_else(String::new, |kib| format!("{:.1}", as_f64(kib) / 1024.0));
            writeln!(io::stderr(), "{other:?}: {records} records, {peak} MiB, {micros:.2} µs each")?;
            write!(section, " {peak} | {micros:.2} |")?;
        }
        section.push('\n');
    }
    out.write_all(section.as_bytes())?;
    section::write(docs, &section)?;
    Ok(true)
}

impl Other {
    /// A run to its end, which is one only where all arrived.
    fn run(self, bench: &Bench, records: u64) -> Result<Taken> {
        match self {
            Self::Plan => plan(bench, records),
            Self::Get => get(bench, records),
            Self::Replay => replay(bench, records),
        }
    }
}

fn plan(bench: &Bench, records: u64) -> Result<Taken> {
    let input = bench.input(records)?;
    let answer = bench.folder().join("plan.json");
    let mut command = bench.command("plan", &bench.api.base());
    command.arg("create-room").arg(&input.path).args(["--as", "json"]);
    command.stdin(Stdio::null()).stdout(File::create(&answer)?);
    let taken = watched(bench, "plan", &mut command)?;
    let planned: Value = serde_json::from_slice(&fs::read(&answer)?)?;
    same("records to send", planned.pointer("/records/to_send"), records)?;
    same("things that are written twice", planned.pointer("/collisions/things"), 0)?;
    Ok(taken)
}

fn get(bench: &Bench, records: u64) -> Result<Taken> {
    let mut command = bench.command("get", &format!("{}{}{records}", bench.api.base(), server::LIST));
    let summary = quiet(bench, command.arg("list-rooms"));
    command.stdin(Stdio::null());
    let taken = watched(bench, "get", &mut command)?;
    let summary: Value = serde_json::from_slice(&fs::read(summary)?)?;
    same("items", summary.pointer("/items"), records)?;
    same("pages", summary.pointer("/calls"), records.div_ceil(server::PAGE))?;
    Ok(taken)
}

fn replay(bench: &Bench, records: u64) -> Result<Taken> {
    let letter = letter(bench)?;
    bench.api.received()?;
    let mut command = bench.command("replay", &bench.api.base());
    command.args(["-", "--concurrency", &bench.in_flight.to_string()]);
    let summary = quiet(bench, &mut command);
    let (reader, writer) = io::pipe()?;
    command.stdin(reader);
    let letters = thread::spawn(move || letter.write(records, writer));
    let taken = watched(bench, "replay", &mut command)?;
    // Its own end of the pipe, too.
    drop(command);
    letters.join().map_err(|_| "the letters were not written")??;
    let summary: Value = serde_json::from_slice(&fs::read(summary)?)?;
    same("letters delivered", summary.pointer("/outcomes/delivered"), records)?;
    let received = bench.api.received()?.calls;
    if received == records {
        Ok(taken)
    } else {
        Err(format!("replay: {received} calls at the server").into())
    }
}

/// Where its summary stands.
fn quiet(bench: &Bench, command: &mut Command) -> std::path::PathBuf {
    let summary = bench.folder().join("summary");
    command.args(["--output", "/dev/null"]).arg("--summary-json").arg(&summary);
    summary
}

fn watched(bench: &Bench, what: &str, command: &mut Command) -> Result<Taken> {
    let stderr = bench.folder().join("stderr");
    let (status, taken) = child::watch(command.stderr(File::create(&stderr)?))?;
    if status.success() {
        return Ok(taken);
    }
    Err(format!("{what} ended with {status}: {}", fs::read_to_string(&stderr)?).into())
}

fn same(what: &str, found: Option<&Value>, wanted: u64) -> Result<()> {
    if found.and_then(Value::as_u64) == Some(wanted) {
        return Ok(());
    }
    Err(format!("{what}: {found:?}, not {wanted}").into())
}

/// A dead letter of a call that was refused, in the pieces between what differs from one to the next.
struct Letter {
    /// Up to the id of the event, from there to the first number of the record, and so on between its numbers.
    pieces: Vec<String>,
}

/// Digits of an event's id.
const ID: usize = "0123456789abcdef0123456789abcdef".len();

/// The letter that roompipe itself writes.
fn letter(bench: &Bench) -> Result<Letter> {
    let input = bench.input(1)?;
    let letters = bench.folder().join("letters");
    let mut command = bench.command("run", &format!("{}{}", bench.api.base(), server::REFUSED));
    command.arg("create-room").arg(&input.path).arg("--dead-letters").arg(&letters);
    command.args(["--output", "/dev/null"]).stdin(Stdio::null()).stderr(Stdio::null());
    command.status()?;
    let letter = fs::read_to_string(&letters)?.replace(server::REFUSED, "");
    fs::remove_file(&letters)?;
    let (before, after) = letter.split_once("\"id\":\"evt_").ok_or("a letter has an id")?;
    let after = after.get(ID..).ok_or("an id has 32 digits")?;
    let mut pieces = vec![format!("{before}\"id\":\"evt_")];
    let numbered = after.replace("\"number\":1,\"line\":1,", "\"number\":\u{0},\"line\":\u{0},");
    pieces.extend(
        numbered
            .replace("room-0000001", "room-\u{0}")
            .replace("team 1", "team \u{0}")
            .split('\u{0}')
            .map(str::to_owned),
    );
    if pieces.len() < 5 {
        return Err(format!("a letter of another form: {letter}").into());
    }
    Ok(Letter { pieces })
}

impl Letter {
    /// As many letters, each of another record and event.
    fn write(&self, letters: u64, pipe: PipeWriter) -> io::Result<()> {
        let mut pipe = BufWriter::with_capacity(256 * 1024, pipe);
        let (first, rest) = self.pieces.split_first().ok_or(io::ErrorKind::InvalidData)?;
        for number in 1..=letters {
            // Spread over all ids, as hashes are.
            let id = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            write!(pipe, "{first}{id:032x}")?;
            let number = number.to_string();
            for (index, piece) in rest.iter().enumerate() {
                if index > 0 {
                    pipe.write_all(number.as_bytes())?;
                }
                pipe.write_all(piece.as_bytes())?;
            }
        }
        pipe.flush()
    }
}
