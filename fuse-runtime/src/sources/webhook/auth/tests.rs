//! Published vectors, and requests that differ from a right one.

mod changed;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{HeaderName, HeaderValue};
use fuse_rules::{Registry, Ruleset};
use futures_util::FutureExt as _;

use super::super::credentials::Credentials;
use super::*;
use crate::secrets::{Secret, SecretError, SecretRef, SecretStore, Secrets};
use crate::sources::{Source as _, Webhook};

fn load(auth: &str) -> Result<Ruleset, fuse_rules::Diagnostics> {
    let rules =
        format!("source s webhook {{ port = 1, path = \"/\", auth {{ {auth} }}, event e }}");
    let schema = Webhook::new(Ipv4Addr::LOCALHOST.into()).schema();
    Ruleset::parse("x.rules", &rules, &Registry::new().source(schema))
}

/// The checks of an `auth` block. The value of the secret `env("NAME")` is the text with that name.
fn checks(auth: &str, secrets: &[(&str, &str)]) -> Checks {
    some_checks(auth, secrets).unwrap()
}

fn config(auth: &str) -> AuthConfig {
    let config = load(auth).unwrap().events().next().unwrap().fields["auth"].clone();
    serde_json::from_value(config).unwrap()
}

/// The checks, if these secrets are enough.
fn some_checks(auth: &str, secrets: &[(&str, &str)]) -> Option<Checks> {
    let config = config(auth);
    let named = |(name, value): &(&str, &str)| {
        (SecretRef::Env { name: (*name).to_owned() }, (*value).to_owned())
    };
    let secrets = Secrets::from_map(secrets.iter().map(named).collect::<BTreeMap<_, _>>());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (read, mut problems) = runtime.block_on(secrets.read_all(config.references()));
    config.checks(&read, &mut problems)
}

struct Sent<'s> {
    headers: &'s [(&'s str, &'s str)],
    body: &'s [u8],
    now: i64,
}

impl Checks {
    fn sent(&self, sent: &Sent<'_>) -> Result<(), Denied> {
        let mut headers = HeaderMap::new();
        for (name, value) in sent.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            // No such header can arrive.
            let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else {
                return Err(Denied::Credentials("not HTTP"));
            };
            headers.append(name, value);
        }
        let now = Timestamp::from_second(sent.now).unwrap();
        let (peer, query) = (Ipv4Addr::LOCALHOST.into(), "");
        self.head(&Head { headers: &headers, query, peer, certificate: None, now })?
            .body(Some(sent.body))
            .now_or_never()
            .unwrap()
    }

    fn accepts(&self, headers: &[(&str, &str)]) -> bool {
        self.sent(&Sent { headers, body: b"{}", now: 0 }).is_ok()
    }
}

const GITHUB: &str =
    r#"hmac { secret = env("K"), header = "X-Hub-Signature-256", prefix = "sha256=" }"#;
const SLACK: &str = r#"hmac {
    secret = env("K"), header = "X-Slack-Signature", prefix = "v0="
    signed = "v0:{timestamp}:{body}", timestamp-header = "X-Slack-Request-Timestamp"
}"#;
const STRIPE: &str = r#"hmac {
    secret = env("K"), header = "Stripe-Signature", separator = ",", prefix = "v1="
    signed = "{timestamp}.{body}", timestamp-prefix = "t="
}"#;
const STANDARD: &str = r#"hmac {
    secret = env("K"), secret-encoding = "base64", encoding = "base64"
    header = "webhook-signature", separator = " ", prefix = "v1,"
    signed = "{id}.{timestamp}.{body}", id-header = "webhook-id", timestamp-header = "webhook-timestamp"
}"#;

