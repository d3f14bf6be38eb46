//! The states of flow control, listed by `fuse state`.

use std::net::{Ipv4Addr, TcpListener};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Fuse, Reply, Setup, root, until};

const DOOR: (u16, &str) = (12_000, "/q");
/// The value of a sensitive header.
const SECRET: &str = "tr0ub4dor";

/// Rules with every clause that has a state. The requests of `heal` go to this URL.
fn rules(url: &str) -> String {
    let rule = |name: &str, clause: &str| {
        format!(
            "  rule {name} {{\n    {clause}\n    trigger log {{ message = \"{name}\" }}\n  }}\n"
        )
    };
    let rules = [
        rule("burst", "quiet 1h per body.app max 2h"),
        rule("count", "after 3 within 1h per body.app"),
        rule("first", "once per body.app within 4h"),
        rule("keyed", "once per headers[\"x-api-key\"] within 4h"),
        rule("own", "limit 1 per 1h else wait"),
        rule("shared", "limit api per body.app"),
        rule("stays", "still 1h per body.app unless q.e when body.app == \"never\""),
    ];
    format!(
        "source q webhook {{ port = 12000, path = \"/q\", id = body.id, event e : {{ id: string, app: string }} }}\n\
         limiter api {{ limit 5 per 1h }}\n\
         fuse healing default on {{ blow after 20 actions within 10m }}\n\
         sensor s on q.e {{\n{}  rule heal {{\n    requires healing\n    concurrency 1 per body.app\n    \
         trigger http {{ url = \"{url}\", repeat = true, json = {{ id = body.id }} }}\n  }}\n}}\n",
        rules.concat()
    )
}

async fn sent(fuse: &Fuse, id: &str) {
    let body = json!({ "id": id, "app": "web" }).to_string();
    let headers = [("x-api-key", SECRET), ("content-type", "application/json")];
    fuse.request(Method::POST, DOOR, &headers, body).await.event(202);
    until("it is decided", async || {
        let report = fuse.admin(&format!("/decisions?event={id}")).await.json();
        (report["event"]["state"] != "queued").then_some(())
    })
    .await;
}

/// The text with `TIME` instead of each time.
fn timeless(text: &str) -> String {
    let ends = [' ', '\n', ',', ';', '"'];
    let words = text.split_inclusive(ends);
    let timeless = words.map(|word| {
        let bare = word.trim_end_matches(ends).trim_end_matches(':');
        match bare.parse::<jiff::Timestamp>() {
            Ok(_) => word.replace(bare, "TIME"),
            Err(_) => word.to_owned(),
        }
    });
    timeless.collect()
}

