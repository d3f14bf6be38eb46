//! Converts the keywords of a schema to the set of values that it allows.

use indexmap::IndexMap;
use percent_encoding::percent_decode_str;

use super::sets::{CopyBudget, ObjectField, ObjectSet, SchemaNumbers, Slots, StringSet, ValueSet};
use crate::diagnostic::suggest;
use crate::syntax::MAX_NESTING;
use crate::value::Value;

/// The maximum number of schemas to visit. A schema counts once per reference to it.
const MAX_SCHEMAS: usize = 20_000;

/// Keywords that a type cannot even approximate. Leaving them out would defeat the purpose of the
/// schema.
const UNSUPPORTED: &[&str] = &[
    "not",
    "if",
    "dependentSchemas",
    "dependentRequired",
    "dependencies",
    "patternProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "prefixItems",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$anchor",
];

const TYPES: &[&str] = &["null", "boolean", "integer", "number", "string", "array", "object"];

/// An error in a schema, with its position in the file.
#[derive(Debug, PartialEq)]
pub(super) struct SchemaFault {
    /// A JSON pointer.
    pub(super) at: String,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Draft {
    Seven,
    Later,
}

type Entries<'a> = [(std::borrow::Cow<'a, str>, Value<'a>)];

/// The values that a complete file allows, and all errors in it.
pub(super) fn read(root: &Value<'_>) -> (ValueSet, Vec<SchemaFault>) {
    let mut reader = Reader {
        root,
        draft: Draft::Later,
        faults: Vec::new(),
        schemas: 0,
        budget: CopyBudget::new(),
        within: vec![String::new()],
    };
    if reader.choose_draft() {
        let set = reader.value("", root, 0);
        if reader.budget.exceeded {
            reader.too_large();
        }
        return (set, reader.faults);
    }
    (ValueSet::Any, reader.faults)
}

/// The documentation in a schema.
pub(super) fn doc(schema: &Value<'_>) -> Option<String> {
    let Value::Map(entries) = schema else { return None };
    let text = |key| match get(entries, key) {
        Some(Value::String(text)) => Some(text.trim()).filter(|text| !text.is_empty()),
        _ => None,
    };
    text("description").or_else(|| text("title")).map(str::to_owned)
}

fn get<'a, 'v>(entries: &'a Entries<'v>, key: &str) -> Option<&'a Value<'v>> {
    entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

struct Reader<'a> {
    root: &'a Value<'a>,
    draft: Draft,
    faults: Vec<SchemaFault>,
    schemas: usize,
    budget: CopyBudget,
    /// The references that are currently being followed, to detect cycles.
    within: Vec<String>,
}

impl<'a> Reader<'a> {
    fn fault(&mut self, at: &str, message: impl Into<String>, help: Option<String>) -> ValueSet {
        let fault = SchemaFault { at: at.into(), message: message.into(), help };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
        ValueSet::Any
    }

    /// Reported for the root, so that it is reported only once.
    fn too_large(&mut self) -> ValueSet {
        let help = "write a type for the fields that the rules read";
        self.fault("", "this is too large with its references", Some(help.into()))
    }

    /// Whether `$schema` names a supported draft.
    fn choose_draft(&mut self) -> bool {
        let Value::Map(entries) = self.root else { return true };
        let given = match get(entries, "$schema") {
            None => return true,
            Some(Value::String(given)) => given.trim_end_matches('#'),
            Some(_) => "",
        };
        let address = given.trim_start_matches("https://").trim_start_matches("http://");
        match address {
            "json-schema.org/draft/2020-12/schema" => {}
            "json-schema.org/draft-07/schema" => self.draft = Draft::Seven,
            _ => {
                let help = "those that can be read are `https://json-schema.org/draft/2020-12/schema` \
                            and `http://json-schema.org/draft-07/schema#`";
                let message = format!("the draft `{given}` is not supported");
                self.fault("/$schema", message, Some(help.into()));
                return false;
            }
        }
        true
    }

    /// A schema that some value must fit.
    fn value(&mut self, at: &str, schema: &'a Value<'a>, depth: usize) -> ValueSet {
        let before = self.faults.len();
        let set = self.schema(at, schema, depth);
        if set.is_empty() && self.faults.len() == before {
            let help = "its keywords exclude each other; `additionalProperties: false` forbids all \
                        but the `properties` right beside it";
            return self.fault(at, "no value fits this", Some(help.into()));
        }
        set
    }

