//! An identity as bytes: short, readable again, and in the order of identities, so that records met in order are
//! looked up and kept in order.
//!
//! It knows no table; `schema` says where the bytes stand.
//!
//! ```text
//! 01  input (u32)  number (u64)                    known by position
//! 02  key as JSON text  00  occurrence (u32)       known by key; JSON text holds no 00
//! 03  SHA-256 of the key (32)  occurrence (u32)    known by a key of more than 1,024 bytes
//! ```
//!
//! Numbers are big endian.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::record::Identity;

/// A longer key is kept as its hash: rows stay small whatever the keys are.
const LONGEST_KEY: usize = 1024;

const POSITION: u8 = 1;
const KEY: u8 = 2;
const HASHED_KEY: u8 = 3;

/// What the name of a key that is kept as its hash begins with.
const HASH_NAME: &str = "sha256:";

/// A record as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptIdentity {
    /// As it was given.
    Plain(Identity),
    /// Its key was too long to be kept.
    HashedKey {
        /// Of the key.
        sha256: [u8; 32],
        /// See [`Identity::Key`].
        occurrence: u32,
    },
}

impl fmt::Display for KeptIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(identity) => identity.fmt(f),
            Self::HashedKey { sha256, occurrence } => {
                write!(f, "key {HASH_NAME}{}", Hex(sha256))?;
                if *occurrence > 0 {
                    write!(f, " (occurrence {})", u64::from(*occurrence) + 1)?;
                }
                Ok(())
            }
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Replaces what is in `bytes` by the identity.
pub(super) fn encode(identity: &Identity, bytes: &mut Vec<u8>) {
    match identity {
        Identity::Position { input, number } => {
            bytes.clear();
            bytes.push(POSITION);
            bytes.extend_from_slice(&input.to_be_bytes());
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        Identity::Key { key, occurrence } => {
            encode_key(key, bytes);
            bytes.extend_from_slice(&occurrence.to_be_bytes());
        }
    }
}

/// Replaces what is in `bytes` by what the identities with this key begin with, whatever their occurrence.
pub(super) fn encode_key(key: &str, bytes: &mut Vec<u8>) {
    bytes.clear();
    if key.len() > LONGEST_KEY {
        bytes.push(HASHED_KEY);
        bytes.extend_from_slice(&Sha256::digest(key));
    } else {
        bytes.push(KEY);
        bytes.extend_from_slice(key.as_bytes());
        bytes.push(0);
    }
}

/// The key that is kept as its hash and listed under this name, as the beginning of its identities.
fn encoded_name(name: &str) -> Option<Vec<u8>> {
    let digits = name.strip_prefix(HASH_NAME)?;
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let bytes = (0..32).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).ok());
    std::iter::once(Some(HASHED_KEY)).chain(bytes).collect()
}

/// The first and the last identity that records with this key may have. A long key may go by the name it is listed
/// under, which is no JSON text and so no other key.
pub(super) fn records_of_key(key: &str) -> (Vec<u8>, Vec<u8>) {
    let mut first = encoded_name(key).unwrap_or_default();
    if first.is_empty() {
        encode_key(key, &mut first);
    }
    let mut last = first.clone();
    first.extend_from_slice(&u32::MIN.to_be_bytes());
    last.extend_from_slice(&u32::MAX.to_be_bytes());
    (first, last)
}

/// Returns nothing where the bytes are no identity.
pub(super) fn decode(bytes: &[u8]) -> Option<KeptIdentity> {
    let (tag, rest) = bytes.split_first()?;
    match *tag {
        POSITION => {
            let (input, number) = rest.split_first_chunk()?;
            let (input, number) = (u32::from_be_bytes(*input), u64::from_be_bytes(number.try_into().ok()?));
            Some(KeptIdentity::Plain(Identity::Position { input, number }))
        }
        KEY => {
            let (key, occurrence) = rest.split_last_chunk()?;
            let (end, key) = key.split_last()?;
            let key = String::from_utf8(key.to_vec()).ok().filter(|_| *end == 0)?;
            Some(KeptIdentity::Plain(Identity::Key { key, occurrence: u32::from_be_bytes(*occurrence) }))
        }
        HASHED_KEY => {
            let (sha256, occurrence) = rest.split_first_chunk()?;
            let occurrence = u32::from_be_bytes(occurrence.try_into().ok()?);
            Some(KeptIdentity::HashedKey { sha256: *sha256, occurrence })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(identity: &Identity) -> Vec<u8> {
        let mut bytes = b"left over".to_vec();
        encode(identity, &mut bytes);
        bytes
    }

    /// Keys are JSON text: no control character stands in them as such.
    fn identities() -> impl Strategy<Value = Identity> {
        let key = prop_oneof!["[a-c\"]{0,3}", "\\PC{0,40}"];
        prop_oneof![
            (any::<u32>(), any::<u64>()).prop_map(|(input, number)| Identity::Position { input, number }),
            (key, prop_oneof![0..3_u32, any::<u32>()])
                .prop_map(|(key, occurrence)| Identity::Key { key, occurrence }),
        ]
    }

    proptest! {
        #[test]
        fn an_identity_is_read_as_it_was_written(identity in identities()) {
            prop_assert_eq!(decode(&encoded(&identity)), Some(KeptIdentity::Plain(identity)));
        }

        #[test]
        fn bytes_are_in_the_order_of_identities(one in identities(), other in identities()) {
            prop_assert_eq!(encoded(&one).cmp(&encoded(&other)), one.cmp(&other));
        }

        #[test]
        fn whatever_the_bytes_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(KeptIdentity::Plain(identity)) = decode(&bytes) {
                prop_assert_eq!(encoded(&identity), bytes);
            }
        }
    }

    #[test]
    fn a_long_key_is_kept_as_its_hash_and_told_from_others() {
        let key = |text: &str, occurrence| Identity::Key { key: text.repeat(1025), occurrence };
        let all = [key("a", 0), key("a", 1), key("b", 0)].map(|identity| encoded(&identity));
        for (i, bytes) in all.iter().enumerate() {
            assert_eq!(bytes.len(), 37);
            assert_eq!(all.iter().position(|other| other == bytes), Some(i));
        }
        let shown = decode(&all[1]).unwrap().to_string();
        assert!(shown.starts_with("key sha256:") && shown.ends_with(" (occurrence 2)"), "{shown}");
        let just_short = Identity::Key { key: "a".repeat(1024), occurrence: 0 };
        assert_eq!(decode(&encoded(&just_short)), Some(KeptIdentity::Plain(just_short)));
    }

    #[test]
    fn bytes_that_are_no_identity_are_refused() {
        let cut = |bytes: &[u8]| decode(&bytes[..bytes.len() - 1]);
        let position = encoded(&Identity::Position { input: 0, number: 1 });
        assert_eq!(cut(&position), None);
        for bytes in [&b""[..], b"\0", b"\x04abc", b"\x01", b"\x02a\x01\0\0\0\0", b"\x02\xff\0\0\0\0\0"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
