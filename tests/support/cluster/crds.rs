//! The CRDs that the product works with: small ones of our own, or others' in full.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::objects::{Objects, documents, status_of, text};
use super::until;
use crate::support::root;

const VARIABLE: &str = "FUSE_TEST_CRDS";
const CRD: &str = "apiextensions.k8s.io/v1/CustomResourceDefinition";

/// Ours, but for those that the folder in the variable has.
fn definitions() -> Vec<Value> {
    let mut definitions = read(&root().join("tests/cluster/crds"));
    if let Some(folder) = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
        let theirs = read(Path::new(&folder));
        assert!(!theirs.is_empty(), "{VARIABLE}: no YAML in {}", folder.display());
        definitions.retain(|ours| theirs.iter().all(|one| name(one) != name(ours)));
        definitions.extend(theirs);
    }
    definitions
}

fn read(folder: &Path) -> Vec<Value> {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{VARIABLE}: {}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "yaml" || end == "yml"));
    files.sort();
    files.iter().flat_map(|file| documents(&std::fs::read_to_string(file).unwrap())).collect()
}

fn name(definition: &Value) -> &str {
    text(definition, "/metadata/name")
}

pub(super) async fn install(objects: &Objects) {
    let definitions = definitions();
    for definition in &definitions {
        // Not applied: with the owners of their fields, the full ones do not fit into etcd.
        match objects.create(definition.clone()).await {
            Ok(_) => {}
            Err(error) if status_of(&error) == Some(409) => {}
            Err(error) => panic!("{}: {error}", name(definition)),
        }
    }
    for definition in &definitions {
        wait(objects, definition).await;
    }
}

pub(super) async fn delete(objects: &Objects) {
    let definitions = definitions();
    for definition in &definitions {
        let name = name(definition);
        match objects.delete(CRD, "", name).await {
            Ok(()) => {}
            Err(error) if status_of(&error) == Some(404) => {}
            Err(error) => panic!("{name}: {error}"),
        }
    }
    for definition in &definitions {
        // It stays until its objects are gone, and its kind is served a little longer.
        until(&format!("gone: {}", name(definition)), async || {
            let error = objects.get(CRD, "", name(definition)).await.err()?;
            (status_of(&error) == Some(404)).then_some(())
        })
        .await;
        for kind in kinds(definition) {
            objects.wait_served(&kind, false).await;
        }
    }
}

/// Waits until the definition is established and its objects are served.
pub(super) async fn wait(objects: &Objects, definition: &Value) {
    let name = name(definition);
    until(&format!("established: {name}"), async || {
        let now = objects.get(CRD, "", name).await.ok()?;
        let conditions = now.pointer("/status/conditions")?.as_array()?;
        let mut established = conditions.iter().filter(|one| one["type"] == "Established");
        established.any(|one| one["status"] == "True").then_some(())
    })
    .await;
    for kind in kinds(definition) {
        objects.wait_served(&kind, true).await;
    }
}

/// What it defines, in each version that is served.
fn kinds(definition: &Value) -> Vec<String> {
    let (group, kind) = (text(definition, "/spec/group"), text(definition, "/spec/names/kind"));
    let versions = definition["spec"]["versions"].as_array().unwrap();
    let served = versions.iter().filter(|version| version["served"] == true);
    served.map(|version| format!("{group}/{}/{kind}", text(version, "/name"))).collect()
}
