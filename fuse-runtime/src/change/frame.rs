//! How a change is written to a log: as JSON, followed by the rows of its events as bytes.
//!
//! A frame is a sequence of parts, each with its length before it (4 bytes, big-endian). A change is a part of JSON, the
//! number of its rows (4 bytes), and the rows.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::deep_json;

/// Why bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("it is truncated")]
    Truncated,
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("it is too large")]
    TooLarge,
    #[cfg(feature = "jetstream")]
    #[error("a newer fuse wrote it (format {found}, and this one knows {known}): upgrade this one")]
    Newer { found: u32, known: u32 },
}

/// Adds a change with its rows.
pub(crate) fn put_change(
    bytes: &mut Vec<u8>,
    change: &impl Serialize,
    rows: &[&[u8]],
) -> Result<(), FrameError> {
    put_json(bytes, change)?;
    put_length(bytes, rows.len())?;
    for row in rows {
        put_length(bytes, row.len())?;
        bytes.extend_from_slice(row);
    }
    Ok(())
}

/// Takes a change and its rows.
pub(crate) fn take_change<C: DeserializeOwned>(
    bytes: &mut &[u8],
) -> Result<(C, Vec<Vec<u8>>), FrameError> {
    let change = deep_json::from_slice(take_part(bytes)?)?;
    let count = take_length(bytes)?;
    let mut rows = Vec::new();
    for _ in 0..count {
        rows.push(take_part(bytes)?.to_vec());
    }
    Ok((change, rows))
}

/// Adds a part of JSON.
pub(crate) fn put_json(bytes: &mut Vec<u8>, value: &impl Serialize) -> Result<(), FrameError> {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; 4]);
    serde_json::to_writer(&mut *bytes, value)?;
    let length = bytes.len().saturating_sub(start).saturating_sub(4);
    let length = u32::try_from(length).map_err(|_| FrameError::TooLarge)?;
    if let Some(place) = bytes.get_mut(start..).and_then(|rest| rest.first_chunk_mut::<4>()) {
        *place = length.to_be_bytes();
    }
    Ok(())
}

/// Takes a part.
pub(crate) fn take_part<'b>(bytes: &mut &'b [u8]) -> Result<&'b [u8], FrameError> {
    let length = take_length(bytes)?;
    let (part, rest) = bytes.split_at_checked(length).ok_or(FrameError::Truncated)?;
    *bytes = rest;
    Ok(part)
}

fn put_length(bytes: &mut Vec<u8>, length: usize) -> Result<(), FrameError> {
    let length = u32::try_from(length).map_err(|_| FrameError::TooLarge)?;
    bytes.extend_from_slice(&length.to_be_bytes());
    Ok(())
}

fn take_length(bytes: &mut &[u8]) -> Result<usize, FrameError> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(FrameError::Truncated)?;
    *bytes = rest;
    usize::try_from(u32::from_be_bytes(*length)).map_err(|_| FrameError::Truncated)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Actions have parts of events, which may be as deep as the intake permits.
    #[test]
    fn what_is_deep_can_be_read_again() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let deep: Value = crate::deep_json::from_slice(deep.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        put_change(&mut bytes, &deep, &[]).unwrap();
        let (read, rows): (Value, _) = take_change(&mut bytes.as_slice()).unwrap();
        assert_eq!((read, rows), (deep, Vec::<Vec<u8>>::new()));
    }
}
