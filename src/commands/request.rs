//! Events that a subcommand makes up. It refuses those that a running fuse would refuse.

use std::collections::BTreeMap;

use fuse_rules::inventory::EventInfo;
use fuse_rules::schema::PathPattern;
use fuse_rules::testing::{Admitted, EventAdmission};
use fuse_rules::{ArrivedEvent, Event, Plan, Ruleset};
use fuse_runtime::sources::{
    self, hidden_headers, hidden_parameters, path_parameters, read_headers, read_query,
    within_body_limit,
};

/// Headers or parameters of a query, by name.
pub(super) type Texts = BTreeMap<String, String>;

/// The headers of `--header` options, such as `ce-id: 1`.
pub(super) fn headers(given: &[String]) -> Result<Texts, String> {
    let header = |text: &'_ String| match text.split_once(':') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(format!("`{text}` is not a header; write it as in `--header 'ce-id: 1'`")),
    };
    let headers = given.iter().map(header).collect::<Result<Vec<_>, _>>()?;
    read_headers(pairs(&headers)).map_err(|error| error.to_string())
}

/// The query of `--query` options, such as `tenant=acme`. Values are not percent-encoded.
pub(super) fn query(given: &[String]) -> Result<Texts, String> {
    let parameter = |text: &'_ String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!(
            "`{text}` is not a parameter of a query; write it as in `--query tenant=acme`"
        )),
    };
    let query = given.iter().map(parameter).collect::<Result<Vec<_>, _>>()?;
    read_query(pairs(&query)).map_err(|error| error.to_string())
}

fn pairs(texts: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    texts.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}

/// The headers that rules see: without those that the source hides from them.
pub(super) fn visible(
    ruleset: &Ruleset,
    (source, name): (&str, &str),
    mut headers: Texts,
) -> Texts {
    let declared = declared(ruleset, source, name);
    for hidden in declared.map(|event| hidden_headers(event.fields)).unwrap_or_default() {
        headers.remove(&hidden);
    }
    headers
}

/// The query that rules see: without the parameters that the source hides from them.
pub(super) fn visible_query(ruleset: &Ruleset, event: (&str, &str), mut query: Texts) -> Texts {
    for hidden in hidden_query(ruleset, event) {
        query.remove(&hidden);
    }
    query
}

fn hidden_query(ruleset: &Ruleset, (source, name): (&str, &str)) -> Vec<String> {
    let declared = declared(ruleset, source, name);
    declared.map(|event| hidden_parameters(event.fields)).unwrap_or_default()
}

/// Adds headers to an event.
pub(super) fn with_headers<'e>(event: Event<'e>, headers: &Texts) -> Event<'e> {
    headers.iter().fold(event, |event, (name, value)| event.header(name, value))
}

/// Adds a query to an event.
pub(super) fn with_query<'e>(event: Event<'e>, query: &Texts) -> Event<'e> {
    query.iter().fold(event, |event, (name, value)| event.query(name, value))
}

/// Adds the parameters of the path that an event is sent to.
pub(super) fn with_path<'e>(
    ruleset: &Ruleset,
    event: Event<'e>,
    path: Option<&str>,
) -> Result<Event<'e>, String> {
    let declared = declared(ruleset, event.source(), event.name());
    let declared = declared.and_then(|one| one.fields.get("path")?.as_str().map(str::to_owned));
    let Some(declared) = declared else {
        return match path {
            None => Ok(event),
            Some(_) => Err("the event has no path".into()),
        };
    };
    let pattern = PathPattern::parse(&declared).map_err(|why| format!("`{declared}` {why}"))?;
    let Some(path) = path else {
        let mut parameters = pattern.parameters().peekable();
        if parameters.peek().is_none() {
            return Ok(event);
        }
        let path = parameters
            .fold(declared.clone(), |path, name| path.replace(&format!("{{{name}}}"), "acme"));
        return Err(format!(
            "the path of the event has parameters; give it with `--path`, as in `--path {path}`"
        ));
    };
    match path_parameters(&pattern, path).map_err(|why| why.to_string())? {
        Some(parameters) => Ok(parameters
            .iter()
            .fold(event, |event, (name, value)| event.path_parameter(name, value))),
        None => {
            Err(format!("the path of the event is `{declared}`, which `{path}` does not match"))
        }
    }
}

/// The event as a running fuse admits it, or why it would refuse it. `None` if the request matches no event.
pub(super) fn admit<'e>(
    ruleset: &Ruleset,
    plan: &'e Plan,
    event: Event<'e>,
    id: Option<String>,
) -> Result<Option<ArrivedEvent<'e>>, String> {
    if let Some(declared) = declared(ruleset, event.source(), event.name()) {
        within_body_limit(declared.fields, event.body().as_bytes())
            .map_err(|error| error.to_string())?;
    }
    sources::admit(plan, event, id).map_err(|error| error.to_string())
}

/// Admits the events of tests.
pub(super) struct TestAdmission<'r>(pub(super) &'r Ruleset);

impl EventAdmission for TestAdmission<'_> {
    fn admit<'e>(
        &self,
        plan: &'e Plan,
        event: Event<'e>,
        headers: &[(String, String)],
    ) -> Admitted<'e> {
        let headers = read_headers(pairs(headers))?;
        let headers = visible(self.0, (event.source(), event.name()), headers);
        let hidden = hidden_query(self.0, (event.source(), event.name()));
        let event = hidden.iter().fold(event, |event, name| event.without_query_parameter(name));
        let event = with_headers(event, &headers);
        Ok(admit(self.0, plan, event, None)?)
    }
}

/// The declaration of an event.
pub(super) fn declared<'r>(
    ruleset: &'r Ruleset,
    source: &str,
    name: &str,
) -> Option<EventInfo<'r>> {
    ruleset.events().find(|event| event.source == source && event.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_header_or_a_parameter_is_refused() {
        let given =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let one = |name: &str, value: &str| Texts::from([(name.into(), value.into())]);
        assert_eq!(headers(&given(&["X-Kind: a:b", "x-kind:c"])).unwrap(), one("x-kind", "a:b, c"));
        for (header, why) in [
            ("X-Kind", "write it as in `--header 'ce-id: 1'`"),
            (": a", "`` is not the name of a header"),
            ("x kind: a", "`x kind` is not the name of a header"),
            ("x-kind: a\u{7}", "contains a control character"),
            ("ce-id: 100%", "has a `%` without two hexadecimal digits"),
        ] {
            let found = headers(&given(&[header])).unwrap_err();
            assert!(found.contains(why), "{header}: {found}");
        }
        assert_eq!(query(&given(&["a=1=2", "a=3"])).unwrap(), one("a", "1=2"));
        assert_eq!(query(&given(&["a="])).unwrap(), one("a", ""));
        for parameter in ["a", "=1", ""] {
            assert!(query(&given(&[parameter])).unwrap_err().contains("--query tenant=acme"));
        }
    }
}
