use jsonschema::Validator;
use regex::Regex;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Door, Fuse, Setup, root, until};

const RULES: &str = r#"
fuse shipping default on

source shop webhook {
  port = 12000
  path = "/orders"
  id   = body.id
  event order
}

sensor orders on shop.order {
  # Ships an order.
  rule ship {
    requires shipping
    trigger job {
      namespace   = "apps"
      name-prefix = body.prefix
      image       = "busybox"
    }
  }
  rule note {
    trigger job {
      namespace   = "apps"
      name-prefix = "note-"
      image       = "busybox"
    }
  }
}
"#;
const DOOR: Door = (12_000, "/orders");

/// The commands of a section of docs/operations.md, in their order.
fn commands(heading: &str) -> Vec<String> {
    let page = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let command = |line: &str| line.split('#').next().unwrap().trim().to_owned();
    block.lines().map(command).filter(|line| line.starts_with("fuse ")).collect()
}

/// Runs a command of the documentation: its exit code, and what it printed.
fn run(fuse: &Fuse, command: &str, id: &str) -> (Option<i32>, String) {
    let mut words: Vec<&str> = command.split_whitespace().skip(1).collect();
    words.iter_mut().filter(|word| **word == "ID").for_each(|word| *word = id);
    fuse.command(&[&words[..], &["--state", ".fuse-local"]].concat())
}

/// Times and hashes replaced, which differ from run to run.
fn stable(text: &str) -> String {
    let time = Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z").unwrap();
    let hash = Regex::new(r"\b[0-9a-f]{12}\b").unwrap();
    let name = Regex::new(r"-[a-z2-7]{16}\b").unwrap();
    let text = time.replace_all(text, "<time>");
    name.replace_all(&hash.replace_all(&text, "<id>"), "-<hash>").into_owned()
}

/// What happened in the last hour, what failed and why, do it again: each is one command.
#[tokio::test]
async fn what_happened_what_failed_and_do_it_again_are_one_command_each() {
    let commands = commands("What happened");
    let [events, failed, shown, again, given_up] = commands.as_slice() else {
        panic!("{commands:#?}")
    };
    let mut fuse = Setup::rules(RULES).start().await;
    let order = |id: &str| json!({ "id": id }).to_string();
    fuse.settled(&fuse.post(DOOR, order("41")).await.event(202)).await;
    fuse.settled(&fuse.post(DOOR, order("42")).await.event(202)).await;
    let mut told = Vec::new();
    let mut tell = |command: &str, (code, printed): (Option<i32>, String)| {
        told.push(format!("$ {command}\n{}exit code {code:?}", stable(&printed)));
    };
    tell(events, run(&fuse, events, ""));
    tell(failed, run(&fuse, failed, ""));
    let letters = fuse.admin("/dead-letters").await.json();
    let of = |event: &str| {
        let letters = letters["letters"].as_array().unwrap();
        let letter = letters.iter().find(|letter| letter["event"] == event).unwrap();
        letter["id"].as_str().unwrap().get(..12).unwrap().to_owned()
    };
    let (letter, other) = (of("42"), of("41"));
    tell(shown, run(&fuse, shown, &letter));
    let log = fuse.log();
    let line = log.lines().find(|line| line.contains("a decision is rejected")).unwrap();
    for part in ["orders/ship", "rules/test.rules:13:8", "WARN"] {
        assert!(line.contains(part), "{part}: {line}");
    }

    // The rule is corrected.
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));
    let path = fuse.folder().join("rules/test.rules");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("body.prefix", "body.prefix ?? \"ship-\"")).unwrap();
    fuse.start_again().await;
    tell(shown, run(&fuse, shown, &letter));
    assert_eq!(fuse.manifests().len(), 2);
    tell(again, run(&fuse, again, &letter));
    fuse.settled("42 (attempt 2)").await;
    assert_eq!(fuse.manifests().len(), 3);
    // A variable that is not set does not select the only dead letter that is left.
    for short in ["", other.get(..3).unwrap()] {
        let (code, printed) = fuse.command(&["discard", short, "--state", ".fuse-local"]);
        assert!(code == Some(2) && printed.contains("at least 4 characters"), "{printed}");
    }
    tell(given_up, run(&fuse, given_up, &other));
    tell(failed, run(&fuse, failed, ""));
    assert_eq!(fuse.metric("fuse_dead_letters").await, Some(0.0));
    // A whole event, with what was done before.
    let whole = again.replace("ID", "42");
    tell(&whole, run(&fuse, &whole, ""));
    fuse.settled("42 (attempt 3)").await;
    assert_eq!(fuse.manifests().len(), 5);
    tell(events, run(&fuse, events, ""));
    insta::assert_snapshot!(told.join("\n\n"));

    let report = fuse.settled("42").await;
    let operations = report["event"]["operations"].as_array().unwrap();
    let done: Vec<_> = operations.iter().map(|one| (&one["by"], &one["event"])).collect();
    let attempts = [json!("42 (attempt 2)"), json!("42 (attempt 3)")];
    assert_eq!(done, [(&json!("local"), &attempts[0]), (&json!("local"), &attempts[1])]);
    let replay = fuse.settled("42 (attempt 2)").await;
    let decisions = replay["decisions"].as_array().unwrap();
    assert!(decisions.iter().all(|one| one["rule"] == "orders/ship"), "{replay:#}");
    // No sender takes the id of an attempt.
    let why = fuse.post(DOOR, order("42 (attempt 4)")).await.error(400);
    assert!(why.contains("reserved for replays"), "{why}");

    // The state of a stopped fuse shows the same, and cannot replay.
    let (_, running) = run(&fuse, events, "");
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));
    assert_eq!(run(&fuse, events, ""), (Some(0), running));
    let (code, printed) = run(&fuse, &whole, "");
    assert!(code == Some(2) && printed.contains("fuse is not running"), "{printed}");
}

