//! A request with its secrets: what is sent, and what must not be shown of the answer.

use std::cmp::Reverse;

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;

use super::call::{CallBody, CallUrl, HttpCall};
use super::fields::{AuthFields, TlsFields};
use super::signing::sign;
use crate::http_client::ClientPem;
use crate::secrets::{ReadSecrets, Secret, SecretRef};
use crate::triggers::Failure;

/// A request whose secrets could be read.
pub(super) struct FilledCall<'c> {
    pub(super) call: &'c HttpCall,
    pub(super) secrets: &'c ReadSecrets,
}

impl FilledCall<'_> {
    /// A secret without the line break at the end of many files.
    fn secret(&self, reference: &SecretRef) -> &str {
        self.secrets.get(reference).map_or("", Secret::expose).trim()
    }

    /// The certificates.
    pub(super) fn pem(&self) -> ClientPem {
        let TlsFields { ca, cert, key } = &self.call.tls;
        let text = |reference: &Option<SecretRef>| {
            reference.as_ref().map(|reference| self.secret(reference).to_owned())
        };
        ClientPem { ca: text(ca), cert: text(cert), key: text(key) }
    }

    /// The bytes of the body.
    pub(super) fn body(&self) -> Vec<u8> {
        match (&self.call.body, &self.call.body_secret) {
            (CallBody::Json(Value::Object(fields)), Some((key, reference))) => {
                let mut fields = fields.clone();
                fields.insert((*key).to_owned(), self.secret(reference).into());
                CallBody::Json(fields.into()).bytes()
            }
            (body, _) => body.bytes(),
        }
    }

    /// All headers: those of the rule, those of fuse, and those with secrets.
    pub(super) fn headers(
        &self,
        action: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<HeaderMap, Failure> {
        let call = self.call;
        let mut headers = call.headers.clone();
        if let Some(content_type) = call.body.content_type() {
            let value = HeaderValue::from_static(content_type);
            headers.entry(header::CONTENT_TYPE).or_insert(value);
        }
        let id = HeaderValue::from_str(action);
        let id =
            id.map_err(|_| Failure::Permanent("the id of the action cannot be a header".into()))?;
        headers.insert("idempotency-key", id.clone());
        headers.insert("x-fuse-action", id);
        if let Some(reference) = &call.sign {
            let signed = sign(&mut headers, self.secret(reference), action, now, body);
            signed.ok_or_else(|| Failure::NotReady(format!("{reference} is not base64")))?;
        }
        let AuthFields { bearer, basic, header } = &call.auth;
        if let Some(bearer) = bearer {
            let value = format!("Bearer {}", self.secret(&bearer.token));
            headers.insert(header::AUTHORIZATION, secret_value(&value, &bearer.token)?);
        }
        if let Some(basic) = basic {
            let pair = format!("{}:{}", basic.username, self.secret(&basic.password));
            let value = format!("Basic {}", BASE64.encode(pair.as_bytes()));
            headers.insert(header::AUTHORIZATION, secret_value(&value, &basic.password)?);
        }
        if let Some(header) = header {
            let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| {
                Failure::Permanent(format!("`{}` is not the name of a header", header.name))
            })?;
            let value = secret_value(self.secret(&header.value), &header.value)?;
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// The texts that a server may repeat and nobody must see, the longest first: one may be a part of another.
    pub(super) fn hidden_texts(&self, url: &Url) -> Vec<String> {
        let secrets = self.secrets.values().map(|secret| secret.expose().trim().to_owned());
        let mut texts: Vec<String> = secrets.collect();
        if let CallUrl::Secret(_) = self.call.url {
            texts.extend([url.as_str().to_owned(), url.path().to_owned()]);
            texts.extend(url.query().map(str::to_owned));
        }
        // The path `/` hides nothing.
        texts.retain(|text| text.len() > 1);
        texts.sort_by_key(|text| Reverse(text.len()));
        texts
    }
}

/// The value of a header that contains a secret.
fn secret_value(text: &str, reference: &SecretRef) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Failure::NotReady(format!("{reference} cannot be the value of a header")))?;
    value.set_sensitive(true);
    Ok(value)
}
