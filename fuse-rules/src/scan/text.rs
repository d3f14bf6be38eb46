//! Decodes the escapes of strings.

/// Appends the text of a valid JSON string, given without its quotes. Returns `false` and appends
/// nothing if it has half of a surrogate pair.
pub(super) fn unescape(string: &str, out: &mut String) -> bool {
    let start = out.len();
    let mut rest = string;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at(at);
        out.push_str(plain);
        let Some((decoded, len)) = escaped(escape) else {
            out.truncate(start);
            return false;
        };
        out.push(decoded);
        rest = escape.get(len..).unwrap_or("");
    }
    out.push_str(rest);
    true
}

/// The character of the escape at the start of a text, and its length in bytes.
fn escaped(text: &str) -> Option<(char, usize)> {
    let simple = |c| Some((c, 2));
    match text.as_bytes().get(1)? {
        b'b' => simple('\u{8}'),
        b'f' => simple('\u{c}'),
        b'n' => simple('\n'),
        b'r' => simple('\r'),
        b't' => simple('\t'),
        b'u' => {
            let high = unit(text)?;
            if let Some(c) = char::from_u32(high) {
                return Some((c, 6));
            }
            let low = unit(text.get(6..)?)?;
            let mut pair = char::decode_utf16([high, low].map(|unit| unit as u16));
            pair.next()?.ok().map(|c| (c, 12))
        }
        other => simple(char::from(*other)),
    }
}

/// The UTF-16 unit at the start of a text, such as `\u00e9`.
fn unit(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}
