//! The `auth` block of a source, and the checks that it becomes with its secrets.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use super::basic::Basic;
use super::bearer::Bearer;
use super::header::HeaderSecret;
use super::hmac::{Algorithm, Encoding, MacKey, Signature, SignatureFormat, TimestampPlace};
use super::network::Networks;
use super::secret_text::SecretTexts;
use super::template::SignedTemplate;
use super::{Check, Checks};
use crate::secrets::{Secret, SecretError, SecretRef, Secrets};

/// How far the timestamp of a signature may be from the time, where the rules do not say.
pub(super) const DEFAULT_TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The `auth` block of a source.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct AuthConfig {
    #[serde(flatten)]
    all: SchemesConfig,
    any: Option<SchemesConfig>,
}

/// The schemes of a block.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SchemesConfig {
    bearer: Option<BearerConfig>,
    basic: Option<BasicConfig>,
    header: Option<HeaderConfig>,
    hmac: Option<HmacConfig>,
    #[serde(default, deserialize_with = "networks")]
    allow_from: Option<Vec<IpNet>>,
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

    /// The checks, with the secrets as they are now.
    ///
    /// # Errors
    /// Every secret that cannot be used.
    pub(super) async fn checks(&self, secrets: &Secrets) -> Result<Checks, Vec<SecretError>> {
        let mut problems = Vec::new();
        let all = self.all.checks(secrets, &mut problems).await;
        let any = match &self.any {
            Some(any) => any.checks(secrets, &mut problems).await,
            None => Vec::new(),
        };
        if problems.is_empty() { Ok(Checks { all, any }) } else { Err(problems) }
    }
}

impl SchemesConfig {
    async fn checks(&self, secrets: &Secrets, problems: &mut Vec<SecretError>) -> Vec<Check> {
        let mut checks = Vec::new();
        // An address is checked first: a peer that may not connect learns nothing else.
        checks.extend(self.allow_from.clone().map(|networks| Check::AllowFrom(Networks(networks))));
        if let Some(BearerConfig { token }) = &self.bearer {
            let tokens = SecretTexts::new(&read(token, secrets, problems).await);
            checks.push(Check::Bearer(Bearer { tokens }));
        }
        if let Some(BasicConfig { username, password }) = &self.basic {
            let passwords = SecretTexts::new(&read(password, secrets, problems).await);
            checks.push(Check::Basic(Basic { username: username.clone(), passwords }));
        }
        if let Some(HeaderConfig { name, value }) = &self.header {
            let values = SecretTexts::new(&read(value, secrets, problems).await);
            checks.push(Check::Header(HeaderSecret { name: name.to_ascii_lowercase(), values }));
        }
        if let Some(hmac) = &self.hmac {
            checks.push(Check::Hmac(hmac.signature(secrets, problems).await));
        }
        checks
    }
}

impl HmacConfig {
    async fn signature(&self, secrets: &Secrets, problems: &mut Vec<SecretError>) -> Signature {
        let mut keys = Vec::new();
        for reference in &self.secret {
            let Some(secret) = read_one(reference, secrets, problems).await else { continue };
            let key = match self.secret_encoding {
                SecretEncoding::Text => Some(secret.expose().as_bytes().to_vec()),
                SecretEncoding::Base64 => from_base64(secret.expose()),
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
        Signature { format: Arc::new(format), keys: keys.into() }
    }
}

/// The bytes of a secret in base64, which Standard Webhooks write after `whsec_`. Not empty.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("whsec_").unwrap_or(text).trim_end_matches('=');
    data_encoding::BASE64_NOPAD.decode(text.as_bytes()).ok().filter(|key| !key.is_empty())
}

async fn read(
    references: &[SecretRef],
    secrets: &Secrets,
    problems: &mut Vec<SecretError>,
) -> Vec<Secret> {
    let mut read = Vec::new();
    for reference in references {
        read.extend(read_one(reference, secrets, problems).await);
    }
    read
}

async fn read_one(
    reference: &SecretRef,
    secrets: &Secrets,
    problems: &mut Vec<SecretError>,
) -> Option<Secret> {
    match secrets.read(reference).await {
        // Whatever the store: an empty secret would let anyone in.
        Ok(secret) if secret.expose().is_empty() => {
            problems.push(SecretError::Empty(reference.clone()));
            None
        }
        Ok(secret) => Some(secret),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}
