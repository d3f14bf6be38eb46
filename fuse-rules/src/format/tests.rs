//! Layouts of whole files.

use super::*;

#[test]
fn scratch() {
    for name in [
        "sources",
        "slo-remediation",
        "app-provisioning",
        "argocd-notifications",
        "std/alertmanager",
    ] {
        let text = std::fs::read_to_string(format!("../rules/{name}.rules")).unwrap();
        let out = format(name, &text).map_err(|e| e.to_string()).unwrap();
        println!("{}", out);
        assert_eq!(out, text);
    }
}
