//! The first calls go alone: the others wait until these are delivered, and until somebody says so where somebody is there
//! to be asked.
//!
//! It knows neither what a call is nor how one asks.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::call::{Level, Reason, Stop};
use crate::exit::ExitCode;

/// Asks whether the run may go on, given a sentence that says what came of the first calls. It may take its time.
pub type Consent = Box<dyn FnOnce(&str) -> bool + Send>;

/// See the module.
#[derive(Clone)]
pub struct Canary {
    shared: Arc<Shared>,
}

struct Shared {
    calls: u32,
    /// How many have begun.
    begun: AtomicU32,
    /// How many have ended.
    ended: AtomicU32,
    failed: AtomicBool,
    consent: Mutex<Option<Consent>>,
    open: watch::Sender<bool>,
}

/// A call's turn.
#[derive(Default)]
#[must_use = "the end of a first call has to be told"]
pub(super) struct Turn<'c> {
    /// Where it is one of the first.
    first: Option<(&'c Canary, &'c Stop)>,
}

impl Canary {
    /// So many calls go first. `consent` is asked where there is somebody.
    #[must_use]
    pub fn new(calls: u32, consent: Option<Consent>) -> Self {
        let shared = Shared {
            calls,
            begun: AtomicU32::new(0),
            ended: AtomicU32::new(0),
            failed: AtomicBool::new(false),
            consent: Mutex::new(consent),
            open: watch::Sender::new(calls == 0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Waits until a call may go, or until the run stops, in which case it is not sent anyway.
    pub(super) async fn turn<'c>(&'c self, stop: &'c Stop) -> Turn<'c> {
        let shared = &self.shared;
        if *shared.open.borrow() {
            return Turn::default();
        }
        let begun = shared.begun.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |begun| {
            (begun < shared.calls).then_some(begun + 1)
        });
        if begun.is_ok() {
            return Turn { first: Some((self, stop)) };
        }
        let mut open = shared.open.subscribe();
        tokio::select! {
            _ = open.wait_for(|open| *open) => {}
            () = stop.reached(Level::Drain) => {}
        }
        Turn::default()
    }

    fn ended(&self, is_delivered: bool, stop: &Stop) {
        let shared = &self.shared;
        if !is_delivered && !shared.failed.swap(true, Ordering::SeqCst) && !stop.is_draining() {
            stop.drain(
                Reason::new(ExitCode::Stopped, "a call of the canary was not delivered")
                    .hint("its event says why; nothing but the canary was sent"),
            );
        }
        if shared.ended.fetch_add(1, Ordering::SeqCst) + 1 == shared.calls
            && !shared.failed.load(Ordering::SeqCst)
        {
            self.ask(stop);
        }
    }

    /// On a thread of its own: whoever is asked may be gone for lunch, and a signal must end the run all the same.
    fn ask(&self, stop: &Stop) {
        let consent = self.shared.consent.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(consent) = consent else { return self.open() };
        let (canary, stop) = (self.clone(), stop.clone());
        let said = match self.shared.calls {
            1 => "the first call is delivered".to_owned(),
            calls => format!("the first {calls} calls are delivered"),
        };
        std::thread::spawn(move || {
            if consent(&said) {
                canary.open();
            } else {
                stop.drain(Reason::new(ExitCode::Stopped, "the run was not to go on after the canary"));
            }
        });
    }

    fn open(&self) {
        self.shared.open.send_replace(true);
    }
}

impl Turn<'_> {
    /// The call has ended.
    pub(super) fn ends(self, is_delivered: bool) {
        if let Some((canary, stop)) = self.first {
            canary.ended(is_delivered, stop);
        }
    }
}
