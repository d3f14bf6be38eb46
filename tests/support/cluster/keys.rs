//! The files that the API server is given: the key of service accounts, and the static tokens.

use std::path::Path;

use data_encoding::BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

/// What stands before the 65 bytes of a P-256 key in a `SubjectPublicKeyInfo`: the two lengths,
/// and that it is such a key.
const PUBLIC_KEY_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Writes a new key pair. Two files, as some API servers do not find the public key in a private
/// one of this form.
pub(super) fn write_pair(private: &Path, public: &Path) {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
    let point = pair.public_key().as_ref();
    std::fs::write(private, pem("PRIVATE KEY", document.as_ref())).unwrap();
    std::fs::write(public, pem("PUBLIC KEY", &[&PUBLIC_KEY_HEAD, point].concat())).unwrap();
}

/// Writes the users: token, name, id, groups.
pub(super) fn write_users(file: &Path) {
    let lines = format!(
        "{admin},admin,admin,\"system:masters\"\n{narrow},narrow,narrow\n",
        admin = super::ADMIN,
        narrow = super::NARROW
    );
    std::fs::write(file, lines).unwrap();
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
