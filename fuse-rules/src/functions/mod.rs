//! The functions of the language: few, total and pure. One file per family; each function has its
//! signature, its documentation and examples that run as tests.

mod calendar;
mod convert;
mod encoding;
mod lists;
mod maps;
mod net;
mod numbers;
mod pattern;
pub(crate) mod ranges;
mod returns;
mod search;
mod size;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod url;
mod version;

use std::cell::Cell;

use jiff::Timestamp;

use crate::value::{Kinds, Value};

pub(crate) use pattern::{
    Captured, MAX_SEARCHED_BYTES, PatternError, SearchPattern, compile, parse,
};
pub(crate) use returns::Returns;
pub(crate) use size::{MAX_RESULT_BYTES, ResultSize};

/// The context of a call, besides its arguments.
#[derive(Debug)]
pub(crate) struct CallContext {
    /// The time at which the event was received. There is no other clock.
    pub(crate) received: Timestamp,
    /// The bytes that calls have examined repeatedly.
    searched: Cell<usize>,
}

impl CallContext {
    pub(crate) fn new(received: Timestamp) -> Self {
        Self { received, searched: Cell::new(0) }
    }

    /// Counts bytes that a call examines in addition to reading its arguments once.
    fn search(&self, bytes: usize) {
        self.searched.set(self.searched.get().saturating_add(bytes));
    }

    /// The bytes counted since the last time.
    pub(crate) fn take_searched(&self) -> usize {
        self.searched.take()
    }
}

/// The result of a call.
pub(crate) type CallResult = Result<Value<'static>, NoResult>;

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoResult {
    /// There is nothing to return: the result is absent, and a default applies.
    Absent,
    /// The arguments are not acceptable, for this reason, which does not name the call.
    Fault(String),
}

impl From<String> for NoResult {
    fn from(why: String) -> Self {
        Self::Fault(why)
    }
}

impl From<&str> for NoResult {
    fn from(why: &str) -> Self {
        Self::Fault(why.into())
    }
}

/// One function.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// The names of the parameters, and the kinds that they accept. The names of optional ones,
    /// which are the last ones, end in `?`.
    pub(crate) params: &'static [(&'static str, Kinds)],
    pub(crate) returns: Returns,
    pub(crate) size: ResultSize,
    /// One sentence.
    pub(crate) doc: &'static str,
    /// Expressions and their results as JSON; `None` if there is no result.
    pub(crate) examples: &'static [(&'static str, Option<&'static str>)],
    pub(crate) call: Call,
}

