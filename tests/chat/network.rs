//! A network that changes below the connection (RT-14, RT-20).

use std::time::{Duration, Instant};

use cubelet::chat::{ChatEndpoint, ChatTuning, ConnectionStatus, Credentials};
use cubelet::store::Store;
use tokio::sync::watch;

use crate::client::start_heeding;
use crate::peer::Server;
use crate::proxy::Proxy;

#[tokio::test]
async fn a_change_of_the_network_cuts_the_pause_short() {
    let server = Server::web_socket().await;
    let mut settings = server.settings();
    let long = Duration::from_secs(3600);
    settings.tuning = ChatTuning {
        retry_first: long,
        retry_longest: long,
        ..ChatTuning::default()
    };
    let (network, changes) = watch::channel(0);
    let credentials = Credentials::with_password(5, "p");
    let store = Store::in_memory().unwrap();
    let client = start_heeding(settings, credentials, store, changes);
    drop(server.accept_tcp().await);
    let status = client
        .status(|status| matches!(status, ConnectionStatus::Offline { .. }))
        .await;
    // At least a tenth of what was configured.
    let ConnectionStatus::Offline { retry_in, .. } = status else {
        panic!("{status:?}")
    };
    assert!(retry_in >= long / 10, "{retry_in:?}");
    network.send_replace(1);
    let _peer = server.welcome().await;
    client.online().await;
}

#[tokio::test]
async fn a_change_of_the_network_finds_a_dead_line_within_three_seconds() {
    let server = Server::web_socket().await;
    let proxy = Proxy::to(server.port()).await;
    let mut settings = server.settings();
    settings.endpoint =
        ChatEndpoint::WebSocket(format!("ws://127.0.0.1:{}/", proxy.port()).parse().unwrap());
    let (network, changes) = watch::channel(0);
    let credentials = Credentials::with_password(5, "p");
    let store = Store::in_memory().unwrap();
    let client = start_heeding(settings, credentials, store, changes);
    let _peer = server.welcome().await;
    client.online().await;
    proxy.swallow();
    let since = Instant::now();
    network.send_replace(1);
    let reason = client.offline_reason().await;
    assert!(reason.contains("silent"), "{reason}");
    let taken = since.elapsed();
    assert!(taken < Duration::from_secs(3), "{taken:?}");
}
