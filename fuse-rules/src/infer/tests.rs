//! Inferred types as text, and the law that a type accepts its examples in any order.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::*;
use crate::accepts::Typed;

fn inferred(examples: impl IntoIterator<Item = Json>) -> String {
    let mut inference = TypeInference::new();
    for example in examples {
        inference.add(example.to_string().as_bytes()).unwrap();
    }
    inference.declaration("t").unwrap()
}

#[test]
fn scalars_and_their_unions() {
    for (examples, expected) in [
        (vec![], "any"),
        (vec![json!(1), json!(2.0)], "int"),
        (vec![json!(1), json!(2.5)], "float"),
        (vec![json!("a"), json!("b")], "string"),
        (vec![json!(true)], "bool"),
        (vec![json!("2026-08-01T10:00:00Z"), json!("2026-08-01T12:00:00+02:00")], "timestamp"),
        (vec![json!("2026-08-01T10:00:00Z"), json!("")], "string"),
        (vec![json!("2026-08-01")], "string"),
        (vec![json!(null)], "any"),
        (vec![json!(null), json!("a"), json!(1), json!(false)], "string | int | bool | null"),
        (vec![json!([])], "list<any>"),
        (vec![json!([null])], "list<any>"),
        (vec![json!([1, "a"]), json!([]), json!(null)], "list<string | int> | null"),
        (vec![json!({})], "map<any>"),
    ] {
        assert_eq!(inferred(examples.clone()), format!("type t = {expected}\n"), "{examples:?}");
    }
    let mut inference = TypeInference::new();
    inference.add(b"1e999").unwrap();
    assert_eq!(inference.declaration("t").unwrap(), "type t = int\n");
    inference.add(b"\"\\ud800\"").unwrap();
    assert_eq!(inference.declaration("t").unwrap(), "type t = string | int\n");
    assert!(inference.add(b"{").is_err());
}

#[test]
fn records_have_optional_fields_in_the_order_of_the_examples() {
    let text = inferred([
        json!({ "id": 1, "items": [{ "sku": "x", "n": 1 }, { "sku": "y" }], "when": "now" }),
        json!({ "id": 2, "kind": null, "items": [], "a b": { "\"${x}\"": 1 } }),
    ]);
    insta::assert_snapshot!(text, @r#"
    type t = {
      id: int
      items: list<{
        sku: string
        n?: int
        ...
      }>
      kind?: any
      when?: string
      "a b"?: map<int>
      ...
    }
    "#);
}

#[test]
fn objects_whose_keys_are_data_are_maps() {
    let keys = |range: std::ops::Range<usize>, value: &dyn Fn(usize) -> Json| -> Json {
        range.map(|i| (format!("k{i}"), value(i))).collect::<Map<_, _>>().into()
    };
    let number = |i: usize| json!(i);
    let mixed = |i: usize| if i.is_multiple_of(2) { json!(i) } else { json!("x") };
    let odd =
        json!({ "app.kubernetes.io/name": "a", "app.kubernetes.io/part-of": "b", "app": "c" });
    assert_eq!(inferred([odd]), "type t = map<string>\n");
    let few = inferred([keys(0..3, &number), keys(3..6, &number)]);
    assert!(few.contains("k5?: int"), "{few}");
    let same = inferred([keys(0..40, &number), keys(0..40, &number)]);
    assert!(same.contains("k39: int"), "{same}");
    let differing = [keys(0..8, &number), keys(8..16, &number), keys(16..24, &number)];
    assert_eq!(inferred(differing), "type t = map<int>\n");
    let variants = inferred([keys(0..8, &mixed), keys(8..16, &mixed), keys(16..24, &mixed)]);
    assert!(variants.contains("k23?: string"), "{variants}");
    assert_eq!(inferred([keys(0..300, &mixed)]), "type t = map<string | int>\n");
}

#[test]
fn words_that_come_again_and_again_are_choices() {
    let event = |state: &str| json!({ "state": state });
    let many = |words: &[&str], times: usize| -> Vec<Json> {
        words.iter().flat_map(|word| (0..times).map(|_| event(word))).collect()
    };
    let ty = |examples: Vec<Json>| {
        let text = inferred(examples);
        text.lines().nth(1).unwrap().trim().trim_start_matches("state: ").to_owned()
    };
    assert_eq!(ty(many(&["open", "closed"], 10)), r#""closed" | "open""#);
    assert_eq!(ty(many(&["open", "closed"], 9)), "string", "too few events");
    assert_eq!(ty(many(&["open"], 100)), "string", "one word is no choice");
    assert_eq!(ty(many(&["a b", "c"], 20)), "string", "not words");
    let nine = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    assert_eq!(ty(many(&nine, 20)), "string", "too many words");
    let mut rare = many(&["open", "closed"], 20);
    rare.extend([event("merged"), event("merged")]);
    assert_eq!(ty(rare), "string", "where a word is rare, others may not have come yet");
    let list = ["a", "b"].repeat(50);
    let one_event = json!({ "list": list });
    assert!(inferred([one_event]).contains("list: list<string>"), "one event says little");
}

#[test]
fn what_is_nested_deeply_may_be_anything() {
    let nested = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let text = inferred([nested]);
    assert_eq!(text, format!("type t = {}any{}\n", "list<".repeat(16), ">".repeat(16)));
}

#[test]
fn only_names_can_be_declared() {
    let inference = TypeInference::new();
    for name in ["", "a b", "a = int\ntype b", "1a", "rule", "a.b", "a-", " a", "int"] {
        assert_eq!(inference.declaration(name), None, "{name}");
    }
    assert!(inference.declaration("order-placed").is_some());
}

fn value() -> impl Strategy<Value = Json> {
    let text = prop_oneof![
        prop::sample::select(vec!["open", "closed", "2026-08-01T10:00:00Z", ""])
            .prop_map(str::to_owned),
        "\\PC{0,4}",
    ];
    let key = prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "list", "type", "k-1", "rule", "..."]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e9..1e9).prop_map(Json::from),
        text.prop_map(Json::from),
    ];
    scalar.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|all| all.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn a_type_is_written_correctly_and_accepts_its_examples(examples in prop::collection::vec(value(), 0..6)) {
        let typed = Typed::new(&inferred(examples.clone()), "t");
        for example in examples {
            prop_assert_eq!(typed.mismatch(&example.to_string()), None);
        }
    }

    #[test]
    fn the_order_of_the_examples_does_not_matter(
        (examples, shuffled) in prop::collection::vec(value(), 0..6)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        prop_assert_eq!(inferred(examples), inferred(shuffled));
    }
}
