//! The trigger `object`: any Kubernetes object, created, applied, patched or deleted.

use fuse_rules::schema::{Field, FieldType, Outline, Schema, Templates, TriggerInfo};
use serde_json::{Map, Value, json};

use super::metadata::{self, MAX_PREFIX_LENGTH};
use super::template;
use crate::kubernetes::{Change, Need, Operation, Patch, Propagation, Scope, Target};
use crate::triggers::ActionRequest;

pub(super) fn schema() -> Schema {
    // An object may be a Workflow, which expands `{{…}}`.
    let any = || FieldType::Any(Templates::Refused);
    let one_of = |values: &[&str]| FieldType::OneOf(values.iter().map(|v| (*v).into()).collect());
    Schema::new("object", "Creates, applies, patches or deletes a Kubernetes object.")
        .observed_if(is_observed)
        .field(
            Field::optional(
                "operation",
                one_of(&["create", "apply", "patch", "delete"]),
                "The operation.",
            )
            .default("create")
            .fixed(),
        )
        .field(
            Field::optional("api-version", FieldType::String, "The object's, as in `apps/v1`.")
                .fixed(),
        )
        .field(Field::optional("kind", FieldType::String, "The object's, as in `Deployment`.").fixed())
        .field(Field::optional(
            "namespace",
            FieldType::DnsLabel,
            "Where the object is; left out for objects outside namespaces.",
        ))
        .field(Field::optional("name", FieldType::DnsSubdomain, "The object's name."))
        .field(Field::optional(
            "name-prefix",
            FieldType::NamePrefix(MAX_PREFIX_LENGTH),
            "The start of the name of an object to create; the rest follows from the action.",
        ))
        .field(Field::optional(
            "manifest",
            FieldType::Map(Box::new(any())),
            "The object to create or apply, as a record.",
        ))
        .field(
            Field::optional(
                "template-file",
                FieldType::File,
                "The object to create or apply, as a file of YAML with `${name}` in its strings.",
            )
            .fixed(),
        )
        .field(Field::optional(
            "values",
            FieldType::Map(Box::new(any())),
            "Values for the names in the template.",
        ))
        .field(Field::optional("patch", any(), "The patch: a record, or a list for `json`."))
        .field(
            Field::optional(
                "patch-type",
                one_of(&["merge", "strategic", "json"]),
                "The type of the patch; `merge` by default.",
            )
            .fixed(),
        )
        .field(
            Field::optional(
                "force",
                FieldType::Bool,
                "Whether `apply` takes over fields that others own.",
            )
            .fixed(),
        )
        .field(
            Field::optional(
                "propagation",
                one_of(&["background", "foreground", "orphan"]),
                "What `delete` does to objects that the object owns; `background` where it is left out.",
            )
            .fixed(),
        )
        .field(Field::optional(
            "labels",
            FieldType::Map(Box::new(FieldType::LabelValue)),
            "Labels of an object to create or apply.",
        ))
        .field(Field::optional(
            "annotations",
            FieldType::Map(Box::new(FieldType::Text(Templates::Refused))),
            "Annotations of an object to create or apply.",
        ))
        .verify(verify)
}

/// The fields that each operation takes, besides `operation`, `api-version`, `kind`, `namespace`
/// and `name`.
fn takes(operation: &str) -> &'static [&'static str] {
    match operation {
        "apply" => &["manifest", "template-file", "values", "force", "labels", "annotations"],
        "patch" => &["patch", "patch-type"],
        "delete" => &["propagation"],
        _ => &["name-prefix", "manifest", "template-file", "values", "labels", "annotations"],
    }
}

/// Checks how the fields of a block go together.
fn verify(block: &TriggerInfo) -> Result<(), String> {
    let operation = block.text("operation").unwrap_or("create");
    let everywhere = ["operation", "api-version", "kind", "namespace", "name"];
    let odd = block
        .fields
        .iter()
        .map(|field| field.key.as_str())
        .find(|key| !everywhere.contains(key) && !takes(operation).contains(key));
    if let Some(key) = odd {
        return Err(format!("has `{key}`, which does not go with the operation `{operation}`"));
    }
    let given = |key: &str| block.get(key).is_some();
    if given("manifest") && given("template-file") {
        return Err("has a `manifest` and a `template-file`; one of them is the object".into());
    }
    if given("values") && !given("template-file") {
        return Err("has `values`, which go with a `template-file`".into());
    }
    let base = Base::of(block)?;
    for (field, key) in [("api-version", "apiVersion"), ("kind", "kind")] {
        if !given(field) && base.text(&[key]).is_none() {
            return Err(format!("needs `{field}`: the kind of object is the same for every event"));
        }
    }
    let named = base.has(&["metadata", "name"]);
    match operation {
        "create" if !given("name") && !given("name-prefix") && !named => {
            Err("needs `name` or `name-prefix`".into())
        }
        "create" if given("name-prefix") && (given("name") || named) => {
            Err("has a name and a `name-prefix`; one of them is the name".into())
        }
        "apply" | "patch" | "delete" if !given("name") && !named => Err("needs `name`".into()),
        "patch" => patch(block),
        _ if base.has(&["metadata", "generateName"]) => {
            Err("has `generateName`; write `name-prefix`, whose names follow from the action"
                .into())
        }
        _ => Ok(()),
    }
}

