//! Checks before any event whether a cluster has what rules need.
//!
//! One run checks everything, so that it names all that is missing. What the account may not read is reported
//! as unchecked, not as a problem.

mod named;
mod permissions;
mod templates;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::kinds::{full_name, unserved, usual};
use super::needs::is_built_in;
use super::{Cluster, Kind, Need, Permission, Refusal, RuleNeed, Scope, Target};

/// The result of an examination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The address of the API server.
    pub cluster: String,
    /// Whether there is no problem.
    pub ready: bool,
    /// Everything that is missing or wrong.
    pub problems: Vec<Finding>,
    /// Everything that could not be checked.
    pub unchecked: Vec<Finding>,
    /// What works, but is probably not intended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Finding>,
    /// How many things were checked.
    pub checked: usize,
}

/// Something that is missing, wrong, or could not be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What, in a sentence.
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// The rules that need it, by their full names; empty where all do.
    pub rules: Vec<String>,
}

/// Examines a cluster for the account that it is connected as.
pub async fn examine(cluster: &Cluster, needs: &[RuleNeed]) -> Report {
    examine_for(cluster, cluster, needs).await
}

/// Examines a cluster: reads with the connection `cluster`, and checks the permissions of the account of
/// `acting`.
pub async fn examine_for(cluster: &Cluster, acting: &Cluster, needs: &[RuleNeed]) -> Report {
    let mut examination = Examination {
        cluster,
        acting,
        missing_namespaces: BTreeSet::new(),
        report: Report { cluster: cluster.url().to_owned(), ..Report::default() },
    };
    let mut reached = cluster.reach().await;
    if reached.is_ok() {
        reached = acting.reach().await;
    }
    match reached {
        Ok(()) => examination.all(needs).await,
        Err(refusal) => {
            let fix = if refusal.is_unauthorized() {
                "renew the credentials in the kubeconfig"
            } else if refusal.is_denied() {
                "permit your account to impersonate that one, or leave `--as` out"
            } else {
                "start the API server, or name another cluster with `--kubeconfig` or `--context`"
            };
            examination.problem(refusal.message(), fix, &[]);
        }
    }
    let mut report = examination.report;
    report.ready = report.problems.is_empty();
    report
}

struct Examination<'a> {
    cluster: &'a Cluster,
    /// The connection of the account whose permissions are checked.
    acting: &'a Cluster,
    /// Namespaces that are missing. Nothing in them is checked.
    missing_namespaces: BTreeSet<String>,
    report: Report,
}

/// What was found of an object.
enum Found {
    There(Box<Value>),
    Missing,
    /// It could not be read; why.
    Unchecked(String),
}

