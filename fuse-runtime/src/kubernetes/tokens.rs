//! Asks the API server who a bearer token belongs to.

use async_trait::async_trait;
use http::Request;
use kube::core::request;
use serde_json::{Value, json};

use super::{Cluster, Need, Scope};
use crate::secrets::Secret;
use crate::token_review::{ReviewedUser, TokenReviewError, TokenReviewer};

const API_VERSION: &str = "authentication.k8s.io/v1";
const KIND: &str = "TokenReview";

/// Reviews bearer tokens of a cluster, such as those of service accounts. A token must be issued for this audience: one
/// that is meant for another service, such as the API server itself, is not valid.
#[derive(Clone, Debug)]
pub struct ClusterTokens {
    cluster: Cluster,
    audience: String,
}

impl ClusterTokens {
    /// Reviews tokens for this audience.
    pub fn new(cluster: Cluster, audience: impl Into<String>) -> Self {
        Self { cluster, audience: audience.into() }
    }

    /// The permission that it needs.
    pub fn need() -> Need {
        Need::access(API_VERSION, KIND, &["create"], &Scope::Cluster, None)
    }
}

#[async_trait]
impl TokenReviewer for ClusterTokens {
    async fn review(&self, token: &Secret) -> Result<Option<ReviewedUser>, TokenReviewError> {
        let review = json!({
            "apiVersion": API_VERSION,
            "kind": KIND,
            "spec": { "token": token.expose(), "audiences": [self.audience] },
        });
        let request = Request::post(format!("/apis/{API_VERSION}/tokenreviews"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(review.to_string().into_bytes())
            .map_err(request::Error::BuildRequest);
        let answer = self.cluster.call(request).await;
        let answer = answer.map_err(|refusal| TokenReviewError(refusal.message().to_owned()))?;
        Ok(user(&answer, &self.audience))
    }
}

/// The user of an answer, if the token is valid for the audience.
fn user(answer: &Value, audience: &str) -> Option<ReviewedUser> {
    let texts = |pointer: &str| -> Vec<String> {
        let texts = answer.pointer(pointer).and_then(Value::as_array);
        texts.into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let is_valid = answer.pointer("/status/authenticated") == Some(&Value::Bool(true));
    // An API server that does not know audiences would accept any token.
    let is_for = texts("/status/audiences").iter().any(|one| one == audience);
    let name = answer.pointer("/status/user/username").and_then(Value::as_str)?;
    let groups = texts("/status/user/groups");
    (is_valid && is_for).then(|| ReviewedUser { name: name.to_owned(), groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_valid_for_one_audience() {
        let answer = |authenticated: bool, audiences: Value| {
            json!({ "status": {
                "authenticated": authenticated,
                "audiences": audiences,
                "user": { "username": "alice", "groups": ["ops"] },
            } })
        };
        let alice = ReviewedUser { name: "alice".into(), groups: vec!["ops".into()] };
        assert_eq!(user(&answer(true, json!(["fuse"])), "fuse"), Some(alice));
        assert_eq!(user(&answer(true, json!(["other"])), "fuse"), None);
        assert_eq!(user(&answer(true, Value::Null), "fuse"), None);
        assert_eq!(user(&answer(false, json!(["fuse"])), "fuse"), None);
        assert_eq!(user(&json!({}), "fuse"), None);
    }
}
