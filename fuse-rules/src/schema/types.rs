//! The types of fields: the values that they accept, and the form in which a backend gets them.

use serde_json::Value as Json;

use super::network::{NetworkError, check_network};
use super::{PathPattern, PathPatternError, Schema};
use crate::value::{Kinds, Value};

/// The type of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldType {
    /// A string. The backend gets a JSON string.
    String,
    /// Text: the canonical text of a string, number, boolean, time, duration or version. The
    /// backend gets a JSON string. Lists and objects are refused; use `json(x)` for them.
    Text(Templates),
    /// `true` or `false`.
    Bool,
    /// An integer in this range; both ends are included.
    Int(i64, i64),
    /// A duration such as `10m`, not negative. The backend gets milliseconds.
    Duration,
    /// A size such as `1MiB`. The backend gets bytes.
    Size,
    /// One of these strings.
    OneOf(Vec<String>),
    /// A Kubernetes name: lower-case letters, digits and `-`, at most 63 characters.
    DnsLabel,
    /// Kubernetes names separated by dots, at most 253 characters in total.
    DnsSubdomain,
    /// The start of such a name with this maximum length; it may end in `-`.
    NamePrefix(usize),
    /// The value of a Kubernetes label: letters, digits, `-`, `_` and `.`, at most 63 characters.
    LabelValue,
    /// The path of a URL, starting with `/`. A segment in braces is a parameter; see [`PathPattern`].
    UrlPath,
    /// The name of an HTTP header.
    HeaderName,
    /// An IP network such as `10.0.0.0/8`, or a single address.
    Network,
    /// A block or record with any keys, whose values all have this type.
    Map(Box<FieldType>),
    /// A list with elements of this type.
    List(Box<FieldType>),
    /// Any JSON value except null.
    Any(Templates),
    /// A literal file name, relative to the rules file. The backend gets the text of the file.
    File,
    /// A reference to a secret: `secret("name", "key")`, `env("NAME")` or `file("/path")`. The
    /// backend gets one of `{"secret": {"name", "key"}}`, `{"env": {"name"}}` and
    /// `{"file": {"path"}}`, and reads the secret itself. No other part of the rules can contain a
    /// secret.
    ///
    /// ```
    /// use fuse_rules::{Registry, Ruleset};
    /// use fuse_rules::schema::{Field, FieldType, Outline, Schema, SourceSchema};
    ///
    /// let registry = Registry::new()
    ///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    ///     .trigger(
    ///         Schema::new("page", "Calls a human.")
    ///             .field(Field::required("token", FieldType::Secret, "The pager's token.")),
    ///     );
    /// let rules = r#"source q queue { event e }
    ///                sensor s on q.e { rule r { trigger page { token = env("PAGER_TOKEN") } } }"#;
    /// let ruleset = Ruleset::parse("x.rules", rules, &registry)?;
    /// let page = &ruleset.rules().next().unwrap().triggers[0];
    /// let Some(Outline::Constant(token)) = page.get("token") else { panic!() };
    /// assert_eq!(token["env"]["name"], "PAGER_TOKEN");
    /// # Ok::<(), fuse_rules::Diagnostics>(())
    /// ```
    Secret,
    /// One reference to a secret, or a list of up to two while a secret is rotated. The backend gets a list of
    /// references, each as for [`FieldType::Secret`].
    Secrets,
    /// A nested block with the fields of a schema. In a source, their values must be the same for every event. The
    /// backend gets an object.
    Block(Box<Schema>),
    /// An expression over the event, which the backend evaluates; only in sources.
    Expression,
    /// The same, with values that this type accepts.
    Computed(Box<FieldType>),
}

/// Whether text from the event may contain templates that backends expand: Argo expands `{{…}}`,
/// and Kubernetes replaces `$(…)` with a variable of the container, which can be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Templates {
    /// Both are allowed: the backend expands nothing.
    Allowed,
    /// Neither is allowed, unless the rule uses `raw(…)`. Literals of the rules may contain both.
    Refused,
    /// `{{` is allowed, `$(` is not.
    VariablesRefused,
}

impl Templates {
    /// The templates that text from the event must not contain.
    pub(crate) fn refused(self) -> &'static [&'static str] {
        match self {
            Self::Allowed => &[],
            Self::Refused => &["{{", "$("],
            Self::VariablesRefused => &["$("],
        }
    }
}

