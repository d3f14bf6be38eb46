//! Who may approve what rules do, as far as it is known before anyone asks.

use std::collections::BTreeSet;

use super::{AdminAccess, AdminRight};
use crate::generation::Generation;

/// Who may approve what rules do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Approvers {
    /// Whether anyone may.
    exist: bool,
    /// The groups of the tokens that may.
    groups: BTreeSet<String>,
    /// Whether reviewed users may. Their groups are known when they ask.
    reviewed: bool,
}

/// A rule that nobody could approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoApprover {
    /// The rule's full name.
    pub rule: String,
    /// Where it is, as `file:line:column`.
    pub place: String,
    /// The groups of which an approver must be a member of one.
    pub groups: Vec<String>,
}

impl std::error::Error for NoApprover {}

impl std::fmt::Display for NoApprover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rule, place, groups } = self;
        write!(f, "nobody can approve what rule `{rule}` ({place}) does: ")?;
        if groups.is_empty() {
            return f.write_str(
                "serve the admin port, and give a token the right `approve` in `[admin]` of fuse.toml",
            );
        }
        let groups: Vec<_> = groups.iter().map(|group| format!("{group:?}")).collect();
        let groups = groups.join(", ");
        write!(
            f,
            "no token of `[admin]` in fuse.toml has the right `approve` and is in {groups}; add one as in `alice = {{ env \
             = \"ALICE\", rights = [\"read\", \"approve\"], groups = [{groups}] }}` under `[admin.tokens]`, or use \
             `[admin.token_review]`"
        )
    }
}

impl Approvers {
    /// A rule that nobody could approve.
    pub(crate) fn missing(&self, generation: &Generation) -> Option<NoApprover> {
        let ruleset = &generation.ruleset;
        ruleset.rules().find_map(|rule| {
            let groups = rule.approvers.filter(|groups| !self.may_approve(groups))?;
            let place = ruleset.files().locate(rule.span);
            Some(NoApprover { rule: rule.name.to_owned(), place, groups })
        })
    }

    pub(super) fn may_approve(&self, groups: &[String]) -> bool {
        match groups {
            [] => self.exist,
            groups => self.reviewed || groups.iter().any(|group| self.groups.contains(group)),
        }
    }
}

impl AdminAccess {
    /// Who may approve what rules do, if the admin port is served.
    pub(crate) fn approvers(&self) -> Approvers {
        let tokens = self.tokens.values();
        let approving = || tokens.clone().filter(|one| one.rights.permits(AdminRight::Approve));
        let reviewed = self.reviews.as_ref().is_some_and(super::Reviews::may_approve);
        Approvers {
            exist: reviewed || self.local.is_some() || approving().next().is_some(),
            groups: approving().flat_map(|one| one.groups.iter().cloned()).collect(),
            reviewed,
        }
    }
}
