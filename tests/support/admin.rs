//! Requests to the admin port.

use reqwest::Method;
use serde_json::Value;

use super::{Fuse, Ports, Reply};

impl Fuse {
    /// Asks the admin port with the token of the state folder.
    pub(crate) async fn admin(&self, path: &str) -> Reply {
        self.admin_as(Method::GET, path, self.token().as_deref(), "").await
    }

    /// Asks the admin port with this token.
    pub(crate) async fn admin_as(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: impl Into<reqwest::Body>,
    ) -> Reply {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", &**bearer)).collect();
        self.request(method, (Ports::ADMIN, path), &headers, body).await
    }

    /// The token for programs on this machine.
    pub(crate) fn token(&self) -> Option<String> {
        let files =
            [".fuse", ".fuse-local"].map(|state| self.folder().join(state).join("admin.json"));
        let file = files.iter().find_map(|path| std::fs::read(path).ok())?;
        let endpoint: Value = serde_json::from_slice(&file).unwrap();
        endpoint["token"].as_str().map(str::to_owned)
    }
}
