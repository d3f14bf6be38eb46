//! The trigger `job`: a Kubernetes Job, from an image, a pod template or a CronJob.

use fuse_rules::schema::{Field, FieldType, Outline, Schema, Templates, TriggerInfo};
use serde_json::{Map, Value, json};

use super::metadata::{self, MAX_PREFIX_LENGTH};
use super::workflow::rule_prefix;
use crate::kubernetes::{Change, FromCronJob, Need, Operation, Scope, Target};
use crate::triggers::ActionRequest;

pub(super) fn schema() -> Schema {
    // Kubernetes expands `$(…)` in the variables and the command of a container.
    let text = || FieldType::Text(Templates::VariablesRefused);
    let texts = || FieldType::Map(Box::new(text()));
    let strings = || FieldType::List(Box::new(text()));
    Schema::new("job", "Runs a Kubernetes Job.")
        .observed_if(|_| true)
        .stoppable()
        .field(Field::optional(
            "namespace",
            FieldType::DnsLabel,
            "Where the job runs; the CronJob's namespace where it is left out.",
        ))
        .field(
            Field::optional(
                "name-prefix",
                FieldType::NamePrefix(MAX_PREFIX_LENGTH),
                "The start of the job's name; the rule's name and `-` where it is left out.",
            )
            .otherwise(&[]),
        )
        .field(Field::optional("image", FieldType::String, "The image of its one container."))
        .field(Field::optional(
            "pod-template",
            FieldType::Map(Box::new(FieldType::Any(Templates::VariablesRefused))),
            "A whole pod template, instead of `image`.",
        ))
        .field(Field::optional(
            "from-cronjob",
            FieldType::String,
            "A CronJob as `namespace/name`, whose template is run, instead of `image`.",
        ))
        .field(Field::optional("command", strings(), "The command, in place of the image's."))
        .field(Field::optional("args", strings(), "The command's arguments."))
        .field(Field::optional(
            "env",
            texts(),
            "Environment variables of every container, which carry the event's values.",
        ))
        .field(Field::optional(
            "service-account",
            FieldType::DnsSubdomain,
            "The service account that the job runs as.",
        ))
        .field(Field::optional(
            "backoff-limit",
            FieldType::Int(0, i32::MAX.into()),
            "How often Kubernetes retries: 0, or the CronJob's value, by default.",
        ))
        .field(Field::optional("ttl", FieldType::Duration, "How long the finished job is kept."))
        .field(Field::optional("deadline", FieldType::Duration, "How long the job may take."))
        .field(Field::optional(
            "labels",
            FieldType::Map(Box::new(FieldType::LabelValue)),
            "Labels of the job.",
        ))
        .field(Field::optional("annotations", texts(), "Annotations of the job."))
        .one_of(&["image", "pod-template", "from-cronjob"])
        .any_of(&["namespace", "from-cronjob"])
        .verify(verify)
}

/// Checks how the fields of a block go together.
fn verify(block: &TriggerInfo) -> Result<(), String> {
    if let Some(field) = ["command", "args"].into_iter().find(|field| block.get(field).is_some())
        && block.get("image").is_none()
    {
        return Err(format!("has `{field}`, which goes with `image`; a template has its own"));
    }
    match block.text("from-cronjob") {
        Some(from) => cron_job(from).map(drop),
        None => Ok(()),
    }
}

/// `namespace/name`.
fn cron_job(from: &str) -> Result<(&str, &str), String> {
    from.split_once('/')
        .filter(|(namespace, name)| metadata::is_namespace(namespace) && metadata::is_name(name))
        .ok_or_else(|| format!("has a `from-cronjob` that is not `namespace/name`: `{from}`"))
}

pub(super) fn change(request: &ActionRequest) -> Result<Change, String> {
    let fields = &request.action.fields;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let from = text("from-cronjob").map(cron_job).transpose()?;
    let namespace = text("namespace").or(from.map(|(namespace, _)| namespace));
    let namespace = namespace.ok_or("`namespace` must be given")?;
    let mut spec = Map::new();
    match fields.get("backoff-limit") {
        Some(limit) => {
            spec.insert("backoffLimit".into(), limit.clone());
        }
        None if from.is_none() => {
            spec.insert("backoffLimit".into(), 0.into());
        }
        None => {}
    }
    let durations = [("ttl", "ttlSecondsAfterFinished"), ("deadline", "activeDeadlineSeconds")];
    for (field, key) in durations {
        if let Some(millis) = fields.get(field).and_then(Value::as_i64) {
            // Kubernetes counts whole seconds: a fraction is rounded up.
            spec.insert(key.into(), ((millis + 999) / 1000).into());
        }
    }
    let mut from_cron_job = None;
    if let Some((namespace, name)) = from {
        // The template is on the cluster; the rule's fields override it when the job is submitted.
        if let Some(account) = fields.get("service-account") {
            let template = json!({ "spec": { "serviceAccountName": account } });
            spec.insert("template".into(), template);
        }
        let env = match fields.get("env") {
            Some(Value::Object(env)) => env.clone(),
            _ => Map::new(),
        };
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        from_cron_job = Some(FromCronJob { namespace, name, env });
    } else {
        spec.insert("template".into(), template(fields)?);
    }
    let prefix = match text("name-prefix") {
        Some(prefix) => prefix.to_owned(),
        None => rule_prefix(&request.action.rule, "job"),
    };
    let name = metadata::name(&prefix, request);
    let mut metadata = metadata::metadata(&name, Some(namespace), request)?;
    if let (Some(from), Some(Value::Object(annotations))) =
        (text("from-cronjob"), metadata.get_mut("annotations"))
    {
        // As `kubectl create job --from` marks its jobs.
        annotations.insert("cronjob.kubernetes.io/instantiate".into(), "manual".into());
        annotations.insert("fuse.rules/from-cronjob".into(), from.into());
    }
    let body =
        json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec });
    Ok(Change {
        action: request.id.clone(),
        manager: metadata::manager(request),
        operation: Operation::Create,
        target: Target {
            api_version: "batch/v1".into(),
            kind: "Job".into(),
            namespace: Some(namespace.to_owned()),
            name,
        },
        body,
        requires: Vec::new(),
        from_cron_job,
    })
}

