//! Signatures of Standard Webhooks: HMAC-SHA-256 over id, time and body, one for each secret, so that a receiver can
//! change its secret while posts go on.
//!
//! It knows where no secret comes from, and shows none.

use std::fmt;

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// The shortest secret, in bytes (Standard Webhooks: 24 to 64).
const SHORTEST: usize = 24;

/// Signs posts.
#[derive(Clone)]
pub struct Signer {
    keys: Vec<Key>,
}

/// Why secrets cannot be used. Shows nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is none.
    #[error("hold no secret")]
    Empty,
    /// One does not look like one.
    #[error("hold one that does not begin with `whsec_`")]
    Prefix,
    /// Behind that it is no base64.
    #[error("hold one that is not base64 behind `whsec_`")]
    Base64,
    /// One is easily guessed.
    #[error("hold one of less than 24 bytes")]
    Short,
}

impl SecretError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(self) -> &'static str {
        "the receiver says its secret; a new one: `echo whsec_$(openssl rand -base64 32)`; of two, with a space \
         between, each signs"
    }
}

impl Signer {
    /// Reads one or more secrets with white space between them.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub fn new(secrets: &SecretString) -> Result<Self, SecretError> {
        let keys: Vec<_> = secrets.expose_secret().split_whitespace().map(key).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(SecretError::Empty) } else { Ok(Self { keys }) }
    }

    /// The value of `webhook-signature`.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut all = String::new();
        for key in &self.keys {
            let mut mac = Context::with_key(key);
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            if !all.is_empty() {
                all.push(' ');
            }
            all.push_str("v1,");
            STANDARD.encode_string(mac.sign(), &mut all);
        }
        all
    }
}

fn key(secret: &str) -> Result<Key, SecretError> {
    let secret = secret.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
    let bytes = STANDARD.decode(secret).map_err(|_| SecretError::Base64)?;
    if bytes.len() < SHORTEST { Err(SecretError::Short) } else { Ok(Key::new(HMAC_SHA256, &bytes)) }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("secrets", &self.keys.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the specification's reference libraries (standard-webhooks/standard-webhooks, `libraries/`).
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signer(secrets: &str) -> Result<Signer, SecretError> {
        Signer::new(&secrets.to_owned().into())
    }

    #[test]
    fn a_signature_is_the_one_of_the_specification() {
        assert_eq!(signer(SECRET).unwrap().sign(ID, 1_614_265_330, BODY), SIGNATURE);
    }

    #[test]
    fn every_secret_signs_in_its_turn() {
        let other = format!("whsec_{}", STANDARD.encode([7; 32]));
        let own = signer(&other).unwrap().sign(ID, 1_614_265_330, BODY);
        assert_ne!(own, SIGNATURE);
        for between in [" ", "\n", " \t\r\n"] {
            let both = signer(&format!("{other}{between}{SECRET}\n")).unwrap();
            assert_eq!(both.sign(ID, 1_614_265_330, BODY), format!("{own} {SIGNATURE}"));
        }
    }

    #[test]
    fn id_time_and_body_all_count() {
        let signer = signer(SECRET).unwrap();
        for other in [
            signer.sign("msg_other", 1_614_265_330, BODY),
            signer.sign(ID, 1_614_265_331, BODY),
            signer.sign(ID, 1_614_265_330, b"{}"),
        ] {
            assert_ne!(other, SIGNATURE);
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_shown() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        for (text, error) in [
            ("", SecretError::Empty),
            (" \n", SecretError::Empty),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::Prefix),
            ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::Prefix),
            ("whsec_not base64", SecretError::Base64),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa_-", SecretError::Base64),
            (&short, SecretError::Short),
        ] {
            assert_eq!(signer(text).unwrap_err(), error, "{text}");
        }
        assert_eq!(format!("{:?}", signer(SECRET).unwrap()), "Signer { secrets: 1 }");
    }
}
