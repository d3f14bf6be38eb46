//! Encodings: `base64`, `base64-decode`, `hex`, `hex-decode`, `sha256`.

use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest as _, Sha256};

use super::{Call, CallResult, Function, ResultSize, Returns, fits, string};
use crate::value::{Kinds, Value, cut};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "base64",
        params: &[("text", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Longer(2),
        doc: "The UTF-8 bytes of the text as padded base64.",
        examples: &[
            (r#"base64("fuse")"#, Some(r#""ZnVzZQ==""#)),
            (r#"base64("é")"#, Some(r#""w6k=""#)),
        ],
        call: Call::Pure(|arguments| encoded(arguments, &BASE64)),
    },
    Function {
        name: "base64-decode",
        params: &[("text", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Arguments,
        doc: "The text that the base64 text encodes, in either alphabet, with or without padding. It must be UTF-8.",
        examples: &[
            (r#"base64-decode("ZnVzZQ==")"#, Some(r#""fuse""#)),
            (r#"base64-decode("Pz8_")"#, Some(r#""???""#)),
            (r#"base64-decode("/w==")"#, None),
            (r#"base64-decode("a b")"#, None),
        ],
        call: Call::Pure(base64_decode),
    },
    Function {
        name: "hex",
        params: &[("text", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Longer(2),
        doc: "The UTF-8 bytes of the text as lower-case hexadecimal digits.",
        examples: &[(r#"hex("é!")"#, Some(r#""c3a921""#)), (r#"hex("")"#, Some(r#""""#))],
        call: Call::Pure(|arguments| encoded(arguments, &HEXLOWER)),
    },
    Function {
        name: "hex-decode",
        params: &[("text", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::Arguments,
        doc: "The text that the hexadecimal digits encode. It must be UTF-8.",
        examples: &[
            (r#"hex-decode("66757365")"#, Some(r#""fuse""#)),
            (r#"hex-decode("C3a9")"#, Some(r#""é""#)),
            (r#"hex-decode("abc")"#, None),
            (r#"hex-decode("ff")"#, None),
        ],
        call: Call::Pure(|arguments| {
            let text = string(arguments, 0);
            match HEXLOWER_PERMISSIVE.decode(text.as_bytes()) {
                Ok(bytes) => decoded(bytes, text),
                Err(_) => {
                    Err(format!("`{}` does not consist of pairs of hexadecimal digits", cut(text))
                        .into())
                }
            }
        }),
    },
    Function {
        name: "sha256",
        params: &[("text", Kinds::STRING)],
        returns: Returns::Of(Kinds::STRING),
        size: ResultSize::AtMost(2),
        doc: "The SHA-256 digest of the text's UTF-8 bytes, as 64 hexadecimal digits.",
        examples: &[
            (
                r#"sha256("abc")"#,
                Some(r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#),
            ),
            (r#"sha256("abc") == sha256("abd")"#, Some("false")),
        ],
        call: Call::Pure(|arguments| {
            let digest = Sha256::digest(string(arguments, 0));
            Ok(Value::text(HEXLOWER.encode(&digest)))
        }),
    },
];

fn encoded(arguments: &[Value<'_>], encoding: &data_encoding::Encoding) -> CallResult {
    let text = string(arguments, 0);
    fits(encoding.encode_len(text.len()))?;
    Ok(Value::text(encoding.encode(text.as_bytes())))
}

fn base64_decode(arguments: &[Value<'_>]) -> CallResult {
    let text = string(arguments, 0);
    let standard = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    match BASE64_NOPAD.decode(standard.as_bytes()) {
        Ok(bytes) => decoded(bytes, text),
        Err(_) => Err(format!("`{}` is not base64", cut(text)).into()),
    }
}

fn decoded(bytes: Vec<u8>, text: &str) -> CallResult {
    String::from_utf8(bytes)
        .map(Value::text)
        .map_err(|_| format!("the bytes that `{}` encodes are not UTF-8", cut(text)).into())
}
