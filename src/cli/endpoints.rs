//! `roompipe endpoints`: the catalog, a template as a page, and the templates' own tests.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::exit::ExitCode;
use crate::mapping::sample;
use crate::template::{EndpointTemplate, Place, Purpose};

use super::arguments::Form;
use super::failure::Failure;
use super::{log, setup};

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
        #[arg(long, value_enum, default_value_t = Form::Text)]
        format: Form,
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

/// Shows or checks the catalog.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.what {
        What::List { format, templates } => list(*format, templates.as_ref()),
        What::Show { id, templates } => {
            let template = setup::find(id, &setup::catalog(templates.as_ref())?)?;
            write!(std::io::stdout().lock(), "{}", page(&template))?;
            Ok(ExitCode::Done)
        }
        What::Check { directory } => check(directory.as_ref()),
    }
}

fn list(format: Form, folder: Option<&PathBuf>) -> Result<ExitCode, Failure> {
    let templates = setup::all(&setup::catalog(folder)?)?;
    let mut out = String::new();
    match format {
        Form::Json => {
            let entries: Vec<Value> = templates.iter().map(|template| entry(template)).collect();
            let _ = writeln!(out, "{:#}", Value::from(entries));
        }
        Form::Text => {
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

fn page(template: &EndpointTemplate) -> String {
    let mut out = format!(
        "{}: {}\n{} {}\n\n{}\n",
        template.id, template.title, template.method, template.path, template.summary
    );
    let _ = writeln!(out, "\nA repeat: {} ({})", template.effect, template.effect_reason);
    for condition in &template.effect_if {
        let _ = writeln!(out, "  {} when {} ({})", condition.effect, condition.when.source(), condition.why);
    }
    if let Some(order) = &template.order_by {
        let _ = writeln!(out, "Calls keep their order by {}", order.source());
    }
    if let Some(route) = &template.route {
        let _ = writeln!(out, "Goes to {} when {} ({})", route.to, route.when.source(), route.why);
    }
    if let Some(fan_out) = &template.fan_out {
        let _ = writeln!(
            out,
            "`{}` makes one call for each distinct item, sent as `{}`",
            fan_out.field, fan_out.into
        );
    }
    for (place, heading) in [(Place::Path, "Path"), (Place::Query, "Query"), (Place::Body, "Body")] {
        let parameters: Vec<_> = template.parameters.iter().filter(|p| p.place == place).collect();
        if parameters.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{heading}");
        for parameter in parameters {
            let mut marks = Vec::new();
            if parameter.required {
                marks.push("required".to_owned());
            }
            if parameter.purpose != Purpose::Sent {
                marks.push("not sent as such".to_owned());
            }
            describe(&mut out, &parameter.name, &parameter.schema, &marks, 1);
        }
    }
    if let Some(test) = template.tests.first() {
        let _ = writeln!(out, "\nExample record\n  {}", test.record);
    }
    let _ = writeln!(out, "\n{}", template.docs);
    out
}

/// One parameter a line, its members below it.
fn describe(out: &mut String, name: &str, schema: &Value, marks: &[String], depth: usize) {
    let indent = "  ".repeat(depth);
    let text =
        schema.get("description").and_then(Value::as_str).map_or(String::new(), |text| format!(": {text}"));
    let _ = writeln!(out, "{indent}{name} ({}){text}", facts(schema, marks));
    let inner = schema.get("items").unwrap_or(schema);
    let required = inner.get("required").and_then(Value::as_array);
    for (member, schema) in inner.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let needed = required.is_some_and(|names| names.iter().any(|name| name == member));
        let marks = if needed { vec!["required".to_owned()] } else { Vec::new() };
        describe(out, member, schema, &marks, depth + 1);
    }
}

/// Type, marks and limits of a parameter.
pub(super) fn facts(schema: &Value, marks: &[String]) -> String {
    let mut facts = vec![types(schema)];
    facts.extend_from_slice(marks);
    let limits = [
        ("enum", "one of"),
        ("pattern", "matching"),
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("multipleOf", "a multiple of"),
        ("maxLength", "characters at most"),
        ("minItems", "items at least"),
        ("maxItems", "items at most"),
        ("default", "default"),
    ];
    for (key, word) in limits {
        if let Some(limit) = schema.get(key) {
            facts.push(format!("{word} {}", plain(limit)));
        }
    }
    facts.join(", ")
}

fn types(schema: &Value) -> String {
    let word = |value: Option<&Value>| match value {
        Some(Value::String(word)) => word.clone(),
        Some(Value::Array(words)) => words.iter().map(plain).collect::<Vec<_>>().join(" or "),
        _ => "any JSON".to_owned(),
    };
    match schema.get("items") {
        Some(items) => format!("array of {}", word(items.get("type"))),
        None => word(schema.get("type")),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
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
