//! `/state/backup`: a copy of the whole state. It contains the bodies of events, so it needs the right to read them.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;

use super::access::Requester;
use super::{Admin, failed};

/// How much is read from the copy at once, in bytes.
const CHUNK: usize = 256 << 10;

pub(super) async fn download(
    State(admin): State<Arc<Admin>>,
    Extension(caller): Extension<Requester>,
) -> Response {
    // Each copy needs room on the disk.
    let Ok(turn) = Arc::clone(&admin.copying).try_acquire_owned() else {
        return failed(StatusCode::SERVICE_UNAVAILABLE, "another backup is in progress");
    };
    // It keeps the permit until the copy is made, even if the client has gone.
    let backend = Arc::clone(&admin.backend);
    let made = tokio::spawn(async move { (backend.copy().await, turn) });
    let (made, turn) = match made.await {
        Ok(made) => made,
        Err(error) => return failed(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    };
    let copy = match made {
        Ok(Some(copy)) => copy,
        Ok(None) => {
            let why = "this backend has tools of its own for backups";
            return failed(StatusCode::NOT_IMPLEMENTED, why);
        }
        Err(error) => return failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    };
    let length = match copy.metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) => return failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    };
    tracing::info!(bytes = length, by = caller.name(), "the state was copied for a backup");
    let chunks = try_unfold((copy, turn), |(copy, turn)| async move {
        let read = tokio::task::spawn_blocking(move || chunk(copy));
        let (copy, chunk) = read.await.map_err(std::io::Error::other)??;
        Ok::<_, std::io::Error>((!chunk.is_empty()).then_some((chunk, (copy, turn))))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    (headers, Body::from_stream(chunks)).into_response()
}

/// The next bytes of a file. Empty at its end.
fn chunk(mut file: File) -> std::io::Result<(File, Bytes)> {
    let mut bytes = Vec::with_capacity(CHUNK);
    (&mut file).take(CHUNK as u64).read_to_end(&mut bytes)?;
    Ok((file, bytes.into()))
}
