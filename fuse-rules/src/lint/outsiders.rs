//! What outsiders write: texts that anybody can choose who may open an issue or a pull request.

use super::event_paths::{Step, Whole};
use crate::typed::Root;

/// Where outsiders write: the record, and its fields.
const OUTSIDERS: [(&str, &[&str]); 16] = [
    ("pull_request", &["title", "body"]),
    ("issue", &["title", "body"]),
    ("discussion", &["title", "body"]),
    ("comment", &["body"]),
    ("review", &["body"]),
    ("head", &["ref", "label"]),
    ("repo", &["full_name", "description", "default_branch"]),
    ("workflow_run", &["head_branch", "display_title"]),
    ("head_commit", &["message"]),
    ("commit", &["message"]),
    ("commits", &["message"]),
    ("author", &["name", "email"]),
    ("committer", &["name", "email"]),
    ("pusher", &["name", "email"]),
    ("pages", &["page_name"]),
    ("page", &["page_name"]),
];

/// Fields in which a text is no command.
pub(crate) const HARMLESS_FIELDS: [&str; 3] = ["labels", "annotations", "env"];

impl Whole<'_> {
    /// Whether outsiders write what stands there.
    pub(crate) fn is_outsiders(&self) -> bool {
        let mut keys = self.steps.iter().rev().filter_map(|step| match step {
            Step::Key(key) => Some(*key),
            _ => None,
        });
        let (Some(field), Some(record)) = (keys.next(), keys.next()) else { return false };
        self.root == Root::Body
            && matches!(self.steps.last(), Some(Step::Key(_)))
            && OUTSIDERS.iter().any(|(name, fields)| *name == record && fields.contains(&field))
            // The repository itself is ours; that of a head may be anybody's.
            && (record != "repo" || keys.next() == Some("head"))
    }
}
