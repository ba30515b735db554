//! Jobs a room runs, such as streams, and the stages they go through.
//!
//! A stage is stored with the moment it began; where the job stands is computed from the time when someone looks. It
//! does not know which calls start or stop a job.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::agenda::Moment;
use super::table::Row;

/// Seconds from the start call until the job runs, and until each stage after a stop is over.
const STARTING_S: f64 = 1.0;
const STOPPING_S: f64 = 1.0;
const POST_PROCESSING_S: f64 = 2.0;

/// A job of a room.
#[derive(Clone, Debug)]
pub(crate) struct Job<K> {
    /// 24 hex digits.
    pub(crate) id: String,
    /// The room it belongs to.
    pub(crate) room_id: String,
    /// The session open at its start, or the one its bot peer opens.
    pub(crate) session_id: String,
    /// The page that the bot peer opens.
    pub(crate) meeting_url: String,
    /// The destination of the template it follows.
    pub(crate) destination: String,
    /// When it was asked for.
    pub(crate) created_at: Timestamp,
    /// Where it stands.
    pub(crate) phase: Phase,
    /// When its recording stood still.
    pub(crate) pauses: Pauses,
    /// Ids of the files it left.
    pub(crate) assets: Vec<String>,
    /// What the next stop of the room's jobs runs into, if that was asked for.
    pub(crate) stop_error: Option<String>,
    /// What only its kind has.
    pub(crate) kind: K,
}

impl<K> Row for Job<K> {
    fn id(&self) -> &str {
        &self.id
    }

    fn key(&self) -> String {
        self.room_id.clone()
    }
}

/// The stages of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Asked for.
    Starting,
    /// At work.
    Running,
    /// Asked to stop.
    Stopping,
    /// Making its files.
    PostProcessing,
    /// Done.
    Completed,
    /// Ended otherwise.
    Failed,
}

/// Where a job stands and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Phase {
    /// The stage.
    pub(crate) status: Status,
    /// When the stage began.
    pub(crate) since: Timestamp,
    /// When the job began to run, if it did.
    pub(crate) started_at: Option<Timestamp>,
    /// When the job ended, if it did.
    pub(crate) stopped_at: Option<Timestamp>,
}

impl Phase {
    /// The first stage.
    pub(crate) fn starting(now: Timestamp) -> Self {
        Self { status: Status::Starting, since: now, started_at: None, stopped_at: None }
    }

    /// Where the job stands at a moment when nobody does anything to it.
    #[must_use]
    pub(crate) fn at(self, now: Timestamp, time_scale: f64) -> Self {
        match self.next(time_scale) {
            Some((at, status)) if at <= now => self.moved(status, at).at(now, time_scale),
            _ => self,
        }
    }

    /// When the stage ends by itself and which one follows, if any.
    pub(crate) fn next(self, time_scale: f64) -> Option<(Timestamp, Status)> {
        let (takes, next) = match self.status {
            Status::Starting => (STARTING_S, Status::Running),
            Status::Stopping => (STOPPING_S, Status::PostProcessing),
            Status::PostProcessing => (POST_PROCESSING_S, Status::Completed),
            Status::Running | Status::Completed | Status::Failed => return None,
        };
        Some((Moment { at: self.since, time_scale }.later(takes)?, next))
    }

    /// The phase after somebody moved the job to a stage.
    #[must_use]
    pub(crate) fn moved(self, status: Status, now: Timestamp) -> Self {
        let started_at = match status {
            Status::Starting => None,
            Status::Running => self.started_at.or(Some(now)),
            _ => self.started_at,
        };
        let stopped_at = match status {
            Status::Starting | Status::Running | Status::Stopping => None,
            _ => self.stopped_at.or(Some(now)),
        };
        Self { status, since: now, started_at, stopped_at }
    }

    /// Whether the job is on, so that no second one of its kind may start in the room.
    pub(crate) fn is_on(self) -> bool {
        matches!(self.status, Status::Starting | Status::Running)
    }
}

/// The time in which a job runs but does not record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pauses {
    since: Option<Timestamp>,
    over: SignedDuration,
}

impl Pauses {
    /// Stands still from now on; tells whether it recorded until now.
    pub(crate) fn pause(&mut self, now: Timestamp) -> bool {
        let recorded = self.since.is_none();
        self.since.get_or_insert(now);
        recorded
    }

    /// Records from now on; tells whether it stood still until now.
    pub(crate) fn resume(&mut self, now: Timestamp) -> bool {
        let Some(since) = self.since.take() else { return false };
        self.over += now.duration_since(since);
        true
    }

    /// How many whole seconds were recorded of a job that came to such a phase.
    pub(crate) fn recorded_s(mut self, phase: Phase) -> u64 {
        let (Some(start), Some(end)) = (phase.started_at, phase.stopped_at) else { return 0 };
        self.resume(end);
        let recorded = end.duration_since(start).saturating_sub(self.over);
        u64::try_from(recorded.as_secs()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::constant(1_750_000_000 + second, 0)
    }

    #[test]
    fn a_job_moves_on_with_the_clock_and_nothing_else() {
        let started = Phase::starting(second(0));
        assert_eq!(started.at(second(0), 1.0), started);
        let running = started.at(second(100), 1.0);
        assert_eq!((running.status, running.started_at), (Status::Running, Some(second(1))));
        let stopping = running.moved(Status::Stopping, second(200));
        assert_eq!((stopping.status, stopping.stopped_at), (Status::Stopping, None));
        assert_eq!(stopping.at(second(202), 1.0).status, Status::PostProcessing);
        let done = stopping.at(second(203), 1.0);
        assert_eq!((done.status, done.started_at), (Status::Completed, Some(second(1))));
        assert_eq!(done.stopped_at, Some(second(201)));
        assert_eq!(done.since, second(203));
    }

    #[test]
    fn looking_often_or_once_comes_to_the_same() {
        for scale in [0.5, 1.0, 10.0] {
            let start = Phase::starting(second(0)).moved(Status::Stopping, second(0));
            let often = (0..=20).fold(start, |phase, at| phase.at(second(at), scale));
            assert_eq!(often, start.at(second(20), scale));
        }
    }

    #[test]
    fn the_time_scale_divides_and_zero_stands_still() {
        let started = Phase::starting(second(0));
        for (scale, after, status) in [
            (0.5, 1, Status::Starting),
            (0.5, 2, Status::Running),
            (0.0, 1_000_000, Status::Starting),
            (-1.0, 1_000_000, Status::Starting),
            (f64::NAN, 1_000_000, Status::Starting),
        ] {
            assert_eq!(started.at(second(after), scale).status, status, "{scale}");
        }
        let fast = started.at(second(1), 10.0);
        assert_eq!(fast.started_at.map(|at| at.as_millisecond()), Some(1_750_000_000_100));
    }

    #[test]
    fn pauses_are_not_recorded_and_repeating_one_changes_nothing() {
        let phase =
            Phase::starting(second(0)).moved(Status::Running, second(0)).moved(Status::Failed, second(60));
        let mut pauses = Pauses::default();
        assert!(!pauses.resume(second(5)));
        assert!(pauses.pause(second(10)) && !pauses.pause(second(15)));
        assert_eq!(pauses.recorded_s(phase), 10);
        assert!(pauses.resume(second(30)) && !pauses.resume(second(40)));
        assert_eq!(pauses.recorded_s(phase), 40);
        assert_eq!(pauses.recorded_s(Phase::starting(second(0))), 0);
    }
}
