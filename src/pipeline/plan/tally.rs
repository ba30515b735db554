//! What a plan counts: records by what would become of them, calls by endpoint and effect.
//!
//! It knows neither places nor reasons.

use std::sync::Arc;

use crate::mapping::Request;
use crate::outcome::Outcome;
use crate::template::{Effect, EndpointTemplate};

use super::report::{CallCount, CallCounts, RecordCounts};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tally {
    records: RecordCounts,
    calls: CallCounts,
    requests: u64,
    /// Records that turned invalid.
    turned: u64,
    /// There are as many as templates and their effects: few.
    of: Vec<(Option<Arc<EndpointTemplate>>, Effect, u64)>,
}

impl Tally {
    /// Counts a record, by the worst that would become of its calls.
    pub(super) fn record(&mut self, outcome: Outcome) {
        self.records.read += 1;
        let count = match outcome {
            Outcome::Invalid => &mut self.records.invalid,
            Outcome::Unknown => &mut self.records.unknown,
            Outcome::Skipped => &mut self.records.skipped,
            Outcome::Filtered => &mut self.records.filtered,
            // The others come of answers.
            Outcome::Delivered | Outcome::Rejected | Outcome::Failed | Outcome::Pending => {
                &mut self.records.to_send
            }
        };
        *count += 1;
    }

    /// Counts a delivered record whose request has changed since.
    pub(super) fn changed(&mut self) {
        self.records.changed += 1;
    }

    /// Counts a call that would be sent.
    pub(super) fn call(&mut self, request: &Request) {
        self.calls.to_send += 1;
        let is_same = |template: &Option<Arc<EndpointTemplate>>| match (template, &request.template) {
            (Some(known), Some(template)) => Arc::ptr_eq(known, template),
            (known, template) => known.is_none() && template.is_none(),
        };
        let known =
            self.of.iter_mut().find(|(template, effect, _)| *effect == request.effect && is_same(template));
        match known {
            Some((_, _, count)) => *count += 1,
            None => self.of.push((request.template.clone(), request.effect, 1)),
        }
    }

    /// Counts requests that such calls make.
    pub(super) fn requests_made(&mut self, requests: u64) {
        self.requests += requests;
    }

    /// A record that was counted as one to send is invalid after all: no request can be made of it and others.
    pub(super) fn turns_invalid(&mut self) {
        // The record at hand may not have been counted yet.
        self.turned += 1;
    }

    /// Counts a call that stays unknown.
    pub(super) fn doubt(&mut self) {
        self.calls.unknown += 1;
    }

    /// Requests that calls make.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// The counts.
    pub(super) fn end(self) -> (RecordCounts, CallCounts) {
        let count = |(template, effect, calls): (Option<Arc<EndpointTemplate>>, Effect, u64)| CallCount {
            endpoint: template.map_or_else(|| "manual".to_owned(), |template| template.id.clone()),
            effect: effect.as_str(),
            calls,
        };
        let mut records = self.records;
        let turned = self.turned.min(records.to_send);
        records.to_send -= turned;
        records.invalid += turned;
        let mut by_endpoint: Vec<CallCount> = self.of.into_iter().map(count).collect();
        by_endpoint.sort_by(|a, b| (&a.endpoint, a.effect).cmp(&(&b.endpoint, b.effect)));
        (records, CallCounts { by_endpoint, ..self.calls })
    }
}