/// A running fuse, its admin port and its state folder show the same.
#[tokio::test]
async fn the_states_of_all_clauses_are_listed() {
    // It accepts connections and never answers.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut fuse = Setup::rules(&rules(&url)).no_cluster().start().await;
    for id in ["a", "b"] {
        sent(&fuse, id).await;
    }
    let server = fuse.server();
    let listed = |arguments: &[&str]| {
        let (code, said) = fuse.command(&[&["state", "--server", &server], arguments].concat());
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains(SECRET), "{said}");
        said
    };
    let all = listed(&[]);
    insta::assert_snapshot!(timeless(&all));
    let of_first = listed(&["--rule", "s/first"]);
    assert!(
        of_first.starts_with("s/first: once per body.app within 4h\n  \"web\": fired at 20"),
        "{of_first}"
    );
    assert!(of_first.ends_with("1 state\n"), "{of_first}");
    assert!(
        listed(&["--limiter", "api", "--key", "web"]).starts_with("limiter api: limit 5 per 1h\n")
    );
    assert_eq!(listed(&["--limiter", "api", "--key", "db"]), "no state of flow control\n");
    assert_eq!(listed(&["--clause", "once", "--key", SECRET]), "no state of flow control\n");
    assert!(listed(&["--clause", "once"]).contains("\n  [hidden]: fired at "));
    assert!(listed(&["--fuse", "healing"]).contains("1 of 20 actions within 10m"));
    let (code, said) = fuse.command(&["state", "--server", &server, "--clause", "during"]);
    assert_eq!(code, Some(2), "{said}");

    // Pages of the admin port, as its description has them.
    let text = std::fs::read_to_string(root().join("docs/admin-api.yaml")).unwrap();
    let document: Value = serde_saphyr::from_str(&text).unwrap();
    let mut schema = document["paths"]["/state"]["get"]["responses"]["200"]["content"]
        ["application/json"]["schema"]
        .clone();
    schema["components"] = document["components"].clone();
    let schema = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let (mut found, mut after) = (String::new(), String::new());
    loop {
        let page = fuse.admin(&format!("/state?limit=2{after}")).await.json();
        let errors: Vec<String> = schema.iter_errors(&page).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{page:#}");
        assert!(!page.to_string().contains(SECRET), "{page:#}");
        for state in page["states"].as_array().unwrap() {
            found.push_str(&format!("{state}\n"));
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(timeless(&found), timeless(&listed(&["--format", "json"])));
    let why = fuse.admin("/state?clause=during").await.error(400);
    assert!(why.contains("`clause` is one of after, once"), "{why}");
    assert_eq!(fuse.admin("/state?after=x!").await.status, 400);

    fuse.kill();
    let (code, stopped) = fuse.command(&["state", "--state", ".fuse"]);
    assert_eq!((code, timeless(&stopped)), (Some(0), timeless(&all)));
    drop(listener);
}

/// What `fuse explain` says with these arguments about an event `id` of `web`: the outcome of each rule, and the text.
fn explained(fuse: &Fuse, id: &str, arguments: &[&str]) -> (Vec<(String, String)>, String) {
    let body = json!({ "id": id, "app": "web" }).to_string();
    std::fs::write(fuse.folder().join("event.json"), body).unwrap();
    let header = format!("x-api-key: {SECRET}");
    let event = ["--source", "q.e", "--event", "event.json", "--header", &header];
    let command = [&["explain", "rules"], &event[..], arguments].concat();
    let (code, text) = fuse.command(&command);
    assert_eq!(code, Some(0), "{text}");
    let (_, json) = fuse.command(&[&command[..], &["--format", "json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{json}"));
    assert!(!text.contains(SECRET) && !json.to_string().contains(SECRET), "{text}");
    (outcomes(&json), text)
}

/// The answer to a question about flow control.
async fn preview(fuse: &Fuse, question: &Value) -> Reply {
    let token = fuse.token();
    fuse.admin_as(Method::POST, "/state/preview", token.as_deref(), question.to_string()).await
}

/// The rules in a report, with their outcomes.
fn outcomes(report: &Value) -> Vec<(String, String)> {
    let decisions = report["decisions"].as_array().unwrap().iter();
    let mut outcomes: Vec<_> = decisions
        .map(|one| {
            let text = |field: &str| one[field].as_str().unwrap().to_owned();
            (text("rule"), text("outcome"))
        })
        .collect();
    outcomes.sort();
    outcomes
}

/// An explanation with the state of a fuse foretells what this fuse then decides.
#[tokio::test]
async fn an_event_is_explained_with_the_state_of_a_fuse() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut fuse = Setup::rules(&rules(&url)).no_cluster().start().await;
    let server = fuse.server();
    for id in ["a", "b"] {
        sent(&fuse, id).await;
    }
    fuse.kill();
    let (foretold, text) = explained(&fuse, "c", &["--state", ".fuse"]);
    insta::assert_snapshot!(timeless(&text.replace(&url, "http://SERVER")));
    fuse.start_again().await;
    assert_eq!(explained(&fuse, "c", &["--state", ".fuse"]).0.len(), foretold.len());
    let (asked, text) = explained(&fuse, "c", &["--server", &server]);
    assert!(text.contains("s/keyed: a running fuse is not asked about keys that contain secrets"));
    let but_secret = |all: &[(String, String)]| {
        all.iter().filter(|(rule, _)| rule != "s/keyed").cloned().collect::<Vec<_>>()
    };
    assert_eq!(but_secret(&asked), but_secret(&foretold), "{text}");
    sent(&fuse, "c").await;
    let report = fuse.admin("/decisions?event=c").await.json();
    assert_eq!(outcomes(&report), foretold);
    // Nothing was recorded by asking, and what is known is said.
    let (_, text) = explained(&fuse, "c", &["--server", &server]);
    assert!(text.contains("it received an event `c` at "), "{text}");

    // A fuse that is off there is off here, unless the arguments say otherwise.
    let off = ["switch", "healing", "off", "--server", &server];
    assert_eq!(fuse.command(&off).0, Some(0));
    let heal = |fuse: &Fuse, arguments: &[&str]| {
        let (outcomes, _) = explained(fuse, "d", arguments);
        outcomes.into_iter().find(|(rule, _)| rule == "s/heal").unwrap().1
    };
    assert_eq!(heal(&fuse, &["--server", &server]), "gated");
    assert_eq!(heal(&fuse, &["--server", &server, "--fuse", "healing=on"]), "waiting");
    assert_eq!(heal(&fuse, &[]), "fired");
    // The environment takes precedence over the switch.
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));
    fuse.set("FUSE_HEALING", "on");
    fuse.start_again().await;
    assert_eq!(heal(&fuse, &["--server", &server]), "waiting");
    // One rule is explained as it is among all others.
    let one = explained(&fuse, "d", &["--server", &server, "--why", "heal"]).0;
    assert_eq!(one, [("s/heal".to_owned(), "waiting".to_owned())]);

    // Questions that are too long or contain secrets are refused.
    let long = json!({ "event": { "source": "q", "name": "e", "id": "x".repeat(5000) },
        "occurrences": [], "cancels": [], "blow": [] });
    let refused = preview(&fuse, &long).await.error(400);
    assert!(refused.contains("too long"), "{refused}");
    let secret = json!({
        "event": { "source": "q", "name": "e", "id": "x" },
        "occurrences": [{ "actions": 1, "requires": [], "occurrence": {
            "rule": "s/keyed", "element": null, "owner": { "id": "x", "name": "x" },
            "received": "2026-08-01T10:00:00Z", "is_shadow": false,
            "requests": [{ "clause": "once per headers[\"x-api-key\"]",
                "flow": { "once": { "within": "PT4H" } },
                "values": ["\"guess\""], "is_sensitive": true }],
        } }],
        "cancels": [],
        "blow": [],
    });
    let refused = preview(&fuse, &secret).await.error(400);
    assert!(refused.contains("keys with secrets are not looked up"), "{refused}");
    drop(listener);
}