    fn schema(&mut self, at: &str, schema: &'a Value<'a>, depth: usize) -> ValueSet {
        self.schemas += 1;
        if self.schemas > MAX_SCHEMAS {
            return self.too_large();
        }
        if depth > MAX_NESTING {
            return self.fault(at, format!("this is nested more than {MAX_NESTING} deep"), None);
        }
        match schema {
            Value::Bool(true) => ValueSet::Any,
            Value::Bool(false) => self.fault(at, "no value fits `false`", None),
            Value::Map(entries) => self.keywords(at, entries, depth),
            _ => self.fault(at, "a schema must be an object, `true` or `false`", None),
        }
    }

    fn keywords(&mut self, at: &str, entries: &'a Entries<'a>, depth: usize) -> ValueSet {
        let reference = get(entries, "$ref");
        if let (Some(reference), Draft::Seven) = (reference, self.draft) {
            // In this draft, a reference hides the keywords next to it.
            return self.reference(at, reference, depth);
        }
        for keyword in UNSUPPORTED.iter().filter(|keyword| get(entries, keyword).is_some()) {
            let help = "remove it from the file, or write the type in the rules";
            self.fault(at, format!("`{keyword}` is not supported"), Some(help.into()));
        }
        if !at.is_empty() && get(entries, "$id").is_some() {
            self.fault(at, "an `$id` inside a schema is not supported", None);
        }
        let mut set = self.own(at, entries, depth);
        if let Some(reference) = reference {
            let referred = self.reference(at, reference, depth);
            set = set.meet(referred, &mut self.budget);
        }
        if let Some(values) = get(entries, "enum") {
            set = match values {
                Value::List(values) => {
                    let listed = any_of(values, &mut self.budget);
                    set.meet(listed, &mut self.budget)
                }
                _ => self.fault(at, "`enum` must be a list", None),
            };
        }
        if let Some(value) = get(entries, "const") {
            let only = exactly(value, &mut self.budget);
            set = set.meet(only, &mut self.budget);
        }
        for (index, part) in self.schemas_of(at, entries, "allOf").iter().enumerate() {
            let part = self.schema(&format!("{at}/allOf/{index}"), part, depth + 1);
            set = set.meet(part, &mut self.budget);
        }
        for keyword in ["anyOf", "oneOf"] {
            let parts = self.schemas_of(at, entries, keyword);
            let mut any = ValueSet::nothing();
            for (index, part) in parts.iter().enumerate() {
                let part = self.schema(&format!("{at}/{keyword}/{index}"), part, depth + 1);
                any = any.join(part, &mut self.budget);
            }
            if !parts.is_empty() {
                set = set.meet(any, &mut self.budget);
            }
        }
        set
    }

    /// The set that is allowed by the keywords that are about one kind of value each.
    fn own(&mut self, at: &str, entries: &'a Entries<'a>, depth: usize) -> ValueSet {
        let mut slots = Slots::full();
        let text = |key| match get(entries, key) {
            Some(Value::String(text)) => Some(text.as_ref()),
            _ => None,
        };
        if text("format") == Some("date-time") {
            slots.strings = StringSet::Timestamps;
        } else if text("contentEncoding") == Some("base64") {
            slots.strings = StringSet::Base64;
        }
        match get(entries, "items") {
            None => {}
            Some(Value::List(_)) => {
                self.fault(at, "`items` with one schema per index is not supported", None);
            }
            Some(items) => {
                slots.list = Some(self.value(&format!("{at}/items"), items, depth + 1));
            }
        }
        slots.objects = vec![self.object(at, entries, depth)];
        let Some(types) = get(entries, "type") else {
            return ValueSet::from_slots(slots);
        };
        let types = match types {
            Value::List(types) => types.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut kept = Slots::default();
        for ty in types {
            let name = if let Value::String(name) = ty { name.as_ref() } else { "" };
            match name {
                "null" => kept.null = true,
                "boolean" => (kept.yes, kept.no) = (true, true),
                "integer" if kept.numbers != SchemaNumbers::All => {
                    kept.numbers = SchemaNumbers::Whole
                }
                "integer" => {}
                "number" => kept.numbers = SchemaNumbers::All,
                "string" => kept.strings = slots.strings.clone(),
                "array" => kept.list = slots.list.take(),
                "object" => kept.objects = std::mem::take(&mut slots.objects),
                _ => {
                    let help = suggest::help(name, TYPES.iter().copied(), "the types are");
                    return self.fault(at, format!("there is no type {}", ty.show()), help);
                }
            }
        }
        ValueSet::from_slots(kept)
    }

    fn object(&mut self, at: &str, entries: &'a Entries<'a>, depth: usize) -> ObjectSet {
        let mut fields = IndexMap::new();
        match get(entries, "properties") {
            None => {}
            Some(Value::Map(properties)) => {
                for (key, schema) in properties {
                    let at = format!("{at}/properties/{}", escaped(key));
                    let set = self.value(&at, schema, depth + 1);
                    let field = ObjectField { required: false, set };
                    fields.insert(key.clone().into_owned(), field);
                }
            }
            Some(_) => drop(self.fault(at, "`properties` must be an object", None)),
        }
        let rest = match get(entries, "additionalProperties") {
            None => ValueSet::Any,
            Some(Value::Bool(false)) => ValueSet::nothing(),
            Some(rest) => self.value(&format!("{at}/additionalProperties"), rest, depth + 1),
        };
        match get(entries, "required") {
            None => {}
            Some(Value::List(required)) => {
                for name in required {
                    let Value::String(name) = name else {
                        self.fault(at, "`required` must be a list of names", None);
                        continue;
                    };
                    let rest = || ObjectField { required: true, set: self.budget.copy(&rest) };
                    let field = fields.entry(name.clone().into_owned()).or_insert_with(rest);
                    field.required = true;
                }
            }
            Some(_) => drop(self.fault(at, "`required` must be a list of names", None)),
        }
        if let Some((name, _)) = fields.iter().find(|(_, field)| field.set.is_empty()) {
            let message = format!("`{name}` is required, but `additionalProperties` forbids it");
            self.fault(at, message, None);
        }
        ObjectSet { fields, rest }
    }

    /// The schemas of a keyword that has a list of them.
    fn schemas_of(&mut self, at: &str, entries: &'a Entries<'a>, key: &str) -> &'a [Value<'a>] {
        match get(entries, key) {
            None => &[],
            Some(Value::List(schemas)) if !schemas.is_empty() => schemas,
            Some(_) => {
                self.fault(at, format!("`{key}` must be a list of schemas"), None);
                &[]
            }
        }
    }

