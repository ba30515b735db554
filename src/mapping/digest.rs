//! What one run compares with another: does this request do the same as the one before, does this mapping?
//!
//! It knows which differences count; it does not know what is done about them.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::address::path_and_query;
use super::{Assignment, Empty, Options, Request, Source};

impl Request {
    /// The first 16 bytes of the SHA-256 of what the request asks for: method, path, query, body, and whom its app token
    /// speaks for.
    ///
    /// The order of an object's members and of query parameters with different names does not count; the digits of a
    /// number and the order of a list do. Where the API is does not count.
    #[must_use]
    pub fn digest(&self) -> [u8; 16] {
        let (path, query) = path_and_query(&self.url);
        let mut parameters: Vec<&str> = query.split('&').collect();
        // Stable: parameters of one name are a list.
        parameters.sort_by_key(|parameter| parameter.split('=').next());
        let mut hash = Sha256::new();
        part(&mut hash, self.method.as_str().as_bytes());
        part(&mut hash, path.as_bytes());
        part(&mut hash, parameters.join("&").as_bytes());
        if let Some(body) = &self.body {
            match sorted(body) {
                Some(text) => part(&mut hash, &text),
                None => part(&mut hash, body),
            }
        }
        if let Some(claims) = &self.claims {
            part(&mut hash, b"app token");
            for (name, value) in claims.members() {
                part(&mut hash, name.as_bytes());
                part(&mut hash, value.as_str().unwrap_or_default().as_bytes());
            }
        }
        let mut short = [0; 16];
        short.copy_from_slice(&hash.finalize()[..16]);
        short
    }
}

/// The digest, in hex, of the options that decide what a record becomes. It must stay the same from version to version.
pub(super) fn of_options(options: &Options, assignments: &[Assignment]) -> String {
    let mut hash = Sha256::new();
    part(&mut hash, b"mapping 1");
    part(&mut hash, &(assignments.len() as u64).to_le_bytes());
    let mut assignments: Vec<&Assignment> = assignments.iter().collect();
    // Only what fills the same parameter depends on its order: the later wins. The sort is stable.
    assignments.sort_by(|a, b| a.target.name.cmp(&b.target.name));
    for assignment in assignments {
        part(&mut hash, assignment.target.dotted().as_bytes());
        match &assignment.from {
            Source::Expression(expression) => {
                part(&mut hash, b"map");
                part(&mut hash, expression.text().as_bytes());
            }
            Source::Constant(text) => {
                part(&mut hash, b"set");
                part(&mut hash, text.as_bytes());
            }
            Source::Value(value) => {
                let mut value = value.clone();
                value.sort_all_objects();
                part(&mut hash, b"value");
                part(&mut hash, value.to_string().as_bytes());
            }
        }
    }
    let mut exclude: Vec<&str> = options.exclude.iter().map(String::as_str).collect();
    exclude.sort_unstable();
    exclude.dedup();
    for name in exclude {
        part(&mut hash, b"exclude");
        part(&mut hash, name.as_bytes());
    }
    if let Some(body) = &options.body {
        part(&mut hash, b"body");
        part(&mut hash, body.as_bytes());
    }
    if let Some(batch) = &options.batch {
        // How many share a call, and with whom, changes no record's part in it.
        part(&mut hash, b"batch");
        part(&mut hash, batch.form.as_bytes());
        part(&mut hash, batch.props.as_deref().unwrap_or_default().as_bytes());
    }
    let empty = match options.empty {
        Empty::Omit => "empty omit",
        Empty::Null => "empty null",
        Empty::Keep => "empty keep",
    };
    part(&mut hash, empty.as_bytes());
    for (name, set) in [
        ("pass-unknown", options.pass_unknown),
        ("strict", options.strict),
        ("infer-types", options.infer_types),
    ] {
        if set {
            part(&mut hash, name.as_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes a part with its length, so that no two lists of parts look alike.
fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// The text with the members of all objects sorted; nothing where it is no JSON, or is nested deeper than our JSON
/// library reads: such a body counts as it stands.
fn sorted(body: &[u8]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    value.sort_all_objects();
    serde_json::to_vec(&value).ok()
}
