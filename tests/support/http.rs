//! Requests and their answers.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::Deserialize as _;
use serde_json::Value;

/// A client that keeps no connection, as the process at the other end comes and goes.
pub(crate) fn client() -> reqwest::Client {
    // Each test makes its own client; whoever comes first chooses how they encrypt.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) async fn of(response: reqwest::Response) -> Result<Self, reqwest::Error> {
        Ok(Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    }

    pub(crate) fn json(&self) -> Value {
        let mut parser = serde_json::Deserializer::from_str(&self.text);
        // Events may be deeper than serde_json reads by default.
        parser.disable_recursion_limit();
        Value::deserialize(&mut parser).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The event's id, where the status is as expected.
    #[track_caller]
    pub(crate) fn event(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        self.json()["event"].as_str().unwrap().to_owned()
    }

    /// Why it was refused, where the status is as expected.
    #[track_caller]
    pub(crate) fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        self.json()["error"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.unwrap_or_else(|| panic!("no `{name}`: {self:?}")).to_str().unwrap()
    }
}