impl FieldType {
    /// The accepted values, for messages: "a whole number from 1 to 65535".
    pub fn describe(&self) -> String {
        match self {
            Self::String => "a string".into(),
            Self::Text(_) => "text (a string, number, boolean, time, duration or version)".into(),
            Self::Bool => "`true` or `false`".into(),
            Self::Int(i64::MIN, i64::MAX) => "a whole number".into(),
            Self::Int(least, i64::MAX) => format!("a whole number from {least}"),
            Self::Int(least, most) => format!("a whole number from {least} to {most}"),
            Self::Duration => "a duration such as `10m`".into(),
            Self::Size => "a size such as `1MiB`".into(),
            Self::OneOf(values) => {
                let values: Vec<_> = values.iter().map(|v| format!("\"{v}\"")).collect();
                format!("one of {}", values.join(", "))
            }
            Self::DnsLabel => {
                "a name of lower-case letters, digits and `-`, at most 63 characters".into()
            }
            Self::DnsSubdomain => {
                "a name of lower-case letters, digits, `-` and `.`, at most 253 characters".into()
            }
            Self::NamePrefix(most) => format!(
                "the start of a name: lower-case letters, digits and `-`, at most {most} characters"
            ),
            Self::LabelValue => {
                "a label value: letters, digits, `-`, `_` and `.`, at most 63 characters".into()
            }
            Self::UrlPath => "a path such as `/webhook`".into(),
            Self::HeaderName => "the name of an HTTP header, such as `X-Token`".into(),
            Self::Network => "an IP network such as `10.0.0.0/8`, or an IP address".into(),
            Self::Map(ty) if matches!(**ty, Self::Any(_)) => "a block".into(),
            Self::List(ty) if matches!(**ty, Self::Any(_)) => "a list".into(),
            Self::Map(ty) => format!("a block whose values are each {}", ty.describe()),
            Self::List(ty) => format!("a list whose elements are each {}", ty.describe()),
            Self::Any(_) => "any value".into(),
            Self::File => "the name of a file, in quotes".into(),
            Self::Secret => {
                "a secret: `secret(\"name\", \"key\")`, `env(\"NAME\")` or `file(\"/path\")`".into()
            }
            Self::Secrets => format!("{}, or a list of up to two", Self::Secret.describe()),
            Self::Block(schema) => match schema.fields() {
                [] => "a block".into(),
                fields => {
                    let names: Vec<_> = fields.iter().map(|f| format!("`{}`", f.name)).collect();
                    format!("a block with {}", names.join(", "))
                }
            },
            Self::Expression => "an expression over the event".into(),
            Self::Computed(ty) => ty.describe(),
        }
    }

    /// The kinds of values that this type accepts.
    pub(crate) fn kinds(&self) -> Kinds {
        match self {
            Self::String
            | Self::OneOf(_)
            | Self::DnsLabel
            | Self::DnsSubdomain
            | Self::NamePrefix(_)
            | Self::LabelValue
            | Self::UrlPath
            | Self::HeaderName
            | Self::Network
            | Self::File => Kinds::STRING,
            Self::Text(_) => Kinds::SCALAR,
            Self::Bool => Kinds::BOOL,
            Self::Int(..) | Self::Size => Kinds::NUMBER,
            Self::Duration => Kinds::DURATION,
            Self::Map(_) | Self::Secret | Self::Block(_) => Kinds::MAP,
            Self::List(_) | Self::Secrets => Kinds::LIST,
            Self::Computed(ty) => ty.kinds(),
            Self::Any(_) | Self::Expression => Kinds::ANY.minus(Kinds::NULL),
        }
    }

    /// The value in the form for the backend, or why it is refused: "is …, which is not …".
    pub(crate) fn accept(&self, value: &Value<'_>) -> Result<Json, String> {
        let refuse = || Err(format!("is {}, but must be {}", value.show(), self.describe()));
        match (self, value) {
            (Self::Computed(ty), _) => ty.accept(value),
            (Self::Any(_) | Self::Expression, Value::Null) => refuse(),
            (Self::Secret, Value::Map(_))
            | (Self::Secrets, Value::List(_))
            | (Self::Any(_) | Self::Expression, _) => {
                value.to_json().map_err(|unrepresentable| format!("holds {unrepresentable}"))
            }
            (_, Value::Unrepresentable(unrepresentable)) => Err(format!("is {unrepresentable}")),
            (Self::Text(_), _) => match value.canonical() {
                Some(text) => Ok(Json::String(text.into_owned())),
                None => refuse(),
            },
            (Self::Bool, Value::Bool(value)) => Ok(Json::Bool(*value)),
            (Self::Int(least, most), Value::Number(number)) => match number.to_i64() {
                Some(whole) if (*least..=*most).contains(&whole) => Ok(whole.into()),
                _ => refuse(),
            },
            (Self::Size, Value::Number(number)) => match number.to_i64() {
                Some(bytes) if bytes >= 0 => Ok(bytes.into()),
                _ => refuse(),
            },
            (Self::Duration, Value::Duration(duration)) if !duration.is_negative() => {
                match i64::try_from(duration.as_millis()) {
                    Ok(millis) => Ok(millis.into()),
                    Err(_) => refuse(),
                }
            }
            (Self::Map(ty), Value::Map(map)) => {
                let mut accepted = serde_json::Map::new();
                for (key, value) in map {
                    let json =
                        ty.accept(value).map_err(|why| format!("has `{key}`, which {why}"))?;
                    accepted.insert(key.clone().into_owned(), json);
                }
                Ok(Json::Object(accepted))
            }
            (Self::List(ty), Value::List(list)) => list
                .iter()
                .map(|value| ty.accept(value).map_err(|why| format!("has an element that {why}")))
                .collect::<Result<_, _>>()
                .map(Json::Array),
            (Self::UrlPath, Value::String(text)) => match PathPattern::parse(text) {
                Ok(_) => Ok(Json::String(text.clone().into_owned())),
                Err(PathPatternError::Relative | PathPatternError::Character) => refuse(),
                Err(why) => Err(why.to_string()),
            },
            (Self::Network, Value::String(text)) => match check_network(text) {
                Ok(()) => Ok(Json::String(text.clone().into_owned())),
                Err(NetworkError::Syntax) => refuse(),
                Err(why) => Err(why.to_string()),
            },
            (_, Value::String(text)) if self.accepts_text(text) => {
                Ok(Json::String(text.clone().into_owned()))
            }
            _ => refuse(),
        }
    }

