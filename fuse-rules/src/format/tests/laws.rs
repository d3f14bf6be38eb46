//! Laws that hold for every file.

use proptest::prelude::*;

use super::{files, generate, laid_out, mangle, same};
use crate::syntax::tests::tree;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..600)
}

proptest! {
    #[test]
    fn a_layout_says_the_same_and_is_its_own(bytes in bytes()) {
        let out = laid_out(&generate::file(&bytes));
        prop_assert!(!out.contains("\n\n\n") && !out.starts_with('\n') && !out.ends_with("\n\n"), "{out}");
        prop_assert!(out.lines().all(|line| line.trim_end() == line), "{out}");
        for (above, line) in out.lines().zip(out.lines().skip(1)) {
            prop_assert!(!(above.ends_with('{') && line.is_empty()), "{out}");
            prop_assert!(!(above.is_empty() && line.trim_start() == "}"), "{out}");
        }
    }

    #[test]
    fn a_layout_keeps_each_value(bytes in bytes()) {
        let text = generate::value(&bytes);
        same(&tree(&laid_out(&text)), &tree(&text));
    }

    #[test]
    fn a_mangled_file_is_restored(bytes in bytes(), mangling in bytes()) {
        let text = laid_out(&generate::file(&bytes));
        same(&laid_out(&mangle::file(&text, &mangling)), &text);
    }

    #[test]
    fn the_repositorys_files_are_restored(
        (_, text) in prop::sample::select(files()),
        mangling in prop::collection::vec(any::<u8>(), 1..2000),
    ) {
        same(&laid_out(&mangle::file(&text, &mangling)), &text);
    }
}

/// Texts that are not rules, or almost: they are refused, or have a layout.
#[test]
fn hostile_texts_are_refused_or_stable() {
    for text in crate::syntax::tests::hostile_texts() {
        for text in [
            format!("sensor s on a.b {{ when {text}\n }}"),
            format!("source s k {{ a = {text}\n }}"),
            text,
        ] {
            if let Ok(out) = super::format("x", &text) {
                assert_eq!(super::format("x", &out).unwrap(), out);
            }
        }
    }
}
