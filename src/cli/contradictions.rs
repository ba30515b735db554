//! Options that contradict or need each other: two flags that do are a mistake, the environment gives way to a flag.
//!
//! The parser of arguments cannot tell this: to it, a variable is as good as a flag.

use super::arguments::{
    CallArguments, DeliveryArguments, EmptyCell, InputArguments, LedgerArguments, MappingArguments,
    OutputArguments,
};
use super::credential;
use super::failure::Failure;

/// Options that say opposite things: `settle` knows what is done about each pair.
pub(super) const OPPOSITES: [(&str, &str); 5] = [
    ("--strict", "--pass-unknown"),
    ("--emulator", "--base-url"),
    ("--order-by", "--unordered"),
    ("--append", "--overwrite"),
    ("--emulator", "--ledger"),
];

/// Options that have no effect without one of others. What another one needs comes behind that one.
pub(super) const NEEDS: [(&str, &[&str]); 21] = [
    ("--emulator-journal", &["--emulator"]),
    ("--method", &["--url"]),
    ("--effect", &["--url"]),
    ("--burst", &["--rate"]),
    ("--batch-props", &["--batch", "--batch-as"]),
    ("--batch-by", &["--batch", "--batch-as"]),
    ("--batch-wait", &["--batch", "--batch-as"]),
    ("--batch-bytes", &["--batch", "--batch-as"]),
    ("--batch-results", &["--batch", "--batch-as"]),
    ("--no-bisect", &["--batch", "--batch-as"]),
    ("--webhook-batch", &["--webhook"]),
    ("--webhook-spill", &["--webhook"]),
    ("--webhook-unsigned", &["--webhook"]),
    ("--key", &["--ledger"]),
    ("--on-change", &["--ledger"]),
    ("--last-wins", &["--ledger"]),
    ("--resend-unknown", &["--ledger"]),
    ("--accept-mapping-change", &["--ledger"]),
    ("--emit-skipped", &["--ledger"]),
    ("--last-wins", &["--key"]),
    ("--on-change", &["--key"]),
];

/// True where the table says so: a destination file knows only the table.
pub(super) fn is_listed(option: &str, needed: &[&str]) -> bool {
    NEEDS.contains(&(option, needed))
}

/// One of two options that say opposite things.
struct Side<'a> {
    option: &'static str,
    variable: &'static str,
    set: &'a mut bool,
}

/// Of two opposites a flag wins over the environment; two flags are a mistake.
fn settle(Side { option, variable, set }: Side<'_>, other: Side<'_>) -> Result<(), Failure> {
    let Side { option: other_option, variable: other_variable, set: other_set } = other;
    debug_assert!(OPPOSITES.contains(&(option, other_option)), "{option}, {other_option}: a line is missing");
    if !(*set && *other_set) {
        return Ok(());
    }
    match (from_environment(variable), from_environment(other_variable)) {
        (true, false) => *set = false,
        (false, true) => *other_set = false,
        _ => return Err(Failure::usage(format!("`{option}` and `{other_option}` say opposite things"))),
    }
    Ok(())
}

/// A flag without the one it belongs to is a mistake; in the environment it just has no effect.
fn needs(option: &str, variable: &str, needed: &str, given: bool, there: bool) -> Result<(), Failure> {
    debug_assert!(is_listed(option, &[needed]), "{option}, {needed}: a line is missing");
    if given && !there && !from_environment(variable) {
        return Err(Failure::usage(format!("`{option}` has no effect without `{needed}`")));
    }
    Ok(())
}

/// True where an option may have come from its variable.
pub(super) fn from_environment(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}

/// Options about records mean nothing where requests are sent as they were. In the environment they are not meant for
/// this command.
pub(super) fn refuse_without_effect(
    input: &InputArguments,
    mapping: &MappingArguments,
    delivery: &DeliveryArguments,
) -> Result<(), Failure> {
    let options = [
        ("--map", "ROOMPIPE_MAP", !mapping.map.is_empty()),
        ("--set", "ROOMPIPE_SET", !mapping.set.is_empty()),
        ("--exclude", "ROOMPIPE_EXCLUDE", !mapping.exclude.is_empty()),
        ("--body", "ROOMPIPE_BODY", mapping.body.is_some()),
        ("--pass-unknown", "ROOMPIPE_PASS_UNKNOWN", mapping.pass_unknown),
        ("--strict", "ROOMPIPE_STRICT", mapping.strict),
        ("--where", "ROOMPIPE_WHERE", input.filter.is_some()),
        ("--infer-types", "ROOMPIPE_INFER_TYPES", input.infer_types),
        ("--empty", "ROOMPIPE_EMPTY", !matches!(input.empty, EmptyCell::Omit)),
        ("--order-by", "ROOMPIPE_ORDER_BY", delivery.order_by.is_some()),
    ];
    for (option, variable, is_given) in options {
        if is_given && !from_environment(variable) {
            let text = format!("`{option}` has no effect on recorded requests, which are sent as they are");
            let hint = "name the endpoint behind the file, so that the records are mapped afresh";
            return Err(Failure::usage(text).hint(hint));
        }
    }
    Ok(())
}

