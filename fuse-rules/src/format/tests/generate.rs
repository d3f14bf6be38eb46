//! Generates rules files from bytes: every construct of the grammar, with comments and white space
//! wherever they are allowed.

mod declarations;
mod test_blocks;
mod text_blocks;

/// Generates texts from bytes. When the bytes run out, everything is as short as possible.
pub(super) struct Generator<'a> {
    bytes: std::slice::Iter<'a, u8>,
    out: String,
    comments: usize,
    depth: usize,
}

pub(super) use text_blocks::value;

/// A rules file.
pub(super) fn file(bytes: &[u8]) -> String {
    let mut make = Generator { bytes: bytes.iter(), out: String::new(), comments: 0, depth: 0 };
    while make.bytes.len() > 0 {
        make.declaration();
    }
    make.out
}

impl Generator<'_> {
    /// A number below `n`.
    fn choose(&mut self, n: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % n
    }

    fn gap(&mut self) {
        match self.choose(14) {
            1 => self.out.push('\n'),
            2 => self.out.push_str("\r\n\n"),
            3 => self.out.push_str("\t\t"),
            n @ 4..=6 => {
                self.comments += 1;
                let before = ["  ", "\n", "\n\n  "][n - 4];
                let after = ["\n", "\r\n", "\r", "\n\n"][self.choose(4)];
                self.out.push_str(&format!("{before}# {}{after}", self.comments));
                self.gap();
            }
            _ => self.out.push(' '),
        }
    }

    /// A token with a gap before it.
    fn t(&mut self, text: &str) {
        self.gap();
        self.out.push_str(text);
    }

    fn all(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.t(text));
    }

    fn one_of(&mut self, texts: &[&str]) {
        let i = self.choose(texts.len());
        self.t(texts[i]);
    }

    fn name(&mut self) {
        self.one_of(&["a", "b-c", "name_of", "x9"]);
    }

    /// Items in braces, separated by line ends or commas.
    fn braces(&mut self, mut item: impl FnMut(&mut Self)) {
        self.t("{");
        for _ in 0..self.choose(4) {
            item(self);
            if self.choose(2) == 0 {
                self.out.push('\n');
            } else {
                self.t(",");
            }
        }
        self.t("}");
    }

    fn several(&mut self, mut item: impl FnMut(&mut Self)) {
        item(self);
        for _ in 0..self.choose(3) {
            self.t(",");
            item(self);
        }
    }

    fn declaration(&mut self) {
        match self.choose(10) {
            0 => self.fuse(),
            1 => self.all(&["use", "\"x.rules\""]),
            2 => self.all(&["use", "std", "\"x\""]),
            3 => {
                self.all(&["type", "t", "="]);
                self.ty();
            }
            4 => {
                self.all(&["const", "c", "="]);
                self.value();
            }
            5 => {
                self.all(&["condition", "c", "("]);
                self.several(|make| {
                    make.name();
                    if make.choose(2) == 1 {
                        make.t(":");
                        make.ty();
                    }
                });
                self.all(&[")", "="]);
                self.expr();
            }
            6 => {
                self.all(&["defaults", "workflow"]);
                self.block();
            }
            7 => self.source(),
            8 => self.test(),
            _ => self.sensor(),
        }
    }

    fn event_block(&mut self) {
        self.braces(|make| match make.choose(2) {
            0 => make.item(),
            _ => {
                make.t("when");
                make.expr();
            }
        });
    }

    fn sensor(&mut self) {
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
                match self.choose(4) {
                    0 => {
                        self.all(&["trigger", "log"]);
                        self.block();
                    }
                    _ => self.shared(),
                }
            }
            self.t("}");
        }
        self.t("}");
    }

    fn shared(&mut self) {
        match self.choose(8) {
            7 => self.t("shadow"),
            0 => {
                self.t("when");
                self.expr();
            }
            1 => {
                self.t("requires");
                self.several(Self::name);
            }
            3 => {
                self.t("let");
                self.name();
                self.t("=");
                self.value();
            }
            4 => {
                self.all(&["once", "per"]);
                self.several(Self::expr);
                self.all(&["within", "1h30m"]);
            }
            5 | 6 => {
                let words = self.choose(2);
                self.all(
                    [["limit", "3", "per", "1h"], ["after", "3", "within", "1m"]][words].as_slice(),
                );
                if self.choose(2) == 0 {
                    self.t("per");
                    self.several(Self::expr);
                }
            }
            _ => {
                self.all(&["each", "x", "in"]);
                self.expr();
                if self.choose(2) == 1 {
                    self.all(&["max", "10"]);
                }
            }
        }
    }

    fn key(&mut self) {
        self.one_of(&["a", "in", "a-long-key", "\"k # e\\\"y\"", "from-x", "when"]);
    }

    fn block(&mut self) {
        self.depth += 1;
        self.braces(Self::item);
        self.depth -= 1;
    }

    fn item(&mut self) {
        match self.choose(if self.depth > 4 { 2 } else { 4 }) {
            2 => {
                self.key();
                self.block();
            }
            3 => {
                self.t("from");
                self.one_of(&["body", "f(x)", "a[0].b"]);
                self.braces(|make| {
                    make.key();
                    match make.choose(4) {
                        1 => make.t("?"),
                        2 => make.all(&["=", "a.b[0]"]),
                        3 => make.all(&["?", "=", "[\"k\"].c"]),
                        _ => {}
                    }
                });
            }
            _ => self.field(),
        }
    }

    fn field(&mut self) {
        self.key();
        if self.choose(3) == 1 {
            self.t("?");
        }
        self.t("=");
        self.value();
    }

    fn value(&mut self) {
        self.depth += 1;
        if self.depth < 6 && self.choose(4) == 1 {
            self.braces(Self::field);
        } else {
            self.expr();
        }
        self.depth -= 1;
    }

    fn expr(&mut self) {
        if self.depth < 6 && self.choose(8) == 1 {
            return self.conditional();
        }
        self.chain();
    }

    fn conditional(&mut self) {
        self.depth += 2;
        loop {
            self.t("if");
            self.chain();
            self.t("then");
            self.branch();
            self.t("else");
            if self.choose(3) != 1 {
                break;
            }
        }
        self.branch();
        self.depth -= 2;
    }

    fn branch(&mut self) {
        if self.choose(4) == 1 { self.braces(Self::field) } else { self.chain() }
    }

    fn chain(&mut self) {
        self.depth += 1;
        self.operand();
        for _ in 0..self.choose(3) {
            if self.depth > 5 {
                break;
            }
            match self.choose(8) {
                0 => self.t("and"),
                1 => self.t("or"),
                2 => self.t("??"),
                3 => self.one_of(&["+", "*", "%", "/"]),
                4 => {
                    self.t("-");
                    self.out.push(' ');
                }
                // Comparisons do not chain.
                n => {
                    self.t("and");
                    self.operand();
                    match n {
                        5 if self.choose(2) == 1 => {
                            self.t("not");
                            self.one_of(&["contains", "like", "matches"]);
                        }
                        5 => self.all(&["not", "in"]),
                        6 => self.one_of(&["==", "<", ">=", "matches", "starts-with"]),
                        _ => {
                            self.all(&["is", "not", "missing"]);
                            self.t("and");
                        }
                    }
                    self.operand();
                    self.t("or");
                }
            }
            self.operand();
        }
        self.depth -= 1;
    }

    fn operand(&mut self) {
        self.depth += 1;
        match self.choose(if self.depth > 6 { 8 } else { 17 }) {
            0 => self.t("x"),
            1 => self.t("-12.50"),
            2 => self.t("\"te#xt \\\"\""),
            3 => self.t("r#\"ra\"w # \\\"#"),
            4 => self.text_block(),
            5 => self.t("body.a-b[\"c\"]"),
            6 => self.one_of(&["null", "true", "1h30m", "2KiB", "1e3"]),
            7 => self.t("a-name-that-is-rather-long-so-that-lines-are.broken"),
            8 => {
                self.t("(");
                self.expr();
                self.t(")");
                self.out.push_str(".a[");
                self.all(&["-", "1", "]"]);
            }
            9 | 10 => {
                self.t("[");
                if self.choose(3) > 0 {
                    self.several(Self::value);
                    if self.choose(2) == 1 {
                        self.t(",");
                    }
                }
                self.t("]");
            }
            11 => {
                self.t("f(");
                self.several(Self::value);
                self.t(")");
            }
            15 => {
                self.t("body.a[");
                self.expr();
                self.t("]");
                self.out.push_str("[\"k\"]");
            }
            12 => {
                self.one_of(&["any(", "filter(", "map("]);
                self.all(&["q", "in"]);
                self.expr();
                self.t(":");
                self.value();
                self.t(")");
            }
            13 => {
                self.t("\"a${");
                self.expr();
                self.t("} b\"");
            }
            14 => {
                self.t("(not");
                self.chain();
                self.t(")");
            }
            _ => {
                self.t("(");
                self.value();
                self.t(")");
            }
        }
        self.depth -= 1;
    }

    fn ty(&mut self) {
        self.depth += 1;
        if self.choose(5) == 1 {
            self.t("|");
        }
        self.term();
        for _ in 0..self.choose(3) {
            self.t("|");
            self.term();
        }
        self.depth -= 1;
    }

    fn term(&mut self) {
        match self.choose(if self.depth > 4 { 4 } else { 7 }) {
            0 => self.t("string"),
            1 => self.t("github.push"),
            2 => self.all(&["-", "1"]),
            3 => self.one_of(&["\"a # b\"", "true", "null"]),
            4 => {
                self.one_of(&["list<", "map<"]);
                self.ty();
                self.t(">");
            }
            5 => {
                self.t("(");
                self.ty();
                self.t(")");
            }
            _ => {
                self.braces(|make| {
                    if make.choose(5) == 1 {
                        return make.t("...");
                    }
                    make.key();
                    if make.choose(3) == 1 {
                        make.t("?");
                    }
                    make.t(":");
                    make.ty();
                });
            }
        }
    }
}