    fn accepts_text(&self, text: &str) -> bool {
        match self {
            Self::String | Self::File => true,
            Self::OneOf(values) => values.iter().any(|value| value == text),
            Self::DnsLabel => is_dns_label(text, 63),
            Self::DnsSubdomain => {
                text.len() <= 253 && text.split('.').all(|label| is_dns_label(label, 253))
            }
            Self::NamePrefix(most) => {
                let name = text.strip_suffix('-').unwrap_or(text);
                text.len() <= *most && is_dns_label(name, *most)
            }
            Self::LabelValue => {
                let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                let outer = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
                let bytes = text.as_bytes();
                bytes.len() <= 63
                    && bytes.iter().copied().all(inner)
                    && outer(bytes.first())
                    && outer(bytes.last())
            }
            Self::UrlPath => PathPattern::parse(text).is_ok(),
            Self::HeaderName => is_header_name(text),
            Self::Network => check_network(text).is_ok(),
            _ => false,
        }
    }
}

fn is_dns_label(text: &str, most: usize) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= most
        && bytes.iter().copied().all(inner)
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-')
}

fn is_header_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn accept(ty: &FieldType, text: &str) -> Option<Json> {
        ty.accept(&Value::read(text).unwrap()).ok()
    }

    #[test]
    fn text_is_the_canonical_text_of_scalars() {
        let text = FieldType::Text(Templates::Allowed);
        assert_eq!(accept(&text, "2"), Some(json!("2")));
        assert_eq!(accept(&text, "2.0"), Some(json!("2")));
        assert_eq!(accept(&text, "\"2\""), Some(json!("2")));
        assert_eq!(accept(&text, "true"), Some(json!("true")));
        for refused in ["null", "[]", "{}", "\"\\ud800\"", "1e999"] {
            assert_eq!(accept(&text, refused), None, "{refused}");
        }
    }

    #[test]
    fn names_are_those_of_kubernetes() {
        let max = "a".repeat(63);
        for (ty, good, bad) in [
            (FieldType::DnsLabel, vec!["a", "a-1", &max], vec!["", "-a", "a-", "A", "a.b", "a_b"]),
            (FieldType::DnsSubdomain, vec!["a.b", "a-1.b"], vec!["a..b", ".a", "a.-b"]),
            (FieldType::NamePrefix(5), vec!["abcd-", "abcde"], vec!["abcdef", "-a", "a--", "-"]),
            (FieldType::LabelValue, vec!["", "A.b_c-1"], vec!["-a", "a b", "é"]),
            (FieldType::HeaderName, vec!["X-Token", "a"], vec!["", "X Token", "a:", "é"]),
            (FieldType::Network, vec!["10.0.0.0/8", "::1"], vec!["10.0.0.0/33", "10.0", "a"]),
            (FieldType::UrlPath, vec!["/", "/a/b"], vec!["a", "/a b", "/a?b", "/#"]),
        ] {
            for text in good {
                assert!(ty.accepts_text(text), "{ty:?} takes {text}");
            }
            for text in bad {
                assert!(!ty.accepts_text(text), "{ty:?} refuses {text}");
            }
        }
    }

    #[test]
    fn numbers_are_whole_and_in_range() {
        let port = FieldType::Int(1, 65_535);
        assert_eq!(accept(&port, "80"), Some(json!(80)));
        assert_eq!(accept(&port, "80.0"), Some(json!(80)));
        for refused in ["0", "65536", "80.5", "\"80\"", "1e30"] {
            assert_eq!(accept(&port, refused), None, "{refused}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_wrong_inside() {
        let map = FieldType::Map(Box::new(FieldType::Int(0, 9)));
        let why = map.accept(&Value::read(r#"{"a":1,"b":10}"#).unwrap()).unwrap_err();
        assert_eq!(why, "has `b`, which is 10, but must be a whole number from 0 to 9");
    }
}
