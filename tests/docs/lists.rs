//! What the page lists is all that there is.

use super::{kinds, page, read};

/// Every field that the schemas have stands in the table of its kind, and no other.
#[test]
fn the_kinds_are_documented_field_by_field() {
    let page = page();
    let kinds = kinds();
    let triggers = kinds.triggers().map(|schema| ("Trigger", schema));
    let sources = kinds.sources().map(|schema| ("Source", schema.source()));
    for (what, schema) in sources.chain(triggers) {
        let heading = format!("\n### {what} `{}`\n", schema.kind());
        let (_, rest) = page.split_once(&heading).unwrap_or_else(|| panic!("no {heading}"));
        let section = rest.split("\n#").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let first = rows.filter_map(|row| row.split('|').nth(1));
        let mut found: Vec<&str> =
            first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        let mut fields: Vec<_> = schema.fields().iter().map(|field| field.name()).collect();
        found.sort_unstable();
        fields.sort_unstable();
        assert_eq!(found, fields, "the fields of {what} `{}`", schema.kind());
    }
}

#[test]
fn the_reserved_words_are_those_of_the_grammar() {
    let quoted = |text: &str, quote| -> Vec<String> {
        let mut words: Vec<_> = text.split(quote).skip(1).step_by(2).map(str::to_owned).collect();
        words.sort();
        words
    };
    let (page, grammar) = (page(), read("grammar/rules.pest"));
    let (_, listed) = page.split_once("no path starts with them:\n\n").unwrap();
    let (_, rule) = grammar.split_once("\nreserved = @{").unwrap();
    let (listed, _) = listed.split_once("\n\n").unwrap();
    let (rule, _) = rule.split_once('}').unwrap();
    assert_eq!(quoted(listed, '`'), quoted(rule, '"'));
}

#[test]
fn every_module_of_the_standard_library_is_listed() {
    let page = page();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/std");
    for file in std::fs::read_dir(folder).unwrap() {
        let module = file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(page.contains(&format!("\n| `{module}` |")), "`{module}` is not listed");
        assert!(page.contains(&format!("use std \"{module}\"")), "`{module}` is not shown");
    }
}

#[test]
fn links_to_places_of_the_page_lead_somewhere() {
    let page = page();
    let anchor = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
    };
    let headings: Vec<String> =
        page.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    for link in page.split("](#").skip(1) {
        let link = link.split(')').next().unwrap();
        assert!(headings.iter().any(|heading| heading == link), "there is no `#{link}`");
    }
}
