//! Where the authority to call comes from: a key pair, or a ready token, from the environment or from files.
//!
//! It signs tokens on request. Which token is in use, and when it is replaced, is `token`'s business.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::mint::Mint;
use super::times::{LIFETIME, Times};
pub use crate::mapping::AppClaims;

const ACCESS_KEY: Part =
    Part { variable: "HMS_ACCESS_KEY", file_variable: "HMS_ACCESS_KEY_FILE", file: "hms_access_key" };
const SECRET: Part = Part { variable: "HMS_SECRET", file_variable: "HMS_SECRET_FILE", file: "hms_secret" };
const MANAGEMENT_TOKEN: Part = Part {
    variable: "HMS_MANAGEMENT_TOKEN",
    file_variable: "HMS_MANAGEMENT_TOKEN_FILE",
    file: "hms_management_token",
};
const APP_TOKEN: Part =
    Part { variable: "HMS_APP_TOKEN", file_variable: "HMS_APP_TOKEN_FILE", file: "hms_app_token" };

const WEBHOOK_SECRET: Part = Part {
    variable: "ROOMPIPE_WEBHOOK_SECRET",
    file_variable: "ROOMPIPE_WEBHOOK_SECRET_FILE",
    file: "roompipe_webhook_secret",
};

/// Names the folder in which systemd puts what a unit's `LoadCredential=` asks for (systemd.exec(5)).
const FOLDER: &str = "CREDENTIALS_DIRECTORY";

/// The authority to call the API of one workspace.
#[derive(Clone)]
pub struct Credentials {
    pub(super) source: Source,
    /// Whom a ready app token speaks for; nothing where it is none.
    app: Option<AppClaims>,
}

#[derive(Clone)]
pub(super) enum Source {
    /// Signs its own tokens.
    Key { access_key: String, secret: SecretString },
    /// A token that somebody else signed.
    Ready(SecretString),
    /// The same in a file, which somebody else may renew.
    File(Named),
}

#[derive(Serialize)]
struct Claims<'a> {
    access_key: &'a str,
    r#type: &'static str,
    version: u8,
    jti: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    #[serde(flatten)]
    app: Option<&'a AppClaims>,
}

impl Credentials {
    /// Uses an access key and its secret.
    #[must_use]
    pub fn key(access_key: impl Into<String>, secret: SecretString) -> Self {
        Self { source: Source::Key { access_key: access_key.into(), secret }, app: None }
    }

    /// Uses a ready management token.
    #[must_use]
    pub fn token(token: SecretString) -> Self {
        Self { source: Source::Ready(token), app: None }
    }

    /// Uses the management token in a file, which is read again when the token is refused.
    #[must_use]
    pub fn token_file(path: impl Into<PathBuf>) -> Self {
        let file = Named { path: path.into(), by: MANAGEMENT_TOKEN.file_variable };
        Self { source: Source::File(file), app: None }
    }

