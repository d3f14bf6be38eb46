//! The response that the triggers of a rule get, as far as it is known before any event.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::reaction::RESPONSE_STATUS;
use crate::types::{Record, RecordMember, Rest, Ty};

/// The response that the triggers of a rule get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseInfo {
    /// The names of the values that are kept.
    pub(crate) kept: BTreeSet<String>,
    /// Whether every trigger of the rule gets a response, so that an action that succeeded has one.
    pub(crate) is_certain: bool,
}

impl ResponseInfo {
    /// The type of `outcome.response`.
    pub(crate) fn ty(&self) -> Ty {
        let status = RecordMember { ty: Ty::int(), optional: false };
        let status = (Arc::from(RESPONSE_STATUS), status);
        // A server may leave out any value.
        let kept = self.kept.iter().map(|name| {
            let ty = Ty::string().or(Ty::number()).or(Ty::bool());
            (Arc::from(name.as_str()), RecordMember { ty, optional: true })
        });
        let fields: IndexMap<_, _> = std::iter::once(status).chain(kept).collect();
        Ty::record(Record { fields, rest: Rest::Nothing })
    }
}
