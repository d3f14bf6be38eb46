//! A request, before its secrets are read.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{HeaderMap, Method};
use reqwest::Url;
use serde_json::{Map, Value};

use super::fields::{AuthFields, TlsFields};
use crate::secrets::SecretRef;
use crate::triggers::RenderError;

/// How long a request may take if the rule does not say.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A request.
#[derive(Clone, Debug)]
pub(super) struct HttpCall {
    pub(super) method: Method,
    pub(super) url: CallUrl,
    pub(super) headers: HeaderMap,
    pub(super) body: CallBody,
    pub(super) auth: AuthFields,
    pub(super) tls: TlsFields,
    /// Signs the request as in Standard Webhooks.
    pub(super) sign: Option<SecretRef>,
    /// A secret in the JSON of the body: its key, and where it is kept.
    pub(super) body_secret: Option<(&'static str, SecretRef)>,
    pub(super) timeout: Duration,
}

/// Where a request is sent.
#[derive(Clone, Debug)]
pub(super) enum CallUrl {
    /// A URL with its path and query.
    Known(Url),
    /// The URL is a secret, as those of many chats are.
    Secret(SecretRef),
}

/// What a request contains.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CallBody {
    None,
    Json(Value),
    Form(Vec<(String, String)>),
    Text(String),
}

impl CallBody {
    /// Its content type.
    pub(super) fn content_type(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Json(_) => Some("application/json"),
            Self::Form(_) => Some("application/x-www-form-urlencoded"),
            Self::Text(_) => Some("text/plain; charset=utf-8"),
        }
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Json(value) => value.to_string().into_bytes(),
            Self::Text(text) => text.clone().into_bytes(),
            Self::Form(pairs) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(pairs);
                form.finish().into_bytes()
            }
        }
    }
}

impl HttpCall {
    /// A `POST` of JSON.
    pub(super) fn post(url: CallUrl, body: Value) -> Self {
        Self {
            method: Method::POST,
            url,
            headers: HeaderMap::new(),
            body: CallBody::Json(body),
            auth: AuthFields::default(),
            tls: TlsFields::default(),
            sign: None,
            body_secret: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// The references to its secrets.
    pub(super) fn secrets(&self) -> BTreeSet<&SecretRef> {
        let url = match &self.url {
            CallUrl::Secret(reference) => Some(reference),
            CallUrl::Known(_) => None,
        };
        let AuthFields { bearer, basic, header } = &self.auth;
        let TlsFields { ca, cert, key } = &self.tls;
        let all = [
            url,
            bearer.as_ref().map(|bearer| &bearer.token),
            basic.as_ref().map(|basic| &basic.password),
            header.as_ref().map(|header| &header.value),
            ca.as_ref(),
            cert.as_ref(),
            key.as_ref(),
            self.sign.as_ref(),
            self.body_secret.as_ref().map(|(_, reference)| reference),
        ];
        all.into_iter().flatten().collect()
    }

    /// What would be sent, with the places of secrets instead of their values.
    pub(super) fn render(&self) -> Value {
        let mut shown = Map::new();
        shown.insert("method".into(), self.method.as_str().into());
        shown.insert(
            "url".into(),
            match &self.url {
                CallUrl::Known(url) => url.as_str().into(),
                CallUrl::Secret(reference) => format!("in {reference}").into(),
            },
        );
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().into()))
            .collect();
        if !headers.is_empty() {
            shown.insert("headers".into(), headers.into());
        }
        let AuthFields { bearer, basic, header } = &self.auth;
        let auth = match (bearer, basic, header) {
            (Some(bearer), _, _) => Some(format!("a bearer token in {}", bearer.token)),
            (_, Some(basic), _) => Some(format!(
                "the user `{}` with the password in {}",
                basic.username, basic.password
            )),
            (_, _, Some(header)) => {
                Some(format!("the header `{}` in {}", header.name, header.value))
            }
            _ => None,
        };
        if let Some(auth) = auth {
            shown.insert("auth".into(), auth.into());
        }
        if let Some(sign) = &self.sign {
            shown.insert("signed".into(), format!("with the secret in {sign}").into());
        }
        let mut body = match &self.body {
            CallBody::None => None,
            CallBody::Json(value) => Some(("json", value.clone())),
            CallBody::Form(pairs) => {
                let form = pairs.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
                Some(("form", Value::Object(form.collect())))
            }
            CallBody::Text(text) => Some(("text", text.as_str().into())),
        };
        if let (Some((_, Value::Object(body))), Some((key, reference))) =
            (&mut body, &self.body_secret)
        {
            body.insert((*key).to_owned(), format!("in {reference}").into());
        }
        if let Some((form, body)) = body {
            shown.insert(form.into(), body);
        }
        shown.into()
    }
}

/// A URL with more segments of its path and more parameters, each of which is escaped. A segment cannot lead to
/// another folder.
pub(super) fn extended(
    url: &str,
    path: &[String],
    query: &[(String, String)],
) -> Result<Url, RenderError> {
    let mut url = Url::parse(url)
        .map_err(|error| RenderError::new(format!("`{url}` is not a URL: {error}")))?;
    if !path.is_empty() {
        for segment in path {
            // A URL leaves out tabs and line breaks, after which the rest could be `..`.
            let has_control = segment.chars().any(char::is_control);
            if segment.is_empty() || matches!(segment.as_str(), "." | "..") || has_control {
                return Err(RenderError::new(format!(
                    "`path` has the part {segment:?}, which would lead to another path"
                )));
            }
        }
        let mut segments = url
            .path_segments_mut()
            .map_err(|()| RenderError::new("the URL cannot have a path".to_owned()))?;
        segments.pop_if_empty().extend(path);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}
