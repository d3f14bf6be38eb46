use proptest::prelude::*;

use super::*;

fn n(text: &str) -> Number {
    Number::parse(text).unwrap()
}

#[test]
fn spelling_does_not_matter_and_nothing_is_lost() {
    assert_eq!(n("1"), n("1.0"));
    assert_eq!(n("1"), n("10e-1"));
    assert_eq!(n("-0"), n("0.000e12"));
    assert_eq!(n("100"), n("1E+2"));
    assert_ne!(n("9007199254740993.0"), n("9007199254740992"));
    assert!(n("9007199254740993") > n("9007199254740992.9"));
    assert!(n("-1e300") < n("1e-300"));
}

#[test]
fn what_is_no_number_or_cannot_be_held_is_told_apart() {
    for text in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "0x1", "1_000", "NaN"] {
        assert_eq!(Number::parse(text), Err(NumberError::Malformed), "{text}");
    }
    let huge = "9".repeat(37);
    for (text, integral) in [
        ("1e999", true),
        ("1e-999", false),
        (huge.as_str(), true),
        ("1e99999999999999999999", true),
    ] {
        assert_eq!(Number::parse(text), Err(NumberError::OutOfRange { integral }), "{text}");
    }
    assert!(Number::parse(&"9".repeat(36)).is_ok());
    assert!(Number::parse(&format!("1{}", "0".repeat(300))).is_ok());
}

#[test]
fn arithmetic_is_exact_where_digits_allow_and_rounds_where_not() {
    assert_eq!(n("0.1").add(n("0.2")), Some(n("0.3")));
    assert_eq!(n("1e300").add(n("1")), Some(n("1e300")));
    assert_eq!(n("3").sub(n("5")), Some(n("-2")));
    assert_eq!(n("1").div(n("3")).unwrap().to_string(), format!("0.{}", "3".repeat(36)));
    assert_eq!(n("2").div(n("3")).unwrap().to_string(), format!("0.{}7", "6".repeat(35)));
    assert_eq!(n("7").div(n("2")), Some(n("3.5")));
    assert_eq!(n("7").rem(n("-2")), Some(n("1")));
    assert_eq!(n("5.5").rem(n("2")), Some(n("1.5")));
    assert_eq!(n("1").div(n("0")), None);
    assert_eq!(n("1e300").mul(n("1e300")), None);
    let nines = n(&"9".repeat(36));
    assert_eq!(nines.mul(nines), Some(n(&format!("{}8e36", "9".repeat(35)))));
    assert_eq!(nines.add(n("1")), Some(n("1e36")));
}

#[test]
fn text_is_canonical() {
    for (given, shown) in [
        ("1.0", "1"),
        ("1e3", "1000"),
        ("-0.50", "-0.5"),
        ("1e-3", "0.001"),
        ("1e100", "1e100"),
        ("1.5e-100", "1.5e-100"),
        ("0", "0"),
    ] {
        assert_eq!(n(given).to_string(), shown);
    }
}

proptest! {
    #[test]
    fn integers_behave_as_integers(a in -1_000_000_000_i64..1_000_000_000, b in -1_000_000_000_i64..1_000_000_000) {
        let (x, y) = (Number::from(a), Number::from(b));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert_eq!(x.add(y), Some(Number::from(a + b)));
        prop_assert_eq!(x.mul(y), Some(Number::from(a * b)));
        prop_assert_eq!(x.to_i64(), Some(a));
        if b != 0 {
            prop_assert_eq!(x.rem(y), Some(Number::from(a % b)));
        }
    }

    #[test]
    fn text_reads_back(c in -COEFFICIENT_LIMIT + 1..COEFFICIENT_LIMIT, e in -300_i32..300) {
        let number = Number::parse(&format!("{c}e{e}")).unwrap();
        prop_assert_eq!(Number::parse(&number.to_string()), Ok(number));
    }

    #[test]
    fn order_is_the_order_of_differences(a in -COEFFICIENT_LIMIT + 1..COEFFICIENT_LIMIT, b in -COEFFICIENT_LIMIT + 1..COEFFICIENT_LIMIT, e in -40_i32..40) {
        let (x, y) = (Number::parse(&format!("{a}e{e}")).unwrap(), Number::parse(&b.to_string()).unwrap());
        let difference = x.sub(y).unwrap();
        prop_assert_eq!(x.cmp(&y), difference.cmp(&Number::ZERO));
    }

    #[test]
    fn products_and_quotients_undo_each_other_nearly(a in 1_i128..COEFFICIENT_LIMIT, b in 1_i128..COEFFICIENT_LIMIT) {
        let (x, y) = (Number::parse(&a.to_string()).unwrap(), Number::parse(&b.to_string()).unwrap());
        let back = x.mul(y).unwrap().div(y).unwrap();
        let off = back.sub(x).unwrap().div(x).unwrap();
        prop_assert!(off < Number::parse("1e-34").unwrap() && off > Number::parse("-1e-34").unwrap());
    }
}