/// From GitHub's documentation.
#[test]
fn the_vector_of_github_is_accepted() {
    let checks = checks(GITHUB, &[("K", "It's a Secret to Everybody")]);
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let headers = [("X-Hub-Signature-256", signature)];
    let sent = |headers, body| checks.sent(&Sent { headers, body, now: 0 });
    assert_eq!(sent(&headers, b"Hello, World!"), Ok(()));
    assert!(sent(&headers, b"Hello, World").is_err());
    assert!(sent(&[], b"Hello, World!").is_err());
    let repeated = [headers[0], headers[0]];
    assert!(sent(&repeated, b"Hello, World!").is_err(), "it is ambiguous");
    let upper = signature[7..].to_ascii_uppercase();
    let upper = [("X-Hub-Signature-256", &*format!("sha256={upper}"))];
    assert_eq!(sent(&upper, b"Hello, World!"), Ok(()));
}

/// From Slack's documentation.
#[test]
fn the_vector_of_slack_is_accepted_at_its_time() {
    let checks = checks(SLACK, &[("K", "8f742231b10e8888abcd99yyyzzz85a5")]);
    let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let headers = [
        (
            "X-Slack-Signature",
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        ),
        ("X-Slack-Request-Timestamp", "1531420618"),
    ];
    let at = |now| checks.sent(&Sent { headers: &headers, body, now });
    for now in [1_531_420_618, 1_531_420_618 + 300, 1_531_420_618 - 300] {
        assert_eq!(at(now), Ok(()));
    }
    let stale = Err(Denied::Credentials("the timestamp is outside the tolerance"));
    assert_eq!(at(1_531_420_618 + 301), stale);
    assert_eq!(at(1_531_420_618 - 301), stale);
}

/// From the specification of Standard Webhooks.
#[test]
fn the_vector_of_standard_webhooks_is_accepted() {
    let checks = checks(STANDARD, &[("K", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]);
    let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    for (signature, accepted) in [
        (right.to_owned(), true),
        (format!("v1a,AAAA v1,AAAA {right}"), true),
        (right.replace("v1,", "v2,"), false),
        ("v1,".to_owned(), false),
    ] {
        let headers = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", &signature),
        ];
        let sent = Sent { headers: &headers, body: b"{\"test\": 2432232314}", now: 1_614_265_330 };
        assert_eq!(checks.sent(&sent).is_ok(), accepted, "{signature}");
    }
}

/// The hex of a MAC by another implementation.
fn sign(key: &str, text: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
    data_encoding::HEXLOWER.encode(ring::hmac::sign(&key, text).as_ref())
}

/// By Stripe's published scheme.
#[test]
fn one_of_several_signatures_of_stripe_is_enough() {
    let checks = checks(STRIPE, &[("K", "whsec_test")]);
    let (right, wrong) = (sign("whsec_test", b"1492774577.{}"), sign("other", b"1492774577.{}"));
    for (header, accepted) in [
        (format!("t=1492774577,v1={right}"), true),
        (format!("t=1492774577,v1={wrong},v1={right},v0={wrong}"), true),
        (format!("t=1492774577,v1={wrong}"), false),
        (format!("t=1492774577,v0={right}"), false),
        (format!("t=1492774578,v1={right}"), false),
        (format!("t=1492774577,t=1492774577,v1={right}"), false),
        (format!("v1={right}"), false),
    ] {
        let headers = [("Stripe-Signature", &*header)];
        let sent = Sent { headers: &headers, body: b"{}", now: 1_492_774_577 };
        assert_eq!(checks.sent(&sent).is_ok(), accepted, "{header}");
    }
}

#[test]
fn both_secrets_count_while_one_is_rotated() {
    let secrets = [("NEW", "new"), ("OLD", "old")];
    let checks = checks("bearer { token = [env(\"NEW\"), env(\"OLD\")] }", &secrets);
    for (value, accepted) in [
        ("Bearer new", true),
        ("bearer  old", true),
        ("Bearer older", false),
        ("Bearer ", false),
        ("Basic new", false),
        ("new", false),
    ] {
        assert_eq!(checks.accepts(&[("authorization", value)]), accepted, "{value}");
    }
    assert!(!checks.accepts(&[("authorization", "Bearer new"), ("authorization", "Bearer new")]));
}

