//! The words of the language, as `grammar/rules.pest` and the library have them, against the scopes.

use std::collections::BTreeSet;

use super::{files, root, texts, tokens};

/// The quoted words of those rules of the grammar whose names these are.
fn words(of: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let grammar = std::fs::read_to_string(root().join("grammar/rules.pest")).unwrap();
    let mut words = BTreeSet::new();
    let mut inside = false;
    for line in grammar.lines().filter(|line| !line.starts_with("//")) {
        if let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with([' ', '}'])) {
            inside = of(name.trim());
        }
        if inside {
            words.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
        }
    }
    words.retain(|word| word.starts_with(|first: char| first.is_ascii_lowercase()));
    words
}

fn is_word_list(name: &str) -> bool {
    name.starts_with("kw_")
        || ["outcome", "reserved", "switch", "text_word", "quantifier_word", "generic_word"]
            .contains(&name)
}

#[test]
fn the_grammar_s_words_are_found() {
    let words = words(is_word_list);
    for word in ["use", "json-schema", "ends-with", "filter", "list", "off", "within"] {
        assert!(words.contains(word), "{word}");
    }
}

/// A word that the grammar gains needs a line in the files of this folder and a scope.
#[test]
fn every_word_of_the_grammar_has_a_scope() {
    let Some(all) = tokens(&texts(&files("tests/editors"))) else { return };
    let known = ["keyword.", "constant.language.", "support."];
    let scoped: BTreeSet<&str> = all
        .iter()
        .flatten()
        .flatten()
        .filter(|(_, scopes)| known.iter().any(|known| scopes.last().unwrap().starts_with(known)))
        .map(|(text, _)| text.as_str())
        .collect();
    let missing: Vec<_> =
        words(is_word_list).into_iter().filter(|word| !scoped.contains(word.as_str())).collect();
    assert!(missing.is_empty(), "without a scope: {missing:?}");
}

/// The scope of the token that is this word, in a text where it stands once.
fn scope_of(lines: &[Vec<super::Token>], word: &str) -> String {
    let token = lines.iter().flatten().find(|(text, _)| text == word);
    let scope = token.and_then(|(_, scopes)| scopes.last());
    scope.unwrap_or_else(|| panic!("`{word}` is no token of {lines:?}")).clone()
}

#[test]
fn every_function_has_a_scope() {
    let names: Vec<_> =
        fuse_rules::functions::functions().map(|function| function.name()).collect();
    let texts: Vec<_> = names.iter().map(|name| format!("when {name}(x) == 1")).collect();
    let Some(all) = tokens(&texts) else { return };
    for (name, lines) in names.iter().zip(&all) {
        assert_eq!(scope_of(lines, name), "support.function.fuse", "{name}");
    }
}

#[test]
fn a_word_is_a_name_where_it_is_a_key_or_part_of_a_path() {
    let words: Vec<_> = words(is_word_list).into_iter().collect();
    let places = [
        ("trigger t { WORD = 1 }", "variable.other.property.fuse"),
        ("trigger t { WORD? = 1 }", "variable.other.property.fuse"),
        ("trigger t { WORD { a = 1 } }", "entity.name.tag.block.fuse"),
        ("type a = { WORD?: b }", "variable.other.property.fuse"),
        ("trigger t { from body { WORD, b } }", "variable.other.property.fuse"),
        ("when body.WORD == 1", "variable.other.member.fuse"),
        ("when WORD-x == 1", "variable.other.fuse"),
    ];
    let texts: Vec<_> = words
        .iter()
        .flat_map(|word| places.iter().map(move |(text, _)| text.replace("WORD", word)))
        .collect();
    let Some(all) = tokens(&texts) else { return };
    for (index, (text, lines)) in texts.iter().zip(&all).enumerate() {
        let (place, scope) = places[index % places.len()];
        let word = &words[index / places.len()];
        let word = if place.contains("WORD-x") { format!("{word}-x") } else { word.clone() };
        // `trigger` and `type` also start texts of their own.
        let scopes: Vec<_> = lines
            .iter()
            .flatten()
            .filter(|(text, _)| *text == word)
            .filter_map(|(_, scopes)| scopes.last())
            .collect();
        assert!(scopes.iter().any(|found| *found == scope), "{text}: {scopes:?}");
    }
}
