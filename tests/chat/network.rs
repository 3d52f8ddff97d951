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

/// In a network namespace of its own, where this process may change addresses and nobody else
/// does.
#[tokio::test]
#[ignore = "runs inside a network namespace, started by the test below"]
async fn inside_a_namespace() {
    let mut changes = cubelet::chat::network_changes();
    for arguments in [
        ["link", "set", "dev", "lo", "up"].as_slice(),
        ["address", "add", "192.0.2.1/32", "dev", "lo"].as_slice(),
        ["route", "add", "198.51.100.0/24", "dev", "lo"].as_slice(),
    ] {
        changes.mark_unchanged();
        let done = std::process::Command::new("ip").args(arguments).status();
        assert!(done.unwrap().success(), "{arguments:?}");
        let told = tokio::time::timeout(Duration::from_secs(5), changes.changed()).await;
        told.unwrap_or_else(|_| panic!("{arguments:?} was not noticed"))
            .unwrap();
    }
}

#[test]
fn the_kernel_tells_of_links_addresses_and_routes() {
    let may = std::process::Command::new("unshare")
        .args(["-Urn", "true"])
        .output();
    if !may.is_ok_and(|tried| tried.status.success()) {
        eprintln!("left out: this system gives no network namespaces to ordinary users");
        return;
    }
    let inside = std::process::Command::new("unshare")
        .arg("-Urn")
        .arg(std::env::current_exe().unwrap())
        .args(["network::inside_a_namespace", "--exact", "--ignored"])
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&inside.stdout);
    assert!(inside.status.success(), "{words}");
    assert!(words.contains("1 passed"), "{words}");
}
