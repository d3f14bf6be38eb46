//! Layouts of complete files, and the errors that the final check of a layout finds.

mod generate;
mod laws;
mod mangle;

use super::*;

/// The layout of a text, which must not change if it is formatted again.
fn laid_out(text: &str) -> String {
    let out = format("test.rules", text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let again = format("test.rules", &out).unwrap_or_else(|problems| panic!("{problems}\n{out}"));
    same(&again, &out);
    out
}

/// Compares texts, with a readable message if they differ.
fn same(left: &str, right: &str) {
    assert!(left == right, "--- one\n{left}\n--- other\n{right}");
}

/// All rules files of the repository, except for those that are broken on purpose.
fn files() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["../rules", "../rules/std"] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "rules") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path.display().to_string(), text));
            }
        }
    }
    files
}

#[test]
fn the_repositorys_files_are_laid_out() {
    let files = files();
    assert!(files.len() >= 5);
    for (name, text) in files {
        let out = format(&name, &text).unwrap();
        assert!(out == text, "{name} would be\n{out}");
    }
}

#[test]
fn the_files_that_the_documentation_shows_are_laid_out() {
    let text = std::fs::read_to_string("../docs/language.md").unwrap();
    // Examples of clauses and expressions are not complete files.
    let is_file = |info: &str| !info.split(' ').any(|word| word == "rule" || word == "expr");
    let shown: Vec<_> = text
        .split("\n```rules")
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next()?.split_once('\n'))
        .filter(|(info, _)| is_file(info))
        .collect();
    assert!(!shown.is_empty());
    for (name, text) in shown {
        assert_eq!(laid_out(text), format!("{text}\n"), "{name}");
    }
}

#[test]
fn one_of_each() {
    insta::assert_snapshot!(laid_out(include_str!("tests/one-of-each.txt")));
}

#[test]
fn comments_in_odd_places() {
    insta::assert_snapshot!(laid_out(include_str!("tests/odd-comments.txt")));
}

#[test]
fn long_lines() {
    insta::assert_snapshot!(laid_out(include_str!("tests/long-lines.txt")));
}

#[test]
fn files_of_little() {
    assert_eq!(laid_out(""), "");
    assert_eq!(laid_out("\u{feff} \r\n\t"), "");
    assert_eq!(laid_out("\n\n# a  \n# b\n\n\n# c"), "# a\n# b\n\n# c\n");
    assert_eq!(laid_out("#!/x\nfuse a default on"), "#!/x\nfuse a default on\n");
    assert_eq!(laid_out("sensor a on b.c{}"), "sensor a on b.c {}\n");
}

#[test]
fn what_comes_first_has_the_header_of_the_file() {
    let text =
        "fuse f default on\n# apart\n\n# why\nuse \"a\"\n# far\n\nuse std \"b\"\nuse std \"c\"";
    let wanted = "# far\n\nuse std \"b\"\nuse std \"c\"\n\n# apart\n\n# why\nuse \"a\"\n\nfuse f default on\n";
    assert_eq!(laid_out(text), wanted);
}

#[test]
fn a_file_with_a_fault_is_refused_with_its_problems() {
    for (text, code) in [
        ("sensor s on a.b { when a && b }", "E0102"),
        ("sensor s on a.b {", "E0103"),
        ("fuse f default maybe", "E0101"),
        (&format!("const a = {}1{}", "[".repeat(65), "]".repeat(65)), "E0108"),
    ] {
        let problems = format("test.rules", text).unwrap_err();
        assert_eq!(problems.iter().map(|p| p.topic.as_str()).collect::<Vec<_>>(), [code], "{text}");
    }
    let unknown = "sensor s on no.such { rule r { when nobody == len() } }";
    assert!(format("test.rules", unknown).is_ok(), "names and types are not looked at");
}

#[test]
fn line_ends_and_marks_are_made_one() {
    let text = "\u{feff}# Doc.\r\nfuse a default on\r# B.\rfuse b default off\r\nconst c = r#\"\r\n x\r\n\r\n# y\r\n\"#\r\nfuse d default on";
    let wanted = "# Doc.\nfuse a default on\n\n# B.\nfuse b default off\n\nconst c = r#\"\n   x\n\n  # y\n  \"#\n\nfuse d default on\n";
    assert_eq!(laid_out(text), wanted);
}

#[test]
fn text_blocks() {
    insta::assert_snapshot!(laid_out(include_str!("tests/text-blocks.txt")));
}

#[test]
fn deep_nesting_and_long_files() {
    let deep = format!("const a = {}1{}", "[".repeat(40), "]".repeat(40));
    assert_eq!(laid_out(&deep), format!("{deep}\n"));
    let deeper = format!("const a = {}1{}", "[".repeat(60), "]".repeat(60));
    assert_eq!(laid_out(&deeper).lines().count(), 3, "only the innermost is broken");
    let (_, rules) = files().into_iter().find(|(name, _)| name.contains("slo")).unwrap();
    let long: Vec<_> =
        (0..30).map(|i| rules.replace("sensor slo", &format!("sensor s{i}"))).collect();
    assert!(laid_out(&long.concat()).len() > 30 * 1_000);
    let row = format!("const a = [{}]", "1, ".repeat(3_000));
    assert_eq!(laid_out(&row).lines().count(), 3_002);
}

#[test]
fn the_fault_of_a_layout_is_ours() {
    let problems = Diagnostics::new(Files::default(), vec![fault("x.rules")]);
    insta::assert_snapshot!(problems.to_string());
}

#[test]
fn a_layout_that_says_something_else_is_found() {
    let text = include_str!("tests/planted.txt");
    let out = laid_out(text);
    assert!(verify::is_same(text, &out));
    for (right, wrong) in [
        ("==", "!="),
        (" and ", " or "),
        ("1.50", "1.5"),
        ("\"a\"", "r\"a\""),
        ("(x)", "x"),
        ("((y))", "(y)"),
        ("owner?", "owner"),
        ("# The doc.\n", "# The doc.\n\n"),
        ("# The doc.\n", ""),
        ("  # behind", ""),
        ("  # behind", "\n    # behind"),
        ("# above\n    when b", "when b\n    # above"),
        ("# above", "# over"),
        ("# last\n", ""),
        ("when b == 1", "when b2 == 1"),
        ("requires one\n  requires two", "requires two\n  requires one"),
        ("default on", "default off"),
        ("trigger log {\n      message = \"m\"\n    }\n", ""),
        ("${", "$ {"),
        ("...\n", ""),
        ("list<int>", "map<int>"),
        ("block\n", " block\n"),
        (" raw\n", "raw\n"),
        ("block\n", "block\n\n"),
    ] {
        assert!(out.contains(right), "{right}\n{out}");
        let wrong = out.replacen(right, wrong, 1);
        assert!(!verify::is_same(text, &wrong), "{wrong}");
    }
}
