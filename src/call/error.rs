//! What can be wrong with the configuration of calls. What happens to a call is an outcome, not one of these.

use std::path::PathBuf;

/// Why calls cannot be made as configured. No variant holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Only one half of a key pair is there.
    #[error("find `{missing}`, although `{present}` is set")]
    HalfAKey {
        /// The variable that is set.
        present: &'static str,
        /// The variable that is not.
        missing: &'static str,
    },
    /// One value is given in two places.
    #[error("choose between `{0}` and `{0}_FILE`, which are both set")]
    TwoPlaces(&'static str),
    /// A file with a secret cannot be read.
    #[error("read `{path}`, to which `{variable}` leads")]
    SecretFile {
        /// The variable that names it, or the folder it is in.
        variable: &'static str,
        /// The file, or the folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file with a secret holds nothing.
    #[error("find a value in `{path}`, to which `{variable}` leads")]
    EmptyFile {
        /// The variable that names it, or the folder it is in.
        variable: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Files of a folder of credentials differ only in the case of their names.
    #[error("choose between several files named `{name}` in any case in `{folder}`")]
    TwoFiles {
        /// The name in lower case.
        name: &'static str,
        /// The folder.
        folder: PathBuf,
    },
    /// A token has characters that no header takes.
    #[error("use the token given: it holds white space or control characters")]
    NotAToken,
    /// What should be an app token is none.
    #[error("use the token of `HMS_APP_TOKEN`: {0}")]
    NotAnAppToken(&'static str),
    /// A file with an app token holds one for somebody else by now.
    #[error("use the app token in the file: it speaks for another peer than before")]
    OtherPeer,
    /// There is a token, and it signs no other.
    #[error("sign an app token: a ready management token signs nothing")]
    CannotSign,
    /// Nobody says whom a token is to speak for.
    #[error("sign an app token: nobody says for which room and peer")]
    NoClaims,
    /// There is an app token, and nothing else.
    #[error("find a management token: there is only one of a peer")]
    OnlyAppToken,
    /// A token could not be signed.
    #[error("sign a token")]
    Sign(#[source] jsonwebtoken::errors::Error),
    /// A token could not be made.
    #[error("make a token: {0}")]
    Mint(String),
    /// The base URL is none.
    #[error("use `{url}` as a base URL: {why}")]
    BaseUrl {
        /// As given, without what may be a password.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// A credential would travel unprotected.
    #[error("send a credential to `{origin}` over plain http")]
    PlainHttp {
        /// Where to.
        origin: String,
    },
    /// A credential would travel unprotected as far as the proxy.
    #[error("send a credential over plain http through a proxy on another machine")]
    PlainHttpProxy,
    /// A header cannot be sent.
    #[error("send the header `{name}`: {why}")]
    Header {
        /// Its name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The URL of a webhook is none.
    #[error("use the URL of the webhook: {0}")]
    Webhook(String),
    /// Events would travel unprotected.
    #[error("post events to `{origin}` over plain http")]
    PlainWebhook {
        /// Where to.
        origin: String,
    },
    /// The proxy's URL is none.
    #[error("use the proxy given: its URL is not one of http or https")]
    Proxy,
    /// The certificates of `--ca-cert` cannot be read.
    #[error("read certificates from `{path}`: {why}")]
    CaCert {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The HTTP client does not start.
    #[error("start the HTTP client: {0}")]
    Client(String),
}

impl Error {
    /// What can be done about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::HalfAKey { missing, .. } => format!("set `{missing}` or `{missing}_FILE`"),
            Self::TwoPlaces(name) => format!("unset one of `{name}` and `{name}_FILE`"),
            Self::CannotSign => {
                "set HMS_ACCESS_KEY and HMS_SECRET, and unset HMS_MANAGEMENT_TOKEN; or set HMS_APP_TOKEN"
                    .into()
            }
            Self::NotAnAppToken(_) => {
                "`roompipe token app --room-id ID --role NAME` prints one; `roompipe token inspect` reads one"
                    .into()
            }
            Self::OnlyAppToken => "set HMS_ACCESS_KEY and HMS_SECRET, or HMS_MANAGEMENT_TOKEN".into(),
            Self::PlainHttp { .. } => {
                "use https; plain http carries a credential only to this machine".into()
            }
            Self::PlainWebhook { .. } => {
                "use https; plain http is for a receiver on this machine, and not through a proxy".into()
            }
            Self::Webhook(_) => "it looks like `https://hooks.example.com/roompipe`".into(),
            Self::PlainHttpProxy => "use https, or no proxy".into(),
            Self::BaseUrl { .. } => "a base URL looks like `https://api.100ms.live/v2`".into(),
            Self::Proxy => "a proxy looks like `http://user:password@host:port`".into(),
            Self::CaCert { .. } => "the file holds certificates in PEM form".into(),
            Self::Header { .. }
            | Self::SecretFile { .. }
            | Self::EmptyFile { .. }
            | Self::TwoFiles { .. }
            | Self::NotAToken
            | Self::OtherPeer
            | Self::NoClaims
            | Self::Sign(_)
            | Self::Mint(_)
            | Self::Client(_) => return None,
        })
    }
}
