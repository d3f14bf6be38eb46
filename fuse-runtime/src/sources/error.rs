//! Why a source cannot be bound, or stopped serving.

use crate::error_causes::with_causes;
use std::error::Error;
use std::net::SocketAddr;

use crate::secrets::SecretError;

/// Why a source cannot be bound, or stopped serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The fields of an event do not have the form that the source expects.
    #[error("the configuration of `{event}` cannot be read: {source}")]
    Config {
        /// The event as rules name it: `source.event`.
        event: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// A port cannot be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Another failure, which the source describes.
    #[error("{message}")]
    Failed {
        /// What failed, for people.
        message: String,
        /// The cause, where there is one.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl SourceError {
    /// A failure that the message describes.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), source: None }
    }

    /// A failure with its cause. The message says what was attempted, the cause why it failed.
    pub fn with_source(
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Failed { message: message.into(), source: Some(source.into()) }
    }

    /// The message with those of all causes, each once.
    pub(crate) fn chain(&self) -> String {
        with_causes(self)
    }
}
