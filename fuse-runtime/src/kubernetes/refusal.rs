//! What the API server's refusals mean: for good, for now, or until a person acts.

use std::time::Duration;

use kube::core::Status;

use super::Target;
use crate::triggers::{Failure, http_failure};

/// The cause of a refusal: the namespace is going.
const TERMINATING: &str = "NamespaceTerminating";
/// The cause of a refusal: others own the fields that were applied.
const FIELDS: &str = "FieldManagerConflict";

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    why: Why,
    /// In the words of the server, or ours.
    message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    /// It cannot be put into a request.
    Unsendable,
    /// No connection: certainly not done.
    Unreachable,
    /// No credentials.
    Unauthorized,
    /// No answer: perhaps done.
    Lost,
    /// An answer that is no API server's, as of a proxy or a login page.
    Stranger,
    /// The server's answer.
    Answer {
        code: u16,
        reason: String,
        missing: Option<Missing>,
        after: Option<Duration>,
        /// The fields in conflict are all fuse's own.
        own: bool,
    },
}

/// What a 404 is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Missing {
    kind: String,
    name: String,
}

impl Refusal {
    pub(super) fn unsendable(message: String) -> Self {
        Self { why: Why::Unsendable, message }
    }

    pub(super) fn unreachable(message: String) -> Self {
        Self { why: Why::Unreachable, message }
    }

    pub(super) fn unauthorized(message: String) -> Self {
        Self { why: Why::Unauthorized, message }
    }

    pub(super) fn lost(message: String) -> Self {
        Self { why: Why::Lost, message }
    }

    pub(super) fn from_answer(code: u16, body: &[u8], after: Option<Duration>) -> Self {
        let Ok(status) = serde_json::from_slice::<Status>(body) else {
            // Proxies and the server's own outermost layers answer in plain text.
            let text = String::from_utf8_lossy(body);
            let text = text.trim().chars().take(300).collect::<String>();
            if !matches!(code, 404 | 408 | 429 | 500..) {
                let message = format!("what answers is no API server: {code} {text}");
                return Self { why: Why::Stranger, message };
            }
            let why = Why::Answer { code, reason: String::new(), missing: None, after, own: false };
            return Self { why, message: format!("{code} {text}").trim_end().to_owned() };
        };
        let (mut after, mut missing, mut reason, mut own) = (after, None, status.reason, false);
        if let Some(details) = status.details {
            let seconds = u64::from(details.retry_after_seconds);
            after = after.or((seconds > 0).then(|| Duration::from_secs(seconds)));
            // Causes say more than the reason above them.
            let telling = |cause: &str| matches!(cause, TERMINATING | FIELDS);
            if let Some(cause) = details.causes.iter().find(|cause| telling(&cause.reason)) {
                reason.clone_from(&cause.reason);
            }
            let mut conflicts =
                details.causes.iter().filter(|cause| cause.reason == FIELDS).peekable();
            own = conflicts.peek().is_some() && conflicts.all(|cause| is_own(&cause.message));
            missing = (code == 404 && !details.name.is_empty())
                .then_some(Missing { kind: details.kind, name: details.name });
        }
        let message =
            if status.message.is_empty() { format!("{code} {reason}") } else { status.message };
        Self { why: Why::Answer { code, reason, missing, after, own }, message }
    }

    fn is(&self, code: u16, reason: &str) -> bool {
        matches!(&self.why, Why::Answer { code: c, reason: r, .. } if *c == code && r == reason)
    }

    /// The object is there already.
    pub(crate) fn already_exists(&self) -> bool {
        self.is(409, "AlreadyExists")
    }

    /// The object is not as it was when it was read.
    pub(crate) fn is_outdated(&self) -> bool {
        self.is(409, "Conflict")
    }

    /// There is no such object (a missing kind or namespace is another matter).
    pub(crate) fn is_absent(&self, target: &Target) -> bool {
        let Why::Answer { code: 404, missing: Some(missing), .. } = &self.why else { return false };
        missing.name == target.name && (missing.kind != "namespaces" || target.kind == "Namespace")
    }

