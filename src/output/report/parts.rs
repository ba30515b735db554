//! The parts of the page below its head: tables and pictures, each made of its own piece of an account.
//!
//! It knows how to show, not what follows from it.

use maud::{Markup, html};

use crate::outcome::Outcome;

use super::chart::{self, Line, Stack, Times};
use super::figures::{self, count};
use super::{Account, Counts, Point, advice};

/// Shorter runs have no timeline worth looking at.
const FEWEST_POINTS: usize = 4;

fn swatch(outcome: Outcome) -> Markup {
    html! { span.swatch style={ "background:var(--" (outcome.as_str()) ")" } {} }
}

/// How records ended.
pub(super) fn outcomes(counts: &Counts) -> Markup {
    let there = || Outcome::ALL.into_iter().filter(|outcome| counts.of(*outcome) > 0);
    html! {
        section {
            h2 { "Records by outcome" }
            @if counts.read > 0 {
                div.share aria-hidden="true" {
                    @for outcome in there() {
                        i style={ "flex:" (counts.of(outcome)) " 1 0;background:var(--" (outcome.as_str()) ")" } {}
                    }
                }
            }
            table.notes {
                thead { tr { th { "Outcome" } th.n { "Records" } th.n { "Share" } th { "Meaning" } } }
                tbody {
                    @for outcome in Outcome::ALL {
                        @if counts.of(outcome) > 0 || outcome == Outcome::Delivered {
                            tr {
                                td.key { (swatch(outcome)) (outcome.as_str()) }
                                td.n data-outcome=(outcome.as_str()) data-value=(counts.of(outcome)) { (count(counts.of(outcome))) }
                                td.n { (figures::share(counts.of(outcome), counts.read)) }
                                td.note.dim.small { (meaning(outcome)) }
                            }
                        }
                    }
                }
            }
            @if counts.changed > 0 {
                p.dim.small { (figures::counted(counts.changed, "delivered record has", "delivered records have")) " changed since and were skipped." }
            }
        }
    }
}

fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "a success, with a whole answer and no error inside",
        Outcome::Rejected => "the API refused it",
        Outcome::Failed => "surely not applied, or safe to repeat, and the attempts are spent",
        Outcome::Unknown => "may have been applied, and must not be repeated blindly",
        Outcome::Invalid => "never sent: unreadable, does not map, or breaks a rule",
        Outcome::Skipped => "delivered before, and nothing to do",
        Outcome::Filtered => "left out by --where, or no body came of it",
        Outcome::Pending => "the run stopped before it was settled",
    }
}

/// Calls, latency and trouble over time.
pub(super) fn timeline(account: &Account) -> Markup {
    if account.series.len() < FEWEST_POINTS {
        return html! {};
    }
    let times = Times {
        point_s: account.point_s,
        total_s: account.elapsed_s.min(account.series.len() as f64 * account.point_s),
        shaded: &account.pauses.spans,
    };
    html! {
        section.flows {
            h2 { "Over time" }
            (calls(account, &times))
            (latency_over_time(account, &times))
            (trouble(account, &times))
            p.dim.small { "Each point is " (figures::seconds(account.point_s)) "." }
        }
    }
}

/// Something a second, at each place.
fn rates(account: &Account, times: &Times<'_>, of: impl Fn(&Point) -> u32) -> Vec<f64> {
    let seconds = |place: usize| {
        // What is left of the last stretch is short; a rate over it would say nothing.
        (times.total_s - place as f64 * times.point_s).clamp(times.point_s / 2.0, times.point_s)
    };
    account.series.iter().enumerate().map(|(place, point)| f64::from(of(point)) / seconds(place)).collect()
}

fn calls(account: &Account, times: &Times<'_>) -> Markup {
    let of = |outcome: Outcome| move |point: &Point| point.calls.get(outcome.place()).copied().unwrap_or(0);
    let there = |outcome: &Outcome| account.series.iter().any(|point| of(*outcome)(point) > 0);
    let outcomes: Vec<Outcome> = Outcome::ALL.into_iter().filter(there).collect();
    let stack = |outcome: &Outcome| Stack {
        colour: outcome.as_str().to_owned(),
        heights: rates(account, times, of(*outcome)),
    };
    let stacks: Vec<Stack> = outcomes.iter().map(stack).collect();
    html! {
        figure {
            figcaption { "Calls that ended, a second" }
            div.legend {
                @for outcome in &outcomes { span { (swatch(*outcome)) (outcome.as_str()) } }
                @if !account.pauses.spans.is_empty() {
                    span { span.swatch style="background:var(--pause)" {} "everything paused, as the API asked" }
                }
            }
            (chart::bars("Calls that ended, a second, by outcome, over the time of the run", times, &stacks))
        }
    }
}

