//! Numbers as people read them: counts, times, shares, and the round numbers along an axis.
//!
//! It is arithmetic and text; it knows no page.

/// `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// One thing, or several.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Three digits that matter.
pub(super) fn precise(number: f64) -> String {
    let text = match number.abs() {
        n if n >= 100.0 => return count(number.round().max(0.0) as u64),
        n if n >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Milliseconds as a time.
pub(super) fn milliseconds(ms: f64) -> String {
    if ms < 1000.0 { format!("{} ms", precise(ms)) } else { seconds(ms / 1000.0) }
}

/// Seconds as a time.
pub(super) fn seconds(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{} s", precise(seconds)),
        60..3600 => two((whole / 60, "min"), (whole % 60, "s")),
        _ => two((whole / 3600, "h"), (whole % 3600 / 60, "min")),
    }
}

fn two((large, unit): (u64, &str), (small, smaller): (u64, &str)) -> String {
    if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {smaller}") }
}

/// Milliseconds along an axis: one number and one unit.
pub(super) fn on_axis(ms: f64) -> String {
    match ms {
        ms if ms < 1000.0 => format!("{} ms", precise(ms)),
        ms if ms < 200_000.0 => format!("{} s", precise(ms / 1000.0)),
        ms => format!("{} min", precise(ms / 60_000.0)),
    }
}

/// A share of a whole, in percent. What is not nothing does not look like it, and what is not all neither.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        _ if part == 0 => "0 %".to_owned(),
        _ if part == whole => "100 %".to_owned(),
        p if p < 0.1 => "< 0.1 %".to_owned(),
        p if p > 99.9 => "> 99.9 %".to_owned(),
        p => format!("{p:.1} %"),
    }
}

/// Round numbers from 0 on that reach just beyond this one, some three to six of them.
pub(super) fn round_steps(most: f64) -> Vec<f64> {
    let most = if most > 0.0 && most.is_finite() { most } else { 1.0 };
    let power = 10_f64.powf((most / 4.0).log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| most / step <= 4.0);
    let step = step.unwrap_or(most);
    let last = (most / step).ceil().max(1.0) as u32;
    (0..=last).map(|n| f64::from(n) * step).collect()
}

/// Round times from 0 up to this one, in seconds, each with its label.
pub(super) fn time_steps(most: f64) -> Vec<(f64, String)> {
    const STEPS: [f64; 24] = [
        0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0,
        3600.0, 7200.0, 14_400.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 604_800.0,
    ];
    let step = STEPS.into_iter().find(|step| most / step < 6.0).unwrap_or(most.max(1.0) / 5.0);
    let (unit, size) = match step {
        step if step < 60.0 => ("s", 1.0),
        step if step < 3600.0 => ("min", 60.0),
        _ => ("h", 3600.0),
    };
    let label = |at: f64| if at == 0.0 { "0".to_owned() } else { format!("{} {unit}", precise(at / size)) };
    (0..=5).map(|n| f64::from(n) * step).filter(|at| *at <= most).map(|at| (at, label(at))).collect()
}

/// A scale of powers for milliseconds from `least` to `most`: where it begins and ends, and what is marked on it, which
/// are 1, 10, 100, and 2 and 5 between them where there is room.
pub(super) fn powers(least: f64, most: f64) -> (f64, f64, Vec<f64>) {
    let least = if least.is_finite() { least.max(0.01) } else { 0.01 };
    let most = if most.is_finite() { most.max(least) } else { least };
    let (low, high) = (least.log10().floor() as i32, most.log10().ceil() as i32);
    let fine = |power| [1.0, 2.0, 5.0].map(|n| n * 10_f64.powi(power));
    let all: Vec<f64> = (low..=high).flat_map(fine).collect();
    // So that what is least and most does not fall out by a rounding.
    let from = all.iter().copied().filter(|step| *step <= least * 1.000_1).fold(all[0], f64::max);
    let to = all.iter().copied().filter(|step| *step >= most * 0.999_9).fold(all[all.len() - 1], f64::min);
    let to = if to > from { to } else { from * 2.0 };
    let is_wide = to / from > 120.0;
    let is_power = |step: f64| (step.log10() - step.log10().round()).abs() < 1e-6;
    let marked = all
        .into_iter()
        .filter(|step| (from * 0.999..=to * 1.001).contains(step) && (!is_wide || is_power(*step)));
    (from, to, marked.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.456, 9.99, 12.34, 1234.5].map(precise), ["0", "0.46", "9.99", "12.3", "1,235"]);
        assert_eq!(
            [0.4, 41.2, 2500.0, 90_000.0].map(milliseconds),
            ["0.4 ms", "41.2 ms", "2.5 s", "1 min 30 s"]
        );
        assert_eq!([0.2, 59.0, 61.0, 7260.0].map(seconds), ["0.2 s", "59 s", "1 min 1 s", "2 h 1 min"]);
        assert_eq!([60.0, 3600.0].map(seconds), ["1 min", "1 h"]);
        assert_eq!([5.0, 20_000.0, 600_000.0].map(on_axis), ["5 ms", "20 s", "10 min"]);
        let shares = [(0, 0), (0, 9), (9, 9), (1, 100_000), (99_999, 100_000), (1, 3)];
        assert_eq!(
            shares.map(|(part, whole)| share(part, whole)),
            ["–", "0 %", "100 %", "< 0.1 %", "> 99.9 %", "33.3 %"]
        );
    }

    #[test]
    fn axes_are_round_and_reach_far_enough() {
        for most in [0.0, 0.003, 1.0, 7.0, 99.0, 100.0, 101.0, 30_865.0, f64::NAN, f64::INFINITY] {
            let steps = round_steps(most);
            assert!((2..=6).contains(&steps.len()), "{most}: {steps:?}");
            assert!(!most.is_finite() || steps[steps.len() - 1] >= most * 0.999_999, "{most}: {steps:?}");
        }
        assert_eq!(round_steps(100.0), [0.0, 25.0, 50.0, 75.0, 100.0]);
        for most in [0.0, 0.3, 12.0, 59.0, 61.0, 3000.0, 90_000.0, 1e9] {
            let steps = time_steps(most);
            assert!((1..=6).contains(&steps.len()), "{most}: {steps:?}");
        }
        let labels = |most| time_steps(most).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(12.0), ["0", "5 s", "10 s"]);
        assert_eq!(labels(3000.0), ["0", "10 min", "20 min", "30 min", "40 min", "50 min"]);
        assert_eq!(powers(3.0, 4000.0), (2.0, 5000.0, vec![10.0, 100.0, 1000.0]));
        assert_eq!(powers(3.0, 40.0), (2.0, 50.0, vec![2.0, 5.0, 10.0, 20.0, 50.0]));
        assert_eq!(powers(5.0, 5.0), (5.0, 10.0, vec![5.0, 10.0]));
        for (least, most) in [(f64::INFINITY, 0.0), (0.0, 0.0), (f64::NAN, f64::NAN), (1e-9, 1e12)] {
            let (from, to, _) = powers(least, most);
            assert!(from > 0.0 && to > from, "{least} {most}: {from} {to}");
        }
    }
}
