//! Takes events to a webhook: several posts at once, each until it is taken. Nothing is lost on the way: what is not taken
//! stays in the ledger, or where there is none is written to a file, and the run stops.
//!
//! It knows no record and no call, and decides no outcome.

mod flight;
mod posts;
mod spill;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use crate::call::{Post, Reason, Stop};
use crate::exit::ExitCode;
use crate::failpoint;
use crate::ledger::{Outbox, Scribe};
use crate::output::{Parcel, PostForm, Posting, Signer, ToPost, WEBHOOK_BIT};

use flight::{Landing, Weather, fly};
pub use posts::Posts;
pub use spill::Spill;

/// Events that are read from a ledger together.
const PAGE: usize = 256;
/// Bytes of events after which a post takes no more.
const FULL: usize = 4 * 1024 * 1024;
/// How long an event waits for others of its post.
const LINGER: Duration = Duration::from_millis(200);
/// How often somebody looks whether anything moves.
const TICK: Duration = Duration::from_millis(500);
/// How long nothing may be taken before that is said; then again after three times as long, and so on.
const PATIENCE: Duration = Duration::from_secs(10);
/// Refused posts in a row after which none is welcome.
const REFUSED: usize = 20;

/// How posts are made.
#[derive(Clone, Debug)]
pub struct PostRules {
    /// What messages call the webhook.
    pub name: String,
    /// In which form events are posted.
    pub form: PostForm,
    /// Who signs; nobody where that was asked for.
    pub signer: Option<Signer>,
    /// Events of a post, as an array; nothing for one event a post, as itself.
    pub batch: Option<usize>,
    /// Posts at once.
    pub concurrency: usize,
    /// How long nothing may be taken.
    pub give_up: Duration,
    /// What posts later what a ledger keeps.
    pub later: String,
}

/// See the module.
#[derive(Debug)]
pub struct Courier<P> {
    poster: Arc<P>,
    rules: PostRules,
    posting: Posting,
    /// What a ledger keeps, and who is told what was taken of it.
    outbox: Option<(Outbox, Scribe)>,
    spill: Spill,
    stop: Stop,
    /// Events that wait for a post, and since when.
    waiting: VecDeque<ToPost>,
    waiting_bytes: usize,
    since: Instant,
    /// The ledger may hold more.
    has_more: bool,
    is_closed: bool,
    weather: Arc<Weather>,
    report: Posts,
}

/// Why no more posts are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Everything was posted, as far as it was taken.
    Done,
    /// Nothing was taken for too long.
    Silence,
    /// Every post is refused.
    Refused,
    /// The receiver says so.
    Gone,
    /// The run has been told to end at once.
    Told,
}

type Flight = BoxFuture<'static, (u64, Landing)>;

/// Posts on their way.
#[derive(Default)]
struct Sky {
    flights: FuturesUnordered<Flight>,
    /// With the time of the first attempt.
    aboard: HashMap<u64, (Arc<Parcel>, Instant)>,
    next: u64,
    last_taken: Option<Instant>,
    /// Refused since the last one that was taken: whether it is their fault will be seen by the next one that is.
    refused: Vec<Arc<Parcel>>,
    /// Since when nothing was taken although something is on its way.
    silent: Option<Instant>,
    /// How much silence is worth the next word.
    patience: Option<Duration>,
}

impl<P: Post> Courier<P> {
    /// Gets ready.
    #[must_use]
    pub fn new(
        poster: P,
        rules: PostRules,
        posting: Posting,
        outbox: Option<(Outbox, Scribe)>,
        spill: Spill,
        stop: Stop,
    ) -> Self {
        Self {
            poster: Arc::new(poster),
            report: Posts { webhook: rules.name.clone(), later: rules.later.clone(), ..Posts::default() },
            rules,
            posting,
            has_more: outbox.is_some(),
            outbox,
            spill,
            stop,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            since: Instant::now(),
            is_closed: false,
            weather: Arc::default(),
        }
    }

    /// Posts until no event can come any more and all are taken, or until `told` is done.
    pub async fn run(mut self, told: impl Future<Output = ()>) -> Posts {
        tokio::pin!(told);
        let mut sky = Sky::default();
        let why = loop {
            self.load();
            self.launch(&mut sky);
            if let Some(why) = self.is_over(&mut sky) {
                break why;
            }
            let (wakes, is_idle) = (self.wakes(&sky), sky.flights.is_empty() && self.waiting.is_empty());
            tokio::select! {
                biased;
                () = &mut told => break Why::Told,
                Some((key, landing)) = sky.flights.next(), if !sky.flights.is_empty() => {
                    if self.land(&mut sky, key, landing).await {
                        break Why::Gone;
                    }
                }
                event = self.posting.next(), if self.has_room() && !self.posting.is_closed() => {
                    self.has_more |= event.is_none() && self.outbox.is_some();
                    self.wait(event);
                }
                () = sleep_until(wakes), if !is_idle => {}
            }
        };
        if let Some(reason) = self.reason(why) {
            self.stop.drain(reason);
        }
        self.leave(sky).await;
        self.finish()
    }

