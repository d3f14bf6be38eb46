//! Connects to the servers, and creates or checks what fuse uses there.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamError, GetStreamErrorKind};
use async_nats::jetstream::object_store::{self, ObjectStore};
use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, ConnectOptions};
use uuid::Uuid;

use super::error::{JetStreamError, broker};
use super::machine::Position;
use super::options::{JetStreamOptions, Login};

/// The oldest server whose streams survive a crash of their servers.
const OLDEST: (u64, u64, u64) = (2, 10, 23);
/// How long an answer of a server may take.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// How long opening waits for the servers.
const CONNECT_TIME: Duration = Duration::from_secs(30);
/// How long a new leader may not know messages that were applied here.
const LAGS_FOR: Duration = Duration::from_secs(15);
/// How soon something is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Of so many attempts, the first one is logged.
const LOGGED_ATTEMPTS: u32 = 10;
/// The key of the id of the log, in the metadata of its stream.
const LOG_ID: &str = "fuse-log-id";
/// How long the broker knows the ids of messages, so that one that is sent again is stored once.
const DUPLICATES: Duration = Duration::from_secs(120);

/// What fuse uses at the broker.
pub(super) struct Places {
    pub(super) context: Context,
    pub(super) stream: Stream,
    pub(super) snapshots: ObjectStore,
    /// The id of the log.
    pub(super) log: String,
}

/// Tries something at the broker again while it elects leaders, for example.
pub(super) async fn patiently<T, F>(attempt: impl Fn() -> F) -> Result<T, JetStreamError>
where
    F: Future<Output = Result<T, JetStreamError>>,
{
    let until = tokio::time::Instant::now() + CONNECT_TIME;
    let mut attempts = 0_u32;
    loop {
        match attempt().await {
            Err(error @ JetStreamError::Broker { .. }) if tokio::time::Instant::now() < until => {
                if attempts.is_multiple_of(LOGGED_ATTEMPTS) {
                    tracing::warn!(%error, "the broker is not ready yet; retrying");
                }
                attempts = attempts.saturating_add(1);
                tokio::time::sleep(RETRY_AFTER).await;
            }
            done => return done,
        }
    }
}

/// What is known of the log now.
pub(super) async fn info(stream: &Stream) -> Result<Info, JetStreamError> {
    patiently(|| async {
        stream.get_info().await.map_err(|error| broker("read the stream", error))
    })
    .await
}

/// Why a copy that has the log up to `position` cannot be continued with this log. `None` if it can.
pub(super) async fn discontinuity(
    stream: &Stream,
    position: &Position,
) -> Result<Option<String>, JetStreamError> {
    let Position { applied, published, .. } = *position;
    let until = tokio::time::Instant::now() + LAGS_FOR;
    loop {
        let state = info(stream).await?.state;
        let (first, last) = (state.first_sequence, state.last_sequence);
        if applied.saturating_add(1) < first {
            return Ok(Some(format!("it begins with message {first}, after message {applied}")));
        }
        if last < applied {
            // A server that became the leader a moment ago may not know the last messages yet.
            if tokio::time::Instant::now() >= until {
                return Ok(Some(format!("it ends with message {last}: the servers lost messages")));
            }
            tokio::time::sleep(RETRY_AFTER).await;
            continue;
        }
        if applied == 0 || applied < first {
            return Ok(None);
        }
        let message = patiently(|| async {
            let message = stream.get_raw_message(applied).await;
            message.map_err(|error| broker("read the last message that was applied", error))
        });
        let is_same = message.await?.time.unix_timestamp_nanos() == published;
        let other = || format!("its message {applied} is another one: the servers lost messages");
        return Ok((!is_same).then(other));
    }
}

/// Connects, and creates what is missing.
pub(super) async fn open(options: &JetStreamOptions) -> Result<Places, JetStreamError> {
    let context = context(options).await?;
    let stream = patiently(|| log_stream(&context, options)).await?;
    let snapshots = patiently(|| snapshot_store(&context, options, &stream)).await?;
    let log = stream.cached_info().config.metadata.get(LOG_ID).cloned().unwrap_or_default();
    Ok(Places { context, stream, snapshots, log })
}

