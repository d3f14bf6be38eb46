//! Many rules: the time to analyze all of them is linear in their number.
//!
//! `FUSE_TEST_RULES` is the number of rules; ten thousand take seconds in a release build.

use std::fmt::Write as _;
use std::time::Instant;

use super::*;
use crate::eval::tests::load;

/// Typical rules: one or two equalities each, some alternatives, some patterns.
fn rules(count: usize) -> String {
    let mut text = "source q queue { event e : { alerts: list<{ status: \"firing\" | \"resolved\",
        labels: map<string>, startsAt: timestamp, ... }>, n?: int, ... } }\n"
        .to_owned();
    for at in 0..count {
        if at % 50 == 0 {
            let end = if at > 0 { "}\n" } else { "" };
            writeln!(
                text,
                "{end}sensor s{at} on q.e {{\neach x in body.alerts\nwhen x.status == \"firing\""
            )
            .unwrap();
        }
        let clause = match at % 8 {
            0 => format!("x.labels.slo == \"slo-{at}\" and x.labels.team != \"t{}\"", at % 7),
            1 => format!("x.labels.slo in [\"a-{at}\", \"b-{at}\"] or body.n > {at}"),
            2 => format!(
                "x.labels.name starts-with \"app-{at}-\" and x.labels.name ends-with \"-prod\""
            ),
            3 => format!(
                "x.labels.name matches r\"app-{at}-[a-z0-9]+\" and not (x.labels.env like \"dev*\")"
            ),
            4 => format!("x.labels.slo == \"slo-{at}\" and age(x.startsAt) > 5m"),
            5 => format!(
                "any(y in body.alerts: y.labels.slo == \"slo-{at}\") and x.labels.a is present"
            ),
            6 => format!("lower(x.labels.name) == \"app-{at}\" and body.n >= 3 and body.n < {at}"),
            _ => format!(
                "(x.labels.a == \"{at}\" or x.labels.b == \"{at}\") and (x.labels.c == \"1\" or x.labels.d == \"2\")"
            ),
        };
        writeln!(text, "rule r{at} {{ when {clause}\n trigger note {{}} }}").unwrap();
    }
    text.push_str("}\n");
    text
}

#[test]
fn many_rules_take_seconds() {
    let count = std::env::var("FUSE_TEST_RULES").map_or(400, |count| count.parse().unwrap());
    let ruleset = load(&rules(count));
    let placed = placed(ruleset.typed());
    let mut analysis = Analysis::new(ruleset.typed());
    let started = Instant::now();
    let print = |what: &str, known: usize| {
        println!("{what}: {known} of {count} known, {:?} so far", started.elapsed());
        assert!(known * 10 >= count * 9, "too little is known: {what}");
    };
    let known = |answer: &Answer| *answer != Answer::Unknown;
    print("matching", placed.iter().filter(|target| known(&analysis.matching(**target))).count());
    print("failing", placed.iter().filter(|target| known(&analysis.failing(**target))).count());
    let findings: usize = placed.iter().map(|target| analysis.rule_clauses(*target).len()).sum();
    print(&format!("clauses, {findings} findings"), count);
    let pairs = || placed.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)));
    let _both = pairs().filter(|(a, b)| known(&analysis.meeting(*a, *b))).count();
    print("meeting", count);
    let _alone = pairs().filter(|(a, b)| known(&analysis.separating(*a, *b))).count();
    print("separating", count);
}
