//! A message of SNS, and the text that its signature is of.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Deserialize;

use super::certificates::SigningCertificate;

/// The fields that SNS signs, and the signature. A field that is repeated is an error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SnsMessage {
    #[serde(rename = "Type")]
    pub(super) kind: SnsMessageKind,
    message: String,
    message_id: String,
    subject: Option<String>,
    #[serde(rename = "SubscribeURL")]
    pub(super) subscribe_url: Option<String>,
    /// Its text is signed.
    #[serde(rename = "Timestamp")]
    pub(super) time: SnsTime,
    token: Option<String>,
    pub(super) topic_arn: String,
    signature: String,
    signature_version: String,
    #[serde(rename = "SigningCertURL")]
    pub(super) signing_cert_url: String,
}

/// A time as it is written.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct SnsTime {
    pub(super) text: String,
    pub(super) time: Timestamp,
}

impl TryFrom<String> for SnsTime {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, jiff::Error> {
        Ok(Self { time: text.parse()?, text })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum SnsMessageKind {
    Notification,
    SubscriptionConfirmation,
    UnsubscribeConfirmation,
}

impl SnsMessageKind {
    fn name(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// The hash function of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureHash {
    /// Version 1, which SNS uses unless the topic is set to version 2.
    Sha1,
    /// Version 2.
    Sha256,
}

impl SnsMessage {
    pub(super) fn is_signed_by(&self, certificate: &SigningCertificate) -> bool {
        let hash = match self.signature_version.as_str() {
            "1" => SignatureHash::Sha1,
            "2" => SignatureHash::Sha256,
            _ => return false,
        };
        // With a line break, a part of one field could be taken for another one in the signed text.
        let lines = [
            Some(&self.message_id),
            self.subject.as_ref(),
            self.token.as_ref(),
            self.subscribe_url.as_ref(),
        ];
        if lines.into_iter().flatten().any(|text| text.chars().any(char::is_control)) {
            return false;
        }
        let signature = data_encoding::BASE64.decode(self.signature.as_bytes());
        signature.is_ok_and(|signature| {
            certificate.has_signed(hash, self.signed_text().as_bytes(), &signature)
        })
    }

    /// The text that is signed: some fields, by name, each as a line with its name and a line with its value.
    fn signed_text(&self) -> String {
        let is_notification = self.kind == SnsMessageKind::Notification;
        let confirmation = |value: &Option<String>| {
            (!is_notification).then(|| value.as_deref().unwrap_or_default().to_owned())
        };
        let fields = [
            ("Message", Some(self.message.clone())),
            ("MessageId", Some(self.message_id.clone())),
            ("Subject", self.subject.clone().filter(|_| is_notification)),
            ("SubscribeURL", confirmation(&self.subscribe_url)),
            ("Timestamp", Some(self.time.text.clone())),
            ("Token", confirmation(&self.token)),
            ("TopicArn", Some(self.topic_arn.clone())),
            ("Type", Some(self.kind.name().to_owned())),
        ];
        let mut text = String::new();
        for (name, value) in fields {
            let Some(value) = value else { continue };
            // Writing to a string cannot fail.
            let _ok = writeln!(text, "{name}\n{value}");
        }
        text
    }
}
