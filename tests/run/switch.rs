//! Fuses that are switched while fuse runs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Door, Fuse, JOB_OF_LINE, Reply, Setup, until};

const FUSES: &str = "
# The line to the shop.
fuse line default on
fuse other default off
fuse fixed default off
";
const DOOR: Door = (12_000, "/e");
const BY_FUSE: &str = "held by fuse: the fuse `line` is off";

fn rules() -> String {
    [FUSES, JOB_OF_LINE].concat()
}

/// `fuse switch`: its exit code, and what it printed.
fn switch(fuse: &Fuse, arguments: &[&str]) -> (Option<i32>, String) {
    let server = fuse.server();
    fuse.command(&[&["switch"], arguments, &["--server", &server]].concat())
}

async fn post(fuse: &Fuse, name: &str, body: &Value) -> Reply {
    let path = format!("/fuses/{name}/switch");
    fuse.admin_as(Method::POST, &path, fuse.token().as_deref(), body.to_string()).await
}

/// The fuse with this name, as the admin port shows it.
async fn shown(fuse: &Fuse, name: &str) -> Value {
    let fuses = fuse.admin("/fuses").await.json();
    let all = fuses["fuses"].as_array().unwrap();
    all.iter().find(|one| one["fuse"] == name).unwrap().clone()
}

/// What the rule does with a new event.
async fn outcome(fuse: &Fuse, id: &str) -> String {
    let event = fuse.post_as(DOOR, id, "{}").await.event(202);
    let report = fuse.settled(&event).await;
    report["decisions"][0]["outcome"].as_str().unwrap().to_owned()
}

async fn held_for(fuse: &Fuse, reason: &str) {
    until(reason, async || {
        let held = fuse.admin("/held").await.json();
        let all = held["actions"].as_array()?;
        let is_held = |one: &Value| one["reason"].as_str().is_some_and(|it| it.contains(reason));
        (!all.is_empty() && all.iter().all(is_held)).then_some(())
    })
    .await;
}