    fn batch(&self) -> usize {
        self.rules.batch.unwrap_or(1).max(1)
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < self.batch() && self.waiting_bytes < FULL
    }

    fn wait(&mut self, event: Option<ToPost>) {
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        self.waiting_bytes += event.as_ref().map_or(0, |event| event.line.len());
        self.waiting.extend(event);
    }

    /// The events of the next post: as many as it may hold.
    fn members(&mut self) -> Vec<ToPost> {
        let (mut members, mut bytes) = (Vec::new(), 0);
        while members.len() < self.batch()
            && bytes < FULL
            && let Some(event) = self.waiting.pop_front()
        {
            bytes += event.line.len();
            members.push(event);
        }
        self.waiting_bytes -= bytes;
        members
    }

    /// Takes what is there, as much as a post holds; of a ledger as much as is read together.
    fn load(&mut self) {
        while self.has_room()
            && let Some(event) = self.posting.take()
        {
            self.wait(Some(event));
        }
        if self.posting.is_closed() && !self.is_closed {
            self.is_closed = true;
            self.has_more = self.outbox.is_some();
        }
        if !(self.has_room() && self.has_more) {
            return;
        }
        let Some((outbox, _)) = &mut self.outbox else { return };
        match outbox.next(PAGE) {
            Ok(page) => {
                self.has_more = !page.is_empty();
                for event in page {
                    let (line, masked) = (event.line.clone(), event.line);
                    self.wait(Some(ToPost { line, masked, seq: Some(event.seq) }));
                }
            }
            Err(error) => {
                self.has_more = false;
                let text = super::end::with_causes(&error);
                self.report.troubles.push(text.clone());
                self.stop.drain(Reason::new(ExitCode::Io, text));
            }
        }
    }

    /// No event can come any more, and all of them are here.
    fn has_all(&self) -> bool {
        self.is_closed && !self.has_more
    }

    /// Puts what waits into posts, as long as some may leave.
    fn launch(&mut self, sky: &mut Sky) {
        while sky.flights.len() < self.rules.concurrency && !self.waiting.is_empty() {
            if self.has_room() && !self.has_all() && self.since.elapsed() < LINGER {
                return;
            }
            let members = self.members();
            let parcel = Arc::new(Parcel::new(&self.rules.form, members, self.rules.batch.is_some()));
            let key = sky.next;
            sky.next += 1;
            sky.aboard.insert(key, (Arc::clone(&parcel), Instant::now()));
            sky.silent.get_or_insert_with(Instant::now);
            let (poster, weather) = (Arc::clone(&self.poster), Arc::clone(&self.weather));
            let (signer, longest) = (self.rules.signer.clone(), self.rules.give_up);
            sky.flights.push(Box::pin(async move {
                (key, fly(&*poster, signer.as_ref(), &weather, &parcel, longest).await)
            }));
        }
    }

    /// When something is to be done although nothing happens.
    fn wakes(&self, sky: &Sky) -> Instant {
        let tick = Instant::now() + TICK.min(self.rules.give_up);
        let lingers = !self.waiting.is_empty() && sky.flights.len() < self.rules.concurrency;
        if lingers { tick.min(self.since + LINGER) } else { tick }
    }

    /// Whether no more posts are made; says on the way that nothing moves.
    fn is_over(&self, sky: &mut Sky) -> Option<Why> {
        if sky.flights.is_empty() && self.waiting.is_empty() && self.has_all() {
            return Some(Why::Done);
        }
        if sky.refused.len() >= REFUSED {
            return Some(Why::Refused);
        }
        let silence = sky.silent?.elapsed();
        if silence >= self.rules.give_up {
            return Some(Why::Silence);
        }
        let patience = sky.patience.unwrap_or(PATIENCE);
        if silence >= patience {
            sky.patience = Some(patience.saturating_mul(3));
            tracing::warn!(
                "webhook {} has taken nothing for {} s ({}); {} posts are tried again, and given up after {} s",
                self.rules.name,
                silence.as_secs(),
                self.weather.last(),
                sky.aboard.len(),
                self.rules.give_up.as_secs()
            );
        }
        None
    }

