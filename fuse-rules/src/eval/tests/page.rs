//! The pages of explanations together are the complete explanation.

use super::{event, load};
use crate::eval::{Explained, ExplainedPage, Explanation, PageRequest, Plan};
use crate::event::Event;
use crate::fuses::Fuses;
use crate::ruleset::Ruleset;

const RULES: &str = r#"
source q queue { event e }
fuse gate default on
sensor s on q.e {
  each x in body.l
  when x.on
  rule a { when x.n == 1  trigger note {}  trigger note {} }
  rule b { each y in x.m when y > 1  trigger note {} }
  rule c { requires gate when x.n == 2 or any(y in x.m: y == 9)  trigger note {} }
}
sensor t on q.e {
  rule d { when body.none == 1  trigger note {} }
  rule e { when body.l is list  trigger note {}  trigger note {}  trigger note {} }
  rule f { when body.l is string  trigger note {} }
}
"#;

const BODY: &str = r#"{"l":[
    {"on":true,"n":1,"m":[1,2,3]}, {"on":false,"n":2,"m":[]}, {"on":true,"n":2,"m":[]}, {"n":2,"m":[1]},
    {"on":true,"n":1,"m":"x"}
]}"#;

fn page(plan: &Plan, event: &Event<'_>, request: &PageRequest<'_>) -> ExplainedPage {
    plan.explain_page(event, &Fuses::default(), request)
}

/// All pages of a size, in order.
fn pages(plan: &Plan, event: &Event<'_>, request: PageRequest<'_>) -> Vec<ExplainedPage> {
    let mut pages = Vec::new();
    let mut skip = request.skip;
    loop {
        let next = page(plan, event, &PageRequest { skip, ..request });
        let count = next.explanation.decisions.len();
        assert!(count > 0 || next.total <= skip, "a page goes on");
        skip += count;
        let total = next.total;
        pages.push(next);
        if skip >= total {
            return pages;
        }
    }
}

fn missed(explanation: &Explanation) -> Vec<String> {
    let mut rules: Vec<String> = Vec::new();
    for explained in &explanation.decisions {
        if rules.last() != Some(&explained.decision.rule) {
            rules.push(explained.decision.rule.clone());
        }
    }
    let holds = |explained: &&Explained| explained.decision.outcome.holds();
    let matched = |rule: &String| {
        explanation.decisions.iter().filter(holds).any(|one| one.decision.rule == *rule)
    };
    rules.retain(|rule| !matched(rule));
    rules
}

fn assert_same(ruleset: &Ruleset, event: &Event<'_>, rule: Option<&str>) {
    let plan = ruleset.plan();
    let whole = match rule {
        Some(rule) => plan.explain_rules(event, &Fuses::default(), &[rule]),
        None => plan.explain(event, &Fuses::default()),
    };
    for take in [1, 2, 3, 7, 100] {
        let request = PageRequest { rule, skip: 0, take, max_parts: usize::MAX };
        let pages = pages(&plan, event, request);
        let mut at = 0;
        for page in &pages {
            assert_eq!(page.total, whole.decisions.len());
            assert!(page.explanation.decisions.len() <= take);
            if let Some(first) = page.explanation.decisions.first() {
                let key =
                    |one: &Explained| (one.decision.rule.clone(), one.decision.element.clone());
                let before = whole.decisions[..at].iter().rev();
                let same = before.take_while(|one| key(one) == key(first)).count();
                assert_eq!(page.same_before, same);
            }
            at += page.explanation.decisions.len();
            let other = Explanation { decisions: Vec::new(), ..whole.clone() };
            let own = Explanation { decisions: Vec::new(), ..page.explanation.clone() };
            assert_eq!(own, other);
        }
        let all = pages.iter().flat_map(|page| &page.explanation.decisions);
        for (shown, whole) in all.clone().zip(&whole.decisions) {
            assert_eq!(shown, whole);
        }
        assert_eq!(all.count(), whole.decisions.len());
        let names: Vec<String> = pages.iter().flat_map(|page| page.missed.clone()).collect();
        assert_eq!(names, if whole.refused.is_some() { Vec::new() } else { missed(&whole) });
    }
}

#[test]
fn pages_are_the_whole() {
    let ruleset = load(RULES);
    for body in [BODY, r#"{"l":[]}"#, r#"{"l":"x"}"#, "{}", r#"{"l":[],"l":[1]}"#] {
        for rule in [None, Some("s/a"), Some("s/b"), Some("t/e"), Some("t/none")] {
            assert_same(&ruleset, &event(body), rule);
        }
    }
    let other = Event::new("q", "other", b"{}").unwrap();
    assert_same(&ruleset, &other, None);
}

#[test]
fn a_page_ends_where_it_has_shown_enough() {
    let ruleset = load(RULES);
    let event = event(BODY);
    let request = PageRequest { rule: None, skip: 0, take: 100, max_parts: 4 };
    let pages = pages(&ruleset.plan(), &event, request);
    let counts: Vec<usize> = pages.iter().map(|page| page.explanation.decisions.len()).collect();
    assert!(counts.len() > 3 && counts.iter().all(|count| (1..=4).contains(count)), "{counts:?}");
}

/// Past the work limit, decisions are listed without explanations, page by page.
#[test]
fn what_takes_too_long_is_listed() {
    let conditions: Vec<String> = (0..40)
        .map(|n| {
            format!("rule r{n} {{ when x in body.l and body.never == {n}  trigger note {{}} }}")
        })
        .collect();
    let ruleset = load(&format!(
        "source q queue {{ event e }} sensor s on q.e {{ each x in body.l max 1000
         rule few {{ when x < 2  trigger note {{}} }} {} }}",
        conditions.join("\n")
    ));
    let list: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let body = format!(r#"{{"l":[{}]}}"#, list.join(","));
    let event = event(&body);
    let request = PageRequest { rule: None, skip: 1, take: 5, max_parts: 100 };
    let plan = ruleset.plan().with_max_work(2_000_000);
    let page = page(&plan, &event, &request);
    assert_eq!((page.explanation.cut, page.explanation.refused), (true, None));
    assert_eq!((page.explanation.decisions.len(), page.total, page.missed.len()), (1, 2, 0));
    assert_eq!(page.explanation.decisions[0].decision.element, Some(vec![1]));
    // One rule alone stays within the limit.
    let request = PageRequest { rule: Some("s/few"), ..request };
    let page = self::page(&plan, &event, &request);
    assert_eq!((page.total, page.explanation.cut), (500, false));
}
