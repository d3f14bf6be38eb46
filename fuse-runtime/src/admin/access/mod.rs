//! Who may use the admin port: which hosts requests may name, who has a token, and what it permits.
//!
//! | request | needs |
//! |---|---|
//! | `/healthz`, `/readyz`, `/metrics` | nothing |
//! | another `GET`, on a connection within this machine | nothing; without a token, the answer has no rendered actions |
//! | texts of rules, bodies of events, everything else | a bearer token with the right for it |
//!
//! If the port has authorities of client certificates, all but the first line also needs a certificate, except within
//! this machine.

mod approvers;
mod headers;
mod requester;
mod review;
mod rights;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::future::join;

use super::failed;
use crate::http::{ClientCertificate, Peer, ServerCertificate, TlsConfig, shorten};
use crate::log_limit::LogLimit;
use crate::secrets::{ReadSecrets, Secret, SecretRef, SecretTexts, Secrets};
use crate::shutdown::Shutdown;
use crate::token_review::{TokenReviewError, TokenReviewer};
pub(crate) use approvers::Approvers;
pub use approvers::NoApprover;
use headers::{BearerToken, bearer, host, in_url, is_ip, is_local, is_loopback};
use requester::Holder;
pub(super) use requester::Requester;
pub use review::ReviewedRights;
use review::Reviews;
pub(crate) use review::USER_PREFIX;
#[cfg(test)]
pub(super) use rights::TOKEN_PATHS;
pub use rights::{AdminRight, AdminRights};

/// How often the tokens and the certificate are read again.
const REFRESH_AFTER: Duration = Duration::from_secs(1);
/// The name of the token that [`AdminAccess::local_token`] sets.
pub(crate) const LOCAL_TOKEN: &str = "local";

/// Where the certificate of the admin port, its key, and the authorities of clients are kept, each in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminTls {
    /// The certificate, followed by those of its intermediate authorities.
    pub cert: SecretRef,
    /// The private key of the certificate.
    pub key: SecretRef,
    /// The authorities that sign the certificates of clients. If they are set, every request needs a certificate,
    /// except those within this machine and those for `/healthz`, `/readyz` and `/metrics`.
    pub client_ca: Option<SecretRef>,
}

/// Who may use the admin port.
///
/// Without a token, requests can only read, only without rendered actions, and only within this machine: a runtime does
/// not start its admin port on another address than loopback unless there is a [`token`](AdminAccess::token) or a
/// [`reviewer`](AdminAccess::reviewer).
#[derive(Clone, Debug, Default)]
pub struct AdminAccess {
    tokens: BTreeMap<String, ConfiguredToken>,
    local: Option<Secret>,
    hosts: Vec<String>,
    tls: Option<AdminTls>,
    reviews: Option<Reviews>,
}

impl AdminAccess {
    /// No tokens, and no host names but those of this machine.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a bearer token with the default rights. Its name is recorded with what it is used for. It is read again
    /// every second.
    #[must_use]
    pub fn token(self, name: impl Into<String>, reference: SecretRef) -> Self {
        self.token_with(name, reference, AdminRights::default())
    }

    /// Adds a bearer token with these rights.
    #[must_use]
    pub fn token_with(
        mut self,
        name: impl Into<String>,
        reference: SecretRef,
        rights: AdminRights,
    ) -> Self {
        let groups = BTreeSet::new();
        self.tokens.insert(name.into(), ConfiguredToken { reference, rights, groups });
        self
    }

    /// Sets the groups that the holder of the token with this name is a member of, as in `approval by "sre"`. Add the
    /// token before: of another one, nothing is known.
    #[must_use]
    pub fn groups(mut self, token: &str, groups: impl IntoIterator<Item = String>) -> Self {
        if let Some(token) = self.tokens.get_mut(token) {
            token.groups = groups.into_iter().collect();
        }
        self
    }

    /// Sets a token for programs on this machine, with the name `local` and all rights. It does not open other
    /// addresses.
    #[must_use]
    pub fn local_token(self, token: Secret) -> Self {
        Self { local: Some(token), ..self }
    }

    /// Sets further names that requests may have in `Host`, without ports.
    #[must_use]
    pub fn hosts(self, hosts: impl IntoIterator<Item = String>) -> Self {
        Self { hosts: hosts.into_iter().collect(), ..self }
    }