    /// Takes what the environment offers: `HMS_MANAGEMENT_TOKEN`, or `HMS_ACCESS_KEY` and `HMS_SECRET`, each also as
    /// `*_FILE`; what these leave open, from files of the same names in any case in `$CREDENTIALS_DIRECTORY`; nothing
    /// where none is there. A ready token goes before a key pair: it is what somebody chose by hand, and a stale one is
    /// refused, while the wrong pair would write into the wrong workspace.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        if let Some(token) = place(&get, &MANAGEMENT_TOKEN)? {
            return Self::of_token(token).map(Some);
        }
        let (mut access_key, mut secret) = (place(&get, &ACCESS_KEY)?, place(&get, &SECRET)?);
        if (access_key.is_none() || secret.is_none())
            && let Some(folder) = get(FOLDER)
        {
            let in_folder = |part| in_folder(Path::new(&folder), part);
            // A half that is set says that a pair is meant.
            if access_key.is_none()
                && secret.is_none()
                && let Some(token) = in_folder(&MANAGEMENT_TOKEN)?
            {
                return Self::of_token(token).map(Some);
            }
            access_key = access_key.map_or_else(|| in_folder(&ACCESS_KEY), |found| Ok(Some(found)))?;
            secret = secret.map_or_else(|| in_folder(&SECRET), |found| Ok(Some(found)))?;
        }
        let half = |present: &Part, missing: &Part| Error::HalfAKey {
            present: present.variable,
            missing: missing.variable,
        };
        match (access_key, secret) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(half(&ACCESS_KEY, &SECRET)),
            (None, Some(_)) => Err(half(&SECRET, &ACCESS_KEY)),
            (Some(access_key), Some(secret)) => {
                Ok(Some(Self::key(access_key.read()?.expose_secret(), secret.read()?)))
            }
        }
    }

    fn of_token(place: Place) -> Result<Self, Error> {
        Ok(match place {
            Place::Value(token) => Self::token(token.into()),
            Place::File(file) => {
                file.read()?;
                Self { source: Source::File(file), app: None }
            }
        })
    }

    /// Takes a ready app token from `HMS_APP_TOKEN`, also as `*_FILE`, or where no variable holds a key, from
    /// `hms_app_token` in `$CREDENTIALS_DIRECTORY`; nothing where none is there. It is for calls in the name of the peer it
    /// speaks for, and for no others.
    pub fn app_from_environment(get: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let is_keyed = place(&get, &ACCESS_KEY)?.is_some() || place(&get, &SECRET)?.is_some();
        let found = match (place(&get, &APP_TOKEN)?, get(FOLDER).filter(|_| !is_keyed)) {
            (None, Some(folder)) => in_folder(Path::new(&folder), &APP_TOKEN)?,
            (found, _) => found,
        };
        let Some(place) = found else { return Ok(None) };
        let credentials = Self::of_token(place)?;
        let app = app_claims(&credentials.issue(SystemTime::UNIX_EPOCH, LIFETIME)?)?;
        Ok(Some(Self { app: Some(app), ..credentials }))
    }

    /// Whom a ready app token speaks for; nothing where it is none.
    #[must_use]
    pub fn app_claims(&self) -> Option<&AppClaims> {
        self.app.as_ref()
    }

    /// Returns the access key: the one given, or the one a token claims.
    #[must_use]
    pub fn access_key(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Claim {
            access_key: String,
        }
        let claimed = |token: &SecretString| {
            // Only to tell workspaces apart: whether the token is genuine is for the API to say.
            jsonwebtoken::dangerous::insecure_decode_claims::<Claim>(token.expose_secret())
                .ok()
                .map(|c| c.access_key)
        };
        match &self.source {
            Source::Key { access_key, .. } => Some(access_key.clone()),
            Source::Ready(token) => claimed(token),
            Source::File(file) => file.read().ok().as_ref().and_then(claimed),
        }
    }

    /// True where it signs its own tokens.
    #[must_use]
    pub fn signs(&self) -> bool {
        matches!(self.source, Source::Key { .. })
    }

    /// Returns a management token: a new one dated `now`, or the ready one as it is.
    pub fn management_token(&self, now: SystemTime, times: impl Into<Times>) -> Result<SecretString, Error> {
        if self.app.is_some() {
            return Err(Error::OnlyAppToken);
        }
        self.issue(now, times)
    }

    /// Returns the ready token, be it an app token, or a new management token dated `now`.
    pub(super) fn issue(&self, now: SystemTime, times: impl Into<Times>) -> Result<SecretString, Error> {
        match &self.source {
            Source::Key { access_key, secret } => sign(access_key, secret, None, times.into().claims(now)),
            Source::Ready(token) => Ok(token.clone()),
            Source::File(file) => {
                let token = file.read()?;
                match &self.app {
                    // Records were checked against the peer it spoke for at first.
                    Some(app) if app_claims(&token)? != *app => Err(Error::OtherPeer),
                    _ => Ok(token),
                }
            }
        }
    }

    /// Returns a new app token, dated `now`; none where there is no key to sign with.
    pub fn app_token(
        &self,
        claims: &AppClaims,
        now: SystemTime,
        times: impl Into<Times>,
    ) -> Result<Option<SecretString>, Error> {
        match &self.source {
            Source::Key { access_key, secret } => {
                sign(access_key, secret, Some(claims), times.into().claims(now)).map(Some)
            }
            Source::Ready(_) | Source::File(_) => Ok(None),
        }
    }
}

impl Credentials {
    /// Returns what makes many app tokens; nothing where there is no key to sign with.
    #[must_use]
    pub fn mint(&self, times: impl Into<Times>) -> Option<Mint> {
        match &self.source {
            Source::Key { access_key, secret } => Some(Mint::new(access_key, secret, times.into())),
            Source::Ready(_) | Source::File(_) => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Key { access_key, .. } => {
                f.debug_struct("Key").field("access_key", access_key).finish_non_exhaustive()
            }
            Source::Ready(_) => f.debug_struct("Token").finish_non_exhaustive(),
            Source::File(file) => f.debug_struct("TokenFile").field("path", &file.path).finish(),
        }
    }
}

