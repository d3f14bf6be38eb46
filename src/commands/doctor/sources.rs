//! Checks of sources: their secrets, and whether they authenticate their senders.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fuse_rules::Ruleset;
use fuse_runtime::Config;
use fuse_runtime::kubernetes::{Finding, Report};
use fuse_runtime::requirements::Requirement;
use fuse_runtime::secrets::{SecretError, SecretRef, Secrets};

use super::super::kinds;

/// How long reading a secret may take, for example from a network file system.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// How many sources a warning names.
const MAX_NAMED: usize = 10;

/// Adds missing secrets of sources and triggers, and open webhooks, to a report.
pub(super) async fn examine(
    report: &mut Report,
    ruleset: &Ruleset,
    config: &Config,
    store: &Secrets,
) {
    for (reference, needed_by) in secrets(ruleset) {
        report.checked = report.checked.saturating_add(1);
        let read = tokio::time::timeout(READ_WITHIN, store.read(&reference)).await;
        let read = read.unwrap_or_else(|_elapsed| {
            Err(SecretError::io(&reference, std::io::ErrorKind::TimedOut.into()))
        });
        let Err(why) = read else { continue };
        let fix = match why {
            SecretError::Unsupported(_) => {
                "set `dir` in `[secrets]` of fuse.toml to the folder in which the secrets are mounted"
            }
            _ => "provide it where fuse runs, and run `fuse doctor` there",
        };
        report.problems.push(Finding {
            what: why.to_string(),
            fix: fix.to_owned(),
            rules: needed_by.into_iter().collect(),
        });
        report.ready = false;
    }
    let address = config.listen.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let open = open_sources(ruleset);
    if !address.is_loopback() && !open.is_empty() {
        let named: Vec<String> = open.iter().take(MAX_NAMED).cloned().collect();
        let more = match open.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        report.warnings.push(Finding {
            what: format!(
                "webhooks without `auth` accept events from anyone who reaches them: {}{more}",
                named.join(", ")
            ),
            fix: "add `auth` to these sources, or restrict who reaches their ports".to_owned(),
            rules: Vec::new(),
        });
    }
}

/// The secrets to which the rules refer, each with the sources and rules that need it.
pub(super) fn secrets(ruleset: &Ruleset) -> BTreeMap<SecretRef, BTreeSet<String>> {
    let (sources, triggers) = kinds();
    let mut secrets: BTreeMap<SecretRef, BTreeSet<String>> = BTreeMap::new();
    for (reference, names) in sources.secrets(ruleset) {
        let names = names.into_iter().map(|name| format!("source {name}"));
        secrets.entry(reference).or_default().extend(names);
    }
    for required in triggers.requirements(ruleset) {
        if let Requirement::Secret(reference) = required.requirement {
            secrets.entry(reference).or_default().insert(required.rule);
        }
    }
    secrets
}

/// The webhooks without `auth`.
fn open_sources(ruleset: &Ruleset) -> BTreeSet<String> {
    let webhooks = ruleset.events().filter(|event| event.kind == "webhook");
    let open = webhooks.filter(|event| !event.fields.contains_key("auth"));
    open.map(|event| event.source.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn missing_secrets_and_open_webhooks_are_reported() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("ci")).unwrap();
        std::fs::write(dir.path().join("ci/password"), "s3cr3t").unwrap();
        let text = r#"
            source open webhook { port = 1, path = "/", event e }
            source locked webhook {
              port = 2, path = "/"
              auth {
                any {
                  basic { username = "ci", password = secret("ci", "password") }
                  bearer { token = [secret("ci", "new"), secret("ci", "old")] }
                }
              }
              event e
            }
        "#;
        let ruleset = Ruleset::parse("x.rules", text, &super::super::super::known_kinds()).unwrap();
        let toml = format!("[secrets]\ndir = {:?}", dir.path());
        let config: Config = toml.parse().unwrap();
        let mut report = Report { ready: true, ..Report::default() };
        let store = Secrets::new(config.secrets.store());
        examine(&mut report, &ruleset, &config, &store).await;
        let found = |findings: &[Finding]| {
            findings
                .iter()
                .map(|found| (found.what.clone(), found.rules.clone()))
                .collect::<Vec<_>>()
        };
        let needed_by = vec!["source locked".to_owned()];
        let problems = ["new", "old"]
            .map(|key| (format!("key `{key}` of secret `ci` is not set"), needed_by.clone()));
        assert_eq!(found(&report.problems), problems);
        let open =
            "webhooks without `auth` accept events from anyone who reaches them: open".to_owned();
        assert_eq!(found(&report.warnings), [(open, Vec::new())]);
        assert_eq!((report.ready, report.checked), (false, 3));

        let local = format!("{toml}\n[listen]\naddress = \"127.0.0.1\"");
        let mut report = Report::default();
        examine(&mut report, &ruleset, &local.parse().unwrap(), &store).await;
        assert!(report.warnings.is_empty());
    }
}
