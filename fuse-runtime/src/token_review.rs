//! Whose bearer tokens are valid, if something else than fuse issued them.

use async_trait::async_trait;

use crate::secrets::Secret;

/// Whose token it is.
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

/// Knows whose bearer tokens are valid. `kubernetes::ClusterTokens` asks the API server.
#[async_trait]
pub trait TokenReviewer: Send + Sync + 'static {
    /// Whose token it is; `None` if it is not valid for this port.
    ///
    /// # Errors
    /// It is not known whether the token is valid.
    async fn review(&self, token: &Secret) -> Result<Option<ReviewedUser>, TokenReviewError>;
}
