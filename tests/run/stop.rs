use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use fuse_rules::Ruleset;
use fuse_runtime::backend::Embedded;
use fuse_runtime::sources::{Sources, Webhook};
use fuse_runtime::triggers::{ActionFiles, Triggers};
use fuse_runtime::{Disk, Runtime, registry, rule_files};

use crate::support::{ALERTS, NOTIFICATION, Setup, example};

/// Sends a request but for its body, and comes back once the process asked for that: from then
/// on, the request is under way.
fn begin(port: u16, path: &str, body: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: fuse\r\nce-id: under-way\r\nce-source: test\r\n\
         content-length: {length}\r\nexpect: 100-continue\r\n\r\n"
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    reader.read_line(&mut line).unwrap();
    reader
}

#[tokio::test]
async fn sigterm_closes_half_requests_and_loses_nothing() {
    let mut fuse = Setup::seed().armed().start().await;
    let body = example("alertmanager-mixed.json");
    let before = fuse.post_as(NOTIFICATION, "before", example("argocd-sync-failed.json")).await;
    let before = before.event(202);
    let mut request = begin(fuse.port(ALERTS.0), ALERTS.1, &body);
    fuse.terminate();
    // The sender learns at once that nobody takes its event in: its connection is closed, or it is told so.
    let mut answer = String::new();
    let ended = request.read_to_string(&mut answer);
    let is_told = answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: ");
    assert!(ended.is_err() || answer.is_empty() || is_told, "{answer}");
    assert_eq!(fuse.ended().await, Some(0), "{}", fuse.log());
    assert!(fuse.log().contains("\"stopped\""), "{}", fuse.log());
    assert!(!fuse.log().contains("did not finish in time"), "{}", fuse.log());

    fuse.start_again().await;
    fuse.settled(&before).await;
    let again = fuse.post_as(ALERTS, "under-way", body).await.event(202);
    fuse.settled(&again).await;
    assert_eq!(fuse.manifests().len(), 2);
}

#[tokio::test]
async fn what_is_held_at_a_stop_is_done_after_the_next_start() {
    let mut fuse = Setup::seed().armed().start().await;
    std::fs::remove_dir(fuse.out()).unwrap();
    std::fs::write(fuse.out(), "in the way").unwrap();
    let id = fuse.post(ALERTS, example("alertmanager-both.json")).await.event(202);
    fuse.decisions(&id, "held").await;
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0), "{}", fuse.log());

    std::fs::remove_file(fuse.out()).unwrap();
    fuse.start_again().await;
    fuse.settled(&id).await;
    assert_eq!(fuse.manifests().len(), 2);
}

#[tokio::test]
async fn connections_that_say_nothing_do_not_hold_a_stop_up() {
    let mut fuse = Setup::seed().start().await;
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, fuse.port(ALERTS.0))).unwrap();
    let _silent = connect();
    // One that had its answer and stays.
    let mut idle = BufReader::new(connect());
    write!(idle.get_mut(), "GET /none HTTP/1.1\r\nhost: fuse\r\n\r\n").unwrap();
    let mut line = String::new();
    idle.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 404 Not Found\r\n");
    fuse.terminate();
    assert_eq!(fuse.ended().await, Some(0));
    assert!(!fuse.log().contains("did not finish in time"), "{}", fuse.log());
}

#[tokio::test]
async fn a_sender_that_never_ends_does_not_hold_a_stop_up() {
    let fuse = Setup::seed().lay_out();
    let sources = Sources::new().with("webhook", Webhook::new(Ipv4Addr::LOCALHOST.into()));
    let triggers = Triggers::local(ActionFiles::new(fuse.out()));
    let files = rule_files(&[fuse.folder().join("rules")]).unwrap();
    let rules = Ruleset::load(&files, &Disk, &registry(&sources, &triggers)).unwrap();
    let running = Runtime::new(rules, sources, triggers)
        .grace(Duration::from_secs(30))
        .start(Embedded::open(&fuse.folder().join(".fuse")).await.unwrap())
        .await
        .unwrap();
    let port = fuse.port(ALERTS.0);
    let body = example("alertmanager-mixed.json");
    let request = tokio::task::spawn_blocking(move || begin(port, ALERTS.1, &body));
    let _request = request.await.unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(60), running.stop()).await;
    assert_eq!(stopped, Ok(true));
}

#[tokio::test]
async fn two_processes_do_not_share_a_state_folder() {
    let first = Setup::seed().start().await;
    let state = first.folder().join(".fuse-local");
    let toml = format!("[state]\ndir = {:?}\n", state.to_str().unwrap());
    let (code, said) = Setup::seed().toml(&toml).lay_out().start_in_vain().await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("fuse.redb` is in use by another process"), "{said}");
    // The first one is none the worse for it.
    first.post(ALERTS, example("alertmanager-mixed.json")).await.event(202);
}

#[tokio::test]
async fn a_fuse_that_is_neither_on_nor_off_fails_the_start() {
    let mut fuse = Setup::seed().variable("FUSE_CICD", "maybe").lay_out();
    let (code, said) = fuse.start_in_vain().await;
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(
        said,
        "fuse: `FUSE_CICD` is `maybe`, but a fuse is `on`, `off`, `true`, `false`, `1` or `0`\n"
    );
    assert!(!fuse.folder().join(".fuse-local").exists());
}

#[tokio::test]
async fn a_port_in_use_fails_the_start_and_is_named() {
    for port in [ALERTS.0, 12_080] {
        let mut fuse = Setup::seed().lay_out();
        let address = (Ipv4Addr::LOCALHOST, fuse.port(port));
        let _taken = TcpListener::bind(address).unwrap();
        let (code, said) = fuse.start_in_vain().await;
        assert_eq!(code, Some(2), "{said}");
        let expected = format!("cannot listen on 127.0.0.1:{}", fuse.port(port));
        assert!(said.contains(&expected) && said.contains("in use"), "{said}");
    }
}

#[tokio::test]
async fn rules_with_problems_fail_the_start_with_a_code_of_their_own() {
    let mut fuse = Setup::rules("sensor s on nowhere.event { }").lay_out();
    let (code, said) = fuse.start_in_vain().await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("the rules have problems") && said.contains("nowhere"), "{said}");
}