/// Sorts out where calls go: to the embedded emulator, which takes only its demo key and not a credential that was typed,
/// or to an API.
pub(super) fn settle_target(
    emulator: &mut bool,
    base_url: &mut Option<String>,
    typed: Option<&str>,
) -> Result<(), Failure> {
    let mut elsewhere = base_url.is_some();
    settle(
        Side { option: "--emulator", variable: "ROOMPIPE_EMULATOR", set: emulator },
        Side { option: "--base-url", variable: "ROOMPIPE_BASE_URL", set: &mut elsewhere },
    )?;
    if !elsewhere {
        *base_url = None;
    }
    match typed {
        // A credential does not say where to: to leave the emulator for its sake could reach a real workspace.
        Some(name) if *emulator => Err(Failure::usage(format!(
            "`--emulator` takes its demo key only, and not the credential `{name}`"
        ))
        .hint("name the credential or the emulator; ROOMPIPE_EMULATOR or a file may have named the latter")),
        _ => Ok(()),
    }
}

impl CallArguments {
    /// Sorts out options that contradict or need each other.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        let mapping = &mut self.mapping;
        settle(
            Side { option: "--strict", variable: "ROOMPIPE_STRICT", set: &mut mapping.strict },
            Side {
                option: "--pass-unknown",
                variable: "ROOMPIPE_PASS_UNKNOWN",
                set: &mut mapping.pass_unknown,
            },
        )?;
        let target = &mut self.target;
        let typed = target.credential.as_deref().filter(|_| credential::is_typed());
        settle_target(&mut target.emulator, &mut target.base_url, typed)?;
        let journal = target.emulator_journal.is_some();
        needs("--emulator-journal", "ROOMPIPE_EMULATOR_JOURNAL", "--emulator", journal, target.emulator)?;
        if !target.emulator {
            target.emulator_journal = None;
        }
        self.batch.settle()?;
        let manual = self.manual.url.is_some();
        needs("--method", "ROOMPIPE_METHOD", "--url", self.manual.method.is_some(), manual)?;
        needs("--effect", "ROOMPIPE_EFFECT", "--url", self.manual.effect.is_some(), manual)
    }
}

impl DeliveryArguments {
    /// Sorts out options that contradict or need each other.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        let mut ordered = self.order_by.is_some();
        settle(
            Side { option: "--order-by", variable: "ROOMPIPE_ORDER_BY", set: &mut ordered },
            Side { option: "--unordered", variable: "ROOMPIPE_UNORDERED", set: &mut self.unordered },
        )?;
        if !ordered {
            self.order_by = None;
        }
        needs("--burst", "ROOMPIPE_BURST", "--rate", self.burst.is_some(), self.rate.is_some())
    }
}

impl OutputArguments {
    /// Sorts out options that contradict or need each other.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        if self.raw && !self.emit.starts_with("jq:") && !from_environment("ROOMPIPE_RAW") {
            return Err(Failure::usage("`--raw` has no effect without `--emit jq:EXPR`"));
        }
        settle(
            Side { option: "--append", variable: "ROOMPIPE_APPEND", set: &mut self.append },
            Side { option: "--overwrite", variable: "ROOMPIPE_OVERWRITE", set: &mut self.overwrite },
        )?;
        self.webhook.settle()
    }
}

impl LedgerArguments {
    /// Sorts out options that contradict or need each other. The embedded emulator forgets at its end what a ledger would
    /// remember of it.
    pub(super) fn settle(
        &mut self,
        call: &mut CallArguments,
        output: &mut OutputArguments,
    ) -> Result<(), Failure> {
        let mut kept = self.ledger.is_some();
        settle(
            Side { option: "--emulator", variable: "ROOMPIPE_EMULATOR", set: &mut call.target.emulator },
            Side { option: "--ledger", variable: "ROOMPIPE_LEDGER", set: &mut kept },
        )
        .map_err(|failure| {
            failure.hint(
                "the embedded emulator's state dies with it; `roompipe emulator` serves one that several runs can share",
            )
        })?;
        if !kept {
            self.ledger = None;
        }
        let is = |option, variable, given| needs(option, variable, "--ledger", given, kept);
        is("--key", "ROOMPIPE_KEY", self.key.is_some())?;
        is("--on-change", "ROOMPIPE_ON_CHANGE", self.on_change.is_some())?;
        is("--last-wins", "ROOMPIPE_LAST_WINS", self.last_wins)?;
        is("--resend-unknown", "ROOMPIPE_RESEND_UNKNOWN", self.resend_unknown)?;
        is("--accept-mapping-change", "ROOMPIPE_ACCEPT_MAPPING_CHANGE", self.accept_mapping_change)?;
        is("--emit-skipped", "ROOMPIPE_EMIT_SKIPPED", output.emit_skipped)?;
        if !kept {
            self.key = None;
        }
        let keyed = self.key.is_some();
        let is = |option, variable, given| needs(option, variable, "--key", given, keyed);
        is("--last-wins", "ROOMPIPE_LAST_WINS", self.last_wins)?;
        is("--on-change", "ROOMPIPE_ON_CHANGE", self.on_change.is_some())
    }
}
