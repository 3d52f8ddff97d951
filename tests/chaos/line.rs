//! A TCP line with a seed: it cuts in the middle of a stanza, stalls, refuses, and hands bytes
//! over in odd pieces.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Refuse,
    Stall,
}

#[derive(Clone, Copy)]
struct Orders {
    mode: Mode,
    /// Connections of an older generation are cut.
    generation: u32,
}

/// Bytes a connection carries before it is cut by itself.
type Life = std::ops::Range<u64>;

pub struct Line {
    port: u16,
    orders: watch::Sender<Orders>,
    is_calm: watch::Sender<bool>,
    pub cuts: Arc<AtomicU64>,
}

impl Line {
    /// Listens on a free port and carries to `server`, each connection for as many bytes as
    /// `life` and the seed decide.
    pub async fn to(server: u16, seed: u64, life: Life) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mode = Mode::Pass;
        let generation = 0;
        let (orders, seen) = watch::channel(Orders { mode, generation });
        let (is_calm, calm) = watch::channel(false);
        let cuts = Arc::new(AtomicU64::new(0));
        let counted = cuts.clone();
        tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(seed);
            while let Ok((client, _)) = listener.accept().await {
                if seen.borrow().mode == Mode::Refuse {
                    continue;
                }
                let plan = Plan {
                    budget: random.random_range(life.clone()),
                    random: StdRng::seed_from_u64(random.random()),
                };
                let (seen, calm, counted) = (seen.clone(), calm.clone(), counted.clone());
                tokio::spawn(async move {
                    carry(client, server, plan, seen, calm).await;
                    counted.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self {
            port,
            orders,
            is_calm,
            cuts,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection, hard; new ones pass.
    pub fn cut(&self) {
        self.orders.send_modify(|orders| {
            orders.mode = Mode::Pass;
            orders.generation += 1;
        });
    }

    /// Cuts every connection and takes no new ones.
    pub fn refuse(&self) {
        self.orders.send_modify(|orders| {
            orders.mode = Mode::Refuse;
            orders.generation += 1;
        });
    }

    /// Keeps the connections open and carries nothing.
    pub fn stall(&self) {
        self.orders.send_modify(|orders| orders.mode = Mode::Stall);
    }

    pub fn pass(&self) {
        self.orders.send_modify(|orders| orders.mode = Mode::Pass);
    }

    /// No more cuts by itself.
    pub fn calm(&self) {
        self.pass();
        self.is_calm.send_replace(true);
    }
}

struct Plan {
    budget: u64,
    random: StdRng,
}

async fn carry(
    mut client: TcpStream,
    server: u16,
    mut plan: Plan,
    mut orders: watch::Receiver<Orders>,
    calm: watch::Receiver<bool>,
) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)).await else {
        return;
    };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let generation = orders.borrow_and_update().generation;
    {
        let other = Plan {
            budget: plan.budget,
            random: StdRng::seed_from_u64(plan.random.random()),
        };
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            () = pump(from_client, to_server, plan, orders.clone(), calm.clone()) => {}
            () = pump(from_server, to_client, other, orders.clone(), calm) => {}
            _ = orders.wait_for(|orders| orders.generation != generation) => {}
        }
    }
    // A reset, as a lost route or a crashed server gives.
    let _ = client.set_zero_linger();
    let _ = server.set_zero_linger();
}

/// Carries one direction until its end or that of the plan's budget, in the middle of whatever
/// is being said then.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut plan: Plan,
    mut orders: watch::Receiver<Orders>,
    calm: watch::Receiver<bool>,
) {
    let mut buffer = [0; 4096];
    loop {
        let most = plan.random.random_range(1..=buffer.len());
        let count = match from.read(&mut buffer[..most]).await {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        let is_passing = |orders: &Orders| orders.mode != Mode::Stall;
        if orders.wait_for(is_passing).await.map(drop).is_err() {
            return;
        }
        let is_last = !*calm.borrow() && plan.budget < count as u64;
        let count = if is_last { plan.budget as usize } else { count };
        plan.budget -= (count as u64).min(plan.budget);
        if to.write_all(&buffer[..count]).await.is_err() || is_last {
            return;
        }
    }
}
