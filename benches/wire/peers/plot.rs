//! Two plots over the length of the input as one SVG: peak memory, and the time of a record.

use std::fmt::Write as _;

use crate::report::as_f64;

use super::figures::Medians;
use super::scale::{Point, SUBJECTS};

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 240.0;
/// Room for what is written at the left, above, and below.
const LEFT: f64 = 56.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 58.0;
const RIGHT: f64 = 16.0;
/// Without a ledger, and with one; they can be told apart without colours, too.
const STROKES: [(&str, &str); 2] = [("#1f6feb", "none"), ("#bc4c00", "6 4")];

/// Draws every length that was measured.
pub(crate) fn draw(points: &[Point]) -> String {
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {HEIGHT}" font-family="sans-serif" font-size="11">"#,
        WIDTH * 2.0
    );
    let _ = writeln!(svg, "\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>");
    panel(&mut svg, 0.0, "peak memory, MiB", points, |medians| medians.peak_mib);
    panel(&mut svg, WIDTH, "µs a record", points, |medians| Some(1e6 / medians.per_second));
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, from: f64, title: &str, points: &[Point], value: fn(&Medians) -> Option<f64>) {
    let values = |which: usize| {
        points.iter().filter_map(move |point| Some((point.records, value(point.medians[which].as_ref()?)?)))
    };
    let highest = (0..SUBJECTS.len()).flat_map(values).map(|(_, value)| value).fold(0.0, f64::max);
    let top = round_up(highest);
    let (first, last) = match (points.first(), points.last()) {
        (Some(first), Some(last)) => (as_f64(first.records).log10(), as_f64(last.records).log10()),
        _ => (0.0, 1.0),
    };
    let x = |records: u64| {
        let part = if last > first { (as_f64(records).log10() - first) / (last - first) } else { 0.5 };
        from + LEFT + part * (WIDTH - LEFT - RIGHT)
    };
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    let _ = writeln!(svg, r#"<text x="{:.0}" y="20" font-weight="bold">{title}</text>"#, from + LEFT);
    for quarter in 0..=4 {
        let mark = top * f64::from(quarter) / 4.0;
        let (left, right, height) = (from + LEFT, from + WIDTH - RIGHT, y(mark));
        let _ = writeln!(
            svg,
            r##"<path d="M{left:.1} {height:.1}H{right:.1}" stroke="#d0d7de"/><text x="{:.1}" y="{:.1}" text-anchor="end">{mark}</text>"##,
            left - 6.0,
            height + 4.0
        );
    }
    for point in points {
        let (x, y) = (x(point.records), HEIGHT - BOTTOM + 16.0);
        let power = as_f64(point.records).log10();
        let _ = writeln!(
            svg,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle">10<tspan dy="-4" font-size="8">{power:.0}</tspan></text>"#
        );
    }
    for (which, (subject, (colour, dashes))) in SUBJECTS.iter().zip(STROKES).enumerate() {
        let places: Vec<_> = values(which).map(|(records, value)| (x(records), y(value))).collect();
        let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>"#,
            line.join(" ")
        );
        for (x, y) in places {
            let _ = writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#);
        }
        // One below the other, under the axis.
        let (x, y) = (from + LEFT, HEIGHT - 24.0 + as_f64(which as u64) * 15.0);
        let name = if subject.remembers() { "with a ledger" } else { "without a ledger" };
        let _ = writeln!(
            svg,
            r#"<path d="M{x:.1} {:.1}h24" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/><text x="{:.1}" y="{y:.1}">{name}</text>"#,
            y - 4.0,
            x + 30.0
        );
    }
}

/// The next of 1, 2, 4, 8 times a power of ten, so that quarters are short numbers.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-3).log10().floor());
    [1.0, 2.0, 4.0, 8.0, 10.0].into_iter().map(|step| step * power).find(|top| *top >= value).unwrap_or(value)
}
