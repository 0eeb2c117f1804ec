//! What a server said to a request, before it is known what that means.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use serde_json::Value;

/// So long a server is left alone at most where it asks for that.
const LONGEST_WAIT: f64 = 600.0;

/// What a server said.
pub(super) struct Said {
    pub(super) status: u16,
    /// How long it wants to be left alone.
    pub(super) wait: Option<Duration>,
    /// Where it sends who asks.
    pub(super) elsewhere: Option<String>,
    pub(super) text: String,
}

/// Whether a failure passes where the same is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passing {
    /// It may: the server is busy, or what stands before it is.
    Yes,
    /// It may, and it may be how the server says that it cannot.
    Perhaps,
    /// It does not.
    No,
}

impl Passing {
    /// Of a status. 501 and 505 are about the request, and those from 520 on are what proxies say of a server that is not there.
    pub(super) fn of(status: u16) -> Self {
        match status {
            408 | 425 | 429 | 502..=504 | 520..=529 => Self::Yes,
            500 => Self::Perhaps,
            _ => Self::No,
        }
    }
}

/// The status of an error that comes as an answer of status 200, as services before several servers send it; that status itself where the error
/// names none, and `None` where there is no error.
pub(super) fn status_within(answer: &Value) -> Option<u16> {
    let nothing = |error: &Value| match error {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Object(keys) => keys.is_empty(),
        _ => false,
    };
    let error = [&answer["error"], &answer["choices"][0]["error"]].into_iter().find(|error| !nothing(error))?;
    let status = |code: &Value| {
        let code = code.as_u64().or_else(|| code.as_str()?.parse().ok())?;
        u16::try_from(code).ok().filter(|code| (400..600).contains(code))
    };
    let codes = [&error["code"], &error["status"], &answer["code"], &answer["status"]];
    Some(codes.into_iter().find_map(status).unwrap_or(200))
}

/// How long `Retry-After` asks to wait: seconds, or until a moment, by the server's own clock where it says what that is.
pub(super) fn wait_of(asked: &str, clock: Option<&str>) -> Option<Duration> {
    let moment = |text: &str| DateTime::parse_from_rfc2822(text.trim()).ok().map(|moment| moment.timestamp());
    let now = || {
        let ours = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        clock.and_then(moment).unwrap_or_else(ours)
    };
    let until = || moment(asked).map(|moment| (moment - now()).max(0) as f64);
    let seconds = asked.trim().parse().ok().or_else(until)?;
    (f64::is_finite(seconds) && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(LONGEST_WAIT)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_is_left_alone_as_long_as_it_says() {
        let clock = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        for (asked, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", Some(600)),
            ("100000", Some(600)),
            ("-1", None),
            ("NaN", None),
            ("soon", None),
        ] {
            assert_eq!(wait_of(asked, clock), seconds.map(Duration::from_secs), "{asked}");
        }
        // By our own clock that moment is long gone.
        assert_eq!(wait_of("Sun, 06 Nov 1994 08:50:07 GMT", None), Some(Duration::ZERO));
    }

    #[test]
    fn errors_that_come_as_answers_have_the_status_that_they_name() {
        for (answer, status) in [
            (json!({ "error": { "message": "overloaded", "code": 502 } }), Some(502)),
            (json!({ "error": { "message": "slow down", "code": "429" } }), Some(429)),
            (json!({ "error": "no such model", "status": 404 }), Some(404)),
            (json!({ "error": { "code": "no_route" } }), Some(200)),
            (json!({ "choices": [{ "error": { "code": 503 }, "message": { "content": "" } }] }), Some(503)),
            (json!({ "choices": [], "error": null }), None),
            (json!([1, 2]), None),
        ] {
            assert_eq!(status_within(&answer), status, "{answer}");
        }
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let passing: Vec<u16> = (400..600).filter(|status| Passing::of(*status) != Passing::No).collect();
        let wanted: Vec<u16> = [408, 425, 429, 500, 502, 503, 504].into_iter().chain(520..530).collect();
        assert_eq!(passing, wanted);
    }
}
