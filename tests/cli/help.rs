//! Help texts, completions, and calls that are refused.

use super::{fuse, ran};

#[test]
fn help_is_for_newcomers() {
    insta::assert_snapshot!("help", ran(&["--help"]));
    for command in ["check", "explain", "run", "connect", "completions"] {
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
fn run_without_local_says_what_this_version_cannot_do() {
    insta::assert_snapshot!(ran(&["run", "rules"]), @r#"
    exit 2
    --- stderr
    fuse: no cluster to act on: there is no usable kubeconfig, and this is no pod of a cluster (failed to infer config: in-cluster: (failed to read an incluster environment variable: environment variable not found), kubeconfig: (failed to read kubeconfig from '"/root/.kube/config"': No such file or directory (os error 2))); set KUBECONFIG, or write objects to files with `--local`
    "#);
}
