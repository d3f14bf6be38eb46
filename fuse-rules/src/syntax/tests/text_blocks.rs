//! Texts on several lines.

use super::*;

/// A text with `'''` as the quotes of text blocks.
fn quotes(text: &str) -> String {
    text.replace("'''", "\"\"\"")
}

#[test]
fn lines_lose_the_indentation_of_the_closing_quotes() {
    for (text, wanted) in [
        ("'''\n  a\n    b\n  '''", r#""a\n  b""#),
        ("'''\na\n'''", r#""a""#),
        ("'''  \n\ta\n\t\tb\n\t'''", r#""a\n\tb""#),
        // The first and last line breaks are not part of the text; empty lines are.
        ("'''\n  a\n\n  '''", r#""a\n""#),
        ("'''\n\n  a\n \t \n  b\n  '''", r#""\na\n\nb""#),
        ("'''\n'''", r#""""#),
        ("'''\n\n'''", r#""""#),
        ("'''\n\n\n'''", r#""\n""#),
        ("'''\r\n  a\r\n  b\r  '''", r#""a\nb""#),
        // Escapes and interpolations are content, even if they are white space.
        ("'''\n  \\u{20}\n  '''", r#"" ""#),
        ("'''\n  \\ta \n  '''", r#""\ta ""#),
        ("'''\n  \"a\" \"\" \\''' # ${b} {\n  '''", r#"(text "\"a\" \"\" \"\"\" # " b " {")"#),
        ("'''\n  ${a}\n  ${b ??\nc}\n  '''", r#"(text a "\n" (?? b c))"#),
        ("'''\n  a${ f('''\n b\n ''') }\n  '''", r#"(text "a" (f "b"))"#),
        ("r#\"\n  a\n    ${b}\\n\"\n  \"#", r#""a\n  ${b}\\n\"""#),
        ("r##\"\n\ta\"#\n\t\"##", r##""a\"#""##),
        ("r#\" a \"#", r#"" a ""#),
        ("r#\"\r\n a\r\n\r\n \"#", r#""a\n""#),
    ] {
        let tree = tree(&format!("const c = {}\n", quotes(text)));
        assert_eq!(tree.trim_end(), format!("const c = {wanted}"), "{text}");
    }
}

#[test]
fn each_mistake_is_one_error_at_its_place() {
    for (text, wanted) in [
        ("'''a'''", "E0111 2:14"),
        ("''''''", "E0111 2:14"),
        ("'''a\n  '''", "E0111 2:14"),
        ("'''\\t\n  '''", "E0111 2:14"),
        ("'''\n  a'''", "E0111 3:4"),
        ("'''\n  a ${b}'''", "E0111 3:9"),
        ("'''\n a\n  b\n  '''", "E0111 3:2"),
        ("'''\n  a\n\tb\n  '''", "E0111 4:2"),
        ("'''\n ${b}\n  '''", "E0111 3:2"),
        ("'''\n  a\\d\n  '''", "E0106 3:4"),
        ("'''\n  a ${b\n  '''", "E0101 3:7"),
        ("r#\"a\n  \"#", "E0111 2:14"),
        ("r#\"\n  a\"#", "E0111 3:4"),
        ("r#\"\n a\n  \"#", "E0111 3:2"),
    ] {
        let text = format!("fuse f default on\nconst c = {}\n", quotes(text));
        assert_eq!(codes(&text), [wanted], "{text}");
    }
}

#[test]
fn the_errors_name_the_rule() {
    let text = "\
const a = '''one'''
const b = '''
    two'''
const c = '''
    three
  four
    '''
const d = r#\"
\tfive
  six
\t\"#
const e = \"seven
const f = '''
  eight
";
    let (_, problems) = read(&quotes(text));
    insta::assert_snapshot!(problems);
}
