//! `fuse doctor`

mod broker;
mod sources;

use std::fmt::Write as _;

use fuse_rules::Ruleset;
use fuse_runtime::Config;
use fuse_runtime::kubernetes::{
    Access, Cluster, ClusterSecrets, ClusterTokens, Finding, Need, Report, RuleNeed, Scope,
    examine_for, needs,
};
use fuse_runtime::secrets::{SecretRef, Secrets};

use super::{Ended, LoadDetail, access, config, kinds, load_with, problems};
use crate::cli::{Doctor, Format};
use crate::{Exit, output};

pub(crate) fn run(arguments: Doctor) -> Ended {
    let config = config(arguments.rules.config.clone())?;
    let ruleset = match load_with(&config, &arguments.rules, LoadDetail::Run)? {
        Ok(ruleset) => ruleset,
        Err(diagnostics) => return Ok(problems(&diagnostics, arguments.format)),
    };
    let mut needs = needs_of(&ruleset);
    needs.extend(admin_needs(&config));
    let access = access(arguments.cluster, &config);
    let acting_as = arguments.acting_as;
    let account = acting_as.as_deref().and_then(account_of);
    needs.extend(account.as_ref().map(account_need));
    let runtime = super::async_runtime()?;
    let examined = runtime.block_on(async {
        let cluster = Cluster::connect(&access).await.map_err(|error| error.to_string())?;
        let acting = match acting_as {
            None => cluster.clone(),
            acting_as => {
                let access = Access { acting_as, ..access };
                Cluster::connect(&access).await.map_err(|error| error.to_string())?
            }
        };
        let namespace = match &account {
            Some((namespace, _)) => namespace,
            None => cluster.namespace(),
        };
        needs.extend(secret_needs(&ruleset, &config, namespace));
        let mut report = examine_for(&cluster, &acting, &needs).await;
        let secrets = match config.secrets.dir {
            Some(_) => Secrets::new(config.secrets.store()),
            None => Secrets::new(ClusterSecrets::new(acting, namespace)),
        };
        sources::examine(&mut report, &ruleset, &config, &secrets).await;
        broker::examine(&mut report, &config, &secrets).await;
        Ok::<_, String>(report)
    });
    // A credential plugin that does not respond must not keep the process alive.
    runtime.shutdown_background();
    let report = examined?;
    match arguments.format {
        Format::Text => output::print(&text(&report)),
        Format::Json => {
            let json = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
            output::print(&format!("{json}\n"));
        }
    }
    Ok(if report.ready { Exit::Clean } else { Exit::Problems })
}

/// Requires that the service account of such a user exists: permissions can be granted to one that
/// does not.
fn account_need((namespace, name): &(String, String)) -> RuleNeed {
    let rule = format!("--as system:serviceaccount:{namespace}:{name}");
    let scope = Scope::Namespace(namespace.to_owned());
    let (api_version, kind, name) = ("v1", "ServiceAccount", name.to_owned());
    RuleNeed { rule, need: Need::Object { api_version, kind, scope, name } }
}

/// The namespace and the name of a service account, from the name of its user.
fn account_of(user: &str) -> Option<(String, String)> {
    let (namespace, name) = user.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    Some((namespace.to_owned(), name.to_owned()))
}

/// The permissions to read the named secrets from a cluster. There are none if a folder has the secrets.
pub(super) fn secret_needs(ruleset: &Ruleset, config: &Config, namespace: &str) -> Vec<RuleNeed> {
    if config.secrets.dir.is_some() {
        return Vec::new();
    }
    let scope = Scope::Namespace(namespace.to_owned());
    let mut needs = Vec::new();
    for (reference, needed_by) in sources::secrets(ruleset) {
        let SecretRef::Secret { name, .. } = reference else { continue };
        for rule in needed_by {
            let verbs = ["get", "list", "watch"];
            let need = Need::access("v1", "Secret", &verbs, &scope, Some(&name));
            needs.push(RuleNeed { rule, need });
        }
    }
    needs
}

/// What the admin port needs in the cluster: the review of tokens.
pub(super) fn admin_needs(config: &Config) -> Option<RuleNeed> {
    let _review = config.admin.token_review.as_ref()?;
    Some(RuleNeed { rule: "[admin.token_review]".to_owned(), need: ClusterTokens::need() })
}

/// The needs of the rules in the cluster.
pub(super) fn needs_of(ruleset: &Ruleset) -> Vec<RuleNeed> {
    let (_, triggers) = kinds();
    needs(ruleset, &triggers)
}

fn text(report: &Report) -> String {
    let mut out = format!("{}\n", report.cluster);
    let mut list = |title: &str, findings: &[Finding], label: &str| {
        if findings.is_empty() {
            return;
        }
        let _infallible = writeln!(out, "\n{title}:");
        for Finding { what, fix, rules } in findings {
            let _infallible = writeln!(out, "- {what}\n  {label}: {fix}");
            if !rules.is_empty() {
                let _infallible = writeln!(out, "  needed by: {}", rules.join(", "));
            }
        }
    };
    list("not ready", &report.problems, "do");
    list("could not be checked", &report.unchecked, "because");
    list("warnings", &report.warnings, "do");
    let s = |count: usize| if count == 1 { "" } else { "s" };
    let count = report.problems.len();
    let end = if report.ready {
        format!(
            "\nready: {} requirement{} checked, no problems\n",
            report.checked,
            s(report.checked)
        )
    } else {
        format!("\n{count} problem{}\n", s(count))
    };
    out + &end
}