/// Connects. What is missing is an error.
pub(super) async fn find(options: &JetStreamOptions) -> Result<Places, JetStreamError> {
    let context = context(options).await?;
    let missing = |what: String, error: &dyn std::fmt::Display| {
        broker(&format!("find {what}; `fuse backend init` creates it"), error)
    };
    let (name, bucket) = (options.stream(), options.bucket());
    let stream = context.get_stream(&name).await;
    let stream = stream.map_err(|error| missing(format!("the stream `{name}`"), &error))?;
    let stream = checked(stream, options)?;
    let snapshots = context.get_object_store(&bucket).await;
    let snapshots =
        snapshots.map_err(|error| missing(format!("the object store `{bucket}`"), &error))?;
    let log = stream.cached_info().config.metadata.get(LOG_ID).cloned().unwrap_or_default();
    Ok(Places { context, stream, snapshots, log })
}

async fn context(options: &JetStreamOptions) -> Result<Context, JetStreamError> {
    let client = connect(options).await?;
    check_version(&client)?;
    let mut context = jetstream::new(client);
    context.set_timeout(ANSWER_TIME);
    Ok(context)
}

async fn connect(options: &JetStreamOptions) -> Result<Client, JetStreamError> {
    let failed = |problem: String| JetStreamError::Connect {
        servers: without_passwords(&options.servers),
        problem,
    };
    let mut connecting = ConnectOptions::new().name("fuse").connection_timeout(ANSWER_TIME);
    connecting = match &options.login {
        // The client does not use what the URL has.
        Login::None => match in_url(&options.servers) {
            Some((name, Some(password))) => connecting.user_and_password(name, password),
            Some((token, None)) => connecting.token(token),
            None => connecting,
        },
        Login::Password(name, password) => {
            connecting.user_and_password(name.clone(), password.expose().to_owned())
        }
        Login::Token(token) => connecting.token(token.expose().to_owned()),
        Login::NKey(seed) => connecting.nkey(seed.expose().to_owned()),
        Login::Credentials(credentials) => connecting
            .credentials(credentials.expose())
            .map_err(|_| failed("the credentials are not those of a `.creds` file".to_owned()))?,
    };
    if let Some(path) = &options.ca_file {
        connecting = connecting.add_root_certificates(path.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &options.client_cert {
        connecting =
            connecting.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
    }
    let until = tokio::time::Instant::now() + CONNECT_TIME;
    loop {
        let servers: Vec<String> =
            options.servers.split(',').map(|one| one.trim().to_owned()).collect();
        match connecting.clone().connect(servers).await {
            Ok(client) => return Ok(client),
            Err(error) => {
                let is_final = matches!(
                    error.kind(),
                    async_nats::ConnectErrorKind::ServerParse
                        | async_nats::ConnectErrorKind::Authentication
                        | async_nats::ConnectErrorKind::AuthorizationViolation
                        | async_nats::ConnectErrorKind::Tls
                );
                if is_final || tokio::time::Instant::now() >= until {
                    return Err(failed(error.to_string()));
                }
                tracing::warn!(%error, "cannot connect to NATS yet; retrying");
                tokio::time::sleep(RETRY_AFTER).await;
            }
        }
    }
}

/// The name and password in a URL, or the token alone.
fn in_url(servers: &str) -> Option<(String, Option<String>)> {
    let decoded =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let first = servers.split(',').next()?;
    let (login, _) = first.split_once("://").map_or(first, |(_, rest)| rest).rsplit_once('@')?;
    Some(match login.split_once(':') {
        Some((name, password)) => (decoded(name), Some(decoded(password))),
        None => (decoded(login), None),
    })
}

/// The URLs of servers, without the passwords that they may have.
pub(super) fn without_passwords(servers: &str) -> String {
    let each = servers.split(',').map(|url| match url.rsplit_once('@') {
        Some((before, host)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://{host}"),
            None => host.to_owned(),
        },
        None => url.to_owned(),
    });
    each.collect::<Vec<_>>().join(",")
}

fn check_version(client: &Client) -> Result<(), JetStreamError> {
    let version = client.server_info().version;
    let mut numbers = version.split(['.', '-']).map_while(|part| part.parse::<u64>().ok());
    let mut next = || numbers.next().unwrap_or_default();
    let found = (next(), next(), next());
    if found < OLDEST {
        let (major, minor, patch) = OLDEST;
        return Err(JetStreamError::Unsupported(format!(
            "nats-server {version} can lose streams when it is killed: use {major}.{minor}.{patch} or later"
        )));
    }
    Ok(())
}

/// The stream of the log, which is created if there is none.
async fn log_stream(
    context: &Context,
    options: &JetStreamOptions,
) -> Result<Stream, JetStreamError> {
    let name = options.stream();
    match context.get_stream(&name).await {
        Ok(stream) => return checked(stream, options),
        Err(error) if is_missing(&error.kind()) => {}
        Err(error) => return Err(broker(&format!("read the stream `{name}`"), error)),
    }
    let config = |copies| Config {
        name: name.clone(),
        description: Some("Every change of fuse's state, in order".to_owned()),
        subjects: vec![options.subject()],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_bytes: -1,
        storage: StorageType::File,
        num_replicas: copies,
        duplicate_window: DUPLICATES,
        // fuse compresses bodies itself. A server that is killed can damage a compressed file, and then stays behind.
        compression: Some(Compression::None),
        deny_delete: true,
        metadata: HashMap::from([(LOG_ID.to_owned(), Uuid::now_v7().simple().to_string())]),
        ..Config::default()
    };
    let copies = options.copies.max(1);
    let created = match context.create_stream(config(copies)).await {
        Err(error) if copies > 1 && is_not_clustered(&error) => {
            tracing::warn!("the NATS server stands alone: it keeps one copy of the state");
            context.create_stream(config(1)).await
        }
        created => created,
    };
    match created {
        Ok(stream) => checked(stream, options),
        // Another replica may have created it meanwhile.
        Err(error) => match context.get_stream(&name).await {
            Ok(stream) => checked(stream, options),
            Err(_) => Err(broker(&format!("create the stream `{name}`"), error)),
        },
    }
}

fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

fn is_not_clustered(error: &CreateStreamError) -> bool {
    use async_nats::jetstream::context::CreateStreamErrorKind::JetStream;
    matches!(error.kind(), JetStream(error)
        if error.error_code() == ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED)
}

/// A stream that keeps every message, in files, until fuse removes it.
fn checked(stream: Stream, options: &JetStreamOptions) -> Result<Stream, JetStreamError> {
    let config = &stream.cached_info().config;
    let problem = if !config.metadata.contains_key(LOG_ID) {
        "was not made by fuse: remove it, or choose another `name`"
    } else if config.storage != StorageType::File {
        "is kept in memory: a restart of the servers loses the state"
    } else if config.retention != RetentionPolicy::Limits
        || !config.max_age.is_zero()
        || config.discard != DiscardPolicy::New
    {
        "drops messages by itself: it needs the retention `limits`, no `max_age`, and `discard` `new`"
    } else if config.subjects != [options.subject()] {
        "has other subjects"
    } else {
        return Ok(stream);
    };
    Err(JetStreamError::Stream { stream: config.name.clone(), problem: problem.to_owned() })
}

/// The object store of the snapshots, which is created if there is none.
async fn snapshot_store(
    context: &Context,
    options: &JetStreamOptions,
    log: &Stream,
) -> Result<ObjectStore, JetStreamError> {
    let bucket = options.bucket();
    if let Ok(store) = context.get_object_store(&bucket).await {
        return Ok(store);
    }
    let config = object_store::Config {
        bucket: bucket.clone(),
        description: Some("Copies of fuse's state, so that its log can be cut".to_owned()),
        storage: StorageType::File,
        num_replicas: log.cached_info().config.num_replicas,
        // As for the log.
        compression: false,
        ..object_store::Config::default()
    };
    match context.create_object_store(config).await {
        Ok(store) => Ok(store),
        Err(error) => match context.get_object_store(&bucket).await {
            Ok(store) => Ok(store),
            Err(_) => Err(broker(&format!("create the object store `{bucket}`"), error)),
        },
    }
}
