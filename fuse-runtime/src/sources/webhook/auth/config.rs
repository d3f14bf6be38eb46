//! The `auth` block of a source, and the checks that it becomes with its secrets.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use super::basic::Basic;
use super::bearer::Bearer;
use super::header::HeaderSecret;
use super::hmac::{Algorithm, Encoding, MacKey, Signature, SignatureFormat, TimestampPlace};
use super::mtls::ClientNames;
use super::network::Networks;
use super::query::QuerySecret;
use super::sns::{Sns, SnsConfig};
use super::template::SignedTemplate;
use super::{Check, Checks};
use crate::secrets::{
    ReadSecrets, Secret, SecretError, SecretRef, SecretTexts, secret_from_base64,
};

/// The tolerance of timestamps if the rules do not set one.
pub(super) const DEFAULT_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The `auth` block of a source. It has at least one scheme, and so has its `any`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "AuthBlock")]
pub(in super::super) struct AuthConfig {
    all: SchemesConfig,
    any: Option<SchemesConfig>,
    verify_token: Vec<SecretRef>,
}

/// An `auth` block as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct AuthBlock {
    #[serde(flatten)]
    all: SchemesConfig,
    #[serde(default, deserialize_with = "present")]
    any: Option<SchemesConfig>,
    #[serde(default)]
    verify_token: Vec<SecretRef>,
}

/// A block without a scheme. The check of the rules refuses it, too.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` has no scheme, so it would accept everyone")]
struct NoScheme(&'static str);

impl TryFrom<AuthBlock> for AuthConfig {
    type Error = NoScheme;

    fn try_from(AuthBlock { all, any, verify_token }: AuthBlock) -> Result<Self, NoScheme> {
        if any.as_ref().is_some_and(SchemesConfig::is_empty) {
            return Err(NoScheme("any"));
        }
        if any.is_none() && all.is_empty() {
            return Err(NoScheme("auth"));
        }
        Ok(Self { all, any, verify_token })
    }
}

/// The schemes of a block.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SchemesConfig {
    #[serde(default, deserialize_with = "present")]
    bearer: Option<BearerConfig>,
    #[serde(default, deserialize_with = "present")]
    basic: Option<BasicConfig>,
    #[serde(default, deserialize_with = "present")]
    header: Option<HeaderConfig>,
    #[serde(default, deserialize_with = "present")]
    query: Option<QueryConfig>,
    #[serde(default, deserialize_with = "present")]
    hmac: Option<HmacConfig>,
    #[serde(default, deserialize_with = "present")]
    mtls: Option<MtlsConfig>,
    #[serde(default, deserialize_with = "present")]
    sns: Option<SnsConfig>,
    #[serde(default, deserialize_with = "networks")]
    allow_from: Option<Vec<IpNet>>,
}

#[derive(Clone, Debug, Deserialize)]
struct MtlsConfig {
    #[serde(default, deserialize_with = "present")]
    subjects: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
struct BearerConfig {
    token: Vec<SecretRef>,
}

#[derive(Clone, Debug, Deserialize)]
struct BasicConfig {
    username: String,
    password: Vec<SecretRef>,
}

#[derive(Clone, Debug, Deserialize)]
struct HeaderConfig {
    name: String,
    value: Vec<SecretRef>,
}

#[derive(Clone, Debug, Deserialize)]
struct QueryConfig {
    name: String,
    value: Vec<SecretRef>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct HmacConfig {
    secret: Vec<SecretRef>,
    secret_encoding: SecretEncoding,
    algorithm: Algorithm,
    header: String,
    separator: Option<String>,
    prefix: Option<String>,
    encoding: Encoding,
    #[serde(deserialize_with = "template")]
    signed: SignedTemplate,
    timestamp_header: Option<String>,
    timestamp_prefix: Option<String>,
    id_header: Option<String>,
    tolerance: Option<u64>,
}

/// How the secret of a signature is written.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SecretEncoding {
    Text,
    Base64,
}

/// A value that must not be `null`: if `null` counted as left out, a block could lose its only scheme.
pub(in super::super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<IpNet>>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let network = |text: &String| match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => text.parse::<IpNet>().map_err(serde::de::Error::custom),
    };
    texts.iter().map(network).collect::<Result<_, _>>().map(Some)
}

