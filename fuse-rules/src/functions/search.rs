//! Parts of a text by pattern: `capture`, `replace-match`.

use super::{Call, Function, NoResult, ResultSize, Returns, string};
use crate::value::{Kinds, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "capture",
        params: &[("text", Kinds::STRING), ("pattern", Kinds::STRING)],
        returns: Returns::Maybe(&Returns::Captured),
        size: ResultSize::Groups,
        doc: "The first match of a literal pattern anywhere in the text, absent if there is none. With one group, it is the text of the group; with named groups, a map of their texts.",
        examples: &[
            (r#"capture("feature/SDK-12-login", r"[A-Z]+-\d+")"#, Some(r#""SDK-12""#)),
            (r#"capture("refs/heads/main", r"^refs/heads/(.+)$")"#, Some(r#""main""#)),
            (
                r#"capture("pay-prod", r"^(?<app>\w+)-(?<env>\w+)$")"#,
                Some(r#"{"app":"pay","env":"prod"}"#),
            ),
            (r#"capture("v1", r"(\d)\.(\d)") ?? "none""#, None),
            (r#"capture("main", r"[A-Z]+-\d+") ?? "none""#, Some(r#""none""#)),
            (r#"capture("main", r"[A-Z]+-\d+")"#, None),
        ],
        call: Call::Pattern(|arguments, pattern, _| {
            pattern.capture(string(arguments, 0))?.ok_or(NoResult::Absent)
        }),
    },
    Function {
        name: "replace-match",
        params: &[
            ("text", Kinds::STRING),
            ("pattern", Kinds::STRING),
            ("replacement", Kinds::STRING),
        ],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Product,
        doc: "The text with every match of a literal pattern replaced. In the literal replacement, `$1`, `$name` and `${name}` are the texts of groups, `$0` is the match and `$$` a dollar sign.",
        examples: &[
            (
                r#"replace-match("feature/Add it", r"[^A-Za-z0-9]+", "-")"#,
                Some(r#""feature-Add-it""#),
            ),
            (r#"replace-match("v1.2", r"v(\d+)\.(\d+)", r"$2.$1")"#, Some(r#""2.1""#)),
            (r#"replace-match("v1", r"v(\d)", "$2")"#, None),
        ],
        call: Call::Pattern(|arguments, pattern, context| {
            Ok(Value::text(pattern.replace(string(arguments, 0), context)?))
        }),
    },
];
