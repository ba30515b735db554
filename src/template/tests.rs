//! The embedded templates, broken ones, and what a template promises whatever it says.

use std::fs;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jq::View;

const SOUND: &str = r#"
id = "a"
title = "A"
group = "g"
summary = "S."
docs = "https://example.test"
method = "POST"
path = "/a/{x}"
effect = "idempotent"
effect_reason = "Same."
[path_parameters.x]
description = "X."
[body.properties.n]
type = "integer"
[[tests]]
name = "t"
record = { x = "1" }
expect = [{ method = "POST", path = "/a/1" }]
"#;

fn sound(change: impl Fn(&str) -> String) -> Result<EndpointTemplate, Vec<Defect>> {
    EndpointTemplate::parse("g/a.toml", change(SOUND.trim_start()).as_str())
}

fn brief(defects: &[Defect]) -> Vec<String> {
    defects.iter().map(|defect| format!("{}:{} {}", defect.line, defect.column, defect.message)).collect()
}

#[test]
fn every_embedded_template_is_sound() {
    let all = Catalog::embedded().all().unwrap_or_else(|error| panic!("{error}"));
    let ids: Vec<_> = all.iter().map(|template| template.id.as_str()).collect();
    for id in [
        "create-room",
        "update-room",
        "send-message",
        "start-live-stream",
        "start-external-stream",
        "send-timed-metadata",
        "create-update-role",
    ] {
        assert!(ids.contains(&id), "{id}");
        let own = all.iter().find(|template| template.id == id).map_or(0, |template| template.tests.len());
        assert!(own >= 3, "{id} has only {own} tests");
    }
}

/// What a sample expects must itself be a request of the template (or of the one it is routed to).
#[test]
fn what_the_samples_expect_is_valid() {
    let catalog = Catalog::embedded();
    let all = catalog.all().unwrap();
    for template in &all {
        for sample in &template.tests {
            let Expectation::Requests(requests) = &sample.expect else { continue };
            for request in requests {
                let name = format!("{}: {}", template.id, sample.name);
                let route = template.route.as_ref().and_then(|route| catalog.get(&route.to).ok());
                let target = [Some(template.clone()), route].into_iter().flatten().find(|candidate| {
                    candidate.method == request.method && candidate.path.captures(&request.path).is_some()
                });
                let target = target.unwrap_or_else(|| panic!("{name}: no template has this path"));
                let captured = target.path.captures(&request.path).unwrap();
                let decode = |text: &str| {
                    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
                };
                let path: Value =
                    captured.iter().map(|(key, text)| ((*key).to_owned(), json!(decode(text)))).collect();
                let query = Value::Object(request.query.clone());
                let body = request.body.clone();
                // A POST without a body of its own sends `{}`.
                let sends = target.body.is_some() || target.method == http::Method::POST;
                assert_eq!(body.is_some(), sends, "{name}: body");
                assert_eq!(target.check(Place::Path, &path), [], "{name}");
                assert_eq!(target.check(Place::Query, &query), [], "{name}");
                assert_eq!(target.check(Place::Body, body.as_ref().unwrap_or(&Value::Null)), [], "{name}");
                let token = request.app_token.clone().map(Value::Object);
                assert_eq!(token.is_some(), target.token == TokenKind::App, "{name}: token");
                if let Some(token) = &token {
                    assert_eq!(target.check(Place::Token, token), [], "{name}");
                }
                let value = json!({"path": path, "query": query, "body": body, "token": token});
                let value = View::of(&value);
                if let Some(effect) = request.effect {
                    assert_eq!(target.effect_of(&value), effect, "{name}");
                }
                if let Some(order) = &request.order {
                    assert_eq!(target.order_of(&value).as_ref(), Some(order), "{name}");
                }
            }
        }
    }
}

