//! Texts that anyone can choose who may open an issue or a pull request.

use super::event_paths::{EventPath, EventPathStep};
use crate::typed::Root;

/// The fields whose text outsiders choose, by the key of the object that contains them.
const UNTRUSTED_FIELDS: [(&str, &[&str]); 16] = [
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

/// Trigger fields whose text is not executed.
pub(crate) const HARMLESS_FIELDS: [&str; 3] = ["labels", "annotations", "env"];

impl EventPath<'_> {
    /// Whether outsiders choose the text of this value.
    pub(crate) fn is_untrusted(&self) -> bool {
        let mut keys = self.steps.iter().rev().filter_map(|step| match step {
            EventPathStep::Key(key) => Some(*key),
            _ => None,
        });
        let (Some(field), Some(object)) = (keys.next(), keys.next()) else { return false };
        self.root == Root::Body
            && matches!(self.steps.last(), Some(EventPathStep::Key(_)))
            && UNTRUSTED_FIELDS.iter().any(|(name, fields)| *name == object && fields.contains(&field))
            // The repository of the event is trusted; the one that a `head` belongs to may be a fork.
            && (object != "repo" || keys.next() == Some("head"))
    }
}
