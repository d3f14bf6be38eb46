//! Secrets that are written in base64.

/// The bytes of a base64 secret, which Standard Webhooks prefix with `whsec_`. `None` if it is not base64 or empty.
pub(crate) fn secret_from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("whsec_").unwrap_or(text).trim_end_matches('=');
    data_encoding::BASE64_NOPAD.decode(text.as_bytes()).ok().filter(|key| !key.is_empty())
}