/// Records that need no mapping beyond their names are refused by the template itself, in the words of the sample.
#[test]
fn what_the_samples_refuse_is_refused() {
    let catalog = Catalog::embedded();
    let mut seen = 0;
    for template in catalog.all().unwrap() {
        for sample in &template.tests {
            let Expectation::Invalid { field, says, hint } = &sample.expect else { continue };
            let fans_out = template.fan_out.as_ref().is_some_and(|fan_out| *field == fan_out.field);
            let given = sample.record.get(field).and_then(Value::as_str);
            // What is no segment of a path is refused where the URL is made.
            let no_segment = matches!(given, Some("" | "." | ".."));
            if sample.csv || fans_out || no_segment {
                continue;
            }
            let routed = sample.record.get("rtmp_urls").and(template.route.as_ref());
            let target = routed.map_or_else(|| template.clone(), |route| catalog.get(&route.to).unwrap());
            let mut problems = Vec::new();
            for (name, value) in sample.record.as_object().unwrap() {
                problems.extend(template.empty_problem(name, value));
            }
            for place in [Place::Path, Place::Query, Place::Token, Place::Body] {
                let mut there = sample.record.clone();
                let members = there.as_object_mut().unwrap();
                members.retain(|name, _| {
                    target.parameters.iter().any(|one| one.name == *name && one.place == place)
                });
                if matches!(place, Place::Path | Place::Token) {
                    // These are texts: a number stands for its digits.
                    members.values_mut().filter(|value| value.is_number()).for_each(|value| {
                        *value = json!(value.to_string());
                    });
                }
                // What is mapped is the one item of a list.
                let is_list = target.body.as_ref().is_some_and(|body| body.kind == BodyKind::Array);
                let there = if place == Place::Body && is_list { json!([there]) } else { there };
                problems.extend(target.check(place, &there));
            }
            let meant = problems.iter().find(|problem| problem.field == *field);
            let name = format!("{}: {}: {problems:?}", template.id, sample.name);
            let problem = meant.unwrap_or_else(|| panic!("{name}"));
            let fits = |wanted: &Option<String>, text: Option<&str>| {
                wanted.as_deref().is_none_or(|wanted| text.is_some_and(|text| text.contains(wanted)))
            };
            assert!(fits(says, Some(&problem.rule)) && fits(hint, problem.hint.as_deref()), "{name}");
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} samples are refused");
}

#[test]
fn broken_templates_are_told_with_line_and_column() {
    let replace = |from: &'static str, to: &'static str| {
        move |text: &str| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        }
    };
    type Change = Box<dyn Fn(&str) -> String>;
    let table: Vec<(Change, &str)> = vec![
        (Box::new(replace("title = \"A\"", "titel = \"A\"")), "2:1 unknown key `titel`"),
        (Box::new(replace("id = \"a\"", "id = \"b\"")), "1:6 `id` must be the name of the file, `a`"),
        (
            Box::new(replace("group = \"g\"", "group = \"h\"")),
            "3:9 `group` must be the name of the folder, `g`",
        ),
        (Box::new(replace("\"POST\"", "\"SEND\"")), "6:10 `SEND` is none of GET, POST, PUT, PATCH, DELETE"),
        (Box::new(replace("/a/{x}", "/a/{x}b")), "7:8 a placeholder is a whole segment, unlike `{x}b`"),
        (Box::new(replace("/a/{x}", "/a/{x}/{y}")), "1:1 the placeholder `{y}` is not described"),
        (Box::new(replace("/a/{x}", "/a")), "10:1 the path has no placeholder `{x}`"),
        (Box::new(replace("idempotent", "idempotnt")), "8:10 unknown variant `idempotnt`"),
        (Box::new(replace("effect_reason = \"Same.\"\n", "")), "1:1 missing key `effect_reason`"),
        (Box::new(replace("\"integer\"", "\"integr\"")), "13:8 not a JSON Schema"),
        (
            Box::new(replace("type = \"integer\"", "maximun = 3")),
            "13:1 unknown JSON Schema keyword `maximun`",
        ),
        (Box::new(replace("type = \"integer\"", "\"$ref\" = \"https://e.test\"")), "13:1 `$ref` is refused"),
        (Box::new(replace("type = \"integer\"", "pattern = \"(\"")), "13:11 not a JSON Schema"),
        (
            Box::new(replace("type = \"integer\"", "items = { type = \"string\", minlength = 1 }")),
            "13:28 unknown JSON Schema keyword `minlength`",
        ),
        (
            Box::new(replace("[body.", "order_by = '.path.x | tostrin'\n[body.")),
            "12:1 unknown JSON Schema keyword `order_by`",
        ),
        (
            Box::new(replace("title", "order_by = '.path.x | tostrin'\ntitle")),
            "2:23 unknown function `tostrin`; did you mean `tostring`?",
        ),
        (Box::new(replace("title", "error_when = 'env.HOME'\ntitle")), "2:15 `env` is not available"),
        (
            Box::new(replace("title", "meaningful_empty = [\"m\"]\ntitle")),
            "2:21 `m` is no such parameter of this template",
        ),
        (
            Box::new(replace("title", "as_text = [\"x\"]\ntitle")),
            "2:12 `x` is no such parameter of this template",
        ),
        (
            Box::new(replace("title", "required_query = [\"q\"]\ntitle")),
            "2:19 `q` is not among the query parameters",
        ),
        (
            Box::new(replace(
                "[[tests]]",
                "[[effect_if]]\nwhen = 'true'\neffect = \"read\"\nwhy = \"w\"\n[[tests]]",
            )),
            "16:10 `read` is not stricter than the template's effect",
        ),
        (
            Box::new(replace(
                "[[tests]]",
                "[[effect_if]]\nwhen = 'true'\nefect = \"upsert\"\nwhy = \"w\"\n[[tests]]",
            )),
            "16:1 unknown key `efect`",
        ),
        (
            Box::new(replace("[[tests]]", "[pagination]\nstyle = \"none\"\n[[tests]]")),
            "15:9 unknown variant `none`",
        ),
        (
            Box::new(replace(
                "[[tests]]",
                "[pagination]\nstyle = \"cursor\"\ncursor = \"start\"\nlimit = \"limit\"\nitems = \"data\"\nnext = \"last\"\n[[tests]]",
            )),
            "14:1 `[pagination]` fills `start`, which is no query parameter",
        ),
        (
            Box::new(replace("[[tests]]", "[query_defaults]\nkind = \"x\"\n[[tests]]")),
            "14:1 `[query_defaults]` fills `kind`, which is no query parameter",
        ),
        (
            Box::new(replace("[[tests]]", "[time]\nsince = \"x\"\nuntil = \"y\"\n[[tests]]")),
            "14:1 `[time]` fills `x`, which is no query parameter",
        ),
        (Box::new(replace("record = { x = \"1\" }", "record = '{x'")), "16:10 this is no JSON"),
        (
            Box::new(replace("expect = [{ method = \"POST\", path = \"/a/1\" }]", "")),
            "14:1 the test `t` needs either `expect`",
        ),
        (Box::new(replace("name = \"t\"", "nam = \"t\"")), "15:1 unknown key `nam`"),
        (
            Box::new(replace("effect =", "token = \"app\"\neffect =")),
            "1:1 `token = \"app\"` without what the token is made of",
        ),
        (
            Box::new(replace("[[tests]]", "[app_token.room_id]\n[[tests]]")),
            "14:2 `app_token` is for `token = \"app\"`",
        ),
        (
            Box::new(|text| {
                let text = text.replace("effect =", "token = \"app\"\nbatch = true\neffect =");
                text.replace("[[tests]]", "[app_token.room_id]\n[app_token.rol]\n[[tests]]")
            }),
            "17:1 an app token has no `rol`",
        ),
        (
            Box::new(|text| {
                let text = text.replace("effect =", "token = \"app\"\neffect =");
                text.replace("[[tests]]", "[app_token.room_id]\n[[tests]]")
            }),
            "15:2 `[app_token.role]` is not described",
        ),
        (
            Box::new(|text| {
                let text = text.replace("effect =", "token = \"app\"\nbatch = true\neffect =");
                text.replace("[[tests]]", "[app_token]\nroom_id = {}\nrole = {}\n[[tests]]")
            }),
            "9:1 `batch` needs one token for all records",
        ),
        (
            Box::new(replace("[[tests]]", "[unsent.more]\n[[tests]]")),
            "1:1 `[unsent.more]` takes part in nothing",
        ),
        (
            Box::new(|text| {
                let text = text.replace("[body.properties.n]", "[body]\ntype = \"array\"\n[body.items]");
                text.replace("effect =", "batch = true\neffect =")
            }),
            "8:1 `batch` needs a body that is an object",
        ),
        (
            Box::new(|text| text[..text.find("[[tests]]").unwrap()].to_owned()),
            "1:1 a template needs a test of its own",
        ),
        (
            Box::new(replace("[body.", "writeOnly = true\n[body.")),
            "12:13 `writeOnly` is for what is in the body",
        ),
        (
            Box::new(replace("title", "timeout = \"0s\"\ntitle")),
            "2:11 `0s` is not a time above zero with a unit",
        ),
        (Box::new(replace("title", "timeout = \"soon\"\ntitle")), "2:11 `soon` is not a time"),
        (Box::new(replace("[[tests]]", "[[refused]]\nwhen = '.status ='\nwhy = \"w\"\n[[tests]]")), "15:"),
        (Box::new(replace("= \"A\"", "= A")), "2:9"),
    ];
    for (change, expected) in table {
        let told = brief(&sound(change).map(|template| template.id).unwrap_err());
        assert!(told.iter().any(|line| line.starts_with(expected)), "expected {expected}\ngot {told:#?}");
    }
    assert!(sound(str::to_owned).is_ok());
}

