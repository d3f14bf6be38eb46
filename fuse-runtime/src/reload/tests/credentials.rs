//! Reloads that change who may send events.

use tempfile::TempDir;

use super::*;

/// A source whose senders have the token in this file.
fn guarded(port: u16, file: &str, folder: &TempDir) -> String {
    let path = folder.path().join(file);
    let auth = format!("auth {{ bearer {{ token = file(\"{}\") }} }}", path.display());
    source("a", port, "x").replace(", event x", &format!(", {auth}, event x"))
}

#[tokio::test]
async fn removed_authentication_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one"), "one").unwrap();
    let port = free_port().await;
    let fuse = Reloaded::start(&guarded(port, "one", &folder), Vec::new()).await;
    let report = fuse.reload(&source("a", port, "x")).await.unwrap();
    let changes = &report.changes;
    assert!(!changes.is_empty() && changes.opened.is_empty() && changes.changed.is_empty());
    assert_eq!(changes.events[0].to_string(), "a.x: auth removed");
    let limit = source("a", port, "x").replace(", event", ", body-limit = 2KiB, event");
    let report = fuse.reload(&limit).await.unwrap();
    assert_eq!(report.changes.events[0].to_string(), "a.x: body-limit changed");
    assert!(fuse.reload(&limit).await.unwrap().changes.is_empty());
    assert!(fuse.running.stop().await);
}
