//! Roles of a template: set (which renames by the body's name), read, delete.
//!
//! Whether a partial body merges into an existing role is not documented; here it replaces it, and what was not sent
//! takes its default, so that a role never depends on what it was before.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/policy/create-update-role>

use serde_json::json;

use super::role_body::{ROLE, check, complete};
use super::{Route, templates};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/templates/{template_id}/roles/{role_name}", get),
    Route::post("/templates/{template_id}/roles/{role_name}", upsert),
    Route::delete("/templates/{template_id}/roles/{role_name}", delete),
];

fn upsert(call: &mut Call<'_>) -> Outcome {
    let (template_id, path_name) = (call.parameter("template_id"), call.parameter("role_name"));
    let Some(template) = call.store.templates.get(template_id) else { return Err(templates::not_found()) };
    let body = call.body(ROLE)?;
    check(body)?;
    let name = body.filled("name").unwrap_or(path_name);
    let renames = name != path_name;
    if renames && template.roles.contains_key(name) {
        return Err(Refusal::conflict("role already exists"));
    }
    let known = template.roles.contains_key(path_name);
    let role = complete(name, body.to_map());
    let answer = Answer::ok(&role);
    let now = call.now;
    call.store.templates.change(template_id, |template| {
        if renames {
            template.roles.shift_remove(path_name);
        }
        template.roles.insert(name.to_owned(), role);
        template.updated_at = now;
    });
    match (known, renames) {
        (false, _) => call.note("role.created", name, json!({ "template_id": template_id })),
        (true, false) => call.note("role.updated", name, json!({ "template_id": template_id })),
        (true, true) => {
            call.note("role.renamed", name, json!({ "template_id": template_id, "was": path_name }));
        }
    }
    Ok(answer)
}

fn get(call: &mut Call<'_>) -> Outcome {
    let Some(template) = call.store.templates.get(call.parameter("template_id")) else {
        return Err(templates::not_found());
    };
    template.roles.get(call.parameter("role_name")).map(Answer::ok).ok_or_else(not_found)
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let (template_id, name) = (call.parameter("template_id"), call.parameter("role_name"));
    let now = call.now;
    let removed = call.store.templates.change(template_id, |template| {
        let removed = template.roles.shift_remove(name);
        if removed.is_some() {
            template.updated_at = now;
        }
        removed
    });
    removed.ok_or_else(templates::not_found)?.ok_or_else(not_found)?;
    call.note("role.deleted", name, json!({ "template_id": template_id }));
    Ok(Answer::no_content())
}

fn not_found() -> Refusal {
    Refusal::not_found("role not found")
}
