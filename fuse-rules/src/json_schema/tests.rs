//! Schemas and their types, as text; schemas that are rejected; the law that a type accepts every
//! value that its schema accepts.

use std::collections::BTreeMap;

use super::*;
use crate::span::FileId;
use crate::syntax::type_text;
use crate::{Registry, Ruleset};

mod laws;

fn span() -> Span {
    Span::new(FileId(0), 0..0)
}

/// The type of a schema.
fn read(schema: &str) -> String {
    match import("s.json", schema, span()) {
        Ok(Imported { ty, .. }) => type_text(&ty),
        Err(problems) => panic!("{problems:?}"),
    }
}

/// The errors in a schema.
fn faults(schema: &str) -> Vec<String> {
    match import("s.json", schema, span()) {
        Ok(Imported { ty, .. }) => panic!("{}", type_text(&ty)),
        Err(problems) => problems.into_iter().map(|problem| problem.message).collect(),
    }
}

#[test]
fn each_keyword_that_is_read() {
    for (schema, expected) in [
        ("true", "any"),
        ("{}", "any"),
        (r#"{"type": "string"}"#, "string"),
        (r#"{"type": ["string", "null"]}"#, "(string | null)"),
        (r#"{"type": ["integer", "string"]}"#, "(string | int)"),
        (r#"{"type": ["integer", "number"]}"#, "float"),
        (r#"{"type": ["number", "integer"]}"#, "float"),
        (r#"{"type": "boolean"}"#, "bool"),
        (r#"{"type": "null"}"#, "null"),
        (r#"{"type": "array"}"#, "list<any>"),
        (r#"{"type": "array", "items": {"type": "integer"}}"#, "list<int>"),
        (r#"{"type": "object"}"#, "map<any>"),
        (r#"{"type": "object", "additionalProperties": {"type": "string"}}"#, "map<string>"),
        (r#"{"type": "object", "additionalProperties": false}"#, "{  }"),
        (
            r#"{"type": "object", "properties": {"a b": {}, "c": {"type": "string"}}, "required": ["c", "d"]}"#,
            "{ a b?: any, c: string, d: any, ... }",
        ),
        (
            r#"{"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": false}"#,
            "{ a?: int }",
        ),
        (
            r#"{"type": "object", "properties": {"a": true}, "additionalProperties": {"type": "string"}, "required": ["b"]}"#,
            "{ a?: any, b: string, ... }",
        ),
        (r#"{"enum": ["a", 1, true, null]}"#, r#"("a" | 1 | true | null)"#),
        (r#"{"enum": ["a", "b", 1], "type": "string"}"#, r#"("a" | "b")"#),
        (r#"{"enum": [true, false]}"#, "bool"),
        (r#"{"const": {"a": [1, "x"]}}"#, r#"{ a: list<("x" | 1)> }"#),
        (r#"{"const": 9007199254740993}"#, "9007199254740993"),
        (r#"{"const": 1e999}"#, "any"),
        (r#"{"type": "string", "format": "date-time"}"#, "timestamp"),
        (r#"{"type": "string", "contentEncoding": "base64"}"#, "bytes"),
        (r#"{"type": "string", "format": "email", "minLength": 1, "pattern": "x"}"#, "string"),
        (r#"{"type": "integer", "minimum": 1, "multipleOf": 2, "default": 4}"#, "int"),
        (r#"{"type": "array", "uniqueItems": true, "contains": {"const": 1}}"#, "list<any>"),
        (r#"{"anyOf": [{"type": "string"}, {"type": "null"}]}"#, "(string | null)"),
        (r#"{"oneOf": [{"type": "integer"}, {"const": 2}, {"const": "x"}]}"#, r#"("x" | int)"#),
        (
            r#"{"type": "object", "oneOf": [
                {"properties": {"kind": {"const": "a"}, "a": {"type": "string"}}, "required": ["kind", "a"]},
                {"properties": {"kind": {"const": "b"}}, "required": ["kind"]}]}"#,
            r#"({ kind: "a", a: string, ... } | { kind: "b", ... })"#,
        ),
        (
            r#"{"type": "object", "properties": {"a": {"type": "string"}},
                "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}"#,
            "({ a: string, ... } | { a?: string, b: any, ... })",
        ),
        (
            r#"{"allOf": [
                {"type": "object", "properties": {"a": {"type": ["string", "null"]}}},
                {"required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}]}"#,
            "{ a: string, b?: int, ... }",
        ),
        (r##"{"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"type": "string"}}}"##, "string"),
        (
            r##"{"$ref": "#/$defs/a", "type": "string", "$defs": {"a": {"enum": ["x", 1]}}}"##,
            r#""x""#,
        ),
        (
            r##"{"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a",
                "type": "string", "definitions": {"a": {"enum": ["x", 1]}}}"##,
            r#"("x" | 1)"#,
        ),
        (r#"{"unknown": 1, "x-anything": {"not": true}}"#, "any"),
    ] {
        assert_eq!(read(schema), expected, "{schema}");
    }
}

#[test]
fn without_a_type_the_other_kinds_are_allowed_too() {
    assert_eq!(
        read(r#"{"properties": {"a": {"type": "string"}}, "additionalProperties": false}"#),
        "(string | float | bool | list<any> | { a?: string } | null)"
    );
    assert_eq!(
        read(r#"{"items": {"type": "string"}}"#),
        "(string | float | bool | list<string> | map<any> | null)"
    );
}

#[test]
fn descriptions_become_the_documentation() {
    let schema = r#"{"title": "An order", "type": "object", "properties": {
        "id": {"description": " Names it. ", "title": "ID", "type": "string"}}}"#;
    let Imported { doc, .. } = import("s.json", schema, span()).unwrap();
    assert_eq!(doc.as_deref(), Some("An order"));
}

#[test]
fn what_cannot_be_read_is_one_problem_at_its_place() {
    for (schema, expected) in [
        ("{", "`s.json` is not JSON: EOF while parsing an object at line 1, column 1"),
        ("{\n \"a\": 1,\n}", "`s.json` is not JSON: key must be a string at line 3, column 1"),
        (r#"{"a": 1, "a": 2}"#, "`s.json` has the key `a` twice in one object"),
        ("1", "`s.json`: a schema must be an object, `true` or `false`"),
        ("false", "`s.json`: no value fits `false`"),
        (r#"{"not": {}}"#, "`s.json`: `not` is not supported"),
        (
            r#"{"properties": {"a/b": {"patternProperties": {}}}}"#,
            "`s.json` at `/properties/a~1b`: `patternProperties` is not supported",
        ),
        (r#"{"if": true, "then": true}"#, "`s.json`: `if` is not supported"),
        (r#"{"items": [{}]}"#, "`s.json`: `items` with one schema per index is not supported"),
        (
            r#"{"items": {"$id": "x"}}"#,
            "`s.json` at `/items`: an `$id` inside a schema is not supported",
        ),
        (
            r#"{"$ref": "other.json"}"#,
            "`s.json`: the reference `other.json` points outside of the file",
        ),
        (r##"{"$ref": "#name"}"##, "`s.json`: the reference `#name` to an anchor is not supported"),
        (r##"{"$ref": "#/$defs/a"}"##, "`s.json`: there is nothing at `#/$defs/a`"),
        (
            r#"{"$schema": "http://json-schema.org/draft-04/schema#", "not": {}}"#,
            "`s.json` at `/$schema`: the draft `http://json-schema.org/draft-04/schema` is not supported",
        ),
        (r#"{"type": "strng"}"#, r#"`s.json`: there is no type "strng""#),
        (r#"{"enum": 1}"#, "`s.json`: `enum` must be a list"),
        (r#"{"allOf": {}}"#, "`s.json`: `allOf` must be a list of schemas"),
        (r#"{"anyOf": []}"#, "`s.json`: `anyOf` must be a list of schemas"),
        (r#"{"properties": []}"#, "`s.json`: `properties` must be an object"),
        (r#"{"required": "a"}"#, "`s.json`: `required` must be a list of names"),
        (r#"{"$ref": 1}"#, "`s.json`: `$ref` must be a string"),
        (
            r#"{"properties": {"a": {"allOf": [{"type": "string"}, {"type": "null"}]}}}"#,
            "`s.json` at `/properties/a`: no value fits this",
        ),
        (
            r#"{"required": ["a"], "additionalProperties": false}"#,
            "`s.json`: `a` is required, but `additionalProperties` forbids it",
        ),
        (
            r#"{"type": "object", "allOf": [
                {"properties": {"a": true}, "required": ["a"]}, {"additionalProperties": false}]}"#,
            "`s.json`: no value fits this",
        ),
    ] {
        assert_eq!(faults(schema), [expected], "{schema}");
    }
    let two = r#"{"properties": {"a": {"not": {}}, "b": {"type": 1}}}"#;
    assert_eq!(faults(two).len(), 2, "all at once");
}

#[test]
fn what_has_no_end_is_a_problem() {
    for (schema, expected) in [
        (
            r##"{"properties": {"child": {"$ref": "#"}}}"##,
            "`s.json` at `/properties/child`: the reference `#` points back to a schema that contains it",
        ),
        (
            r##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}"##,
            "`s.json` at `/$defs/b`: the reference `#/$defs/a` points back to a schema that contains it",
        ),
        (
            r##"{"properties": {"a": {"items": {"$ref": "#/properties/a"}}}}"##,
            "`s.json` at `/properties/a/items`: the reference `#/properties/a` points back to a schema that contains it",
        ),
    ] {
        assert_eq!(faults(schema), [expected], "{schema}");
    }

    // Thirty definitions, each of which refers to the next one twice.
    let twice = |i: usize| {
        format!(
            r##""d{i}": {{"properties": {{"a": {{"$ref": "#/$defs/d{0}"}}, "b": {{"$ref": "#/$defs/d{0}"}}}}}}"##,
            i + 1
        )
    };
    let definitions: Vec<_> = (0..30).map(twice).collect();
    let schema = format!(
        r##"{{"$ref": "#/$defs/d0", "$defs": {{ {}, "d30": true }} }}"##,
        definitions.join(",")
    );
    assert_eq!(faults(&schema), ["`s.json`: this is too large with its references"]);

    // A keyword next to sixteen alternatives is part of each of them, at every level.
    let names: Vec<_> = (0..16).map(|i| format!("{i:?}")).collect();
    let choices: Vec<_> =
        names.iter().map(|i| format!(r#"{{"properties": {{"k": {{"const": {i}}}}}}}"#)).collect();
    let choices = choices.join(",");
    let level = |inner: String, _| {
        format!(r#"{{"type": "object", "properties": {{"x": {inner}}}, "oneOf": [{choices}]}}"#)
    };
    let schema = (0..12).fold("true".to_owned(), level);
    assert_eq!(faults(&schema), ["`s.json`: this is too large with its references"]);
    // The type of all other fields applies to each required field.
    let names: Vec<_> = names.iter().map(|i| format!("\"{i}\"")).collect();
    let names = names.join(",");
    let level = |inner: String, _| {
        format!(r#"{{"type": "object", "additionalProperties": {inner}, "required": [{names}]}}"#)
    };
    let schema = (0..12).fold(r#"{"type": "string"}"#.to_owned(), level);
    assert_eq!(faults(&schema), ["`s.json`: this is too large with its references"]);

    let nested = |n: usize| format!("{}true{}", r#"{"items":"#.repeat(n), "}".repeat(n));
    read(&nested(60));
    assert_eq!(faults(&nested(100)).len(), 1);
    let deep = "`s.json` is nested more than 128 deep at line 1, column 1153";
    assert_eq!(faults(&nested(200)), [deep]);
    let large = format!("\"{}\"", "x".repeat(MAX_FILE_BYTES));
    assert_eq!(faults(&large), ["`s.json` is larger than the limit of 4 MiB"]);
}

#[test]
fn files_are_read_once_and_belong_to_the_rules() {
    let rules = r#"
        type order = json-schema "types/order.json"
        # Has its own comment.
        type again = json-schema "types/order.json"
    "#;
    let schema = r#"{"description": "An order.", "type": "object"}"#;
    let files = BTreeMap::from([("a.rules", rules), ("types/order.json", schema)]);
    let ruleset = Ruleset::load(&["a.rules"], &files, &Registry::new()).unwrap();
    let names: Vec<_> = ruleset.files().iter().map(|file| file.name()).collect();
    assert_eq!(names, ["a.rules", "types/order.json"]);
}

#[test]
fn problems_stand_where_the_file_is_named() {
    let rules = "type order = json-schema \"order.json\"\ntype gone = json-schema \"gone.json\"";
    let schema = r#"{"properties": {"items": {"patternProperties": {}}}}"#;
    let files = BTreeMap::from([("a.rules", rules), ("order.json", schema)]);
    let problems = Ruleset::load(&["a.rules"], &files, &Registry::new()).unwrap_err();
    insta::assert_snapshot!(problems, @r#"
    error[E0508]: `order.json` at `/properties/items`: `patternProperties` is not supported
     --> a.rules:1:26
      |
    1 | type order = json-schema "order.json"
      |                          ^^^^^^^^^^^^ imported here
      |
      = help: remove it from the file, or write the type in the rules

    error[E0504]: `gone.json` cannot be read: there is no such file
     --> a.rules:2:25
      |
    2 | type gone = json-schema "gone.json"
      |                         ^^^^^^^^^^^ imported here
      |
      = help: the name is relative to the rules file that imports it
    "#);
}

#[test]
fn objects_of_too_many_kinds_become_one() {
    let kinds = |count: usize| {
        let kind = |i| format!(r#"{{"type": "object", "properties": {{"k": {{"const": {i}}}}}}}"#);
        let kinds: Vec<_> = (0..count).map(kind).collect();
        read(&format!(r#"{{"oneOf": [{}]}}"#, kinds.join(",")))
    };
    assert_eq!(kinds(16).matches("k?").count(), 16);
    assert_eq!(kinds(40).matches("k?").count(), 16);
    assert!(kinds(40).contains("k?: (15 | 16 | 17"), "{}", kinds(40));
}