/// Whether the patch is of its type, as far as that is known.
fn patch(block: &TriggerInfo) -> Result<(), String> {
    let is_list = match block.get("patch") {
        None => return Err("needs `patch`".into()),
        Some(Outline::Computed) => return Ok(()),
        Some(Outline::Constant(value)) if !value.is_array() && !value.is_object() => {
            return Err("has a `patch` that is neither a record nor a list".into());
        }
        Some(outline) => matches!(outline, Outline::Constant(Value::Array(_))),
    };
    match (block.text("patch-type"), is_list) {
        (Some("json"), false) => Err("has a `patch` of the type `json`, which is a list".into()),
        (Some("json"), true) => Ok(()),
        (_, true) => Err("has a list as its `patch`; write `patch-type = \"json\"`".into()),
        (_, false) => Ok(()),
    }
}

/// The object of a block before any event: a manifest or a template, or nothing.
enum Base {
    Manifest(Outline),
    Template(Value),
}

impl Base {
    fn of(block: &TriggerInfo) -> Result<Self, String> {
        let Some(text) = block.text("template-file") else {
            let empty = Outline::Constant(json!({}));
            return Ok(Self::Manifest(block.get("manifest").cloned().unwrap_or(empty)));
        };
        let parsed = template::parse(text)?;
        let wanted = template::placeholders(&parsed)?;
        let values = block.get("values").map(Outline::entries).unwrap_or_default();
        let given: Vec<&str> = values.iter().map(|field| field.key.as_str()).collect();
        if let Some(missing) = wanted.iter().find(|name| !given.contains(&name.as_str())) {
            return Err(format!("gives no `{missing}` in `values`, which its template needs"));
        }
        if let Some(idle) = given.into_iter().find(|name| !wanted.contains(*name)) {
            return Err(format!("gives `{idle}` in `values`, which its template does not use"));
        }
        Ok(Self::Template(parsed))
    }

    /// The text at a path, where it is the same for every event.
    fn text(&self, path: &[&str]) -> Option<String> {
        match self {
            Self::Manifest(outline) => match at(outline, path)? {
                Outline::Constant(Value::String(text)) => Some(text),
                _ => None,
            },
            Self::Template(template) => {
                let text = inside(template, path)?.as_str()?;
                (!text.contains("${")).then(|| text.to_owned())
            }
        }
    }

    fn has(&self, path: &[&str]) -> bool {
        match self {
            Self::Manifest(outline) => at(outline, path).is_some(),
            Self::Template(template) => inside(template, path).is_some(),
        }
    }

    /// The namespace that the object itself names.
    fn scope(&self) -> Scope {
        let path = ["metadata", "namespace"];
        match self.text(&path) {
            Some(namespace) => Scope::Namespace(namespace),
            None if self.has(&path) => Scope::AllNamespaces,
            None => Scope::Cluster,
        }
    }
}

fn inside<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

fn at(outline: &Outline, path: &[&str]) -> Option<Outline> {
    let Some((key, rest)) = path.split_first() else { return Some(outline.clone()) };
    let field = outline.entries().into_iter().find(|field| field.key == *key)?;
    at(&field.value, rest)
}

