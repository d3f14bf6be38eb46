//! The results of functions, as precisely as a signature can describe them.

use crate::value::Kinds;

/// The result of a function.
#[derive(Debug)]
pub(crate) enum Returns {
    /// A value of these kinds.
    Of(Kinds),
    /// One of these texts.
    Words(&'static [&'static str]),
    /// A whole number.
    Int,
    /// A list of values of these kinds.
    ListOf(Kinds),
    /// A value of the same type as this argument.
    Argument(usize),
    /// An element of this argument, which is a list.
    Element(usize),
    /// A list of the values of this argument, which is a map.
    ElementsOf(usize),
    /// A list of whole numbers.
    Ints,
    /// A list of maps with the `key` and the `value` of each entry of this argument, which is a
    /// map.
    EntriesOf(usize),
    /// A map of the values in the entries in this argument, which is a list.
    MapOfEntries(usize),
    /// A map with the entries of both arguments.
    Merged,
    /// A list of the elements of both arguments.
    Joined,
    /// A list of the elements of the elements of this argument.
    Flattened(usize),
    /// What the groups of the pattern say.
    Captured,
    /// A map with these keys: the kinds of each value, and whether it may be missing.
    Record(&'static [(&'static str, Kinds, bool)]),
    /// This, or nothing: the result may be absent.
    Maybe(&'static Returns),
}

impl Returns {
    /// Whether a result may be absent.
    pub(crate) fn may_be_absent(&self) -> bool {
        matches!(self, Self::Maybe(_))
    }

    /// The type in words, for a function with these parameters.
    pub(super) fn describe(&self, params: &[(&str, Kinds)]) -> String {
        let param = |index: &usize| params.get(*index).map_or("", |(name, _)| name);
        match self {
            Self::Of(kinds) => kinds.to_string(),
            Self::Words(_) => Kinds::STRING.to_string(),
            Self::Int => "a whole number".into(),
            Self::ListOf(kinds) => format!("a list of {}", kinds.plural()),
            Self::Argument(index) => format!("the type of `{}`", param(index)),
            Self::Element(index) => format!("the element type of `{}`", param(index)),
            Self::ElementsOf(index) => format!("a list of the value type of `{}`", param(index)),
            Self::Ints => "a list of whole numbers".into(),
            Self::EntriesOf(index) => {
                format!("a list of maps with `key` and the value type of `{}`", param(index))
            }
            Self::MapOfEntries(_) => "a map of the types of `value`".into(),
            Self::Merged => "a map with the types of both".into(),
            Self::Joined => "a list of both element types".into(),
            Self::Flattened(index) => format!("a list of the types in `{}`", param(index)),
            Self::Captured => "a string, or a map of strings".into(),
            Self::Record(fields) => {
                let all: Vec<_> = fields
                    .iter()
                    .map(|(name, _, optional)| {
                        format!("`{name}{}`", if *optional { "?" } else { "" })
                    })
                    .collect();
                format!("a map with {}", all.join(", "))
            }
            Self::Maybe(present) => format!("{}, or absent", present.describe(params)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::functions;

    #[test]
    fn types_in_words() {
        for (name, expected) in [
            ("len", "a whole number"),
            ("split", "a list of strings"),
            ("abs", "the type of `value`"),
            ("max", "the element type of `list`"),
            ("values", "a list of the value type of `map`"),
            ("url", "a map with `scheme`, `host?`, `port?`, `path`, `query`, `fragment?`"),
        ] {
            assert_eq!(functions::find(name).unwrap().returned(), expected);
        }
    }
}