#[test]
fn a_user_needs_the_password() {
    let checks = checks("basic { username = \"ci\", password = env(\"K\") }", &[("K", "a:b")]);
    for (user, accepted) in
        [("ci:a:b", true), ("ci:a", false), ("cj:a:b", false), ("ci", false), (":a:b", false)]
    {
        let value = format!("Basic {}", data_encoding::BASE64.encode(user.as_bytes()));
        assert_eq!(checks.accepts(&[("authorization", &value)]), accepted, "{user}");
    }
}

#[test]
fn all_of_a_block_and_one_of_any_are_required() {
    let auth = r#"allow-from = ["127.0.0.0/8", "::1"]
        any { header { name = "X-Token", value = env("K") }, bearer { token = env("K") } }"#;
    let open = checks(auth, &[("K", "k")]);
    assert!(open.accepts(&[("x-token", "k")]));
    assert!(open.accepts(&[("x-token", "wrong"), ("authorization", "Bearer k")]));
    assert!(!open.accepts(&[]));
    assert!(!open.accepts(&[("x-token", "wrong")]));
    let other = auth.replace("127.0.0.0/8", "10.0.0.0/8");
    let denied = checks(&other, &[("K", "k")]);
    let sent = Sent { headers: &[("x-token", "k")], body: b"{}", now: 0 };
    assert_eq!(denied.sent(&sent), Err(Denied::Address));

    // An alternative that the head fulfils needs no signature of the body.
    let checks =
        checks(&format!("any {{ {GITHUB}, bearer {{ token = env(\"K\") }} }}"), &[("K", "k")]);
    let signature = format!("sha256={}", sign("k", b"{}"));
    assert!(checks.accepts(&[("x-hub-signature-256", &signature)]));
    assert!(checks.accepts(&[("x-hub-signature-256", "sha256=00"), ("authorization", "Bearer k")]));
    assert!(!checks.accepts(&[("x-hub-signature-256", "sha256=00")]));
}

