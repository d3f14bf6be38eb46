//! The trigger `job`: a Kubernetes Job.

use async_trait::async_trait;
use fuse_rules::{Field, FieldType, Schema, Templates};
use serde_json::{Map, Value, json};

use super::manifests::Manifests;
use super::metadata::{self, LONGEST_PREFIX};
use super::workflow::default_prefix;
use super::{ActionRequest, Done, Failure, Probe, Readiness, Trigger};

/// Submits Kubernetes Jobs.
#[derive(Clone, Debug)]
pub struct Job {
    objects: Manifests,
}

impl Job {
    /// A backend that hands its objects to this writer.
    pub fn new(objects: Manifests) -> Self {
        Self { objects }
    }
}

#[async_trait]
impl Trigger for Job {
    fn schema(&self) -> Schema {
        let texts = || FieldType::Map(Box::new(FieldType::Text(Templates::Allowed)));
        let strings = || FieldType::List(Box::new(FieldType::Text(Templates::Allowed)));
        Schema::new("job", "Runs a Kubernetes Job.")
            .field(Field::required("namespace", FieldType::DnsLabel, "Where the job runs."))
            .field(Field::optional(
                "name-prefix",
                FieldType::NamePrefix(LONGEST_PREFIX),
                "The start of the job's name; the rule's name and `-` where it is left out.",
            ))
            .field(Field::optional("image", FieldType::String, "The image of its one container."))
            .field(Field::optional(
                "pod-template",
                FieldType::Map(Box::new(FieldType::Any)),
                "A whole pod template, instead of `image`.",
            ))
            .field(Field::optional("command", strings(), "The command, in place of the image's."))
            .field(Field::optional("args", strings(), "The command's arguments."))
            .field(Field::optional(
                "env",
                texts(),
                "Environment variables of every container: how the event's values get in.",
            ))
            .field(Field::optional(
                "service-account",
                FieldType::DnsSubdomain,
                "The service account that the job runs as.",
            ))
            .field(Field::optional(
                "backoff-limit",
                FieldType::Int(0, i32::MAX.into()),
                "How often Kubernetes tries again; 0 where it is left out.",
            ))
            .field(Field::optional(
                "ttl",
                FieldType::Duration,
                "How long the finished job is kept.",
            ))
            .field(Field::optional("deadline", FieldType::Duration, "How long the job may take."))
            .field(Field::optional(
                "labels",
                FieldType::Map(Box::new(FieldType::LabelValue)),
                "Labels of the job.",
            ))
            .field(Field::optional("annotations", texts(), "Annotations of the job."))
            .one_of(&["image", "pod-template"])
    }

    fn render(&self, request: &ActionRequest) -> Result<Value, String> {
        let fields = &request.action.fields;
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
            (None, Some(template)) => {
                if let Some(field) =
                    ["command", "args"].into_iter().find(|f| fields.contains_key(*f))
                {
                    return Err(format!(
                        "`{field}` goes with `image`; write it into the `pod-template`"
                    ));
                }
                template.clone()
            }
            _ => return Err("one of `image` and `pod-template` must be given".into()),
        };
        let containers = template.pointer_mut("/spec/containers").and_then(Value::as_array_mut);
        let Some(containers) = containers.filter(|containers| !containers.is_empty()) else {
            return Err("`pod-template` has no list `spec.containers`".into());
        };
        if let Some(Value::Object(env)) = fields.get("env") {
            for container in containers {
                add_env(container, env)?;
            }
        }
        if let Some(Value::Object(spec)) = template.pointer_mut("/spec") {
            spec.entry("restartPolicy").or_insert_with(|| "Never".into());
            if let Some(account) = fields.get("service-account") {
                spec.insert("serviceAccountName".into(), account.clone());
            }
        }
        let mut spec = Map::new();
        let backoff = fields.get("backoff-limit").cloned().unwrap_or_else(|| 0.into());
        spec.insert("backoffLimit".into(), backoff);
        let durations = [("ttl", "ttlSecondsAfterFinished"), ("deadline", "activeDeadlineSeconds")];
        for (field, key) in durations {
            if let Some(millis) = fields.get(field).and_then(Value::as_i64) {
                // Kubernetes counts seconds; a part of one counts whole.
                spec.insert(key.into(), ((millis + 999) / 1000).into());
            }
        }
        spec.insert("template".into(), template);
        let prefix = match fields.get("name-prefix").and_then(Value::as_str) {
            Some(prefix) => prefix.to_owned(),
            None => rule_prefix(&request.action.rule),
        };
        Ok(json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata::metadata(&prefix, request)?,
            "spec": spec,
        }))
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        self.objects.submit(self.render(request)).await
    }

    async fn probe(&self, request: &ActionRequest) -> Probe {
        self.objects.find(self.render(request)).await
    }

    async fn readiness(&self) -> Readiness {
        self.objects.readiness().await
    }
}

/// The start of a job's name, from that of its rule; rule names may have capitals and `_`.
fn rule_prefix(rule: &str) -> String {
    let name = rule.rsplit('/').next().unwrap_or(rule);
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let name = name.trim_start_matches('-');
    // A name of nothing but `_` leaves nothing that an object could be called by.
    default_prefix(if name.is_empty() { "job" } else { name })
}

fn add_env(container: &mut Value, env: &Map<String, Value>) -> Result<(), String> {
    let Value::Object(container) = container else {
        return Err("a container of `pod-template` is not a record".into());
    };
    let list = container.entry("env").or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(list) = list else {
        return Err("`env` of a container of `pod-template` is not a list".into());
    };
    for (name, value) in env {
        // The mapping wins over what the template has under that name.
        list.retain(|entry| entry.get("name").and_then(Value::as_str) != Some(name));
        list.push(json!({ "name": name, "value": value }));
    }
    Ok(())
}
