//! The parts of a template by themselves: settings, destinations, recordings configuration.

use serde_json::{Value, json};

use super::{Bench, says};
use crate::emulator::Settings;
use crate::emulator::demo::DEMO_TEMPLATE_ID;

fn line(method: &str, part: &str) -> String {
    format!("{method} /v2/templates/{DEMO_TEMPLATE_ID}/{part}")
}

#[tokio::test]
async fn parts_of_an_unknown_template_are_not_found() {
    let bench = Bench::new();
    for part in ["settings", "destinations", "recordings"] {
        let path = format!("/v2/templates/nope/{part}");
        let missing = || says("template not found");
        bench
            .play(&[
                (&format!("GET {path}"), Value::Null, 404, missing()),
                (&format!("POST {path}"), json!({}), 404, missing()),
                (&line("POST", part), Value::Null, 400, says("request body must not be empty")),
            ])
            .await;
    }
}

#[tokio::test]
async fn settings_are_replaced_and_checked() {
    let bench = Bench::new();
    let (get, set) = (line("GET", "settings"), line("POST", "settings"));
    let upload = json!({"type": "s3", "location": "bucket", "prefix": "p", "options": {"region": "eu"},
        "credentials": {"key": "k", "secretKey": "hush"}});
    let with = |name: &str, value: Value| {
        let mut upload = upload.clone();
        upload[name] = value;
        json!({"recording": {"upload": upload}})
    };
    let mut answered = upload.clone();
    answered["credentials"] = json!({"key": "k", "secret": "hush"});
    let bad = || says("Invalid upload configuration");
    bench
        .play(&[
            (&get, Value::Null, 200, json!({"region": "auto", "recording": null, "roomState": {}, "retry": {}})),
            (
                &set,
                json!({"region": "eu", "recording": {"upload": upload}, "roomState": {"messageInterval": 10}}),
                200,
                json!({"region": "eu", "recording": {"upload": answered}, "roomState": {"messageInterval": 10},
                    "retry": {}}),
            ),
            (&get, Value::Null, 200, json!({"region": "eu", "recording": {"upload": answered}})),
            // The template itself has its settings as they were sent.
            (
                &format!("GET /v2/templates/{DEMO_TEMPLATE_ID}"),
                Value::Null,
                200,
                json!({"settings": {"recording": {"upload": upload}}}),
            ),
            (&set, json!({"region": "mars"}), 400, says("Invalid body param: region is not one of in, us, eu, auto")),
            (
                &set,
                json!({"roomState": {"messageInterval": 7}}),
                400,
                says("Invalid body param: settings.roomState.messageInterval"),
            ),
            (
                &set,
                json!({"roomState": {"messageInterval": 3605}}),
                400,
                says("Invalid body param: roomState.messageInterval greater than 3600"),
            ),
            (&set, with("location", json!("")), 400, says("Bucket location is missing")),
            (&set, with("type", json!("ftp")), 400, bad()),
            (&set, with("prefix", Value::Null), 400, bad()),
            (&set, with("credentials", json!({"key": "k"})), 400, bad()),
            (&set, json!({}), 200, json!({"region": "auto", "recording": null, "roomState": {}, "retry": {}})),
        ])
        .await;
    let effects = bench.effects().await;
    let expected = json!({"kind": "template.updated", "id": DEMO_TEMPLATE_ID, "part": "settings"});
    assert_eq!(effects, [expected.clone(), expected]);
}

