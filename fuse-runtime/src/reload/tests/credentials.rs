//! Reloads that change who may send events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::*;
use crate::secrets::{Secret, SecretError, SecretRef, SecretStore};

/// A source whose senders have this token.
fn guarded(port: u16, token: &str) -> String {
    let auth = format!("auth {{ bearer {{ token = {token} }} }}");
    source("a", port, "x").replace(", event x", &format!(", {auth}, event x"))
}

/// A token that is in this file.
fn file(folder: &TempDir, name: &str) -> String {
    format!("file(\"{}\")", folder.path().join(name).display())
}

/// The status of an event with this token.
async fn status(port: u16, token: &str) -> u16 {
    let mut connection = TcpStream::connect((LOOPBACK, port)).await.unwrap();
    let head = format!("authorization: Bearer {token}\r\n");
    post_as(&mut connection, "/x", &head, "{}").await.0
}

#[tokio::test]
async fn removed_authentication_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one"), "one").unwrap();
    let port = free_port().await;
    let fuse = Reloaded::start(&guarded(port, &file(&folder, "one")), Vec::new()).await;
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

#[tokio::test]
async fn a_source_that_is_ready_keeps_its_auth_until_the_changed_one_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one"), "one").unwrap();
    let port = free_port().await;
    // A source that is not ready has nothing to keep.
    let fuse = Reloaded::start(&guarded(port, &file(&folder, "none")), Vec::new()).await;
    assert_eq!(status(port, "one").await, 503);
    fuse.reload(&guarded(port, &file(&folder, "nothing"))).await.unwrap();
    fuse.reload(&guarded(port, &file(&folder, "one"))).await.unwrap();
    assert_eq!(status(port, "one").await, 202);

    let changed = guarded(port, &file(&folder, "two"));
    for _ in 0..2 {
        let failed = fuse.reload(&changed).await.unwrap_err();
        let why = format!(
            "the changed `auth` is not used, because with it `a` refuses its requests with 503: \
             file `{}` is not set",
            folder.path().join("two").display()
        );
        assert!(matches!(failed, ReloadError::Source(_)), "{failed}");
        assert_eq!(failed.to_string(), why);
        assert!(fuse.running.reloader().warning().unwrap().ends_with(&why));
        assert_eq!(status(port, "one").await, 202);
    }
    std::fs::write(folder.path().join("two"), "two").unwrap();
    let report = fuse.reload(&changed).await.unwrap();
    assert_eq!(report.changes.events[0].to_string(), "a.x: auth changed");
    assert_eq!((status(port, "one").await, status(port, "two").await), (401, 202));
    assert!(fuse.running.stop().await);
}

/// The secret `ONE` is read at once, `SLOW` in more than one try, and any other never.
struct SlowSecrets {
    hanging: Arc<AtomicUsize>,
}

#[async_trait]
impl SecretStore for SlowSecrets {
    async fn read(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        match reference {
            SecretRef::Env { name } if name == "ONE" => {}
            SecretRef::Env { name } if name == "SLOW" => {
                tokio::time::sleep(Duration::from_millis(1_500)).await;
            }
            _ => {
                self.hanging.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
        }
        Ok(Secret::new("token"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_waits_for_a_slow_secret_and_reads_one_that_hangs_once() {
    let port = free_port().await;
    let hanging = Arc::<AtomicUsize>::default();
    let secrets = SlowSecrets { hanging: Arc::clone(&hanging) };
    let fuse = Reloaded::start_with(&guarded(port, "env(\"ONE\")"), Vec::new(), |runtime| {
        runtime.secrets(secrets)
    })
    .await;
    for _ in 0..3 {
        let failed = fuse.reload(&guarded(port, "env(\"HANGS\")")).await.unwrap_err();
        let why = "environment variable `HANGS` cannot be read: it takes longer than a second";
        assert!(failed.to_string().ends_with(why), "{failed}");
    }
    assert_eq!(hanging.load(Ordering::SeqCst), 1);
    fuse.reload(&guarded(port, "env(\"SLOW\")")).await.unwrap();
    assert!(fuse.running.stop().await);
}
