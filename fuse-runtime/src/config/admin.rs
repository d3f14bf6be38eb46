//! `[admin]`: who may use the admin port.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::ConfigError;
use crate::admin::{AdminAccess, AdminRights, AdminTls, LOCAL_TOKEN, ReviewedRights, USER_PREFIX};
use crate::secrets::SecretRef;

/// The name of the token that `token` sets.
const DEFAULT_NAME: &str = "admin";

/// The places of a secret.
const PLACES: &str =
    "write `{ file = \"/path\" }`, `{ env = \"NAME\" }` or `{ secret = \"NAME\", key = \"KEY\" }`";

/// `[admin]`: who may use the admin port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Where the bearer token is kept: `{ file = "/path" }`, `{ env = "NAME" }` or
    /// `{ secret = "NAME", key = "KEY" }`. Its name is `admin`. The default is none.
    #[serde(deserialize_with = "token")]
    pub token: Option<AdminToken>,
    /// Further tokens by name: fuse records the name with what the token is used for.
    #[serde(deserialize_with = "tokens")]
    pub tokens: BTreeMap<String, AdminToken>,
    /// Further host names that requests may have in `Host`, without ports.
    #[serde(deserialize_with = "hosts")]
    pub hosts: Vec<String>,
    /// The certificate with which the port serves HTTPS. The default is none.
    #[serde(deserialize_with = "tls")]
    pub tls: Option<AdminTls>,
    /// Whether the API server of the cluster reviews other tokens, and what they permit. The default is no.
    pub token_review: Option<TokenReviewConfig>,
}

/// Where a token is kept, and what it permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminToken {
    /// Where it is kept.
    pub place: SecretRef,
    /// What it permits: `rights = ["read", "change"]`, unless other rights are set; also `"payloads"` and `"approve"`.
    pub rights: AdminRights,
    /// The groups that its holder is a member of: `groups = ["sre"]`, as in `approval by "sre"`. The default is none.
    pub groups: Vec<String>,
}

/// `[admin.token_review]`: the API server of the cluster reviews tokens that are not in the list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenReviewConfig {
    /// The audience that tokens must be issued for, as in `fuse`.
    #[serde(deserialize_with = "audience")]
    pub audience: String,
    /// The rights of users, as in `system:serviceaccount:ops:alice`.
    #[serde(default)]
    pub users: BTreeMap<String, AdminRights>,
    /// The rights of the members of groups, as in `system:serviceaccounts:ops`.
    #[serde(default)]
    pub groups: BTreeMap<String, AdminRights>,
}

impl TokenReviewConfig {
    /// The rights of users and groups.
    pub fn rights(&self) -> ReviewedRights {
        ReviewedRights { users: self.users.clone(), groups: self.groups.clone() }
    }
}

impl AdminConfig {
    /// Who may use the admin port. A reviewer of tokens needs a cluster, so it is not part of this.
    pub fn access(&self) -> AdminAccess {
        let access = AdminAccess::new().hosts(self.hosts.clone());
        let access = self.tls.clone().into_iter().fold(access, AdminAccess::tls);
        let token = self.token.iter().map(|token| (DEFAULT_NAME, token));
        let named = self.tokens.iter().map(|(name, token)| (name.as_str(), token));
        token.chain(named).fold(access, |access, (name, AdminToken { place, rights, groups })| {
            access.token_with(name, place.clone(), rights.clone()).groups(name, groups.clone())
        })
    }
}

/// A reference to a secret, as TOML has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretTable {
    file: Option<PathBuf>,
    env: Option<String>,
    secret: Option<String>,
    key: Option<String>,
    /// Only of a token.
    rights: Option<AdminRights>,
    /// Only of a token.
    groups: Option<Vec<String>>,
}