    /// A post has ended; true where the receiver wants no more.
    async fn land(&mut self, sky: &mut Sky, key: u64, landing: Landing) -> bool {
        if landing == Landing::Gone {
            return true;
        }
        let Some((parcel, began)) = sky.aboard.remove(&key) else { return false };
        let mut seqs = Vec::new();
        if landing == Landing::Refused {
            if sky.last_taken.is_none_or(|taken| taken < began) {
                sky.refused.push(parcel);
                if sky.flights.is_empty() {
                    // Nobody is silent to whom nobody speaks.
                    sky.silent = None;
                }
                return false;
            }
            self.set_aside(&parcel, &mut seqs).await;
        } else {
            failpoint::reached("after-post");
            if sky.patience.take().is_some() {
                tracing::info!("webhook {} takes posts again", self.rules.name);
            }
            sky.last_taken = Some(Instant::now());
            sky.silent = (!sky.flights.is_empty()).then(Instant::now);
            self.report.taken += 1;
            self.report.events += parcel.members.len() as u64;
            self.posting.done(parcel.members.len() as u64);
            seqs.extend(parcel.members.iter().filter_map(|member| member.seq));
            for refused in std::mem::take(&mut sky.refused) {
                self.set_aside(&refused, &mut seqs).await;
            }
        }
        if let Some((_, scribe)) = &self.outbox {
            scribe.taken(WEBHOOK_BIT, seqs).await;
        }
        false
    }

    /// Others are taken, so that it is the fault of this one.
    async fn set_aside(&mut self, parcel: &Parcel, seqs: &mut Vec<u64>) {
        let mut all = true;
        for member in &parcel.members {
            let is_kept = member.seq.is_some();
            let is_set_aside = self.spill.write(&member.masked, is_kept).await;
            all &= is_set_aside;
            if is_kept && !is_set_aside {
                self.report.backlog += 1;
            } else {
                self.posting.done(1);
                seqs.extend(member.seq);
            }
        }
        if !all {
            return;
        }
        tracing::warn!(
            "webhook {} takes others, but not {} ({}): it is set aside in `{}`",
            self.rules.name,
            parcel.id,
            self.weather.last(),
            self.spill.path().display()
        );
    }

    fn reason(&self, why: Why) -> Option<Reason> {
        let name = &self.rules.name;
        let text = match why {
            Why::Done | Why::Told => return None,
            Why::Silence => format!(
                "webhook {name} has taken nothing for {} s ({})",
                self.rules.give_up.as_secs_f64(),
                self.weather.last()
            ),
            Why::Refused => {
                format!("webhook {name} refused {REFUSED} posts and took none ({})", self.weather.last())
            }
            Why::Gone => format!("webhook {name} is gone for good: it answered 410"),
        };
        // What a ledger keeps can be posted later.
        let is_kept = self.outbox.is_some() && why != Why::Gone;
        Some(Reason::new(if is_kept { ExitCode::Stopped } else { ExitCode::Io }, text))
    }

    /// Finds a place for everything that was not taken, and for what still comes.
    async fn leave(&mut self, sky: Sky) {
        let Sky { aboard, refused, flights, .. } = sky;
        drop(flights);
        let mut aboard: Vec<_> = aboard.into_iter().collect();
        aboard.sort_unstable_by_key(|(key, _)| *key);
        for parcel in refused.iter().chain(aboard.iter().map(|(_, (parcel, _))| parcel)) {
            for member in &parcel.members {
                self.keep(member).await;
            }
        }
        for event in std::mem::take(&mut self.waiting) {
            self.keep(&event).await;
        }
        while !self.posting.is_closed() {
            if let Some(event) = self.posting.next().await {
                self.keep(&event).await;
            }
        }
    }

    async fn keep(&mut self, event: &ToPost) {
        match event.seq {
            Some(_) => self.report.backlog += 1,
            None => {
                self.posting.done(1);
                self.spill.write(&event.masked, false).await;
            }
        }
    }

    fn finish(mut self) -> Posts {
        match self.outbox.as_ref().map(|(outbox, _)| outbox.left()) {
            Some(Ok(left)) => self.report.backlog += left,
            Some(Err(error)) => self.report.troubles.push(super::end::with_causes(&error)),
            None => {}
        }
        self.report.troubles.extend(self.spill.take_trouble());
        self.report.repeated = self.weather.repeated.load(Ordering::Relaxed);
        self.report.spilled = self.spill.lines();
        self.report.spill = PathBuf::from(self.spill.path());
        self.report.waited = self.posting.waited();
        self.report
    }
}