    /// What was applied conflicts only with what fuse itself did in another way.
    pub(crate) fn conflicts_with_fuse(&self) -> bool {
        matches!(self.why, Why::Answer { own: true, .. })
    }

    /// It was not accepted who fuse is.
    pub(crate) fn is_unauthorized(&self) -> bool {
        matches!(self.why, Why::Unauthorized | Why::Answer { code: 401, .. })
    }

    /// The namespace is missing.
    pub(crate) fn is_without_namespace(&self) -> bool {
        matches!(&self.why, Why::Answer { missing: Some(missing), .. } if missing.kind == "namespaces")
    }

    /// The path itself is unknown to the server: it does not serve that kind.
    pub(crate) fn is_unserved(&self) -> bool {
        matches!(&self.why, Why::Answer { code: 404, missing: None, .. })
    }

    /// It may not be done by whom fuse acts as.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self.why, Why::Answer { code: 403, .. }) && is_rbac(&self.message)
    }

    /// What went wrong, for people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What it means for an action.
    pub(crate) fn into_failure(self) -> Failure {
        let reason = self.message;
        let retry =
            |reason, maybe_applied, after| Failure::Retryable { reason, maybe_applied, after };
        match self.why {
            Why::Unsendable => Failure::Permanent(reason),
            // What is away is waited for as what is missing is: it may take longer than any backoff.
            Why::Unauthorized | Why::Unreachable | Why::Stranger => Failure::NotReady(reason),
            Why::Lost => retry(reason, true, None),
            Why::Answer { code, reason: kind, missing, after, .. } => match code {
                401 => Failure::NotReady(format!(
                    "the API server does not accept fuse's credentials: {reason}"
                )),
                403 if kind == TERMINATING || reason.contains("being terminated") => {
                    retry(reason, false, after)
                }
                403 if is_rbac(&reason) => {
                    // The object's own name before it would make each object a case of its own.
                    let who = reason.split_once(" is forbidden: ").map_or(&*reason, |(_, who)| who);
                    Failure::NotReady(format!(
                        "fuse is not permitted to do this: {who}; `fuse rbac` prints what it needs"
                    ))
                }
                403 if is_persons(&reason) => Failure::NotReady(reason),
                403 if is_quota(&reason) => retry(reason, false, after),
                404 => match missing {
                    Some(Missing { kind, name }) if kind == "namespaces" => {
                        Failure::NotReady(format!("namespace `{name}` does not exist"))
                    }
                    _ => Failure::NotReady(reason),
                },
                // It did not get as far as doing it.
                503 => retry(reason, false, after),
                500 if reason.contains("failed calling webhook") => retry(reason, false, after),
                409 if kind != FIELDS => retry(reason, false, after),
                // A policy or a conflict over fields: the same request is refused again.
                403 | 409 => Failure::Permanent(reason),
                _ => http_failure(code, reason, after),
            },
        }
    }
}

/// Whether a conflict is with what fuse did before: as itself, or for a rule (16 characters and the
/// trigger's number).
fn is_own(conflict: &str) -> bool {
    let manager = conflict.strip_prefix("conflict with \"fuse").unwrap_or_default();
    let rule = |rest: &str| {
        let (rule, number) = rest.split_once('-').unwrap_or_default();
        rule.len() == 16 && number.starts_with(|c: char| c.is_ascii_digit())
    };
    manager.starts_with('"') || manager.strip_prefix('-').is_some_and(rule)
}

/// Whether a 403 is a missing permission: the authorizer's wording, whatever authorizer it is.
fn is_rbac(message: &str) -> bool {
    message.contains("User \"")
        && message.contains(" cannot ")
        && !message.contains("denied the request")
}

/// Whether a 403 is something else that a person can bring.
fn is_persons(message: &str) -> bool {
    message.contains("attempting to grant RBAC permissions not currently held")
        || message.contains("no PriorityClass with name")
}

