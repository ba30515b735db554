//! What a token says: its header, claims and times, and whether its signature is ours.
//!
//! It judges nothing else: whether the API takes the token only the API knows.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use super::credentials::{Credentials, Source};

/// A token taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// The claims, as they stand in the token.
    pub claims: Map<String, Value>,
    /// How its header says it was signed; nothing where it does not say.
    pub algorithm: Option<String>,
    /// Whether the secret at hand signed it; nothing where there is no secret.
    pub signed: Option<bool>,
    /// Where the clock stands between `nbf` and `exp`.
    pub validity: Validity,
}

/// Where the clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// `nbf` is still to come.
    NotYet(Duration),
    /// Between the two; so much is left.
    Valid(Option<Duration>),
    /// `exp` has passed.
    Expired(Duration),
    /// This claim is no number, so nobody can tell.
    Unreadable(&'static str),
}

impl Credentials {
    /// Where the clock stands in the life of a token that nobody can renew; nothing where it can be, or does not say.
    #[must_use]
    pub fn validity(&self, now: SystemTime) -> Option<Validity> {
        match &self.source {
            Source::Ready(token) => inspect(token, None, now).ok().map(|inspection| inspection.validity),
            // Its own key signs the next one; a file is read again, and somebody else may write it.
            Source::Key { .. } | Source::File(_) => None,
        }
    }
}

/// Why a text is no token.
#[derive(Debug, thiserror::Error)]
#[error("read the token: {0}")]
pub struct NotAToken(jsonwebtoken::errors::Error);

/// Takes a token apart.
///
/// # Errors
/// It is not a JWT with an object of claims.
pub fn inspect(
    token: &SecretString,
    credentials: Option<&Credentials>,
    now: SystemTime,
) -> Result<Inspection, NotAToken> {
    let text = token.expose_secret();
    let claims: Map<String, Value> =
        jsonwebtoken::dangerous::insecure_decode_claims(text).map_err(NotAToken)?;
    let signed = credentials.and_then(|credentials| match &credentials.source {
        Source::Key { secret, .. } => Some(signed_by(text, secret)),
        Source::Ready(_) | Source::File(_) => None,
    });
    let validity = validity(&claims, now);
    Ok(Inspection { claims, algorithm: algorithm(text), signed, validity })
}

/// What the header names: the library's own reader knows no `none`, and takes such a token for no token.
fn algorithm(token: &str) -> Option<String> {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    header["alg"].as_str().map(str::to_owned)
}

impl Inspection {
    /// True where it is signed as the API wants it (HS256): nobody else's word is worth anything.
    #[must_use]
    pub fn has_our_algorithm(&self) -> bool {
        self.algorithm.as_deref() == Some("HS256")
    }
}

fn signed_by(token: &str, secret: &SecretString) -> bool {
    // Only the signature is asked about here: the times are told apart from it.
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
    jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation).is_ok()
}

fn validity(claims: &Map<String, Value>, now: SystemTime) -> Validity {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Seconds, which may have a fraction; what is further away than can be counted is as far as can be.
    let time = |name: &'static str| match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) => Ok(Some(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))),
            None => Err(Validity::Unreadable(name)),
        },
    };
    let (nbf, exp) = match (time("nbf"), time("exp")) {
        (Ok(nbf), Ok(exp)) => (nbf, exp),
        (Err(why), _) | (_, Err(why)) => return why,
    };
    if let Some(ahead) = nbf.and_then(|nbf| nbf.checked_sub(now)).filter(|ahead| !ahead.is_zero()) {
        return Validity::NotYet(ahead);
    }
    match exp {
        None => Validity::Valid(None),
        Some(exp) if exp > now => Validity::Valid(Some(exp - now)),
        Some(exp) => Validity::Expired(now - exp),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn signature_and_times_are_told_apart() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let credentials = Credentials::key("key-1", "secret".into());
        let other = Credentials::key("key-1", "another".into());
        let hour = Duration::from_secs(3600);
        let token = credentials.management_token(start, hour).unwrap();
        let fresh = inspect(&token, Some(&credentials), start).unwrap();
        assert_eq!(
            (fresh.signed, fresh.validity),
            (Some(true), Validity::Valid(Some(hour - super::super::BACK_DATED)))
        );
        assert_eq!(fresh.claims["access_key"], "key-1");
        let late = inspect(&token, Some(&other), start + hour + hour).unwrap();
        assert_eq!(
            (late.signed, late.validity),
            (Some(false), Validity::Expired(hour + super::super::BACK_DATED))
        );
        let early = inspect(&token, None, start - hour).unwrap();
        assert_eq!((early.signed, early.validity), (None, Validity::NotYet(hour - super::super::BACK_DATED)));
        assert!(inspect(&"no.token".into(), None, start).is_err());
        let of = |credentials: &Credentials| credentials.validity(start + hour + hour);
        assert_eq!((of(&credentials), of(&Credentials::token_file("t"))), (None, None));
        assert_eq!(of(&Credentials::token(token)), Some(late.validity));
    }

    #[test]
    fn times_are_numbers_or_nobody_can_tell() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let seconds = Duration::from_secs;
        for (claims, expected) in [
            (json!({}), Validity::Valid(None)),
            (json!({"exp": null}), Validity::Valid(None)),
            (json!({"exp": 99.5}), Validity::Expired(Duration::from_millis(500))),
            (json!({"exp": -5}), Validity::Expired(seconds(100))),
            (json!({"exp": 1e300}), Validity::Valid(Some(Duration::MAX - seconds(100)))),
            (json!({"nbf": 101.0, "exp": 200}), Validity::NotYet(seconds(1))),
            (json!({"exp": "200"}), Validity::Unreadable("exp")),
            (json!({"nbf": [], "exp": 200}), Validity::Unreadable("nbf")),
        ] {
            assert_eq!(validity(claims.as_object().unwrap(), now), expected, "{claims}");
        }
    }
}
