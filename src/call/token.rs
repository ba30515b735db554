//! The token in use: minted once for all calls, renewed before it expires, replaced when the API refuses it.
//!
//! It knows no answer but its date, and never decides that a run must stop: it only says whether another token can
//! be had.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use memchr::memmem::Finder;
use secrecy::{ExposeSecret as _, SecretString};

use super::client::secret_part;
use super::credentials::{AppClaims, Credentials, LIFETIME, Source};
use super::error::Error;

/// A token is replaced when it has so long to live.
const MARGIN: Duration = Duration::from_secs(60 * 60);
/// A `Date` has whole seconds and is some round trip old: smaller differences are no skew.
const SKEW: Duration = Duration::from_secs(2);

/// The tokens of one run.
#[derive(Debug)]
pub(super) struct Tokens {
    credentials: Credentials,
    clock: fn() -> SystemTime,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Token>,
    /// How far this machine's clock is behind the server's, or ahead of it.
    behind: Duration,
    ahead: Duration,
}

#[derive(Debug)]
struct Token {
    bearer: Bearer,
    renew_at: Option<SystemTime>,
}

/// A token as it goes onto the wire.
#[derive(Clone, Debug)]
pub(super) struct Bearer {
    /// The value of `Authorization`, marked sensitive.
    pub(super) value: HeaderValue,
    /// Finds the token in answers that echo it; made once, for it is looked for in every answer.
    pub(super) finder: Arc<Finder<'static>>,
    /// Counts the tokens of a run.
    pub(super) number: u64,
}

impl Bearer {
    fn new(value: HeaderValue, number: u64) -> Self {
        let finder = Arc::new(Finder::new(secret_part(&value)).into_owned());
        Self { value, finder, number }
    }
}

/// What a refused token led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// Another token is in use now.
    Another,
    /// There is no other token.
    None,
}

impl Tokens {
    /// Makes the tokens of one run; nothing is minted yet.
    #[must_use]
    pub(super) fn new(credentials: Credentials) -> Self {
        Self { credentials, clock: SystemTime::now, state: Mutex::default() }
    }

    /// Returns the token in use, which is minted or read where there is none or it is about to expire.
    pub(super) fn current(&self) -> Result<Bearer, Error> {
        let mut state = self.state();
        let now = (self.clock)();
        if let Some(token) = &state.current
            && token.renew_at.is_none_or(|at| now < at)
        {
            return Ok(token.bearer.clone());
        }
        self.replace(&mut state, now)
    }

    /// Returns an app token for these claims under the number of the token in use, so that a refusal of either
    /// corrects the clock once for both; none where there is no key to sign with.
    pub(super) fn app(&self, claims: &AppClaims) -> Result<Option<Bearer>, Error> {
        let number = self.current()?.number;
        let at = self.state().server_time((self.clock)());
        let token = self.credentials.app_token(claims, at, LIFETIME)?;
        token.map(|token| Ok(Bearer::new(authorization(&token)?, number))).transpose()
    }

    /// Returns the number of the token in use.
    pub(super) fn number(&self) -> u64 {
        self.state().current.as_ref().map_or(0, |token| token.bearer.number)
    }

    /// Replaces a token that was refused, unless that has been done already: a new one with the clock corrected by
    /// the server's date, or the file's content if it has changed.
    pub(super) fn refused(&self, number: u64, server_date: Option<SystemTime>) -> Result<Renewal, Error> {
        let mut state = self.state();
        let Some(current) = &state.current else { return Ok(Renewal::Another) };
        if current.bearer.number != number {
            return Ok(Renewal::Another);
        }
        let now = (self.clock)();
        match &self.credentials.source {
            Source::Ready(_) => return Ok(Renewal::None),
            Source::File(_) => {
                let token = self.credentials.management_token(now, LIFETIME)?;
                if authorization(&token)? == current.bearer.value {
                    return Ok(Renewal::None);
                }
            }
            Source::Key { .. } => state.correct(now, server_date),
        }
        self.replace(&mut state, now)?;
        Ok(Renewal::Another)
    }

