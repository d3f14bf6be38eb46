//! Generates fuses and sources.

use super::Generator;

impl Generator<'_> {
    pub(super) fn fuse(&mut self) {
        self.all(&["fuse", "f", "default", "on"]);
        if self.choose(2) == 1 {
            self.fuse_block();
        }
    }

    fn fuse_block(&mut self) {
        self.braces(|make| match make.choose(5) {
            4 => make.all(&["on", "blown", "{", "trigger", "log", "{", "}", "}"]),
            0 => make.all(&["blow", "after", "20", "actions", "within", "10m"]),
            1 => make.all(&["blow", "after", "1", "failure", "within", "1h"]),
            2 => make.all(&["reset", "after", "1h"]),
            _ => make.item(),
        });
    }

    pub(super) fn source(&mut self) {
        self.all(&["source", "s", "webhook"]);
        self.braces(|make| {
            if make.choose(2) == 0 {
                return make.item();
            }
            make.all(&["event", "e"]);
            if make.choose(2) == 1 {
                make.t(":");
                make.ty();
            }
            if make.choose(2) == 1 {
                make.event_block();
            }
        });
    }
}