#[tokio::test]
async fn destinations_are_replaced_and_checked() {
    let bench = Bench::new();
    let (get, set) = (line("GET", "destinations"), line("POST", "destinations"));
    let one = |group: &str, fields: Value| {
        let mut entry = json!({"name": "d"});
        entry.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({ group: { "d": entry } })
    };
    let hls = |fields: Value| one("hlsDestinations", fields);
    let wrong = |place: &str| says(&format!("Invalid body param: destinations.{place}"));
    let layer = |width: i64, height: i64| hls(json!({"layers": [{"width": width, "height": height}, {}]}));
    let text = |context: usize| {
        one(
            "transcriptions",
            json!({"role": "host", "summary": {"enable": true, "context": "x".repeat(context)}}),
        )
    };
    let empty = json!({"rtmpDestinations": {}, "hlsDestinations": {}, "transcriptions": {}});
    let old = one("browserRecordings", json!({"role": "host", "thumbnails": {"offsets": [2]}}));
    bench
        .play(&[
            (&get, Value::Null, 200, empty.clone()),
            (&set, layer(1280, 720), 200, layer(1280, 720)),
            (&get, Value::Null, 200, layer(1280, 720)),
            (&set, layer(1080, 1920), 200, json!({"rtmpDestinations": {}})),
            (&set, layer(1281, 720), 400, wrong("hlsDestinations.d.layers")),
            (&set, layer(1922, 1080), 400, wrong("hlsDestinations.d.layers")),
            (&set, layer(142, 192), 400, wrong("hlsDestinations.d.layers")),
            (
                &set,
                hls(json!({"recording": {"layers": [{"width": 3, "height": 3}]}})),
                400,
                wrong("hlsDestinations.d.layers"),
            ),
            (
                &set,
                hls(json!({"recording": {"enableZipUpload": true}})),
                400,
                wrong("hlsDestinations.d.recording.enableZipUpload"),
            ),
            (
                &set,
                hls(json!({"numPlaylistSegments": 2})),
                400,
                says("Invalid body param: hlsDestinations.d.numPlaylistSegments less than 3"),
            ),
            (&set, json!({"hlsDestinations": {"d": {}}}), 400, wrong("hlsDestinations.d.name")),
            (&set, one("rtmpDestinations", json!({"rtmpUrls": vec!["rtmp://a"; 3]})), 200, json!({})),
            (
                &set,
                one("rtmpDestinations", json!({"rtmpUrls": vec!["rtmp://a"; 4]})),
                400,
                wrong("rtmpDestinations.d.rtmpUrls"),
            ),
            (&set, one("transcriptions", json!({})), 400, wrong("transcriptions.d.role")),
            (&set, text(300), 200, text(300)),
            (&set, text(301), 400, wrong("transcriptions.d.summary.context is longer than 300 characters")),
            (&set, old.clone(), 200, old),
            (&set, json!({}), 200, empty),
        ])
        .await;
    // With a storage of its own the template may have its files zipped.
    let upload = json!({"type": "gs", "location": "bucket", "prefix": ""});
    bench.ok(&line("POST", "settings"), json!({"recording": {"upload": upload}})).await;
    bench.ok(&set, hls(json!({"recording": {"enableZipUpload": true}}))).await;
}

#[tokio::test]
async fn the_recordings_configuration_is_an_array_of_one() {
    let bench = Bench::new();
    let (get, set) = (line("GET", "recordings"), line("POST", "recordings"));
    let config = json!({"name": "default", "role": "host", "maxDuration": 1800, "presignDuration": 3600,
        "thumbnails": {"enabled": false, "width": 1280, "offsets": [2]},
        "compositeRecording": {"browserComposite": {"autoStart": false, "width": 1920},
            "customComposite": {"enabled": false}},
        "trackRecording": {"enabled": true}, "streamRecording": {"enabled": false, "width": 1920}});
    let shown = json!([{"name": "default", "role": "host", "maxDuration": 1800, "presignDuration": 3600,
        "thumbnails": {"width": 1280, "offsets": [2]},
        "compositeRecording": {"browserComposite": {"width": 1920}, "customComposite": {}},
        "trackRecording": {"enabled": true}, "streamRecording": {"width": 1920}}]);
    assert_eq!(bench.ok(&get, Value::Null).await, json!([]));
    assert_eq!(bench.ok(&set, json!([config])).await, shown);
    assert_eq!(bench.ok(&get, Value::Null).await, shown);
    let one = says("Invalid body param: exactly one recordings configuration is allowed");
    bench
        .play(&[
            (&set, config.clone(), 400, says("request body must be a JSON array")),
            (&set, json!([]), 400, one.clone()),
            (&set, json!([config, config]), 400, one),
            (&set, json!([5]), 400, says("request body must be an array of objects")),
            (&set, json!([{"role": "host"}]), 400, says("Invalid body param: name")),
            (&set, json!([{"name": "a"}]), 400, says("Invalid body param: role")),
            (&set, json!([{"name": "a", "role": "nobody"}]), 400, says("Invalid body param: role")),
            (
                &set,
                json!([{"name": "a", "role": "host", "maxDuration": "1"}]),
                400,
                says("request body contains an invalid value for the \"maxDuration\" field"),
            ),
            (&set, json!([{"name": "b", "role": "guest"}]), 200, json!([{"name": "b", "role": "guest"}])),
        ])
        .await;
    // A rewritten template keeps it: it is no field of templates.
    bench.ok(&format!("POST /v2/templates/{DEMO_TEMPLATE_ID}"), json!({"roles": {"guest": {}}})).await;
    assert_eq!(bench.ok(&get, Value::Null).await, json!([{"name": "b", "role": "guest"}]));
}

#[tokio::test]
async fn strict_parts_refuse_unknown_fields() {
    let bench = Bench::with(Settings { strict: true, ..Settings::default() });
    for (part, body, field) in [
        ("settings", json!({"x": 1}), "x"),
        ("destinations", json!({"hlsDestinations": {"d": {"name": "d", "x": 1}}}), "hlsDestinations.d.x"),
        ("recordings", json!([{"name": "a", "role": "host", "x": 1}]), "x"),
    ] {
        let text = format!("request body contains unknown field \"{field}\"");
        bench.play(&[(&line("POST", part), body, 400, says(&text))]).await;
    }
}
