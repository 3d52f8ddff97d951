//! No token, password or message body in any log line, at any level.

use std::io::Write;
use std::sync::Arc;

use cubelet::chat::{Credentials, SendError};
use cubelet::store::Store;
use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

use crate::client::{start, text};
use crate::http::{Http, json};
use crate::peer::{Server, message};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    /// Collects every line of this thread at every level.
    fn collect() -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(lines.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (lines, guard)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

#[tokio::test]
async fn the_chat_logs_neither_password_nor_body() {
    let (lines, _guard) = Lines::collect();
    let server = Server::web_socket().await;
    let credentials = Credentials::with_password(5, "top-secret-password");
    let mut client = start(server.settings(), credentials, Store::in_memory().unwrap());
    server
        .accept()
        .await
        .refuse_login("temporary-auth-failure")
        .await;
    let mut peer = server.welcome().await;
    client
        .client
        .send(text(9, "private-outgoing"))
        .await
        .unwrap();
    peer.until("</message>").await;
    let incoming = message("66f0aa000102030405000042", "private-incoming");
    peer.say(&incoming).await;
    client.message().await;
    // A repetition, one cut short, one of a kind nobody knows, one from nowhere.
    peer.say(&incoming).await;
    peer.say(&incoming[..incoming.len() - 12]).await;
    peer.say(&incoming.replace("'chat'", "'normal'")).await;
    peer.say(&incoming.replace("9-7@", "nobody@")).await;
    peer.say("<error xmlns='http://etherx.jabber.org/streams'><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></error>").await;
    client.offline_reason().await;
    let outcome = client.client.signal(9, &signal()).await;
    assert!(matches!(outcome, Err(SendError::Offline)));
    let text = lines.text();
    assert!(
        text.contains("chat is online"),
        "nothing was logged: {text}"
    );
    assert!(!text.contains("secret"), "{text}");
    assert!(!text.contains("private"), "{text}");
}

fn signal() -> cubelet::protocol::call_signal::CallSignal {
    use cubelet::protocol::call_signal::{CallSignal, SignalKind};
    CallSignal::new(SignalKind::HangUp, "s")
}

#[tokio::test]
async fn the_rest_client_logs_neither_password_nor_token_nor_key() {
    let (lines, _guard) = Lines::collect();
    let http = Http::start([json(503, "{}"), json(200, "no json with token-1 in it")]).await;
    let client = http.client();
    client.session().await.unwrap();
    client.unread(&[]).await.unwrap_err();
    client.unread(&[]).await.unwrap_err();
    let text = lines.text();
    assert!(text.contains("logged in"), "nothing was logged: {text}");
    for secret in ["secret word", "token-1", "the-auth-key"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
