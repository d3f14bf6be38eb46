//! Decisions that wait, by the running command.

use serde_json::{Value, json};

use crate::support::{Fuse, Setup, decision, until};

const DOOR: (u16, &str) = (12_000, "/q");

const RULES: &str = "\
fuse pages default on
source q webhook {\n port = 12000\n path = \"/q\"\n id = body.id
  event e : { id: string, app: string, ok: bool }\n}
sensor s on q.e {
  when not body.ok
  rule page {
    requires pages
    still 10s per body.app unless q.e when body.ok
    trigger log { message = \"page ${body.app}\" }
  }
  rule report {
    quiet 8s per body.app
    limit 1 per 1h
    trigger log { message = \"report ${body.app}\" }
    on suppressed { trigger log { message = \"no report of ${body.app}\" } }
  }
}";

async fn sent(fuse: &Fuse, id: &str, app: &str, ok: bool) -> Value {
    let body = json!({ "id": id, "app": app, "ok": ok }).to_string();
    fuse.post(DOOR, body).await.event(202);
    until("it is decided", async || {
        let report = fuse.admin(&format!("/decisions?event={id}")).await.json();
        (report["event"]["state"] != "queued").then_some(report)
    })
    .await
}

fn outcome<'r>(report: &'r Value, rule: &str) -> (&'r str, &'r str) {
    let decision = decision(report, rule, None);
    (decision["outcome"].as_str().unwrap(), decision["reason"].as_str().unwrap())
}

fn switch(fuse: &Fuse, to: &str) {
    let (code, said) = fuse.command(&["switch", "pages", to, "--server", &fuse.server()]);
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test]
async fn what_waits_acts_once_across_kills_or_is_cancelled() {
    let mut fuse = Setup::rules(RULES).start().await;
    let report = sent(&fuse, "a", "web", false).await;
    let (waiting, why) = outcome(&report, "page");
    assert_eq!(waiting, "waiting", "{report:#}");
    assert!(why.starts_with("`still 10s per \"web\"` waits until 20"), "{why}");
    sent(&fuse, "b", "pay", false).await;
    let listed = fuse.admin("/events?result=waiting").await.json();
    assert_eq!(listed["events"].as_array().unwrap().len(), 2, "{listed:#}");
    assert_eq!(listed["events"][0]["decisions"]["waiting"], 2, "{listed:#}");
    assert_eq!(fuse.metric("fuse_waiting_decisions").await, Some(4.0));
    assert_eq!(fuse.metric("fuse_waiting_decisions{clause=\"still\"}").await, Some(2.0));
    let held_back = "fuse_held_back_total{rule=\"s/report\",clause=\"quiet\",outcome=\"waiting\"}";
    assert_eq!(fuse.metric(held_back).await, Some(2.0));
    let clause = &decision(&report, "page", None)["clause"];
    assert_eq!(clause, "still", "{report:#}");
    sent(&fuse, "c", "pay", true).await;

    fuse.kill();
    fuse.start_again().await;
    let web = fuse.settled("a").await;
    assert_eq!(outcome(&web, "page").0, "fired", "{web:#}");
    let pay = fuse.settled("b").await;
    let cancelled = ("cancelled", "`still 10s per \"pay\"` is cancelled by event `c`");
    assert_eq!(outcome(&pay, "page"), cancelled, "{pay:#}");
    // One of the two reports is over the limit, and its reaction tells.
    let reports = [outcome(&web, "report").0, outcome(&pay, "report").0];
    assert_eq!(reports, ["fired", "suppressed"], "{web:#}\n{pay:#}");
    fuse.kill();
    fuse.start_again().await;
    let log = fuse.log();
    for (text, count) in
        [("page web", 1), ("page pay", 0), ("report web", 1), ("no report of pay", 1)]
    {
        assert_eq!(log.matches(text).count(), count, "{text} in {log}");
    }
}

/// What is over the limit acts in the order of arrival, also across kills, and at once when the limit is raised.
#[tokio::test]
async fn what_is_over_a_limit_waits_for_its_turn() {
    let rules = |count: u32| {
        format!(
            "source q webhook {{\n port = 12000\n path = \"/q\"\n id = body.id
  event e : {{ id: string, app: string, ok: bool }}\n}}
limiter api {{ limit {count} per 1h }}
sensor s on q.e {{
  rule page {{ limit api else wait  trigger log {{ message = \"page ${{body.app}}\" }} }}
}}"
        )
    };
    let mut fuse = Setup::rules(&rules(1)).start().await;
    assert_eq!(outcome(&sent(&fuse, "a", "web", true).await, "page").0, "fired");
    let expected = ["1 of 1 within 1h", "1 of 1 within 1h, 1 waits before it"];
    for (id, expected) in ["b", "c"].into_iter().zip(expected) {
        let report = sent(&fuse, id, id, true).await;
        let (waiting, why) = outcome(&report, "page");
        assert_eq!(waiting, "waiting", "{report:#}");
        assert!(why.starts_with("`limit api else wait` waits until 20"), "{why}");
        assert!(why.ends_with(expected), "{why}");
    }
    fuse.kill();
    fuse.start_again().await;
    assert_eq!(fuse.metric("fuse_waiting_decisions").await, Some(2.0));
    let raised = rules(2).replace("= 12000", &format!("= {}", fuse.port(DOOR.0)));
    std::fs::write(fuse.folder().join("rules/test.rules"), raised).unwrap();
    fuse.hang_up();
    let report = fuse.settled("b").await;
    assert_eq!(outcome(&report, "page").0, "fired", "{report:#}");
    assert_eq!(fuse.metric("fuse_waiting_decisions").await, Some(1.0));
    let report = fuse.admin("/decisions?event=c").await.json();
    let (waiting, why) = outcome(&report, "page");
    assert_eq!(waiting, "waiting", "{report:#}");
    assert!(why.ends_with("2 of 2 within 1h"), "{why}");
}

#[tokio::test]
async fn a_fuse_that_is_off_holds_what_waited() {
    let fuse = Setup::rules(RULES).start().await;
    sent(&fuse, "a", "web", false).await;
    switch(&fuse, "off");
    let held = until("the action is held", async || {
        let held = fuse.admin("/held").await.json();
        let mut all = held["actions"].as_array().unwrap().iter();
        all.find(|one| one["rule"] == "s/page" && one["state"] == "held").cloned()
    })
    .await;
    assert_eq!(held["fuses"], json!(["pages"]), "{held:#}");
    switch(&fuse, "on");
    let report = fuse.settled("a").await;
    assert_eq!(decision(&report, "page", None)["action"]["state"], "done", "{report:#}");
}

const HOLDS: &str = "\
fuse deploys default off
source q webhook {\n port = 12000\n path = \"/q\"\n id = body.id
  event e : { id: string, app: string }\n}
sensor s on q.e {
  rule deploy {
    requires deploys else hold 2h
    trigger log { message = \"deploy ${body.app}\" }
  }
  rule brief {
    requires deploys else hold 1s
    trigger log { message = \"brief ${body.app}\" }
    on expired { trigger log { message = \"too late for ${body.app}\" } }
  }
}";

#[tokio::test]
async fn what_waits_for_a_fuse_acts_when_it_is_switched_on_also_after_a_kill() {
    let mut fuse = Setup::rules(HOLDS).start().await;
    for (id, app) in [("a", "web"), ("b", "pay")] {
        fuse.post(DOOR, json!({ "id": id, "app": app }).to_string()).await.event(202);
    }
    until("the brief wait is over", async || {
        let report = fuse.admin("/decisions?event=a").await.json();
        let is_decided = report["event"]["state"] != "queued";
        (is_decided && outcome(&report, "brief").0 == "expired").then_some(())
    })
    .await;
    let report = fuse.admin("/decisions?event=a").await.json();
    let (waiting, why) = outcome(&report, "deploy");
    assert_eq!(waiting, "waiting", "{report:#}");
    let begin =
        "`requires deploys else hold 2h` waits for the fuse `deploys`, which is off, at most until";
    assert!(why.starts_with(begin), "{why}");
    let (code, listed) = fuse.command(&["waiting", "--server", &fuse.server()]);
    assert!(code == Some(0) && listed.contains(begin), "{listed}");

    // A kill in the middle of a reaction would have it told again.
    until("both reactions are done", async || {
        let done = fuse.metric("fuse_actions_total{trigger=\"log\",result=\"done\"}").await;
        (done == Some(2.0)).then_some(())
    })
    .await;
    fuse.kill();
    fuse.start_again().await;
    let on = ["switch", "deploys", "on", "--server"];
    let (code, said) = fuse.command(&[&on[..], &[fuse.server().as_str()]].concat());
    assert_eq!(code, Some(0), "{said}");
    for id in ["a", "b"] {
        let report = fuse.settled(id).await;
        assert_eq!(outcome(&report, "deploy").0, "fired", "{report:#}");
    }
    // Nothing waits while it is on.
    fuse.post(DOOR, json!({ "id": "c", "app": "new" }).to_string()).await.event(202);
    assert_eq!(outcome(&fuse.settled("c").await, "deploy").0, "fired");
    fuse.kill();
    fuse.start_again().await;
    let log = fuse.log();
    for text in ["deploy web", "deploy pay", "deploy new", "too late for web", "brief new"] {
        assert_eq!(log.matches(text).count(), 1, "{text} in {log}");
    }
}
