//! Spellings of other languages whose error names the right form.

use super::{PRELUDE, problems_of, rule};

#[test]
fn the_error_names_the_right_spelling() {
    let conditions = [
        "body.größe == 1",
        "body.straße.name == \"x\"",
        "body.名前 == \"x\"",
        "any(x in body.l where x.size > 1)",
        "count(x in body.l if x.size > 1) > 2",
        "body.sha[0:7] == \"x\"",
        "body.sha[:7] == \"x\"",
        "body.commit.sha[-7:] == \"x\"",
        "body.l[len(body.l) - 1:] == [1]",
        "any(body.l, x.size > 1)",
        "any(body.l: x.size > 1)",
        "any(x in body.l, x.size > 1)",
        "any(x in body.l | x.size > 1)",
        "any(x in body.l => x.size > 1)",
        "len(body.l + [1]) > 2",
        "len([\"a\"] + body.l) > 2",
        "len(split(body.a, \",\") + split(body.b, \",\")) > 1",
        "len(body.l + \"x\") > 1",
    ];
    let mut all = String::new();
    for condition in conditions {
        let text = PRELUDE.to_owned() + &rule(&format!("when {condition}\ntrigger note {{}}"));
        let problems = problems_of(&[("test.rules", &text)]);
        all.push_str(
            &problems
                .map_or_else(|| format!("no problem: {condition}\n\n"), |p| p.to_string() + "\n"),
        );
    }
    let keys = "type t = { größe: int, \"straße\": int }\nconst c = { größe = 1 }\n";
    all.push_str(&problems_of(&[("test.rules", keys)]).unwrap().to_string());
    insta::assert_snapshot!(all);
}
