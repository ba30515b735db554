//! Settings, destinations and recordings configuration of a template, each by itself.
//!
//! Whether a partial body merges into what is there is not documented; here it replaces it, as with roles.
//!
//! <https://www.100ms.live/docs/server-side/v2/api-reference/policy/update-settings>

use serde_json::{Value, json};

use super::template_body::{DESTINATIONS, RECORDING, SETTINGS, check_destinations, check_settings};
use super::{Route, templates};
use crate::emulator::answer::{Answer, Outcome, Refusal};
use crate::emulator::call::Call;
use crate::emulator::store::Template;

pub(super) const ROUTES: &[Route] = &[
    Route::get("/templates/{template_id}/settings", get_settings),
    Route::post("/templates/{template_id}/settings", set_settings),
    Route::get("/templates/{template_id}/destinations", get_destinations),
    Route::post("/templates/{template_id}/destinations", set_destinations),
    Route::get("/templates/{template_id}/recordings", get_recordings),
    Route::post("/templates/{template_id}/recordings", set_recordings),
];

fn get_settings(call: &mut Call<'_>) -> Outcome {
    let template = template(call)?;
    let set = &template.settings;
    let mut recording = set["recording"].clone();
    // The API is told the secret by one name and tells it by another.
    if let Some(credentials) = recording.pointer_mut("/upload/credentials").and_then(Value::as_object_mut)
        && let Some(secret) = credentials.shift_remove("secretKey")
    {
        credentials.insert("secret".to_owned(), secret);
    }
    Ok(Answer::ok(&json!({
        "region": set["region"].as_str().unwrap_or("auto"),
        "recording": recording,
        "roomState": or_empty(&set["roomState"]),
        "retry": or_empty(&set["retry"]),
    })))
}

fn set_settings(call: &mut Call<'_>) -> Outcome {
    template(call)?;
    let body = call.body(SETTINGS)?;
    check_settings(body)?;
    change(call, "settings", |template| template.settings = body.to_map().into());
    get_settings(call)
}

fn get_destinations(call: &mut Call<'_>) -> Outcome {
    let set = &template(call)?.destinations;
    let mut answer = json!({});
    for group in ["rtmpDestinations", "hlsDestinations", "transcriptions"] {
        answer[group] = or_empty(&set[group]);
    }
    if set["browserRecordings"].is_object() {
        answer["browserRecordings"] = set["browserRecordings"].clone();
    }
    Ok(Answer::ok(&answer))
}

fn set_destinations(call: &mut Call<'_>) -> Outcome {
    let own_storage = template(call)?.has_own_storage();
    let body = call.body(DESTINATIONS)?;
    check_destinations(body, own_storage)?;
    change(call, "destinations", |template| template.destinations = body.to_map().into());
    get_destinations(call)
}

fn get_recordings(call: &mut Call<'_>) -> Outcome {
    let shown: Vec<Value> = template(call)?.recordings.iter().map(without_false).collect();
    Ok(Answer::ok(&shown))
}

fn set_recordings(call: &mut Call<'_>) -> Outcome {
    template(call)?;
    let configs = call.list_body(RECORDING)?;
    let [config] = configs.as_slice() else {
        return Err(Refusal::bad_request(
            "Invalid body param: exactly one recordings configuration is allowed",
        ));
    };
    if config.filled("name").is_none() {
        return Err(Refusal::bad_request("Invalid body param: name"));
    }
    if !config.filled("role").is_some_and(|role| template(call).is_ok_and(|it| it.roles.contains_key(role))) {
        return Err(Refusal::bad_request("Invalid body param: role"));
    }
    change(call, "recordings", |template| template.recordings = vec![config.to_map().into()]);
    get_recordings(call)
}

fn template<'a>(call: &'a Call<'_>) -> Result<&'a Template, Refusal> {
    call.store.templates.get(call.parameter("template_id")).ok_or_else(templates::not_found)
}

fn change(call: &mut Call<'_>, part: &str, apply: impl FnOnce(&mut Template)) {
    let (id, now) = (call.parameter("template_id"), call.now);
    call.store.templates.change(id, |template| {
        apply(template);
        template.updated_at = now;
    });
    call.note("template.updated", id, json!({ "part": part }));
}

fn or_empty(value: &Value) -> Value {
    if value.is_object() { value.clone() } else { json!({}) }
}

/// The value without members that are false, which the API leaves out of these answers.
fn without_false(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| **value != Value::Bool(false));
            Value::Object(kept.map(|(name, value)| (name.clone(), without_false(value))).collect())
        }
        other => other.clone(),
    }
}
