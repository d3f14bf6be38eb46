//! The functions of the language: few, total and pure. One file a family; each function carries
//! its signature, its documentation and examples that run as tests.

mod calendar;
mod convert;
mod encoding;
mod lists;
mod maps;
mod net;
mod numbers;
mod returns;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod url;
mod version;

use jiff::Timestamp;

use crate::value::{Kinds, Value};

pub(crate) use returns::Returns;

/// What a function may know besides its arguments.
#[derive(Debug)]
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
    pub(crate) returns: Returns,
    /// One sentence.
    pub(crate) doc: &'static str,
    /// Expressions and what they give, as JSON; `None` where they have no result.
    pub(crate) examples: &'static [(&'static str, Option<&'static str>)],
    pub(crate) call: Call,
}

/// A function's code, called with as many arguments as there are parameters, each of its kind.
pub(crate) enum Call {
    /// The result follows from the arguments alone.
    Pure(fn(&[Value<'_>]) -> Outcome),
    /// The result depends on when the event was received.
    Clock(fn(&[Value<'_>], &Context) -> Outcome),
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    /// The result of a call.
    pub(crate) fn call(&self, arguments: &[Value<'_>], context: &Context) -> Outcome {
        match self.call {
            Call::Pure(call) => call(arguments),
            Call::Clock(call) => call(arguments, context),
        }
    }

    /// Whether its result depends on when the event was received.
    pub(crate) fn reads_clock(&self) -> bool {
        matches!(self.call, Call::Clock(_))
    }

    /// `split(text, separator)`.
    pub(crate) fn signature(&self) -> String {
        let params: Vec<_> = self.params.iter().map(|(name, _)| *name).collect();
        format!("{}({})", self.name, params.join(", "))
    }

    /// Why no call has a result where this constant is the argument for this parameter.
    pub(crate) fn fault(&self, param: &str, constant: &Value<'_>) -> Option<String> {
        let Value::String(text) = constant else {
            return None;
        };
        match (self.name, param) {
            (_, "zone") => calendar::zone(text).err(),
            (_, "network") => net::network(text).err(),
            ("split", "separator") | ("replace", "from") => not_empty(param, text).err(),
            _ => None,
        }
    }

    /// What the elements of its list have to be, and whether all of one kind; `None` where they may be
    /// anything.
    pub(crate) fn takes_elements(&self) -> Option<(Kinds, bool)> {
        Some(match self.name {
            "join" => (Kinds::SCALAR, false),
            "sum" => (Kinds::NUMBER, false),
            "min" | "max" => (Kinds::ORDERED, true),
            "sort" => (Kinds::ORDERED.or(Kinds::STRING), true),
            "unique" => (Kinds::SCALAR.or(Kinds::NULL), false),
            _ => return None,
        })
    }

    /// The type of the result in words: "a list of strings".
    pub(crate) fn returned(&self) -> String {
        self.returns.describe(self.params)
    }
}

/// All functions, family by family.
pub(crate) fn all() -> impl Iterator<Item = &'static Function> + Clone {
    [
        text::FUNCTIONS,
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

    /// The type of what it gives, as in `a list of strings`.
    pub fn returns(&self) -> String {
        self.function.returned()
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

/// Refuses an empty text for this parameter.
fn not_empty(param: &str, text: &str) -> Result<(), String> {
    if text.is_empty() { Err(format!("`{param}` is empty")) } else { Ok(()) }
}

/// The elements of a list argument; none for what the caller never passes.
fn list<'v, 'e>(arguments: &'v [Value<'e>], index: usize) -> &'v [Value<'e>] {
    match arguments.get(index) {
        Some(Value::List(list)) => list,
        _ => &[],
    }
}

/// Refuses elements of a list that are not of these kinds, or cannot be held.
fn elements(list: &[Value<'_>], kinds: Kinds) -> Result<(), String> {
    for value in list {
        if let Value::Unheld(unheld) = value {
            return Err(format!("an element is {unheld}"));
        }
        if !value.kind().within(kinds) {
            return Err(format!("an element is {}", value.kind()));
        }
    }
    Ok(())
}

/// Refuses a list whose elements are not all of one of these kinds.
fn of_one_kind(list: &[Value<'_>], kinds: Kinds) -> Result<(), String> {
    elements(list, kinds)?;
    let Some(first) = list.first().map(Value::kind) else {
        return Ok(());
    };
    match list.iter().map(Value::kind).find(|kind| *kind != first) {
        Some(other) => Err(format!("an element is {first}, another {other}")),
        None => Ok(()),
    }
}

/// Refuses a result that is longer than any may be, so that none can multiply a text without bound.
fn fits(bytes: usize) -> Result<(), String> {
    const LONGEST: usize = 4 << 20;
    if bytes > LONGEST {
        return Err(format!("the result would be longer than {LONGEST} bytes"));
    }
    Ok(())
}