/// The kill switch: what was decided before is not performed, also after `kill -9`, until it is switched on.
#[tokio::test]
async fn a_fuse_that_is_switched_off_stops_held_actions_through_kill_9() {
    let mut fuse = Setup::rules(&rules()).lay_out();
    // A file where the folder should be, which stops root as well.
    std::fs::write(fuse.out(), "").unwrap();
    fuse.start_again().await;
    for id in ["1", "2"] {
        fuse.post_as(DOOR, id, "{}").await.event(202);
    }
    held_for(&fuse, "cannot").await;

    let (code, printed) = switch(&fuse, &["line", "off", "--reason", "the shop is closed"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.starts_with("line is off: switched by local at 20"), "{printed}");
    assert!(printed.ends_with("Z because: the shop is closed\n"), "{printed}");
    // At once for decisions, and nothing is made once it could be.
    assert_eq!(outcome(&fuse, "3").await, "gated");
    fuse.kill();
    std::fs::remove_file(fuse.out()).unwrap();
    fuse.start_again().await;
    held_for(&fuse, BY_FUSE).await;
    assert_eq!(outcome(&fuse, "4").await, "gated");
    let line = shown(&fuse, "line").await;
    assert_eq!((&line["on"], &line["origin"]), (&json!(false), &json!("switched")), "{line:#}");
    assert_eq!(line["switched"]["by"], "local");
    let off = "fuse_fuse_on{fuse=\"line\",origin=\"switched\"}";
    assert_eq!(fuse.metric(off).await, Some(0.0));
    let ready = fuse.admin("/readyz").await.json();
    let warning = ready["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("the fuse `line` is switched off since 20"), "{ready}");
    assert!(warning.ends_with('Z'), "{warning}");
    let logged = "\"message\":\"a fuse is switched\"";
    fuse.logged(logged).await;
    fuse.assert_stays(std::time::Duration::from_secs(3)).await;
    assert!(fuse.manifests().is_empty());

    let (code, printed) = switch(&fuse, &["line", "on"]);
    assert_eq!(code, Some(0), "{printed}");
    until("both are made", async || (fuse.manifests().len() == 2).then_some(())).await;
    assert_eq!(outcome(&fuse, "5").await, "fired");
}

/// What is pending when a fuse that drops is switched off is given up, and can be replayed.
#[tokio::test]
async fn a_fuse_can_drop_what_is_pending() {
    let rules = rules().replace("fuse line default on", "fuse line default on { pending = drop }");
    let mut fuse = Setup::rules(&rules).lay_out();
    std::fs::write(fuse.out(), "").unwrap();
    fuse.start_again().await;
    let event = fuse.post_as(DOOR, "1", "{}").await.event(202);
    fuse.post_as(DOOR, "2", "{}").await.event(202);
    held_for(&fuse, "cannot").await;
    assert_eq!(switch(&fuse, &["line", "off", "--reason", "too late"]).0, Some(0));
    let report = fuse.settled(&event).await;
    let action = &report["decisions"][0]["action"];
    assert_eq!((&action["state"], &action["kind"]), (&json!("dead-lettered"), &json!("dropped")));
    let reason = action["reason"].as_str().unwrap();
    let start = "dropped: the fuse `line` is off, switched by `local` at 20";
    assert!(reason.starts_with(start) && reason.ends_with("Z: too late"), "{reason}");
    until("both are dead letters", async || {
        (fuse.metric("fuse_dead_letters").await? == 2.0).then_some(())
    })
    .await;
    let server = fuse.server();
    let (_, letters) = fuse.command(&["dead-letters", "--server", &server]);
    assert_eq!(letters.matches("dropped: the fuse `line` is off").count(), 2, "{letters}");

    std::fs::remove_file(fuse.out()).unwrap();
    assert_eq!(switch(&fuse, &["line", "on"]).0, Some(0));
    assert_eq!(outcome(&fuse, "3").await, "fired");
    assert_eq!(fuse.manifests().len(), 1);
    let id = action["id"].as_str().unwrap();
    let (code, printed) = fuse.command(&["replay", id, "--yes", "--server", &server]);
    assert_eq!(code, Some(0), "{printed}");
    until("it is made", async || (fuse.manifests().len() == 2).then_some(())).await;
}

/// The environment, then a switch, then fuse.toml, then the rules.
#[tokio::test]
async fn what_sets_a_fuse_has_an_order() {
    let fuse = Setup::rules(&rules())
        .variable("FUSE_FIXED", "on")
        .toml("[fuses]\nline = false\nfixed = false\n")
        .start()
        .await;
    let state = async |name: &str| {
        let line = shown(&fuse, name).await;
        (line["on"].as_bool().unwrap(), line["origin"].as_str().unwrap().to_owned())
    };
    assert_eq!(state("fixed").await, (true, "environment".into()));
    assert_eq!(state("line").await, (false, "configuration".into()));
    assert_eq!(state("other").await, (false, "default".into()));

    assert_eq!(switch(&fuse, &["line", "on"]).0, Some(0));
    assert_eq!(switch(&fuse, &["other", "on"]).0, Some(0));
    assert_eq!(outcome(&fuse, "1").await, "fired");
    // A reload keeps the switches.
    let toml = fuse.folder().join("fuse.toml");
    std::fs::write(&toml, "[fuses]\nline = false\nother = false\nfixed = false\n").unwrap();
    let token = fuse.token();
    let reloaded = fuse.admin_as(Method::POST, "/-/reload", token.as_deref(), "").await;
    assert_eq!(reloaded.status, 200, "{reloaded:?}");
    assert_eq!(outcome(&fuse, "2").await, "fired");
    assert_eq!(state("other").await, (true, "switched".into()));

    let (code, printed) = switch(&fuse, &["line", "reset", "--reason", "done"]);
    assert_eq!((code, printed.as_str()), (Some(0), "line is off: fuse.toml\n"));
    assert_eq!(outcome(&fuse, "3").await, "gated");

    let (code, printed) = switch(&fuse, &["fixed", "off"]);
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(printed.trim_end(), @"fuse: `FUSE_FIXED` in the environment of fuse sets the fuse `fixed` to on, which no switch can change: remove the variable and restart fuse");
    let (code, printed) = switch(&fuse, &["lime", "off"]);
    assert_eq!(code, Some(2));
    insta::assert_snapshot!(printed.trim_end(), @"fuse: the rules declare no fuse `lime`; did you mean `line`?");
    assert_eq!(post(&fuse, "fixed", &json!({ "to": "off" })).await.status, 409);
    assert_eq!(post(&fuse, "lime", &json!({ "to": "off" })).await.status, 404);
    for (body, why) in [
        (json!({}), "missing field `to`"),
        (json!({ "to": "of" }), "unknown variant `of`"),
        (json!({ "to": "off", "for": "soon" }), "`for` is `soon`, which is not a duration"),
        (json!({ "to": "off", "for": "0s" }), "it must be more than 0 and at most 10 years"),
        (json!({ "to": "reset", "for": "2h" }), "`for` does not apply to `reset`"),
    ] {
        let error = post(&fuse, "line", &body).await.error(400);
        assert!(error.contains(why), "{body}: {error}");
    }

    let (code, list) = fuse.command(&["fuses", "--server", &fuse.server()]);
    assert_eq!(code, Some(0), "{list}");
    let times = regex::Regex::new(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap();
    insta::assert_snapshot!(times.replace_all(&list, "TIME"));
}

/// A switch with an end ends by itself, also while fuse does not run.
#[tokio::test]
async fn a_switch_ends_by_itself() {
    let mut fuse = Setup::rules(&rules()).start().await;
    let (code, printed) = switch(&fuse, &["line", "off", "--for", "2h"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.ends_with("Z for 2h\n"), "{printed}");
    let line = shown(&fuse, "line").await;
    let time = |name: &str| line["switched"][name].as_str().unwrap().parse::<jiff::Timestamp>();
    let lasts = time("until").unwrap().duration_since(time("at").unwrap());
    assert!((lasts.as_secs() - 7200).abs() < 60, "{line:#}");

    let (code, printed) = switch(&fuse, &["line", "off", "--for", "1s"]);
    assert_eq!(code, Some(0), "{printed}");
    until("it has ended", async || {
        (shown(&fuse, "line").await["origin"] == "default").then_some(())
    })
    .await;
    assert_eq!(outcome(&fuse, "1").await, "fired");
    let ended = "\"message\":\"the switch of a fuse has ended\"";
    fuse.logged(ended).await;
    // The one before does not come back.
    fuse.kill();
    fuse.start_again().await;
    assert_eq!(outcome(&fuse, "2").await, "fired");
    assert_eq!(shown(&fuse, "line").await["changes"].as_array().unwrap().len(), 2);
}
