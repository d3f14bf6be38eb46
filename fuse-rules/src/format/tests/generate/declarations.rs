//! Generates fuses and sources.

use super::Generator;

impl Generator<'_> {
    pub(super) fn fuse(&mut self) {
        self.all(&["fuse", "f", "default", "on"]);
        if self.choose(2) == 1 {
            self.block();
        }
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
