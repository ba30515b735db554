//! `roompipe completions` and `roompipe man`: made from the definition of the command line itself.

use std::io::Write as _;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::exit::ExitCode;

use super::failure::Failure;

/// What `completions` takes.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell to complete for
    shell: Shell,
}

/// Prints a completion script.
pub(super) fn completions(arguments: &Completions, command: &mut Command) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, "roompipe", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::Done)
}

/// Prints the manual page: the program, then each command with all its options.
pub(super) fn man(command: &Command) -> Result<ExitCode, Failure> {
    let mut page = Vec::new();
    let mut whole = command.clone();
    whole.build();
    clap_mangen::Man::new(whole.clone()).render(&mut page)?;
    for inner in whole.get_subcommands() {
        let name = format!("roompipe {}", inner.get_name());
        let inner = inner.clone().bin_name(&name).display_name(name);
        let man = clap_mangen::Man::new(inner);
        writeln!(page, ".SH COMMAND")?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    std::io::stdout().lock().write_all(&page)?;
    Ok(ExitCode::Done)
}
