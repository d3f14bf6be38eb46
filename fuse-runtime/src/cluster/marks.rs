//! Patches and server-side apply with our mark: the latest actions that changed an object, in one of
//! its annotations. It is written together with the change and only over the version of the object
//! that was read, so that an action whose mark is there was done, and one whose is not was not.

use http::Request;
use kube::api::PatchParams;
use kube::core::request;
use serde_json::{Map, Value, json};

use super::submit::{MANAGER, annotation};
use super::{Change, Kind, Operation, Patch};
use crate::triggers::Failure;
use crate::triggers::metadata::ACTIONS;

/// How many of the latest actions an object's mark names.
const MARKS: usize = 32;

type Sent = Result<Request<Vec<u8>>, request::Error>;

impl Change {
    /// Our mark in an object that is changed: the start of the action's id.
    pub(super) fn mark(&self) -> &str {
        self.action.get(..16).unwrap_or(&self.action)
    }

    pub(super) fn past(&self) -> &'static str {
        match self.operation {
            Operation::Apply { .. } => "applied",
            _ => "patched",
        }
    }

    /// The request that changes the object that was read, and no other version of it.
    pub(super) fn patched(
        &self,
        kind: &Kind,
        there: Option<&Value>,
        dry_run: bool,
        over_own: bool,
    ) -> Result<Sent, Failure> {
        let path = request::Request::new(kind.path(self.target.namespace.as_deref()));
        let name = &self.target.name;
        let before: Vec<&str> = there.into_iter().flat_map(marks).collect();
        let kept = before.len().saturating_sub(MARKS - 1);
        let mut all = before.get(kept..).unwrap_or_default().to_vec();
        all.push(self.mark());
        let all = all.join(",");
        let version = there.and_then(|there| there.pointer("/metadata/resourceVersion")).cloned();
        let mut params = PatchParams { dry_run, ..PatchParams::default() };
        params.field_manager = Some(MANAGER.into());
        if let Operation::Patch(Patch::Json) = self.operation {
            let Value::Array(own) = &self.body else {
                return Err(Failure::Permanent("a JSON patch is a list of operations".into()));
            };
            let annotations = there.and_then(|there| there.pointer("/metadata/annotations"));
            let mut operations = Vec::new();
            if annotations.is_none() {
                // First, so that it takes nothing away that the rule's own operations bring.
                let empty = json!({ "op": "add", "path": "/metadata/annotations", "value": {} });
                operations.push(empty);
            }
            operations.extend(own.iter().cloned());
            let key = ACTIONS.replace('/', "~1");
            let path_of_mark = format!("/metadata/annotations/{key}");
            operations.push(json!({ "op": "add", "path": path_of_mark, "value": all }));
            // Not `test`: the server answers a test that fails as it does a patch that is wrong.
            let path_of_version = "/metadata/resourceVersion";
            operations.push(json!({ "op": "add", "path": path_of_version, "value": version }));
            return Ok(path.patch(name, &params, &raw(Patch::Json, &json!(operations))?));
        }
        let mut body = self.body.clone();
        let metadata = object(&mut body, "metadata")?;
        if let Some(version) = version {
            metadata.insert("resourceVersion".into(), version);
        }
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if !annotations.is_object() {
            *annotations = json!({});
        }
        if let Value::Object(annotations) = annotations {
            annotations.insert(ACTIONS.into(), all.into());
        }
        match self.operation {
            Operation::Patch(patch) => Ok(path.patch(name, &params, &raw(patch, &body)?)),
            Operation::Apply { force } => {
                params.force = force || over_own;
                Ok(path.patch(name, &params, &kube::api::Patch::Apply(&body)))
            }
            _ => Err(Failure::Permanent("this is no patch".into())),
        }
    }
}

/// The patch in its form.
fn raw(patch: Patch, body: &Value) -> Result<kube::api::Patch<Value>, Failure> {
    Ok(match patch {
        Patch::Merge => kube::api::Patch::Merge(body.clone()),
        Patch::Strategic => kube::api::Patch::Strategic(body.clone()),
        Patch::Json => {
            let patch = serde_json::from_value(body.clone()).map_err(|error| {
                Failure::Permanent(format!("`patch` is no JSON patch: {error}"))
            })?;
            kube::api::Patch::Json(patch)
        }
    })
}

fn object<'v>(body: &'v mut Value, key: &str) -> Result<&'v mut Map<String, Value>, Failure> {
    let Value::Object(map) = body else {
        return Err(Failure::Permanent("the object is not a record".into()));
    };
    match map.entry(key).or_insert_with(|| json!({})) {
        Value::Object(inner) => Ok(inner),
        _ => Err(Failure::Permanent(format!("`{key}` is not a record"))),
    }
}

/// The latest actions that changed an object.
pub(super) fn marks(object: &Value) -> impl Iterator<Item = &str> {
    annotation(object, ACTIONS).unwrap_or_default().split(',').filter(|mark| !mark.is_empty())
}
