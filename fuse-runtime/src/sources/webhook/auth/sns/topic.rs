//! The name of a topic, and the URLs of its region.

use reqwest::Url;
use serde::Deserialize;

/// A topic by its ARN, as in `arn:aws:sns:eu-west-1:123456789012:alarms`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in super::super) struct Topic {
    arn: String,
    /// The host of SNS in the region of the topic.
    host: String,
}

/// A text that is not the ARN of a topic.
#[derive(Debug, thiserror::Error)]
#[error(
    "has `{0}`, which is not the ARN of a topic, as in `arn:aws:sns:eu-west-1:123456789012:alarms`"
)]
pub(in super::super) struct NotATopic(String);

impl TryFrom<String> for Topic {
    type Error = NotATopic;

    fn try_from(arn: String) -> Result<Self, NotATopic> {
        match host(&arn) {
            Some(host) => Ok(Self { arn, host }),
            None => Err(NotATopic(arn)),
        }
    }
}

/// The host of SNS in the region of a topic.
fn host(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", partition, "sns", region, account, name] = parts.as_slice() else { return None };
    let domain = match *partition {
        "aws" | "aws-us-gov" => "amazonaws.com",
        "aws-cn" => "amazonaws.com.cn",
        _ => return None,
    };
    let is = |text: &str, allowed: fn(u8) -> bool| !text.is_empty() && text.bytes().all(allowed);
    let is_region =
        is(region, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let is_account = is(account, |byte| byte.is_ascii_digit());
    let is_name = is(name, |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    (is_region && is_account && is_name).then(|| format!("sns.{region}.{domain}"))
}

impl Topic {
    pub(super) fn arn(&self) -> &str {
        &self.arn
    }

    /// The URL of a certificate, if it is one of SNS in the region of the topic.
    pub(super) fn certificate_url(&self, text: &str) -> Option<Url> {
        let url = self.url(text)?;
        let name = url.path().strip_prefix("/SimpleNotificationService-")?.strip_suffix(".pem")?;
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_name && url.query().is_none()).then_some(url)
    }

    /// The URL that confirms a subscription, if it is one of SNS in the region of the topic.
    pub(super) fn confirmation_url(&self, text: &str) -> Option<Url> {
        let url = self.url(text)?;
        let mut pairs = url.query_pairs();
        let confirms = pairs.any(|pair| pair == ("Action".into(), "ConfirmSubscription".into()));
        (confirms && url.path() == "/").then_some(url)
    }

    fn url(&self, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok()?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        let is_sns = url.scheme() == "https"
            && url.host_str() == Some(&self.host)
            && url.port().is_none()
            && url.fragment().is_none()
            && !has_user;
        is_sns.then_some(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(arn: &str) -> Option<Topic> {
        Topic::try_from(arn.to_owned()).ok()
    }

    #[test]
    fn a_topic_has_a_host() {
        for (arn, expected) in [
            ("arn:aws:sns:eu-west-1:123456789012:alarms", Some("sns.eu-west-1.amazonaws.com")),
            ("arn:aws:sns:us-east-1:1:a.fifo", Some("sns.us-east-1.amazonaws.com")),
            ("arn:aws-cn:sns:cn-north-1:1:a", Some("sns.cn-north-1.amazonaws.com.cn")),
            ("arn:aws-us-gov:sns:us-gov-west-1:1:a", Some("sns.us-gov-west-1.amazonaws.com")),
            ("arn:aws:sqs:eu-west-1:123456789012:alarms", None),
            ("arn:aws:sns:evil.example/:123456789012:alarms", None),
            ("arn:aws:sns:EU-west-1:123456789012:alarms", None),
            ("arn:aws:sns::123456789012:alarms", None),
            ("arn:other:sns:eu-west-1:123456789012:alarms", None),
            ("arn:aws:sns:eu-west-1:123456789012:alarms:0b2c", None),
            ("alarms", None),
        ] {
            assert_eq!(topic(arn).map(|topic| topic.host).as_deref(), expected, "{arn}");
        }
    }

    #[test]
    fn urls_are_those_of_the_region() {
        let topic = topic("arn:aws:sns:eu-west-1:123456789012:alarms").unwrap();
        let certificate = |text: &str| topic.certificate_url(text).is_some();
        assert!(certificate(
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem"
        ));
        assert!(certificate(
            "https://sns.eu-west-1.amazonaws.com:443/SimpleNotificationService-0.pem"
        ));
        for wrong in [
            "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0a1b.pem",
            "https://evil.example/SimpleNotificationService-0a1b.pem",
            "https://evil@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0a1b.pem",
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem?x=1",
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-.pem",
            "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-a%2Fb.pem",
            "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
            "https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "not a URL",
        ] {
            assert!(!certificate(wrong), "{wrong}");
        }
        let confirms = |text: &str| topic.confirmation_url(text).is_some();
        let base = "https://sns.eu-west-1.amazonaws.com";
        assert!(confirms(&format!("{base}/?Action=ConfirmSubscription&TopicArn=a&Token=b")));
        for wrong in ["/?Action=DeleteTopic&TopicArn=a", "/", "/x?Action=ConfirmSubscription"] {
            assert!(!confirms(&format!("{base}{wrong}")), "{wrong}");
        }
        assert!(!confirms("https://evil.example/?Action=ConfirmSubscription"));
    }
}
