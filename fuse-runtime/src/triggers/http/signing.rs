//! Signatures of requests, by Standard Webhooks.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use sha2::Sha256;

use crate::secrets::secret_from_base64;

/// Adds the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`. `None` if the secret is not base64.
pub(super) fn sign(
    headers: &mut HeaderMap,
    secret: &str,
    id: &str,
    now: Timestamp,
    body: &[u8],
) -> Option<()> {
    let key = secret_from_base64(secret)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    let time = now.as_second();
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(body);
    let signature = data_encoding::BASE64.encode(&mac.finalize().into_bytes());
    for (name, value) in [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", time.to_string()),
        ("webhook-signature", format!("v1,{signature}")),
    ] {
        headers.insert(name, HeaderValue::from_str(&value).ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_published_vector_is_signed_alike() {
        let mut headers = HeaderMap::new();
        let now = Timestamp::from_second(1_614_265_330).unwrap();
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        sign(&mut headers, secret, id, now, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        assert_eq!(sign(&mut headers, "not base64!", id, now, b""), None);
    }
}
