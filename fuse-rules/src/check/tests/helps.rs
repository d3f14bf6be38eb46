//! What the help for a missing value names, applied.

use super::problems_of;
use super::types::rule;

/// Required values that may be missing. Every fix that the help names works.
const HELPS: &[&str] = &[
    "body.owner.name",
    "body.note",
    "body.owner.mail",
    "lower(body.note)",
    "\"x-${body.owner.name}\"",
    "body.owner.name == \"x\"",
    "first(u in body.users: u.name == \"x\").name",
    "first(u in body.users: u.name == \"x\").mail",
    "\"x-${first(u in body.users: u.name == \"x\").name}\"",
    "lower(first(u in body.users: u.name like \"*-x\").name)",
    "lower(first(u in body.users: u.name matches r\"\\d+\").mail)",
    "first(u in body.users: u.name == \"${body.status}-x\").name",
    "url(body.labels.u).host",
    "count(u in body.users: u.mail == \"x\")",
    "any(u in body.users: u.mail == \"x\")",
    "join(map(u in body.users: u.mail), \",\")",
    "split(body.owner.name, \"-\")[1]",
    "join(body.mails, \",\")",
    "({ x = \"x\" })[body.labels.a]",
    "body.labels[body.note]",
    "if body.flag then body.note else \"x\"",
    "if body.flag then \"x\" else body.owner.name",
    "if body.note == \"x\" then \"y\" else \"z\"",
    "if body.flag then lower(body.note) else \"x\"",
    "\"x-${if body.flag then body.note else \"x\"}\"",
    "lower(if body.flag then body.note else \"x\")",
    "body.size.of",
    "body.mails[0]",
    "body.owner.name ?? body.note",
];

#[test]
fn the_help_for_a_missing_value_names_only_fixes_that_work() {
    let flow = |clauses: &str, field: &str| {
        let trigger = format!(
            "trigger flow {{ template = \"t\", namespace = \"n\", parameters {{ {field} }} }}"
        );
        rule(clauses, &trigger)
    };
    for value in HELPS {
        let whole = flow("", &format!("a = {value}"));
        let problems = problems_of(&[("test.rules", &whole)])
            .unwrap_or_else(|| panic!("`{value}` is never missing"));
        let problem = problems.iter().next().unwrap();
        assert_eq!(problem.topic.to_string(), "E0312", "{value}");
        let help = problem.help.as_deref().unwrap();
        let fixes: Vec<String> = help
            .match_indices(": `")
            .map(|(at, start)| {
                let fix = &help[at + start.len()..];
                let fix = fix.split("`, leave").next().unwrap().split("`, or ").next().unwrap();
                let fix = fix.strip_suffix('`').unwrap_or(fix);
                if let Some(condition) = fix.strip_prefix("when ") {
                    return flow(&format!("when {condition}"), &format!("a = {value}"));
                }
                match fix {
                    "a? = …" => flow("", &format!("a? = {value}")),
                    _ => {
                        // The default belongs next to the value, which is a part of the whole. It is used as it
                        // is written.
                        let inner = fix.strip_prefix('(').and_then(|fix| fix.strip_suffix(')'));
                        let shown = inner.unwrap_or(fix).rsplit_once(" ?? ").unwrap().0;
                        let bare = shown.strip_prefix('(').and_then(|part| part.strip_suffix(')'));
                        let part = if value.contains(shown) { Some(shown) } else { bare };
                        let whole = match part.filter(|part| value.contains(part)) {
                            Some(part) => value.replacen(part, fix, 1),
                            None => panic!("`{value}` has no `{shown}`: {help}"),
                        };
                        flow("", &format!("a = {whole}"))
                    }
                }
            })
            .collect();
        assert!(!fixes.is_empty(), "no fix for `{value}`: {help}");
        for fixed in fixes {
            let problems = problems_of(&[("test.rules", &fixed)]);
            let problems = problems.map(|problems| problems.to_string()).unwrap_or_default();
            assert_eq!(problems, "", "`{value}`: {help}\n{fixed}");
        }
    }
}
