//! What ends jobs without a call: the longest a job may run, the end of its room's session by time, and an empty room.
//!
//! A stop by time is no call, so that no journal has it; the job shows it, and so do the events of analytics.

use jiff::Timestamp;

use super::agenda::Moment;
use super::{ExternalStream, Kind, LiveStream, Recording, Status, Store};

/// How long a job runs where its template says nothing.
const LONGEST_S: u32 = 4 * 3600;
/// How long a job goes on in a room that everybody left.
const ALONE_S: f64 = 300.0;

impl Store {
    /// Stops a job that is on, and tells whether it was.
    pub(crate) fn stop_job<K: Kind>(&mut self, id: &str, moment: Moment) -> bool {
        let stopped = K::table_mut(self).change(id, |job| {
            let phase = job.phase.at(moment.at, moment.time_scale);
            let is_on = phase.is_on();
            if is_on {
                job.phase = phase.moved(Status::Stopping, moment.at);
            }
            is_on
        });
        if stopped == Some(true) {
            self.follow::<K>(id, moment);
        }
        stopped == Some(true)
    }

    /// Stops the job of a kind that is on in a room, and tells which it was.
    pub(crate) fn stop_job_of<K: Kind>(&mut self, room_id: &str, moment: Moment) -> Option<String> {
        let id = K::table(self).by_key(room_id)?.id.clone();
        self.stop_job::<K>(&id, moment).then_some(id)
    }

    /// Plans the end of a job that runs from a moment on.
    pub(super) fn limit<K: Kind>(&mut self, id: &str, started_at: Timestamp, time_scale: f64) {
        let Some(job) = K::table(self).get(id) else { return };
        let template = self.rooms.get(&job.room_id).and_then(|room| self.template_of(room));
        let set = template.and_then(|template| K::longest_s(template, &job.destination));
        let longest = set.and_then(|seconds| u32::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
        let end = Moment { at: started_at, time_scale }.later(f64::from(longest.unwrap_or(LONGEST_S)));
        self.agenda.plan(end, Self::time_out::<K>, id);
    }

    fn time_out<K: Kind>(&mut self, id: &str, moment: Moment) {
        self.stop_job::<K>(id, moment);
    }

    /// Stops all jobs of a room at once.
    pub(super) fn stop_jobs(&mut self, room_id: &str, moment: Moment) {
        self.stop_job_of::<LiveStream>(room_id, moment);
        self.stop_job_of::<ExternalStream>(room_id, moment);
        self.stop_job_of::<Recording>(room_id, moment);
    }

    /// Plans the end of the jobs in a room whose session is over.
    pub(super) fn leave_alone(&mut self, session_id: &str, moment: Moment) {
        self.agenda.plan(moment.later(ALONE_S), Self::is_alone, session_id);
    }

    fn is_alone(&mut self, session_id: &str, moment: Moment) {
        let Some(room_id) = self.sessions.get(session_id).map(|session| session.room_id.clone()) else {
            return;
        };
        // Where somebody came back there is a later session.
        if self.sessions.by_key(&room_id).is_some_and(|latest| latest.id == session_id) {
            self.stop_jobs(&room_id, moment);
        }
    }
}
