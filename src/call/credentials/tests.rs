//! Claims, places and what is never shown.

use std::collections::HashMap;
use std::collections::HashSet;
use std::time::Duration;

use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use super::*;

const TEXT: &str = "bm90LWJhc2U2NA==";

fn environment(values: &[(&str, &str)]) -> Result<Option<Credentials>, Error> {
    let map: HashMap<_, _> = values.iter().copied().collect();
    Credentials::from_environment(|name| map.get(name).map(|v| (*v).to_owned()))
}

fn key() -> Credentials {
    Credentials::key("key-1", TEXT.into())
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn claims(token: &SecretString) -> Value {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    let key = DecodingKey::from_secret(TEXT.as_bytes());
    let data = jsonwebtoken::decode::<Value>(token.expose_secret(), &key, &validation).unwrap();
    assert_eq!((data.header.alg, data.header.typ.as_deref()), (Algorithm::HS256, Some("JWT")));
    data.claims
}

#[test]
fn a_management_token_has_the_documented_claims() {
    let token = key().management_token(at(1_000_060), LIFETIME).unwrap();
    let mut claims = claims(&token);
    let jti = claims["jti"].take();
    assert_eq!(uuid::Uuid::parse_str(jti.as_str().unwrap()).unwrap().get_version_num(), 4);
    let want = json!({
        "access_key": "key-1", "type": "management", "version": 2, "jti": null,
        "iat": 1_000_000, "nbf": 1_000_000, "exp": 1_086_400,
    });
    assert_eq!(claims, want);
}

#[test]
fn an_app_token_speaks_for_a_role_in_a_room() {
    let app = AppClaims { room_id: "r".into(), role: "host".into(), user_id: Some("u".into()) };
    let claims = claims(&key().app_token(&app, at(100), Duration::from_secs(10)).unwrap().unwrap());
    assert_eq!(claims["type"], "app");
    assert_eq!(
        (&claims["room_id"], &claims["role"], &claims["user_id"]),
        (&json!("r"), &json!("host"), &json!("u"))
    );
    assert_eq!(claims["exp"], 109); // dated back by a tenth of its life, not by a minute
    let ready = Credentials::token("a.b.c".into());
    assert!(ready.app_token(&app, at(100), LIFETIME).unwrap().is_none());
}

#[test]
fn no_two_tokens_are_the_same() {
    let tokens: HashSet<String> = (0..20)
        .map(|_| key().management_token(at(1), LIFETIME).unwrap().expose_secret().to_owned())
        .collect();
    assert_eq!(tokens.len(), 20);
}

#[test]
fn the_environment_names_a_pair_or_a_token_or_nothing() {
    assert!(environment(&[]).unwrap().is_none());
    assert!(environment(&[("HMS_ACCESS_KEY", ""), ("HMS_SECRET", "")]).unwrap().is_none());
    let pair = environment(&[("HMS_ACCESS_KEY", "key-1"), ("HMS_SECRET", "s")]).unwrap().unwrap();
    assert_eq!(pair.access_key().as_deref(), Some("key-1"));
    let both = [("HMS_ACCESS_KEY", "key-1"), ("HMS_SECRET", "s"), ("HMS_MANAGEMENT_TOKEN", "t")];
    assert!(matches!(environment(&both).unwrap().unwrap().source, Source::Ready(_)));
}

#[test]
fn half_a_pair_and_two_places_are_told_by_name() {
    let told = |values: &[(&str, &str)]| environment(values).unwrap_err().to_string();
    assert_eq!(told(&[("HMS_ACCESS_KEY", "k")]), "find `HMS_SECRET`, although `HMS_ACCESS_KEY` is set");
    assert_eq!(told(&[("HMS_SECRET", "s")]), "find `HMS_ACCESS_KEY`, although `HMS_SECRET` is set");
    let two = told(&[("HMS_SECRET", "s"), ("HMS_SECRET_FILE", "f"), ("HMS_ACCESS_KEY", "k")]);
    assert_eq!(two, "choose between `HMS_SECRET` and `HMS_SECRET_FILE`, which are both set");
}

#[test]
fn files_are_read_without_the_space_around() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (access_key, secret) = (file("key", "key-1\n"), file("secret", &format!("  {TEXT}\r\n")));
    let pair =
        environment(&[("HMS_ACCESS_KEY_FILE", &access_key), ("HMS_SECRET_FILE", &secret)]).unwrap().unwrap();
    let token = pair.management_token(at(100), LIFETIME).unwrap();
    assert_eq!(claims(&token)["access_key"], "key-1");

    let path = file("token", &format!("{}\n", token.expose_secret()));
    let ready = environment(&[("HMS_MANAGEMENT_TOKEN_FILE", &path)]).unwrap().unwrap();
    assert_eq!(ready.access_key().as_deref(), Some("key-1"));
    assert_eq!(ready.management_token(at(0), LIFETIME).unwrap().expose_secret(), token.expose_secret());

    let empty = file("empty", " \n");
    let error = environment(&[("HMS_MANAGEMENT_TOKEN_FILE", &empty)]).unwrap_err();
    assert!(matches!(error, Error::EmptyFile { variable: "HMS_MANAGEMENT_TOKEN_FILE", .. }));
    let error = environment(&[("HMS_MANAGEMENT_TOKEN_FILE", "/nowhere/token")]).unwrap_err();
    assert!(matches!(error, Error::SecretFile { .. }));
}

