//! Triggers that send HTTP requests: `http`, and `slack`, `teams` and `pagerduty`, which know an API.
//!
//! The host of a request is fixed by the rules or by a secret: no event can choose where data and credentials are
//! sent. Values of an event are escaped wherever they become part of a URL.

mod addresses;
mod answer;
mod call;
mod client;
mod fields;
mod filled_call;
mod keep;
mod outcome;
mod pagerduty;
mod refusals;
mod request;
mod sender;
mod signing;
mod slack;
mod teams;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Deserialize;

pub use addresses::HttpAddresses;
pub(crate) use outcome::failure;
pub use outcome::{http_outcome, retry_after};
pub use pagerduty::PagerDuty;
pub use request::Http;
pub use slack::Slack;
pub use teams::Teams;

use super::{RenderError, Triggers};
use crate::secrets::Secrets;
use sender::HttpSender;

impl Triggers {
    /// Adds the triggers that send HTTP requests: `http`, `slack`, `teams` and `pagerduty`.
    #[must_use]
    pub fn with_http(self, secrets: Secrets, addresses: HttpAddresses) -> Self {
        let sender = Arc::new(HttpSender::new(secrets, addresses));
        self.with(Http { sender: Arc::clone(&sender) })
            .with(Slack { sender: Arc::clone(&sender), api: slack::API.to_owned() })
            .with(Teams { sender: Arc::clone(&sender) })
            .with(PagerDuty { sender })
    }

    /// Adds the trigger `slack`, with the address of its API.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_slack_at(
        self,
        secrets: Secrets,
        addresses: HttpAddresses,
        api: &str,
    ) -> Self {
        let sender = Arc::new(HttpSender::new(secrets, addresses));
        self.with(Slack { sender, api: api.to_owned() })
    }
}

/// The fields of an action as those of a trigger.
fn read_fields<T: for<'de> Deserialize<'de>>(
    request: &super::ActionRequest,
) -> Result<T, RenderError> {
    T::deserialize(serde_json::Value::Object(request.action.fields.clone()))
        .map_err(|error| RenderError::new(error.to_string()))
}