#[test]
fn all_defects_of_a_file_come_at_once_in_its_order() {
    let defects = sound(|text| {
        let text = text.replace("title = \"A\"", "titel = \"A\"").replace("\"integer\"", "\"integr\"");
        text.replace("effect = \"idempotent\"", "effect = \"sometimes\"").replace("record = {", "recrod = {")
    });
    let told = brief(&defects.unwrap_err());
    let places: Vec<_> = told.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["1:1", "2:1", "8:10", "13:8", "16:1"], "{told:#?}");
}

#[test]
fn a_defect_shows_the_line_and_a_remedy() {
    let defects = sound(|text| text.replace("title", "titel")).unwrap_err();
    let unknown = defects.iter().find(|defect| defect.message.starts_with("unknown")).unwrap();
    let expected = "g/a.toml:2:1: unknown key `titel`\n  titel = \"A\"\n  ^^^^^\nhint: did you mean `title`?";
    assert_eq!(unknown.to_string(), expected);
}

#[test]
fn ids_are_looked_up_with_a_suggestion() {
    let catalog = Catalog::embedded();
    assert_eq!(catalog.get("create-room").unwrap().id, "create-room");
    let error = catalog.get("create-rom").unwrap_err();
    assert_eq!(error.to_string(), "unknown endpoint `create-rom`");
    assert_eq!(error.hint().as_deref(), Some("did you mean `create-room`?"));
}

