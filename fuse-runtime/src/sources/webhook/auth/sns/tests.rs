//! Messages that were signed by the published scheme with another implementation, and messages that differ from them.

use serde_json::{Value, json};

use super::certificates::SigningCertificate;
use super::*;

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:alarms";

fn messages() -> Vec<Value> {
    serde_json::from_str(include_str!("testdata/messages.json")).unwrap()
}

fn config() -> SnsConfig {
    serde_json::from_value(json!({ "topics": [TOPIC] })).unwrap()
}

/// A source that has downloaded the certificate.
fn known() -> SnsConfig {
    let config = config();
    let url = messages()[0]["SigningCertURL"].as_str().unwrap().parse().unwrap();
    let pem = include_bytes!("testdata/certificate.pem");
    config.certificates.add(url, SigningCertificate::from_pem(pem).unwrap());
    config
}

async fn check(config: &SnsConfig, now: &str, body: &[u8]) -> Result<(), Denied> {
    SnsClaim { config: config.clone(), now: now.parse().unwrap() }.check(body).await
}

const NOW: &str = "2026-11-29T10:05:00Z";

#[tokio::test]
async fn messages_of_all_kinds_and_versions_are_accepted() {
    let config = known();
    for message in messages() {
        let body = message.to_string();
        assert_eq!(check(&config, NOW, body.as_bytes()).await, Ok(()), "{body}");
        // SNS repeats it for hours with the same time.
        assert_eq!(check(&config, "2026-11-30T09:59:00Z", body.as_bytes()).await, Ok(()));
        for time in ["2026-11-30T10:00:01Z", "2026-11-28T09:59:59Z"] {
            assert!(check(&config, time, body.as_bytes()).await.is_err(), "{time}");
        }
    }
}

#[tokio::test]
async fn a_message_with_any_signed_text_changed_is_refused() {
    let config = known();
    for message in messages() {
        for (name, value) in message.as_object().unwrap() {
            // A certificate at another URL would be downloaded.
            let Some(text) = value.as_str().filter(|_| name != "SigningCertURL") else { continue };
            for (at, char) in text.char_indices() {
                let other = if char == 'A' { 'B' } else { 'A' };
                let changed = format!("{}{other}{}", &text[..at], &text[at + char.len_utf8()..]);
                let mut mutant = message.clone();
                mutant[name] = changed.clone().into();
                let body = mutant.to_string();
                // The last digit of base64 has bits that mean nothing, which is not base64 then.
                assert!(check(&config, NOW, body.as_bytes()).await.is_err(), "{name}: {changed}");
            }
            let mut missing = message.clone();
            missing.as_object_mut().unwrap().remove(name);
            assert!(check(&config, NOW, missing.to_string().as_bytes()).await.is_err(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_field_cannot_be_moved_into_another_one() {
    let config = known();
    let mut message = messages().remove(0);
    let subject = message.as_object_mut().unwrap().remove("Subject").unwrap();
    let id = format!(
        "{}\nSubject\n{}",
        message["MessageId"].as_str().unwrap(),
        subject.as_str().unwrap()
    );
    message["MessageId"] = id.into();
    assert!(check(&config, NOW, message.to_string().as_bytes()).await.is_err());
}

#[tokio::test]
async fn a_field_that_is_repeated_is_refused() {
    let config = known();
    let body = messages()[0].to_string();
    let repeated = body.replacen('{', "{\"Message\": \"other\",", 1);
    let denied = check(&config, NOW, repeated.as_bytes()).await.unwrap_err();
    assert_eq!(denied.reason(), "the body is not a message of SNS");
}

#[tokio::test]
async fn a_message_of_another_topic_is_refused_however_it_is_signed() {
    let other = json!({ "topics": ["arn:aws:sns:eu-west-1:123456789012:other"] });
    let config = serde_json::from_value(other).unwrap();
    let denied = check(&config, NOW, messages()[0].to_string().as_bytes()).await.unwrap_err();
    assert_eq!(denied.reason(), "the topic is not in `topics`");
}

#[tokio::test]
async fn a_certificate_from_elsewhere_is_never_downloaded() {
    let config = known();
    for url in [
        "https://evil.example/SimpleNotificationService-0a1b2c3d.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b2c3d.pem",
    ] {
        let mut message = messages().remove(0);
        message["SigningCertURL"] = url.into();
        let denied = check(&config, NOW, message.to_string().as_bytes()).await.unwrap_err();
        assert_eq!(denied.reason(), "the certificate is not from SNS in the region of the topic");
    }
}

#[test]
fn only_confirmations_ask_for_something() {
    let config = config();
    let asked = messages().into_iter().map(|message| {
        match config.request(message.to_string().as_bytes()) {
            None => "nothing".to_owned(),
            Some(SnsRequest::Confirm { topic, url }) => format!("confirm {topic} at {url}"),
            Some(SnsRequest::ConfirmElsewhere { topic }) => format!("confirm {topic} elsewhere"),
            Some(SnsRequest::Ended { topic }) => format!("{topic} ended"),
        }
    });
    let url = messages()[2]["SubscribeURL"].as_str().unwrap().to_owned();
    assert_eq!(
        asked.collect::<Vec<_>>(),
        [
            "nothing".to_owned(),
            "nothing".to_owned(),
            format!("confirm {TOPIC} at {url}"),
            format!("{TOPIC} ended"),
        ]
    );
}
