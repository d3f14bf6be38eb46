//! The kinds of sources and triggers that the rules of the benchmarks are checked by.

use fuse_rules::Registry;
use fuse_runtime::registry;
use fuse_runtime::sources::{Sources, Webhook};
use fuse_runtime::triggers::{ActionFiles, Triggers};

pub(crate) fn kinds() -> Registry {
    let sources = Sources::new().with("webhook", Webhook::new([127, 0, 0, 1].into()));
    registry(&sources, &Triggers::local(ActionFiles::new("manifests")))
}