/// The code of a function. It is called with one argument per parameter, each of an accepted kind;
/// optional ones may be left out from the end.
pub(crate) enum Call {
    /// The result depends only on the arguments.
    Pure(fn(&[Value<'_>]) -> CallResult),
    /// The result also depends on the time at which the event was received.
    Clock(fn(&[Value<'_>], &CallContext) -> CallResult),
    /// The result depends on the arguments, of which the second is a compiled literal pattern.
    Pattern(fn(&[Value<'_>], &SearchPattern, &CallContext) -> CallResult),
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    /// The result of a call. A function that takes a pattern needs the compiled one.
    pub(crate) fn call(
        &self,
        arguments: &[Value<'_>],
        pattern: Option<&SearchPattern>,
        context: &CallContext,
    ) -> CallResult {
        match self.call {
            Call::Pure(call) => call(arguments),
            Call::Clock(call) => call(arguments, context),
            Call::Pattern(call) => match pattern {
                Some(pattern) => call(arguments, pattern, context),
                None => Err("there is no pattern".into()),
            },
        }
    }

    /// The number of arguments without the optional ones.
    pub(crate) fn required(&self) -> usize {
        self.params.iter().take_while(|(name, _)| !name.ends_with('?')).count()
    }

    /// Whether the result depends on the time at which the event was received.
    pub(crate) fn reads_clock(&self) -> bool {
        matches!(self.call, Call::Clock(_))
    }

    /// `split(text, separator)`.
    pub(crate) fn signature(&self) -> String {
        let params: Vec<_> = self.params.iter().map(|(name, _)| *name).collect();
        format!("{}({})", self.name, params.join(", "))
    }

    /// Why no call has a result if this constant is the argument for this parameter.
    pub(crate) fn fault(&self, param: &str, constant: &Value<'_>) -> Option<String> {
        let Value::String(text) = constant else {
            return None;
        };
        match (self.name, param) {
            (_, "zone") => calendar::zone(text).err(),
            (_, "network") => net::network(text).err(),
            ("split", "separator") | ("replace", "from") => not_empty(param, text).err(),
            ("from-epoch", "unit") => time::unit(text).err(),
            _ => None,
        }
    }

    /// The kinds that are accepted as elements of the list, and whether all elements must have the
    /// same kind; `None` if there is no restriction.
    pub(crate) fn takes_elements(&self) -> Option<(Kinds, bool)> {
        Some(match self.name {
            "join" => (Kinds::SCALAR, false),
            "sum" => (Kinds::NUMBER, false),
            "min" | "max" => (Kinds::ORDERED, true),
            "sort" => (Kinds::ORDERED.or(Kinds::STRING), true),
            "unique" => (Kinds::SCALAR.or(Kinds::NULL), false),
            "flatten" => (Kinds::LIST, false),
            "from-entries" => (Kinds::MAP, false),
            _ => return None,
        })
    }

    /// The type of the result in words: "a list of strings".
    pub(crate) fn returned(&self) -> String {
        self.returns.describe(self.params)
    }
}

/// All functions, by family.
pub(crate) fn all() -> impl Iterator<Item = &'static Function> + Clone {
    [
        text::FUNCTIONS,
        search::FUNCTIONS,
        lists::FUNCTIONS,
        maps::FUNCTIONS,
        numbers::FUNCTIONS,
        convert::FUNCTIONS,
        time::FUNCTIONS,
        calendar::FUNCTIONS,
        version::FUNCTIONS,
        net::FUNCTIONS,
        url::FUNCTIONS,
        encoding::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
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

    /// The type of the result, such as `a list of strings`.
    pub fn returns(&self) -> String {
        self.function.returned()
    }

    /// A description of the result in one sentence.
    pub fn doc(&self) -> &'static str {
        self.function.doc
    }

    /// Calls and their results as JSON; `None` if there is no result.
    pub fn examples(&self) -> &'static [(&'static str, Option<&'static str>)] {
        self.function.examples
    }
}

/// All functions of the language, by family.
///
/// ```
/// let lower = fuse_rules::functions::functions().find(|function| function.name() == "lower").unwrap();
/// assert_eq!(lower.signature(), "lower(text)");
/// ```
pub fn functions() -> impl Iterator<Item = FunctionInfo> {
    all().map(|function| FunctionInfo { function })
}

/// The text of a string argument. The caller ensures that it is a string.
fn string<'v>(arguments: &'v [Value<'_>], index: usize) -> &'v str {
    match arguments.get(index) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

/// Refuses an empty text for this parameter.
fn not_empty(param: &str, text: &str) -> Result<(), String> {
    if text.is_empty() { Err(format!("`{param}` is empty")) } else { Ok(()) }
}

/// The elements of a list argument. The caller ensures that it is a list.
fn list<'v, 'e>(arguments: &'v [Value<'e>], index: usize) -> &'v [Value<'e>] {
    match arguments.get(index) {
        Some(Value::List(list)) => list,
        _ => &[],
    }
}

/// Rejects list elements that are not of these kinds, or that are out of range.
fn elements(list: &[Value<'_>], kinds: Kinds) -> Result<(), String> {
    for value in list {
        if let Value::Unrepresentable(unrepresentable) = value {
            return Err(format!("an element is {unrepresentable}"));
        }
        if !value.kind().within(kinds) {
            return Err(format!("an element is {}", value.kind()));
        }
    }
    Ok(())
}

/// Rejects a list whose elements do not all have the same one of these kinds.
fn check_same_kind(list: &[Value<'_>], kinds: Kinds) -> Result<(), String> {
    elements(list, kinds)?;
    let Some(first) = list.first().map(Value::kind) else {
        return Ok(());
    };
    match list.iter().map(Value::kind).find(|kind| *kind != first) {
        Some(other) => Err(format!("an element is {first}, another {other}")),
        None => Ok(()),
    }
}

/// Rejects a result that exceeds the maximum length, so that no function can multiply a text
/// without limit.
fn fits(bytes: usize) -> Result<(), String> {
    if bytes > MAX_RESULT_BYTES {
        return Err(format!("the result would be longer than {MAX_RESULT_BYTES} bytes"));
    }
    Ok(())
}
