//! Functions of other languages, and what to write here instead.

/// Names in lower case, without `-` and `_`, and the suggestion for them: from CEL, Rego, jq, Sprig,
/// Jinja, govaluate, Terraform, Lua, JavaScript and Python.
const SUGGESTIONS: &[(&[&str], &str)] = &[
    // Texts.
    (
        &["contains", "includes", "strcontains", "instr"],
        "write `text contains \"x\"`, or `x in list` for an element",
    ),
    (&["startswith", "hasprefix"], "write `text starts-with \"x\"`"),
    (&["endswith", "hassuffix"], "write `text ends-with \"x\"`"),
    (
        &[
            "matches",
            "match",
            "regex",
            "regexmatch",
            "regexmatches",
            "rematch",
            "fullmatch",
            "test",
        ],
        "write `text matches r\"…\"`, which matches the whole text",
    ),
    (&["glob", "globmatch", "fnmatch", "like"], "write `text like \"*.prod\"`"),
    (
        &["in", "inlist", "indexof", "strpos", "member"],
        "write `x in list`, or `text contains \"x\"`",
    ),
    (
        &[
            "lowerascii",
            "lowercase",
            "tolower",
            "tolowercase",
            "downcase",
            "asciidowncase",
            "casefold",
        ],
        "write `lower(text)`",
    ),
    (
        &["upperascii", "uppercase", "toupper", "touppercase", "upcase", "asciiupcase"],
        "write `upper(text)`",
    ),
    (&["title", "titlecase", "ucfirst", "capitalise"], "write `capitalize(text)`"),
    (
        &["trimspace", "trimall", "strip", "ltrim", "rtrim", "lstrip", "rstrip", "chomp"],
        "write `trim(text)`",
    ),
    (
        &["trimprefix", "removeprefix", "trimleft", "trimstart", "ltrimstr", "deleteprefix"],
        "write `strip-prefix(text, \"x\")`",
    ),
    (
        &["trimsuffix", "removesuffix", "trimright", "trimend", "rtrimstr", "deletesuffix"],
        "write `strip-suffix(text, \"x\")`",
    ),
    (
        &["substring", "substr", "sub", "slicestr", "trunc", "truncate", "left", "right", "limit"],
        "write `slice(text, 0, 7)`, or `replace(text, from, to)` to replace",
    ),
    (
        &["replaceall", "gsub", "translate"],
        "write `replace(text, from, to)`, or `replace-match(text, r\"…\", \"x\")`",
    ),
    (
        &[
            "regexreplace",
            "regexreplaceall",
            "rereplace",
            "replaceregex",
            "replacere",
            "resub",
            "regexsub",
            "replacepattern",
        ],
        "write `replace-match(text, r\"…\", \"$0\")`",
    ),
    (
        &[
            "extract",
            "regexextract",
            "regexfind",
            "regexfindall",
            "refind",
            "findall",
            "regexcapture",
            "capturegroup",
            "regexsearch",
            "research",
            "regexgroup",
            "scan",
            "sscanf",
            "grok",
        ],
        "write `capture(text, r\"…\")` for the first match",
    ),
    (
        &["splitn", "splitlist", "explode", "tokenize", "regexsplit", "lines"],
        "write `split(text, \",\")`",
    ),
    (&["implode", "joinlist", "strjoin"], "write `join(list, \",\")`"),
    (
        &[
            "printf",
            "sprintf",
            "format",
            "fmt",
            "stringformat",
            "interpolate",
            "strconcat",
            "concatenate",
            "concatws",
        ],
        "fill values into a text: `\"${a}-${b}\"`",
    ),
    (&["size", "length", "strlen", "count", "charlength", "llen"], "write `len(list)`"),
    (&["quote", "squote", "shellquote", "toquote"], "write `json(text)`"),
    // Conversions.
    (
        &[
            "number",
            "parseint",
            "toint",
            "tonumber",
            "integer",
            "atoi",
            "uint",
            "int64",
            "parsenumber",
        ],
        "write `int(text)`",
    ),
    (&["double", "parsefloat", "tofloat", "float64", "decimal"], "write `float(text)`"),
    (
        &["str", "tostr", "tostring", "asstring", "stringify", "dump", "dumps"],
        "write `text(x)`, or fill it into a text: `\"${x}\"`",
    ),
    (&["bool", "tobool", "parsebool"], "write `text == \"true\"`"),
    (
        &[
            "tojson",
            "jsonencode",
            "jsonstringify",
            "encodejson",
            "jsondumps",
            "marshal",
            "jsonmarshal",
            "tojsonstring",
            "toprettyjson",
            "torawjson",
            "jsondump",
        ],
        "write `json(x)`",
    ),
    (
        &[
            "fromjson",
            "jsondecode",
            "jsonparse",
            "decodejson",
            "jsonloads",
            "jsonload",
            "loads",
            "loadjson",
            "unmarshal",
            "jsonunmarshal",
            "jsonextract",
            "mustfromjson",
            "tojsonobject",
            "readjson",
        ],
        "write `parse-json(text)`",
    ),
    (
        &[
            "type", "typeof", "typename", "kindof", "isstring", "isnumber", "isarray", "isobject",
            "islist", "ismap", "kindis",
        ],
        "write `x is string`, `x is float`, `x is list` or `x is map`",
    ),
    // Time.
    (
        &["now", "today", "timestamp", "currenttime", "utcnow", "unixnow"],
        "there is no clock but the event's: write `age(x)` for how long ago `x` was, `event.time` for when the event was received, or `time(text)` for the instant that a text names",
    ),
    (&["since", "timesince", "ago", "elapsed"], "write `age(x)`"),
    (
        &["date", "dateformat", "formatdate", "strftime", "htmldate", "todatestring", "dateinzone"],
        "write `format-time(time, \"%Y-%m-%d\", \"Europe/Madrid\")`",
    ),
    (
        &[
            "parsedate",
            "strptime",
            "todate",
            "parsedatetime",
            "datetime",
            "parserfc3339",
            "fromiso8601",
            "fromdate",
            "todatetime",
            "parsetimestamp",
            "mktime",
        ],
        "write `time(text)` for RFC 3339, or `parse-time(text, \"%Y-%m-%d %z\")`",
    ),
    (
        &[
            "fromepochmillis",
            "fromunixtime",
            "fromunix",
            "fromtimestamp",
            "epoch",
            "unixtime",
            "unix",
            "epochmillis",
            "frommillis",
            "unixepoch",
            "timefromunix",
            "fromepochseconds",
            "fromepochms",
            "unixmilli",
        ],
        "write `from-epoch(number)` for seconds since 1970, or `from-epoch(number, \"ms\")`",
    ),
    (
        &["gethours", "hour", "hours", "minute", "clock"],
        "write `time-of-day(time, \"Europe/Madrid\") >= 9h`",
    ),
    (
        &["dayofweek", "getdayofweek", "dow", "isoweekday"],
        "write `weekday(time, \"Europe/Madrid\")`",
    ),
    (&["parseduration", "toduration"], "write `duration(text)`"),
    // Values that may be missing, and conditions.
    (
        &[
            "coalesce",
            "default",
            "ifnull",
            "nvl",
            "orvalue",
            "try",
            "lookup",
            "dig",
            "getordefault",
            "firstnonnull",
        ],
        "write `x ?? \"default\"`",
    ),
    (
        &["get", "objectget", "getitem", "index", "getpath", "pluck"],
        "write `map[\"key\"] ?? \"default\"`",
    ),
    (
        &["has", "defined", "isset", "present", "isdefined", "haskey", "exist", "notempty"],
        "write `x is present`",
    ),
    (&["exists", "some"], "write `x is present`, or `any(x in list: …)` for an element"),
    (
        &["missing", "empty", "isempty", "isblank", "undefined"],
        "write `x is missing`, `x == \"\"`, or `len(list) == 0`",
    ),
    (&["isnull", "isnone", "isnil"], "write `x is null`"),
    (&["not"], "write `not (x == 1)`"),
    (&["eq", "equals", "deepequal", "equalto"], "write `x == y`"),
    (&["ne", "notequal", "noteq"], "write `x != y`"),
    // Lists and maps.
    (&["every", "alltrue", "forall"], "write `all(x in list: …)`"),
    (&["anytrue", "anyof", "existsone"], "write `any(x in list: …)`"),
    (&["countif", "countof"], "write `count(x in list: …)`"),
    (&["select", "where", "grep", "reject", "selectattr"], "write `filter(x in list: …)`"),
    (&["find", "findfirst", "detect"], "write `first(x in list: …)`"),
    (&["collect", "transform", "foreach", "mapvalues"], "write `map(x in list: x)`"),
    (
        &["last", "nth", "head", "tail", "rest", "initial"],
        "write `list[0]` for the first element, `list[-1]` for the last, `slice(list, 1)` for the others",
    ),
    (
        &[
            "append",
            "push",
            "prepend",
            "extend",
            "listconcat",
            "arrayconcat",
            "arraycat",
            "pushback",
        ],
        "write `concat(list, [x])`",
    ),
    (&["chunk", "sublist", "take", "drop", "subarray"], "write `slice(list, 0, 7)`"),
    (&["flat", "flatmap", "flattenlist"], "write `flatten(map(x in list: [x]))`"),
    (&["seq", "until", "untilstep", "xrange", "iota"], "write `range(number)`"),
    (&["distinct", "uniq", "dedup", "dedupe", "toset", "set"], "write `unique(list)`"),
    (&["sorted", "sortalpha", "sortby", "order"], "write `sort(list)`"),
    (&["add", "plus", "total"], "write `sum(list)`, or `a + b`"),
    (&["least", "minimum", "mathleast", "minof"], "write `min(list)`"),
    (&["greatest", "maximum", "mathgreatest", "maxof"], "write `max(list)`"),
    (
        &["toentries", "items", "pairs", "dictitems", "objectentries", "todict"],
        "write `entries(map)`",
    ),
    (
        &[
            "assign",
            "union",
            "objectunion",
            "mergeoverwrite",
            "update",
            "combine",
            "dictmerge",
            "mergedeep",
        ],
        "write `merge(map, map)`",
    ),
    (&["objectkeys", "mapkeys", "keynames"], "write `keys(map)`"),
    (&["objectvalues", "vals"], "write `values(map)`"),
    (&["dict", "object", "obj", "tomap", "createobject"], "write a record: `{ key = x }`"),
    // Numbers.
    (
        &["floor", "ceil", "ceiling"],
        "write `round(number)`, or `number - number % 1` for a positive number without its fraction",
    ),
    (&["absolute", "fabs", "mathabs"], "write `abs(number)`"),
    (&["mod", "modulo"], "write `a % b`"),
    (&["div", "divide"], "write `a / b`"),
    // Encodings and the rest.
    (&["b64encode", "base64encode", "btoa", "b64enc", "tobase64"], "write `base64(text)`"),
    (&["b64decode", "atob", "b64dec", "frombase64", "decodebase64"], "write `base64-decode(text)`"),
    (&["hexencode", "tohex"], "write `hex(text)`"),
    (&["unhex", "fromhex"], "write `hex-decode(text)`"),
    (
        &[
            "urlquery",
            "encodeuricomponent",
            "encodeuri",
            "urlquoteplus",
            "quoteplus",
            "queryescape",
        ],
        "write `url-encode(text)`",
    ),
    (&["parseurl", "urlparse", "uri", "parseuri", "urlparts"], "write `url(text)`"),
    (
        &["sha256sum", "sha1", "sha1sum", "md5", "hash", "digest", "sha512", "sha"],
        "write `sha256(text)`",
    ),
    (
        &["uuid", "uuidv4", "random", "rand", "randalphanum", "randomstring", "randint"],
        "nothing is random, so that an event gives the same decision again: write `event.id`, or `slice(sha256(event.id), 0, 8)`",
    ),
    (
        &["version", "parseversion", "semvercompare", "semverparse"],
        "write `semver(text) >= semver(\"1.4.0\")`",
    ),
    (
        &[
            "cidr",
            "incidr",
            "cidrmatch",
            "containsip",
            "ip",
            "ipincidr",
            "innetwork",
            "cidrmatches",
            "cidrhost",
        ],
        "write `cidr-contains(\"10.0.0.0/8\", text)`",
    ),
    (
        &["getenv", "env", "osgetenv", "environ"],
        "rules do not read the environment: write a constant",
    ),
];

/// The suggestion for a function of another language; case, `-` and `_` in its name do not matter.
pub(super) fn suggestion_for(name: &str) -> Option<&'static str> {
    let plain = plain(name);
    SUGGESTIONS.iter().find(|(names, _)| names.contains(&plain.as_str())).map(|(_, help)| *help)
}

/// A name without what languages spell differently.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests;
