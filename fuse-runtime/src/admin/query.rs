//! The parameters of a query. Unknown, malformed and repeated parameters are errors.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;

use super::failed;

/// Parameters by name.
#[derive(Debug)]
pub(super) struct Params(BTreeMap<String, String>);

/// Why a query is refused, in a sentence.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct QueryError(String);

impl QueryError {
    pub(super) fn answer(&self) -> Response {
        failed(StatusCode::BAD_REQUEST, &self.0)
    }
}

impl Params {
    /// The parameters of a query, which may be these.
    pub(super) fn new(query: Option<&str>, known: &[&str]) -> Result<Self, QueryError> {
        let mut params = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let known = known.join("`, `");
                return Err(QueryError(format!(
                    "unknown parameter `{}`; the parameters are `{known}`",
                    crate::http::shorten(&name)
                )));
            }
            if params.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(QueryError(format!("`{name}` is given twice")));
            }
        }
        Ok(Self(params))
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// A value, or why the text is not one.
    pub(super) fn value<T: FromStr>(
        &self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, QueryError> {
        let wrong = |text: &String| {
            QueryError(format!("`{name}` is {expected}, not `{}`", crate::http::shorten(text)))
        };
        self.0.get(name).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
    }

    /// A text that is one of these.
    pub(super) fn one_of(&self, name: &str, known: &[&str]) -> Result<Option<String>, QueryError> {
        match self.text(name) {
            Some(text) if !known.contains(&&*text) => {
                let (known, text) = (known.join(", "), crate::http::shorten(&text));
                Err(QueryError(format!("`{name}` is one of {known}, not `{text}`")))
            }
            text => Ok(text),
        }
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, QueryError> {
        self.value(name, "a time as in 2026-08-01T10:00:00Z")
    }

    /// The size of a page.
    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, QueryError> {
        let expected = format!("a whole number from 1 to {most}");
        match self.value("limit", &expected)? {
            None => Ok(default),
            Some(limit) if (1..=most).contains(&limit) => Ok(limit),
            Some(limit) => Err(QueryError(format!("`limit` is {expected}, not `{limit}`"))),
        }
    }
}

/// The `limit` and the `after` of a query that has no other parameters.
pub(super) fn limit_and_after(
    query: Option<&str>,
    default: usize,
    most: usize,
) -> Result<(usize, Option<String>), QueryError> {
    let params = Params::new(query, &["limit", "after"])?;
    Ok((params.limit(default, most)?, params.text("after")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_parameters_are_refused() {
        let known = ["since", "limit"];
        let why = |query: &str| {
            let params = Params::new(Some(query), &known)?;
            params.time("since")?;
            params.limit(5, 10)
        };
        assert_eq!(why("since=2026-08-01T10:00:00Z&limit=7"), Ok(7));
        assert_eq!(why(""), Ok(5));
        let wrong = ["rule=a", "limit=1&limit=1", "limit=0", "limit=x", "limit=11", "since=1h"];
        let texts = wrong.map(|query| format!("{query}: {}", why(query).unwrap_err()));
        insta::assert_snapshot!(texts.join("\n"));
    }
}
