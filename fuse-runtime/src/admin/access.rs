//! Who may use the admin port: which hosts requests may name, who has a token, and what needs one.
//!
//! | request | needs |
//! |---|---|
//! | `/healthz`, `/readyz`, `/metrics` | nothing |
//! | another `GET`, on a connection within this machine | nothing; without a token, the answer has no rendered actions |
//! | everything else | a bearer token |

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::failed;
use crate::http::{Peer, shorten};
use crate::log_limit::LogLimit;
use crate::secrets::{ReadSecrets, Secret, SecretRef, SecretTexts, Secrets};
use crate::shutdown::Shutdown;

/// How often the tokens are read again.
const REFRESH_AFTER: Duration = Duration::from_secs(1);
/// What probes and Prometheus ask for. They have no token.
const OPEN_PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// The name of the token that [`AdminAccess::local_token`] sets.
pub(crate) const LOCAL_TOKEN: &str = "local";
/// Headers that a proxy adds, whose client is not on this machine, and how the names of others begin.
const FORWARDED: [&str; 5] =
    ["forwarded", "via", "x-real-ip", "true-client-ip", "cf-connecting-ip"];
const FORWARDED_PREFIXES: [&str; 2] = ["x-forwarded-", "x-envoy-"];

/// Who may use the admin port.
///
/// Without a token, requests can only read, only without rendered actions, and only within this machine: a runtime does
/// not start its admin port on another address than loopback unless there is a [`token`](AdminAccess::token).
#[derive(Clone, Debug, Default)]
pub struct AdminAccess {
    tokens: BTreeMap<String, SecretRef>,
    local: Option<Secret>,
    hosts: Vec<String>,
}

impl AdminAccess {
    /// No tokens, and no host names but those of this machine.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a bearer token, which permits everything. Its name is recorded with what it is used for. It is read again
    /// every second.
    #[must_use]
    pub fn token(mut self, name: impl Into<String>, reference: SecretRef) -> Self {
        self.tokens.insert(name.into(), reference);
        self
    }

    /// Sets a token for programs on this machine, with the name `local`. It does not open other addresses.
    #[must_use]
    pub fn local_token(self, token: Secret) -> Self {
        Self { local: Some(token), ..self }
    }

    /// Sets further names that requests may have in `Host`, without ports.
    #[must_use]
    pub fn hosts(self, hosts: impl IntoIterator<Item = String>) -> Self {
        Self { hosts: hosts.into_iter().collect(), ..self }
    }

    /// Whether the admin port may listen on an address.
    pub(crate) fn permits(&self, address: SocketAddr) -> bool {
        address.ip().to_canonical().is_loopback() || !self.tokens.is_empty()
    }
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Requester {
    /// A program on this machine without a token, which reads.
    Local,
    /// The holder of the token with this name.
    Token(String),
}

impl Requester {
    /// Whether answers may contain rendered actions.
    pub(super) fn sees_payloads(&self) -> bool {
        matches!(self, Self::Token(_))
    }

    /// The name to record.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Local => LOCAL_TOKEN,
            Self::Token(name) => name,
        }
    }
}

/// Why a request is refused.
type Refusal = (StatusCode, String);

/// Checks each request to the admin port.
pub(crate) struct Guard {
    access: AdminAccess,
    address: SocketAddr,
    tokens: RwLock<Tokens>,
}

/// The tokens as of the last refresh.
#[derive(Default)]
struct Tokens {
    known: Vec<(String, SecretTexts)>,
    problems: Vec<String>,
}

impl Guard {
    /// A guard of the port at this address. It knows the tokens after the first [`Guard::refresh`].
    pub(crate) fn new(access: AdminAccess, address: SocketAddr) -> Self {
        Self { access, address, tokens: RwLock::default() }
    }

    /// Reads the tokens again.
    pub(crate) async fn refresh(&self, secrets: &Secrets) {
        let references = self.access.tokens.values().collect();
        let (read, problems) = secrets.read_all(references).await;
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
        let configured = self.access.tokens.iter().filter_map(|(name, reference)| {
            Some((name.clone(), SecretTexts::new(&[read.get(reference)?])))
        });
        let local = self.access.local.iter();
        let local = local.map(|token| (LOCAL_TOKEN.to_owned(), SecretTexts::new(&[token])));
        Tokens { known: configured.chain(local).collect(), problems }
    }

    /// Reads the tokens again until the shutdown.
    pub(crate) async fn keep_fresh(self: Arc<Self>, secrets: Secrets, stop: Shutdown) {
        loop {
            tokio::select! {
                () = stop.requested() => return,
                () = tokio::time::sleep(REFRESH_AFTER) => {}
            }
            self.refresh(&secrets).await;
        }
    }

