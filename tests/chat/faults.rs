//! Servers and networks that misbehave.

use std::time::{Duration, Instant};

use cubelet::base::tls;
use cubelet::chat::{ChatEndpoint, ConnectionStatus, Credentials, SendError};
use cubelet::protocol::call_signal::{CallSignal, SignalKind};
use cubelet::store::Store;

use crate::client::{Running, start};
use crate::peer::{PLAIN, Server, message};
use crate::proxy::Proxy;

fn run(server: &Server) -> Running {
    let credentials = Credentials::with_password(5, "p");
    start(server.settings(), credentials, Store::in_memory().unwrap())
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_is_named_as_the_reason() {
    let server = Server::tls().await;
    let mut settings = server.settings();
    settings.tls = tls::client_config(None).unwrap();
    let credentials = Credentials::with_password(5, "p");
    let client = start(settings, credentials, Store::in_memory().unwrap());
    let served = server.try_accept().await;
    assert!(served.is_err(), "the client took the certificate");
    let reason = client.offline_reason().await;
    assert!(reason.contains("TLS with localhost"), "{reason}");
    assert!(reason.contains("UnknownIssuer"), "{reason}");
}

#[tokio::test]
async fn clear_text_beyond_this_machine_is_refused() {
    let server = Server::web_socket().await;
    let mut settings = server.settings();
    settings.endpoint = ChatEndpoint::WebSocket("ws://192.0.2.1/".parse().unwrap());
    let credentials = Credentials::with_password(5, "p");
    let client = start(settings, credentials, Store::in_memory().unwrap());
    let reason = client.offline_reason().await;
    assert!(reason.contains("not encrypted"), "{reason}");
}

#[tokio::test]
async fn a_closed_port_is_named_as_the_reason() {
    let server = Server::web_socket().await;
    let settings = server.settings();
    drop(server);
    let credentials = Credentials::with_password(5, "p");
    let client = start(settings, credentials, Store::in_memory().unwrap());
    let reason = client.offline_reason().await;
    assert!(reason.starts_with("cannot reach 127.0.0.1:"), "{reason}");
}

#[tokio::test]
async fn a_server_that_never_upgrades_runs_into_the_deadline() {
    let server = Server::web_socket().await;
    let client = run(&server);
    let _silent = server.accept_tcp().await;
    let reason = client.offline_reason().await;
    assert_eq!(reason, "no answer to WebSocket upgrade within 5 s");
}

#[tokio::test]
async fn a_server_that_sends_no_features_runs_into_the_deadline() {
    let server = Server::web_socket().await;
    let client = run(&server);
    let mut peer = server.accept().await;
    peer.until("<open").await;
    let reason = client.offline_reason().await;
    assert_eq!(reason, "no answer to stream opening within 5 s");
}

#[tokio::test]
async fn a_server_that_never_answers_the_login_runs_into_the_deadline() {
    let server = Server::tls().await;
    let client = run(&server);
    let mut peer = server.accept().await;
    peer.offer(PLAIN).await;
    let reason = client.offline_reason().await;
    assert_eq!(reason, "no answer to login within 5 s");
}

#[tokio::test]
async fn a_server_that_never_binds_runs_into_the_deadline() {
    let server = Server::tls().await;
    let client = run(&server);
    let mut peer = server.accept().await;
    peer.accept_login().await;
    let reason = client.offline_reason().await;
    assert_eq!(reason, "no answer to resource binding within 5 s");
}

#[tokio::test]
async fn a_server_that_never_enables_counting_runs_into_the_deadline() {
    let server = Server::web_socket().await;
    let client = run(&server);
    let mut peer = server.accept().await;
    peer.accept_login().await;
    peer.bind().await;
    let reason = client.offline_reason().await;
    assert_eq!(reason, "no answer to stream management within 5 s");
}

#[tokio::test]
async fn a_device_is_online_only_once_the_server_has_its_presence() {
    let server = Server::web_socket().await;
    let client = run(&server);
    let mut peer = server.accept().await;
    peer.accept_login().await;
    peer.bind().await;
    peer.until("<enable").await;
    peer.say("<enabled xmlns='urn:xmpp:sm:3'/>").await;
    peer.until("<presence").await;
    peer.until("<r").await;
    assert_eq!(client.client.status(), ConnectionStatus::Authenticated);
    let signal = CallSignal::new(SignalKind::HangUp, "s");
    let outcome = client.client.signal(9, &signal).await;
    assert!(matches!(outcome, Err(SendError::Offline)));
    peer.say("<a xmlns='urn:xmpp:sm:3' h='2'/>").await;
    client.online().await;
}

#[tokio::test]
async fn a_server_without_counting_is_refused_with_the_reason() {
    let server = Server::web_socket().await;
    let client = run(&server);
    let mut peer = server.accept().await;
    peer.accept_login().await;
    peer.bind().await;
    peer.until("<enable").await;
    peer.say("<failed xmlns='urn:xmpp:sm:3'/>").await;
    let reason = client.offline_reason().await;
    assert!(reason.contains("stream management failed"), "{reason}");
}

#[tokio::test]
async fn garbage_on_a_stream_ends_it_and_the_client_comes_back() {
    let server = Server::tls().await;
    let client = run(&server);
    let mut peer = server.welcome().await;
    client.online().await;
    peer.say("<message><body></wrong>").await;
    let reason = client.offline_reason().await;
    assert!(reason.contains("not XML"), "{reason}");
    let _peer = server.welcome().await;
    client.online().await;
}

#[tokio::test]
async fn a_malformed_frame_is_left_out_and_the_connection_lives_on() {
    let server = Server::web_socket().await;
    let mut client = run(&server);
    let mut peer = server.welcome().await;
    peer.say("<message xmlns='jabber:client'><body>").await;
    peer.say("not even close to XML").await;
    peer.say("<message xmlns='jabber:client' type='chat'/>")
        .await;
    peer.say("<message xmlns='jabber:client' type='headline' from='9-7@localhost/x'><extraParams/></message>").await;
    peer.say(&message("66f0aa000102030405000009", "still here"))
        .await;
    assert_eq!(client.message().await.body, "still here");
}

#[tokio::test]
async fn an_element_without_end_does_not_fill_the_memory() {
    let server = Server::tls().await;
    let client = run(&server);
    let mut peer = server.welcome().await;
    client.online().await;
    peer.say("<message xmlns='jabber:client'><body>").await;
    let flood = "x".repeat(2 << 20);
    // The client hangs up in the middle of it.
    let _ = tokio::time::timeout(Duration::from_secs(5), peer.try_say(&flood)).await;
    let reason = client.offline_reason().await;
    assert!(reason.contains("longer than"), "{reason}");
}

#[tokio::test]
async fn a_stream_error_is_named_as_the_reason() {
    let server = Server::tls().await;
    let client = run(&server);
    let mut peer = server.welcome().await;
    client.online().await;
    peer.say("<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>back at noon</text></stream:error>").await;
    let reason = client.offline_reason().await;
    assert_eq!(
        reason,
        "the server closed the stream: system-shutdown (back at noon)"
    );
}

#[tokio::test]
async fn a_connection_that_was_displaced_does_not_fight_back() {
    let server = Server::tls().await;
    let client = run(&server);
    let mut peer = server.welcome().await;
    client.online().await;
    peer.say(
        "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    )
    .await;
    client
        .status(|status| *status == ConnectionStatus::Displaced)
        .await;
    let again = tokio::time::timeout(Duration::from_secs(2), server.accept_tcp()).await;
    assert!(again.is_err(), "it comes back at once");
}

#[tokio::test]
async fn a_swallowed_connection_is_noticed_within_twelve_seconds() {
    let server = Server::web_socket().await;
    let proxy = Proxy::to(server.port()).await;
    let mut settings = server.settings();
    settings.endpoint =
        ChatEndpoint::WebSocket(format!("ws://127.0.0.1:{}/", proxy.port()).parse().unwrap());
    let credentials = Credentials::with_password(5, "p");
    let client = start(settings, credentials, Store::in_memory().unwrap());
    let _peer = server.welcome().await;
    client.online().await;
    proxy.swallow();
    let since = Instant::now();
    let reason = client.offline_reason().await;
    let taken = since.elapsed();
    assert!(taken <= Duration::from_secs(12), "{taken:?}");
    assert!(reason.contains("silent"), "{reason}");
}

#[tokio::test]
async fn a_call_signal_without_a_connection_fails_at_once() {
    let server = Server::web_socket().await;
    let client = run(&server);
    let signal = CallSignal::new(SignalKind::HangUp, "s");
    let since = Instant::now();
    let outcome = client.client.signal(9, &signal).await;
    assert!(matches!(outcome, Err(SendError::Offline)), "{outcome:?}");
    assert!(since.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn the_servers_ping_and_unknown_requests_are_answered() {
    let server = Server::web_socket().await;
    let _client = run(&server);
    let mut peer = server.welcome().await;
    peer.say("<iq xmlns='jabber:client' type='get' id='p1' from='localhost'><ping xmlns='urn:xmpp:ping'/></iq>").await;
    peer.until("<iq").await;
    let answer = peer.until("/>").await;
    assert!(answer.contains("'p1'"), "{answer}");
    assert!(answer.contains("'result'"), "{answer}");
    peer.say("<iq xmlns='jabber:client' type='get' id='q1' from='localhost'><query xmlns='jabber:iq:version'/></iq>").await;
    peer.until("service-unavailable").await;
}

#[tokio::test]
async fn a_server_that_counts_more_than_was_sent_is_left() {
    let server = Server::web_socket().await;
    let client = run(&server);
    let mut peer = server.welcome().await;
    client.online().await;
    peer.say("<a xmlns='urn:xmpp:sm:3' h='99'/>").await;
    let reason = client.offline_reason().await;
    assert!(reason.contains("acknowledged 97"), "{reason}");
}
