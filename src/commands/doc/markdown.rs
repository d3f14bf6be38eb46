//! Text of the rules inside Markdown, escaped so that it cannot change the text around it.

/// The maximum length of a line in characters.
const MOST: usize = 160;

/// The characters that have a meaning in Markdown, even in the middle of a line.
const SPECIAL: &[char] = &['\\', '`', '*', '_', '[', ']', '<', '>', '&', '|', '~', '$'];

/// A comment as paragraphs. Text in backquotes on one line is code, and everything else is plain
/// text: people who read the rules do not see lists or headings in a comment.
pub(super) fn prose(comment: &str) -> String {
    let lines: Vec<String> = comment.lines().map(|line| prose_line(line.trim())).collect();
    lines.join("\n")
}

fn prose_line(line: &str) -> String {
    let pieces: Vec<&str> = line.split('`').collect();
    let paired = pieces.len() % 2 == 1;
    let spans = paired && pieces.iter().skip(1).step_by(2).all(|span| !span.trim().is_empty());
    if !spans {
        return start_escaped(&escaped(line));
    }
    let mut out = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        if index % 2 == 0 {
            out.push_str(&escaped(piece));
        } else {
            out.push_str(&code(piece));
        }
    }
    start_escaped(&out)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if SPECIAL.contains(&character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// Escapes the start of a line that would become a heading, list or rule.
fn start_escaped(line: &str) -> String {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = line.split_at(digits);
    let marks: &[char] = if digits == 0 { &['#', '-', '+', '=', ':'] } else { &['.', ')'] };
    if rest.starts_with(marks) { format!("{number}\\{rest}") } else { line.to_owned() }
}

/// Text as inline code.
pub(super) fn code(text: &str) -> String {
    let text: String = cut(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let fence = "`".repeat(longest_run(&text) + 1);
    if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// Lines as a block of code.
pub(super) fn block(lines: &[String]) -> String {
    let longest = lines.iter().map(|line| longest_run(line)).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    let lines: Vec<String> = lines.iter().map(|line| cut(line)).collect();
    format!("{fence}\n{}\n{fence}\n", lines.join("\n"))
}

/// The start of a text that is too long.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text.to_owned(),
    }
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_prose_with_code_in_back_quotes() {
        assert_eq!(prose("Through `a<b>_c`.\n\n Next."), "Through `a<b>_c`.\n\nNext.");
        assert_eq!(prose("<b>x</b> & [a](b) *c* max_x"), r"\<b\>x\</b\> \& \[a\](b) \*c\* max\_x");
    }

    #[test]
    fn comments_make_no_structure() {
        for (line, shown) in [
            ("# Heading", r"\# Heading"),
            ("    - item", r"\- item"),
            ("+ item", r"\+ item"),
            ("12. item", r"12\. item"),
            ("1) item", r"1\) item"),
            ("===", r"\==="),
            ("---", r"\---"),
            (":--|--:", r"\:--\|--:"),
            ("> quote", r"\> quote"),
            ("```", r"\`\`\`"),
            ("a `b", r"a \`b"),
            ("a `` b", r"a \`\` b"),
            ("~~~", r"\~\~\~"),
            (r"\`a`", r"\\`a`"),
        ] {
            assert_eq!(prose(line), shown, "{line}");
        }
    }

    #[test]
    fn code_holds_any_text() {
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code(" a\tb"), "`  a b `");
        assert_eq!(block(&["a```b".into()]), "````\na```b\n````\n");
        assert_eq!(code(&"x".repeat(500)).chars().count(), MOST + 3);
    }
}