    /// Which tokens cannot be used, in sentences.
    pub(super) fn problems(&self) -> Vec<String> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let problems = tokens.problems.iter();
        problems.map(|why| format!("a token of the admin port cannot be used: {why}")).collect()
    }

    /// Who sent a request.
    fn caller(&self, peer: Peer, request: &Request) -> Result<Requester, Refusal> {
        let (method, headers) = (request.method(), request.headers());
        let is_read = [Method::GET, Method::HEAD].contains(method);
        let is_open = is_read && OPEN_PATHS.contains(&request.uri().path());
        if !is_open || is_loopback(peer.local) {
            self.check_host(&host(request), peer.local)?;
        }
        if is_open {
            return Ok(Requester::Local);
        }
        let refused = |why: &str| Err((StatusCode::UNAUTHORIZED, why.to_owned()));
        match (bearer(headers), is_read && is_local(peer, headers)) {
            (Credentials::Token(token), _) => match self.name_of(token) {
                Some(name) => Ok(Requester::Token(name)),
                None => refused("the bearer token is wrong"),
            },
            (Credentials::None, true) => Ok(Requester::Local),
            (Credentials::Malformed, _) => {
                refused("the request does not have one `Authorization: Bearer TOKEN` header")
            }
            (Credentials::None, false) if is_read => refused(
                "reading from another machine needs a token: send `Authorization: Bearer TOKEN` with a token of \
                 `[admin]` in fuse.toml, or set FUSE_ADMIN_TOKEN or `--token-file` for fuse commands",
            ),
            (Credentials::None, false) => refused(
                "this request changes something, which needs a token: send `Authorization: Bearer TOKEN` with a token \
                 of `[admin]` in fuse.toml, or set FUSE_ADMIN_TOKEN or `--token-file` for fuse commands; on the \
                 machine of fuse, `--state` with the state folder is enough",
            ),
        }
    }

    /// The name of a token. The time does not depend on where a wrong token differs.
    fn name_of(&self, token: &[u8]) -> Option<String> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for (name, texts) in &tokens.known {
            if bool::from(texts.contains(token)) {
                found = Some(name.clone());
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
    match guard.caller(peer, &request) {
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

/// The credentials of a request.
enum Credentials<'h> {
    None,
    Token(&'h [u8]),
    Malformed,
}

fn bearer(headers: &HeaderMap) -> Credentials<'_> {
    const SCHEME: &str = "bearer ";
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (all.next(), all.next()) {
        (None, _) => return Credentials::None,
        (Some(value), None) => value.as_bytes(),
        (Some(_), Some(_)) => return Credentials::Malformed,
    };
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) => {
            Credentials::Token(token.trim_ascii())
        }
        _ => Credentials::Malformed,
    }
}

/// The host that a request names, without its port.
fn host(request: &Request) -> String {
    let authority = request.uri().authority().cloned().or_else(|| {
        request.headers().get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok())
    });
    authority.map(|authority| authority.host().to_owned()).unwrap_or_default()
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Whether a connection does not leave this machine, as far as fuse can know. The proxy of a service mesh connects
/// from a loopback address, but to another one.
fn is_local(peer: Peer, headers: &HeaderMap) -> bool {
    let is_forwarded = headers.keys().map(HeaderName::as_str).any(|name| {
        FORWARDED.contains(&name) || FORWARDED_PREFIXES.iter().any(|start| name.starts_with(start))
    });
    is_loopback(peer.remote) && is_loopback(peer.local) && !is_forwarded
}