/// Whether a 403 is a quota that is used up, and may have room again.
fn is_quota(message: &str) -> bool {
    message.contains("exceeded quota") || message.contains("status unknown for quota")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(code: u16, body: &serde_json::Value) -> Failure {
        Refusal::from_answer(code, body.to_string().as_bytes(), None).into_failure()
    }

    fn forbidden(message: &str) -> Failure {
        answer(403, &json!({ "kind": "Status", "reason": "Forbidden", "message": message }))
    }

    #[test]
    fn a_403_is_told_apart() {
        let denied = forbidden(
            "workflows.argoproj.io is forbidden: User \"system:serviceaccount:fuse:fuse\" cannot create resource \"workflows\" in API group \"argoproj.io\" in the namespace \"cicd\"",
        );
        assert!(matches!(denied, Failure::NotReady(why) if why.contains("fuse rbac")));
        let quota = forbidden(
            "pods \"x\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=9, limited: pods=9",
        );
        assert!(matches!(quota, Failure::Retryable { maybe_applied: false, .. }));
        let ending = forbidden(
            "jobs.batch \"x\" is forbidden: unable to create new content in namespace n because it is being terminated",
        );
        assert!(matches!(ending, Failure::Retryable { maybe_applied: false, .. }));
        for admission in [
            "admission webhook \"policy\" denied the request: no",
            "pods \"x\" is forbidden: failed quota: q: must specify limits.cpu",
        ] {
            assert!(matches!(forbidden(admission), Failure::Permanent(_)), "{admission}");
        }
    }

    #[test]
    fn what_is_missing_is_not_ready() {
        let namespace = answer(
            404,
            &json!({ "message": "namespaces \"pay\" not found", "reason": "NotFound",
                     "details": { "name": "pay", "kind": "namespaces" } }),
        );
        assert_eq!(namespace, Failure::NotReady("namespace `pay` does not exist".into()));
        let kind = Refusal::from_answer(404, b"404 page not found\n", None);
        assert!(kind.is_unserved());
        assert!(matches!(kind.into_failure(), Failure::NotReady(_)));
    }

    #[test]
    fn what_passes_is_tried_again_when_the_server_says() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let busy = Refusal::from_answer(429, b"Too many requests", seconds(7)).into_failure();
        assert!(
            matches!(busy, Failure::Retryable { after, maybe_applied: false, .. } if after == seconds(7))
        );
        let told = answer(503, &json!({ "details": { "retryAfterSeconds": 3 } }));
        assert!(
            matches!(told, Failure::Retryable { after, maybe_applied: false, .. } if after == seconds(3))
        );
        for code in [408, 500, 502, 504] {
            assert!(matches!(answer(code, &json!({})), Failure::Retryable { .. }), "{code}");
        }
        for code in [400, 405, 413, 415, 422] {
            assert!(matches!(answer(code, &json!({})), Failure::Permanent(_)), "{code}");
        }
    }

    #[test]
    fn only_an_api_server_refuses_for_good() {
        for (code, text) in
            [(400, "Client sent an HTTP request to an HTTPS server."), (302, ""), (403, "<html>")]
        {
            let told = Refusal::from_answer(code, text.as_bytes(), None).into_failure();
            assert!(
                matches!(&told, Failure::NotReady(why) if why.contains("no API server")),
                "{told}"
            );
        }
        let webhook = json!({ "message": "Internal error occurred: failed calling webhook \"x\"" });
        assert!(matches!(answer(500, &webhook), Failure::Retryable { maybe_applied: false, .. }));
    }

    #[test]
    fn fuse_is_not_in_conflict_with_itself() {
        assert!(is_own("conflict with \"fuse\" using v1"));
        assert!(is_own("conflict with \"fuse-xa4bysdzyb3kotie-0\" using v1"));
        for other in ["fuse-tests", "fused", "kubectl"] {
            assert!(!is_own(&format!("conflict with \"{other}\"")), "{other}");
        }
    }

    #[test]
    fn a_conflict_over_fields_is_for_good() {
        let conflict = json!({ "reason": "Conflict", "message": "Apply failed with 1 conflict",
            "details": { "causes": [{ "reason": "FieldManagerConflict" }] } });
        assert!(matches!(answer(409, &conflict), Failure::Permanent(_)));
    }
}
