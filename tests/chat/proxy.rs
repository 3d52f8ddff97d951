//! A TCP proxy that can cut, refuse and swallow.

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Refuse,
    Swallow,
}

#[derive(Clone, Copy)]
struct Orders {
    mode: Mode,
    /// Connections of an older generation are cut.
    generation: u32,
}

pub struct Proxy {
    port: u16,
    orders: watch::Sender<Orders>,
}

impl Proxy {
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (orders, seen) = watch::channel(Orders {
            mode: Mode::Pass,
            generation: 0,
        });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if seen.borrow().mode != Mode::Refuse {
                    tokio::spawn(carry(client, server, seen.clone()));
                }
            }
        });
        Self { port, orders }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection, hard; new ones pass.
    pub fn cut(&self) {
        self.orders.send_modify(|orders| orders.generation += 1);
    }

    /// Cuts every connection and takes no new ones.
    pub fn refuse(&self) {
        self.orders.send_modify(|orders| {
            orders.mode = Mode::Refuse;
            orders.generation += 1;
        });
    }

    /// Keeps the connections open and carries nothing.
    pub fn swallow(&self) {
        self.orders
            .send_modify(|orders| orders.mode = Mode::Swallow);
    }

    pub fn pass(&self) {
        self.orders.send_modify(|orders| orders.mode = Mode::Pass);
    }
}

async fn carry(mut client: TcpStream, port: u16, mut orders: watch::Receiver<Orders>) {
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let generation = orders.borrow_and_update().generation;
    loop {
        let now = *orders.borrow_and_update();
        if now.generation != generation {
            // A reset, as a lost route or a crashed server gives.
            let _ = client.set_zero_linger();
            let _ = server.set_zero_linger();
            return;
        }
        if now.mode == Mode::Swallow {
            if orders.changed().await.is_err() {
                return;
            }
            continue;
        }
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
            changed = orders.changed() => if changed.is_err() { return },
        }
    }
}
