//! Pictures as SVG: bars over time, lines over time, a histogram.
//!
//! Shapes stretch with the page, and labels stand beside them as text, so that both are sharp at any width. It knows
//! numbers and names of colours, not what they mean.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::figures;

/// What all pictures over time share.
pub(super) struct Times<'a> {
    /// How wide a place is, in seconds.
    pub(super) point_s: f64,
    /// How long all of it is, in seconds.
    pub(super) total_s: f64,
    /// Stretches that are shaded, in seconds.
    pub(super) shaded: &'a [(f64, f64)],
}

/// One colour of bars: its name, and its height at each place.
pub(super) struct Stack {
    pub(super) colour: String,
    pub(super) heights: Vec<f64>,
}

/// One line: its class, and its height at each place; it breaks where there is none.
pub(super) struct Line {
    pub(super) class: &'static str,
    pub(super) heights: Vec<Option<f64>>,
}

impl Times<'_> {
    fn places(&self) -> f64 {
        (self.total_s / self.point_s).max(1e-9)
    }

    fn shading(&self) -> Markup {
        html! {
            @for (from, to) in self.shaded {
                rect.pause x=(from / self.point_s) y="0" width=((to - from).max(0.0) / self.point_s) height="100" {}
            }
        }
    }

    fn axis(&self) -> Vec<(f64, String)> {
        let steps = figures::time_steps(self.total_s).into_iter();
        steps.map(|(at, label)| (at * 100.0 / self.total_s.max(1e-9), label)).collect()
    }
}

/// Bars on bars over time.
pub(super) fn bars(label: &str, times: &Times<'_>, stacks: &[Stack]) -> Markup {
    let places = stacks.iter().map(|stack| stack.heights.len()).max().unwrap_or(0);
    let total = |place: usize| stacks.iter().filter_map(|stack| stack.heights.get(place)).sum::<f64>();
    let most = (0..places).map(total).fold(0.0, f64::max);
    let steps = figures::round_steps(most);
    let top = steps.last().copied().unwrap_or(1.0);
    let y: Vec<(f64, String)> =
        steps.iter().map(|step| (100.0 - step * 100.0 / top, figures::precise(*step))).collect();
    let mut below = vec![0.0; places];
    let paths: Vec<(&str, String)> = stacks
        .iter()
        .map(|stack| {
            let mut path = String::new();
            for (place, (height, below)) in stack.heights.iter().zip(&mut below).enumerate() {
                if *height > 0.0 {
                    let (from, height) = (100.0 - *below * 100.0 / top, height * 100.0 / top);
                    let width = (times.places() - place as f64).clamp(0.0, 1.0);
                    let _ = write!(path, "M{place} {from:.2}v-{height:.2}h{width:.2}v{height:.2}z");
                }
                *below += height;
            }
            (stack.colour.as_str(), path)
        })
        .collect();
    framed(
        label,
        (times.places(), &y, &times.axis()),
        &html! {
        (times.shading())
        @for (colour, path) in paths {
            path d=(path) fill={ "var(--" (colour) ")" } shape-rendering="crispEdges" {}
        }
        },
    )
}

/// Lines of milliseconds over time, on a scale of powers.
pub(super) fn lines(label: &str, times: &Times<'_>, lines: &[Line]) -> Markup {
    let all = || lines.iter().flat_map(|line| line.heights.iter().flatten().copied());
    let (low, high, steps) = figures::powers(all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max));
    let scale = Powers::new(low, high);
    let y: Vec<(f64, String)> =
        steps.iter().map(|step| (100.0 - scale.of(*step), figures::on_axis(*step))).collect();
    let path = |line: &Line| {
        let mut path = String::new();
        let mut is_down = false;
        for (place, height) in line.heights.iter().enumerate() {
            let Some(height) = height else {
                is_down = false;
                continue;
            };
            let (x, y) = (place as f64 + 0.5, 100.0 - scale.of(*height));
            // A line of one point is as wide as its place.
            let next = line.heights.get(place + 1).copied().flatten();
            match (is_down, next) {
                (true, _) => drop(write!(path, "L{x} {y:.2}")),
                (false, Some(_)) => drop(write!(path, "M{x} {y:.2}")),
                (false, None) => drop(write!(path, "M{place} {y:.2}h1")),
            }
            is_down = true;
        }
        path
    };
    framed(
        label,
        (times.places(), &y, &times.axis()),
        &html! {
            (times.shading())
            @for line in lines.iter().rev() {
                path class={ "line " (line.class) } d=(path(line)) {}
            }
        },
    )
}

