//! App tokens by the million: what all of them share is encoded and hashed once, and each adds who it is for.
//!
//! It makes the same tokens as `credentials` does one by one, and knows nothing of records.

use std::time::SystemTime;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};

use super::error::Error;
use super::times::Times;

/// Ids of tokens for which the system's generator is asked at once: asking is dear, and the answer may be long.
const IDS: usize = 256;
const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;

/// Makes app tokens.
pub struct Mint {
    /// Begins the claims: the access key as JSON.
    access_key: String,
    key: hmac::Key,
    times: Times,
    begun: Option<Begun>,
    ids: Ids,
    claims: Vec<u8>,
}

/// What tokens made within one second share.
struct Begun {
    times: [u64; 3],
    /// Header and claims as far as they are alike, in base64.
    text: String,
    /// The claims behind that: less than base64 takes together.
    rest: Vec<u8>,
    /// The signature as far as `text`.
    signing: hmac::Context,
}

impl Mint {
    /// Makes a mint for the tokens of a workspace.
    pub(super) fn new(access_key: &str, secret: &SecretString, times: Times) -> Self {
        // The secret looks like base64, and is used as it is written.
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let access_key = serde_json::Value::from(access_key).to_string();
        Self { access_key, key, times, begun: None, ids: Ids::new(), claims: Vec::new() }
    }

    /// Appends a token that is made now.
    ///
    /// # Errors
    /// The system has no random numbers to give.
    pub fn sign(
        &mut self,
        room_id: &str,
        role: &str,
        user_id: Option<&str>,
        now: SystemTime,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let times = self.times.claims(now);
        let begun = match self.begun.take() {
            Some(begun) if begun.times == times => begun,
            _ => self.begin(times),
        };
        let begun = self.begun.insert(begun);
        let claims = &mut self.claims;
        claims.clear();
        claims.extend_from_slice(&begun.rest);
        self.ids.next(claims)?;
        for (name, value) in [("room_id", Some(room_id)), ("role", Some(role)), ("user_id", user_id)] {
            let Some(value) = value else { continue };
            claims.extend_from_slice(b",\"");
            claims.extend_from_slice(name.as_bytes());
            claims.extend_from_slice(b"\":");
            serde_json::to_writer(&mut *claims, value).map_err(|error| Error::Mint(error.to_string()))?;
        }
        claims.push(b'}');
        out.extend_from_slice(begun.text.as_bytes());
        let tail = out.len();
        encode(claims, out);
        let mut signing = begun.signing.clone();
        signing.update(&out[tail..]);
        out.push(b'.');
        encode(signing.sign().as_ref(), out);
        Ok(())
    }

    fn begin(&self, times: [u64; 3]) -> Begun {
        let [iat, nbf, exp] = times;
        let claims = format!(
            r#"{{"access_key":{},"type":"app","version":2,"iat":{iat},"nbf":{nbf},"exp":{exp},"jti":"#,
            self.access_key
        );
        // Base64 takes three bytes together: what is left over begins what differs.
        let (alike, rest) = claims.as_bytes().split_at(claims.len() - claims.len() % 3);
        let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(alike));
        let mut signing = hmac::Context::with_key(&self.key);
        signing.update(text.as_bytes());
        Begun { times, text, rest: rest.to_vec(), signing }
    }
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mint").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Appends bytes in base64.
fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // The room is that of padded text, and so is never too small.
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut out[start..]).unwrap_or_default();
    out.truncate(start + written);
}

/// Random uuids, many at a time.
struct Ids {
    random: Box<[u8; IDS * 16]>,
    used: usize,
}

impl Ids {
    fn new() -> Self {
        Self { random: Box::new([0; IDS * 16]), used: IDS }
    }

    /// Appends one, as JSON.
    fn next(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if self.used == IDS {
            aws_lc_rs::rand::fill(self.random.as_mut_slice())
                .map_err(|_| Error::Mint("the system has no random numbers to give".to_owned()))?;
            self.used = 0;
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.random[self.used * 16..][..16]);
        self.used += 1;
        let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        out.push(b'"');
        out.extend_from_slice(id.hyphenated().encode_lower(&mut text).as_bytes());
        out.push(b'"');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use jsonwebtoken::{Algorithm, DecodingKey, Validation};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn mint(access_key: &str) -> Mint {
        Mint::new(access_key, &"secret".into(), Duration::from_secs(3_600).into())
    }

    fn claims(token: &[u8]) -> Value {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        let key = DecodingKey::from_secret(b"secret");
        jsonwebtoken::decode(std::str::from_utf8(token).unwrap(), &key, &validation).unwrap().claims
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_signed(
            access_key in ".{0,40}", room in ".{0,40}", role in ".{0,40}",
            user in proptest::option::of(".{0,40}"), at in 1_000..4_000_000_000_u64,
        ) {
            let mut mint = mint(&access_key);
            let mut ids = HashSet::new();
            for second in [at, at, at + 1] {
                let mut token = b"before ".to_vec();
                let now = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
                mint.sign(&room, &role, user.as_deref(), now, &mut token).unwrap();
                let found = claims(token.strip_prefix(b"before ").unwrap());
                let iat = second - 60;
                let mut expected = json!({
                    "access_key": access_key, "type": "app", "version": 2, "iat": iat, "nbf": iat, "exp": iat + 3_600,
                    "jti": found["jti"], "room_id": room, "role": role,
                });
                if let Some(user) = &user {
                    expected["user_id"] = json!(user);
                }
                prop_assert_eq!(&found, &expected);
                let id: uuid::Uuid = found["jti"].as_str().unwrap().parse().unwrap();
                prop_assert_eq!(id.get_version_num(), 4);
                prop_assert!(ids.insert(id));
            }
        }
    }

    #[test]
    fn ids_go_on_behind_those_asked_for_at_once() {
        let mut mint = mint("k");
        let ids: HashSet<String> = (0..3 * IDS)
            .map(|_| {
                let mut token = Vec::new();
                mint.sign("r", "host", None, SystemTime::UNIX_EPOCH, &mut token).unwrap();
                claims(&token)["jti"].to_string()
            })
            .collect();
        assert_eq!(ids.len(), 3 * IDS);
        assert!(!format!("{mint:?}").contains("secret"));
    }
}
