//! WebSocket upgrades among the requests of the same ports (RFC 6455 §4.2, RFC 9110 §7.8).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::raw::frame;
use crate::support::{Chat, Hub};

const OPEN: &[u8] = b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' version='1.0' to='x'/>";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const UPGRADE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";

async fn connect(hub: &Hub) -> TcpStream {
    let host = hub.ready().api.strip_prefix("http://").unwrap();
    TcpStream::connect(host).await.unwrap()
}

/// Sends a head and returns everything up to the end of the connection.
async fn ask(hub: &Hub, path: &str, headers: &str) -> String {
    let mut line = connect(hub).await;
    let head = format!("GET {path} HTTP/1.1\r\nHost: hub\r\n{headers}\r\n");
    line.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn frames_that_come_with_the_upgrade_are_not_lost() {
    let hub = Hub::start().await;
    let mut line = connect(&hub).await;
    let mut bytes =
        format!("GET /?a=b HTTP/1.1\r\nHost: hub\r\n{UPGRADE}{VERSION}{KEY}\r\n").into_bytes();
    bytes.extend(frame(0x81, OPEN));
    line.write_all(&bytes).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("</stream:features>") {
        assert!(line.read_buf(&mut seen).await.unwrap() > 0, "{seen:?}");
    }
    let seen = String::from_utf8_lossy(&seen).to_lowercase();
    assert!(seen.starts_with("http/1.1 101 "), "{seen}");
    // RFC 6455 §1.3 has this key as its example.
    assert!(seen.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="));
    // It did not ask for a subprotocol.
    assert!(!seen.contains("sec-websocket-protocol"), "{seen}");
}

#[tokio::test]
async fn a_request_before_the_upgrade_on_the_same_connection_is_answered_first() {
    let hub = Hub::start().await;
    let mut line = connect(&hub).await;
    let both = format!(
        "GET /ca.pem HTTP/1.1\r\nHost: hub\r\n\r\nGET /xmpp HTTP/1.1\r\nHost: hub\r\n\
         {UPGRADE}{VERSION}{KEY}Sec-WebSocket-Protocol: other, xmpp\r\n\r\n"
    );
    line.write_all(both.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") || !String::from_utf8_lossy(&seen).contains(" 101 ") {
        assert!(line.read_buf(&mut seen).await.unwrap() > 0);
    }
    let seen = String::from_utf8(seen).unwrap();
    let (page, upgrade) = seen.split_once("END CERTIFICATE-----").unwrap();
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    let upgrade = upgrade.to_lowercase();
    assert!(
        upgrade.contains("sec-websocket-protocol: xmpp"),
        "{upgrade}"
    );
}

#[tokio::test]
async fn an_upgrade_that_lacks_something_is_refused_and_the_connection_ended() {
    let hub = Hub::start().await;
    for path in ["/", "/xmpp"] {
        for (headers, status) in [
            (format!("{UPGRADE}{VERSION}"), "400"),
            (format!("{UPGRADE}{VERSION}Sec-WebSocket-Key: x\r\n"), "400"),
            (format!("{UPGRADE}{KEY}"), "400"),
            (format!("Upgrade: websocket\r\n{VERSION}{KEY}"), "400"),
            (format!("{UPGRADE}{KEY}Sec-WebSocket-Version: 8\r\n"), "426"),
        ] {
            let answer = ask(&hub, path, &headers).await;
            let expected = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&expected), "{headers}: {answer}");
        }
    }
    let plain = ask(&hub, "/xmpp", "Connection: close\r\n").await;
    assert!(plain.starts_with("HTTP/1.1 400 "), "{plain}");
}

#[tokio::test]
async fn an_upgrade_where_there_is_no_chat_is_ignored() {
    let hub = Hub::start().await;
    let headers = format!("{UPGRADE}{VERSION}{KEY}");
    let page = ask(&hub, "/ca.pem", &headers).await;
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    let pem = std::fs::read_to_string(&hub.ready().ca).unwrap();
    assert!(page.ends_with(&pem), "{page}");
    let refused = ask(&hub, "/session", &headers).await;
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    assert!(refused.contains("Required session does not exist"));
    // Another protocol than WebSocket is none of ours anywhere.
    let other = ask(&hub, "/", "Connection: Upgrade, close\r\nUpgrade: h2c\r\n").await;
    assert!(other.starts_with("HTTP/1.1 302 "), "{other}");
}

#[tokio::test]
async fn one_tls_port_speaks_http_1_http_2_and_websocket() {
    let hub = Hub::start().await;
    let ready = hub.ready();
    let address = ready.https.strip_prefix("https://").unwrap();
    let base = cubelet::base::tls::client_config(Some(&ready.ca)).unwrap();
    for offered in [&["h2", "http/1.1"][..], &["http/1.1"], &[]] {
        let mut config = (*base).clone();
        config.alpn_protocols = offered
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let socket = TcpStream::connect(address).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let mut line = connector.connect(name, socket).await.unwrap();
        let agreed = line.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(
            agreed.as_deref(),
            offered.first().map(|name| name.as_bytes())
        );
        if agreed.as_deref() == Some(b"h2") {
            // The client's preface and empty settings, answered by the server's settings.
            let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
            line.write_all(preface).await.unwrap();
            let mut head = [0; 9];
            line.read_exact(&mut head).await.unwrap();
            assert_eq!(head[3], 0x04, "{head:?}");
        } else {
            let request = b"GET /ca.pem HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n";
            line.write_all(request).await.unwrap();
            let mut answer = String::new();
            // An end without TLS's good-bye is an end as well.
            let _ = line.read_to_string(&mut answer).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    }
    let ann = hub.person("ann").await;
    let mut chat = Chat::open_secure_websocket(&ready.chat_wss, &ready.ca).await;
    assert_eq!(
        chat.log_in(&format!("{}-1", ann.id), &ann.token).await,
        Ok(())
    );
    chat.bind(None).await;
    chat.come_online().await;
    chat.say("chat", &hub.jid(&ann), "m1", "to myself").await;
    chat.leave().await;
}

#[tokio::test]
async fn who_says_good_bye_is_let_go_at_once_over_either_way() {
    let hub = Hub::start().await;
    let ready = hub.ready();
    let ann = hub.person("ann").await;
    for url in [&ready.chat_url, &ready.chat_wss] {
        let mut chat = Chat::open_secure_websocket(url, &ready.ca).await;
        chat.log_in(&format!("{}-1", ann.id), &ann.token)
            .await
            .unwrap();
        let started = std::time::Instant::now();
        chat.leave().await;
        // Two seconds are what a peer that does not answer is waited for.
        assert!(started.elapsed().as_millis() < 1_500, "{url}");
    }
}