/// How many calls took how long: bins of equal width on a scale of powers, and marks in it.
pub(super) fn histogram(label: &str, bins: &[(f64, f64, u32)], marks: &[(String, f64)]) -> Markup {
    let most = bins.iter().map(|(_, _, count)| f64::from(*count)).fold(0.0, f64::max);
    let steps = figures::round_steps(most);
    let top = steps.last().copied().unwrap_or(1.0);
    let y: Vec<(f64, String)> =
        steps.iter().map(|step| (100.0 - step * 100.0 / top, figures::precise(*step))).collect();
    let places = bins.len().max(1) as f64;
    let place_of = |ms: f64| -> Option<f64> {
        let place = bins.iter().position(|(from, to, _)| (*from..*to).contains(&ms))?;
        let (from, to, _) = bins[place];
        Some(place as f64 + (ms - from) / (to - from))
    };
    let (least, last) = (bins.first().map_or(0.0, |bin| bin.0), bins.last().map_or(1.0, |bin| bin.1));
    let (_, _, steps) = figures::powers(least.max(0.064), last);
    let x: Vec<(f64, String)> = steps
        .into_iter()
        .filter_map(|ms| Some((place_of(ms)? * 100.0 / places, figures::on_axis(ms))))
        .collect();
    let marks: Vec<(f64, &str)> = marks
        .iter()
        .filter_map(|(name, ms)| Some((place_of(*ms)? * 100.0 / places, name.as_str())))
        .collect();
    let shapes = html! {
        @for (place, (from, to, count)) in bins.iter().enumerate() {
            @if *count > 0 {
                // What is there is seen.
                @let height = (f64::from(*count) * 100.0 / top).max(0.8);
                rect x=(place as f64 + 0.04) y=(format!("{:.2}", 100.0 - height)) width="0.92"
                    height=(format!("{height:.2}")) fill="var(--p90)" {
                    title { (figures::milliseconds(*from)) " to " (figures::milliseconds(*to)) ": " (figures::count(u64::from(*count))) }
                }
            }
        }
        @for (at, _) in &marks {
            line.line x1=(at * places / 100.0) x2=(at * places / 100.0) y1="0" y2="100" stroke="var(--ink)"
                stroke-width="1.4" stroke-dasharray="4 3" {}
        }
    };
    let labels = html! {
        @for (place, (at, name)) in marks.iter().enumerate() {
            // Below one another, so that close ones do not hide each other; towards the side where there is room.
            @let side = if *at > 70.0 { format!("right:{:.2}%", 100.0 - at) } else { format!("left:{at:.2}%") };
            span.label style={ (side) ";top:" (format!("{:.2}", place as f64 * 1.45)) "rem" } { (name) }
        }
    };
    framed_with(label, (places, &y, &x), &shapes, &labels)
}

type Axes<'a> = (f64, &'a [(f64, String)], &'a [(f64, String)]);

fn framed(label: &str, axes: Axes<'_>, shapes: &Markup) -> Markup {
    framed_with(label, axes, shapes, &html! {})
}

/// Shapes between their axes: places along x, and labels at percents of both.
fn framed_with(label: &str, (places, y, x): Axes<'_>, shapes: &Markup, labels: &Markup) -> Markup {
    let end = |at: f64| match at {
        at if at < 3.0 => Some("first"),
        at if at > 95.0 => Some("last"),
        _ => None,
    };
    html! {
        div.chart {
            div.y aria-hidden="true" {
                @for (at, text) in y { span style={ "top:" (format!("{at:.2}")) "%" } { (text) } }
            }
            div.plot {
                svg role="img" aria-label=(label) viewBox={ "0 0 " (format!("{places:.3}")) " 100" } preserveAspectRatio="none" {
                    @for (at, _) in y {
                        line.grid x1="0" x2=(format!("{places:.3}")) y1=(format!("{at:.2}")) y2=(format!("{at:.2}")) {}
                    }
                    (shapes)
                }
                (labels)
            }
            div.x aria-hidden="true" {
                @for (at, text) in x { span class=[end(*at)] style={ "left:" (format!("{at:.2}")) "%" } { (text) } }
            }
        }
    }
}

/// Percents of a scale of powers.
struct Powers {
    low: f64,
    high: f64,
}

impl Powers {
    fn new(low: f64, high: f64) -> Self {
        Self { low: low.log10(), high: high.log10() }
    }

    fn of(&self, value: f64) -> f64 {
        ((value.max(0.001).log10() - self.low) * 100.0 / (self.high - self.low)).clamp(0.0, 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_on_one_another_and_the_last_is_as_wide_as_the_time_that_was_left() {
        let times = Times { point_s: 1.0, total_s: 1.5, shaded: &[(0.5, 1.0)] };
        let stack =
            |colour: &str, heights: &[f64]| Stack { colour: colour.to_owned(), heights: heights.to_vec() };
        let svg = bars("x", &times, &[stack("a", &[50.0, 0.0]), stack("b", &[50.0, 25.0])]).into_string();
        assert!(svg.contains("d=\"M0 100.00v-50.00h1.00v50.00z\" fill=\"var(--a)\""), "{svg}");
        assert!(svg.contains("d=\"M0 50.00v-50.00h1.00v50.00zM1 100.00v-25.00h0.50v25.00z\""), "{svg}");
        assert!(svg.contains("<rect class=\"pause\" x=\"0.5\" y=\"0\" width=\"0.5\""), "{svg}");
    }

    #[test]
    fn lines_break_where_nothing_is_known() {
        let times = Times { point_s: 1.0, total_s: 5.0, shaded: &[] };
        let heights = vec![Some(1.0), Some(10.0), None, Some(100.0), None];
        let svg = lines("x", &times, &[Line { class: "p50", heights }]).into_string();
        assert!(svg.contains("d=\"M0.5 "), "{svg}");
        assert!(svg.contains("M3 ") && svg.contains("h1\""), "{svg}");
        assert_eq!(svg.matches('L').count(), 1, "{svg}");
    }

    #[test]
    fn no_picture_panics_on_nothing() {
        let times = Times { point_s: 0.125, total_s: 0.0, shaded: &[] };
        bars("x", &times, &[]);
        lines("x", &times, &[]);
        histogram("x", &[], &[("p50".to_owned(), 3.0)]);
    }
}
