//! Amazon SNS, whose endpoint a proxy of this machine plays: fuse downloads certificates and confirms subscriptions
//! over TLS.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use data_encoding::BASE64;
use jiff::{Timestamp, ToSpan as _};
use reqwest::Method;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Map, Value, json};

use super::{PORT, changed, nothing_was_stored, refused};
use crate::support::tls::{Authority, Issued};
use crate::support::{Fuse, Reply, Setup, until};

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:alarms";
const HOST: &str = "sns.eu-west-1.amazonaws.com";
const CERTIFICATE: &str =
    include_str!("../../../fuse-runtime/src/sources/webhook/auth/sns/testdata/certificate.pem");
const KEY: &str =
    include_str!("../../../fuse-runtime/src/sources/webhook/auth/sns/testdata/key.pem");

/// The endpoint of SNS, behind a proxy.
struct Aws {
    port: u16,
    authority: Authority,
    /// Each request: the host and the path.
    asked: Arc<Mutex<Vec<String>>>,
    /// Whether it answers with errors.
    is_down: Arc<Mutex<bool>>,
}

impl Aws {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let authority = Authority::new();
        let issued = authority.issue(&[HOST]);
        let aws = Self {
            port: listener.local_addr().unwrap().port(),
            authority,
            asked: Arc::default(),
            is_down: Arc::default(),
        };
        let config = server_config(&issued);
        let (asked, is_down) = (Arc::clone(&aws.asked), Arc::clone(&aws.is_down));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that gives up is its own matter.
                let _served = serve(stream.unwrap(), &config, &asked, &is_down);
            }
        });
        aws
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn server_config(issued: &Issued) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.der.clone()], key);
    Arc::new(config.unwrap())
}

fn serve(
    mut stream: TcpStream,
    config: &Arc<ServerConfig>,
    asked: &Mutex<Vec<String>>,
    is_down: &Mutex<bool>,
) -> std::io::Result<()> {
    let connect = head(&mut stream)?;
    let host = connect.split_whitespace().nth(1).unwrap_or_default().to_owned();
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let session = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut stream = StreamOwned::new(session, stream);
    let request = head(&mut stream)?;
    let path = request.split_whitespace().nth(1).unwrap_or_default();
    asked.lock().unwrap().push(format!("{host}{path}"));
    let (status, body) = match *is_down.lock().unwrap() {
        true => ("503 Service Unavailable", ""),
        false if path.ends_with("/SimpleNotificationService-0a1b2c3d.pem") => {
            ("200 OK", CERTIFICATE)
        }
        false if path.starts_with("/?Action=ConfirmSubscription&") => ("200 OK", "<Confirmed/>"),
        false => ("404 Not Found", ""),
    };
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// The head of a request.
fn head(stream: &mut impl Read) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap())
}

async fn start(aws: &Aws) -> Fuse {
    let rules = format!(
        r#"
        source aws sns {{
          port = 12000
          topics = ["{TOPIC}"]
          event alarm
        }}
        sensor s on aws.alarm {{
          rule r {{
            when body.NewStateValue == "ALARM"
            trigger log {{ message = body.AlarmName }}
          }}
        }}"#
    );
    Setup::rules(&rules)
        .file("authority.pem", &aws.authority.pem())
        .variable("HTTPS_PROXY", &format!("http://127.0.0.1:{}", aws.port))
        .variable("SSL_CERT_FILE", "rules/authority.pem")
        .start()
        .await
}

/// A signed message of this type, with these fields.
fn message(kind: &str, time: Timestamp, fields: Value) -> String {
    let mut message = Map::new();
    message.insert("Type".into(), kind.into());
    message.insert("MessageId".into(), format!("id-{}", time.as_nanosecond()).into());
    message.insert("TopicArn".into(), TOPIC.into());
    message.insert("Timestamp".into(), format!("{time:.3}").into());
    message.extend(fields.as_object().unwrap().clone());
    let signed: &[&str] = match kind {
        "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    };
    let mut text = String::new();
    for name in signed {
        if let Some(value) = message.get(*name) {
            text.push_str(&format!("{name}\n{}\n", value.as_str().unwrap()));
        }
    }
    let PrivateKeyDer::Pkcs8(key) = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap() else {
        panic!("a key in PKCS #8");
    };
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    let random = SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
    message.insert("SignatureVersion".into(), "2".into());
    message.insert("Signature".into(), BASE64.encode(&signature).into());
    let url = format!("https://{HOST}/SimpleNotificationService-0a1b2c3d.pem");
    message.entry("SigningCertURL").or_insert(url.into());
    Value::Object(message).to_string()
}

const ALARM: &str = r#"{"AlarmName": "cpu", "AlarmDescription": null, "AWSAccountId": "123456789012",
    "NewStateValue": "ALARM", "NewStateReason": "high", "OldStateValue": "OK",
    "StateChangeTime": "2026-08-01T10:00:00.000+0000", "Region": "EU (Ireland)"}"#;

