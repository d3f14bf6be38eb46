//! Reads the body of a request, and decompresses it.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::answers::{RETRY_AFTER_MEMORY, refuse, unavailable};
use super::content_coding::{ACCEPTED, ContentCoding, DecompressError};
use super::request::{RefusedWith, bad_request};
use crate::http::{BodyBuffer, BodyError, InWork};
use crate::sources::{BodyFormat, FormatError};

/// How the body is compressed. Refuses a body by its headers, before it is read.
pub(super) fn check_type(
    format: BodyFormat,
    headers: &HeaderMap,
) -> Result<Option<ContentCoding>, RefusedWith> {
    let unsupported = |why: &str| Box::new(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    let coding = ContentCoding::of(headers).map_err(|why| {
        let mut response = unsupported(&why.to_string());
        let accepted = HeaderValue::from_static(ACCEPTED);
        response.headers_mut().insert(header::ACCEPT_ENCODING, accepted);
        response
    })?;
    if let Some(content_type) = headers.get(header::CONTENT_TYPE) {
        let content_type = String::from_utf8_lossy(content_type.as_bytes());
        format.accepts(&content_type).map_err(|why| unsupported(&why.to_string()))?;
    }
    Ok(coding)
}

/// Refuses a body by its announced length, before anything is read: a sender that waits for `100 Continue` sends no
/// byte of its body.
pub(super) fn check_length(body: &Body, limit: usize) -> Result<(), RefusedWith> {
    match body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        true => Err(too_large(limit)),
        false => Ok(()),
    }
}

/// The whole body, as it was sent.
pub(super) async fn read(mut body: Body, limit: usize) -> Result<Bytes, RefusedWith> {
    let announced = body.size_hint().exact().and_then(|length| usize::try_from(length).ok());
    let mut buffer = BodyBuffer::new(announced.map_or(limit, |length| length.min(limit)));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(unread)?;
        let Some(data) = frame.data_ref() else { continue };
        if !buffer.extend(data) {
            return Err(too_large(limit));
        }
    }
    Ok(buffer.into_bytes())
}

/// The body without its compression.
pub(super) async fn decompressed(
    coding: Option<ContentCoding>,
    body: Bytes,
    limit: usize,
    in_work: &Arc<InWork>,
) -> Result<Bytes, RefusedWith> {
    let Some(coding) = coding else { return Ok(body) };
    let turn = in_work.turn_to_decompress().await;
    let counted = Arc::clone(in_work);
    let decompressing = tokio::task::spawn_blocking(move || {
        // It continues if the sender disconnects.
        let _turn = turn;
        coding.decompress(&body, limit, |bytes| counted.take(bytes).is_ok())
    });
    match decompressing.await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(why @ (DecompressError::TooLarge(_) | DecompressError::Ratio))) => {
            Err(Box::new(refuse(StatusCode::PAYLOAD_TOO_LARGE, &why.to_string())))
        }
        Ok(Err(DecompressError::NoRoom)) => Err(not_arrived(BodyError::NoRoom)),
        Ok(Err(why @ DecompressError::Invalid { .. })) => Err(bad_request(&why.to_string())),
        Err(_panic) => {
            let why = "decompressing this body failed inside fuse; please report it";
            Err(Box::new(refuse(StatusCode::INTERNAL_SERVER_ERROR, why)))
        }
    }
}

/// Why a body could not be read.
fn unread(error: axum::Error) -> RefusedWith {
    match BodyError::find(&error) {
        Some(why) => not_arrived(why),
        None => bad_request(&format!("the body could not be read: {error}")),
    }
}

pub(super) fn not_arrived(why: BodyError) -> RefusedWith {
    Box::new(match why {
        BodyError::GivenUp | BodyError::TimedOut(_) => {
            refuse(StatusCode::REQUEST_TIMEOUT, &why.to_string())
        }
        BodyError::NoRoom | BodyError::Stopping => {
            unavailable(&why.to_string(), RETRY_AFTER_MEMORY)
        }
    })
}

fn too_large(limit: usize) -> RefusedWith {
    let why = FormatError::TooLarge { limit };
    Box::new(refuse(StatusCode::PAYLOAD_TOO_LARGE, &why.to_string()))
}
