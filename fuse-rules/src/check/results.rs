//! The types of the results of functions, by the types of their arguments.

use std::sync::Arc;

use crate::functions::{Captured, Function, Returns, SearchPattern};
use crate::semantics::ops;
use crate::typed::Expr;
use crate::types::{Absence, Known, Missing, Record, RecordMember, Rest, Ty};
use crate::value::{Kinds, Value};

/// Whether the result of this call may be absent although the arguments are present. As for elements
/// and fields, nothing is declared if the first argument has no type.
pub(super) fn absence(function: &Function, exprs: &[Expr], arguments: &[Known]) -> Absence {
    if !function.returns.may_be_absent() {
        return Absence::NEVER;
    }
    Absence::absent(match arguments.first() {
        Some(known) if !known.ty.is_any() => {
            Missing::Declared(ops::call_text(function, exprs).into())
        }
        _ => Missing::Open,
    })
}

/// The type of a function's result for these arguments.
pub(super) fn ty(function: &Function, arguments: &[Known], pattern: Option<&SearchPattern>) -> Ty {
    returned(&function.returns, &|index| argument(function, arguments, index), pattern)
}

/// The type of an argument.
fn argument(function: &Function, arguments: &[Known], index: usize) -> Ty {
    let known = arguments.get(index).map_or_else(Ty::any, |known| known.ty.clone());
    let wanted = function.params.get(index).map_or(Kinds::ANY, |(_, wanted)| *wanted);
    // The kinds that the function accepts are known even if the argument has no type.
    if known.is_any() { Ty::from_kinds(known.kinds().and(wanted)) } else { known }
}

fn returned(
    returns: &Returns,
    argument: &dyn Fn(usize) -> Ty,
    pattern: Option<&SearchPattern>,
) -> Ty {
    let field = |ty, optional| RecordMember { ty, optional };
    match returns {
        Returns::Of(kinds) => Ty::from_kinds(*kinds),
        Returns::Words(words) => {
            let word = |word: &&'static str| Ty::from_value(&Value::text(*word));
            words.iter().map(word).fold(Ty::nothing(), Ty::or)
        }
        Returns::Int => Ty::int(),
        Returns::Ints => Ty::list(Ty::int()),
        Returns::ListOf(kinds) => Ty::list(Ty::from_kinds(*kinds)),
        Returns::Argument(index) => argument(*index).widened(),
        // A null element has no order, so there is no result.
        Returns::Element(index) => argument(*index).element().not_null(),
        Returns::ElementsOf(index) => Ty::list(argument(*index).map_values()),
        Returns::EntriesOf(index) => {
            let fields = [("key", Ty::string()), ("value", argument(*index).map_values())];
            let fields = fields.into_iter().map(|(name, ty)| (Arc::from(name), field(ty, false)));
            Ty::list(Ty::record(Record { fields: fields.collect(), rest: Rest::Nothing }))
        }
        Returns::MapOfEntries(index) => Ty::map(values_of(&argument(*index).element())),
        Returns::Merged => merged(&argument(0), &argument(1)),
        Returns::Joined => Ty::list(argument(0).element().or(argument(1).element())),
        Returns::Flattened(index) => Ty::list(argument(*index).element().element()),
        Returns::Record(fields) => {
            let member = |(name, kinds, optional): &(&str, Kinds, bool)| {
                (Arc::from(*name), field(Ty::from_kinds(*kinds), *optional))
            };
            let fields = fields.iter().map(member).collect();
            Ty::record(Record { fields, rest: Rest::Nothing })
        }
        Returns::Captured => match pattern.map(SearchPattern::captured) {
            Some(Captured::Groups(groups)) => {
                let groups = groups.iter().map(|group| {
                    (Arc::from(group.name.as_str()), field(Ty::string(), group.optional))
                });
                Ty::record(Record { fields: groups.collect(), rest: Rest::Nothing })
            }
            _ => Ty::string(),
        },
        Returns::Maybe(present) => returned(present, argument, pattern),
    }
}

/// The type of `value` in entries of this type.
fn values_of(entry: &Ty) -> Ty {
    let (records, _) = entry.structures();
    if entry.is_any() {
        return Ty::any();
    }
    let value = |record: &Arc<Record>| match record.fields.get("value") {
        Some(member) => member.ty.clone(),
        None => rest_of(&record.rest),
    };
    records.iter().map(value).fold(Ty::nothing(), Ty::or)
}

/// The type of the values of other keys.
fn rest_of(rest: &Rest) -> Ty {
    match rest {
        Rest::Nothing => Ty::nothing(),
        Rest::Open => Ty::any(),
        Rest::Each(ty) => ty.clone(),
    }
}

/// The type of maps with the entries of both, of which those of the second win.
fn merged(first: &Ty, second: &Ty) -> Ty {
    match (first.structures().0, second.structures().0) {
        ([first], [second]) => Ty::record(merged_records(first, second)),
        _ => Ty::map(first.map_values().or(second.map_values())),
    }
}

fn merged_records(first: &Record, second: &Record) -> Record {
    let mut fields = first.fields.clone();
    // The second map may have keys that its type does not name.
    let unnamed = rest_of(&second.rest);
    for (name, member) in &mut fields {
        if !second.fields.contains_key(name) {
            member.ty = member.ty.clone().or(unnamed.clone());
        }
    }
    for (name, member) in &second.fields {
        let before = match first.fields.get(name) {
            Some(before) => before.clone(),
            None => RecordMember { ty: rest_of(&first.rest), optional: true },
        };
        let merged = match member.optional {
            false => member.clone(),
            true => RecordMember { ty: before.ty.or(member.ty.clone()), optional: before.optional },
        };
        fields.insert(name.clone(), merged);
    }
    let rest = match (&first.rest, &second.rest) {
        (Rest::Nothing, rest) | (rest, Rest::Nothing) => rest.clone(),
        (Rest::Each(first), Rest::Each(second)) => Rest::Each(first.clone().or(second.clone())),
        _ => Rest::Open,
    };
    Record { fields, rest }
}