impl Examination<'_> {
    fn problem(&mut self, what: impl Into<String>, fix: impl Into<String>, rules: &[String]) {
        let finding = Finding { what: what.into(), fix: fix.into(), rules: rules.to_vec() };
        self.report.problems.push(finding);
    }

    fn unchecked(&mut self, what: impl Into<String>, why: impl Into<String>, rules: &[String]) {
        let finding = Finding { what: what.into(), fix: why.into(), rules: rules.to_vec() };
        self.report.unchecked.push(finding);
    }

    async fn all(&mut self, needs: &[RuleNeed]) {
        // In this order, since a missing kind or namespace explains the problems after it.
        let kinds = collect(needs, |need| match need {
            Need::Kind { api_version, kind } => Some((api_version.clone(), kind.clone())),
            _ => None,
        });
        for ((api_version, kind), rules) in kinds {
            self.kind(&api_version, &kind, &rules).await;
        }
        let places = collect(needs, |need| match need {
            Need::Access(Permission { api_version, kind, scope, .. }) => {
                Some((api_version.clone(), kind.clone(), scope.clone()))
            }
            _ => None,
        });
        for ((api_version, kind, scope), rules) in places {
            self.scope((&api_version, &kind, &scope), &rules).await;
        }
        let namespaces = collect(needs, |need| match need {
            Need::Namespace(namespace) => Some(namespace.clone()),
            _ => None,
        });
        for (namespace, rules) in namespaces {
            self.namespace(&namespace, &rules).await;
        }
        let objects = collect(needs, |need| match need {
            Need::Object { api_version, kind, scope, name } if self.may_exist(scope) => {
                Some((*kind, *api_version, scope.clone(), name.clone()))
            }
            _ => None,
        });
        for ((kind, api_version, scope, name), rules) in objects {
            self.object(&target(api_version, kind, &scope, &name), &rules).await;
        }
        self.templates(needs).await;
        self.permissions(needs).await;
    }

    async fn kind(&mut self, api_version: &str, kind: &str, rules: &[String]) {
        self.report.checked += 1;
        match self.cluster.discover(api_version, kind).await {
            Ok(Some(_)) => {}
            Ok(None) => {
                let group = usual(api_version, kind).group;
                let fix = match group.as_str() {
                    _ if is_built_in(api_version) => {
                        "correct `api-version` or `kind` in the rules, as in `apps/v1` and `Deployment`"
                            .to_owned()
                    }
                    "argoproj.io" => "install Argo Workflows".to_owned(),
                    group => format!("install what provides `{group}`"),
                };
                self.problem(unserved(api_version, kind), fix, rules);
            }
            Err(refusal) => {
                let what = full_name(&usual(api_version, kind));
                self.unchecked(format!("whether `{what}` is served"), refusal.message(), rules);
            }
        }
    }

    /// Checks that a kind has the scope that the rules expect.
    async fn scope(&mut self, (api_version, kind, scope): (&str, &str, &Scope), rules: &[String]) {
        let Ok(Some(served)) = self.cluster.discover(api_version, kind).await else { return };
        match (served.is_namespaced(), scope) {
            (true, Scope::Cluster) => {
                let what = format!("a `{kind}` is namespaced, and the rules set no namespace");
                self.problem(what, "add `namespace = …` to the trigger", rules);
            }
            (false, Scope::Namespace(_) | Scope::AllNamespaces) => {
                let what = format!("a `{kind}` is cluster-scoped, and the rules set a namespace");
                self.problem(what, "remove `namespace` from the trigger", rules);
            }
            _ => {}
        }
    }

    async fn namespace(&mut self, namespace: &str, rules: &[String]) {
        let looked = self.look(&target("v1", "Namespace", &Scope::Cluster, namespace)).await;
        match looked {
            Found::There(found) if found.pointer("/metadata/deletionTimestamp").is_some() => {
                let fix = "wait until it is deleted, and create it again";
                self.problem(format!("namespace `{namespace}` is being deleted"), fix, rules);
            }
            Found::There(_) => {}
            Found::Missing => {
                let fix = format!(
                    "apply the manifests that create it, or run `kubectl create namespace {namespace}`, \
                     then check again; until it exists, fuse holds the actions of these rules"
                );
                self.problem(format!("namespace `{namespace}` does not exist"), fix, rules);
                self.missing_namespaces.insert(namespace.to_owned());
            }
            Found::Unchecked(why) => {
                self.unchecked(format!("whether namespace `{namespace}` exists"), why, rules);
            }
        }
    }

    /// Whether objects can exist in a scope: not in a namespace that is missing.
    fn may_exist(&self, scope: &Scope) -> bool {
        scope.namespace().is_none_or(|namespace| !self.missing_namespaces.contains(namespace))
    }

    async fn object(&mut self, wanted: &Target, rules: &[String]) {
        let mut looked = self.look(wanted).await;
        if matches!(looked, Found::Missing) && wanted.kind == "CronJob" {
            // CronJobs were beta until Kubernetes 1.21.
            let beta = Target { api_version: "batch/v1beta1".into(), ..wanted.clone() };
            looked = self.look(&beta).await;
        }
        match looked {
            Found::There(_) => {}
            Found::Missing => {
                let namespace = wanted.namespace.as_deref().unwrap_or_default();
                let fix = match wanted.kind.as_str() {
                    "ServiceAccount" => format!(
                        "kubectl create serviceaccount {} --namespace {namespace}, and give it what its pods need",
                        wanted.name
                    ),
                    kind => format!("apply the {kind}, or correct its name in the rules"),
                };
                self.problem(super::submit::absent(wanted), fix, rules);
            }
            Found::Unchecked(why) => self.unchecked(format!("whether {wanted} exists"), why, rules),
        }
    }

    /// Reads an object.
    async fn look(&mut self, wanted: &Target) -> Found {
        self.report.checked += 1;
        match self.get(wanted).await {
            Ok(Some(object)) => Found::There(Box::new(object)),
            Ok(None) => Found::Missing,
            Err(refusal) if refusal.is_denied() => {
                Found::Unchecked("this account may not read it".to_owned())
            }
            Err(refusal) => Found::Unchecked(refusal.message().to_owned()),
        }
    }

    /// An object; `None` also where its kind is not served.
    async fn get(&self, wanted: &Target) -> Result<Option<Value>, Refusal> {
        let served: Option<Kind> = self.cluster.discover(&wanted.api_version, &wanted.kind).await?;
        match served {
            Some(kind) => self.cluster.get(&kind, wanted).await,
            None => Ok(None),
        }
    }
}

fn target(api_version: &str, kind: &str, scope: &Scope, name: &str) -> Target {
    Target {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: scope.namespace().map(str::to_owned),
        name: name.into(),
    }
}

/// The needs that `select` picks, each once, with the rules that have them.
fn collect<K: Ord>(
    needs: &[RuleNeed],
    pick: impl Fn(&Need) -> Option<K>,
) -> BTreeMap<K, Vec<String>> {
    let mut all: BTreeMap<K, Vec<String>> = BTreeMap::new();
    for RuleNeed { rule, need } in needs {
        let Some(key) = pick(need) else { continue };
        let rules = all.entry(key).or_default();
        if !rules.contains(rule) {
            rules.push(rule.clone());
        }
    }
    all
}
