//! Templates: create (which overwrites by name), read, list, replace.
//!
//! Plugins are kept as sent and not looked into.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/policy/create-template-via-api>

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::template_body::{DESTINATIONS, SETTINGS, check_destinations, check_settings};
use super::{Route, role_body};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::page::Page;
use crate::emulator::shape::{Checked, Field, Kind};
use crate::emulator::store::{Store, Template};

pub(super) const ROUTES: &[Route] = &[
    Route::get("/templates", list),
    Route::post("/templates", create),
    Route::get("/templates/{template_id}", get),
    Route::post("/templates/{template_id}", update),
];

const TEMPLATE: &[Field] = &[
    Field::new("name", Kind::Text),
    Field::new("roles", Kind::Map(&Kind::Object(role_body::ROLE))),
    Field::new("settings", Kind::Object(SETTINGS)),
    Field::new("destinations", Kind::Object(DESTINATIONS)),
    Field::new("plugins", Kind::AnyObject),
];

fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body(TEMPLATE)?;
    check(body)?;
    let known = body.filled("name").and_then(|name| call.store.templates.by_key(name));
    if let Some(template) = known {
        let id = template.id.clone();
        return replace(call, &id, body);
    }
    let id = call.store.new_id(call.now);
    let name = body.filled("name").map_or_else(|| Uuid::new_v4().to_string(), str::to_owned);
    call.store.templates.insert(Template {
        id: id.clone(),
        name: name.clone(),
        roles: roles_of(body),
        settings: part(body, "settings"),
        destinations: part(body, "destinations"),
        plugins: part(body, "plugins"),
        recordings: Vec::new(),
        subdomain: None,
        created_at: call.now,
        updated_at: call.now,
    });
    call.note("template.created", &id, json!({ "name": name }));
    show(call.store, &id)
}

fn update(call: &mut Call<'_>) -> Outcome {
    let id = call.parameter("template_id");
    if call.store.templates.get(id).is_none() {
        return Err(not_found());
    }
    let body = call.body(TEMPLATE)?;
    check(body)?;
    let namesake = body.filled("name").and_then(|name| call.store.templates.by_key(name));
    if namesake.is_some_and(|other| other.id != id) {
        return Err(Refusal::conflict("template name already exists"));
    }
    replace(call, id, body)
}

fn get(call: &mut Call<'_>) -> Outcome {
    show(call.store, call.parameter("template_id"))
}

fn list(call: &mut Call<'_>) -> Outcome {
    let show = |template| TemplateAnswer::new(call.store, template);
    Page::asked(call)?.of(&call.store.templates, |_| true, show)
}

/// Takes over the whole body: what was not sent is lost, except for the name.
fn replace(call: &mut Call<'_>, id: &str, body: Checked<'_>) -> Outcome {
    let now = call.now;
    let name = call.store.templates.change(id, |template| {
        if let Some(name) = body.filled("name") {
            name.clone_into(&mut template.name);
        }
        template.roles = roles_of(body);
        template.settings = part(body, "settings");
        template.destinations = part(body, "destinations");
        template.plugins = part(body, "plugins");
        template.updated_at = now;
        template.name.clone()
    });
    call.note("template.updated", id, json!({ "name": name }));
    show(call.store, id)
}

fn check(body: Checked<'_>) -> Result<(), Refusal> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b" -._:".contains(&byte);
    if body.filled("name").is_some_and(|name| !name.bytes().all(fits)) {
        return Err(Refusal::bad_request("Invalid body param: name"));
    }
    if let Some(settings) = body.object("settings") {
        check_settings(settings)?;
    }
    if let Some(destinations) = body.object("destinations") {
        let upload = body.object("settings").and_then(|settings| settings.object("recording"));
        check_destinations(destinations, upload.is_some_and(|recording| recording.get("upload").is_some()))?;
    }
    let roles = body.object("roles");
    let names = roles.into_iter().flat_map(|roles| roles.to_map().into_iter().map(|(name, _)| name));
    names.filter_map(|name| roles?.object(&name)).try_for_each(role_body::check)
}

fn roles_of(body: Checked<'_>) -> Map<String, Value> {
    let sent = body.object("roles").map(Checked::to_map).unwrap_or_default();
    let complete = |(name, role): (String, Value)| {
        let role = role_body::complete(&name, role.as_object().cloned().unwrap_or_default());
        (name, role)
    };
    sent.into_iter().map(complete).collect()
}

fn part(body: Checked<'_>, name: &str) -> Value {
    body.get(name).cloned().unwrap_or_else(|| json!({}))
}

fn show(store: &Store, id: &str) -> Outcome {
    let template = store.templates.get(id).ok_or_else(not_found)?;
    Ok(Answer::ok(&TemplateAnswer::new(store, template)))
}

/// 404 for a template.
pub(super) fn not_found() -> Refusal {
    Refusal::not_found("template not found")
}

/// A template as the API shows it, with its two ids and two customers.
#[derive(Serialize)]
struct TemplateAnswer<'a> {
    id: &'a str,
    name: &'a str,
    #[serde(rename = "customerId")]
    customer_id: &'a str,
    roles: &'a Map<String, Value>,
    settings: &'a Value,
    destinations: &'a Value,
    plugins: &'a Value,
    #[serde(rename = "createdAt")]
    created_at: Timestamp,
    #[serde(rename = "updatedAt")]
    updated_at: Timestamp,
    #[serde(rename = "_id")]
    old_id: &'a str,
    customer: &'a str,
}

impl<'a> TemplateAnswer<'a> {
    fn new(store: &'a Store, template: &'a Template) -> Self {
        Self {
            id: &template.id,
            name: &template.name,
            customer_id: store.customer_id,
            roles: &template.roles,
            settings: &template.settings,
            destinations: &template.destinations,
            plugins: &template.plugins,
            created_at: template.created_at,
            updated_at: template.updated_at,
            old_id: &template.id,
            customer: store.customer_id,
        }
    }
}