    /// Serves HTTPS with this certificate. It is read again every second.
    #[must_use]
    pub fn tls(self, tls: AdminTls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Reviews bearer tokens that are not in the list. The result is used for 10 seconds. The name that is recorded is
    /// `user:` and the name of the user.
    #[must_use]
    pub fn reviewer(self, reviewer: impl TokenReviewer, rights: ReviewedRights) -> Self {
        Self { reviews: Some(Reviews::new(reviewer, rights)), ..self }
    }

    /// Whether the port serves HTTPS.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether the admin port may listen on an address.
    pub(crate) fn permits(&self, address: SocketAddr) -> bool {
        let has_tokens = !self.tokens.is_empty() || self.reviews.is_some();
        address.ip().to_canonical().is_loopback() || has_tokens
    }
}

#[derive(Clone, Debug)]
struct ConfiguredToken {
    reference: SecretRef,
    rights: AdminRights,
    groups: BTreeSet<String>,
}

/// What the head of a request shows about its sender.
enum Examined {
    Known(Requester),
    /// A token, and the right that the request needs.
    Token(Vec<u8>, AdminRight),
}

/// Why a request is refused.
type Refusal = (StatusCode, String);

/// Checks each request to the admin port.
pub(crate) struct Guard {
    access: AdminAccess,
    address: SocketAddr,
    tokens: RwLock<Tokens>,
    certificate: Option<Arc<ServerCertificate>>,
}

/// The tokens as of the last refresh.
#[derive(Default)]
struct Tokens {
    known: Vec<Token>,
    problems: Vec<String>,
}

struct Token {
    name: String,
    texts: SecretTexts,
    rights: AdminRights,
    groups: BTreeSet<String>,
}

impl Guard {
    /// A guard of the port at this address. It knows the tokens after the first [`Guard::refresh`].
    pub(crate) fn new(access: AdminAccess, address: SocketAddr) -> Self {
        let certificate = access.tls.clone().map(|AdminTls { cert, key, client_ca }| {
            let config = TlsConfig { cert, key, client_ca };
            let certificate = ServerCertificate::new("the admin port".to_owned(), config);
            certificate.serve();
            Arc::new(certificate)
        });
        Self { access, address, tokens: RwLock::default(), certificate }
    }

    /// The certificate of the port, if it serves HTTPS.
    pub(crate) fn certificate(&self) -> Option<Arc<ServerCertificate>> {
        self.certificate.clone()
    }

    /// Reads the tokens and the certificate again.
    pub(crate) async fn refresh(&self, secrets: &Secrets) {
        let certificate = async {
            if let Some(certificate) = &self.certificate {
                certificate.refresh(secrets).await;
            }
        };
        let references = self.access.tokens.values().map(|token| &token.reference).collect();
        // At the same time, because either may take a second.
        let ((), (read, problems)) = join(certificate, secrets.read_all(references)).await;
        let new = self.tokens_from(&read, problems.iter().map(ToString::to_string).collect());
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        if tokens.problems != new.problems {
            for why in &new.problems {
                tracing::warn!(why, "a token of the admin port cannot be used");
            }
        }
        *tokens = new;
    }

    fn tokens_from(&self, read: &ReadSecrets, problems: Vec<String>) -> Tokens {
        let configured = self.access.tokens.iter().filter_map(|(name, token)| {
            let ConfiguredToken { reference, rights, groups } = token.clone();
            let texts = SecretTexts::new(&[read.get(&reference)?]);
            Some(Token { name: name.clone(), texts, rights, groups })
        });
        let local = self.access.local.iter().map(|text| Token {
            name: LOCAL_TOKEN.to_owned(),
            texts: SecretTexts::new(&[text]),
            rights: AdminRights::all(),
            groups: BTreeSet::new(),
        });
        Tokens { known: configured.chain(local).collect(), problems }
    }

    /// Reads the tokens and the certificate again until the shutdown.
    pub(crate) async fn keep_fresh(self: Arc<Self>, secrets: Secrets, stop: Shutdown) {
        loop {
            tokio::select! {
                () = stop.requested() => return,
                () = tokio::time::sleep(REFRESH_AFTER) => {}
            }
            self.refresh(&secrets).await;
        }
    }

    /// Which tokens, or the certificate, cannot be used, in sentences.
    pub(super) fn problems(&self) -> Vec<String> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let problems = tokens.problems.iter();
        let problems =
            problems.map(|why| format!("a token of the admin port cannot be used: {why}"));
        let certificate = self.certificate.iter().filter_map(|one| one.problem());
        problems.chain(certificate).collect()
    }

    /// That the certificate has expired or expires soon.
    pub(super) fn warnings(&self, now: jiff::Timestamp) -> Option<String> {
        self.certificate.as_ref()?.expiry_warning(now)
    }

