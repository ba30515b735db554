//! Whether a call's token is good: HS256 by the workspace's secret, and the claims the API documents.
//!
//! It only reports; which routes need a token, and what the refusal looks like, is decided elsewhere. The
//! algorithm is pinned: a token that names another one is refused, whatever its signature.

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// The claims a token may have that the emulator looks at.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Claims {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<Number>,
}

/// What was found out about a token; it goes into the journal in place of the token.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(flatten)]
    claims: Claims,
}

/// Why a call that needs a management token may not pass, if so.
pub(crate) fn unmanaged(report: Option<&Report>) -> Option<&'static str> {
    let Some(report) = report else { return Some("not found") };
    let managed = report.claims.kind.as_deref() == Some("management");
    report.reason.or((!managed).then_some("type is not management"))
}

/// Why a call that needs an app token may not pass, if so; such a token is for one peer of one room.
pub(crate) fn unjoined(report: Option<&Report>) -> Option<&'static str> {
    let Some(report) = report else { return Some("not found") };
    let joined = report.claims.kind.as_deref() == Some("app");
    let reason = report.reason.or((!joined).then_some("type is not app"));
    reason.or(report.claims.room_id.is_none().then_some("room_id is missing"))
}

/// Checks tokens of one workspace.
pub(crate) struct Verifier {
    access_key: String,
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    /// A verifier for an access key and its secret, whose bytes are used as they are.
    pub(crate) fn new(access_key: String, secret: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        // Times are checked against the emulator's own clock, without leeway.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self { access_key, key: DecodingKey::from_secret(secret.as_bytes()), validation }
    }

    /// Looks at the token of a call; `None` when there is none.
    pub(crate) fn report(&self, headers: &HeaderMap, now: Timestamp) -> Option<Report> {
        let value = headers.get(header::AUTHORIZATION)?;
        let Some(token) = value.to_str().ok().and_then(bearer) else {
            return Some(Report::refused("not a bearer token", Claims::default()));
        };
        Some(match decode::<Claims>(token, &self.key, &self.validation) {
            Ok(data) => match self.fault(&data.claims, now) {
                None => Report { valid: true, reason: None, claims: data.claims },
                Some(reason) => Report::refused(reason, data.claims),
            },
            Err(error) => {
                // Unproven claims are told all the same: they show which tokens a client tried.
                let claims =
                    jsonwebtoken::dangerous::insecure_decode::<Claims>(token).map(|data| data.claims);
                Report::refused(reason(error.kind()), claims.unwrap_or_default())
            }
        })
    }

    fn fault(&self, claims: &Claims, now: Timestamp) -> Option<&'static str> {
        let now = now.as_duration().as_secs_f64();
        let seconds = |claim: &Option<Number>| claim.as_ref().and_then(Number::as_f64);
        match (claims.access_key.as_deref(), seconds(&claims.nbf), seconds(&claims.exp)) {
            (None, _, _) => Some("access_key is missing"),
            (Some(key), _, _) if key != self.access_key => Some("access_key is unknown"),
            _ if claims.version != Some(2) => Some("version is not 2"),
            _ if !matches!(claims.kind.as_deref(), Some("management" | "app")) => {
                Some("type is neither management nor app")
            }
            (_, None, _) => Some("nbf is missing"),
            (_, _, None) => Some("exp is missing"),
            (_, Some(nbf), _) if now < nbf => Some("token is not valid yet"),
            (_, _, Some(exp)) if now >= exp => Some("token is expired"),
            _ => None,
        }
    }
}

impl Report {
    /// The room that an app token is for.
    pub(crate) fn room_id(&self) -> Option<&str> {
        self.claims.room_id.as_deref()
    }

    fn refused(reason: &'static str, claims: Claims) -> Self {
        Self { valid: false, reason: Some(reason), claims }
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "signature is invalid",
        ErrorKind::InvalidAlgorithm => "algorithm is not HS256",
        _ => "token is malformed",
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_750_000_000, 500_000_000);

