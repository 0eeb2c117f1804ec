//! What is answered to a request that cannot be served.

use serde_json::{Value, json};

/// Why a request is not served, in one sentence, as a status of HTTP and as JSON in OpenAI's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    message: String,
    /// The key of the request that is at fault.
    parameter: Option<String>,
    /// A word by which programs tell the commonest from others.
    code: Option<&'static str>,
}

impl Refusal {
    /// A key of the request has a value that cannot be used.
    pub(super) fn of(parameter: &str, problem: impl Into<String>) -> Self {
        Self { status: 400, message: problem.into(), parameter: Some(parameter.to_owned()), code: None }
    }

    /// The request as a whole cannot be used.
    pub(super) fn request(problem: impl Into<String>) -> Self {
        Self { status: 400, message: problem.into(), parameter: None, code: None }
    }

    /// A context has too many tokens for the model.
    pub(super) fn too_long(parameter: &str, problem: impl Into<String>) -> Self {
        Self { code: Some("context_length_exceeded"), ..Self::of(parameter, problem) }
    }

    /// There is no such model.
    pub(super) fn no_model(name: &str, known: &[&str]) -> Self {
        let shown = known.iter().take(8).copied().collect::<Vec<_>>().join(", ");
        let more = if known.len() > 8 { ", … (GET /v1/models names all)" } else { "" };
        let message = format!("the model `{name}` is not served here: name one of {shown}{more}");
        Self { status: 404, code: Some("model_not_found"), ..Self::of("model", message) }
    }

    /// There is no such path, or not with this method.
    pub(super) fn no_path(status: u16, problem: impl Into<String>) -> Self {
        Self { status, ..Self::request(problem) }
    }

    /// The server is about to end.
    pub(super) fn stopping() -> Self {
        Self { status: 503, ..Self::request("the server is stopping") }
    }

    /// The fault is not the request's.
    pub(super) fn failed(problem: impl Into<String>) -> Self {
        Self { status: 500, ..Self::request(problem) }
    }

    pub(super) fn json(&self) -> Value {
        let kind = if self.status < 500 { "invalid_request_error" } else { "server_error" };
        json!({ "error": { "message": self.message, "type": kind, "param": self.parameter, "code": self.code } })
    }
}
