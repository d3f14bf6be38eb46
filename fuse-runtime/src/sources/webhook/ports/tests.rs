//! Requests in progress while secrets are read and the source stops.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::secrets::{Secret, SecretError, SecretRef, SecretStore, Secrets};
use crate::sources::testing::SourceTest;

/// The first read succeeds, and all others hang.
#[derive(Clone, Default)]
struct HangingSecrets {
    begun: watch::Sender<usize>,
}

#[async_trait]
impl SecretStore for HangingSecrets {
    async fn read(&self, _: &SecretRef) -> Result<Secret, SecretError> {
        self.begun.send_modify(|begun| *begun += 1);
        if *self.begun.borrow() > 1 {
            std::future::pending::<()>().await;
        }
        Ok(Secret::new("token"))
    }
}

#[tokio::test]
async fn a_stop_answers_requests_while_secrets_are_read() {
    let address: SocketAddr = {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        free.local_addr().unwrap()
    };
    let rules = format!(
        "source q webhook {{ port = {}, path = \"/e\", auth {{ bearer {{ token = env(\"T\") }} }}, event e }}",
        address.port()
    );
    let secrets = HangingSecrets::default();
    let source = SourceTest::new(&rules)
        .secrets(Secrets::new(secrets.clone()))
        .start(Webhook::new(address.ip()))
        .await
        .unwrap();
    let commits = source.held_commits();
    commits.send_modify(|(is_held, _)| *is_held = true);
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = "POST /e HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer token\r\n\
                   content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    connection.write_all(request.as_bytes()).await.unwrap();
    commits.subscribe().wait_for(|(_, waiting)| *waiting == 1).await.unwrap();
    secrets.begun.subscribe().wait_for(|begun| *begun == 2).await.unwrap();
    let stopping = tokio::spawn(source.stop());
    // The source reacts to the stop before the event is stored.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished());
    commits.send_modify(|(is_held, _)| *is_held = false);
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    stopping.await.unwrap();
}
