//! What a run's end means, and what to do next: sentences and commands made of counts.
//!
//! It knows outcomes, exit codes and options; it looks at no record.

use crate::outcome::Outcome;

use super::figures::{count, counted};
use super::{About, Account, Counts};

/// How a run ended, in one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Early,
}

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) text: String,
    /// To be pasted.
    pub(super) command: Option<String>,
}

/// The end of a run in a sentence.
pub(super) fn verdict(counts: &Counts) -> (Tone, String) {
    let not = counts.not_delivered();
    let pending = counts.of(Outcome::Pending);
    match counts.exit {
        0 if counts.read == 0 => (Tone::Good, "Finished: no record was read".to_owned()),
        0 => (Tone::Good, "Finished: nothing is missing".to_owned()),
        1 => {
            let records = counted(not, "record was", "records were");
            (Tone::Bad, format!("Finished: {records} not delivered, of {}", count(counts.read)))
        }
        75 => (
            Tone::Early,
            format!("Stopped early: {} not sent", counted(pending, "record was", "records were")),
        ),
        code => (Tone::Bad, format!("Ended with exit code {code}: {}", meaning(code))),
    }
}

/// What an exit code says.
pub(super) fn meaning(exit: u64) -> &'static str {
    match exit {
        0 => "everything delivered, skipped or filtered",
        1 => "finished, some records were not delivered",
        74 => "an output or the ledger could not be written, or an input broke off",
        75 => "stopped early; the same command goes on",
        77 => "the credentials were refused",
        78 => "the configuration is wrong",
        _ => "not a code of roompipe",
    }
}

/// What to do next, the most urgent first.
pub(super) fn steps(counts: &Counts, account: &Account) -> Vec<Step> {
    let about = &account.about;
    let mut steps = Vec::new();
    let mut step = |text: String, command: Option<String>| steps.push(Step { text, command });
    if counts.of(Outcome::Pending) > 0 || account.input_left {
        step(goes_on(counts, about), Some(about.command.clone()).filter(|command| !command.is_empty()));
    }
    let unknown = counts.of(Outcome::Unknown);
    if unknown > 0 {
        let what = counted(unknown, "record", "records");
        let text = format!(
            "{what} may have been applied, and must not be repeated blindly. See whether each one was; then "
        );
        match (&about.ledger, &about.dead_letters) {
            (Some(file), _) => step(
                text + "`--resend-unknown` sends them again, and `roompipe ledger forget` makes them new.",
                Some(format!("roompipe ledger list {} --outcome unknown", quoted(file))),
            ),
            (None, Some(file)) => step(
                format!("{text}take those that were out of `{file}`, and replay the others:"),
                Some(format!("roompipe replay {} --only unknown", quoted(file))),
            ),
            (None, None) => step(text + "give the others to the same command again.", None),
        }
    }
    let mend = counts.of(Outcome::Rejected) + counts.of(Outcome::Invalid);
    if mend > 0 {
        let what = counted(mend, "record", "records");
        step(
            format!("Mend {what} (the groups below say what is wrong){}", where_kept(about)),
            replay(about, true),
        );
    }
    let failed = counts.of(Outcome::Failed);
    if failed > 0 {
        let text = format!(
            "{} can be sent again as it is: surely not applied, or safe to repeat.",
            counted(failed, "record", "records")
        );
        let command = match about.ledger {
            Some(_) => Some(about.command.clone()).filter(|command| !command.is_empty()),
            None => replay(about, false),
        };
        step(text, command);
    }
    if counts.not_delivered() > 0 && about.dead_letters.is_none() && !about.is_replay {
        step(
            "`--dead-letters FILE` would have kept these records apart, ready to be mended and replayed."
                .to_owned(),
            None,
        );
    }
    steps
}

fn goes_on(counts: &Counts, about: &About) -> String {
    let pending = counts.of(Outcome::Pending);
    let left =
        format!("{} not sent, and the input may hold more.", counted(pending, "record was", "records were"));
    match (&about.ledger, about.is_replay) {
        (Some(_), _) => {
            format!("{left} The same command with the same input goes on, and sends nothing twice:")
        }
        (None, true) => format!("{left} Their events are `record.pending`, to be replayed in turn:"),
        (None, false) => format!("{left} Their events are `record.pending`. What is missing goes on with:"),
    }
}

fn where_kept(about: &About) -> String {
    match &about.dead_letters {
        Some(file) => match maps_by_flag(about) {
            true => format!(" in `{file}`, then send them again, with the mapping options of this run:"),
            false => format!(" in `{file}`, then send them again:"),
        },
        None => ", then give them to the same command again.".to_owned(),
    }
}

fn replay(about: &About, maps_afresh: bool) -> Option<String> {
    let file = quoted(about.dead_letters.as_ref()?);
    let endpoint = match &about.aim {
        _ if !maps_afresh => String::new(),
        Some(aim) => format!(" {}", quoted(aim)),
        None => " --url URL".to_owned(),
    };
    let ledger =
        about.ledger.as_ref().map(|ledger| format!(" --ledger {}", quoted(ledger))).unwrap_or_default();
    Some(format!("roompipe replay {file}{endpoint}{ledger}"))
}

