//! Why an attempt has no answer, found in the chain of errors below it.
//!
//! What cannot be proved not to have left counts as sent. It knows the errors of the operating system and of hyper,
//! and not the client above them.

use std::error::Error;
use std::io;

use super::verdict::{NoAnswer, NotSent, Observation};

/// An attempt without answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) seen: Observation,
    /// What happened, without URL, token or password.
    pub(super) message: String,
}

/// Where the client says the attempt was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The name was being resolved.
    Resolving,
    /// The connection, its TLS handshake or its tunnel was being made.
    Connecting,
    /// A connection was there.
    Connected,
}

impl Failure {
    pub(super) fn timeout() -> Self {
        let seen = Observation::NoAnswer(NoAnswer::Timeout);
        Self { seen, message: "no answer came within the timeout".into() }
    }

    /// Sorts an error chain.
    pub(super) fn new(error: &(dyn Error + 'static), stage: Stage) -> Self {
        let chain = Chain(error);
        let seen = match stage {
            _ if stage != Stage::Connected && chain.is_out_of_descriptors() => {
                Observation::NotSent(NotSent::NoFd)
            }
            Stage::Resolving => Observation::NotSent(NotSent::Dns),
            Stage::Connecting => Observation::NotSent(chain.while_connecting()),
            // hyper hands such a request back unwritten.
            Stage::Connected if chain.hyper().any(hyper::Error::is_canceled) => {
                Observation::NotSent(NotSent::Connect)
            }
            Stage::Connected if chain.hyper().any(hyper::Error::is_parse) => {
                Observation::NoAnswer(NoAnswer::Garbled)
            }
            Stage::Connected => Observation::NoAnswer(NoAnswer::Reset),
        };
        Self { seen, message: chain.told() }
    }
}

struct Chain<'a>(&'a (dyn Error + 'static));

impl<'a> Chain<'a> {
    fn links(&self) -> impl Iterator<Item = &'a (dyn Error + 'static)> + use<'a> {
        std::iter::successors(Some(self.0), |error: &&'a (dyn Error + 'static)| (*error).source())
    }

    fn hyper(&self) -> impl Iterator<Item = &'a hyper::Error> + use<'a> {
        self.links().filter_map(|error| error.downcast_ref())
    }

    /// An `io::Error` skips the error it wraps when asked for its source, which may be another one.
    fn io(&self) -> impl Iterator<Item = &'a io::Error> + use<'a> {
        let wrapped =
            |error: &&'a io::Error| error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
        self.links()
            .filter_map(|error| error.downcast_ref())
            .flat_map(move |error| std::iter::successors(Some(error), wrapped))
    }

    fn is_out_of_descriptors(&self) -> bool {
        // EMFILE and ENFILE, on every system that has them.
        self.io().any(|error| cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24)))
    }

    fn while_connecting(&self) -> NotSent {
        // hyper-util's tunnel does not export its error, so that only the words are left to go by.
        if self.links().any(|error| error.to_string().ends_with("proxy authorization required")) {
            return NotSent::ProxyAuth;
        }
        // rustls reports what it refuses as invalid data, and a peer that leaves during the handshake as an early end.
        let tls = [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof];
        if self.io().any(|error| tls.contains(&error.kind())) { NotSent::Tls } else { NotSent::Connect }
    }

    /// The innermost error says most; what is above it only repeats where it passed.
    fn told(&self) -> String {
        self.links().last().map_or_else(String::new, ToString::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Words(&'static str);

    #[derive(Debug, thiserror::Error)]
    #[error("error sending request")]
    struct Wrapped<E: Error + 'static>(#[source] E);

    fn seen(error: impl Error + 'static, stage: Stage) -> Observation {
        Failure::new(&Wrapped(error), stage).seen
    }

    #[test]
    fn what_happened_before_a_connection_was_there_is_not_sent() {
        let not_sent = Observation::NotSent;
        let io = io::Error::from;
        assert_eq!(seen(Words("no such host"), Stage::Resolving), not_sent(NotSent::Dns));
        let refused = io(io::ErrorKind::ConnectionRefused);
        assert_eq!(seen(refused, Stage::Connecting), not_sent(NotSent::Connect));
        assert_eq!(seen(io(io::ErrorKind::InvalidData), Stage::Connecting), not_sent(NotSent::Tls));
        assert_eq!(seen(io(io::ErrorKind::UnexpectedEof), Stage::Connecting), not_sent(NotSent::Tls));
        let proxy = Words("tunnel error: proxy authorization required");
        assert_eq!(seen(proxy, Stage::Connecting), not_sent(NotSent::ProxyAuth));
    }

    #[cfg(unix)]
    #[test]
    fn running_out_of_descriptors_is_told_apart() {
        for stage in [Stage::Resolving, Stage::Connecting] {
            let error = io::Error::from_raw_os_error(24);
            assert_eq!(seen(error, stage), Observation::NotSent(NotSent::NoFd));
        }
    }

    #[test]
    fn what_happened_on_a_connection_may_have_been_sent() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let failure = Failure::new(&Wrapped(reset), Stage::Connected);
        assert_eq!(failure.seen, Observation::NoAnswer(NoAnswer::Reset));
        assert_eq!(failure.message, "connection reset");
        // Even where the words would say otherwise.
        let words = Words("tunnel error: proxy authorization required");
        assert_eq!(seen(words, Stage::Connected), Observation::NoAnswer(NoAnswer::Reset));
    }
}