fn notification(time: Timestamp) -> String {
    message("Notification", time, json!({ "Message": ALARM }))
}

fn confirmation(url: &str) -> String {
    let fields = json!({ "Message": "You have chosen to subscribe.", "Token": "2336412f37", "SubscribeURL": url });
    message("SubscriptionConfirmation", Timestamp::now(), fields)
}

async fn send(fuse: &Fuse, body: &str) -> Reply {
    send_to(fuse, TOPIC, body).await
}

async fn send_to(fuse: &Fuse, topic: &str, body: &str) -> Reply {
    let headers = [("content-type", "text/plain; charset=UTF-8"), ("x-amz-sns-topic-arn", topic)];
    fuse.request(Method::POST, (PORT, "/sns"), &headers, body.to_owned()).await
}

#[tokio::test]
async fn a_subscription_is_confirmed_and_its_messages_are_events() {
    let aws = Aws::start();
    let fuse = start(&aws).await;
    let url =
        format!("https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37");
    assert_eq!(send(&fuse, &confirmation(&url)).await.status, 200);
    let certificate = format!("{HOST}:443/SimpleNotificationService-0a1b2c3d.pem");
    let confirmed =
        format!("{HOST}:443/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37");
    assert_eq!(aws.asked(), [certificate, confirmed]);
    nothing_was_stored(&fuse).await;

    let body = notification(Timestamp::now());
    let event = send(&fuse, &body).await.event(202);
    let decided = fuse.settled(&event).await.to_string();
    assert!(decided.contains("\"cpu\""), "{decided}");
    // SNS repeats what it has no answer to.
    assert_eq!(send(&fuse, &body).await.status, 200);
    assert_eq!(aws.asked().len(), 2, "the certificate is downloaded once");

    let ended =
        json!({ "Message": "You have chosen to deactivate.", "Token": "1", "SubscribeURL": url });
    let ended = message("UnsubscribeConfirmation", Timestamp::now(), ended);
    assert_eq!(send(&fuse, &ended).await.status, 200);
    assert_eq!(aws.asked().len(), 2, "nothing is subscribed again");
    until("it is logged", async || {
        fuse.log().contains("the subscription to the topic ended").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_message_with_any_byte_changed_is_refused() {
    let aws = Aws::start();
    let fuse = start(&aws).await;
    let body = notification(Timestamp::now());
    // What names the certificate is in the next test: a URL like this one would be downloaded.
    let url = body.find("\"SigningCertURL\"").unwrap();
    for at in 0..url {
        refused(&send(&fuse, &changed(&body, at)).await, &format!("byte {at}"));
    }
    assert_eq!(send(&fuse, &body).await.status, 202);
}

#[tokio::test]
async fn other_topics_stale_messages_and_other_urls_are_refused() {
    let aws = Aws::start();
    let fuse = start(&aws).await;
    let now = Timestamp::now();
    for stale in [now - 25.hours(), now + 25.hours()] {
        refused(&send(&fuse, &notification(stale)).await, "stale");
    }
    let other = "arn:aws:sns:eu-west-1:999999999999:alarms";
    let of_other = json!({ "Message": ALARM, "TopicArn": other });
    let of_other = message("Notification", now, of_other);
    refused(&send_to(&fuse, other, &of_other).await, "another topic");
    refused(&send_to(&fuse, TOPIC, &of_other).await, "another topic, with a header of this one");
    refused(&send(&fuse, "{}").await, "no message");
    let url = json!({ "Message": ALARM, "SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0a1b2c3d.pem" });
    refused(
        &send(&fuse, &message("Notification", now, url)).await,
        "a certificate of someone else",
    );
    assert_eq!(aws.asked(), Vec::<String>::new());

    let unknown = format!("https://{HOST}/SimpleNotificationService-ffff.pem");
    let unknown =
        message("Notification", now, json!({ "Message": ALARM, "SigningCertURL": unknown }));
    refused(&send(&fuse, &unknown).await, "no certificate");
    refused(&send(&fuse, &unknown).await, "no certificate");
    assert_eq!(aws.asked().len(), 1, "it is not tried again for a while");

    // It is signed, so SNS would have sent it, but fuse opens no other URL.
    let elsewhere = confirmation("https://evil.example/?Action=ConfirmSubscription");
    send(&fuse, &elsewhere).await.error(400);
    assert!(!aws.asked().iter().any(|url| url.contains("evil")), "{:?}", aws.asked());
    nothing_was_stored(&fuse).await;
}

#[tokio::test]
async fn sns_repeats_what_cannot_be_checked_or_confirmed_now() {
    let aws = Aws::start();
    let fuse = start(&aws).await;
    *aws.is_down.lock().unwrap() = true;
    send(&fuse, &notification(Timestamp::now())).await.error(503);
    nothing_was_stored(&fuse).await;
}