/// Whether how records become calls was said on the command line alone.
fn maps_by_flag(about: &About) -> bool {
    const MAPS: [&str; 7] =
        ["--map", "--set", "--exclude", "--body", "--pass-unknown", "--strict", "--empty"];
    about.settings.iter().any(|setting| {
        MAPS.contains(&setting.name.as_str()) && setting.from.as_deref() == Some("command line")
    })
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What can be done about calls that ended so, where their example does not say.
pub(super) fn remedy(outcome: Outcome, code: &str) -> &'static str {
    match (outcome, code) {
        (Outcome::Unknown, _) => "see whether it was applied before it is sent again",
        (_, "timeout") => "a longer `--timeout`, or fewer calls at once: `--concurrency`",
        (_, "rate_limited") => "a lower `--rate`, or a longer `--max-elapsed`",
        (_, "dns" | "connect" | "tls") => "look at `--base-url`, the network and the proxy; then run again",
        (_, "no_fd") => {
            "fewer calls at once (`--concurrency`), or a higher limit of open files (`ulimit -n`)"
        }
        (_, "reset" | "garbled" | "body_cut" | "informational") => {
            "run again; if it stays, look at what stands between: a proxy, a gateway"
        }
        (_, "not_json") => "look at the answer in the event: a proxy or a login page may stand between",
        (_, "redirect") => "call the address that the answer names: redirects are not followed",
        (Outcome::Rejected, "401" | "403") => "look at the credential: `roompipe credential check`",
        (Outcome::Rejected, "404") => "look at the ids: what the record names is not there",
        (Outcome::Rejected, "409") => "what the call makes is there already",
        (Outcome::Rejected, _) => "mend what the API objects to, then replay",
        (Outcome::Failed, _) => "run again: it is surely not applied, or safe to repeat",
        (Outcome::Invalid, _) => "mend the record or the mapping; `roompipe preview` shows what it becomes",
        _ => "see its event",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn counts(exit: u8, outcomes: &[(&str, u64)]) -> Counts {
        let read: u64 = outcomes.iter().map(|(_, count)| count).sum();
        let outcomes: serde_json::Map<_, _> =
            outcomes.iter().map(|(word, count)| ((*word).to_owned(), (*count).into())).collect();
        Counts::read(&json!({"read": read, "outcomes": outcomes, "exit": exit}))
    }

    fn account(ledger: Option<&str>, dead_letters: Option<&str>) -> Account {
        let mut account =
            Account::of(&crate::output::Tally::default(), Vec::new(), std::time::Duration::ZERO);
        account.about.command = "roompipe run x".to_owned();
        account.about.aim = Some("create-room".to_owned());
        account.about.ledger = ledger.map(str::to_owned);
        account.about.dead_letters = dead_letters.map(str::to_owned);
        account
    }

    fn told(counts: &Counts, account: &Account) -> Vec<String> {
        steps(counts, account).into_iter().filter_map(|step| step.command).collect()
    }

    #[test]
    fn every_end_has_a_sentence_and_a_next_step_where_there_is_something_to_do() {
        let fine = counts(0, &[("delivered", 3), ("skipped", 2)]);
        assert_eq!(verdict(&fine), (Tone::Good, "Finished: nothing is missing".to_owned()));
        assert_eq!(steps(&fine, &account(None, None)), []);
        let some = counts(1, &[("delivered", 3), ("rejected", 1), ("invalid", 1000)]);
        assert_eq!(
            verdict(&some),
            (Tone::Bad, "Finished: 1,001 records were not delivered, of 1,004".to_owned())
        );
        assert_eq!(
            told(&some, &account(Some("a b.ledger"), Some("dead.jsonl"))),
            ["roompipe replay dead.jsonl create-room --ledger 'a b.ledger'"]
        );
        assert_eq!(steps(&some, &account(None, None)).len(), 2, "and that dead letters would help");
        let stopped = counts(75, &[("pending", 1), ("unknown", 1), ("failed", 1)]);
        assert_eq!(verdict(&stopped), (Tone::Early, "Stopped early: 1 record was not sent".to_owned()));
        assert_eq!(
            told(&stopped, &account(Some("l"), None)),
            ["roompipe run x", "roompipe ledger list l --outcome unknown", "roompipe run x"]
        );
        let unknown = counts(1, &[("unknown", 2)]);
        assert_eq!(
            told(&unknown, &account(None, Some("d.jsonl"))),
            ["roompipe replay d.jsonl --only unknown"]
        );
        assert_eq!(told(&unknown, &account(None, None)), Vec::<String>::new());
        for exit in [0, 1, 74, 75, 77, 78] {
            assert!(!meaning(exit).contains("not a code"));
        }
    }
}