impl SecretTable {
    fn reference<E: serde::de::Error>(self, what: &str) -> Result<SecretRef, E> {
        let Self { file, env, secret, key, rights, groups } = self;
        if rights.is_some() {
            return Err(E::custom(format!("{what} has no `rights`")));
        }
        if groups.is_some() {
            return Err(E::custom(format!("{what} has no `groups`")));
        }
        match (file, env, secret, key) {
            (Some(path), None, None, None) => Ok(SecretRef::File { path }),
            (None, Some(name), None, None) => Ok(SecretRef::Env { name }),
            (None, None, Some(name), Some(key)) => Ok(SecretRef::Secret { name, key }),
            _ => Err(E::custom(format!("{what} is in one place: {PLACES}"))),
        }
    }

    fn token<E: serde::de::Error>(mut self) -> Result<AdminToken, E> {
        let rights = self.rights.take().unwrap_or_default();
        let groups = self.groups.take().unwrap_or_default();
        Ok(AdminToken { place: self.reference("a token")?, rights, groups })
    }
}

/// The secrets of `[backend]`.
const BACKEND_SECRETS: [&str; 4] = ["password", "token", "nkey", "credentials"];

/// Refuses a secret that is written into the file. The message shows neither the secret nor its line.
pub(super) fn check_inline(text: &str) -> Result<(), ConfigError> {
    // Other mistakes are reported with their place later.
    let Ok(config) = text.parse::<toml::Table>() else { return Ok(()) };
    let backend = config.get("backend").and_then(|backend| backend.as_table());
    let inline = |name: &&&str| {
        backend.and_then(|table| table.get(**name)).is_some_and(|value| !value.is_table())
    };
    if let Some(name) = BACKEND_SECRETS.iter().find(inline) {
        return Err(ConfigError::Invalid(format!(
            "`{name}` in `[backend]` is not the place of a secret: {PLACES}"
        )));
    }
    let Some(admin) = config.get("admin").and_then(|admin| admin.as_table()) else {
        return Ok(());
    };
    let named = admin.get("tokens").and_then(|tokens| tokens.as_table());
    let named = named.into_iter().flatten().map(|(name, value)| (name.as_str(), value));
    let tls = admin.get("tls").and_then(|tls| tls.as_table());
    let tls = tls.into_iter().flatten().map(|(name, value)| (name.as_str(), value));
    let token = admin.get("token").map(|value| ("token", value)).into_iter();
    let all = token.chain(named).chain(tls);
    match all.into_iter().find(|(_, value)| !value.is_table()) {
        None => Ok(()),
        Some((name, _)) => Err(ConfigError::Invalid(format!(
            "`{name}` in `[admin]` is not the place of a secret: {PLACES}"
        ))),
    }
}

/// The place of a secret, which `what` has.
pub(super) fn secret<'de, D: Deserializer<'de>>(
    deserializer: D,
    what: &str,
) -> Result<SecretRef, D::Error> {
    SecretTable::deserialize(deserializer)?.reference(what)
}

fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AdminToken>, D::Error> {
    SecretTable::deserialize(deserializer)?.token().map(Some)
}

/// `[admin.tls]`, as TOML has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    cert: SecretTable,
    key: SecretTable,
    client_ca: Option<SecretTable>,
}

fn tls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AdminTls>, D::Error> {
    let TlsTable { cert, key, client_ca } = TlsTable::deserialize(deserializer)?;
    Ok(Some(AdminTls {
        cert: cert.reference("`cert`")?,
        key: key.reference("`key`")?,
        client_ca: client_ca.map(|table| table.reference("`client_ca`")).transpose()?,
    }))
}

fn audience<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let audience = String::deserialize(deserializer)?;
    match audience.trim().is_empty() {
        true => Err(D::Error::custom("`audience` is empty; write one such as `fuse`")),
        false => Ok(audience),
    }
}

fn tokens<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, AdminToken>, D::Error> {
    let tables = BTreeMap::<String, SecretTable>::deserialize(deserializer)?;
    let mut tokens = BTreeMap::new();
    for (name, table) in tables {
        if [DEFAULT_NAME, LOCAL_TOKEN].contains(&name.as_str()) {
            return Err(D::Error::custom(format!(
                "`{name}` is the name of another token; choose a name such as that of its holder"
            )));
        }
        if name.starts_with(USER_PREFIX) {
            return Err(D::Error::custom(format!(
                "`{name}` begins with `{USER_PREFIX}`, as the names of reviewed users do; choose another name"
            )));
        }
        tokens.insert(name, table.token()?);
    }
    Ok(tokens)
}

fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let hosts = Vec::<String>::deserialize(deserializer)?;
    let is_host = |host: &String| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        !host.is_empty() && host.chars().all(allowed)
    };
    match hosts.iter().find(|host| !is_host(host)) {
        None => Ok(hosts),
        Some(other) => Err(D::Error::custom(format!(
            "`{other}` is not a host name without a port, as in `fuse-admin.fuse.svc`"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    #[test]
    fn tokens_have_one_place_and_a_name() {
        let config: Config = r#"
            [admin]
            token = { file = "/etc/fuse/admin/token" }
            hosts = ["fuse-admin.fuse.svc"]
            [admin.tokens]
            alice = { env = "ALICE" }
            ci = { secret = "fuse", key = "ci" }"#
            .parse()
            .unwrap();
        assert!(config.admin.access().permits("0.0.0.0:1".parse().unwrap()));
        assert_eq!(config.admin.tokens.len(), 2);
        let wrong = [
            r#"token = "s3cr3t""#,
            "token = {}",
            r#"token = { file = "/a", env = "B" }"#,
            r#"token = { secret = "a" }"#,
            r#"tokens = { local = { env = "A" } }"#,
            r#"tokens = { "user:eve" = { env = "A" } }"#,
            r#"hosts = ["a:1"]"#,
            r#"tokens = { alice = "s3cr3t" }"#,
            r#"token = { file = "/a", rights = ["write"] }"#,
            r#"tls = { cert = { file = "/a" } }"#,
            r#"tls = { cert = { file = "/a" }, key = "s3cr3t" }"#,
            r#"tls = { cert = { file = "/a" }, key = { file = "/b", rights = ["read"] } }"#,
            r#"token_review = { groups = { ops = ["read"] } }"#,
            r#"token_review = { audience = " " }"#,
        ];
        let texts = wrong.map(|line| {
            let error = format!("[admin]\n{line}").parse::<Config>().unwrap_err().to_string();
            assert!(!error.contains("s3cr3t"), "{error}");
            format!("{line}\n  {}", error.lines().last().unwrap())
        });
        insta::assert_snapshot!(texts.join("\n"));
    }

    /// Whatever is wrong with the file, the error does not show a token that is written into it.
    #[test]
    fn no_error_shows_a_token() {
        let wrong = [
            "[admin]\ntoken = \"s3cr3t",
            "[admin]\ntoken = s3cr3t",
            "[admin]\ntoken = \"s3cr3t\" x",
            "[admin]\ntokne = \"s3cr3t\"",
            "[admin]\ntokens.alice.value = \"s3cr3t\"",
            "[admin]\ntoken = { file = \"/a\", value = \"s3cr3t\" }",
            "[admin]\ntoken = [\"s3cr3t\"]",
            "[admin]\ntoken = { env = [\"s3cr3t\"] }",
            "admin.token = \"s3cr3t\"\n[admin]\n",
            "[admin]\ntoken = \"s3cr3t\"\ntoken = \"s3cr3t\"",
            "[[admin]]\ntoken = \"s3cr3t\"",
            "[admn]\ntoken = \"s3cr3t\"",
            "admin = \"s3cr3t\"",
            "[admin]\ntokens = \"s3cr3t\"",
            "[admin]\ntls = \"s3cr3t\"",
            "[admin]\ntoken_review = \"s3cr3t\"",
            "[admin]\ntoken = { file = \"/a\", rights = \"s3cr3t\" }",
        ];
        for text in wrong {
            let error = text.parse::<Config>().unwrap_err().to_string();
            assert!(!error.contains("s3cr3t"), "{text}\n{error}");
        }
    }
}
