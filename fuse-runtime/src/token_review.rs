//! Reviews bearer tokens that something other than fuse issued.

use async_trait::async_trait;

use crate::secrets::Secret;

/// The user that a token belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReviewedUser {
    /// The user's name, as in `system:serviceaccount:ops:alice`.
    pub name: String,
    /// The user's groups, as in `system:serviceaccounts:ops`.
    pub groups: Vec<String>,
}

/// Why a token could not be reviewed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token cannot be reviewed: {0}")]
pub struct TokenReviewError(pub String);

/// Finds out who a bearer token belongs to. `kubernetes::ClusterTokens` asks the API server.
#[async_trait]
pub trait TokenReviewer: Send + Sync + 'static {
    /// The user that a token belongs to; `None` if the token is not valid for this port.
    ///
    /// # Errors
    /// It is not known whether the token is valid.
    async fn review(&self, token: &Secret) -> Result<Option<ReviewedUser>, TokenReviewError>;
}
