use serde_json::{Value, json};

use crate::support::{ALERTS, Setup, example};

const DOOR: (u16, &str) = (12_000, "/q");

/// Twice fifty rules and one, of which events match the first one at most.
fn many() -> String {
    let rule = |i: usize| {
        format!("  rule r{i:03} {{ when body.a == {i}  trigger log {{ message = \"m\" }} }}\n")
    };
    let rules: String = (0..=100).map(rule).collect();
    format!(
        "source q webhook {{\n port = 12000\n path = \"/q\"\n id = body.id\n event e\n}}\nsensor s on q.e {{\n{rules}}}"
    )
}

#[tokio::test]
async fn what_would_make_rules_match_is_told_with_the_decisions() {
    let fuse = Setup::seed().start().await;
    let id = fuse.post(ALERTS, example("alertmanager-mixed.json")).await.event(202);
    let report = fuse.settled(&id).await;
    // The rule that matches one of the two alerts does not stand there.
    insta::assert_json_snapshot!(report["would_match"]);
    assert_eq!(report["note"], Value::Null);

    // Nothing is told where nothing is to be told.
    let id = fuse.post(ALERTS, example("alertmanager-both.json")).await.event(202);
    assert_eq!(fuse.settled(&id).await["would_match"], Value::Null);
}

#[tokio::test]
async fn of_many_rules_some_are_looked_at_and_the_others_on_request() {
    let fuse = Setup::rules(&many()).start().await;
    let id = fuse.post(DOOR, json!({ "id": "1", "a": 0 }).to_string()).await.event(202);
    let report = fuse.settled(&id).await;
    // Of the page, one rule matches.
    assert_eq!(report["decisions"].as_array().unwrap().len(), 100);
    assert_eq!(report["would_match"].as_object().unwrap().len(), 50);
    let note = report["note"].as_str().unwrap();
    assert!(note.contains("49 of the rules") && note.contains("&rule="), "{note}");
    let rest = fuse.admin(report["next"].as_str().unwrap()).await.json();
    assert_eq!(rest["decisions"].as_array().unwrap().len(), 1);
    assert_eq!(rest["would_match"].as_object().unwrap().len(), 1);
    assert_eq!((&rest["next"], &rest["note"]), (&Value::Null, &Value::Null));

    let report = fuse.admin("/decisions?event=1&rule=s/r100").await.json();
    let [decision] = report["decisions"].as_array().unwrap().as_slice() else {
        panic!("{report:#}");
    };
    assert_eq!(
        (&decision["rule"], &decision["outcome"]),
        (&json!("s/r100"), &json!("not-matched"))
    );
    let changes = json!([{ "path": "body.a", "from": "0", "to": "100" }]);
    assert_eq!(report["would_match"], json!({ "s/r100": { "changes": changes } }));
    assert_eq!(report["note"], Value::Null);

    // One on record, and one that there is not.
    let report = fuse.admin("/decisions?event=1&rule=s/r000").await.json();
    assert_eq!(report["decisions"].as_array().unwrap().len(), 1, "{report:#}");
    assert_eq!(report["decisions"][0]["action"]["state"], "done", "{report:#}");
    assert_eq!(report["would_match"], Value::Null);
    let why = fuse.admin("/decisions?event=1&rule=s/r00").await.error(404);
    assert!(why.contains("`s/r00` for `q.e`; did you mean `s/r000`?"), "{why}");
    let why = fuse.admin("/decisions?event=1&rule=r007").await.error(404);
    assert!(why.contains("did you mean `s/r007`?"), "{why}");
}

#[tokio::test]
async fn what_would_make_rules_match_is_not_told_of_other_rules_than_those_that_decided() {
    let mut fuse = Setup::rules(&many()).start().await;
    let id = fuse.post(DOOR, json!({ "id": "1", "a": 0 }).to_string()).await.event(202);
    fuse.settled(&id).await;
    fuse.kill();
    let rules = fuse.folder().join("rules/test.rules");
    let text = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, text.replace("rule r000", "rule renamed")).unwrap();
    fuse.start_again().await;
    let report = fuse.settled(&id).await;
    assert_eq!(report["would_match"], Value::Null);
    assert!(report["note"].as_str().unwrap().contains("the rules have changed"), "{report:#}");
    // The rule that is gone is still known by what it did.
    let report = fuse.admin("/decisions?event=1&rule=s/r000").await.json();
    assert_eq!(report["decisions"][0]["outcome"], "fired", "{report:#}");
}
