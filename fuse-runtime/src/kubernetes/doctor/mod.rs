//! Whether a cluster has what rules need, found out before it matters.
//!
//! Everything is looked at, so that one run names all that is missing. What may not be looked at is
//! said to be unchecked, and is no problem.

mod named;
mod permissions;
mod templates;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::kinds::{full_name, unserved, usual};
use super::needs::is_built_in;
use super::{Cluster, Kind, Need, Permission, Place, Refusal, RuleNeed, Target};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The address of the API server.
    pub cluster: String,
    /// Whether there is no problem.
    pub ready: bool,
    /// What is missing or wrong.
    pub problems: Vec<Finding>,
    /// What could not be looked at.
    pub unchecked: Vec<Finding>,
    /// How many things were looked at.
    pub checked: usize,
}

/// Something that is missing, wrong, or could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What, in a sentence.
    pub what: String,
    /// What to do about it.
    pub fix: String,
    /// The rules that need it, by their full names; empty where all do.
    pub rules: Vec<String>,
}

/// Examines a cluster, as whom it is connected to it as.
pub async fn examine(cluster: &Cluster, needs: &[RuleNeed]) -> Report {
    examine_for(cluster, cluster, needs).await
}

/// Examines a cluster with the eyes of `cluster`, and the permissions of whom `acting` is connected
/// as.
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
    /// The connection of the account whose permissions are asked about.
    acting: &'a Cluster,
    /// Nothing in these is checked: whatever is missing there is missing because they are.
    missing_namespaces: BTreeSet<String>,
    report: Report,
}

/// What was found of an object.
enum Found {
    There(Box<Value>),
    Missing,
    /// It may not be looked at, or could not be; why.
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
        // What goes first explains what comes after it.
        let kinds = collect(needs, |need| match need {
            Need::Kind { api_version, kind } => Some((api_version.clone(), kind.clone())),
            _ => None,
        });
        for ((api_version, kind), rules) in kinds {
            self.kind(&api_version, &kind, &rules).await;
        }
        let places = collect(needs, |need| match need {
            Need::Access(Permission { api_version, kind, place, .. }) => {
                Some((api_version.clone(), kind.clone(), place.clone()))
            }
            _ => None,
        });
        for ((api_version, kind, place), rules) in places {
            self.place((&api_version, &kind, &place), &rules).await;
        }
        let namespaces = collect(needs, |need| match need {
            Need::Namespace(namespace) => Some(namespace.clone()),
            _ => None,
        });
        for (namespace, rules) in namespaces {
            self.namespace(&namespace, &rules).await;
        }
        let objects = collect(needs, |need| match need {
            Need::Object { api_version, kind, place, name } if self.may_exist(place) => {
                Some((*kind, *api_version, place.clone(), name.clone()))
            }
            _ => None,
        });
        for ((kind, api_version, place, name), rules) in objects {
            self.object(&target(api_version, kind, &place, &name), &rules).await;
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

    /// Whether a kind lives where the rules look for it.
    async fn place(&mut self, (api_version, kind, place): (&str, &str, &Place), rules: &[String]) {
        let Ok(Some(served)) = self.cluster.discover(api_version, kind).await else { return };
        match (served.is_namespaced(), place) {
            (true, Place::Outside) => {
                let what = format!("a `{kind}` lives in a namespace, and the rules give none");
                self.problem(what, "add `namespace = …` to the trigger", rules);
            }
            (false, Place::Namespace(_) | Place::Anywhere) => {
                let what = format!("a `{kind}` lives outside namespaces, and the rules give one");
                self.problem(what, "take `namespace` out of the trigger", rules);
            }
            _ => {}
        }
    }

    async fn namespace(&mut self, namespace: &str, rules: &[String]) {
        let looked = self.look(&target("v1", "Namespace", &Place::Outside, namespace)).await;
        match looked {
            Found::There(found) if found.pointer("/metadata/deletionTimestamp").is_some() => {
                let fix = "wait until it is gone, and make it anew";
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

    /// Whether objects can exist in a place: not in a namespace that is missing.
    fn may_exist(&self, place: &Place) -> bool {
        place.namespace().is_none_or(|namespace| !self.missing_namespaces.contains(namespace))
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

    /// Looks at an object.
    async fn look(&mut self, wanted: &Target) -> Found {
        self.report.checked += 1;
        match self.get(wanted).await {
            Ok(Some(object)) => Found::There(Box::new(object)),
            Ok(None) => Found::Missing,
            Err(refusal) if refusal.is_denied() => {
                Found::Unchecked("this account may not look at it".to_owned())
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

fn target(api_version: &str, kind: &str, place: &Place, name: &str) -> Target {
    Target {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: place.namespace().map(str::to_owned),
        name: name.into(),
    }
}

/// What the needs of one sort are about, each once, with the rules that have them.
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
