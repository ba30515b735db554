//! On which machine, when and of which source figures were taken.

use std::fs;
use std::path::Path;
use std::thread;

use super::found::{first_line, says};

/// What readers must know of it: name and value.
pub(crate) fn facts() -> Vec<(&'static str, String)> {
    let unknown = || "unknown".to_owned();
    let cores = thread::available_parallelism().map_or_else(|_| unknown(), |cores| cores.to_string());
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(unknown);
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.trim_end_matches(" kB").parse::<u64>().ok())
        .map_or_else(unknown, |kib| format!("{:.1} GiB", crate::report::as_f64(kib) / 1_048_576.0));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system =
        system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or(std::env::consts::OS);
    vec![
        ("date", jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()),
        ("machine", format!("{processor}, cores: {cores}, memory: {memory}")),
        ("system", format!("{}, kernel {}", system.trim_matches('"'), kernel.trim())),
        ("roompipe", format!("{}, commit {}", env!("CARGO_PKG_VERSION"), commit().unwrap_or_else(unknown))),
        ("compiler", says("rustc".as_ref(), &["--version"]).map_or_else(unknown, |text| first_line(&text))),
    ]
}

/// The same as a sentence.
pub(crate) fn line() -> String {
    let told: Vec<String> = facts().into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("Measured on {}.", told.join("; ").trim_start_matches("date: "))
}

/// With a mark where the source was changed since.
fn commit() -> Option<String> {
    let folder = env!("CARGO_MANIFEST_DIR");
    let told = says(Path::new("git"), &["-C", folder, "describe", "--always", "--dirty", "--exclude=*"])?;
    Some(first_line(&told))
}

/// The value of the first line `NAME: VALUE`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let (_, value) = text.lines().find(|line| line.starts_with(name))?.split_once(':')?;
    Some(value.trim().to_owned())
}
