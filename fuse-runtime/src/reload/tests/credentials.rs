//! Reloads that change who may send events.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::*;
use crate::http::certificates::Authority;
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

/// The first source of its kind may come with a reload.
#[tokio::test(start_paused = true)]
async fn the_first_source_is_ready_at_once_and_a_hanging_read_is_begun_once() {
    let (port, used) = (free_port().await, TcpListener::bind((LOOPBACK, 0)).await.unwrap());
    let hanging = Arc::<AtomicUsize>::default();
    let secrets = SlowSecrets { hanging: Arc::clone(&hanging) };
    let fuse = Reloaded::start_with("", Vec::new(), |runtime| runtime.secrets(secrets)).await;
    let in_use = source("b", used.local_addr().unwrap().port(), "x");
    for _ in 0..3 {
        let failed = fuse.reload(&(guarded(port, "env(\"HANGS\")") + &in_use)).await.unwrap_err();
        assert!(failed.to_string().contains("cannot listen"), "{failed}");
    }
    assert_eq!(hanging.load(Ordering::SeqCst), 1);
    fuse.reload(&guarded(port, "env(\"ONE\")")).await.unwrap();
    assert_eq!(status(port, "token").await, 202);
    assert!(fuse.running.stop().await);
}

/// A secret that a test rotates.
struct RotatedSecret(Arc<Mutex<String>>);

#[async_trait]
impl SecretStore for RotatedSecret {
    async fn read(&self, _: &SecretRef) -> Result<Secret, SecretError> {
        Ok(Secret::new(self.0.lock().unwrap().as_str()))
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_are_read_again_while_reloads_follow_each_other() {
    let port = free_port().await;
    let secret = Arc::new(Mutex::new("one".to_owned()));
    let store = RotatedSecret(Arc::clone(&secret));
    let rules = guarded(port, "env(\"T\")");
    let fuse = Reloaded::start_with(&rules, Vec::new(), |runtime| runtime.secrets(store)).await;
    assert_eq!(status(port, "one").await, 202);
    *secret.lock().unwrap() = "two".to_owned();
    for n in 0..20 {
        fuse.reload(&(rules.clone() + &sensor("r", "a.x", &n.to_string()))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!((status(port, "one").await, status(port, "two").await), (401, 202));
    assert!(fuse.running.stop().await);
}

#[tokio::test]
async fn a_port_keeps_its_certificate_until_the_changed_one_can_be_used() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let keep = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let issued = authority.issue(&["localhost"]);
    keep("cert", &issued.cert);
    keep("key", &issued.key);
    let port = free_port().await;
    let secured = |cert: &str| {
        let (cert, key) = (file(&folder, cert), file(&folder, "key"));
        let tls = format!("tls {{ cert = {cert}, key = {key} }}");
        source("a", port, "x").replace(", event x", &format!(", {tls}, event x"))
    };
    // The answer to a request that does not use TLS: that the port has a certificate, or the event.
    let answer = async || {
        let mut connection = TcpStream::connect((LOOPBACK, port)).await.unwrap();
        let request =
            "POST /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // Without a certificate, the connection is closed.
        connection
            .read_to_string(&mut answer)
            .await
            .map_or(0, |_| answer.get(9..12).map_or(0, |status| status.parse().unwrap()))
    };
    let plain = source("a", port, "x");
    let fuse = Reloaded::start(&plain, Vec::new()).await;
    for (rules, expected) in [(&plain, 202), (&secured("cert"), 400)] {
        fuse.reload(rules).await.unwrap();
        assert_eq!(answer().await, expected);
        let failed = fuse.reload(&secured("other")).await.unwrap_err().to_string();
        let why = format!(
            "the changed `tls` is not used, because with it TLS of port {port} refuses connections: \
             file `{}` is not set",
            folder.path().join("other").display()
        );
        assert_eq!(failed, why);
        assert_eq!(answer().await, expected);
    }
    keep("other", &issued.cert);
    fuse.reload(&secured("other")).await.unwrap();
    assert_eq!(answer().await, 400);
    // A new port has nothing to keep.
    std::fs::remove_file(folder.path().join("cert")).unwrap();
    fuse.reload("").await.unwrap();
    fuse.reload(&secured("cert")).await.unwrap();
    assert_eq!(answer().await, 0);
    assert!(fuse.running.stop().await);
}

#[tokio::test]
async fn an_unchanged_rate_goes_on_counting() {
    let port = free_port().await;
    let limited = |burst: u32| {
        let rate = format!("rate {{ per-source = 1, burst = {burst} }}");
        source("a", port, "x").replace(", event x", &format!(", {rate}, event x"))
    };
    let fuse = Reloaded::start(&limited(40), Vec::new()).await;
    let mut connection = TcpStream::connect((LOOPBACK, port)).await.unwrap();
    let mut statuses = async |count: usize| {
        let mut all = BTreeSet::new();
        for _ in 0..count {
            all.insert(post(&mut connection, "/x").await.0);
        }
        all
    };
    assert_eq!(statuses(40).await, [202].into());
    fuse.reload(&(limited(40) + &sensor("r", "a.x", "other"))).await.unwrap();
    // They would need half a minute to be permitted.
    assert!(statuses(30).await.contains(&429));
    fuse.reload(&limited(50)).await.unwrap();
    assert_eq!(statuses(30).await, [202].into());
    assert!(fuse.running.stop().await);
}
