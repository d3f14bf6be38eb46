//! Fixes lead to text that parses, whether they are safe or guesses.

use std::collections::BTreeMap;

use super::kinds::registry;
use crate::diagnostic::fix::Edits;
use crate::diagnostic::{Diagnostics, Severity};
use crate::ruleset::Ruleset;
use crate::span::FileId;
use crate::syntax;

/// The number of errors that the parser reports.
fn syntax_errors(file: FileId, text: &str) -> usize {
    let mut problems = Vec::new();
    syntax::parse(file, text, &mut problems);
    problems.iter().filter(|problem| problem.severity == Severity::Error).count()
}

/// The fixes of these problems that change nothing, or after which a file has more syntax errors than before.
pub(crate) fn broken_fixes(problems: &Diagnostics) -> Vec<String> {
    let mut broken = Vec::new();
    for problem in problems {
        let Some(fix) = &problem.fix else { continue };
        let mut edits = Edits::default();
        assert!(edits.take(fix), "the edits of a fix overlap: {problems}");
        let mut changes = false;
        for (id, file) in problems.files().ids().filter(|(_, file)| file.name().ends_with(".rules"))
        {
            let text = edits.apply(id, file.text());
            changes |= text != file.text();
            if syntax_errors(id, &text) > syntax_errors(id, file.text()) {
                broken.push(format!("{}: `{}` leads to\n{text}", problem.message, fix.title));
            }
        }
        if !changes {
            broken.push(format!("{}: `{}` changes nothing", problem.message, fix.title));
        }
    }
    broken
}

/// The rules that the fix of their only problem leads to.
fn fixed(text: &str) -> String {
    let files = BTreeMap::from([("a.rules", text)]);
    let problems = Ruleset::load_in_detail(&["a.rules"], &files, &registry()).unwrap_err();
    let [problem] = problems.iter().collect::<Vec<_>>()[..] else { panic!("{problems}") };
    let mut edits = Edits::default();
    assert!(edits.take(problem.fix.as_ref().unwrap()), "{problems}");
    let (id, _) = problems.files().ids().next().unwrap();
    edits.apply(id, text)
}

/// The nearest name is written as the place of the wrong one requires.
#[test]
fn names_keep_or_get_their_quotes() {
    const SOURCE: &str = "source gh webhook { port = 1, path = \"/\"\n event push : type T }\n";
    let rules = |types: &str, clauses: &str| {
        let source = SOURCE.replace("type T", types);
        format!("{source}sensor s on gh.push {{ rule r {{ {clauses} }} }}\n")
    };
    let any = |clauses: &str| rules("any", clauses);
    let labels = "{ labels: { \"app.kubernetes.io/name\": string, team: string } }";
    let log = "trigger log { message = \"m\" }";
    let job =
        |env: &str| format!("trigger job {{ image = \"i\", namespace = \"n\", env {{ {env} }} }}");
    let test = |env: &str| {
        format!(
            "{}test \"t\" {{ send gh.push body {{}} expect r {{ env {{ {env} }} }} }}\n",
            any(&job("\"a.b/c\" = \"x\""))
        )
    };
    for (wrong, right) in [
        ("use std \"githb\"\n".to_owned(), "use std \"github\"\n".to_owned()),
        ("use std \"argo-cd\"\n".to_owned(), "use std \"argocd\"\n".to_owned()),
        (any("trigger log { \"mesage\" = \"x\" }"), any("trigger log { message = \"x\" }")),
        (any("trigger log { mesage = \"x\" }"), any("trigger log { message = \"x\" }")),
        (
            rules(labels, &format!("when body.labels.teem == \"x\" {log}")),
            rules(labels, &format!("when body.labels.team == \"x\" {log}")),
        ),
        (test("\"a.b/d\" = \"x\""), test("\"a.b/c\" = \"x\"")),
    ] {
        assert_eq!(fixed(&wrong), right, "{wrong}");
    }
}
