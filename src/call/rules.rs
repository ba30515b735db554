//! What an endpoint template says about answers, in the form the sending asks for it.

use serde_json::Value;

use crate::template::{AnswerKind, EndpointTemplate, ErrorWhen};

use super::answer::{AnswerRules, CallError, NoRules, mentions_error};

impl AnswerRules for EndpointTemplate {
    fn json_expected(&self) -> bool {
        self.answer == AnswerKind::Json
    }

    fn error_in(&self, status: u16, body: &Value) -> Option<CallError> {
        let error = self.error_in(status, body)?;
        Some(CallError { code: error.code, name: error.name, message: error.message, details: error.details })
    }

    fn already_done(&self, status: u16, body: Option<&Value>) -> bool {
        self.already_done(status, body)
    }

    fn refuses(&self, status: u16, body: Option<&Value>) -> bool {
        self.refuses(status, body)
    }

    fn may_hold_error(&self, body: &[u8]) -> bool {
        // A program of the template's may look anywhere.
        matches!(self.error_when, ErrorWhen::Program(_)) || mentions_error(body)
    }
}

/// The rules of a request: its template's, or none for a manual call.
pub(super) fn of(request: &crate::mapping::Request) -> &dyn AnswerRules {
    match &request.template {
        Some(template) => &**template,
        None => &NoRules,
    }
}
