//! A chat that is stopped leaves nothing behind (RT-16), wherever it stood.

use cubelet::chat::{ConnectionStatus, Credentials};
use cubelet::store::Store;

use crate::client::{Running, start};
use crate::peer::Server;

/// Enough rounds that one thing left behind by each cannot hide.
const ROUNDS: usize = 20;

/// What this process holds: tasks of the runtime and open files.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    tasks: usize,
    files: usize,
}

fn held() -> Held {
    let runtime = tokio::runtime::Handle::current();
    Held {
        tasks: runtime.metrics().num_alive_tasks(),
        files: std::fs::read_dir("/proc/self/fd").unwrap().count(),
    }
}

fn run(server: &Server, store: &Store) -> Running {
    let credentials = Credentials::with_password(5, "p");
    start(server.settings(), credentials, store.clone())
}

/// Goes round, each time up to where `reached` brings client and server, then stops the client.
/// What `reached` gives back is the server's end, kept until the client has stopped.
async fn leaves_nothing<T>(server: Server, reached: impl AsyncFn(&Server, &Running) -> T) {
    let store = Store::in_memory().unwrap();
    let round = async || {
        let client = run(&server, &store);
        let kept = reached(&server, &client).await;
        client.stop().await;
        drop(kept);
    };
    // The first opens what is kept for good: the resolver, the runtime's own.
    round().await;
    let before = held();
    for _ in 0..ROUNDS {
        round().await;
    }
    assert_eq!(held(), before);
}

#[tokio::test]
async fn stopped_while_online_it_leaves_no_task_and_no_file() {
    let reached = async |server: &Server, client: &Running| {
        let mut peer = server.welcome().await;
        client.online().await;
        // It says good-bye, and the server closes its end.
        client.shutdown.cancel();
        peer.until("</stream:stream>").await;
    };
    leaves_nothing(Server::tls().await, reached).await;
}

#[tokio::test]
async fn stopped_over_a_web_socket_it_leaves_no_task_and_no_file() {
    let reached = async |server: &Server, client: &Running| {
        let mut peer = server.welcome().await;
        client.online().await;
        client.shutdown.cancel();
        peer.until("<close").await;
    };
    leaves_nothing(Server::web_socket().await, reached).await;
}

#[tokio::test]
async fn stopped_in_the_middle_of_connecting_it_leaves_no_task_and_no_file() {
    let reached = async |server: &Server, _: &Running| server.accept_tcp().await;
    leaves_nothing(Server::tls().await, reached).await;
}

#[tokio::test]
async fn stopped_in_the_middle_of_the_login_it_leaves_no_task_and_no_file() {
    let reached = async |server: &Server, _: &Running| {
        let mut peer = server.accept().await;
        peer.hear_plain().await;
        peer
    };
    leaves_nothing(Server::tls().await, reached).await;
}

#[tokio::test]
async fn stopped_in_the_pause_before_the_next_try_it_leaves_no_timer_and_no_file() {
    let reached = async |server: &Server, client: &Running| {
        let mut peer = server.accept().await;
        peer.refuse_login("not-authorized").await;
        // A password refused is asked for once more with the same outcome, then comes the pause.
        client
            .status(|status| matches!(status, ConnectionStatus::Refused { .. }))
            .await;
    };
    leaves_nothing(Server::tls().await, reached).await;
}

#[tokio::test]
async fn stopped_with_a_stream_to_resume_it_leaves_no_task_and_no_file() {
    let reached = async |server: &Server, client: &Running| {
        // The client of the last round may have begun its next try just before it was stopped.
        let mut peer = loop {
            if let Ok(peer) = server.try_accept().await {
                break peer;
            }
        };
        peer.welcome_resumable("one").await;
        client.online().await;
        drop(peer);
        client
            .status(|status| matches!(status, ConnectionStatus::Offline { .. }))
            .await;
    };
    leaves_nothing(Server::web_socket().await, reached).await;
}
