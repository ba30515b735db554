//! What roompipe costs beside a bare HTTP client: calls a second, processor time and peak memory, each in a process
//! of its own against a server that answers at once with the same bytes.
//!
//! ```text
//! cargo bench --bench wire -- --records 50000 --big 1000000 --runs 5 --in-flight 64
//! cargo bench --bench wire -- --ledger
//! cargo bench --bench wire -- --peers --install
//! cargo bench --bench wire -- --pace
//! cargo bench --bench wire -- --tls --install
//! ```
//!
//! The bare loop and roompipe take turns, so that whatever else the machine does meets both. A run only counts where
//! the server received every call once, of the same size as from the other, and roompipe's own summary adds up. Run
//! by `cargo test --benches` it sends a few records and checks the counts; times are never tested.

mod api;
mod bare;
mod child;
mod input;
mod ledger;
mod limited;
mod meter;
mod nginx;
mod others;
mod peers;
mod report;
mod section;
mod server;
mod subject;
mod tls;

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use api::Kind;
use meter::Bench;
use peers::{Peer, Settings};
use report::Measured;
use subject::Subject;

/// Whatever goes wrong ends the bench.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Measures calls a second and peak memory of roompipe and of a bare reqwest loop.
#[derive(Debug, Parser)]
#[command(name = "wire")]
struct Options {
    /// Records of a timed run
    #[arg(long, default_value_t = 50_000)]
    records: u64,
    /// Records of the run that shows whether memory grows with the input; 0 leaves it out
    #[arg(long, default_value_t = 1_000_000)]
    big: u64,
    /// Timed runs of each
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Calls in flight at once
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    in_flight: u16,
    /// Measure what a ledger costs instead
    #[arg(long)]
    ledger: bool,
    /// Measure roompipe beside what one would use otherwise, and what its options cost; write docs/benchmarks.md
    #[arg(long, conflicts_with = "ledger")]
    peers: bool,
    /// Measure how a limit that nobody tells is found instead; write that section of docs/benchmarks.md
    #[arg(long, conflicts_with_all = ["ledger", "peers"])]
    pace: bool,
    /// How long each client is given for that
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..), requires = "pace")]
    seconds: u32,
    /// Measure calls over TLS instead; write that section of docs/benchmarks.md
    #[arg(long, conflicts_with_all = ["ledger", "peers", "pace"])]
    tls: bool,
    /// Measure `plan`, `get` and `replay` of longer and longer inputs instead; write that section of docs/benchmarks.md
    #[arg(long, conflicts_with_all = ["ledger", "peers", "pace", "tls"])]
    others: bool,
    /// Fetch the peers that are missing: Debian's packages (as root), npm, PyPI and crates.io
    #[arg(long)]
    install: bool,
    /// Who answers
    #[arg(long, value_enum, default_value = "own")]
    server: Kind,
    /// The longest input of the scale, as a power of ten
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(2..=7))]
    scale: u32,
    /// Where the page goes
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/docs"))]
    docs: PathBuf,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [child::SERVE] => server::serve().map(|()| true),
        [child::MAP, input] => peers::alone::map_all(input).map(|()| true),
        [child::BARE, url, input, in_flight] => bare::send_all(url, input, in_flight, None).map(|()| true),
        [child::BARE, url, input, in_flight, authority] => {
            bare::send_all(url, input, in_flight, Some(authority)).map(|()| true)
        }
        words if words.contains(&"--list") => Ok(true),
        words if words.contains(&"--bench") || words.contains(&"--help") => measure(&Options::parse()),
        _ => smoke(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether every claim that was measured holds.
fn measure(options: &Options) -> Result<bool> {
    if options.peers {
        let settings = Settings {
            records: options.records,
            runs: options.runs,
            in_flight: options.in_flight,
            server: options.server,
            install: options.install,
            scale: options.scale,
            peers: &Peer::ALL,
            docs: &options.docs,
        };
        return peers::measure(settings, &mut io::stdout().lock());
    }
    if options.pace {
        let Options { seconds, in_flight, .. } = *options;
        let settings = limited::Settings { seconds, in_flight, docs: &options.docs };
        return limited::measure(settings, &mut io::stdout().lock());
    }
    if options.tls {
        let Options { records, runs, in_flight, install, .. } = *options;
        let settings = tls::Settings { records, runs, in_flight, install, docs: &options.docs };
        return tls::measure(settings, &mut io::stdout().lock());
    }
    if options.others {
        let bench = Bench::start(Kind::Own, options.in_flight)?;
        let holds = others::measure(&bench, options.scale, &options.docs, &mut io::stdout().lock())?;
        bench.finish()?;
        return Ok(holds);
    }
    let bench = Bench::start(options.server, options.in_flight)?;
    if options.ledger {
        let holds = ledger::measure(&bench, options.records, options.runs, options.big)?;
        bench.finish()?;
        return Ok(holds);
    }
    let mut measured = Measured::new(options.in_flight);
    let input = bench.input(options.records)?;
    for run in 1..=options.runs {
        for subject in Subject::ALL {
            let figures = bench.run(subject, &input)?;
            progress(subject, options.records, run, options.runs)?;
            measured.add(subject, figures);
        }
    }
    drop(input);
    if options.big > 0 {
        let input = bench.input(options.big)?;
        for subject in Subject::ALL {
            let figures = bench.run(subject, &input)?;
            progress(subject, options.big, 1, 1)?;
            measured.add_big(subject, figures);
        }
    }
    bench.finish()?;
    let mut out = io::stdout().lock();
    measured.write_table(&mut out)?;
    Ok(measured.write_claims(&mut out)?)
}

fn progress(subject: Subject, records: u64, run: u32, runs: u32) -> io::Result<()> {
    writeln!(io::stderr(), "{subject}: {records} records, run {run} of {runs}")
}

/// All once but the peers, on few records: what is checked are the counts, and that a page comes of it.
fn smoke() -> Result<bool> {
    let bench = Bench::start(Kind::Own, 8)?;
    let input = bench.input(200)?;
    for subject in Subject::ALL {
        bench.run(subject, &input)?;
    }
    for subject in [Subject::Remembering, Subject::Again] {
        bench.run(subject, &input)?;
    }
    drop(input);
    let docs = bench.folder().join("docs");
    others::measure(&bench, 2, &docs, &mut io::sink())?;
    // A machine without nginx shows nothing of the others.
    let sections: &[&str] = if nginx::version().is_ok() {
        limited::smoke(&docs)?;
        tls::smoke(&docs)?;
        &section::OWN
    } else {
        &[others::HEADING]
    };
    smoke_page(&docs, sections)?;
    bench.finish()?;
    writeln!(
        io::stdout(),
        "wire: 200 records by each of {}, all counted",
        Subject::ALL.map(|s| s.to_string()).join(", ")
    )?;
    Ok(true)
}

/// Writes a page in which these sections stand already, and must stay.
fn smoke_page(docs: &Path, sections: &[&str]) -> Result<()> {
    let (records, runs, in_flight, scale) = (200, 1, 8, 2);
    let server = Kind::Own;
    let settings = Settings { records, runs, in_flight, server, install: false, scale, peers: &[], docs };
    // Whether floors hold says nothing here.
    peers::measure(settings, &mut io::sink())?;
    for name in ["benchmarks.md", "benchmarks.svg"] {
        if fs::metadata(docs.join(name))?.len() == 0 {
            return Err(format!("{name} is empty").into());
        }
    }
    let page = fs::read_to_string(docs.join("benchmarks.md"))?;
    match sections.iter().find(|heading| page.matches(**heading).count() != 1) {
        Some(heading) => Err(format!("`{heading}` does not stand once in the page").into()),
        None => Ok(()),
    }
}
