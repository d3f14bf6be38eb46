//! `fuse plan` and `fuse bench`

use serde_json::Value;

use super::{fuse, ran, root};

#[test]
fn how_the_seeds_rules_are_evaluated() {
    insta::assert_snapshot!(ran(&["plan", "rules"]));
}

#[test]
fn rules_with_problems_have_no_plan() {
    let output = fuse(&["plan", "tests/corpus/five-mistakes.rules"]);
    assert_eq!(output.status.code(), Some(1));
}

/// What is measured is measured; how fast this machine is, no test says.
#[test]
fn rules_are_measured_on_events() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("events.jsonl");
    let mixed = std::fs::read(root().join("rules/events/alertmanager-mixed.json")).unwrap();
    let mixed: Value = serde_json::from_slice(&mixed).unwrap();
    std::fs::write(&lines, format!("{mixed}\n\n{mixed}\n{{\"alerts\":\n")).unwrap();
    let lines = lines.to_str().unwrap();
    let output = fuse(&[
        "bench",
        "rules",
        "--json",
        "--time",
        "10ms",
        "--source",
        "alertmanager.slo-alerts",
        "--events",
        lines,
        "--events",
        "rules/events/alertmanager-both.json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "no progress but on a terminal");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "events",
            "bytes",
            "rules",
            "matches",
            "ns_per_event",
            "floor_ns_per_event",
            "ratio",
            "load_ms",
            "rss_bytes",
            "rule_hits",
            "refused",
        ]
    );
    assert_eq!(report["events"], 4);
    assert_eq!(report["refused"], 1, "a line that is no JSON");
    assert_eq!(report["rules"], 2);
    assert_eq!(report["matches"], 4);
    assert_eq!(report["rule_hits"]["slo-remediation/argocd-unhealthy"], 3);
    for key in ["ns_per_event", "floor_ns_per_event", "ratio", "load_ms"] {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key}");
    }

    let event = "rules/events/argocd-sync-failed.json";
    let output = fuse(&[
        "bench",
        "rules",
        "--time",
        "10ms",
        "--source",
        "argocd-notifications.notifications",
        "--events",
        event,
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        names,
        ["events", "rules", "deciding", "validating", "ratio", "memory", "matches", "1"],
        "{text}"
    );
}

#[test]
fn what_is_measured_is_named() {
    let event = "rules/events/argocd-sync-failed.json";
    insta::assert_snapshot!(ran(&["bench", "rules", "--events", event]));
    insta::assert_snapshot!(ran(&["bench", "rules", "--events", event, "--source", "a.b"]));
    insta::assert_snapshot!(ran(&[
        "bench",
        "rules",
        "--events",
        "none.jsonl",
        "--source",
        "argocd-notifications.notifications"
    ]));
    insta::assert_snapshot!(ran(&["bench", "rules", "--events", event, "--time", "3"]));
}
