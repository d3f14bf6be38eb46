//! Functions of other languages, and what to write here instead.

/// Names in lower case, without `-` and `_`, and the suggestion for them.
const SUGGESTIONS: &[(&[&str], &str)] = &[
    (
        &["contains", "includes", "strcontains"],
        "write `text contains \"x\"`, or `x in list` for an element",
    ),
    (&["startswith", "hasprefix"], "write `text starts-with \"x\"`"),
    (&["endswith", "hassuffix"], "write `text ends-with \"x\"`"),
    (
        &["matches", "match", "regex", "regexmatch", "regexmatches", "test"],
        "write `text matches r\"…\"`, which matches the whole text",
    ),
    (&["glob", "like"], "write `text like \"*.prod\"`"),
    (&["in", "inlist"], "write `x in list`"),
    (&["lowerascii", "lowercase", "tolower", "tolowercase", "downcase"], "write `lower(text)`"),
    (&["upperascii", "uppercase", "toupper", "touppercase", "upcase"], "write `upper(text)`"),
    (&["trimspace", "strip"], "write `trim(text)`"),
    (&["replaceall", "gsub"], "write `replace(text, from, to)`"),
    (&["size", "length", "strlen"], "write `len(x)`"),
    (
        &["now", "today", "timestamp", "currenttime"],
        "there is no clock but the event's: write `age(x)` for how long ago `x` was, `event.time` for when the event was received, or `time(text)` for the instant that a text names",
    ),
    (&["since", "timesince"], "write `age(x)`"),
    (
        &["date", "dateformat", "formatdate", "formattime", "strftime"],
        "write `format-time(time, \"%Y-%m-%d\", \"Europe/Madrid\")`",
    ),
    (
        &["parsedate", "strptime", "todate"],
        "write `time(text)` for RFC 3339, or `parse-time(text, format)`",
    ),
    (&["gethours", "hour", "hours"], "write `time-of-day(time, \"Europe/Madrid\") >= 9h`"),
    (&["dayofweek", "getdayofweek"], "write `weekday(time, \"Europe/Madrid\")`"),
    (
        &["coalesce", "default", "ifnull", "nvl", "orvalue", "try", "lookup"],
        "write `x ?? \"default\"`",
    ),
    (&["has", "defined", "isset", "present", "isdefined"], "write `x is present`"),
    (&["exists", "some"], "write `x is present`, or `any(x in list: …)` for an element"),
    (&["missing", "empty", "isempty"], "write `x is missing`, `x == \"\"`, or `len(list) == 0`"),
    (&["isnull"], "write `x is null`"),
    (&["every", "alltrue"], "write `all(x in list: …)`"),
    (&["anytrue"], "write `any(x in list: …)`"),
    (&["concat", "printf", "sprintf", "format", "fmt"], "fill values into a text: `\"${a}-${b}\"`"),
    (&["number", "parseint", "toint", "tonumber", "integer"], "write `int(text)`"),
    (&["double", "parsefloat", "tofloat", "decimal"], "write `float(text)`"),
    (&["str", "tostring"], "write `string(x)`, or fill it into a text: `\"${x}\"`"),
    (&["tojson", "jsonencode", "stringify"], "write `json(x)`"),
    (&["b64encode", "base64encode", "btoa"], "write `base64(text)`"),
    (&["b64decode", "base64decode", "atob"], "write `base64-decode(text)`"),
    (&["urlencode", "urlquery", "encodeuricomponent"], "write `url-encode(text)`"),
    (&["sha256sum"], "write `sha256(text)`"),
    (&["distinct", "uniq"], "write `unique(list)`"),
    (&["mathleast", "least", "minimum"], "write `min(list)`"),
    (&["mathgreatest", "greatest", "maximum"], "write `max(list)`"),
    (&["version", "parseversion"], "write `semver(text)`"),
    (
        &["cidr", "incidr", "cidrmatch", "containsip", "ip"],
        "write `cidr-contains(network, address)`",
    ),
    (&["not"], "write `not x`"),
];

/// The suggestion for a function of another language; case, `-` and `_` in its name do not matter.
pub(super) fn suggestion_for(name: &str) -> Option<&'static str> {
    let plain: String =
        name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
    SUGGESTIONS.iter().find(|(names, _)| names.contains(&plain.as_str())).map(|(_, help)| *help)
}

#[cfg(test)]
mod tests {
    use rustc_hash::FxHashSet;

    use super::*;
    use crate::functions;

    #[test]
    fn names_are_found_in_any_case() {
        for name in ["startsWith", "starts-with", "STARTS_WITH", "startswith"] {
            assert_eq!(suggestion_for(name), Some("write `text starts-with \"x\"`"), "{name}");
        }
        assert_eq!(suggestion_for("frobnicate"), None);
    }

    #[test]
    fn names_are_unique_and_not_functions() {
        let mut seen = FxHashSet::default();
        for name in SUGGESTIONS.iter().flat_map(|(names, _)| *names) {
            assert!(seen.insert(name), "`{name}` occurs twice");
            assert!(functions::find(name).is_none(), "`{name}` is a function");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
                "`{name}` is never found"
            );
        }
    }

    #[test]
    fn suggested_calls_exist() {
        for (_, help) in SUGGESTIONS {
            for (at, _) in help.match_indices('(') {
                let before = help.get(..at).unwrap_or("");
                let word = |c: char| !c.is_ascii_alphanumeric() && c != '-';
                let name = before.rsplit(word).next().unwrap_or("");
                let quantifier = matches!(name, "any" | "all");
                assert!(quantifier || functions::find(name).is_some(), "`{name}` in {help}");
            }
        }
    }
}