    /// Who sent a request, or the token that shows it.
    fn examine(&self, peer: Peer, request: &Request) -> Result<Examined, Refusal> {
        let (method, headers, path) = (request.method(), request.headers(), request.uri().path());
        let needed = rights::needed(method, path);
        if needed.is_some() || is_loopback(peer.local) {
            self.check_host(&host(request), peer.local)?;
        }
        let Some(needed) = needed else { return Ok(Examined::Known(Requester::Local)) };
        let refused = |why: &str| Err((StatusCode::UNAUTHORIZED, why.to_owned()));
        let has_authorities = self.access.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let is_local = is_local(peer, headers);
        if has_authorities
            && !is_local
            && request.extensions().get::<Arc<ClientCertificate>>().is_none()
        {
            return refused("the admin port needs a certificate of the client");
        }
        let is_open = needed == AdminRight::Read && !rights::TOKEN_PATHS.contains(&path);
        match bearer(headers) {
            BearerToken::Token(token) => Ok(Examined::Token(token.to_vec(), needed)),
            BearerToken::None if is_open && is_local => Ok(Examined::Known(Requester::Local)),
            BearerToken::Malformed => {
                refused("the request does not have one `Authorization: Bearer TOKEN` header")
            }
            BearerToken::None if is_open => refused(
                "reading from another machine needs a token: send `Authorization: Bearer TOKEN` with a token of \
                 `[admin]` in fuse.toml, or set FUSE_ADMIN_TOKEN or `--token-file` for fuse commands",
            ),
            BearerToken::None => refused(&format!(
                "this request {}, which needs a token: send `Authorization: Bearer TOKEN` with a token of `[admin]` in \
                 fuse.toml, or set FUSE_ADMIN_TOKEN or `--token-file` for fuse commands; on the machine of fuse, \
                 `--state` with the state folder is enough",
                match needed {
                    AdminRight::Read => "reads the texts of rules or looks up states",
                    AdminRight::Change => "changes something",
                    AdminRight::Payloads => "reads the bodies of events",
                    AdminRight::Approve => "approves or declines an action",
                }
            )),
        }
    }

    /// Who sent a request.
    async fn caller(&self, examined: Result<Examined, Refusal>) -> Result<Requester, Refusal> {
        match examined? {
            Examined::Known(requester) => Ok(requester),
            Examined::Token(token, needed) => {
                let Holder { name, groups, .. } = self.holder(&token, needed).await?;
                Ok(Requester::Token { name, groups })
            }
        }
    }

    /// The holder of a token, if the token permits this.
    async fn holder(&self, token: &[u8], needed: AdminRight) -> Result<Holder, Refusal> {
        let wrong = || (StatusCode::UNAUTHORIZED, "the bearer token is wrong".to_owned());
        let holder = match (self.known(token), &self.access.reviews) {
            (Some(known), _) => known,
            (None, None) => return Err(wrong()),
            (None, Some(reviews)) => {
                let reviewed = reviews.holder(token).await;
                let unavailable = |error: TokenReviewError| {
                    static LIMIT: LogLimit = LogLimit::new();
                    if let Some(left_out) = LIMIT.pass() {
                        tracing::warn!(%error, left_out, "cannot review the token of a request to the admin port");
                    }
                    // The reason may name what only the cluster should know.
                    let why = "the token cannot be reviewed now; the log of fuse has the reason";
                    (StatusCode::SERVICE_UNAVAILABLE, why.to_owned())
                };
                reviewed.map_err(unavailable)?.ok_or_else(wrong)?
            }
        };
        if holder.rights.permits(needed) {
            return Ok(holder);
        }
        let why = format!(
            "`{}` may not do this: it needs the right `{needed}`, which `[admin]` in fuse.toml gives",
            shorten(&holder.name)
        );
        Err((StatusCode::FORBIDDEN, why))
    }

    /// The holder of a token of the list. The time does not depend on where a wrong token differs.
    fn known(&self, token: &[u8]) -> Option<Holder> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for Token { name, texts, rights, groups } in &tokens.known {
            if bool::from(texts.contains(token)) {
                let (name, rights, groups) = (name.clone(), rights.clone(), groups.clone());
                found = Some(Holder { name, rights, groups });
            }
        }
        found
    }

    /// Checks the host that a request names. A page of a site whose name resolves to this machine or to the pod (DNS
    /// rebinding) names its own host, which is never an IP address.
    fn check_host(&self, host: &str, local: SocketAddr) -> Result<(), Refusal> {
        let own = in_url(self.address.ip());
        let known = ["localhost", "127.0.0.1", "[::1]", &own];
        let is_named = known.iter().any(|known| host.eq_ignore_ascii_case(known))
            || self.access.hosts.iter().any(|known| host.eq_ignore_ascii_case(known));
        if is_named || (!is_loopback(local) && is_ip(host)) {
            return Ok(());
        }
        let why = format!(
            "the admin port answers requests to `localhost`, `127.0.0.1` and `{own}` here, not to `{}`; `hosts` in \
             `[admin]` of fuse.toml permits other names",
            shorten(host)
        );
        Err((StatusCode::MISDIRECTED_REQUEST, why))
    }
}

/// Refuses a request, or passes it on with its [`Requester`].
pub(super) async fn admit(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    static LIMIT: LogLimit = LogLimit::new();
    let Some(peer) = request.extensions().get::<Peer>().copied() else {
        return failed(StatusCode::INTERNAL_SERVER_ERROR, "the peer of the request is unknown");
    };
    let examined = guard.examine(peer, &request);
    match guard.caller(examined).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err((status, why)) => {
            if let Some(left_out) = LIMIT.pass() {
                let (peer, status) = (peer.remote, status.as_u16());
                tracing::warn!(%peer, status, left_out, "a request to the admin port was refused");
            }
            let mut answer = failed(status, &why);
            if status == StatusCode::UNAUTHORIZED {
                let scheme = HeaderValue::from_static("Bearer realm=\"fuse\"");
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            answer
        }
    }
}
