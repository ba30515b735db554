//! The page: tables, floors, and the machine they are of. What is not measured is told as that.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Result;
use crate::ledger;
use crate::report::{as_f64, claim};
use crate::section;
use crate::subject::Subject;

use super::figures::{By, Floor, Rounds};
use super::machine;
use super::plot;
use super::scale::SUBJECTS;
use super::{JQ, MAP, Measured};

pub(crate) const NAME: &str = "benchmarks.md";
/// How to measure, and what it means.
pub(crate) const PREFACE: &str = include_str!("page.md");
const PLOT: &str = "benchmarks.svg";
/// The length whose peak memory the longest input is held against.
const ORDINARY: u64 = 100_000;
/// Peak memory of the longest input beside that: this factor and this many MiB more.
const MOST_GROWTH: (f64, f64) = (1.1, 2.0);

/// Every claim, with what was measured of it.
pub(crate) fn floors(measured: &Measured) -> Vec<Floor> {
    let (calls, options) = (&measured.calls, &measured.options);
    let (ours, bare) = (Subject::Roompipe.name(), Subject::Bare.name());
    let mut floors = vec![Floor::at_least(
        &format!("calls/s of roompipe / of the {bare}"),
        0.55,
        calls.ratio(ours, bare, By::Speed),
    )];
    for (peer, _) in &measured.peers {
        let text = format!("calls/s of roompipe / of {peer}");
        floors.push(Floor::at_least(&text, peer.floor(), calls.ratio(ours, peer.name(), By::Speed)));
    }
    let cpu = calls.ratio(ours, bare, By::Cpu);
    floors.push(Floor::at_most(&format!("processor time of a call / of the {bare}"), 1.8, cpu));
    floors.extend(memory(measured));
    let alone = measured.alone.medians(MAP).and_then(|medians| Some(1e6 / medians.cpu_micros?));
    floors.push(Floor::at_least(
        "map and render alone, records/s of one core",
        350_000.0,
        alone.filter(|rate| rate.is_finite()),
    ));
    floors.push(Floor::at_least(&format!("the same / {JQ}"), 2.0, measured.alone.ratio(JQ, MAP, By::Cpu)));
    let milliseconds = measured.one_record.as_secs_f64() * 1e3;
    floors.push(Floor::at_most("a run of one record, the whole process, ms", 15.0, Some(milliseconds)));
    for (subject, other, text, most) in [
        (Subject::Roompipe, Subject::Silent, "events to a file cost, % of time", 15.0),
        (Subject::Metrics, Subject::Roompipe, "--metrics costs, % of time", 2.0),
    ] {
        let longer = options.ratio(other.name(), subject.name(), By::Speed);
        floors.push(Floor::at_most(text, most, longer.map(|ratio| (ratio - 1.0) * 100.0)));
    }
    let ratio = options.ratio(Subject::Remembering.name(), ours, By::Speed);
    floors.push(Floor::at_least("calls/s with a ledger / without", ledger::LEAST_RATIO, ratio));
    floors
}

fn memory(measured: &Measured) -> Vec<Floor> {
    let mut floors = Vec::new();
    for (which, most) in [(0, 48.0), (1, 64.0)] {
        let peak = |records: Option<u64>| {
            let point = measured.scale.iter().find(|point| Some(point.records) == records)?;
            point.medians[which]?.peak_mib
        };
        let longest = measured.scale.last().map(|point| point.records).filter(|records| *records > ORDINARY);
        let with = if SUBJECTS[which].remembers() { " with a ledger" } else { "" };
        let records = longest.map_or_else(|| "more".to_owned(), |records| records.to_string());
        let text = format!("peak memory of {records} records{with}, MiB");
        floors.push(Floor::at_most(&text, most, peak(longest)));
        let (factor, more) = MOST_GROWTH;
        let grown = peak(longest).zip(peak(Some(ORDINARY))).map(|(mib, ordinary)| (mib - more) / ordinary);
        let text = format!("the same less {more} MiB / that of {ORDINARY} records");
        floors.push(Floor::at_most(&text, factor, grown));
    }
    floors
}

/// Writes page and plot.
pub(crate) fn write(measured: &Measured, floors: &[Floor], folder: &Path) -> Result<()> {
    let mut page = PREFACE.to_owned();
    page.push_str("\n| | |\n| --- | --- |\n");
    for (name, value) in machine::facts() {
        writeln!(page, "| {name} | {value} |")?;
    }
    writeln!(page, "| server | {} |", measured.server)?;
    let Measured { calls, runs, in_flight, .. } = measured;
    writeln!(page, "| job | {} records, {in_flight} in flight, medians of {runs} runs |", calls.records)?;
    page.push_str("\n## Floors\n\nWhat is not to get worse; the command fails where one does.\n\n```text\n");
    for Floor { text, measured } in floors {
        let mut line = Vec::new();
        claim(&mut line, text, *measured)?;
        page.push_str(&String::from_utf8(line)?);
    }
    page.push_str("```\n");
    write_calls(&mut page, measured)?;
    write_options(&mut page, &measured.options)?;
    write_rest(&mut page, measured)?;
    write_scale(&mut page, measured)?;
    // What other commands have measured stays.
    for section in section::OWN.iter().filter_map(|heading| section::read(folder, heading)) {
        write!(page, "\n{section}\n")?;
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join(NAME), page)?;
    fs::write(folder.join(PLOT), plot::draw(&measured.scale))?;
    Ok(())
}

