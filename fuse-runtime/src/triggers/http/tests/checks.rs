//! What is refused when rules are loaded or actions are rendered, and what is shown of a request.

use fuse_rules::schema::{Schema, SourceSchema};
use fuse_rules::{Registry, Ruleset};
use serde_json::{Value, json};

use super::{HttpAddresses, request, triggers};

/// What each trigger would send, without its secrets.
#[test]
fn requests_are_shown_without_secrets() {
    let env = json!({ "env": { "name": "TOKEN" } });
    let triggers = triggers(HttpAddresses::default());
    let render = |kind: &str, fields: Value| {
        triggers.get(kind).unwrap().render(&request(kind, fields)).unwrap()
    };
    insta::assert_json_snapshot!([
        render(
            "http",
            json!({
                "url": "https://api.example.com/v1", "method": "PUT", "path": ["a b"], "query": { "q": "1" },
                "headers": { "x-team": "db" }, "form": { "a": "1" },
                "auth": { "basic": { "username": "ci", "password": env } }, "sign": env,
            })
        ),
        render(
            "http",
            json!({ "url-from": env, "method": "POST", "text": "hi", "auth": { "header": { "name": "X-Key", "value": env } } })
        ),
        render(
            "slack",
            json!({ "token": env, "channel": "#ops", "text": "hi", "thread": "1.2", "blocks": [{ "type": "divider" }] })
        ),
        render("slack", json!({ "webhook": env, "text": "hi" })),
        render(
            "teams",
            json!({ "webhook": env, "title": "Down", "text": "hi", "facts": { "app": "shop" } })
        ),
        render(
            "pagerduty",
            json!({
                "routing-key": env, "region": "eu", "action": "trigger", "severity": "critical", "summary": "down",
                "details": { "app": "shop" }, "link": "https://example.com", "component": "db",
            })
        ),
        render(
            "pagerduty",
            json!({ "routing-key": env, "region": "us", "action": "resolve", "severity": "error", "key": "shop" })
        ),
    ]);
}

#[test]
fn text_of_an_event_cannot_lead_elsewhere() {
    let triggers = triggers(HttpAddresses::default());
    let http = triggers.get("http").unwrap();
    for path in ["..", ".", "", "\t..", ".\n.", "\t.", "\n", ".\r", "a\u{0}"] {
        let fields = json!({ "url": "https://a/v1", "method": "POST", "path": [path] });
        assert!(http.render(&request("http", fields)).is_err(), "{path:?}");
    }
    for value in ["a\r\nx: b", "é", "\u{0}"] {
        let fields = json!({ "url": "https://a/v1", "method": "POST", "headers": { "x": value } });
        assert!(http.render(&request("http", fields)).is_err(), "{value:?}");
    }
}

fn problems(triggers_of_rule: &str) -> String {
    let schemas = ["http", "slack", "teams", "pagerduty"];
    let triggers = triggers(HttpAddresses::default());
    let queue = SourceSchema::new(Schema::new("queue", ""), Schema::new("event", ""));
    let registry = schemas.into_iter().fold(Registry::new().source(queue), |registry, kind| {
        registry.trigger(triggers.get(kind).unwrap().schema())
    });
    let text = format!(
        "source q queue {{ event e }}\nsensor s on q.e {{ rule r {{\n{triggers_of_rule}\n}} }}"
    );
    match Ruleset::parse("x.rules", &text, &registry) {
        Ok(_) => String::new(),
        Err(why) => why.to_string(),
    }
}

#[test]
fn what_cannot_work_is_an_error_when_rules_are_loaded() {
    for fine in [
        r#"trigger http { url = "https://a.example/x", json = { text = body.text } }"#,
        r#"trigger http { url = "http://tickets/x", path = [body.id], auth { bearer { token = env("T") } } }"#,
        r#"trigger http { url = "https://a", keep { id = "data.id", first = "items[0][\"a.b\"]" } }"#,
        r#"trigger slack { token = env("T"), channel = body.team, text = "hi" }"#,
        r#"trigger slack { token = env("T"), channel = "c", text = "hi", thread-key = body.id, update = true }"#,
        r#"trigger teams { webhook = env("T"), facts { app = body.app } }"#,
        r#"trigger pagerduty { routing-key = env("T"), summary = body.text }"#,
    ] {
        assert_eq!(problems(fine), "", "{fine}");
    }
    let wrong = [
        r#"trigger http { json = {} }"#,
        r#"trigger http { url = "ftp://a", json = {} }"#,
        r#"trigger http { url = body.url }"#,
        r#"trigger http { url = "https://u:p@a/" }"#,
        r#"trigger http { url = "https://a", json = {}, text = "x" }"#,
        r#"trigger http { url = "https://a", method = "GET", text = "x" }"#,
        r#"trigger http { url = "http://a.example", auth { bearer { token = env("T") } } }"#,
        r#"trigger http { url = "http://[2001:db8::1]/", auth { bearer { token = env("T") } } }"#,
        r#"trigger http { url-from = env("U"), path = ["a"] }"#,
        r#"trigger http { url = "https://a", headers { Authorization = "x" } }"#,
        r#"trigger http { url = "https://a", headers { Idempotency-Key = "x" } }"#,
        r#"trigger http { url = "https://a", timeout = 2m }"#,
        r#"trigger http { url = "https://a", tls { cert = env("C") } }"#,
        r#"trigger http { url = "https://a", keep { status = "status" } }"#,
        r#"trigger http { url = "https://a", keep { id = "data..id" } }"#,
        r#"trigger http { url = "https://a", keep { id = body.path } }"#,
        r#"trigger http { url = "https://a", keep { id = 7 } }"#,
        r#"trigger http { url = "https://a", keep { a = "a", b = "b", c = "c", d = "d", e = "e", f = "f", g = "g", h = "h", i = "i", j = "j", k = "k", l = "l", m = "m", n = "n", o = "o", p = "p", q = "q" } }"#,
        r#"trigger slack { token = env("T"), text = "x" }"#,
        r#"trigger slack { webhook = env("T"), channel = "c", text = "x" }"#,
        r#"trigger slack { webhook = env("T"), text = "x", thread-key = "k" }"#,
        r#"trigger slack { token = env("T"), channel = "c", text = "x", thread-key = "k", thread = "1.2" }"#,
        r#"trigger slack { token = env("T"), channel = "c", text = "x", update = true }"#,
        r#"trigger slack { token = env("T"), channel = "c", text = "x", thread-key = "k", update = body.update }"#,
        r#"trigger teams { webhook = env("T") }"#,
        r#"trigger teams { webhook = env("T"), title = "x", card = {} }"#,
        r#"trigger pagerduty { routing-key = env("T") }"#,
        r#"trigger pagerduty { routing-key = env("T"), action = "resolve" }"#,
    ];
    insta::assert_snapshot!(wrong.map(problems).join("\n"));
}
