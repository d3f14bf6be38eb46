//! Slips in the rules that this repository came from: each is caught at its place, with the way out.

use std::path::Path;

use super::{ran_in, root};

/// The rules with one edit, as `fuse lint` sees them beside the templates of the deployment.
fn edited(file: &str, from: &str, to: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(root().join("rules")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "rules") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let mut text = std::fs::read_to_string(&path).unwrap();
            if name == file {
                assert!(text.contains(from), "{from}");
                text = text.replacen(from, to, 1);
                // A test that expects what is not given any more would be told first.
                if to.contains("app-nme") || to.is_empty() {
                    text.truncate(text.find("\ntest ").unwrap());
                }
            }
            std::fs::write(folder.path().join(name), text).unwrap();
        }
    }
    let templates = root().join("deploy/workflows");
    lint(folder.path(), templates.to_str().unwrap())
}

fn lint(folder: &Path, templates: &str) -> String {
    let told = ran_in(folder, &["lint", ".", "--templates", templates]);
    told.replace(root().to_str().unwrap(), "ROOT")
}

#[test]
fn each_slip_is_caught() {
    let slo = "slo-remediation.rules";
    let found = [
        (slo, "alert.labels.slo ==", "alert.labls.slo =="),
        (slo, "alert.status == \"firing\"", "alert.status == \"fireing\""),
        (slo, "when alert.labels.slo == \"argocd", "when body.alerts[0].labels.slo == \"argocd"),
        (slo, "when alert.status", "when body.status"),
        (slo, "app-name  = alert.labels.name", "app-nme   = alert.labels.name"),
        (slo, "        app-name  = alert.labels.name\n", ""),
        (
            slo,
            "    when alert.labels.slo == \"argocd-application-health\"\n",
            "    when alert.labels.slo == \"argocd-application-health\"\n    when alert.labels.slo starts-with \"external\"\n",
        ),
        (
            slo,
            "  rule argocd-unhealthy {",
            "  # The same once more, for payments alone.\n  rule payments {\n    when alert.labels.slo == \"argocd-application-health\" and alert.labels.name == \"payments\"\n    once per alert.fingerprint, alert.startsAt within 4h\n    concurrency healing per alert.labels.name, alert.labels.dest_namespace\n    trigger workflow {\n      template    = \"remediate-argocd-unhealthy\"\n      name-prefix = \"remediate-argocd-\"\n      parameters {\n        app-name  = alert.labels.name\n        namespace = alert.labels.dest_namespace\n      }\n    }\n  }\n\n  # Force-syncs.\n  rule argocd-unhealthy {",
        ),
    ]
    .map(|(file, from, to)| format!("{from} -> {to}\n{}", edited(file, from, to)));
    insta::assert_snapshot!(found.join("\n----\n"));
}

#[test]
fn the_rules_as_they_are_are_clean() {
    let found = lint(&root().join("rules"), root().join("deploy/workflows").to_str().unwrap());
    assert!(found.starts_with("exit 0\nnothing found"), "{found}");
}
