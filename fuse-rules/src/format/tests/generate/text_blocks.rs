//! Texts on several lines.

use super::Generator;

/// A file with only one value.
pub(in crate::format::tests) fn value(bytes: &[u8]) -> String {
    let mut make =
        Generator { bytes: bytes.iter(), out: "const c =".to_owned(), comments: 0, depth: 0 };
    make.value();
    make.out
}

impl Generator<'_> {
    /// A text block, raw or not.
    pub(super) fn text_block(&mut self) {
        let raw = self.choose(2) == 0;
        let indent = ["", "  ", "\t", " \t    "][self.choose(4)];
        let line_end = ["\n", "\r\n", "\r"][self.choose(3)];
        self.t(if raw { "r#\"" } else { "\"\"\"" });
        let opening = ["", "  "][self.choose(2)];
        self.out.push_str(opening);
        self.out.push_str(line_end);
        let mut after_blank = false;
        for _ in 0..self.choose(5) {
            let line = match self.choose(if raw || self.depth > 5 { 5 } else { 6 }) {
                0 | 1 if after_blank => 2,
                line => line,
            };
            after_blank = line < 2;
            if line > 1 {
                self.out.push_str(indent);
            }
            match line {
                0 => {}
                1 => self.out.push_str("\t   "),
                2 => self.out.push_str("{ a # b \"\""),
                3 => self.out.push_str("\t- c: \\n"),
                4 => self.out.push_str("    ["),
                _ => {
                    self.out.push_str("${");
                    self.expr();
                    self.t("} b");
                }
            }
            self.out.push_str(line_end);
        }
        self.out.push_str(indent);
        self.out.push_str(if raw { "\"#" } else { "\"\"\"" });
    }
}
