//! A way to the hub's REST API on which an upload can be caught in the middle.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Bytes that may still pass to the hub; what is behind waits.
pub struct Upstream {
    port: u16,
    budget: watch::Sender<u64>,
}

const UNLIMITED: u64 = u64::MAX;

impl Upstream {
    /// To an `http://host:port` address with a path or without.
    pub async fn to(api: &str) -> Self {
        let url: url::Url = api.parse().expect("an address");
        let server = url.port().expect("a port");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let budget = watch::Sender::new(UNLIMITED);
        let shared = budget.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(hub) = TcpStream::connect(("127.0.0.1", server)).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_hub, to_hub) = hub.into_split();
                let budget = shared.clone();
                tokio::spawn(async move {
                    // Whichever side closes first takes the other with it.
                    tokio::select! {
                        () = carry(from_client, to_hub, budget) => {}
                        () = carry(from_hub, to_client, watch::Sender::new(UNLIMITED)) => {}
                    }
                });
            }
        });
        Self { port, budget }
    }

    /// Its own address.
    pub fn api(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on so many bytes pass, and no more.
    pub fn pass(&self, bytes: u64) {
        self.budget.send_replace(bytes);
    }

    /// Everything passes again.
    pub fn open(&self) {
        self.budget.send_replace(UNLIMITED);
    }

    /// Waits until nothing more passes.
    pub async fn stalls(&self) {
        let mut budget = self.budget.subscribe();
        let stalled = budget.wait_for(|left| *left == 0);
        tokio::time::timeout(std::time::Duration::from_secs(20), stalled)
            .await
            .expect("an upload is under way")
            .expect("the sender lives");
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, budget: watch::Sender<u64>) {
    let mut left = budget.subscribe();
    let mut buffer = [0; 4096];
    loop {
        if left.wait_for(|left| *left > 0).await.is_err() {
            return;
        }
        let Ok(length @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        budget.send_modify(|left| {
            if *left != UNLIMITED {
                *left = left.saturating_sub(length as u64);
            }
        });
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
