//! Logging in, with a server whose every word the test knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cubelet::chat::{Credentials, CredentialsError, CredentialsSource};
use cubelet::store::Store;

use crate::client::start;
use crate::peer::{PLAIN, SCRAM, Server};

fn password() -> Credentials {
    Credentials::with_password(5, "secret word")
}

#[tokio::test]
async fn plain_carries_user_application_and_password() {
    let server = Server::web_socket().await;
    let _client = start(server.settings(), password(), Store::in_memory().unwrap());
    let proof = server.accept().await.hear_plain().await;
    assert_eq!(proof, "\u{0}5-7\u{0}secret word");
}

#[tokio::test]
async fn a_client_comes_online_over_a_tls_stream() {
    let server = Server::tls().await;
    let client = start(server.settings(), password(), Store::in_memory().unwrap());
    let _peer = server.welcome().await;
    client.online().await;
}

#[tokio::test]
async fn a_client_comes_online_over_a_web_socket() {
    let server = Server::web_socket().await;
    let client = start(server.settings(), password(), Store::in_memory().unwrap());
    let _peer = server.welcome().await;
    client.online().await;
}

#[tokio::test]
async fn a_password_does_not_leave_in_plain_text_where_scram_is_offered() {
    let server = Server::web_socket().await;
    let _client = start(server.settings(), password(), Store::in_memory().unwrap());
    let mut peer = server.accept().await;
    peer.offer(&format!("{PLAIN}{SCRAM}")).await;
    let auth = peer.until("</auth>").await;
    assert!(auth.contains("SCRAM-SHA-1"), "{auth}");
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_tried_in_a_loop() {
    let server = Server::web_socket().await;
    let client = start(server.settings(), password(), Store::in_memory().unwrap());
    server.accept().await.refuse_login("not-authorized").await;
    assert_eq!(client.refused_reason().await, "not-authorized");
    // The slow retry comes after 30 s at the earliest; a spinning client is here at once.
    let again = tokio::time::timeout(Duration::from_secs(3), server.accept_tcp()).await;
    assert!(again.is_err(), "it knocks again at once");
}

#[tokio::test]
async fn a_server_that_is_merely_busy_is_tried_again_soon() {
    let server = Server::web_socket().await;
    let client = start(server.settings(), password(), Store::in_memory().unwrap());
    let busy = "temporary-auth-failure";
    server.accept().await.refuse_login(busy).await;
    assert!(client.offline_reason().await.contains(busy));
    let _peer = server.welcome().await;
    client.online().await;
}

/// Gives a new token each time one is refused.
struct Tokens(Arc<AtomicU32>);

#[async_trait]
impl CredentialsSource for Tokens {
    async fn credentials(
        &self,
        refused: Option<&Credentials>,
    ) -> Result<Credentials, CredentialsError> {
        if refused.is_some() {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
        let number = self.0.load(Ordering::SeqCst);
        Ok(Credentials::with_token(5, format!("token-{number}")))
    }
}

#[tokio::test]
async fn an_expired_token_is_replaced_at_once() {
    let server = Server::web_socket().await;
    let asked = Arc::new(AtomicU32::new(0));
    let source = Tokens(asked.clone());
    let client = start(server.settings(), source, Store::in_memory().unwrap());
    server.accept().await.refuse_login("not-authorized").await;
    let _peer = server.welcome().await;
    client.online().await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_token_source_that_refuses_is_reported_as_refused() {
    struct Refusing;
    #[async_trait]
    impl CredentialsSource for Refusing {
        async fn credentials(
            &self,
            _refused: Option<&Credentials>,
        ) -> Result<Credentials, CredentialsError> {
            Err(CredentialsError::Refused("wrong password".into()))
        }
    }
    let server = Server::web_socket().await;
    let client = start(server.settings(), Refusing, Store::in_memory().unwrap());
    assert_eq!(client.refused_reason().await, "wrong password");
}

#[test]
fn a_secret_does_not_show_in_debug_output() {
    let shown = format!(
        "{:?}{:?}",
        password(),
        Credentials::with_token(5, "secret token")
    );
    assert!(!shown.contains("secret"), "{shown}");
}
