//! The tokens in use: one for all calls, and one for each peer in whose name others are made; minted once, renewed before
//! they expire, replaced when the API refuses one.
//!
//! It knows no answer but its date, and never decides that a run must stop: it only says whether another token can
//! be had.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use memchr::memmem::Finder;
use secrecy::{ExposeSecret as _, SecretString};

use super::client::secret_part;
use super::credentials::{AppClaims, Credentials, Source};
use super::error::Error;
use super::times::LIFETIME;

/// A token is replaced when it has so long to live.
const MARGIN: Duration = Duration::from_secs(60 * 60);
/// So many app tokens are kept; who comes after them finds none and has its own minted.
const MOST_APP_TOKENS: usize = 1_000;
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
    /// Signed with the clock and under the number of the current one.
    apps: HashMap<AppClaims, Bearer>,
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

    /// Makes sure that there is a token.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.current(&mut self.state(), (self.clock)()).map(drop)
    }

    /// Returns the management token in use.
    pub(super) fn management(&self) -> Result<Bearer, Error> {
        if self.credentials.app_claims().is_some() {
            return Err(Error::OnlyAppToken);
        }
        self.current(&mut self.state(), (self.clock)())
    }

    /// Returns the app token for these claims: the ready one, or one that is signed and kept under the number of the token
    /// in use, so that a refusal of either corrects the clock once for both.
    pub(super) fn app(&self, claims: &AppClaims) -> Result<Bearer, Error> {
        let mut state = self.state();
        let now = (self.clock)();
        let current = self.current(&mut state, now)?;
        if let Some(ready_for) = self.credentials.app_claims() {
            return if ready_for == claims { Ok(current) } else { Err(Error::NoClaims) };
        }
        if let Some(kept) = state.apps.get(claims) {
            return Ok(kept.clone());
        }
        let token = self.credentials.app_token(claims, state.server_time(now), LIFETIME)?;
        let bearer = Bearer::new(authorization(&token.ok_or(Error::CannotSign)?)?, current.number);
        if state.apps.len() >= MOST_APP_TOKENS {
            state.apps.clear();
        }
        state.apps.insert(claims.clone(), bearer.clone());
        Ok(bearer)
    }

    /// The token in use, which is minted or read where there is none or it is about to expire.
    fn current(&self, state: &mut State, now: SystemTime) -> Result<Bearer, Error> {
        if let Some(token) = &state.current
            && token.renew_at.is_none_or(|at| now < at)
        {
            return Ok(token.bearer.clone());
        }
        self.replace(state, now)
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
                let token = self.credentials.issue(now, LIFETIME)?;
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
        let token = self.credentials.issue(state.server_time(now), LIFETIME)?;
        let number = state.current.as_ref().map_or(0, |token| token.bearer.number) + 1;
        let bearer = Bearer::new(authorization(&token)?, number);
        let mints = matches!(self.credentials.source, Source::Key { .. });
        let renew_at = mints.then(|| now + (LIFETIME - MARGIN));
        state.current = Some(Token { bearer: bearer.clone(), renew_at });
        state.apps.clear();
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
        let first = tokens.management().unwrap();
        assert_eq!(tokens.management().unwrap().value, first.value);
        tokens.clock = next_day;
        let second = tokens.management().unwrap();
        assert_eq!((first.number, second.number), (1, 2));
        assert!(claim(&second, "exp") > claim(&first, "exp"));
    }

    #[test]
    fn a_refused_token_is_replaced_once_for_all_who_used_it() {
        let tokens = key();
        let first = tokens.management().unwrap();
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
            let first = tokens.management().unwrap();
            tokens.refused(first.number, Some(date)).unwrap();
            let iat = UNIX_EPOCH + Duration::from_secs(claim(&tokens.management().unwrap(), "iat"));
            assert_eq!(iat, date - Duration::from_secs(60));
        }
    }

    fn peer(room_id: &str) -> AppClaims {
        AppClaims { room_id: room_id.into(), role: "host".into(), user_id: None }
    }

    #[test]
    fn an_app_token_shares_number_and_clock() {
        let tokens = key();
        let first = tokens.app(&peer("r")).unwrap();
        tokens.refused(first.number, Some(noon() + Duration::from_secs(600))).unwrap();
        let second = tokens.app(&peer("r")).unwrap();
        assert_eq!((first.number, second.number), (1, 2));
        assert_eq!(claim(&second, "iat") - claim(&first, "iat"), 600);
    }

    #[test]
    fn each_peer_has_one_app_token_until_all_are_renewed() {
        let mut tokens = key();
        let [first, other] = ["r1", "r2"].map(|room| tokens.app(&peer(room)).unwrap());
        assert_ne!(first.value, other.value);
        assert_eq!(tokens.app(&peer("r1")).unwrap().value, first.value);
        tokens.clock = next_day;
        let second = tokens.app(&peer("r1")).unwrap();
        assert!(claim(&second, "exp") > claim(&first, "exp"));
        // However many peers there are, no more than so many tokens are kept.
        for room in 0..3 * MOST_APP_TOKENS {
            tokens.app(&peer(&room.to_string())).unwrap();
            assert!(tokens.state().apps.len() <= MOST_APP_TOKENS);
        }
    }

    #[test]
    fn a_management_token_is_no_app_token_and_the_other_way_round() {
        let management = Tokens::new(Credentials::token("a.b.c".into()));
        assert!(matches!(management.app(&peer("r1")), Err(Error::CannotSign)));
        let signed = key().app(&peer("r1")).unwrap();
        let ready = signed.value.to_str().unwrap().trim_start_matches("Bearer ").to_owned();
        let get = |name: &str| (name == "HMS_APP_TOKEN").then(|| ready.clone());
        let tokens = Tokens::new(Credentials::app_from_environment(get).unwrap().unwrap());
        tokens.check().unwrap();
        assert_eq!(tokens.app(&peer("r1")).unwrap().value, signed.value);
        assert!(matches!(tokens.app(&peer("r2")), Err(Error::NoClaims)));
        assert!(matches!(tokens.management(), Err(Error::OnlyAppToken)));
        assert_eq!(tokens.refused(tokens.number(), None).unwrap(), Renewal::None);
    }

    #[test]
    fn a_file_with_an_app_token_goes_on_for_the_same_peer_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let write = |peer: &AppClaims| {
            let signed = key().app(peer).unwrap();
            std::fs::write(&path, signed.value.to_str().unwrap().trim_start_matches("Bearer ")).unwrap();
        };
        write(&peer("r1"));
        let get = |name: &str| (name == "HMS_APP_TOKEN_FILE").then(|| path.display().to_string());
        let tokens = Tokens::new(Credentials::app_from_environment(get).unwrap().unwrap());
        let first = tokens.app(&peer("r1")).unwrap();
        assert_eq!(tokens.refused(first.number, None).unwrap(), Renewal::None);
        write(&peer("r1"));
        assert_eq!(tokens.refused(first.number, None).unwrap(), Renewal::Another);
        write(&peer("r2"));
        assert!(matches!(tokens.refused(2, None), Err(Error::OtherPeer)));
    }

    #[test]
    fn a_ready_token_has_no_successor() {
        let tokens = Tokens::new(Credentials::token("a.b.c".into()));
        let number = tokens.management().unwrap().number;
        assert_eq!(tokens.refused(number, None).unwrap(), Renewal::None);
    }

    #[test]
    fn a_token_file_is_read_again_and_only_a_changed_token_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "first\n").unwrap();
        let tokens = Tokens::new(Credentials::token_file(&path));
        let number = tokens.management().unwrap().number;
        assert_eq!(tokens.refused(number, None).unwrap(), Renewal::None);
        std::fs::write(&path, "second").unwrap();
        assert_eq!(tokens.refused(number, None).unwrap(), Renewal::Another);
        assert_eq!(tokens.management().unwrap().value, "Bearer second");
        std::fs::remove_file(&path).unwrap();
        assert!(tokens.refused(tokens.number(), None).is_err());
    }

    #[test]
    fn a_value_that_is_no_token_is_refused_and_never_shown() {
        for text in ["", "two words", "line\nbreak", "ümlaut"] {
            let tokens = Tokens::new(Credentials::token(text.into()));
            assert!(matches!(tokens.management(), Err(Error::NotAToken)), "{text:?}");
        }
        let tokens = Tokens::new(Credentials::token("a.b.c".into()));
        tokens.management().unwrap();
        assert!(!format!("{tokens:?}").contains("a.b.c"));
    }
}
