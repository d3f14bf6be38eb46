//! Signed requests with one changed byte.

use proptest::prelude::*;

use super::*;

proptest! {
    /// No byte of a signed request can be changed.
    #[test]
    fn a_request_with_a_changed_byte_is_refused(
        body in prop::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0_u32..7,
    ) {
        let changed = |text: &[u8]| {
            let mut text = text.to_vec();
            let at = at.index(text.len());
            text[at] ^= 1 << bit;
            text
        };
        let (id, time) = ("msg_1", "1614265330");
        let signed = [id.as_bytes(), b".", time.as_bytes(), b".", &body].concat();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"secret");
        let mac = data_encoding::BASE64.encode(ring::hmac::sign(&key, &signed).as_ref());
        let signature = format!("v1,{mac}");
        let key = data_encoding::BASE64.encode(b"secret");
        let checks = checks(STANDARD, &[("K", &key)]);
        let sent = |id: &[u8], time: &[u8], signature: &[u8], body: &[u8]| {
            let (id, time) = (String::from_utf8_lossy(id), String::from_utf8_lossy(time));
            let signature = String::from_utf8_lossy(signature);
            let headers =
                [("webhook-id", &*id), ("webhook-timestamp", &*time), ("webhook-signature", &*signature)];
            checks.sent(&Sent { headers: &headers, body, now: 1_614_265_330 })
        };
        let (id, time, signature) = (id.as_bytes(), time.as_bytes(), signature.as_bytes());
        prop_assert_eq!(sent(id, time, signature, &body), Ok(()));
        prop_assert!(sent(&changed(id), time, signature, &body).is_err());
        prop_assert!(sent(id, &changed(time), signature, &body).is_err());
        prop_assert!(sent(id, time, &changed(signature), &body).is_err());
        prop_assert!(sent(id, time, signature, &changed(&body)).is_err());
    }
}