fn template<'de, D: Deserializer<'de>>(from: D) -> Result<SignedTemplate, D::Error> {
    SignedTemplate::parse(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

impl AuthConfig {
    /// The headers whose values are secrets, in lower case. Signatures are not secrets.
    pub(in super::super) fn secret_headers(&self) -> Vec<String> {
        let blocks = [Some(&self.all), self.any.as_ref()];
        let mut names = Vec::new();
        for schemes in blocks.into_iter().flatten() {
            if schemes.bearer.is_some() || schemes.basic.is_some() {
                names.push("authorization".to_owned());
            }
            names.extend(schemes.header.as_ref().map(|header| header.name.to_ascii_lowercase()));
        }
        names
    }

    /// The query parameters whose values are secrets.
    pub(in super::super) fn secret_parameters(&self) -> Vec<String> {
        let blocks = [Some(&self.all), self.any.as_ref()].into_iter().flatten();
        blocks.filter_map(|schemes| Some(schemes.query.as_ref()?.name.clone())).collect()
    }

    /// The values of `WWW-Authenticate`.
    pub(in super::super) fn challenges(&self) -> Vec<&'static str> {
        let blocks = || [Some(&self.all), self.any.as_ref()].into_iter().flatten();
        let bearer = blocks().any(|schemes| schemes.bearer.is_some());
        let basic = blocks().any(|schemes| schemes.basic.is_some());
        let challenges = [
            bearer.then_some("Bearer realm=\"fuse\""),
            basic.then_some("Basic realm=\"fuse\", charset=\"UTF-8\""),
        ];
        challenges.into_iter().flatten().collect()
    }

    /// Its `sns` block, outside of `any`.
    pub(in super::super) fn sns(&self) -> Option<&SnsConfig> {
        self.all.sns.as_ref()
    }

    /// The references to its secrets.
    pub(super) fn references(&self) -> BTreeSet<&SecretRef> {
        [Some(&self.all), self.any.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(SchemesConfig::references)
            .chain(&self.verify_token)
            .collect()
    }

    /// The checks with the secrets that can be read, if these are enough: one of each list, and those of one
    /// alternative of `any`. Adds the secrets whose values cannot be used to the problems.
    pub(super) fn checks(
        &self,
        secrets: &ReadSecrets,
        problems: &mut Vec<SecretError>,
    ) -> Option<Checks> {
        let all = self.all.checks(secrets, problems);
        let any = self.any.as_ref().map(|any| any.checks(secrets, problems));
        let all = all.into_iter().collect::<Option<Vec<_>>>()?;
        let any: Vec<Check> = match any {
            None => Vec::new(),
            // An empty list would accept everyone.
            Some(any) => {
                Some(any.into_iter().flatten().collect()).filter(|any: &Vec<_>| !any.is_empty())?
            }
        };
        let verify_token = match self.verify_token.as_slice() {
            [] => None,
            references => Some(secret_texts(references, secrets)?),
        };
        Some(Checks { all, any, verify_token })
    }
}

impl SchemesConfig {
    fn is_empty(&self) -> bool {
        let Self { bearer, basic, header, query, hmac, mtls, sns, allow_from } = self;
        bearer.is_none()
            && basic.is_none()
            && header.is_none()
            && query.is_none()
            && hmac.is_none()
            && mtls.is_none()
            && sns.is_none()
            && allow_from.is_none()
    }

    fn references(&self) -> impl Iterator<Item = &SecretRef> {
        let lists = [
            self.bearer.as_ref().map(|bearer| &bearer.token),
            self.basic.as_ref().map(|basic| &basic.password),
            self.header.as_ref().map(|header| &header.value),
            self.query.as_ref().map(|query| &query.value),
            self.hmac.as_ref().map(|hmac| &hmac.secret),
        ];
        lists.into_iter().flatten().flatten()
    }

    /// The checks. `None` is a check for which no secret could be read.
    fn checks(&self, secrets: &ReadSecrets, problems: &mut Vec<SecretError>) -> Vec<Option<Check>> {
        let texts = |references: &[SecretRef]| secret_texts(references, secrets);
        let mut checks = Vec::new();
        // An address is checked first: a peer that may not connect learns nothing else.
        if let Some(networks) = &self.allow_from {
            checks.push(Some(Check::AllowFrom(Networks(networks.clone()))));
        }
        if let Some(MtlsConfig { subjects }) = &self.mtls {
            checks.push(Some(Check::Mtls(ClientNames { subjects: subjects.clone() })));
        }
        if let Some(BearerConfig { token }) = &self.bearer {
            checks.push(texts(token).map(|tokens| Check::Bearer(Bearer { tokens })));
        }
        if let Some(BasicConfig { username, password }) = &self.basic {
            let username = username.clone();
            checks
                .push(texts(password).map(|passwords| Check::Basic(Basic { username, passwords })));
        }
        if let Some(HeaderConfig { name, value }) = &self.header {
            let name = name.to_ascii_lowercase();
            checks.push(texts(value).map(|values| Check::Header(HeaderSecret { name, values })));
        }
        if let Some(QueryConfig { name, value }) = &self.query {
            let name = name.clone();
            checks.push(texts(value).map(|values| Check::Query(QuerySecret { name, values })));
        }
        if let Some(hmac) = &self.hmac {
            checks.push(hmac.signature(secrets, problems).map(Check::Hmac));
        }
        if let Some(config) = &self.sns {
            checks.push(Some(Check::Sns(Sns { config: config.clone() })));
        }
        checks
    }
}

/// Those of the secrets that can be read; `None` if there are none.
fn secret_texts(references: &[SecretRef], secrets: &ReadSecrets) -> Option<SecretTexts> {
    let read: Vec<&Secret> = references.iter().filter_map(|r| secrets.get(r)).collect();
    (!read.is_empty()).then(|| SecretTexts::new(&read))
}

impl HmacConfig {
    fn signature(
        &self,
        secrets: &ReadSecrets,
        problems: &mut Vec<SecretError>,
    ) -> Option<Signature> {
        let mut keys = Vec::new();
        for reference in &self.secret {
            let Some(secret) = secrets.get(reference) else { continue };
            let key = match self.secret_encoding {
                SecretEncoding::Text => Some(secret.expose().as_bytes().to_vec()),
                SecretEncoding::Base64 => secret_from_base64(secret.expose()),
            };
            match key.and_then(|key| MacKey::new(self.algorithm, &key)) {
                Some(key) => keys.push(key),
                None => problems.push(SecretError::Malformed {
                    reference: reference.clone(),
                    expected: "base64",
                }),
            }
        }
        let lower = |name: &Option<String>| name.as_ref().map(|name| name.to_ascii_lowercase());
        let timestamp = match (lower(&self.timestamp_header), &self.timestamp_prefix) {
            (Some(name), _) => Some(TimestampPlace::Header(name)),
            (None, Some(prefix)) => Some(TimestampPlace::Prefix(prefix.clone())),
            (None, None) => None,
        };
        let format = SignatureFormat {
            header: self.header.to_ascii_lowercase(),
            separator: self.separator.clone(),
            prefix: self.prefix.clone().unwrap_or_default(),
            encoding: self.encoding,
            signed: self.signed.clone(),
            timestamp,
            tolerance: self.tolerance.map_or(DEFAULT_TOLERANCE, Duration::from_millis),
            id_header: lower(&self.id_header),
        };
        (!keys.is_empty()).then(|| Signature { format: Arc::new(format), keys: keys.into() })
    }
}
