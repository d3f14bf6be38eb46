//! Evaluates atoms on the values that were extracted from an event, as `ops` defines them. Returns
//! only the truth, not the reason.

use crate::number::Number;
use crate::plan::{Const, Test};
use crate::scan::{Entry, Extract, Held};
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
        let is_text = matches!(entry.held, Held::Text | Held::Decoded);
        is_text.then(|| self.extract.text(entry, self.body))
    }

    /// A text that is read completely, which counts as work.
    fn read(&self, entry: &Entry) -> Option<&str> {
        let text = self.text(entry)?;
        self.work.spend(0, text.len()).ok()?;
        Some(text)
    }

    fn number(&self, entry: &Entry) -> Option<Number> {
        if entry.held == Held::Number {
            let text = self.extract.text(entry, self.body);
            self.work.spend(0, text.len()).ok()?;
        }
        self.extract.number(entry, self.body)
    }
}

/// The truth of a test for the entry of its slot; `None` if it is unknown.
pub(super) fn holds(test: &Test, entry: Option<&Entry>, values: &Values<'_>) -> Option<bool> {
    if let Test::Is(_, test) = test {
        return Some(is(*test, entry, values));
    }
    let entry = entry?;
    match test {
        Test::Equal(_, value) => equal(value, entry, values),
        Test::Less(_, than) => Some(values.number(entry)? < **than),
        Test::Greater(_, than) => Some(values.number(entry)? > **than),
        Test::OneOf(_, list) => {
            // A disjunction of equalities. The value is read once for all of them.
            let number = values.number(entry);
            let mut any = Some(false);
            for value in list {
                let equal = match value {
                    Const::Number(value) if entry.held == Held::Number => {
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
        Test::Text(_, op, other) => {
            let text = values.read(entry)?;
            Some(match op {
                TextOp::StartsWith => text.starts_with(&**other),
                TextOp::EndsWith => text.ends_with(&**other),
                _ => text.contains(&**other),
            })
        }
        Test::Pattern(_, pattern) => Some(pattern.regex.is_match(values.read(entry)?)),
        Test::Is(..) | Test::Expr(..) => None,
    }
}

fn equal(value: &Const, entry: &Entry, values: &Values<'_>) -> Option<bool> {
    match (value, entry.held) {
        (Const::Null, Held::Null) => Some(true),
        (Const::Bool(value), Held::True) => Some(*value),
        (Const::Bool(value), Held::False) => Some(!*value),
        (Const::Number(number), Held::Number) => Some(values.number(entry)? == **number),
        (Const::Text(text), Held::Text | Held::Decoded) => Some(values.text(entry)? == &**text),
        // These kinds are not compared.
        _ => None,
    }
}

fn is(test: IsTest, entry: Option<&Entry>, values: &Values<'_>) -> bool {
    let Some(entry) = entry else { return test == IsTest::Missing };
    match test {
        IsTest::Missing => false,
        IsTest::Present => true,
        IsTest::Null => entry.held == Held::Null,
        IsTest::String => matches!(entry.held, Held::Text | Held::Decoded | Held::Surrogate),
        IsTest::Float => entry.held == Held::Number,
        IsTest::Int => {
            let text = || values.extract.text(entry, values.body);
            entry.held == Held::Number && Number::is_whole(text())
        }
        IsTest::Bool => matches!(entry.held, Held::True | Held::False),
        IsTest::List => entry.held == Held::List,
        IsTest::Map => entry.held == Held::Map,
    }
}