    fn reference(&mut self, at: &str, reference: &Value<'_>, depth: usize) -> ValueSet {
        let Value::String(reference) = reference else {
            return self.fault(at, "`$ref` must be a string", None);
        };
        let decoded = percent_decode_str(reference).decode_utf8_lossy();
        let Some(pointer) = decoded.strip_prefix('#').map(str::to_owned) else {
            let help = "copy the schema to `$defs` in this file";
            let message = format!("the reference `{reference}` points outside of the file");
            return self.fault(at, message, Some(help.into()));
        };
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let help = "write it as in `#/$defs/name`";
            let message = format!("the reference `{reference}` to an anchor is not supported");
            return self.fault(at, message, Some(help.into()));
        }
        if self.within.contains(&pointer) {
            let help = "leave out the recursive part; its type is then `any`";
            let message =
                format!("the reference `{reference}` points back to a schema that contains it");
            return self.fault(at, message, Some(help.into()));
        }
        let Some(target) = find(self.root, &pointer) else {
            return self.fault(at, format!("there is nothing at `{reference}`"), None);
        };
        self.within.push(pointer.clone());
        let set = self.schema(&pointer, target, depth + 1);
        self.within.pop();
        set
    }
}

/// The set with exactly one value.
fn exactly(value: &Value<'_>, budget: &mut CopyBudget) -> ValueSet {
    let mut slots = Slots::default();
    match value {
        Value::Null => slots.null = true,
        Value::Bool(true) => slots.yes = true,
        Value::Bool(false) => slots.no = true,
        Value::Number(number) => slots.numbers = SchemaNumbers::one(*number),
        Value::String(text) => slots.strings = StringSet::one(text.clone().into_owned()),
        Value::List(items) => {
            slots.list = Some(any_of(items, budget));
        }
        Value::Map(entries) => {
            let fields = entries.iter().map(|(key, value)| {
                let set = exactly(value, budget);
                (key.clone().into_owned(), ObjectField { required: true, set })
            });
            slots.objects = vec![ObjectSet { fields: fields.collect(), rest: ValueSet::nothing() }];
        }
        // A number that is out of range; the other kinds do not come from JSON.
        Value::Unrepresentable(_) | Value::Duration(_) | Value::Time(_) | Value::Version(_) => {
            return ValueSet::Any;
        }
    }
    ValueSet::from_slots(slots)
}

/// The set of these values.
fn any_of(values: &[Value<'_>], budget: &mut CopyBudget) -> ValueSet {
    values.iter().fold(ValueSet::nothing(), |set, value| {
        let one = exactly(value, budget);
        set.join(one, budget)
    })
}

/// The value that a JSON pointer refers to.
fn find<'a>(root: &'a Value<'a>, pointer: &str) -> Option<&'a Value<'a>> {
    pointer.split('/').skip(1).try_fold(root, |value, step| {
        let step = step.replace("~1", "/").replace("~0", "~");
        match value {
            Value::Map(entries) => get(entries, &step),
            Value::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        }
    })
}

/// A key as a segment of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