fn in_url(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn is_ip(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    bracketed.unwrap_or(host).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(access: AdminAccess, address: &str) -> Guard {
        Guard::new(access, address.parse().unwrap())
    }

    fn status(guard: &Guard, ends: (&str, &str), request: axum::http::request::Builder) -> u16 {
        let (remote, local) = (ends.0.parse().unwrap(), ends.1.parse().unwrap());
        let request = request.body(axum::body::Body::empty()).unwrap();
        match guard.caller(Peer { remote, local }, &request) {
            Ok(_) => 200,
            Err((status, _)) => status.as_u16(),
        }
    }

    const HERE: (&str, &str) = ("127.0.0.1:9", "127.0.0.1:1");
    const FROM_MESH: (&str, &str) = ("127.0.0.6:9", "10.0.0.7:1");
    const ELSEWHERE: (&str, &str) = ("10.0.0.9:9", "10.0.0.7:1");

    #[test]
    fn hosts_are_loopback_names_addresses_and_those_that_are_set() {
        let access = AdminAccess::new().hosts(["fuse.example".to_owned()]);
        let guard = guard(access, "10.0.0.7:12080");
        let ask = |host: &str, local: &str| {
            guard.check_host(host, local.parse().unwrap()).map_err(|(status, _)| status.as_u16())
        };
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "10.0.0.7", "Fuse.Example"] {
            assert_eq!(ask(host, "127.0.0.1:1"), Ok(()), "{host}");
            assert_eq!(ask(host, "10.0.0.7:1"), Ok(()), "{host}");
        }
        let evil =
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[evil]"];
        for host in evil {
            assert_eq!(ask(host, "127.0.0.1:1"), Err(421), "{host}");
            assert_eq!(ask(host, "[::ffff:127.0.0.1]:1"), Err(421), "{host}");
            assert_eq!(ask(host, "10.0.0.7:1"), Err(421), "{host}");
        }
        // The address of the pod or of its Service.
        assert_eq!(ask("10.96.0.1", "10.0.0.7:1"), Ok(()));
        assert_eq!(ask("[fd00::1]", "10.0.0.7:1"), Ok(()));
        assert_eq!(ask("10.96.0.1", "127.0.0.1:1"), Err(421));
    }

    #[tokio::test]
    async fn reads_need_a_token_elsewhere_and_changes_do_everywhere() {
        let reference = SecretRef::Env { name: "T".into() };
        let secrets = Secrets::from_map([(reference.clone(), "s3cr3t".to_owned())].into());
        let access = AdminAccess::new().token("ops", reference).local_token(Secret::new("here"));
        assert!(access.permits("0.0.0.0:1".parse().unwrap()));
        let guard = guard(access, "0.0.0.0:12080");
        guard.refresh(&secrets).await;
        let get = |path: &str| Request::get(path).header("host", "localhost");
        let post = |path: &str| Request::post(path).header("host", "localhost");
        assert_eq!(status(&guard, HERE, get("/events")), 200);
        assert_eq!(status(&guard, FROM_MESH, get("/events")), 401);
        assert_eq!(status(&guard, ELSEWHERE, get("/events")), 401);
        let prefixed = ["x-forwarded-for", "x-forwarded-host", "x-envoy-external-address"];
        for header in FORWARDED.into_iter().chain(prefixed) {
            assert_eq!(status(&guard, HERE, get("/events").header(header, "10.0.0.9")), 401);
        }
        for path in OPEN_PATHS {
            assert_eq!(status(&guard, ELSEWHERE, get(path)), 200);
            // Scrapers use names of Services.
            assert_eq!(status(&guard, ELSEWHERE, Request::get(path).header("host", "a.svc")), 200);
            assert_eq!(status(&guard, HERE, Request::get(path).header("host", "a.svc")), 421);
            assert_eq!(status(&guard, ELSEWHERE, post(path)), 401);
        }
        assert_eq!(status(&guard, HERE, post("/replay")), 401);
        for (value, expected) in [
            ("Bearer s3cr3t", 200),
            ("bearer  s3cr3t ", 200),
            ("Bearer here", 200),
            ("Bearer s3cr3", 401),
            ("Bearer ", 401),
            ("Basic s3cr3t", 401),
            ("s3cr3t", 401),
        ] {
            for ends in [HERE, ELSEWHERE] {
                let post = post("/replay").header("authorization", value);
                assert_eq!(status(&guard, ends, post), expected, "{value}");
                let get = get("/events").header("authorization", value);
                assert_eq!(status(&guard, ends, get), expected, "{value}");
            }
        }
        let twice = post("/replay").header("authorization", "Bearer here");
        let twice = twice.header("authorization", "Bearer here");
        assert_eq!(status(&guard, HERE, twice), 401);

        // A token that cannot be read any more does not work, and readiness names it.
        guard.refresh(&Secrets::from_map(BTreeMap::new())).await;
        let gone = post("/replay").header("authorization", "Bearer s3cr3t");
        assert_eq!(status(&guard, HERE, gone), 401);
        assert_eq!(
            guard.problems(),
            ["a token of the admin port cannot be used: environment variable `T` is not set"]
        );
    }

    #[test]
    fn only_loopback_is_open_without_a_token() {
        let access = AdminAccess::new().local_token(Secret::new("here"));
        for (address, permitted) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.7:1", false),
        ] {
            assert_eq!(access.permits(address.parse().unwrap()), permitted, "{address}");
        }
    }
}