/// One of the things that credentials are made of: the variables and the file that hold it.
struct Part {
    variable: &'static str,
    file_variable: &'static str,
    /// In a folder of credentials; the case of the letters does not count.
    file: &'static str,
}

enum Place {
    Value(String),
    File(Named),
}

/// A file with a secret, and the variable that leads to it.
#[derive(Clone)]
pub(super) struct Named {
    path: PathBuf,
    by: &'static str,
}

impl Place {
    fn read(self) -> Result<SecretString, Error> {
        match self {
            Self::Value(value) => Ok(value.into()),
            Self::File(file) => file.read(),
        }
    }
}

impl Named {
    /// Reads the secret, less the white space around it, which editors and `echo` leave.
    fn read(&self) -> Result<SecretString, Error> {
        let Self { path, by } = self;
        let text = std::fs::read_to_string(path).map_err(|source| Error::SecretFile {
            variable: by,
            path: path.clone(),
            source,
        })?;
        match text.trim() {
            "" => Err(Error::EmptyFile { variable: by, path: path.clone() }),
            secret => Ok(secret.into()),
        }
    }
}

fn place(get: &impl Fn(&str) -> Option<String>, part: &Part) -> Result<Option<Place>, Error> {
    match (get(part.variable), get(part.file_variable)) {
        (Some(_), Some(_)) => Err(Error::TwoPlaces(part.variable)),
        (Some(value), None) => Ok(Some(Place::Value(value))),
        (None, Some(path)) => Ok(Some(Place::File(Named { path: path.into(), by: part.file_variable }))),
        (None, None) => Ok(None),
    }
}

/// Whom an app token speaks for, by its own words: whether it is genuine is for the API to say.
fn app_claims(token: &SecretString) -> Result<AppClaims, Error> {
    #[derive(Deserialize)]
    struct Kind {
        r#type: Option<String>,
    }
    let token = token.expose_secret();
    let kind = jsonwebtoken::dangerous::insecure_decode_claims::<Kind>(token);
    let kind = kind.map_err(|_| Error::NotAnAppToken("it cannot be read"))?;
    if kind.r#type.as_deref() != Some("app") {
        return Err(Error::NotAnAppToken("its type is not `app`"));
    }
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<AppClaims>(token);
    claims.map_err(|_| Error::NotAnAppToken("it does not name a room and a role"))
}

/// Takes what signs posts to a webhook from `ROOMPIPE_WEBHOOK_SECRET`, also as `*_FILE`, or from `roompipe_webhook_secret` in
/// `$CREDENTIALS_DIRECTORY`; nothing where none is there.
pub fn webhook_secret(get: impl Fn(&str) -> Option<String>) -> Result<Option<SecretString>, Error> {
    let get = |name: &str| get(name).filter(|value| !value.is_empty());
    let found = match (place(&get, &WEBHOOK_SECRET)?, get(FOLDER)) {
        (None, Some(folder)) => in_folder(Path::new(&folder), &WEBHOOK_SECRET)?,
        (found, _) => found,
    };
    found.map(Place::read).transpose()
}

/// The file for a part in a folder of credentials, if there is one.
fn in_folder(folder: &Path, part: &Part) -> Result<Option<Place>, Error> {
    let unreadable = |source| Error::SecretFile { variable: FOLDER, path: folder.to_owned(), source };
    let mut found = None;
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_str().is_none_or(|name| !name.eq_ignore_ascii_case(part.file)) {
            continue;
        }
        if found.replace(Place::File(Named { path: entry.path(), by: FOLDER })).is_some() {
            return Err(Error::TwoFiles { name: part.file, folder: folder.to_owned() });
        }
    }
    Ok(found)
}

fn sign(
    access_key: &str,
    secret: &SecretString,
    app: Option<&AppClaims>,
    [iat, nbf, exp]: [u64; 3],
) -> Result<SecretString, Error> {
    let claims = Claims {
        access_key,
        r#type: if app.is_some() { "app" } else { "management" },
        version: 2,
        jti: uuid::Uuid::new_v4().to_string(),
        iat,
        nbf,
        exp,
        app,
    };
    // The secret looks like base64, and is used as it is written.
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(Error::Sign)?;
    Ok(token.into())
}

#[cfg(test)]
mod tests;
