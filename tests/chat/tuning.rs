//! The settings of the connection are what it goes by (RT-21).

use std::time::{Duration, Instant};

use cubelet::chat::{ChatTuning, Credentials};
use cubelet::store::Store;

use crate::client::{Running, start};
use crate::peer::Server;

fn tuned(server: &Server, tuning: ChatTuning) -> Running {
    let mut settings = server.settings();
    settings.tuning = tuning;
    let credentials = Credentials::with_password(5, "p");
    start(settings, credentials, Store::in_memory().unwrap())
}

#[tokio::test]
async fn a_step_of_connecting_has_the_time_that_was_set() {
    let server = Server::tls().await;
    let step = Duration::from_millis(300);
    let client = tuned(
        &server,
        ChatTuning {
            step,
            ..ChatTuning::default()
        },
    );
    let _silent = server.accept_tcp().await;
    let reason = client.offline_reason().await;
    assert_eq!(reason, "no answer to TLS within 0.3 s");
}

#[tokio::test]
async fn a_silent_server_is_asked_and_given_up_after_the_times_that_were_set() {
    let server = Server::web_socket().await;
    let tuning = ChatTuning {
        quiet: Duration::from_millis(200),
        patience: Duration::from_millis(300),
        ..ChatTuning::default()
    };
    let sum = tuning.quiet + tuning.patience;
    let client = tuned(&server, tuning);
    let mut peer = server.welcome().await;
    client.online().await;
    let since = Instant::now();
    peer.until("<r").await;
    assert!(since.elapsed() < Duration::from_secs(2), "asked too late");
    client.offline_reason().await;
    let took = since.elapsed();
    assert!(took < Duration::from_secs(3), "given up after {took:?}");
    assert!(
        took + Duration::from_millis(100) > sum,
        "too early: {took:?}"
    );
}

#[tokio::test]
async fn a_stream_is_not_asked_to_be_kept_where_that_is_set_to_nothing() {
    let server = Server::web_socket().await;
    let tuning = ChatTuning {
        resume: Duration::ZERO,
        ..ChatTuning::default()
    };
    let _client = tuned(&server, tuning);
    let mut peer = server.accept().await;
    peer.accept_login().await;
    peer.bind().await;
    peer.until("<enable").await;
    let asked = peer.until(">").await;
    assert!(!asked.contains("resume"), "{asked}");
}