/// The pod template of a job that is not a CronJob's.
fn template(fields: &Map<String, Value>) -> Result<Value, String> {
    let mut template = match (fields.get("image"), fields.get("pod-template")) {
        (Some(image), None) => {
            let mut container = Map::new();
            container.insert("name".into(), "main".into());
            container.insert("image".into(), image.clone());
            for field in ["command", "args"] {
                if let Some(value) = fields.get(field) {
                    container.insert(field.into(), value.clone());
                }
            }
            json!({ "spec": { "containers": [container] } })
        }
        (None, Some(template)) => template.clone(),
        _ => return Err("one of `image` and `pod-template` must be given".into()),
    };
    if let Some(Value::Object(env)) = fields.get("env") {
        add_env(&mut template, env)?;
    } else {
        containers(&mut template)?;
    }
    if let Some(Value::Object(spec)) = template.pointer_mut("/spec") {
        spec.entry("restartPolicy").or_insert_with(|| "Never".into());
        if let Some(account) = fields.get("service-account") {
            spec.insert("serviceAccountName".into(), account.clone());
        }
    }
    Ok(template)
}

/// The job that a CronJob would start, with the rule's fields over it.
///
/// # Errors
/// A CronJob without a pod template.
pub(crate) fn instantiate(
    job: &Value,
    cron_job: &Value,
    env: &Map<String, Value>,
) -> Result<Value, String> {
    let none = "the CronJob has no `spec.jobTemplate.spec.template`";
    let template = cron_job.pointer("/spec/jobTemplate").ok_or(none)?;
    let mut metadata = Map::new();
    for part in ["labels", "annotations"] {
        if let Some(own) = template.get("metadata").and_then(|metadata| metadata.get(part)) {
            metadata.insert(part.into(), own.clone());
        }
    }
    let same = |key: &str| cron_job.pointer(key) == job.pointer(key);
    if let (Some(name), Some(uid), true) = (
        cron_job.pointer("/metadata/name"),
        cron_job.pointer("/metadata/uid"),
        same("/metadata/namespace"),
    ) {
        let version = cron_job.get("apiVersion");
        let owner = json!({ "apiVersion": version, "kind": "CronJob", "name": name, "uid": uid });
        metadata.insert("ownerReferences".into(), json!([owner]));
    }
    let spec = template.get("spec").ok_or(none)?;
    let mut made = json!({ "metadata": metadata, "spec": spec });
    over(&mut made, job);
    if !env.is_empty() {
        add_env(made.pointer_mut("/spec/template").ok_or(none)?, env)?;
    }
    Ok(made)
}

/// Merges `top` over `under`: records merge, everything else is replaced.
fn over(under: &mut Value, top: &Value) {
    match (under, top) {
        (Value::Object(under), Value::Object(top)) => {
            for (key, value) in top {
                over(under.entry(key.as_str()).or_insert(Value::Null), value);
            }
        }
        (under, top) => *under = top.clone(),
    }
}

/// The containers of a pod template.
fn containers(template: &mut Value) -> Result<&mut Vec<Value>, String> {
    let containers = template.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
    containers
        .filter(|containers| !containers.is_empty())
        .ok_or_else(|| "`pod-template` has no list `spec.containers`".into())
}

/// Sets environment variables of every container, in place of those that the template has.
fn add_env(template: &mut Value, env: &Map<String, Value>) -> Result<(), String> {
    for container in containers(template)? {
        let Value::Object(container) = container else {
            return Err("a container of `pod-template` is not a record".into());
        };
        let list = container.entry("env").or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(list) = list else {
            return Err("`env` of a container of `pod-template` is not a list".into());
        };
        for (name, value) in env {
            list.retain(|entry| entry.get("name").and_then(Value::as_str) != Some(name));
            list.push(json!({ "name": name, "value": value }));
        }
    }
    Ok(())
}

pub(super) fn needs(block: &TriggerInfo) -> Vec<Need> {
    let from = match block.get("from-cronjob") {
        Some(Outline::Constant(Value::String(from))) => cron_job(from).ok(),
        _ => None,
    };
    let scope = match (block.get("namespace"), from) {
        (None, Some((namespace, _))) => Scope::Namespace(namespace.to_owned()),
        (given, _) => Scope::of(given),
    };
    let mut needs = Need::created("batch/v1", "Job", &scope);
    if block.get("from-cronjob").is_some() {
        let scope =
            from.map_or(Scope::AllNamespaces, |(namespace, _)| Scope::Namespace(namespace.into()));
        let name = from.map(|(_, name)| name);
        needs.push(Need::access("batch/v1", "CronJob", &["get"], &scope, name));
        needs.extend(scope.namespace().map(|namespace| Need::Namespace(namespace.to_owned())));
        if let Some(name) = name {
            let (kind, name) = ("CronJob", name.to_owned());
            needs.push(Need::Object { api_version: "batch/v1", kind, scope, name });
        }
    }
    needs.extend(Need::service_account(block, &scope));
    needs
}
