//! Generates sensors and their rules.

use super::Generator;

impl Generator<'_> {
    pub(super) fn sensor(&mut self) {
        self.all(&["sensor", "s", "on", "a.b"]);
        for _ in 0..self.choose(3) {
            self.all(&["or", "a.c"]);
        }
        self.t("{");
        for _ in 0..self.choose(6) {
            if self.choose(3) != 2 {
                self.shared();
                continue;
            }
            self.all(&["rule", "r", "{"]);
            for _ in 0..self.choose(6) {
                match self.choose(5) {
                    0 => self.trigger(),
                    1 => self.reaction(),
                    _ => self.shared(),
                }
            }
            self.t("}");
        }
        self.t("}");
    }

    fn reaction(&mut self) {
        self.all(&["on", "failure"]);
        for _ in 0..self.choose(3) {
            self.all(&["or", "gated"]);
        }
        self.t("{");
        for _ in 0..self.choose(4) {
            match self.choose(2) {
                0 => self.all(&["limit", "3", "per", "1h"]),
                _ => self.trigger(),
            }
        }
        self.t("}");
    }

    fn trigger(&mut self) {
        self.all(&["trigger", "log"]);
        if self.choose(3) == 1 {
            self.all(&["retry", "5"]);
            if self.choose(2) == 1 {
                self.all(&["backoff", "1s..1m30s"]);
            }
        }
        if self.choose(3) == 1 {
            self.all(&["timeout", "10s"]);
        }
        self.block();
    }

    fn shared(&mut self) {
        match self.choose(12) {
            11 => self.approval(),
            10 => self.during(),
            8 => self.quiet(),
            9 => self.still(),
            7 => self.t("shadow"),
            0 => {
                self.t("when");
                self.expr();
            }
            1 => {
                self.t("requires");
                self.several(Self::name);
                if self.choose(3) == 1 {
                    self.all(&["else", "hold", "2h"]);
                }
            }
            3 => self.let_clause(),
            4 => {
                self.all(&["once", "per"]);
                self.several(Self::expr);
                self.all(&["within", "1h30m"]);
            }
            5 | 6 => {
                let words = self.choose(3);
                let clauses: [&[&str]; 3] = [
                    &["limit", "3", "per", "1h"],
                    &["after", "3", "within", "1m"],
                    &["concurrency", "2"],
                ];
                self.all(clauses[words]);
                self.per();
                if words == 0 && self.choose(2) == 0 {
                    self.all(&["else", "wait"]);
                }
                if words == 2 && self.choose(2) == 1 {
                    let otherwise = ["queue", "skip", "replace"][self.choose(3)];
                    self.all(&["else", otherwise]);
                }
            }
            _ => self.each(),
        }
    }

    fn during(&mut self) {
        self.all(&["during", "mon..fri", "09:00..17:00"]);
        if self.choose(2) == 1 {
            self.all(&[",", "22:00..06:00"]);
        }
        if self.choose(2) == 1 {
            self.t("\"Europe/Madrid\"");
        }
        if self.choose(2) == 1 {
            self.all(&["except", "\"2026-12-25\"", ",", "\"2027-01-01\""]);
        }
        if self.choose(2) == 1 {
            self.all(&["else", "wait"]);
        }
    }

    fn approval(&mut self) {
        self.t("approval");
        if self.choose(2) == 1 {
            self.all(&["within", "4h"]);
        }
        match self.choose(3) {
            0 => {}
            1 => self.all(&["by", "\"sre\""]),
            _ => self.all(&["by", "\"sre\"", ",", "\"release managers\""]),
        }
    }

    fn quiet(&mut self) {
        self.all(&["quiet", "2m"]);
        self.per();
        if self.choose(2) == 1 {
            self.all(&["max", "10m"]);
        }
    }

    fn still(&mut self) {
        self.all(&["still", "5m"]);
        self.per();
        self.all(&["unless", "a.c"]);
        for _ in 0..self.choose(3) {
            match self.choose(2) {
                0 => self.each(),
                _ => self.let_clause(),
            }
        }
        self.t("when");
        self.expr();
    }

    fn per(&mut self) {
        if self.choose(2) == 0 {
            self.t("per");
            self.several(Self::expr);
        }
    }

    fn each(&mut self) {
        self.all(&["each", "x", "in"]);
        self.expr();
        if self.choose(2) == 1 {
            self.all(&["max", "10"]);
        }
    }

    fn let_clause(&mut self) {
        self.t("let");
        self.name();
        self.t("=");
        self.value();
    }
}
