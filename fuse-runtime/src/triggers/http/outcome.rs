//! What the answer of an HTTP server means for an action.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::triggers::Failure;

/// The outcome of an action from the status and headers of the answer; `message` is what the server said, for
/// people.
///
/// | status | outcome |
/// |---|---|
/// | 2xx | performed |
/// | 401, 403, 407 | [`Failure::NotReady`]: a person has to fix the credentials |
/// | 425, 429 | tried again, certainly not performed |
/// | 408, 409, 5xx | tried again, perhaps performed |
/// | any other | [`Failure::Permanent`] |
///
/// A failure that is tried again waits for the time in `Retry-After`, where the server sends it. 409 is tried
/// again since a server answers so while an attempt with the same `Idempotency-Key` is under way.
///
/// ```
/// use fuse_runtime::triggers::{Failure, http_outcome};
/// use http::{HeaderMap, HeaderValue, StatusCode, header};
///
/// let mut headers = HeaderMap::new();
/// headers.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
/// let outcome = http_outcome(StatusCode::TOO_MANY_REQUESTS, &headers, "slow down");
/// let Err(Failure::Retryable { reason, maybe_applied, after }) = outcome else { panic!() };
/// assert_eq!(reason, "429 Too Many Requests: slow down");
/// assert_eq!(after.map(|after| after.as_secs()), Some(7));
/// assert!(!maybe_applied);
/// assert!(http_outcome(StatusCode::CREATED, &headers, "").is_ok());
/// ```
///
/// # Errors
/// Why the action was not performed.
pub fn http_outcome(status: StatusCode, headers: &HeaderMap, message: &str) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    /// How much of an answer is shown.
    const MAX_SHOWN: usize = 300;
    let message: String = message.trim().chars().take(MAX_SHOWN).collect();
    let reason = match message.is_empty() {
        true => status.to_string(),
        false => format!("{status}: {message}"),
    };
    Err(failure(status.as_u16(), reason, retry_after(headers)))
}

/// The failure that a status means, but for statuses with a meaning of their own in some API.
pub(crate) fn failure(status: u16, reason: String, after: Option<Duration>) -> Failure {
    match status {
        401 | 403 | 407 => Failure::NotReady(reason),
        425 | 429 => Failure::Retryable { reason, maybe_applied: false, after },
        408 | 409 | 500.. => Failure::Retryable { reason, maybe_applied: true, after },
        _ => Failure::Permanent(reason),
    }
}

/// The longest wait that a server can ask for.
const MAX_WAIT: Duration = Duration::from_secs(60 * 60);

/// How long the server asks to wait (`Retry-After`): in seconds, or until a time, but at most an hour. The time is
/// compared with the server's own clock, where it sends a `Date`.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds).min(MAX_WAIT));
    }
    let time = |text: &str| Some(rfc2822::parse(text).ok()?.timestamp());
    let until = time(asked)?;
    let now = text(header::DATE).and_then(time).unwrap_or_else(Timestamp::now);
    // A time in the past asks for no wait.
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default().min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(retry_after: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(retry_after));
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        headers.insert(header::DATE, date);
        headers
    }

    #[test]
    fn a_wait_is_in_seconds_or_until_a_time() {
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("9999999999", Some(3600)),
            ("Mon, 07 Nov 1994 08:49:37 GMT", Some(3600)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(&headers(text)), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_status_says_what_to_do() {
        let outcome = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            http_outcome(status, &headers("3"), " no ")
        };
        for status in [200, 201, 202, 204] {
            assert_eq!(outcome(status), Ok(()));
        }
        for status in [401, 403, 407] {
            assert!(matches!(outcome(status), Err(Failure::NotReady(_))), "{status}");
        }
        for (status, maybe_applied) in
            [(408, true), (409, true), (425, false), (429, false), (500, true), (503, true)]
        {
            let Err(Failure::Retryable { maybe_applied: maybe, after, .. }) = outcome(status)
            else {
                panic!("{status}")
            };
            assert_eq!((maybe, after), (maybe_applied, Some(Duration::from_secs(3))), "{status}");
        }
        for status in [301, 400, 404, 410, 413, 422] {
            assert!(matches!(outcome(status), Err(Failure::Permanent(_))), "{status}");
        }
        assert_eq!(outcome(400), Err(Failure::Permanent("400 Bad Request: no".into())));
    }
}
