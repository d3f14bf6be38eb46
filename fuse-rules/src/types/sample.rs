//! Sample values of a type, for generated events.

use super::{Format, Rest, Ty};
use crate::number::Number;
use crate::value::{Kinds, Value};

/// The maximum depth of sample values.
const MAX_SAMPLE_DEPTH: usize = 16;

impl Ty {
    /// One of its values. `choose` returns a number below its argument. If it always returns 0, the
    /// value is the simplest: maps have only required fields, and lists one element.
    pub(crate) fn sample(&self, choose: &mut dyn FnMut(usize) -> usize) -> Value<'static> {
        self.made(choose, MAX_SAMPLE_DEPTH)
    }

    fn made(&self, choose: &mut dyn FnMut(usize) -> usize, depth: usize) -> Value<'static> {
        let Some(depth) = depth.checked_sub(1) else { return Value::Null };
        let kinds = [
            (!self.maps.is_empty(), Kinds::MAP),
            (!self.strings.is_empty(), Kinds::STRING),
            (!self.numbers.is_empty(), Kinds::NUMBER),
            (!self.lists.is_empty(), Kinds::LIST),
            (!self.bools.is_empty(), Kinds::BOOL),
            (self.null, Kinds::NULL),
        ];
        let kinds: Vec<Kinds> =
            kinds.iter().filter(|(has, _)| *has).map(|(_, kind)| *kind).collect();
        match kinds.get(choose(kinds.len().max(1))).copied() {
            Some(Kinds::MAP) => self.some_map(choose, depth),
            Some(Kinds::STRING) => self.some_string(choose),
            Some(Kinds::NUMBER) => self.some_number(choose),
            Some(Kinds::LIST) => self.some_list(choose, depth),
            Some(Kinds::BOOL) => {
                Value::Bool(self.bools.has(true) && (choose(2) == 0 || !self.bools.has(false)))
            }
            Some(_) => Value::Null,
            // Any value, or none.
            None => Value::text("text"),
        }
    }

    fn some_map(&self, choose: &mut dyn FnMut(usize) -> usize, depth: usize) -> Value<'static> {
        let mut out = Vec::new();
        let Some(record) = self.maps.get(choose(self.maps.len().max(1))) else {
            return Value::Map(out);
        };
        for (key, field) in &record.fields {
            if !field.optional || choose(2) == 1 {
                out.push((key.to_string().into(), field.ty.made(choose, depth)));
            }
        }
        if let Rest::Each(ty) = &record.rest {
            for key in ["a", "b"].iter().take(choose(3)) {
                out.push(((*key).into(), ty.made(choose, depth)));
            }
        }
        Value::Map(out)
    }

    fn some_list(&self, choose: &mut dyn FnMut(usize) -> usize, depth: usize) -> Value<'static> {
        let Some(element) = self.lists.get(choose(self.lists.len().max(1))) else {
            return Value::List(Vec::new());
        };
        // One element first, then none or several.
        let count = [1, 0, 2, 3].get(choose(4)).copied().unwrap_or(1);
        Value::List((0..count).map(|_| element.made(choose, depth)).collect())
    }

    fn some_string(&self, choose: &mut dyn FnMut(usize) -> usize) -> Value<'static> {
        let literals: Vec<&str> = self.literal_strings().into_iter().flatten().collect();
        if let Some(literal) = literals.get(choose(literals.len().max(1))) {
            return Value::text((*literal).to_owned());
        }
        let format = Format::ALL.into_iter().find(|format| self.strings.has_format(*format));
        Value::text(format.map_or("text", Format::example))
    }

    fn some_number(&self, choose: &mut dyn FnMut(usize) -> usize) -> Value<'static> {
        let literals: Vec<_> = self.numbers.literals().copied().collect();
        Value::Number(match literals.get(choose(literals.len().max(1))) {
            Some(literal) => *literal,
            None => Number::from([1_i64, 0, 3, -1].get(choose(4)).copied().unwrap_or(1)),
        })
    }
}
