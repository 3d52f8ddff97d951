//! What thousands of connections that only wait cost a server's memory.

use std::time::Duration;

use anyhow::Context;
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio_util::task::TaskTracker;

use crate::server::Server;
use crate::stream::{Line, Socket, Target, Tls, answer, log_in};

/// Connections.
pub const CONNECTIONS: usize = 5_000;
/// Log-ins at the same time.
const AT_ONCE: usize = 32;
/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks without a change of a hundredth before it counts as settled.
const STEADY: u32 = 6;
/// Looks before it is taken as it is.
const LOOKS: u32 = 40;

/// What carries the connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Direct TLS.
    Tls,
    /// WebSocket without TLS, the one plain way all servers offer.
    Plain,
}

/// Bytes of resident memory that each connection adds to a server just started.
pub async fn measure(server: &Server, way: Way) -> anyhow::Result<f64> {
    let target = &server.target;
    let before = settled(server).await?;
    let tasks = TaskTracker::new();
    stream::iter(0..CONNECTIONS)
        .map(|who| {
            let tasks = tasks.clone();
            async move {
                let opened = match way {
                    Way::Tls => open(Tls::connect(target).await?, target, who, &tasks).await,
                    Way::Plain => open(Socket::connect(target).await?, target, who, &tasks).await,
                };
                opened.with_context(|| format!("connection {who}"))
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    let after = settled(server).await?;
    anyhow::ensure!(
        tasks.len() == CONNECTIONS,
        "only {} connections stayed",
        tasks.len()
    );
    Ok((after as f64 - before as f64) / CONNECTIONS as f64)
}

async fn open(
    mut line: impl Line + 'static,
    target: &Target,
    who: usize,
    tasks: &TaskTracker,
) -> anyhow::Result<()> {
    log_in(&mut line, target, who).await?;
    tasks.spawn_local(async move {
        while let Ok(element) = line.receive().await {
            if let Some(answer) = answer(&element)
                && line.send(&answer).await.is_err()
            {
                return;
            }
        }
    });
    Ok(())
}

/// The server's memory when it has stopped changing.
async fn settled(server: &Server) -> anyhow::Result<u64> {
    let mut last = server.memory()?;
    let mut steady = 0;
    for _ in 0..LOOKS {
        // There is no event for "nothing happens any more".
        tokio::time::sleep(LOOK_EVERY).await;
        let now = server.memory()?;
        let is_steady = now.abs_diff(last) * 100 <= last;
        steady = if is_steady { steady + 1 } else { 0 };
        last = now;
        if steady == STEADY {
            break;
        }
    }
    Ok(last)
}