fn latency_over_time(account: &Account, times: &Times<'_>) -> Markup {
    let quantile = |class: &'static str, which: usize| Line {
        class,
        heights: account.series.iter().map(|point| point.latency_ms.map(|ms| ms[which])).collect(),
    };
    let quantiles = [quantile("p50", 0), quantile("p90", 1), quantile("p99", 2)];
    if account.latencies.is_empty() {
        return html! {};
    }
    html! {
        figure {
            figcaption { "Latency of answers, on a scale of powers" }
            div.legend {
                @for (class, name) in [("p50", "p50: half of the calls were faster"), ("p90", "p90"), ("p99", "p99")] {
                    span { svg viewBox="0 0 28 10" aria-hidden="true" { path class={ "line " (class) } d="M0 5h28" {} } (name) }
                }
            }
            (chart::lines("Latency of answers at p50, p90 and p99 over the time of the run", times, &quantiles))
        }
    }
}

fn trouble(account: &Account, times: &Times<'_>) -> Markup {
    type Of = fn(&Point) -> u32;
    let kinds: [(&str, &str, Of); 3] = [
        ("limited", "answered 429", |point| point.rate_limited),
        ("server", "answered 5xx", |point| point.server_errors),
        ("silent", "not answered", |point| point.unanswered),
    ];
    let there: Vec<_> =
        kinds.into_iter().filter(|(_, _, of)| account.series.iter().any(|point| of(point) > 0)).collect();
    if there.is_empty() {
        return html! {};
    }
    let stacks: Vec<Stack> = there
        .iter()
        .map(|(colour, _, of)| Stack { colour: (*colour).to_owned(), heights: rates(account, times, of) })
        .collect();
    html! {
        figure {
            figcaption { "Attempts in trouble, a second" }
            div.legend {
                @for (colour, name, _) in &there {
                    span { span.swatch style={ "background:var(--" (colour) ")" } {} (name) }
                }
            }
            (chart::bars("Attempts answered 429 or 5xx, or not answered, a second, over the time of the run", times, &stacks))
        }
    }
}

/// How long answers took.
pub(super) fn latency(account: &Account) -> Markup {
    let name = |share: f64| match share {
        1.0 => "slowest".to_owned(),
        share => format!("p{}", (share * 100.0).round()),
    };
    let marked = account.quantiles.iter().filter(|(share, _)| [0.5, 0.9, 0.99].contains(share));
    let marks: Vec<(String, f64)> =
        marked.map(|(share, ms)| (format!("{} {}", name(*share), figures::milliseconds(*ms)), *ms)).collect();
    html! {
        section {
            h2 { "Latency" }
            @if account.latencies.is_empty() { p.dim { "No call was answered." } } @else {
                figure {
                    figcaption { "How many calls were answered in how long" }
                    (chart::histogram("How many calls were answered in how long", &account.latencies, &marks))
                }
                table.quantiles {
                    thead { tr { @for (share, _) in &account.quantiles { th { (name(*share)) } } } }
                    tbody { tr {
                        @for (share, ms) in &account.quantiles {
                            td data-latency=(name(*share)) data-value=(ms) { (figures::milliseconds(*ms)) }
                        }
                    } }
                }
            }
        }
    }
}

