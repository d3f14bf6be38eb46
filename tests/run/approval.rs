//! `approval`: who may answer, what follows, and that nothing is done before or twice, by the running command.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Fuse, Setup, decision, until};

const DOOR: (u16, &str) = (12_000, "/q");

const RULES: &str = "\
source q webhook {\n port = 12000\n path = \"/q\"\n id = body.id
  event e : { id: string, app: string }\n}
sensor s on q.e {
  rule deploy {
    when body.app == \"shop\"
    approval within 1h by \"sre\", \"leads\"
    trigger log { message = \"deploy ${body.app}\" }
    on waiting { trigger log { message = \"may ${outcome.action} deploy ${body.app}?\" } }
    on declined { trigger log { message = \"no deployment of ${body.app}: ${outcome.reason}\" } }
  }
  rule clean {
    when body.app == \"tmp\"
    approval
    trigger log { message = \"clean ${body.app}\" }
  }
}";

const TOKENS: &str = r#"
[admin.tokens]
alice = { env = "ALICE", rights = ["read", "approve"], groups = ["dev", "sre"] }
bob = { env = "BOB", rights = ["read", "approve"], groups = ["dev"] }
operator = { env = "OPERATOR" }
"#;

fn setup() -> Setup {
    let setup = Setup::rules(RULES).toml(TOKENS);
    let names = ["ALICE", "BOB", "OPERATOR"];
    names.iter().fold(setup, |setup, name| setup.variable(name, &name.to_lowercase()))
}

async fn waits(fuse: &Fuse, id: &str, app: &str) -> Value {
    fuse.post(DOOR, json!({ "id": id, "app": app }).to_string()).await.event(202);
    until("it waits", async || {
        let all = fuse.admin("/waiting").await.json();
        all["waiting"].as_array().unwrap().iter().find(|one| one["event"] == id).cloned()
    })
    .await
}

async fn logged(fuse: &Fuse, text: &str) {
    until("it is logged", async || fuse.log().contains(text).then_some(())).await;
}

#[tokio::test]
async fn members_of_the_groups_of_a_rule_approve_it_once() {
    let mut fuse = setup().start().await;
    let waiting = waits(&fuse, "1", "shop").await;
    assert_eq!(waiting["rule"], "s/deploy", "{waiting:#}");
    assert_eq!(waiting["approvers"], json!(["sre", "leads"]), "{waiting:#}");
    let id = waiting["id"].as_str().unwrap().to_owned();
    logged(&fuse, &format!("may {id} deploy shop?")).await;

    let path = format!("/waiting/{id}/approve");
    let body = "{\"reason\": \"checked\"}";
    let asked = async |fuse: &Fuse, token: Option<&str>| {
        fuse.admin_as(Method::POST, &path, token, body).await
    };
    assert!(asked(&fuse, None).await.error(401).contains("approves or declines an action"));
    let why = asked(&fuse, Some("operator")).await.error(403);
    assert!(why.contains("it needs the right `approve`"), "{why}");
    let why = asked(&fuse, Some("bob")).await.error(403);
    let expected = format!(
        "action `{id}` may be approved by members of `sre` or `leads`, and `bob` is not one of them"
    );
    assert_eq!(why, expected);
    assert_eq!(fuse.decisions("1", "waiting").await["event"]["state"], "waiting");

    fuse.kill();
    fuse.start_again().await;
    let answer = asked(&fuse, Some("alice")).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let report = fuse.settled("1").await;
    let deploy = decision(&report, "deploy", None);
    assert_eq!(deploy["outcome"], "fired", "{report:#}");
    let reason = deploy["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("every condition holds, and it was approved by alice at "),
        "{reason}"
    );
    assert!(reason.ends_with(": checked"), "{reason}");
    assert_eq!(asked(&fuse, Some("alice")).await.status, 404);
    fuse.kill();
    fuse.start_again().await;
    assert_eq!(fuse.log().matches("deploy shop\"").count(), 1, "{}", fuse.log());
    assert_eq!(fuse.log().matches(&format!("may {id}")).count(), 1, "{}", fuse.log());
}

#[tokio::test]
async fn what_is_declined_is_not_done_and_its_rule_reacts() {
    let fuse = setup().start().await;
    let waiting = waits(&fuse, "1", "shop").await;
    let id = waiting["id"].as_str().unwrap();
    std::fs::write(fuse.folder().join("alice"), "alice").unwrap();
    let server = fuse.server();
    let asked = ["--server", &server, "--token-file", "alice"];
    let (code, said) = fuse.command(&[&["waiting", "--approval"][..], &asked].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("s/deploy for q.e 1\n  waits for approval, and expires at 20"), "{said}");
    let decline = ["decline", &id[..8], "--reason", "not today"];
    let (code, said) = fuse.command(&[&decline[..], &asked].concat());
    assert_eq!((code, said), (Some(0), format!("declined {id}\n")));
    logged(&fuse, "no deployment of shop: declined by alice at ").await;
    let report = fuse.settled("1").await;
    assert_eq!(decision(&report, "deploy", None)["outcome"], "declined", "{report:#}");
    assert_eq!(fuse.log().matches("deploy shop\"").count(), 0, "{}", fuse.log());
    // An operator may discard what waits, but not decline it.
    let other = waits(&fuse, "2", "shop").await;
    let id = other["id"].as_str().unwrap();
    std::fs::write(fuse.folder().join("operator"), "operator").unwrap();
    let asked = ["--server", &server, "--token-file", "operator"];
    let (code, said) = fuse.command(&[&["decline", id][..], &asked].concat());
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = fuse.command(&[&["discard", id][..], &asked].concat());
    assert_eq!((code, said), (Some(0), format!("discarded {id}\n")));
    let report = fuse.settled("2").await;
    assert_eq!(decision(&report, "deploy", None)["outcome"], "cancelled", "{report:#}");
    let declined = fuse.admin("/events?result=declined").await.json();
    assert_eq!(declined["events"].as_array().unwrap().len(), 1, "{declined:#}");
}

#[tokio::test]
async fn a_stopped_fuse_keeps_the_answer_for_its_next_start() {
    let mut fuse = setup().start().await;
    let clean = waits(&fuse, "1", "tmp").await;
    let deploy = waits(&fuse, "2", "shop").await;
    let other = waits(&fuse, "3", "tmp").await;
    let id = |one: &Value| one["id"].as_str().unwrap().to_owned();
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0), "{}", fuse.log());
    let state = ["--state", ".fuse-local"];
    let command = |arguments: &[&str]| fuse.command(&[arguments, &state].concat());
    let (_, listed) = command(&["waiting"]);
    assert!(listed.ends_with("3 decisions\n"), "{listed}");
    assert_eq!(command(&["approve", &id(&clean)]).0, Some(0));
    // Who asks is known to a running fuse only.
    let (code, said) = command(&["approve", &id(&deploy)]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the rule names who may approve: start fuse"), "{said}");
    assert_eq!(command(&["discard", &id(&other)]).0, Some(0));
    let (code, said) = command(&["decline", "beef"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("nothing that waits for approval has an id"), "{said}");

    fuse.start_again().await;
    let report = fuse.settled("1").await;
    let reason = decision(&report, "clean", None)["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("it was approved by local at "), "{report:#}");
    let other = fuse.settled("3").await;
    assert_eq!(decision(&other, "clean", None)["outcome"], "cancelled", "{other:#}");
    assert_eq!(fuse.log().matches("clean tmp").count(), 1, "{}", fuse.log());
}

#[tokio::test]
async fn rules_that_nobody_could_approve_do_not_start() {
    let mut fuse = Setup::rules(RULES).lay_out();
    let (code, said) = fuse.start_in_vain().await;
    assert_eq!(code, Some(2), "{said}");
    let why =
        "no token of `[admin]` in fuse.toml has the right `approve` and is in \"sre\", \"leads\"";
    assert!(said.contains(why), "{said}");
    assert!(said.contains("rule `s/deploy` (rules/"), "{said}");
}