    fn claims(change: &Value) -> Value {
        let mut claims = json!({"access_key": "key", "type": "management", "version": 2, "jti": "j",
            "iat": 1_750_000_000, "nbf": 1_750_000_000, "exp": 1_750_000_001});
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        claims
    }

    fn verdict(value: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        let report = Verifier::new("key".to_owned(), "se/cr+et==").report(&headers, NOW);
        unmanaged(report.as_ref())
    }

    fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        let token = encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes()));
        format!("Bearer {}", token.unwrap())
    }

    #[test]
    fn every_documented_claim_is_checked() {
        let table = [
            (json!({}), None),
            (json!({"nbf": 1_750_000_000.5}), None),
            (json!({"nbf": 1_750_000_001}), Some("token is not valid yet")),
            (json!({"nbf": null}), Some("nbf is missing")),
            (json!({"exp": 1_750_000_000.5}), Some("token is expired")),
            (json!({"exp": null}), Some("exp is missing")),
            (json!({"access_key": "other"}), Some("access_key is unknown")),
            (json!({"access_key": null}), Some("access_key is missing")),
            (json!({"version": 1}), Some("version is not 2")),
            (json!({"version": "2"}), Some("token is malformed")),
            (json!({"type": "app"}), Some("type is not management")),
            (json!({"type": "other"}), Some("type is neither management nor app")),
        ];
        for (change, expected) in table {
            let token = signed(Algorithm::HS256, "se/cr+et==", &claims(&change));
            assert_eq!(verdict(&token), expected, "{change}");
        }
    }

    #[test]
    fn an_app_token_is_for_a_room_and_no_management_token() {
        let app = json!({"type": "app", "room_id": "r", "role": "guest", "user_id": "u"});
        let table = [
            (app.clone(), None),
            (json!({"type": "app"}), Some("room_id is missing")),
            (json!({"room_id": "r"}), Some("type is not app")),
            (json!({"type": "app", "room_id": "r", "exp": 1}), Some("token is expired")),
        ];
        for (change, expected) in table {
            let mut headers = HeaderMap::new();
            let token = signed(Algorithm::HS256, "se/cr+et==", &claims(&change));
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&token).unwrap());
            let report = Verifier::new("key".to_owned(), "se/cr+et==").report(&headers, NOW);
            assert_eq!(unjoined(report.as_ref()), expected, "{change}");
        }
        assert_eq!(
            verdict(&signed(Algorithm::HS256, "se/cr+et==", &claims(&app))),
            Some("type is not management")
        );
        assert_eq!(unjoined(None), Some("not found"));
    }

    #[test]
    fn only_hs256_by_the_right_secret_passes() {
        let good = signed(Algorithm::HS256, "se/cr+et==", &claims(&json!({})));
        assert_eq!(verdict(&good), None);
        assert_eq!(verdict(&good.replace("Bearer", "bearer")), None);
        assert_eq!(verdict(&good.replace("Bearer ", "Basic ")), Some("not a bearer token"));
        assert_eq!(verdict("Bearer x.y"), Some("token is malformed"));
        assert_eq!(
            verdict(&signed(Algorithm::HS256, "other", &claims(&json!({})))),
            Some("signature is invalid")
        );
        assert_eq!(
            verdict(&signed(Algorithm::HS512, "se/cr+et==", &claims(&json!({})))),
            Some("algorithm is not HS256")
        );
        assert_eq!(unmanaged(None), Some("not found"));
    }

    #[test]
    fn a_refused_token_still_shows_what_it_claimed() {
        let mut headers = HeaderMap::new();
        let token = signed(Algorithm::HS256, "other", &claims(&json!({"jti": "seen"})));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&token).unwrap());
        let report = Verifier::new("key".to_owned(), "secret").report(&headers, NOW).unwrap();
        let shown = serde_json::to_value(report).unwrap();
        assert_eq!(shown["valid"], json!(false));
        assert_eq!(shown["reason"], json!("signature is invalid"));
        assert_eq!(shown["jti"], json!("seen"));
    }
}
