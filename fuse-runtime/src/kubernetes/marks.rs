//! Patches and server-side apply with a mark: an annotation of the object that lists the latest actions that
//! changed it. The mark is written together with the change, and only over the version of the object that was
//! read. So an action was performed exactly if it is in the mark, unless so many later actions changed the
//! object that its entry was dropped.

use http::Request;
use kube::api::PatchParams;
use kube::core::request;
use serde_json::{Map, Value, json};

use super::submit::{MANAGER, annotation};
use super::triggers::metadata::ACTIONS;
use super::{Change, Kind, Operation, Patch};
use crate::triggers::Failure;

/// How many of the latest actions an object's mark names.
const MARKS: usize = 256;

/// Whether an object carries the mark of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    Yes,
    No,
    /// So many actions came after it that its entry would have been dropped.
    Unknown,
}

type Sent = Result<Request<Vec<u8>>, request::Error>;

impl Change {
    /// Whether the change was made to an object. `before` is the latest mark from before the attempt.
    pub(super) fn made(&self, there: Option<&Value>, checkpoint: Option<&str>) -> Made {
        let all: Vec<&str> = there.into_iter().flat_map(marks).collect();
        if all.contains(&self.mark()) {
            return Made::Yes;
        }
        match checkpoint {
            // The entry from before ours is still there, so ours would be too.
            Some(before) if all.contains(&before) => Made::No,
            Some(_) => Made::Unknown,
            None if all.len() >= MARKS => Made::Unknown,
            None => Made::No,
        }
    }

    /// The entry of an action in the mark: the start of the action's id.
    fn mark(&self) -> &str {
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
            if own.iter().any(takes_metadata) {
                return Err(Failure::Permanent(NEEDS_METADATA.into()));
            }
            let annotations = there.and_then(|there| there.pointer("/metadata/annotations"));
            let mut operations = Vec::new();
            if annotations.is_none() {
                // First, so that it removes nothing that the rule's own operations add.
                let empty = json!({ "op": "add", "path": "/metadata/annotations", "value": {} });
                operations.push(empty);
            }
            operations.extend(own.iter().cloned());
            let key = ACTIONS.replace('/', "~1");
            let path_of_mark = format!("/metadata/annotations/{key}");
            operations.push(json!({ "op": "add", "path": path_of_mark, "value": all }));
            // Not `test`: the server answers a failed test in the same way as an invalid patch.
            let path_of_version = "/metadata/resourceVersion";
            operations.push(json!({ "op": "add", "path": path_of_version, "value": version }));
            return Ok(path.patch(name, &params, &raw(Patch::Json, &json!(operations))?));
        }
        let mut body = self.body.clone();
        let null = |pointer| body.pointer(pointer).is_some_and(Value::is_null);
        if null("/metadata") || null("/metadata/annotations") {
            return Err(Failure::Permanent(NEEDS_METADATA.into()));
        }
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
                // One field manager per rule: two rules that apply to one object keep their own fields.
                params.field_manager = Some(self.manager.clone());
                Ok(path.patch(name, &params, &kube::api::Patch::Apply(&body)))
            }
            _ => Err(Failure::Permanent("this is not a patch".into())),
        }
    }
}

/// Why a patch is refused.
const NEEDS_METADATA: &str = "a patch may not remove all annotations: one of them says that it \
    was made, so that it is made once; take away those that you mean";

/// Whether an operation of a JSON patch removes the annotations, or all metadata.
fn takes_metadata(operation: &Value) -> bool {
    let text = |key: &str| operation.get(key).and_then(Value::as_str).unwrap_or_default();
    let whole = |path: &str| matches!(path, "" | "/metadata" | "/metadata/annotations");
    match text("op") {
        "remove" => whole(text("path")),
        "move" => whole(text("from")),
        "replace" | "add" => matches!(text("path"), "" | "/metadata"),
        _ => false,
    }
}

/// The patch in its form.
fn raw(patch: Patch, body: &Value) -> Result<kube::api::Patch<Value>, Failure> {
    Ok(match patch {
        Patch::Merge => kube::api::Patch::Merge(body.clone()),
        Patch::Strategic => kube::api::Patch::Strategic(body.clone()),
        Patch::Json => {
            let patch = serde_json::from_value(body.clone()).map_err(|error| {
                Failure::Permanent(format!("`patch` is not a JSON patch: {error}"))
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
fn marks(object: &Value) -> impl Iterator<Item = &str> {
    annotation(object, ACTIONS).unwrap_or_default().split(',').filter(|mark| !mark.is_empty())
}

/// The latest mark of an object.
pub(super) fn latest(object: &Value) -> Option<String> {
    marks(object).last().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::Target;

    #[test]
    fn a_mark_that_may_have_been_pushed_out_is_no_proof() {
        let change = Change {
            action: format!("{:064}", 7),
            manager: "fuse".into(),
            operation: Operation::Patch(Patch::Merge),
            target: Target {
                api_version: "v1".into(),
                kind: "ConfigMap".into(),
                namespace: Some("n".into()),
                name: "x".into(),
            },
            body: json!({}),
            requires: Vec::new(),
            from_cron_job: None,
        };
        let object =
            |marks: &[&str]| json!({ "metadata": { "annotations": { ACTIONS: marks.join(",") } } });
        let ours = change.mark();
        let made = |object: &Value, checkpoint| change.made(Some(object), checkpoint);
        assert_eq!(made(&object(&["a", ours, "b"]), Some("gone")), Made::Yes);
        assert_eq!(made(&object(&["a", "b"]), Some("a")), Made::No);
        assert_eq!(made(&object(&["b"]), Some("a")), Made::Unknown);
        assert_eq!(made(&object(&[]), None), Made::No);
        let many: Vec<String> = (0..MARKS).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(made(&object(&many), None), Made::Unknown);
        assert_eq!(change.made(None, Some("a")), Made::Unknown);
        assert_eq!(change.made(None, None), Made::No);
        assert_eq!(latest(&object(&["a", "b"])).as_deref(), Some("b"));
    }
}
