use super::*;

#[test]
fn what_is_read_is_what_was_written() {
    let text = r#"{"a":[1,2.50,"x\n",null,true],"ké":{"b":-0.0}}"#;
    let value = Value::read(text).unwrap();
    assert_eq!(value.to_json_text().unwrap(), r#"{"a":[1,2.5,"x\n",null,true],"ké":{"b":0}}"#);
    let exact = Value::read("9007199254740993").unwrap();
    assert_eq!(exact.to_json().unwrap(), serde_json::json!(9_007_199_254_740_993_i64));
}

#[test]
fn what_cannot_be_held_is_no_error_until_it_is_used() {
    let surrogate = Value::read(r#"{"a":"\ud800","b":1}"#).unwrap();
    let at = |key: &str| surrogate.step(&Segment::Key(key.into())).unwrap().unwrap();
    assert_eq!(at("a"), &Value::Unrepresentable(Unrepresentable::Surrogate));
    assert_eq!(at("b").show(), "1");
    assert!(surrogate.to_json().is_err());
    assert_eq!(
        Value::read("1e999").unwrap(),
        Value::Unrepresentable(Unrepresentable::Number { integral: true })
    );
    assert_eq!(
        Value::read(r#"{"\ud800":1}"#).unwrap(),
        Value::Map(vec![]),
        "nothing can ask for it"
    );
}

#[test]
fn a_key_given_twice_is_refused_however_it_is_spelled() {
    assert_eq!(Value::read(r#"{"a":1,"\u0061":2}"#), Err(DuplicateKey("a".into())));
    assert_eq!(Value::read(r#"[{"b":{"a":1,"a":1}}]"#), Err(DuplicateKey("a".into())));
}

#[test]
fn indices_count_from_both_ends() {
    assert_eq!(position(-1, 3), Some(2));
    assert_eq!(position(3, 3), None);
    assert_eq!(position(-4, 3), None);
    assert_eq!(position(i64::MIN, 3), None);
}
