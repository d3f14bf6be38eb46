//! Requests as senders sign them, by their published schemes and without the code of fuse.

use data_encoding::{BASE64, HEXLOWER};
use ring::hmac;

/// The secret of all senders. Standard Webhooks writes its bytes in base64.
pub(super) const SECRET: &str = "cGxlYXNlIHVzZSBhIGxvbmdlciBvbmU=";

/// A request of a sender.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) path: String,
    /// The headers that prove who sends.
    pub(super) proof: Vec<(&'static str, String)>,
    /// Other headers.
    pub(super) others: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// A preset, and how its sender sends an event.
pub(super) struct Sender {
    pub(super) preset: &'static str,
    /// The event, or that of a preset without events.
    pub(super) event: &'static str,
    /// Whether the sender signs the body.
    pub(super) signs_body: bool,
    /// Whether it signs the time.
    pub(super) signs_time: bool,
    /// Whether it has an id, so that fuse recognizes a repetition.
    pub(super) has_id: bool,
    pub(super) status: u16,
    /// A request with this secret at this time.
    pub(super) request: fn(secret: &str, time: i64) -> Signed,
}

impl Sender {
    const fn new(
        preset: &'static str,
        event: &'static str,
        request: fn(&str, i64) -> Signed,
    ) -> Self {
        Self {
            preset,
            event,
            signs_body: true,
            signs_time: false,
            has_id: true,
            status: 202,
            request,
        }
    }

    const fn signs_time(self) -> Self {
        Self { signs_time: true, ..self }
    }

    const fn signs_nothing(self) -> Self {
        Self { signs_body: false, ..self }
    }

    const fn without_id(self) -> Self {
        Self { has_id: false, ..self }
    }

    const fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

pub(super) const SENDERS: [Sender; 18] = [
    Sender::new("alertmanager", "notification", |secret, _| {
        let body = r#"{"alerts": [], "version": "4"}"#;
        bearer(request("/alertmanager", body), secret)
    })
    .signs_nothing()
    .without_id(),
    Sender::new("bitbucket", "push", |secret, _| {
        let mut sent = request("/bitbucket", r#"{"push": {"changes": []}}"#);
        sent.proof = vec![("x-hub-signature", format!("sha256={}", hex(secret, &sent.body)))];
        sent.others = vec![("x-event-key", "repo:push".into()), ("x-request-uuid", "b-1".into())];
        sent
    }),
    Sender::new("cloudevents", "any", |secret, _| {
        let mut sent = bearer(request("/cloudevents", r#"{"order": 7}"#), secret);
        sent.others = vec![("ce-id", "1".into()), ("ce-source", "shop".into())];
        sent
    })
    .signs_nothing(),
    Sender::new("docker-hub", "push", |secret, _| in_url("/docker-hub", secret, "{}"))
        .signs_nothing()
        .without_id(),
    Sender::new("event-grid", "events", |secret, _| {
        let mut sent = in_url("/event-grid", secret, r#"[{"id": "eg-1"}]"#);
        sent.others = vec![("aeg-event-type", "Notification".into())];
        sent
    })
    .signs_nothing(),
    Sender::new("gitea", "push", |secret, _| {
        let mut sent = request("/gitea", r#"{"ref": "refs/heads/main"}"#);
        sent.proof = vec![("x-gitea-signature", hex(secret, &sent.body))];
        sent.others = vec![("x-gitea-event", "push".into()), ("x-github-delivery", "t-1".into())];
        sent
    }),
    Sender::new("github", "push", |secret, _| {
        let mut sent = request("/github", r#"{"ref": "refs/heads/main"}"#);
        sent.proof = vec![("x-hub-signature-256", format!("sha256={}", hex(secret, &sent.body)))];
        sent.others = vec![("x-github-event", "push".into()), ("x-github-delivery", "h-1".into())];
        sent
    }),
    Sender::new("gitlab", "tag-push", |secret, _| {
        let mut sent = request("/gitlab", r#"{"object_kind": "tag_push"}"#);
        sent.proof = vec![("x-gitlab-token", secret.into())];
        sent.others =
            vec![("x-gitlab-event", "Tag Push Hook".into()), ("idempotency-key", "l-1".into())];
        sent
    })
    .signs_nothing(),
    Sender::new("grafana", "notification", |secret, _| {
        bearer(request("/grafana", r#"{"alerts": []}"#), secret)
    })
    .signs_nothing()
    .without_id(),
    Sender::new("harbor", "scan-completed", |secret, _| {
        let mut sent = request("/harbor", r#"{"type": "SCANNING_COMPLETED"}"#);
        sent.proof = vec![("authorization", secret.into())];
        sent
    })
    .signs_nothing()
    .without_id(),
    Sender::new("meta", "changes", |secret, _| {
        let mut sent = request("/meta", r#"{"object": "page", "entry": []}"#);
        sent.proof = vec![("x-hub-signature-256", format!("sha256={}", hex(secret, &sent.body)))];
        sent
    })
    .without_id()
    .status(200),
    Sender::new("microsoft-graph", "notifications", |secret, _| {
        in_url("/microsoft-graph", secret, r#"{"value": []}"#)
    })
    .signs_nothing()
    .without_id(),
    Sender::new("pagerduty", "incident-triggered", |secret, _| {
        let body = r#"{"event": {"id": "p-1", "event_type": "incident.triggered"}}"#;
        let mut sent = request("/pagerduty", body);
        // The second signature is that of a secret that is replaced.
        let signatures = format!("v1={},v1={}", hex("old", body), hex(secret, body));
        sent.proof = vec![("x-pagerduty-signature", signatures)];
        sent
    }),
    Sender::new("sentry", "issue", |secret, _| {
        let mut sent = request("/sentry", r#"{"action": "created", "data": {}}"#);
        sent.proof = vec![("sentry-hook-signature", hex(secret, &sent.body))];
        sent.others = vec![("sentry-hook-resource", "issue".into()), ("request-id", "s-1".into())];
        sent
    }),
    Sender::new("slack", "app-mention", |secret, time| {
        let body =
            r#"{"type": "event_callback", "event_id": "Ev1", "event": {"type": "app_mention"}}"#;
        slack(request("/slack/events", body), secret, time)
    })
    .signs_time()
    .status(200),
    Sender::new("slack", "command", |secret, time| {
        let body = "command=%2Fdeploy&text=shop+staging&trigger_id=c-1";
        let mut sent = slack(request("/slack/commands", body), secret, time);
        sent.others = vec![("content-type", "application/x-www-form-urlencoded".into())];
        sent
    })
    .signs_time()
    .status(200),
    Sender::new("standard-webhooks", "any", |secret, time| {
        let mut sent = request("/standard-webhooks", r#"{"type": "user.created"}"#);
        let key = BASE64.decode(secret.as_bytes()).unwrap();
        let mac = mac(&key, &format!("w-1.{time}.{}", sent.body));
        sent.proof = vec![
            ("webhook-id", "w-1".into()),
            ("webhook-timestamp", time.to_string()),
            ("webhook-signature", format!("v1,{}", BASE64.encode(mac.as_ref()))),
        ];
        sent
    })
    .signs_time(),
    Sender::new("stripe", "invoice-paid", |secret, time| {
        let mut sent = request("/stripe", r#"{"id": "evt_1", "type": "invoice.paid"}"#);
        let signature = hex(secret, &format!("{time}.{}", sent.body));
        sent.proof = vec![("stripe-signature", format!("t={time},v1={signature},v0=0"))];
        sent
    })
    .signs_time(),
];

pub(super) fn slack(sent: Signed, secret: &str, time: i64) -> Signed {
    let signature = hex(secret, &format!("v0:{time}:{}", sent.body));
    let proof = vec![
        ("x-slack-request-timestamp", time.to_string()),
        ("x-slack-signature", format!("v0={signature}")),
    ];
    Signed { proof, ..sent }
}

pub(super) fn request(path: &str, body: &str) -> Signed {
    Signed { path: path.into(), proof: Vec::new(), others: Vec::new(), body: body.into() }
}

fn bearer(sent: Signed, secret: &str) -> Signed {
    Signed { proof: vec![("authorization", format!("Bearer {secret}"))], ..sent }
}

pub(super) fn in_url(path: &str, secret: &str, body: &str) -> Signed {
    // `=` is the end of the base64 and has to be encoded.
    request(&format!("{path}?token={}", secret.replace('=', "%3D")), body)
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

pub(super) fn hex(secret: &str, text: &str) -> String {
    HEXLOWER.encode(mac(secret.as_bytes(), text).as_ref())
}
