//! Loads with a cache have the result of loads without one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::schema::{Field, FieldType, Schema, SourceSchema};

fn registry() -> Registry {
    let source = Schema::new("queue", "").field(Field::optional("id", FieldType::Expression, ""));
    let text = FieldType::Text(crate::schema::Templates::Allowed);
    Registry::new()
        .source(SourceSchema::new(source, Schema::new("event", "")))
        .trigger(Schema::new("page", "").field(Field::optional("text", text, "")))
}

/// The versions that each file may have. Some do not fit to some of other files.
const FILES: [(&str, &[&str]); 6] = [
    (
        "a-shared.rules",
        &[
            "use \"b-source.rules\"\nconst limit = 4\ncondition high(x) = x > limit\ntype Team = { name: string }",
            "use \"b-source.rules\"\n# moved\nconst limit = 5\ncondition high(x) = x > limit\ntype Team = { name: string }",
            "use \"b-source.rules\"\nconst limit = 4\ncondition high(x) = x >= limit and x < 9\ntype Team = { name: string }",
            "const limit = ",
        ],
    ),
    (
        "b-source.rules",
        &[
            "source q queue {\n  event e: { n: int, team?: string }\n  event f\n}\nfuse line default on",
            "source q queue {\n  event e: { n: int, team: string }\n  event f\n}\nfuse line default off",
            "fuse first default on\nsource q queue {\n  event e\n  event f\n}\nfuse line default on",
        ],
    ),
    (
        "c-one.rules",
        &[
            "use \"a-shared.rules\"\nuse \"b-source.rules\"\nsensor one on q.e {\n  requires line\n  rule r {\n    let n = body.n\n    when high(n) and n > 2\n    trigger page { text = \"${n}\" }\n  }\n}",
            "use \"a-shared.rules\"\nuse \"b-source.rules\"\nsensor one on q.e {\n  rule r {\n    when (high(body.n))\n    trigger page {}\n  }\n}",
            "use \"b-source.rules\"\nsensor one on q.e {\n  rule r {\n    when high(body.n)\n    trigger page {}\n  }\n}",
        ],
    ),
    (
        "d-two.rules",
        &[
            "use \"b-source.rules\"\nsensor two on q.f {\n  requires line\n  rule r {\n    when body.a == \"x\"\n    trigger page {}\n  }\n}",
            "use \"b-source.rules\"\nsensor two on q.f {\n  rule r {\n    still 5m per body.n\n      unless q.e when body.team == \"db\"\n    trigger page {}\n  }\n}",
            "use \"b-source.rules\"\nfuse own default on\nsensor two on q.f {\n  requires own\n  rule s {\n    trigger page {}\n  }\n}",
            "",
        ],
    ),
    (
        "e-three.rules",
        &[
            "use \"b-source.rules\"\nsensor three on q.e {\n  rule r {\n    when body.team == \"db\"\n    trigger page { text = body.team }\n  }\n}",
            "use \"b-source.rules\"\nsensor two on q.e {\n  rule r {\n    trigger page {}\n  }\n}",
        ],
    ),
    ("f-used.rules", &["", "# nothing", "fuse unused default on"]),
];

/// Everything that a load finds, as text.
fn found(loaded: Result<&Ruleset, &Diagnostics>) -> String {
    let ruleset = match loaded {
        Ok(ruleset) => ruleset,
        Err(problems) => return problems.to_json_lines(),
    };
    let rules = ruleset.typed();
    let calls: BTreeMap<_, _> = rules.calls.iter().collect();
    let lets: BTreeMap<_, _> = rules.lets.iter().collect();
    let files: Vec<_> = ruleset.files().iter().map(|file| (file.name(), file.text())).collect();
    let (fuses, definitions) = (&rules.fuses, &rules.definitions);
    format!(
        "{:#?}\n{:#?}\n{fuses:#?}\n{definitions:#?}\n{calls:#?}\n{lets:#?}\n{files:#?}\n{}",
        rules.sources,
        rules.sensors,
        ruleset.warnings().to_json_lines(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_load_with_a_cache_is_the_load_without_it(
        edits in prop::collection::vec((0..FILES.len(), 0_usize..5), 1..8),
    ) {
        let (registry, mut cache) = (registry(), LoadCache::default());
        let mut files: BTreeMap<&str, &str> =
            FILES.iter().map(|(name, versions)| (*name, versions[0])).collect();
        let mut former: Option<Ruleset> = None;
        for (at, version) in edits {
            let (name, versions) = FILES[at];
            match versions.get(version) {
                Some(text) => files.insert(name, text),
                None => files.remove(name),
            };
            let names: Vec<&str> = files.keys().copied().collect();
            let with = Ruleset::load_with(&names, &files, &registry, &mut cache);
            let without = Ruleset::load(&names, &files, &registry);
            prop_assert_eq!(found(with.as_ref()), found(without.as_ref()));
            let Ok(ruleset) = with else { continue };
            if let Some(former) = former.replace(ruleset).zip(without.ok()) {
                // Also those that are not compared do not differ.
                let (old, without) = former;
                let is = without.different_rules(&old);
                let now = Ruleset::load_with(&names, &files, &registry, &mut cache).unwrap();
                prop_assert_eq!(now.different_rules(&old), is);
            }
        }
    }
}

/// How many sensors two loads share.
fn shared(one: &Ruleset, other: &Ruleset) -> usize {
    let is_shared = |sensor: &&Arc<crate::typed::Sensor>| {
        other.typed().sensors.iter().any(|known| Arc::ptr_eq(known, sensor))
    };
    one.typed().sensors.iter().filter(is_shared).count()
}

#[test]
fn only_what_depends_on_a_change_is_checked_again() {
    let (registry, mut cache) = (registry(), LoadCache::default());
    let mut files: BTreeMap<&str, &str> =
        FILES.iter().map(|(name, versions)| (*name, versions[0])).collect();
    let names: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
    let mut load =
        |files: &BTreeMap<&str, &str>| Ruleset::load_with(&names, files, &registry, &mut cache);
    let first = load(&files).unwrap();
    assert_eq!(shared(&first, &load(&files).unwrap()), 3, "nothing changed");
    files.insert("f-used.rules", "# nothing");
    assert_eq!(shared(&first, &load(&files).unwrap()), 3, "nothing uses it");
    files.insert("a-shared.rules", FILES[0].1[1]);
    assert_eq!(shared(&first, &load(&files).unwrap()), 2, "one uses the condition");
    files.insert("d-two.rules", "const x =");
    assert!(load(&files).is_err());
    files.insert("d-two.rules", FILES[3].1[0]);
    let second = load(&files).unwrap();
    files.insert("b-source.rules", FILES[1].1[1]);
    assert_eq!(shared(&second, &load(&files).unwrap()), 0, "all use the source");
}