pub(super) fn change(request: &ActionRequest) -> Result<Change, String> {
    let fields = &request.action.fields;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let operation = match text("operation") {
        Some("apply") => Operation::Apply { force: fields.get("force") == Some(&true.into()) },
        Some("patch") => Operation::Patch(match text("patch-type") {
            Some("strategic") => Patch::Strategic,
            Some("json") => Patch::Json,
            _ => Patch::Merge,
        }),
        Some("delete") => Operation::Delete(match text("propagation") {
            Some("foreground") => Propagation::Foreground,
            Some("orphan") => Propagation::Orphan,
            _ => Propagation::Background,
        }),
        _ => Operation::Create,
    };
    let mut object = base(fields)?;
    for (field, key) in [("api-version", "apiVersion"), ("kind", "kind")] {
        if let Some(value) = text(field) {
            object.insert(key.into(), value.into());
        }
    }
    let mut metadata = match object.remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        None => Map::new(),
        Some(_) => return Err("`metadata` is not a record".into()),
    };
    for field in ["namespace", "name"] {
        if let Some(value) = text(field) {
            metadata.insert(field.into(), value.into());
        }
    }
    if let Some(prefix) = text("name-prefix") {
        metadata.insert("name".into(), metadata::name(prefix, request).into());
    }
    let part = |map: &Map<String, Value>, key: &str| {
        map.get(key).and_then(Value::as_str).map(str::to_owned)
    };
    let target = Target {
        api_version: part(&object, "apiVersion").ok_or("`api-version` must be given")?,
        kind: part(&object, "kind").ok_or("`kind` must be given")?,
        namespace: part(&metadata, "namespace"),
        name: part(&metadata, "name").ok_or("`name` must be given")?,
    };
    if !metadata::is_name(&target.name) {
        let name = &target.name;
        return Err(format!(
            "no object can be called `{name}`: names have lower-case letters, digits, `-` and `.`"
        ));
    }
    if let Some(name) = target.namespace.as_deref().filter(|name| !metadata::is_namespace(name)) {
        return Err(format!(
            "no namespace can be called `{name}`: their names have lower-case letters, digits and `-`"
        ));
    }
    let body = match operation {
        Operation::Delete(_) => Value::Null,
        Operation::Patch(_) => fields.get("patch").cloned().ok_or("`patch` must be given")?,
        Operation::Create | Operation::Apply { .. } => {
            for field in ["labels", "annotations"] {
                let own = metadata::own(fields, field)?;
                match metadata.entry(field).or_insert_with(|| json!({})) {
                    Value::Object(map) => map.extend(own),
                    _ => return Err(format!("`metadata.{field}` is not a record")),
                }
            }
            metadata::sign(&mut metadata, request);
            object.insert("metadata".into(), metadata.into());
            object.into()
        }
    };
    Ok(Change {
        action: request.id.clone(),
        manager: metadata::manager(request),
        operation,
        target,
        body,
        requires: Vec::new(),
        from_cron_job: None,
    })
}

/// The object as the rule gives it: a record, a filled-in template, or nothing but its kind.
fn base(fields: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let object = match (fields.get("manifest"), fields.get("template-file")) {
        (Some(manifest), _) => manifest.clone(),
        (None, Some(Value::String(text))) => {
            let none = Map::new();
            let values = fields.get("values").and_then(Value::as_object).unwrap_or(&none);
            template::fill(&template::parse(text)?, values)?
        }
        _ => json!({}),
    };
    match object {
        Value::Object(object) => Ok(object),
        _ => Err("the object is not a record".into()),
    }
}

/// Whether the block creates an object whose end is observed.
fn is_observed(block: &TriggerInfo) -> bool {
    let is_created = block.text("operation").unwrap_or("create") == "create";
    is_created && needs(block).iter().any(|need| matches!(need, Need::Follow { .. }))
}

pub(super) fn needs(block: &TriggerInfo) -> Vec<Need> {
    let Ok(base) = Base::of(block) else { return Vec::new() };
    let text = |field: &str, path: &[&str]| {
        block.text(field).map(str::to_owned).or_else(|| base.text(path))
    };
    let (Some(api_version), Some(kind)) =
        (text("api-version", &["apiVersion"]), text("kind", &["kind"]))
    else {
        return Vec::new();
    };
    let scope = match block.get("namespace") {
        Some(field) => Scope::of(Some(field)),
        None => base.scope(),
    };
    let name = match block.get("name") {
        Some(_) => block.text("name").map(str::to_owned),
        None => base.text(&["metadata", "name"]),
    };
    let name = name.as_deref();
    let used = |verbs| Need::used(&api_version, &kind, verbs, &scope, name);
    match block.text("operation").unwrap_or("create") {
        "patch" => used(&["get", "patch"]),
        "delete" => used(&["delete", "get"]),
        "apply" => {
            let mut needs = Need::created(&api_version, &kind, &scope);
            needs.extend(used(&["get", "patch"]));
            needs
        }
        _ => Need::created(&api_version, &kind, &scope),
    }
}