#[test]
fn a_folder_adds_templates_but_never_replaces_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("g")).unwrap();
    fs::write(folder.path().join("g/a.toml"), SOUND).unwrap();
    let catalog = Catalog::embedded().with_folder(folder.path()).unwrap();
    assert_eq!(catalog.get("a").unwrap().group, "g");

    fs::write(folder.path().join("g/create-room.toml"), SOUND).unwrap();
    let error = Catalog::embedded().with_folder(folder.path()).unwrap_err();
    assert!(matches!(&error, Error::Twice { id, .. } if id == "create-room"), "{error}");
}

#[test]
fn a_reference_to_a_template_that_does_not_exist_is_a_defect() {
    let folder = tempfile::tempdir().unwrap();
    let group = folder.path().join("g");
    fs::create_dir(&group).unwrap();
    fs::write(group.join("a.toml"), SOUND.replace("[[tests]]", "[diff]\nread = \"aa\"\n[[tests]]")).unwrap();
    let error = Catalog::empty().with_folder(folder.path()).unwrap().all().unwrap_err();
    assert!(error.to_string().contains("a.toml:16:8: there is no endpoint `aa`"), "{error}");
}

#[test]
fn a_path_finds_its_templates() {
    let catalog = Catalog::embedded();
    let found = |method: http::Method, path: &str| {
        catalog.matching(&method, path).iter().map(|template| template.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(found(http::Method::GET, "/rooms/r1"), ["get-room"]);
    assert_eq!(found(http::Method::POST, "/templates/t/roles/co%20host%2F"), ["create-update-role"]);
    assert!(found(http::Method::DELETE, "/rooms/r1").is_empty());
    // An original comes before its aliases, whatever their names.
    assert_eq!(found(http::Method::POST, "/rooms"), ["create-room", "link-polls-with-room"]);
    assert_eq!(found(http::Method::POST, "/rooms/r1"), ["update-room", "set-room-enabled"]);
    assert_eq!(found(http::Method::GET, "/analytics/events")[0], "list-events");
}

#[test]
fn an_alias_is_of_an_original_with_its_method_and_path() {
    let folder = tempfile::tempdir().unwrap();
    let group = folder.path().join("g");
    fs::create_dir(&group).unwrap();
    let text = |id: &str, alias_of: &str| {
        SOUND
            .replace("id = \"a\"", &format!("id = \"{id}\""))
            .replace("title =", &format!("alias_of = \"{alias_of}\"\ntitle ="))
    };
    fs::write(group.join("a.toml"), SOUND).unwrap();
    fs::write(group.join("b.toml"), text("b", "a")).unwrap();
    let catalog = || Catalog::empty().with_folder(folder.path()).unwrap();
    assert_eq!(catalog().all().unwrap()[1].alias_of.as_deref(), Some("a"));
    for (id, text, expected) in [
        ("c", text("c", "b"), "`b` is no original with this method and path"),
        ("d", text("d", "a").replace("\"/a/{x}\"", "\"/b/{x}\""), "`a` is no original"),
        ("e", text("e", "a").replace("\"POST\"", "\"PUT\""), "`a` is no original"),
        ("f", text("f", "aa"), "there is no endpoint `aa`"),
    ] {
        let file = group.join(format!("{id}.toml"));
        fs::write(&file, text).unwrap();
        let error = catalog().all().unwrap_err().to_string();
        assert!(error.contains(&format!("{id}.toml:3:12: {expected}")), "{error}");
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn parameters_know_their_place_and_purpose() {
    let catalog = Catalog::embedded();
    let send = catalog.get("send-message").unwrap();
    let told = |name: &str| send.parameter(name).map(|one| (one.place, one.purpose, one.required));
    assert_eq!(told("room_id"), Some((Place::Path, Purpose::Sent, true)));
    assert_eq!(told("message"), Some((Place::Body, Purpose::Sent, true)));
    assert_eq!(told("role"), Some((Place::Body, Purpose::Sent, false)));
    assert_eq!(told("roles"), Some((Place::Body, Purpose::FansOut, false)));
    assert_eq!(told("nothing"), None);
    let start = catalog.get("start-live-stream").unwrap();
    assert_eq!(start.parameter("rtmp_urls").map(|one| one.purpose), Some(Purpose::Routes));
    assert_eq!(catalog.get("get-room").unwrap().body.as_ref().map(|body| body.kind), None);
}

#[test]
fn a_route_is_taken_when_its_condition_holds() {
    let start = Catalog::embedded().get("start-live-stream").unwrap();
    let route = |body: Value| start.route_of(&View::of(&json!({"path": {}, "query": {}, "body": body})));
    assert_eq!(
        route(json!({"rtmp_urls": []})).unwrap().map(|route| route.to.as_str()),
        Some("start-external-stream")
    );
    assert!(route(json!({})).unwrap().is_none());
    assert!(route(json!([])).is_err());
}

#[test]
fn a_second_start_tells_that_the_first_one_worked() {
    let start = Catalog::embedded().get("start-live-stream").unwrap();
    assert!(start.already_done(409, Some(&json!({"code": 409, "message": "beam already started"}))));
    for (status, body) in [
        (409, Some(json!({"message": "room is locked"}))),
        (409, None),
        (409, Some(json!("beam already started"))),
        (404, Some(json!({"message": "beam already started"}))),
        (500, Some(json!(null))),
    ] {
        assert!(!start.already_done(status, body.as_ref()), "{status} {body:?}");
    }
}

#[test]
fn a_reconciling_read_names_its_parameters_and_knows_its_items() {
    let start = Catalog::embedded().get("start-live-stream").unwrap();
    let reconcile = start.reconcile.as_ref().unwrap();
    let request = json!({"path": {"room_id": "r1"}, "query": {}, "body": {"meeting_url": "https://m"}});
    let parameters = reconcile.lookup.parameters(&View::of(&request)).unwrap();
    assert!(parameters.path.is_empty());
    assert_eq!(Value::Object(parameters.query), json!({"room_id": "r1"}));
    let item = json!({"room_id": "r1", "meeting_url": "https://m", "created_at": "2026-01-01T00:00:00Z"});
    assert!(reconcile.lookup.is_match(&item, &request));
    assert_eq!(reconcile.created_at(&item).as_deref(), Some("2026-01-01T00:00:00Z"));
    let nowhere = json!({"path": {"room_id": "r1"}, "query": {}, "body": {}});
    assert!(!reconcile.lookup.is_match(&json!({"room_id": "r1"}), &nowhere));
    assert!(!reconcile.lookup.is_match(&json!({"room_id": "r2", "meeting_url": "https://m"}), &request));
}

#[test]
fn stored_credentials_are_masked() {
    let catalog = Catalog::embedded();
    let room = json!({"id": "r", "recording_info": {"upload_info": {"credentials": {"key": "k", "secret": "s"}}},
        "webhook": {"url": "https://w", "headers": {"x-key": "k"}}});
    let mut one = room.clone();
    assert!(catalog.get("create-room").unwrap().mask(&mut one));
    assert_eq!(
        one,
        json!({"id": "r", "recording_info": {"upload_info": {"credentials": REDACTED}},
        "webhook": {"url": "https://w", "headers": {"x-key": REDACTED}}})
    );
    let mut list = json!({"data": [room], "last": ""});
    assert!(catalog.get("list-rooms").unwrap().mask(&mut list));
    assert_eq!(list["data"][0], one);
    assert!(!catalog.get("create-room").unwrap().mask(&mut json!({"id": "r"})));
}

#[test]
fn empty_is_refused_where_it_has_a_meaning() {
    let send = Catalog::embedded().get("send-message").unwrap();
    for blank in
        [json!(null), json!(""), json!(" \t"), json!([]), json!(["host", ""]), json!([null]), json!({})]
    {
        let problem = send.empty_problem("roles", &blank).unwrap();
        assert_eq!((problem.field.as_str(), problem.hint.as_deref()), ("roles", Some("--exclude roles")));
    }
    assert_eq!(send.empty_problem("roles", &json!(["host"])), None);
    assert_eq!(send.empty_problem("role", &json!(0)), None);
    assert_eq!(send.empty_problem("type", &json!("")), None);
}

#[test]
fn templates_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<EndpointTemplate>();
    shared::<Catalog>();
}

#[test]
fn a_condition_that_cannot_be_computed_is_taken_as_true() {
    let condition = "[[effect_if]]\nwhen = 'WHEN'\neffect = \"non-idempotent\"\nwhy = \"w\"\n[[tests]]";
    let effect = |when: &str| {
        let template = sound(|text| text.replacen("[[tests]]", &condition.replace("WHEN", when), 1)).unwrap();
        template.effect_of(&View::of(&json!({"path": {}, "query": {}, "body": {}})))
    };
    for when in ["true", "1", "error(\"x\")", "empty", ".path.x.y | tonumber", "keys[0][0]"] {
        assert_eq!(effect(when), Effect::NonIdempotent, "{when}");
    }
    for when in ["false", "null", ".body.x"] {
        assert_eq!(effect(when), Effect::Idempotent, "{when}");
    }
}

/// The embedded templates with conditions.
fn conditional() -> &'static [Arc<EndpointTemplate>] {
    static ALL: LazyLock<Vec<Arc<EndpointTemplate>>> = LazyLock::new(|| {
        let mut all = Catalog::embedded().all().unwrap();
        all.retain(|template| !template.effect_if.is_empty());
        all
    });
    &ALL
}

proptest! {
    #[test]
    fn any_damage_is_told_and_never_a_panic(from in 0..SOUND.len(), length in 1..20_usize, new in "[\\PC\n]{0,5}") {
        let to = (from + length).min(SOUND.len());
        let text = format!("{}{new}{}", &SOUND[..from], &SOUND[to..]);
        if let Err(defects) = EndpointTemplate::parse("g/a.toml", &text) {
            prop_assert!(!defects.is_empty());
            prop_assert!(defects.iter().all(|defect| defect.line <= text.lines().count() + 1));
        }
    }

    #[test]
    fn no_request_makes_an_effect_weaker(
        names in prop::collection::vec("[a-z_]{1,8}|name|room_id|role_name", 0..4),
        texts in prop::collection::vec(".{0,6}", 4),
        whole in prop_oneof![Just(json!(null)), Just(json!([])), Just(json!("x")), Just(json!({}))],
    ) {
        let members: Value = names.iter().zip(&texts).map(|(name, text)| (name.clone(), json!(text))).collect();
        for template in conditional() {
            for request in [&whole, &json!({"path": members, "query": {}, "body": members}), &json!({"body": whole})] {
                let effect = template.effect_of(&View::of(request));
                prop_assert!(effect >= template.effect, "{} {request}", template.id);
                prop_assert_eq!(effect.stricter(template.effect), effect);
            }
        }
    }
}
