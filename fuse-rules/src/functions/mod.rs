//! The functions of the language: few, total and pure. One file a family; each function carries
//! its signature, its documentation and examples that run as tests.

mod convert;
mod lists;
mod text;
mod time;

use jiff::Timestamp;

use crate::value::{Kinds, Value};

/// What a function may know besides its arguments.
pub(crate) struct Context {
    /// When the event was received. There is no other clock.
    pub(crate) received: Timestamp,
}

/// The result of a call; an error's text says why the arguments have no result, without naming
/// the call.
pub(crate) type Outcome = Result<Value<'static>, String>;

/// One function.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// The parameters' names and what they take.
    pub(crate) params: &'static [(&'static str, Kinds)],
    pub(crate) returns: Kinds,
    /// One sentence.
    pub(crate) doc: &'static str,
    /// Expressions and what they give, as JSON; `None` where they have no result.
    pub(crate) examples: &'static [(&'static str, Option<&'static str>)],
    /// Called with as many arguments as there are parameters, each of its kind.
    pub(crate) call: fn(&[Value<'_>], &Context) -> Outcome,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    /// Whether its result depends on when the event was received.
    pub(crate) fn reads_clock(&self) -> bool {
        self.name == "age"
    }

    /// `split(text, separator)`.
    pub(crate) fn signature(&self) -> String {
        let params: Vec<_> = self.params.iter().map(|(name, _)| *name).collect();
        format!("{}({})", self.name, params.join(", "))
    }
}

/// All functions, family by family.
pub(crate) fn all() -> impl Iterator<Item = &'static Function> + Clone {
    [text::FUNCTIONS, lists::FUNCTIONS, convert::FUNCTIONS, time::FUNCTIONS].into_iter().flatten()
}

pub(crate) fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}

/// A function of the language, for documentation and editors.
#[derive(Clone, Copy, Debug)]
pub struct FunctionInfo {
    function: &'static Function,
}

impl FunctionInfo {
    /// The name.
    pub fn name(&self) -> &'static str {
        self.function.name
    }

    /// The name with its parameters, as in `split(text, separator)`.
    pub fn signature(&self) -> String {
        self.function.signature()
    }

    /// What it gives, in a sentence.
    pub fn doc(&self) -> &'static str {
        self.function.doc
    }

    /// Calls, and what they give as JSON; `None` where they have no result.
    pub fn examples(&self) -> &'static [(&'static str, Option<&'static str>)] {
        self.function.examples
    }
}

/// All functions of the language, family by family.
///
/// ```
/// let lower = fuse_rules::functions().find(|function| function.name() == "lower").unwrap();
/// assert_eq!(lower.signature(), "lower(text)");
/// ```
pub fn functions() -> impl Iterator<Item = FunctionInfo> {
    all().map(|function| FunctionInfo { function })
}

/// The text of a string argument; empty for what the caller never passes.
fn string<'v>(arguments: &'v [Value<'_>], index: usize) -> &'v str {
    match arguments.get(index) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_function_is_documented() {
        let mut names: Vec<_> = all().map(|f| f.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().count());
        for function in all() {
            assert!(function.doc.ends_with('.'), "{}", function.name);
            assert!(function.examples.len() >= 2, "{}", function.name);
        }
    }
}