#[tokio::test]
async fn events_are_filtered_and_paged() {
    let fuse = Setup::rules(RULES).start().await;
    for id in 0..7 {
        let body = json!({ "id": id.to_string(), "prefix": (id % 2 == 0).then_some("ship-") });
        fuse.settled(&fuse.post(DOOR, body.to_string()).await.event(202)).await;
    }
    let ids = async |query: &str| {
        let (mut ids, mut after) = (Vec::new(), String::new());
        loop {
            let page = fuse.admin(&format!("/events?{query}{after}")).await.json();
            let found = page["events"].as_array().unwrap().clone();
            ids.extend(found.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return ids.join(" "),
            }
        }
    };
    assert_eq!(ids("limit=3").await, "6 5 4 3 2 1 0");
    assert_eq!(ids("limit=2&result=failed").await, "5 3 1");
    assert_eq!(ids("result=fired&rule=orders/ship").await, "6 4 2 0");
    assert_eq!(ids("source=shop&event=order&limit=500").await, "6 5 4 3 2 1 0");
    assert_eq!(ids("source=other").await, "");
    assert_eq!(ids("since=2100-01-01T00:00:00Z").await, "");
    assert_eq!(ids("until=2000-01-01T00:00:00Z").await, "");
    let listed = |flags: &[&str]| -> Vec<Value> {
        let server = fuse.server();
        let given = ["events", "--server", server.as_str(), "--format", "json"];
        let (_, text) = fuse.command(&[&given[..], flags].concat());
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].clone();
        text.lines().map(id).collect()
    };
    assert_eq!(listed(&["--limit", "2"]), ["6", "5"]);
    assert_eq!(listed(&["--result", "failed", "--rule", "orders/ship"]), ["5", "3", "1"]);
    let (_, text) = fuse.command(&["fuses", "--server", &fuse.server()]);
    insta::assert_snapshot!(text);
}

