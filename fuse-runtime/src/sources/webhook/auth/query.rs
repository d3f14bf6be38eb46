//! A query parameter whose value is a secret, for senders that sign nothing and cannot send custom headers.

use super::{Denied, Head};
use crate::secrets::SecretTexts;

/// Accepts a value of a query parameter.
pub(super) struct QuerySecret {
    pub(super) name: String,
    pub(super) values: SecretTexts,
}

impl QuerySecret {
    pub(super) fn check(&self, head: &Head<'_>) -> Result<(), Denied> {
        let pairs = form_urlencoded::parse(head.query.as_bytes());
        let mut values = pairs.filter(|(name, _)| *name == self.name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) if self.values.contains(value.as_bytes()).into() => Ok(()),
            (Some(_), None) => {
                Err(Denied::Credentials("the value of the query parameter is wrong"))
            }
            (None, _) => Err(Denied::Credentials("a query parameter is missing")),
            // Rules and fuse could each read another one.
            (Some(_), Some(_)) => Err(Denied::Credentials("a query parameter is repeated")),
        }
    }
}

/// A query without the parameters of these names.
pub(in super::super) fn without_parameters(query: &str, names: &[String]) -> String {
    let is_kept = |pair: &&str| {
        let name = form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name);
        !name.is_some_and(|name| names.iter().any(|hidden| *hidden == name))
    };
    query.split('&').filter(is_kept).collect::<Vec<_>>().join("&")
}
