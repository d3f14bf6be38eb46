//! The trigger `workflow`: an Argo Workflow, from a template or from a whole spec.

use fuse_rules::schema::{Field, FieldType, Outline, Schema, Templates, TriggerInfo};
use serde_json::{Map, Value, json};

use super::metadata::{self, MAX_PREFIX_LENGTH};
use crate::kubernetes::{Change, Need, Operation, Scope, Target};
use crate::triggers::ActionRequest;

const API_VERSION: &str = "argoproj.io/v1alpha1";

pub(super) fn schema() -> Schema {
    let text = || FieldType::Text(Templates::Refused);
    Schema::new("workflow", "Submits an Argo Workflow, from a template or from a whole spec.")
        .observed_if(|_| true)
        .stoppable()
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
        .field(Field::optional(
            "spec",
            FieldType::Map(Box::new(FieldType::Any(Templates::Refused))),
            "The workflow's whole spec, instead of a template. It may contain Argo's own `{{…}}`; text of the event may not.",
        ))
        .field(Field::required("namespace", FieldType::DnsLabel, "Where the workflow runs."))
        .field(
            Field::optional(
                "name-prefix",
                FieldType::NamePrefix(MAX_PREFIX_LENGTH),
                "The start of the workflow's name; by default the name of the template or of the rule, and `-`.",
            )
            .otherwise(&["template", "cluster-template"]),
        )
        .field(Field::optional(
            "service-account",
            FieldType::DnsSubdomain,
            "The service account that the workflow runs as.",
        ))
        .field(Field::optional(
            "parameters",
            FieldType::Map(Box::new(text())),
            "The workflow's parameters. They are strings in Argo: scalars become their text.",
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
        .one_of(&["template", "cluster-template", "spec"])
        .template("template", "WorkflowTemplate", "parameters")
        .template("cluster-template", "ClusterWorkflowTemplate", "parameters")
        .verify(|block| match block.get("spec") {
            Some(Outline::Constant(Value::Object(spec))) if spec.is_empty() => {
                Err("has an empty `spec`".into())
            }
            _ => Ok(()),
        })
}

pub(super) fn change(request: &ActionRequest) -> Result<Change, String> {
    let fields = &request.action.fields;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let namespace = text("namespace").ok_or("`namespace` must be given")?;
    let mut requires = Vec::new();
    let mut spec = match fields.get("spec") {
        Some(Value::Object(spec)) => spec.clone(),
        _ => Map::new(),
    };
    let template = text("template").or_else(|| text("cluster-template"));
    if let Some(name) = template {
        let cluster = text("template").is_none();
        let mut reference = Map::from_iter([("name".to_owned(), name.into())]);
        if cluster {
            reference.insert("clusterScope".into(), true.into());
        }
        spec.insert("workflowTemplateRef".into(), reference.into());
        requires.push(template_target(cluster, namespace, name));
    } else if spec.is_empty() {
        return Err("one of `template`, `cluster-template` and `spec` must be given".into());
    }
    if let Some(account) = text("service-account") {
        spec.insert("serviceAccountName".into(), account.into());
    }
    if let Some(Value::Object(given)) = fields.get("parameters") {
        add_parameters(&mut spec, given)?;
    }
    let prefix = match (text("name-prefix"), template) {
        (Some(prefix), _) => prefix.to_owned(),
        (None, Some(template)) => default_prefix(template),
        (None, None) => rule_prefix(&request.action.rule, "workflow"),
    };
    let name = metadata::name(&prefix, request);
    let body = json!({
        "apiVersion": API_VERSION,
        "kind": "Workflow",
        "metadata": metadata::metadata(&name, Some(namespace), request)?,
        "spec": spec,
    });
    Ok(Change {
        action: request.id.clone(),
        manager: metadata::manager(request),
        operation: Operation::Create,
        target: Target {
            api_version: API_VERSION.into(),
            kind: "Workflow".into(),
            namespace: Some(namespace.to_owned()),
            name,
        },
        body,
        requires,
        from_cron_job: None,
    })
}

/// Adds the rule's parameters to those of the spec. The rule's take precedence.
fn add_parameters(spec: &mut Map<String, Value>, given: &Map<String, Value>) -> Result<(), String> {
    let arguments = spec.entry("arguments").or_insert_with(|| json!({}));
    let Value::Object(arguments) = arguments else {
        return Err("`arguments` of `spec` is not a record".into());
    };
    let list = arguments.entry("parameters").or_insert_with(|| json!([]));
    let Value::Array(list) = list else {
        return Err("`arguments.parameters` of `spec` is not a list".into());
    };
    for (name, value) in given {
        list.retain(|one| one.get("name").and_then(Value::as_str) != Some(name));
        list.push(json!({ "name": name, "value": value }));
    }
    Ok(())
}

fn template_target(cluster: bool, namespace: &str, name: &str) -> Target {
    let kind = if cluster { "ClusterWorkflowTemplate" } else { "WorkflowTemplate" };
    Target {
        api_version: API_VERSION.into(),
        kind: kind.into(),
        namespace: (!cluster).then(|| namespace.to_owned()),
        name: name.to_owned(),
    }
}

pub(super) fn needs(block: &TriggerInfo) -> Vec<Need> {
    let scope = Scope::of(block.get("namespace"));
    let mut needs = Need::created(API_VERSION, "Workflow", &scope);
    let parameters = block.get("parameters").map(Outline::entries).unwrap_or_default();
    for (field, kind, cluster) in [
        ("template", "WorkflowTemplate", false),
        ("cluster-template", "ClusterWorkflowTemplate", true),
    ] {
        let Some(outline) = block.get(field) else { continue };
        let scope = if cluster { Scope::Cluster } else { scope.clone() };
        let name = constant(outline);
        needs.extend(Need::used(API_VERSION, kind, &["get"], &scope, name.as_deref()));
        if let Some(name) = name {
            let parameters = parameters.clone();
            needs.push(Need::Template { kind, scope, name, parameters });
        }
    }
    needs.extend(Need::service_account(block, &scope));
    needs
}

fn constant(outline: &Outline) -> Option<String> {
    match outline {
        Outline::Constant(Value::String(text)) => Some(text.clone()),
        _ => None,
    }
}

/// The start of a name, from that of a template, without dots and short enough for the suffix.
pub(super) fn default_prefix(template: &str) -> String {
    let mut prefix: String = template.replace('.', "-");
    prefix.truncate(MAX_PREFIX_LENGTH - 1);
    format!("{}-", prefix.trim_end_matches('-'))
}

/// The start of a name, from that of a rule, whose name may have capitals and `_`.
pub(super) fn rule_prefix(rule: &str, otherwise: &str) -> String {
    let name = rule.rsplit('/').next().unwrap_or(rule);
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let name = name.trim_start_matches('-');
    // A name that consists of `_` leaves no character that an object's name may have.
    default_prefix(if name.is_empty() { otherwise } else { name })
}