/// The schema of an answer in docs/admin-api.yaml.
fn schema(document: &Value, method: &str, path: &str) -> Validator {
    let content = &document["paths"][path][method]["responses"]["200"]["content"];
    let mut schema = content["application/json"]["schema"].clone();
    schema["components"] = document["components"].clone();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

#[tokio::test]
async fn answers_are_as_the_description_of_the_api_has_them() {
    let text = std::fs::read_to_string(root().join("docs/admin-api.yaml")).unwrap();
    let document: Value = serde_saphyr::from_str(&text).unwrap();
    let fuse = Setup::rules(RULES).start().await;
    fuse.settled(
        &fuse.post(DOOR, json!({ "id": "1", "prefix": "a-" }).to_string()).await.event(202),
    )
    .await;
    fuse.settled(&fuse.post(DOOR, json!({ "id": "2" }).to_string()).await.event(202)).await;
    let token = fuse.token();
    let check = async |method: &str, path: &str, query: &str, body: Value| {
        let (http, body) = match method {
            "get" => (Method::GET, String::new()),
            _ => (Method::POST, body.to_string()),
        };
        let reply = fuse.admin_as(http, &format!("{path}{query}"), token.as_deref(), body).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        let (answer, schema) = (reply.json(), schema(&document, method, path));
        let errors: Vec<String> = schema.iter_errors(&answer).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{path}: {errors:#?}\n{answer:#}");
        answer
    };
    check("post", "/-/reload", "", Value::Null).await;
    let switch = json!({ "to": "on", "for": "2h", "reason": "a test" }).to_string();
    let path = "/fuses/shipping/switch";
    let reply = fuse.admin_as(Method::POST, path, token.as_deref(), switch).await.json();
    assert!(schema(&document, "post", "/fuses/{fuse}/switch").is_valid(&reply), "{reply:#}");
    check("post", "/replay", "", json!({ "id": "1" })).await;
    check("post", "/replay", "", json!({ "id": "1", "dry_run": false })).await;
    fuse.settled("1 (attempt 2)").await;
    for path in ["/healthz", "/readyz", "/events", "/dead-letters", "/held", "/rules", "/fuses"] {
        check("get", path, "", Value::Null).await;
    }
    check("get", "/rules/files", "", Value::Null).await;
    check("get", "/payload", "?event=1&source=shop.order", Value::Null).await;
    for id in ["1", "1%20(attempt%202)", "2"] {
        check("get", "/decisions", &format!("?event={id}"), Value::Null).await;
    }
    let rules = check("get", "/rules", "?limit=1", Value::Null).await;
    assert_eq!(rules["rules"][0]["decisions"], json!({ "fired": 2, "rejected": 1 }), "{rules:#}");
    assert_eq!(rules["rules"][0]["doc"], "Ships an order.");
    let after = rules["next"].as_str().unwrap().replace(' ', "%20");
    let next = check("get", "/rules", &format!("?limit=1&after={after}"), Value::Null).await;
    assert_eq!((&next["rules"][0]["rule"], &next["next"]), (&json!("orders/note"), &Value::Null));
    let other = fuse.admin("/rules?limit=1&after=0000%20orders/ship").await.error(409);
    assert!(other.contains("begin again"), "{other}");

    // The discarded one, by the beginning of its id.
    let letters = fuse.admin("/dead-letters").await.json();
    let id = letters["letters"][0]["id"].as_str().unwrap();
    let path = format!("/dead-letters/{}/discard", id.get(..8).unwrap());
    let reason = json!({ "reason": "a test" }).to_string();
    let reply = fuse.admin_as(Method::POST, &path, token.as_deref(), reason).await.json();
    assert!(schema(&document, "post", "/dead-letters/{id}/discard").is_valid(&reply), "{reply}");
    until("it is gone", async || {
        let left = fuse.admin("/dead-letters").await.json();
        left["letters"].as_array()?.is_empty().then_some(())
    })
    .await;
    let again = fuse.admin_as(Method::POST, &path, token.as_deref(), "").await;
    assert!(again.error(404).contains("there is no dead letter"));
}