    fn replace(&self, state: &mut State, now: SystemTime) -> Result<Bearer, Error> {
        let token = self.credentials.management_token(state.server_time(now), LIFETIME)?;
        let number = state.current.as_ref().map_or(0, |token| token.bearer.number) + 1;
        let bearer = Bearer::new(authorization(&token)?, number);
        let mints = matches!(self.credentials.source, Source::Key { .. });
        let renew_at = mints.then(|| now + (LIFETIME - MARGIN));
        state.current = Some(Token { bearer: bearer.clone(), renew_at });
        Ok(bearer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn correct(&mut self, now: SystemTime, server_date: Option<SystemTime>) {
        let Some(date) = server_date else { return };
        let significant = |by: Duration| if by >= SKEW { by } else { Duration::ZERO };
        self.behind = significant(date.duration_since(now).unwrap_or_default());
        self.ahead = significant(now.duration_since(date).unwrap_or_default());
    }

    fn server_time(&self, now: SystemTime) -> SystemTime {
        now + self.behind - self.ahead
    }
}

/// Builds the header's value once per token.
fn authorization(token: &SecretString) -> Result<HeaderValue, Error> {
    let token = token.expose_secret();
    if token.is_empty() || token.contains(|c: char| !c.is_ascii_graphic()) {
        return Err(Error::NotAToken);
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| Error::NotAToken)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::Value;

    use super::*;

    fn noon() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn next_day() -> SystemTime {
        noon() + LIFETIME - MARGIN
    }

    fn key() -> Tokens {
        let credentials = Credentials::key("key-1", "secret".into());
        Tokens { clock: noon, ..Tokens::new(credentials) }
    }

    fn claim(bearer: &Bearer, name: &str) -> u64 {
        let token = bearer.value.to_str().unwrap().strip_prefix("Bearer ").unwrap();
        let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap();
        claims[name].as_u64().unwrap()
    }

    #[test]
    fn one_token_serves_all_until_it_is_an_hour_from_its_end() {
        let mut tokens = key();
        let first = tokens.current().unwrap();
        assert_eq!(tokens.current().unwrap().value, first.value);
        tokens.clock = next_day;
        let second = tokens.current().unwrap();
        assert_eq!((first.number, second.number), (1, 2));
        assert!(claim(&second, "exp") > claim(&first, "exp"));
    }

    #[test]
    fn a_refused_token_is_replaced_once_for_all_who_used_it() {
        let tokens = key();
        let first = tokens.current().unwrap();
        for _ in 0..5 {
            assert_eq!(tokens.refused(first.number, None).unwrap(), Renewal::Another);
        }
        assert_eq!(tokens.number(), 2);
    }

    #[test]
    fn the_servers_date_corrects_a_clock_that_is_wrong_either_way() {
        let hour = Duration::from_secs(3600);
        for date in [noon() + hour, noon() - hour] {
            let tokens = key();
            let first = tokens.current().unwrap();
            tokens.refused(first.number, Some(date)).unwrap();
            let iat = UNIX_EPOCH + Duration::from_secs(claim(&tokens.current().unwrap(), "iat"));
            assert_eq!(iat, date - Duration::from_secs(60));
        }
    }

    #[test]
    fn an_app_token_shares_number_and_clock() {
        let tokens = key();
        let claims = AppClaims { room_id: "r".into(), role: "host".into(), user_id: None };
        let first = tokens.app(&claims).unwrap().unwrap();
        tokens.refused(first.number, Some(noon() + Duration::from_secs(600))).unwrap();
        let second = tokens.app(&claims).unwrap().unwrap();
        assert_eq!((first.number, second.number), (1, 2));
        assert_eq!(claim(&second, "iat") - claim(&first, "iat"), 600);
    }

    #[test]
    fn a_ready_token_has_no_successor() {
        let tokens = Tokens::new(Credentials::token("a.b.c".into()));
        let number = tokens.current().unwrap().number;
        assert_eq!(tokens.refused(number, None).unwrap(), Renewal::None);
    }

    #[test]
    fn a_token_file_is_read_again_and_only_a_changed_token_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "first\n").unwrap();
        let tokens = Tokens::new(Credentials::token_file(&path));
        let number = tokens.current().unwrap().number;
        assert_eq!(tokens.refused(number, None).unwrap(), Renewal::None);
        std::fs::write(&path, "second").unwrap();
        assert_eq!(tokens.refused(number, None).unwrap(), Renewal::Another);
        assert_eq!(tokens.current().unwrap().value, "Bearer second");
        std::fs::remove_file(&path).unwrap();
        assert!(tokens.refused(tokens.number(), None).is_err());
    }

    #[test]
    fn a_value_that_is_no_token_is_refused_and_never_shown() {
        for text in ["", "two words", "line\nbreak", "ümlaut"] {
            let tokens = Tokens::new(Credentials::token(text.into()));
            assert!(matches!(tokens.current(), Err(Error::NotAToken)), "{text:?}");
        }
        let tokens = Tokens::new(Credentials::token("a.b.c".into()));
        tokens.current().unwrap();
        assert!(!format!("{tokens:?}").contains("a.b.c"));
    }
}
