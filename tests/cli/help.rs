//! Help texts, completions, and calls that are refused.

use super::{fuse, ran};

#[test]
fn help_is_for_newcomers() {
    insta::assert_snapshot!("help", ran(&["--help"]));
    for command in [
        "check",
        "lint",
        "explain-code",
        "fmt",
        "explain",
        "infer-type",
        "run",
        "connect",
        "doc",
        "completions",
    ] {
        insta::assert_snapshot!(format!("help-{command}"), ran(&[command, "--help"]));
    }
}

#[test]
fn completions_are_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = fuse(&["completions", shell]);
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains("explain"), "{shell}");
    }
}

#[test]
fn without_a_cluster_run_says_where_it_looked() {
    insta::assert_snapshot!(ran(&["run", "rules"]), @"
    exit 2
    --- stderr
    fuse: no cluster to act on: there is no kubeconfig in ~/.kube/config, KUBECONFIG names none, and this process does not run in a cluster; name one with `--kubeconfig`, or write objects to files with `--local`
    ");
}
