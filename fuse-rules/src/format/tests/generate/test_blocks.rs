//! `test` declarations, with every kind of step.

use super::Generator;

impl Generator<'_> {
    pub(super) fn test(&mut self) {
        self.all(&["test", "\"t\"", "{"]);
        for _ in 0..self.choose(6) {
            self.step();
        }
        self.t("}");
    }

    fn step(&mut self) {
        match self.choose(9) {
            7 => {
                self.all(&["with", "response", "s/r"]);
                self.block();
            }
            6 => {
                let word = self.choose(2);
                self.all(&[["approve", "decline"][word], "s/r"]);
            }
            5 => self.all(&["expect", "fuse", "f", "blown"]),
            0 => self.all(&["with", "fuse", "f", "off"]),
            1 => self.all(&["at", "\"2026-08-01T10:00:00Z\""]),
            2 => {
                self.all(&["send", "a.b"]);
                for _ in 0..self.choose(3) {
                    match self.choose(5) {
                        0 => self.all(&["from", "\"x.json\""]),
                        1 => {
                            self.t("body");
                            self.value();
                        }
                        2 => {
                            self.t("headers");
                            self.block();
                        }
                        3 => {
                            self.t("path");
                            self.block();
                        }
                        _ => {
                            self.t("query");
                            self.block();
                        }
                    }
                }
            }
            3 => self.all(&["expect", "nothing", "else"]),
            4 => self.all(&["expect", "no", "s/r"]),
            _ => {
                self.all(&["expect", "r"]);
                if self.choose(2) == 1 {
                    self.t("not-matched");
                }
                match self.choose(3) {
                    0 => self.t("once"),
                    1 => self.all(&["12", "times"]),
                    _ => {}
                }
                if self.choose(2) == 1 {
                    self.all(&["for", "element", "1"]);
                    if self.choose(2) == 1 {
                        self.all(&[",", "2"]);
                    }
                }
                if self.choose(2) == 1 {
                    self.all(&["because", "\"why\""]);
                }
                if self.choose(2) == 1 {
                    self.block();
                }
            }
        }
    }
}
