use serde_json::json;

use crate::support::{ALERTS, Setup, decision, example, outcomes};

#[tokio::test]
async fn a_gated_rule_is_visible_and_so_is_why_the_other_alert_did_not_match() {
    let fuse = Setup::seed().start().await;
    let id = fuse.post(ALERTS, example("alertmanager-mixed.json")).await.event(202);
    let report = fuse.settled(&id).await;

    let gated = decision(&report, "argocd-unhealthy", Some(0));
    assert_eq!(gated["outcome"], "gated", "{report:#}");
    let reason = gated["reason"].as_str().unwrap();
    assert!(reason.contains("cicd"), "{reason}");
    assert_eq!(gated["action"], serde_json::Value::Null);

    let resolved = decision(&report, "argocd-unhealthy", Some(1));
    assert_eq!(resolved["outcome"], "not-matched", "{report:#}");
    let reason = resolved["reason"].as_str().unwrap();
    assert!(reason.contains("alert.status") && reason.contains("resolved"), "{reason}");

    let other_rule = decision(&report, "externalsecret-failure", Some(0));
    assert_eq!(other_rule["outcome"], "not-matched", "{report:#}");
    let reason = other_rule["reason"].as_str().unwrap();
    assert!(reason.contains("argocd-application-health"), "{reason}");
    assert_eq!(
        other_rule["conditions"],
        json!([
            {
                "text": "alert.status == \"firing\"",
                "place": "rules/slo-remediation.rules:12:8",
                "form": "test",
                "truth": true,
                "deciding": false,
                "found": [{ "path": "alert.status", "value": "\"firing\"" }],
            },
            {
                "text": "alert.labels.slo == \"externalsecrets-sync-success\"",
                "place": "rules/slo-remediation.rules:31:10",
                "form": "test",
                "truth": false,
                "deciding": true,
                "found": [{ "path": "alert.labels.slo", "value": "\"argocd-application-health\"" }],
            },
        ])
    );
    // Those of a decision on record, too.
    assert_eq!(gated["conditions"][1]["deciding"], true, "{report:#}");

    assert_eq!(outcomes(&report).into_iter().collect::<Vec<_>>(), ["gated", "not-matched"]);
    assert!(fuse.manifests().is_empty());
}

#[tokio::test]
async fn with_the_fuse_on_one_manifest_is_written_and_a_repetition_changes_nothing() {
    let mut fuse = Setup::seed().armed().start().await;
    let body = example("alertmanager-mixed.json");
    let first = fuse.post_as(ALERTS, "1", body.clone()).await;
    let id = first.event(202);
    let report = fuse.settled(&id).await;

    let fired = decision(&report, "argocd-unhealthy", Some(0));
    assert_eq!(fired["outcome"], "fired", "{report:#}");
    assert_eq!(fired["action"]["state"], "done", "{report:#}");
    let written = fuse.manifests();
    assert_eq!(fired["action"]["object"], fuse.manifest());

    let file = fuse.out().join(written.keys().next().unwrap());
    let bytes = std::fs::read_to_string(&file).unwrap();
    insta::assert_snapshot!("manifest", bytes);
    // The file is as durable as its name, and its name is the object's.
    let name = fuse.manifest()["metadata"]["name"].as_str().unwrap().to_owned();
    assert_eq!(file.file_name().unwrap().to_str().unwrap(), format!("{name}.json"));

    let made = std::fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(fuse.post_as(ALERTS, "1", body.clone()).await.event(200), id);
    assert_eq!(fuse.settled(&id).await, report);
    assert_eq!(fuse.manifests(), written);

    // Nor do a `kill -9` and a restart, whoever asks afterwards.
    fuse.kill();
    fuse.start_again().await;
    assert_eq!(fuse.settled(&id).await, report);
    assert_eq!(fuse.post_as(ALERTS, "1", body).await.event(200), id);
    assert_eq!(fuse.settled(&id).await, report);
    assert_eq!(fuse.manifests(), written);
    assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), made);
}

/// What a person does first: the folder is fresh, and `fuse.toml` arms the rules.
#[tokio::test]
async fn fuse_toml_turns_a_fuse_on_and_the_environment_is_over_it() {
    let mut fuse = Setup::seed().toml("[fuses]\ncicd = true\n").start().await;
    let body = example("alertmanager-mixed.json");
    let id = fuse.post_as(ALERTS, "1", body.clone()).await.event(202);
    fuse.settled(&id).await;
    assert_eq!(fuse.manifests().len(), 1);

    fuse.kill();
    fuse.set("FUSE_CICD", "off");
    fuse.start_again().await;
    let id = fuse.post_as(ALERTS, "2", body).await.event(202);
    let report = fuse.settled(&id).await;
    assert_eq!(decision(&report, "argocd-unhealthy", Some(0))["outcome"], "gated");
    assert_eq!(fuse.manifests().len(), 1);
}

/// The name follows from the event's id, so that somebody may have taken it.
#[tokio::test]
async fn a_file_of_somebody_else_stays_and_the_action_becomes_a_dead_letter() {
    const NAME: &str = "remediate-argocd-wa74sj5z4lyivuzq.json";
    let fuse = Setup::seed().armed().start().await;
    std::fs::write(fuse.out().join(NAME), "{\"mine\": true}").unwrap();
    let body = example("alertmanager-mixed.json");
    let id = fuse.post_as(ALERTS, "1", body).await.event(202);
    let report = fuse.settled(&id).await;
    let action = &decision(&report, "argocd-unhealthy", Some(0))["action"];
    assert_eq!(action["state"], "dead-lettered", "{report:#}");
    assert_eq!(action["kind"], "conflict", "{report:#}");
    let reason = action["reason"].as_str().unwrap();
    assert!(reason.contains(NAME), "{reason}");
    assert_eq!(fuse.manifest(), serde_json::json!({"mine": true}));
    assert_eq!(fuse.metric("fuse_dead_letters").await, Some(1.0));
}

#[tokio::test]
async fn a_report_says_when_the_rules_are_not_those_that_decided() {
    let mut fuse = Setup::seed().armed().start().await;
    let body = example("alertmanager-mixed.json");
    let id = fuse.post_as(ALERTS, "1", body).await.event(202);
    assert!(fuse.settled(&id).await["note"].is_null());
    fuse.kill();
    let rules = fuse.folder().join("rules/slo-remediation.rules");
    let text = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, text.replace("argocd-unhealthy {", "renamed {")).unwrap();
    fuse.start_again().await;
    let report = fuse.settled(&id).await;
    assert!(report["note"].as_str().unwrap().contains("the rules have changed"));
    let fired = decision(&report, "argocd-unhealthy", Some(0));
    assert_eq!(fired["action"]["state"], "done", "{report:#}");
    assert_eq!(fuse.manifests().len(), 1);
}