/// What attempts were answered with, what was repeated, what waited.
pub(super) fn attempts(counts: &Counts, account: &Account) -> Markup {
    let all: u64 = account.attempts.iter().map(|(_, count)| count).sum();
    let most = account.attempts.iter().map(|(_, count)| *count).max().unwrap_or(1).max(1);
    let mut by_frequency = account.attempts.clone();
    by_frequency.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let waits = &account.pauses;
    html! {
        section {
            h2 { "Attempts" }
            p.dim.small {
                span data-name="attempts" data-value=(counts.attempts) { (figures::counted(counts.attempts, "attempt", "attempts")) }
                " for "
                span data-name="calls" data-value=(counts.calls) { (figures::counted(counts.calls, "call", "calls")) }
                ", "
                span data-name="retries" data-value=(counts.retries) { (figures::counted(counts.retries, "retry", "retries")) }
                "."
                @if waits.count > 0 {
                    " The API asked " (figures::counted(waits.count, "time", "times")) " to wait, "
                    (figures::seconds(waits.total_s)) " in all."
                }
                @if let Some(pace) = waits.slowed_to { " Its 429s have slowed the run to " (figures::precise(pace)) " attempts a second." }
            }
            @if !by_frequency.is_empty() {
                table {
                    thead { tr { th { "Answer" } th.n { "Attempts" } th.n { "Share" } th.bars { span hidden { "Share as a bar" } } } }
                    tbody {
                        @for (status, number) in &by_frequency {
                            tr {
                                td { (answer(*status)) }
                                td.n data-status=(status.map_or_else(|| "none".to_owned(), |status| status.to_string())) data-value=(number) { (count(*number)) }
                                td.n { (figures::share(*number, all)) }
                                td.bars aria-hidden="true" { span.bar style={ "width:" (format!("{:.1}", *number as f64 * 100.0 / most as f64)) "%" } {} }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn answer(status: Option<u16>) -> String {
    let Some(status) = status else { return "no answer".to_owned() };
    let words = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    words.map_or_else(|| status.to_string(), |words| format!("{status} {words}"))
}

/// Why calls were not delivered.
pub(super) fn reasons(account: &Account) -> Markup {
    let groups = account.reasons.by_frequency();
    if groups.is_empty() {
        return html! {};
    }
    html! {
        section.flows {
            h2 { "What went wrong" }
            @for group in groups {
                div.group {
                    h3 {
                        (swatch(group.outcome)) (group.outcome.as_str()) ": "
                        span data-reason=(group.code) data-value=(group.calls) { (count(group.calls)) }
                        " × " code { (group.code) }
                    }
                    p { span.dim { "For example " (group.first.position) ": " } (prose(&group.first.message)) }
                    p { span.dim { "What to do: " } (prose(group.first.remedy.as_deref().unwrap_or_else(|| advice::remedy(group.outcome, &group.code)))) }
                }
            }
            @if account.reasons.others() > 0 {
                div.group {
                    h3 { "other: " span data-reason="other" data-value=(account.reasons.others()) { (figures::counted(account.reasons.others(), "call", "calls")) } }
                    p.dim { "Of further kinds, one by one in the events." }
                }
            }
        }
    }
}

/// The slowest calls.
pub(super) fn slowest(account: &Account) -> Markup {
    let calls = account.slowest.calls();
    if calls.is_empty() {
        return html! {};
    }
    html! {
        section.flows {
            h2 { "Slowest calls" }
            p.dim.small { "From the first attempt to the end, waiting and repeats included; the " (calls.len()) " slowest." }
            table.cards {
                thead { tr { th.n { "Took" } th.n { "Last attempt" } th.n { "Attempts" } th { "Ended" } th { "Record" } th { "Request" } } }
                tbody {
                    @for call in calls {
                        tr {
                            td.n data-label="took" { b { (figures::milliseconds(call.took_ms)) } }
                            td.n data-label="last attempt" { (figures::milliseconds(call.last_ms)) }
                            td.n data-label="attempts" { (call.attempts) }
                            td { (swatch(call.outcome)) (call.outcome.as_str()) @if let Some(status) = call.status { " " (status) } }
                            td.long { (call.position) }
                            td.long { code { (call.request) } }
                        }
                    }
                }
            }
        }
    }
}

/// A text in which what stands between backticks is code.
pub(super) fn prose(text: &str) -> Markup {
    let pieces: Vec<&str> = text.split('`').collect();
    // An odd one out is no quotation.
    if pieces.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! {
        @for (place, piece) in pieces.iter().enumerate() {
            @if place % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

/// What was asked for.
pub(super) fn settings(account: &Account) -> Markup {
    let (given, usual): (Vec<_>, Vec<_>) =
        account.about.settings.iter().partition(|setting| setting.from.is_some());
    html! {
        section.flows {
            h2 { "Settings" }
            @if given.is_empty() { p.dim { "Nothing but defaults." } }
            dl {
                @for setting in &given {
                    dt { (setting.name) }
                    dd { code { (setting.value) } @if let Some(from) = &setting.from { " " span.dim.small { (from) } } }
                }
            }
            @if !usual.is_empty() {
                details {
                    summary { "Defaults that held" }
                    dl { @for setting in &usual { dt { (setting.name) } dd { code { (setting.value) } } } }
                }
            }
        }
    }
}
