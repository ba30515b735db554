//! `roompipe endpoints`: the catalog, a template as a page, and the templates' own tests.

mod page;
mod parameters;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::exit::ExitCode;
use crate::mapping::sample;
use crate::template::EndpointTemplate;

use super::failure::Failure;
use super::{log, setup};

pub(super) use parameters::facts;

/// What `endpoints` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All endpoints, a line each.
    List {
        /// Form of the list
        #[arg(long, value_enum, default_value_t = ListForm::Text)]
        format: ListForm,
        /// More endpoint templates [default: the embedded ones only]
        #[arg(long, value_name = "DIR", env = "ROOMPIPE_TEMPLATES", hide_env = true)]
        templates: Option<PathBuf>,
    },
    /// One endpoint: what it does, its parameters, an example.
    Show {
        /// Endpoint id
        id: String,
        /// More endpoint templates [default: the embedded ones only]
        #[arg(long, value_name = "DIR", env = "ROOMPIPE_TEMPLATES", hide_env = true)]
        templates: Option<PathBuf>,
    },
    /// Run the templates' own tests.
    Check {
        /// A folder of endpoint templates, besides the embedded ones
        directory: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ListForm {
    /// A line each
    Text,
    /// One array
    Json,
    /// All pages as one document
    Markdown,
}

/// Shows or checks the catalog.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.what {
        What::List { format, templates } => list(*format, templates.as_ref()),
        What::Show { id, templates } => {
            let template = setup::find(id, &setup::catalog(templates.as_ref())?)?;
            write!(std::io::stdout().lock(), "{}", page::text(&template))?;
            Ok(ExitCode::Done)
        }
        What::Check { directory } => check(directory.as_ref()),
    }
}

fn list(format: ListForm, folder: Option<&PathBuf>) -> Result<ExitCode, Failure> {
    let templates = setup::all(&setup::catalog(folder)?)?;
    let mut out = String::new();
    match format {
        ListForm::Markdown => page::document(&templates, &mut out),
        ListForm::Json => {
            let entries: Vec<Value> = templates.iter().map(|template| entry(template)).collect();
            let _ = writeln!(out, "{:#}", Value::from(entries));
        }
        ListForm::Text => {
            let widest = templates.iter().map(|template| template.id.len()).max().unwrap_or_default();
            let mut group = "";
            for template in &templates {
                if template.group != group {
                    let gap = if group.is_empty() { "" } else { "\n" };
                    let _ = writeln!(out, "{gap}{}", template.group);
                    group = &template.group;
                }
                let effect = template.effect.as_str();
                let call = format!("{} {}", template.method, template.path);
                let _ = writeln!(out, "  {:widest$}  {effect:14}  {call}", template.id);
            }
        }
    }
    write!(std::io::stdout().lock(), "{out}")?;
    Ok(ExitCode::Done)
}

fn entry(template: &EndpointTemplate) -> Value {
    let conditions: Vec<Value> = template
        .effect_if
        .iter()
        .map(|condition| json!({"when": condition.when.source(), "effect": condition.effect, "why": condition.why}))
        .collect();
    json!({
        "id": template.id,
        "group": template.group,
        "title": template.title,
        "method": template.method.as_str(),
        "path": template.path.to_string(),
        "effect": template.effect,
        "effect_if": conditions,
        "docs": template.docs,
    })
}

fn check(folder: Option<&PathBuf>) -> Result<ExitCode, Failure> {
    let catalog = setup::catalog(folder)?;
    let templates = setup::all(&catalog)?;
    let (mut passed, mut failed) = (0_u32, 0_u32);
    for template in &templates {
        let routed = setup::routed(template, &catalog)?;
        for test in &template.tests {
            match sample::run(template, routed.as_ref().map(Arc::clone), test) {
                Ok(()) => passed += 1,
                Err(error) => {
                    failed += 1;
                    log::problem(&format!("{}: `{}`: {error}", template.id, test.name), None);
                }
            }
        }
    }
    writeln!(
        std::io::stdout().lock(),
        "{} templates: {passed} tests passed, {failed} failed",
        templates.len()
    )?;
    Ok(if failed == 0 { ExitCode::Done } else { ExitCode::SomeNot })
}
