//! The codes of all diagnostics. A code never changes its meaning, and a retired code is never used
//! again.

use std::fmt;
use std::str::FromStr;

use super::suggest;

macro_rules! codes {
    ($($code:ident = $title:literal,)+) => {
        /// The stable code of a diagnostic, such as `E0201`.
        ///
        /// `E01…` is about syntax, `E02…` about names, `E03…` about values and types, `E04…` about
        /// the fields of blocks, `E05…` about files and complete declarations, `E06…` about tests,
        /// and `E09…` about bugs in fuse.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each code's title documents it")]
        pub enum Code { $(#[doc = $title] $code,)+ }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Self] = &[$(Self::$code,)+];

            /// The printed form of the code.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)+ }
            }

            /// A short description of the code.
            pub fn title(self) -> &'static str {
                match self { $(Self::$code => $title,)+ }
            }

            /// The code's page in Markdown: what is wrong, why it is an error, an example, and what
            /// to write instead.
            ///
            /// ```
            /// assert!(fuse_rules::diagnostic::Code::E0102.page().starts_with("# E0102: "));
            /// ```
            pub fn page(self) -> &'static str {
                match self {
                    $(Self::$code => include_str!(concat!(
                        "../../errors/",
                        stringify!($code),
                        ".md"
                    )),)+
                }
            }
        }
    };
}

codes! {
    E0101 = "something else was expected here",
    E0102 = "a spelling of another language",
    E0103 = "a brace or a string is not closed",
    E0104 = "fields on one line without a comma",
    E0105 = "comparisons do not chain",
    E0106 = "an escape that strings do not have",
    E0107 = "neither a number nor a duration",
    E0108 = "nested too deeply",
    E0109 = "a reserved word used as a name",
    E0110 = "text that looks like interpolation and is not",
    E0111 = "the layout of a text on several lines",
    E0201 = "a path starts with an unknown name",
    E0202 = "an unknown function",
    E0203 = "a field that the event's type does not have",
    E0204 = "declared twice",
    E0205 = "an unknown source or event",
    E0206 = "an unknown fuse",
    E0207 = "a name that shadows another",
    E0208 = "a name from a file that is not imported",
    E0209 = "an unknown kind of source or trigger",
    E0210 = "an unknown type after `is`",
    E0211 = "an unknown field of `event`",
    E0212 = "a path that a constant does not have",
    E0213 = "the event is not available here",
    E0214 = "a constant or condition that uses itself",
    E0215 = "a constant without a value",
    E0216 = "a constant or condition that is too large",
    E0217 = "an unknown type",
    E0218 = "a type that contains itself",
    E0219 = "types that are too large",
    E0220 = "a reserved name of a fuse",
    E0221 = "an unknown limiter",
    E0222 = "an outcome to which no rule can react",
    E0301 = "operands that can never be compared",
    E0302 = "a condition that is not true or false",
    E0303 = "wrong arguments of a function",
    E0304 = "a condition is never missing",
    E0305 = "a pattern that cannot be compiled",
    E0306 = "a pattern that is not a literal",
    E0307 = "a list or record compared as a whole",
    E0308 = "a comparison with `null`",
    E0309 = "strings have no order",
    E0310 = "a list is required here",
    E0311 = "a comparison with an impossible value",
    E0312 = "a required value that may be missing",
    E0313 = "a value of several types where one is required",
    E0314 = "a secret where none is allowed",
    E0401 = "an unknown field",
    E0402 = "a missing field",
    E0403 = "a field of the wrong type",
    E0404 = "a field given twice",
    E0405 = "a field that cannot depend on the event",
    E0406 = "a value that the field does not accept",
    E0407 = "two events at one address",
    E0408 = "fields that exclude each other",
    E0409 = "a required field marked as optional",
    E0410 = "fields that cannot be combined",
    E0411 = "a type that no body of the format has",
    E0412 = "events that match the same request",
    E0501 = "a clause given twice",
    E0502 = "a rule that triggers nothing",
    E0503 = "a sensor without rules",
    E0504 = "a file that cannot be read",
    E0505 = "files that import each other in a cycle",
    E0506 = "a number that is out of range",
    E0507 = "an unknown module of the standard library",
    E0508 = "a JSON Schema that cannot be read as a type",
    E0509 = "a rule that can cost too much",
    E0510 = "a reaction to something that never happens",
    E0511 = "a fuse that cannot work as written",
    E0512 = "a reaction that waits",
    E0513 = "a key that an event of `unless` cannot have",
    E0514 = "hours that cannot be read",
    E0515 = "a limiter of another kind",
    E0516 = "a rule that replaces what cannot be stopped",
    E0524 = "attempts that cannot work as written",
    E0525 = "a reaction that a fuse cannot have",
    E0601 = "a rule that the test cannot reach",
    E0602 = "a test step without its event",
    E0603 = "an expected field that the rule never sets",
    E0604 = "an expectation that can never be met",
    E0605 = "a test that fails",
    E0606 = "a part of the rules that no test covers",
    E0607 = "a fault that no test detects",
    E0608 = "a finding of the fuzzer",
    E0901 = "a bug in fuse",
}

impl FromStr for Code {
    type Err = UnknownCode;

    /// Parses a code; case does not matter.
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let known = Self::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(text));
        known.copied().ok_or_else(|| {
            let near = suggest::nearest(text, Self::ALL.iter().map(|code| code.as_str()));
            UnknownCode { text: text.to_owned(), near }
        })
    }
}

/// A text that is not a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCode {
    text: String,
    near: Option<&'static str>,
}

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no code `{}`", self.text)?;
        match self.near {
            Some(near) => write!(f, "; did you mean `{near}`?"),
            None => write!(f, "; a code is printed with each problem, as in `{}`", Code::E0101),
        }
    }
}

impl std::error::Error for UnknownCode {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