/// A folder of credentials with such files, beside such variables.
fn in_a_folder(files: &[&str], variables: &[(&str, &str)]) -> Result<Option<Credentials>, Error> {
    let folder = tempfile::tempdir().unwrap();
    for name in files {
        std::fs::write(folder.path().join(name), format!("{name}-of-the-folder\n")).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    let found = environment(&[variables, &[("CREDENTIALS_DIRECTORY", path)]].concat());
    found.map(|found| found.map(|found| (found.management_token(at(1), LIFETIME).unwrap(), found).1))
}

#[test]
fn a_folder_of_credentials_fills_what_the_variables_leave_open() {
    let key = |found: &Result<Option<Credentials>, Error>| {
        found.as_ref().unwrap().as_ref().and_then(Credentials::access_key)
    };
    assert!(in_a_folder(&["other"], &[]).unwrap().is_none());
    let pair = in_a_folder(&["hms_access_key", "HMS_Secret"], &[]);
    assert_eq!(key(&pair).as_deref(), Some("hms_access_key-of-the-folder"));
    let half = in_a_folder(&["hms_secret", "hms_management_token"], &[("HMS_ACCESS_KEY", "k")]);
    assert_eq!(key(&half).as_deref(), Some("k"));
    let all = ["hms_access_key", "hms_secret", "hms_management_token"];
    let set = [("HMS_ACCESS_KEY", "k"), ("HMS_SECRET", "s")];
    assert_eq!(key(&in_a_folder(&all, &set)).as_deref(), Some("k"));
    assert!(matches!(in_a_folder(&all, &[]).unwrap().unwrap().source, Source::File(_)));
    let ready = in_a_folder(&all, &[("HMS_MANAGEMENT_TOKEN", "t")]).unwrap().unwrap();
    assert!(matches!(ready.source, Source::Ready(_)));
}

#[test]
fn a_folder_of_credentials_that_does_not_say_one_thing_is_told() {
    let told = |files: &[&str]| in_a_folder(files, &[]).unwrap_err().to_string();
    assert_eq!(told(&["hms_secret"]), "find `HMS_ACCESS_KEY`, although `HMS_SECRET` is set");
    assert!(told(&["hms_secret", "HMS_SECRET"]).contains("several files named `hms_secret`"));
    let missing = environment(&[("CREDENTIALS_DIRECTORY", "/nowhere/at-all")]).unwrap_err().to_string();
    assert_eq!(missing, "read `/nowhere/at-all`, to which `CREDENTIALS_DIRECTORY` leads");
    assert!(environment(&[("CREDENTIALS_DIRECTORY", "")]).unwrap().is_none());
    // What the variables say in full is not looked for elsewhere.
    let set = [("HMS_ACCESS_KEY", "k"), ("HMS_SECRET", "s"), ("CREDENTIALS_DIRECTORY", "/nowhere")];
    assert!(environment(&set).unwrap().is_some());
}

#[test]
fn a_ready_app_token_is_found_wherever_credentials_are() {
    let peer = AppClaims { room_id: "r".into(), role: "host".into(), user_id: None };
    let signed = key().app_token(&peer, at(100), LIFETIME).unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("HMS_app_token"), signed.expose_secret()).unwrap();
    let (path, text) = (folder.path().to_str().unwrap(), signed.expose_secret());
    let file = folder.path().join("HMS_app_token").display().to_string();
    let app = |values: &[(&str, &str)]| {
        let map: HashMap<_, _> = values.iter().copied().collect();
        Credentials::app_from_environment(|name| map.get(name).map(|v| (*v).to_owned()))
    };
    for values in [
        &[("HMS_APP_TOKEN", text)][..],
        &[("HMS_APP_TOKEN", text), ("HMS_ACCESS_KEY", "k"), ("HMS_SECRET", "s")],
        &[("HMS_APP_TOKEN_FILE", &file)],
        &[("CREDENTIALS_DIRECTORY", path)],
    ] {
        let found = app(values).unwrap().unwrap();
        assert_eq!(found.app_claims(), Some(&peer));
        assert_eq!(found.access_key().as_deref(), Some("key-1"));
        assert!(!found.signs() && !format!("{found:?}").contains(text));
        assert!(matches!(found.management_token(at(1), LIFETIME), Err(Error::OnlyAppToken)));
    }
    // A key that is set is not passed over for a file that lies about.
    let keyed = [("HMS_ACCESS_KEY", "k"), ("HMS_SECRET", "s"), ("CREDENTIALS_DIRECTORY", path)];
    assert!(app(&keyed).unwrap().is_none());
    let management = key().management_token(at(100), LIFETIME).unwrap();
    let error = app(&[("HMS_APP_TOKEN", management.expose_secret())]).unwrap_err().to_string();
    assert_eq!(error, "use the token of `HMS_APP_TOKEN`: its type is not `app`");
}

#[test]
fn nothing_secret_is_shown() {
    let token = key().management_token(at(100), LIFETIME).unwrap();
    let shown = format!("{:?} {:?}", key(), Credentials::token(token.clone()));
    assert!(!shown.contains(TEXT) && !shown.contains(token.expose_secret()), "{shown}");
    assert!(shown.contains("key-1"));
}
