//! The trigger `workflow`: an Argo Workflow from a template.

use async_trait::async_trait;
use fuse_rules::{Field, FieldType, Schema, Templates};
use serde_json::{Map, Value, json};

use super::manifests::Manifests;
use super::metadata::{self, LONGEST_PREFIX};
use super::{ActionRequest, Done, Failure, Probe, Readiness, Trigger};

/// Submits Argo Workflows.
#[derive(Clone, Debug)]
pub struct Workflow {
    objects: Manifests,
}

impl Workflow {
    /// A backend that hands its objects to this writer.
    pub fn new(objects: Manifests) -> Self {
        Self { objects }
    }
}

#[async_trait]
impl Trigger for Workflow {
    fn schema(&self) -> Schema {
        let text = || FieldType::Text(Templates::Refused);
        Schema::new("workflow", "Submits an Argo Workflow from a template.")
            .field(Field::optional(
                "template",
                FieldType::DnsSubdomain,
                "The WorkflowTemplate, in the namespace of the workflow.",
            ))
            .field(Field::optional(
                "cluster-template",
                FieldType::DnsSubdomain,
                "The ClusterWorkflowTemplate.",
            ))
            .field(Field::required("namespace", FieldType::DnsLabel, "Where the workflow runs."))
            .field(Field::optional(
                "name-prefix",
                FieldType::NamePrefix(LONGEST_PREFIX),
                "The start of the workflow's name; the template's name and `-` where it is left out.",
            ))
            .field(Field::optional(
                "service-account",
                FieldType::DnsSubdomain,
                "The service account that the workflow runs as.",
            ))
            .field(Field::optional(
                "parameters",
                FieldType::Map(Box::new(text())),
                "The workflow's parameters. Argo's are strings: scalars are given by their text.",
            ))
            .field(Field::optional(
                "labels",
                FieldType::Map(Box::new(FieldType::LabelValue)),
                "Labels of the workflow.",
            ))
            .field(Field::optional(
                "annotations",
                FieldType::Map(Box::new(text())),
                "Annotations of the workflow.",
            ))
            .one_of(&["template", "cluster-template"])
    }

    fn render(&self, request: &ActionRequest) -> Result<Value, String> {
        let fields = &request.action.fields;
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let (template, cluster) = match (text("template"), text("cluster-template")) {
            (Some(template), None) => (template, false),
            (None, Some(template)) => (template, true),
            _ => return Err("one of `template` and `cluster-template` must be given".into()),
        };
        let prefix = match text("name-prefix") {
            Some(prefix) => prefix.to_owned(),
            None => default_prefix(template),
        };
        let mut spec = Map::new();
        let reference = if cluster {
            json!({ "name": template, "clusterScope": true })
        } else {
            json!({ "name": template })
        };
        spec.insert("workflowTemplateRef".into(), reference);
        if let Some(account) = text("service-account") {
            spec.insert("serviceAccountName".into(), account.into());
        }
        if let Some(Value::Object(parameters)) = fields.get("parameters") {
            let parameters: Vec<Value> = parameters
                .iter()
                .map(|(name, value)| json!({ "name": name, "value": value }))
                .collect();
            spec.insert("arguments".into(), json!({ "parameters": parameters }));
        }
        Ok(json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
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

/// The start of a name, from that of a template: dots are not for every name, and the suffix
/// needs its room.
pub(super) fn default_prefix(template: &str) -> String {
    let mut prefix: String = template.replace('.', "-");
    prefix.truncate(LONGEST_PREFIX - 1);
    format!("{}-", prefix.trim_end_matches('-'))
}