fn write_calls(page: &mut String, measured: &Measured) -> Result<()> {
    let ours = Subject::Roompipe.name();
    page.push_str("\n## Calls\n\nThe last two columns: how many times its calls a second roompipe makes, and what of the job it leaves out.\n\n");
    page.push_str(
        "| | calls/s | least to most | CPU µs a call | peak MiB | roompipe / it | what it leaves out |\n",
    );
    page.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    let lacks = "mapping (a line is a body), schema, retry, answers";
    let mut rows =
        vec![(ours.to_owned(), ours, ""), (Subject::Bare.name().to_owned(), Subject::Bare.name(), lacks)];
    let mut skipped = String::new();
    for (peer, version) in &measured.peers {
        match version {
            Ok(version) => rows.push((format!("{peer}: {version}"), peer.name(), peer.lacks())),
            Err(why) => writeln!(skipped, "| {peer} | skipped: {} | | | | | |", cell(why))?,
        }
    }
    for (title, name, lacks) in rows {
        let Some(medians) = measured.calls.medians(name) else { continue };
        let (slowest, fastest) = medians.slowest_and_fastest;
        writeln!(
            page,
            "| {} | {:.0} | {slowest:.0} to {fastest:.0} | {} | {} | {} | {lacks} |",
            cell(&title),
            medians.per_second,
            shown(medians.cpu_micros, 1),
            shown(medians.peak_mib, 1),
            shown(measured.calls.ratio(ours, name, By::Speed), 2),
        )?;
    }
    page.push_str(&skipped);
    Ok(())
}

fn write_options(page: &mut String, options: &Rounds) -> Result<()> {
    page.push_str("\n## What options cost\n\nThe same job by roompipe, events to a file where nothing else is said.\n\n");
    page.push_str("| | calls/s | least to most | CPU µs a call | peak MiB | time / that of the first |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for subject in Subject::OPTIONS {
        let Some(medians) = options.medians(subject.name()) else { continue };
        let (slowest, fastest) = medians.slowest_and_fastest;
        writeln!(
            page,
            "| `{subject}` | {:.0} | {slowest:.0} to {fastest:.0} | {} | {} | {} |",
            medians.per_second,
            shown(medians.cpu_micros, 1),
            shown(medians.peak_mib, 1),
            shown(options.ratio(Subject::Roompipe.name(), subject.name(), By::Speed), 3),
        )?;
    }
    Ok(())
}

fn write_rest(page: &mut String, measured: &Measured) -> Result<()> {
    let rate = |name| {
        let cpu = measured.alone.medians(name)?.cpu_micros?;
        Some(1e6 / cpu).filter(|rate| rate.is_finite())
    };
    let milliseconds = |time: std::time::Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    page.push_str("\n## Alone, and at the start\n\n| | |\n| --- | --- |\n");
    writeln!(
        page,
        "| reading, mapping, checking and rendering, no call, one core | {} records/s |",
        shown(rate(MAP), 0)
    )?;
    writeln!(page, "| `{JQ}` with the same mapping, one core | {} records/s |", shown(rate(JQ), 0))?;
    writeln!(page, "| a run of one record, the whole process | {} |", milliseconds(measured.one_record))?;
    writeln!(page, "| `roompipe --help`, the whole process | {} |", milliseconds(measured.help))?;
    writeln!(page, "| the program | {:.1} MiB |", as_f64(measured.program_bytes) / 1_048_576.0)?;
    Ok(())
}

fn write_scale(page: &mut String, measured: &Measured) -> Result<()> {
    page.push_str("\n## Longer inputs\n\nEvents to `/dev/null`; up to 100,000 records medians, beyond that one run.\n\n");
    page.push_str(
        "| records | peak MiB | µs a record | peak MiB with a ledger | µs a record with a ledger |\n",
    );
    page.push_str("| --- | --- | --- | --- | --- |\n");
    for point in &measured.scale {
        let columns = point.medians.map(|medians| {
            let peak = medians.and_then(|medians| medians.peak_mib);
            let micros = medians.map(|medians| 1e6 / medians.per_second);
            format!("{} | {}", shown(peak, 1), shown(micros, 1))
        });
        writeln!(page, "| {} | {} |", point.records, columns.join(" | "))?;
    }
    writeln!(page, "\n![Peak memory and time of a record over the length of the input]({PLOT})")?;
    Ok(())
}

/// A text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.digits$}"))
}
