//! Evaluates atoms on the values that were extracted from an event, as `ops` defines them. Returns
//! only the truth, not the reason.

use crate::number::Number;
use crate::plan::{AtomTest, Constant};
use crate::scan::{Entry, EntryKind, Extract};
use crate::semantics::Work;
use crate::typed::{IsTest, TextOp};

/// The values of entries.
pub(super) struct Values<'v> {
    pub(super) extract: &'v Extract,
    pub(super) body: &'v str,
    pub(super) work: &'v Work,
}

impl Values<'_> {
    fn text(&self, entry: &Entry) -> Option<&str> {
        let is_text = matches!(entry.kind, EntryKind::Text | EntryKind::Decoded);
        is_text.then(|| self.extract.text(entry, self.body))
    }

    /// A text that is read completely, which counts as work.
    fn read(&self, entry: &Entry) -> Option<&str> {
        let text = self.text(entry)?;
        self.work.spend(0, text.len()).ok()?;
        Some(text)
    }

    fn number(&self, entry: &Entry) -> Option<Number> {
        if entry.kind == EntryKind::Number {
            let text = self.extract.text(entry, self.body);
            self.work.spend(0, text.len()).ok()?;
        }
        self.extract.number(entry, self.body)
    }
}

/// The truth of a test for the entry of its slot; `None` if it is unknown.
pub(super) fn holds(test: &AtomTest, entry: Option<&Entry>, values: &Values<'_>) -> Option<bool> {
    if let AtomTest::Is(_, test) = test {
        return Some(is(*test, entry, values));
    }
    let entry = entry?;
    match test {
        AtomTest::Equal(_, value) => equal(value, entry, values),
        AtomTest::Less(_, than) => Some(values.number(entry)? < **than),
        AtomTest::Greater(_, than) => Some(values.number(entry)? > **than),
        AtomTest::OneOf(_, list) => {
            // A disjunction of equalities. The value is read once for all of them.
            let number = values.number(entry);
            let mut any = Some(false);
            for value in list {
                let equal = match value {
                    Constant::Number(value) if entry.kind == EntryKind::Number => {
                        number.map(|number| number == **value)
                    }
                    value => equal(value, entry, values),
                };
                match equal {
                    Some(true) => return Some(true),
                    Some(false) => {}
                    None => any = None,
                }
            }
            any
        }
        AtomTest::Text(_, op, other) => {
            let text = values.read(entry)?;
            Some(match op {
                TextOp::StartsWith => text.starts_with(&**other),
                TextOp::EndsWith => text.ends_with(&**other),
                _ => text.contains(&**other),
            })
        }
        AtomTest::Pattern(_, pattern) => Some(pattern.regex.is_match(values.read(entry)?)),
        AtomTest::Is(..) | AtomTest::Expr(..) => None,
    }
}

fn equal(value: &Constant, entry: &Entry, values: &Values<'_>) -> Option<bool> {
    match (value, entry.kind) {
        (Constant::Null, EntryKind::Null) => Some(true),
        (Constant::Bool(value), EntryKind::True) => Some(*value),
        (Constant::Bool(value), EntryKind::False) => Some(!*value),
        (Constant::Number(number), EntryKind::Number) => Some(values.number(entry)? == **number),
        (Constant::Text(text), EntryKind::Text | EntryKind::Decoded) => {
            Some(values.text(entry)? == &**text)
        }
        // These kinds are not compared.
        _ => None,
    }
}

fn is(test: IsTest, entry: Option<&Entry>, values: &Values<'_>) -> bool {
    let Some(entry) = entry else { return test == IsTest::Missing };
    match test {
        IsTest::Missing => false,
        IsTest::Present => true,
        IsTest::Null => entry.kind == EntryKind::Null,
        IsTest::String => {
            matches!(entry.kind, EntryKind::Text | EntryKind::Decoded | EntryKind::Surrogate)
        }
        IsTest::Float => entry.kind == EntryKind::Number,
        IsTest::Int => {
            let text = || values.extract.text(entry, values.body);
            entry.kind == EntryKind::Number && Number::is_whole(text())
        }
        IsTest::Bool => matches!(entry.kind, EntryKind::True | EntryKind::False),
        IsTest::List => entry.kind == EntryKind::List,
        IsTest::Map => entry.kind == EntryKind::Map,
    }
}
