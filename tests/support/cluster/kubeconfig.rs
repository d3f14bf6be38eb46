//! Kubeconfig files, and clients from them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

/// The server's own certificate, with the one that signed it.
const CERTIFICATE: &str = "certificates/apiserver.crt";

/// Writes a new file into the folder. JSON is YAML. Where a namespace is given, it is that of the context.
pub(super) fn write(
    folder: &Path,
    url: &str,
    token: Option<&str>,
    namespace: Option<&str>,
) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let file = folder.join(format!("kubeconfig-{number}.yaml"));
    let mut content = content(folder, url, token);
    if let Some(namespace) = namespace {
        content["contexts"][0]["context"]["namespace"] = namespace.into();
    }
    std::fs::write(&file, format!("{content:#}\n")).unwrap();
    file
}

fn content(folder: &Path, url: &str, token: Option<&str>) -> Value {
    let mut cluster = json!({ "server": url });
    if url.starts_with("https:") {
        cluster["certificate-authority"] = json!(folder.join(CERTIFICATE));
    }
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        "clusters": [{ "name": "test", "cluster": cluster }],
        "users": [{ "name": "test", "user": token.map_or(json!({}), |token| json!({ "token": token })) }],
    })
}

/// Fails while the server has not made its certificate.
pub(super) async fn config(
    folder: &Path,
    url: &str,
    token: Option<&str>,
) -> Result<Config, Box<dyn std::error::Error>> {
    std::fs::metadata(folder.join(CERTIFICATE))?;
    let kubeconfig: Kubeconfig = serde_json::from_value(content(folder, url, token))?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    // What a test does is done once, and directly.
    config.default_retry = false;
    config.proxy_url = None;
    Ok(config)
}

pub(super) async fn client(folder: &Path, url: &str, token: Option<&str>) -> kube::Client {
    let config = config(folder, url, token).await.unwrap();
    kube::Client::try_from(config).unwrap()
}
