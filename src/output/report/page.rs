//! The page: one HTML file that needs no network and no script.
//!
//! It is made of an account and the counts beside it. The template escapes whatever stands in it; only our own style
//! goes in as it is.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::outcome::Outcome;

use super::advice::{self, Tone};
use super::figures::{self, count};
use super::{Account, Counts, parts};

const STYLE: &str = include_str!("style.css");

/// A past run that has left no account: it was cut off, goes on, or is of an older version.
#[derive(Clone, Debug)]
pub struct CutOff {
    /// What the ledger belongs to: endpoint and address.
    pub endpoint: String,
    /// Where its calls go.
    pub base_url: String,
    /// Which run of the ledger it is.
    pub number: u64,
    /// When it began, in milliseconds of Unix time.
    pub started: i64,
    /// Why there is no more to tell.
    pub why: String,
    /// Its counts, where it left any.
    pub summary: Option<serde_json::Value>,
    /// How the ledger's calls stand now, each once.
    pub calls: Vec<(&'static str, u64)>,
    /// What to do next.
    pub next: String,
}

/// The page about a run that has ended.
#[must_use]
pub fn page(summary: &serde_json::Value, account: &Account) -> String {
    let counts = Counts::read(summary);
    let body = html! {
        (heading(&account.endpoint, &facts(account)))
        (verdict(&counts, account))
        (tiles(&counts, account))
        (parts::outcomes(&counts))
        (parts::timeline(account))
        div.two { (parts::latency(account)) (parts::attempts(&counts, account)) }
        (parts::reasons(account))
        (parts::slowest(account))
        (parts::settings(account))
        footer { "Made by roompipe " (account.program) " from one run's own counts. Times are the local clock's, in UTC." }
    };
    whole(&account.endpoint, &body)
}

/// The page about a run of which only the ledger tells.
#[must_use]
pub fn page_of_cut_off(run: &CutOff) -> String {
    let all: u64 = run.calls.iter().map(|(_, count)| count).sum();
    let body = html! {
        (heading(&run.endpoint, &[format!("run {} of this ledger", run.number), format!("began {}", time(run.started)), run.base_url.clone()]))
        section.verdict.early {
            h2 { span.mark aria-hidden="true" { "▲" } "There is no report of this run" }
            p { (parts::prose(&run.why)) }
            p { (parts::prose(&run.next)) }
        }
        @if let Some(summary) = &run.summary { (parts::outcomes(&Counts::read(summary))) }
        section {
            h2 { "What the ledger knows now" }
            p.dim.small { "Calls of all runs together, each counted once, as they stand." }
            @if all == 0 { p { "No call yet." } } @else {
                table {
                    thead { tr { th { "Calls" } th.n { "How many" } th.n { "Share" } } }
                    tbody {
                        @for (word, number) in run.calls.iter().filter(|(_, number)| *number > 0) {
                            tr {
                                td { span.swatch style={ "background:var(--" (colour(word)) ")" } {} (word) }
                                td.n data-standing=(word) data-value=(number) { (count(*number)) }
                                td.n { (figures::share(*number, all)) }
                            }
                        }
                    }
                }
            }
        }
        footer { "Made by roompipe " (env!("CARGO_PKG_VERSION")) " from the ledger. Times are in UTC." }
    };
    whole(&run.endpoint, &body)
}

/// The name of its colour: outcomes have their own, and what is open is as good as pending.
fn colour(word: &str) -> &str {
    if Outcome::of_word(word).is_some() { word } else { "pending" }
}

fn whole(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                // Nothing is to be loaded from anywhere, whatever stands in the page.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Run report: " (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    }
    .into_string()
}

fn heading(endpoint: &str, facts: &[String]) -> Markup {
    html! {
        header {
            p.dim { "roompipe run report" }
            h1 { (endpoint) }
            p.dim.small { (facts.join(" · ")) }
        }
    }
}

fn facts(account: &Account) -> Vec<String> {
    let began = format!("began {}", time(account.started));
    let base = account.about.settings.iter().find(|setting| setting.name == "--base-url");
    let took = format!("took {}", figures::seconds(account.elapsed_s));
    [began, took].into_iter().chain(base.map(|setting| setting.value.clone())).collect()
}

fn verdict(counts: &Counts, account: &Account) -> Markup {
    let (tone, sentence) = advice::verdict(counts);
    let (class, mark) = match tone {
        Tone::Good => ("good", "✓"),
        Tone::Bad => ("bad", "✕"),
        Tone::Early => ("early", "▲"),
    };
    let steps = advice::steps(counts, account);
    html! {
        section class={ "verdict " (class) } {
            h2 { span.mark aria-hidden="true" { (mark) } (sentence) }
            p.dim.small { "Exit code " span data-name="exit" data-value=(counts.exit) { (counts.exit) } ": " (advice::meaning(counts.exit)) "." }
            @for said in account.stopped.iter().chain(&account.messages) {
                p { (parts::prose(&said.text)) @if let Some(hint) = &said.hint { br; span.dim { "Hint: " (parts::prose(hint)) } } }
            }
            @if !steps.is_empty() {
                div {
                    h3 { "What to do next" }
                    ol {
                        @for step in &steps {
                            li { (parts::prose(&step.text)) @if let Some(command) = &step.command { pre { (command) } } }
                        }
                    }
                }
            }
        }
    }
}

fn tiles(counts: &Counts, account: &Account) -> Markup {
    let delivered = counts.of(Outcome::Delivered);
    let rate = if account.elapsed_s > 0.0 { counts.calls as f64 / account.elapsed_s } else { 0.0 };
    let quantile = |share: f64| {
        let found = account.quantiles.iter().find(|(known, _)| *known == share);
        found.map_or_else(|| "–".to_owned(), |(_, ms)| figures::milliseconds(*ms))
    };
    let tile = |name: &str, value: (&str, u64), text: &str, more: &str| {
        html! {
            div.tile {
                span.dim.small { (name) }
                b data-name=(value.0) data-value=(value.1) { (text) }
                span.dim.small { (more) }
            }
        }
    };
    let not = counts.not_delivered() + counts.of(Outcome::Pending);
    html! {
        div.tiles {
            (tile("Records read", ("read", counts.read), &count(counts.read), &figures::counted(counts.calls, "call", "calls")))
            (tile("Delivered", ("delivered", delivered), &count(delivered), &figures::share(delivered, counts.read)))
            (tile("Not delivered", ("not_delivered", not), &count(not), &figures::share(not, counts.read)))
            (tile("Calls a second", ("calls", counts.calls), &figures::precise(rate), "on average"))
            (tile("Latency, p50", ("p50", 0), &quantile(0.5), &format!("p99 {}", quantile(0.99))))
            (tile("Answers 429", ("rate_limited", counts.rate_limited), &count(counts.rate_limited), &figures::counted(counts.retries, "retry", "retries")))
        }
    }
}

/// A time as people read it.
pub(super) fn time(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds)
        .map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}
