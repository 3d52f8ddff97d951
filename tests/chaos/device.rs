//! The process of one device: the real chat client on a real store, writing down what it sends
//! and receives. Started and killed by the test; a test binary run a second time.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cubelet::base::tls;
use cubelet::chat::{ChatEndpoint, ChatEvent, ChatSettings, ChatTuning, Credentials, chat};
use cubelet::protocol::address::{Realm, UserId};
use cubelet::protocol::chat_message::{Incoming, OutgoingMessage, Target};
use cubelet::store::Store;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// Where a child finds what to do.
const ORDERS: &str = "CUBELET_CHAOS_DEVICE";

/// What a device does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orders {
    pub chat_host: String,
    pub port: u16,
    pub ca: PathBuf,
    pub app_id: u64,
    pub user: UserId,
    pub password: String,
    /// Where its database and its logs are.
    pub folder: PathBuf,
    pub peer: UserId,
    /// The private and the group dialog; messages go to them in turn.
    pub dialogs: [String; 2],
    pub messages: u32,
    /// Milliseconds between two messages.
    pub pace: u64,
}

impl Orders {
    pub fn start(&self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["device::process", "--exact", "--ignored", "--nocapture"])
            .env(ORDERS, serde_json::to_string(self).unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(
                File::options()
                    .create(true)
                    .append(true)
                    .open(self.folder.join("stderr"))
                    .unwrap(),
            )
            .spawn()
            .unwrap()
    }

    pub fn sent(&self) -> usize {
        lines(&self.folder.join("sent")).len()
    }

    /// `id dialog body` of each message received, in that order.
    pub fn received(&self) -> Vec<String> {
        lines(&self.folder.join("received"))
    }

    pub fn failures(&self) -> Vec<String> {
        lines(&self.folder.join("failures"))
    }

    fn message(&self, number: u32) -> OutgoingMessage {
        let place = (number % 2) as usize;
        let dialog = self.dialogs[place].clone();
        OutgoingMessage {
            id: format!("66f0{:08x}{number:012x}", self.user),
            target: match place {
                0 => Target::User(self.peer),
                _ => Target::Dialog(dialog.clone()),
            },
            body: format!("{} {number}", self.user),
            dialog_id: Some(dialog),
            date_sent: 1_760_000_000 + u64::from(number),
            custom: Vec::new(),
            ..OutgoingMessage::default()
        }
    }
}

fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    // A line without end may still grow.
    text.split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
        .map(str::to_owned)
        .collect()
}

fn append_to(file: PathBuf) -> File {
    let mut options = OpenOptions::new();
    options.create(true).append(true).open(file).unwrap()
}

#[test]
#[ignore = "the process of a device in the chaos test, started by it"]
fn process() {
    let orders = std::env::var(ORDERS).expect("started by the chaos test alone");
    let orders: Orders = serde_json::from_str(&orders).unwrap();
    // Into the file the test shows when the process ends by itself.
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(orders));
}

async fn run(orders: Orders) {
    let realm = Realm {
        app_id: orders.app_id,
        chat_host: orders.chat_host.clone(),
    };
    let settings = ChatSettings {
        endpoint: ChatEndpoint::Tls {
            host: orders.chat_host.clone(),
            port: orders.port,
        },
        realm,
        tls: tls::client_config(Some(&orders.ca)).unwrap(),
        tuning: ChatTuning {
            retry_longest: Duration::from_secs(1),
            quiet: Duration::from_secs(1),
            patience: Duration::from_secs(2),
            ..ChatTuning::default()
        },
    };
    let store = Store::open(&orders.folder.join("device.db")).unwrap();
    let credentials = Credentials::with_password(orders.user, orders.password.clone());
    let (client, runner) = chat(settings, Arc::new(credentials), store.clone());
    let (sender, mut events) = tokio::sync::mpsc::channel(64);
    tokio::spawn(runner.run(sender, CancellationToken::new()));

    let mut sent = append_to(orders.folder.join("sent"));
    let mut received = append_to(orders.folder.join("received"));
    let mut failures = append_to(orders.folder.join("failures"));
    // One message may have been queued without being written down; its id is the same again.
    let mut next = orders.sent() as u32;
    // What the last run wrote down and could not say so any more is told again at the start.
    let mut told_before: HashSet<String> = orders
        .received()
        .iter()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect();
    let mut pace = tokio::time::interval(Duration::from_millis(orders.pace));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = pace.tick(), if next < orders.messages => {
                client.send(orders.message(next)).await.unwrap();
                writeln!(sent, "{next}").unwrap();
                next += 1;
            }
            event = events.recv() => match event.expect("the chat has ended") {
                ChatEvent::Online { .. } => told_before.clear(),
                ChatEvent::Incoming(Incoming::Message(message)) => {
                    if message.sender != orders.user && !told_before.contains(&message.id) {
                        let dialog = message.dialog_id.unwrap_or_default();
                        let line = format!("{} {dialog} {}\n", message.id, message.body);
                        received.write_all(line.as_bytes()).unwrap();
                    }
                    store.taken(&message.id).await.unwrap();
                }
                ChatEvent::Refused { message_id, reason } => {
                    writeln!(failures, "{message_id}: {reason}").unwrap();
                }
                _ => {}
            },
        }
    }
}