#[test]
fn the_any_of_a_source_replaces_that_of_defaults() {
    let rules = r#"
        defaults webhook { auth {
            allow-from = ["10.0.0.0/8"]
            any { bearer { token = env("K") }, basic { username = "u", password = env("K") } }
        } }
        source s webhook { port = 1, path = "/", auth { any { header { name = "X", value = env("K") } } }, event e }
        source t webhook { port = 2, path = "/", event e }"#;
    let schema = Webhook::new(Ipv4Addr::LOCALHOST.into()).schema();
    let rules = Ruleset::parse("x.rules", rules, &Registry::new().source(schema)).unwrap();
    let auths: Vec<_> = rules.events().map(|event| event.fields["auth"].clone()).collect();
    let schemes = |auth: &serde_json::Value| -> Vec<_> {
        auth["any"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(schemes(&auths[0]), ["header"]);
    assert_eq!(auths[0]["allow-from"][0], "10.0.0.0/8", "other schemes are required in addition");
    assert_eq!(schemes(&auths[1]), ["bearer", "basic"]);
}

#[test]
fn blocks_that_protect_nothing_are_refused() {
    let hmac = |rest: &str| format!("hmac {{ secret = env(\"K\"), header = \"X-S\", {rest} }}");
    for (auth, expected) in [
        (
            String::new(),
            "`auth` needs `bearer` or `basic` or `header` or `query` or `hmac` or `mtls` or `sns` or `allow-from` or `any`",
        ),
        (
            "any {}".into(),
            "`any` needs `bearer` or `basic` or `header` or `query` or `hmac` or `mtls` or `sns` or `allow-from`",
        ),
        ("digest {}".into(), "there is no field `digest`"),
        ("bearer { tokn = env(\"K\") }".into(), "there is no field `tokn`"),
        ("bearer { token = \"k\" }".into(), "`token` takes a secret"),
        ("bearer { token = [] }".into(), "`token` takes a secret"),
        (
            "basic { username = \"a:b\", password = env(\"K\") }".into(),
            "needs a `username` without `:`",
        ),
        (
            "header { name = \"X Y\", value = env(\"K\") }".into(),
            "`name` is \"X Y\", but must be the name of an HTTP header",
        ),
        ("verify-token = env(\"K\")".into(), "`auth` needs `bearer` or"),
        ("verify-token = env(\"K\"), bearer { token = env(\"K\") }".into(), "needs `handshake = "),
        ("allow-from = [\"10.0.0.0/40\"]".into(), "must be an IP network"),
        ("allow-from = [\"10.1.2.3/8\"]".into(), "write \"10.0.0.0/8\""),
        ("hmac { secret = env(\"K\") }".into(), "`hmac` needs `header`"),
        (hmac("algorithm = \"md5\""), "`algorithm` is \"md5\", but must be one of"),
        (hmac("signed = \"{boddy}\""), "has `{boddy}`, but the placeholders are"),
        (hmac("timestamp-header = \"X-T\""), "does not use `timestamp-header`"),
        (hmac("signed = \"{timestamp}.{body}\""), "`timestamp-header` is not set"),
        (hmac("tolerance = 1m"), "does not use `tolerance`"),
        (hmac("id-header = \"X-Id\""), "does not use `id-header`"),
    ] {
        let problems = load(&auth).unwrap_err().to_string();
        assert!(problems.contains(expected), "{auth}: {problems}");
    }
    let schema = Webhook::new(Ipv4Addr::LOCALHOST.into()).schema();
    let get = format!(
        "source s webhook {{ port = 1, path = \"/\", method = \"GET\", auth {{ {GITHUB} }}, event e }}"
    );
    let why = Ruleset::parse("x.rules", &get, &Registry::new().source(schema)).unwrap_err();
    assert!(why.to_string().contains("whose query a signature does not protect"), "{why}");
}

#[test]
fn one_secret_of_a_list_and_one_alternative_are_enough() {
    let list = r#"bearer { token = [env("NEW"), env("OLD")] }"#;
    for secrets in [&[("OLD", "old")][..], &[("NEW", " \r"), ("OLD", "old")]] {
        let checks = some_checks(list, secrets).unwrap();
        assert!(checks.accepts(&[("authorization", "Bearer old")]));
        assert!(!checks.accepts(&[("authorization", "Bearer ")]));
        assert!(!checks.accepts(&[("authorization", "Bearer \r")]));
    }
    assert!(some_checks(list, &[("OLD", "\r")]).is_none());

    let any = format!("any {{ {GITHUB}, bearer {{ token = env(\"T\") }} }}");
    let checks = some_checks(&any, &[("T", "t")]).unwrap();
    assert!(checks.accepts(&[("authorization", "Bearer t")]) && !checks.accepts(&[]));
    assert!(some_checks(&any, &[]).is_none(), "no alternative is left");
    let both = format!("{GITHUB}, bearer {{ token = env(\"T\") }}");
    assert!(some_checks(&both, &[("T", "t")]).is_none(), "both are required");
}

#[test]
fn what_the_check_of_rules_would_miss_accepts_nobody() {
    for (auth, expected) in [
        ("{}", "`auth` has no scheme"),
        (r#"{ "digest": {} }"#, "`auth` has no scheme"),
        (r#"{ "any": {} }"#, "`any` has no scheme"),
        (r#"{ "allow-from": [], "any": {} }"#, "`any` has no scheme"),
        (r#"{ "allow-from": [], "any": null }"#, "null"),
        (r#"{ "allow-from": [], "bearer": null }"#, "null"),
        ("null", "null"),
    ] {
        let why = serde_json::from_str::<AuthConfig>(auth).unwrap_err().to_string();
        assert!(why.contains(expected), "{auth}: {why}");
    }
    // The query of a GET request is not what is signed, even if the signature is that of an empty body.
    let signature = format!("sha256={}", sign("k", b""));
    let headers = HeaderMap::from_iter([(
        HeaderName::from_static("x-hub-signature-256"),
        HeaderValue::from_str(&signature).unwrap(),
    )]);
    let (peer, now) = (Ipv4Addr::LOCALHOST.into(), Timestamp::UNIX_EPOCH);
    let claims = checks(GITHUB, &[("K", "k")])
        .head(&Head { headers: &headers, query: "", peer, certificate: None, now })
        .unwrap();
    let proven = |body| claims.body(body).now_or_never().unwrap().is_ok();
    assert!(proven(Some(b"")) && !proven(None));
}

/// Secrets whose reads can hang, and how often each was begun.
#[derive(Clone, Default)]
struct HangingStore {
    /// `None` hangs; a name that is not in the map is missing.
    values: Arc<Mutex<BTreeMap<String, Option<&'static str>>>>,
    begun: Arc<AtomicUsize>,
}

impl HangingStore {
    fn set(&self, name: &str, value: Option<&'static str>) {
        self.values.lock().unwrap().insert(name.to_owned(), value);
    }
}

#[async_trait]
impl SecretStore for HangingStore {
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let SecretRef::Env { name } = reference else {
            return Err(SecretError::Unsupported(reference.clone()));
        };
        let value = self.values.lock().unwrap().get(name).copied();
        match value {
            None => Err(SecretError::Missing(reference.clone())),
            Some(Some(value)) => Ok(Secret::new(value)),
            Some(None) => {
                self.begun.fetch_add(1, Relaxed);
                std::future::pending().await
            }
        }
    }
}

fn credentials(auths: &[&Arc<SourceAuth>]) -> Credentials {
    Credentials { auths: auths.iter().copied().cloned().collect(), ..Credentials::default() }
}

#[tokio::test(start_paused = true)]
async fn a_hung_secret_keeps_the_checks_for_a_while_and_holds_up_no_other_source() {
    let store = HangingStore::default();
    let secrets = Secrets::new(store.clone());
    let source = |auth: &str| Arc::new(SourceAuth::new("s", config(auth), None));
    let list = source(
        r#"bearer { token = [env("A"), env("B")] }, basic { username = "u", password = env("C") }"#,
    );
    let other = source(r#"header { name = "X", value = env("X") }"#);
    let sources = credentials(&[&list, &other]);
    for name in ["A", "B", "C", "X"] {
        store.set(name, Some("one"));
    }
    sources.refresh(&secrets).await;
    let accepts = |auth: &SourceAuth, headers: &[(&str, &str)]| {
        auth.state().checks().is_some_and(|checks| checks.accepts(headers))
    };
    assert!(list.state().checks().is_some() && accepts(&other, &[("x", "one")]));

    store.set("C", None);
    store.set("X", Some("two"));
    let before = tokio::time::Instant::now();
    sources.refresh(&secrets).await;
    assert!(before.elapsed() <= Duration::from_millis(1100), "{:?}", before.elapsed());
    assert!(accepts(&other, &[("x", "two")]));
    assert!(list.state().checks().is_some(), "they are kept");
    for _ in 0..11 {
        sources.refresh(&secrets).await;
    }
    assert!(list.state().checks().is_none(), "too long");
    assert_eq!(store.begun.load(Relaxed), 1, "a read that hangs is not begun again");

    // A secret that is taken away counts at once, whatever hangs.
    let list =
        source(r#"bearer { token = env("A") }, basic { username = "u", password = env("B") }"#);
    list.refresh(&secrets).await;
    assert!(list.state().checks().is_some());
    store.set("A", None);
    store.values.lock().unwrap().remove("B");
    list.refresh(&secrets).await;
    assert!(list.state().checks().is_none());
}
