//! One device writing to another through our hub, each message stored in the history: with our
//! chat client and its outbox on disk, with the vendor's SDK in Node, with slixmpp. Same number of
//! messages, same text, the same number on their way at most, author and receiver in one thread.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use cubelet::base::object_id::ObjectId;
use cubelet::base::tls;
use cubelet::chat::{
    ChatClient, ChatEndpoint, ChatEvent, ChatSettings, ChatTuning, ConnectionStatus,
};
use cubelet::chat::{Credentials, chat};
use cubelet::protocol::address::{Realm, UserId};
use cubelet::protocol::chat_message::{Incoming, OutgoingMessage, Target};
use cubelet::store::Store;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::server::{Ready, Server, processor_time};
use crate::statistics::Latencies;

/// Messages of one run.
pub const MESSAGES: usize = 10_000;
/// Events taken at once, as the engine does.
const AT_ONCE: usize = 64;
/// For one run.
const LIMIT: Duration = Duration::from_secs(120);
const PASSWORD: &str = "bench-password";
const BODY: &str = "Someone is at the door; the parcel is under the bench by the window.";

/// Whose client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// `cubelet::chat` with its store, over TLS.
    Cubelet,
    /// The vendor's SDK, over its WebSocket without TLS.
    Sdk,
    /// slixmpp, over TLS.
    Slixmpp,
}

impl Client {
    /// Its name in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cubelet => "cubelet",
            Self::Sdk => "connectycube SDK 6.1.2 in Node",
            Self::Slixmpp => "slixmpp 1.17.0",
        }
    }
}

/// What was measured; the scripts print it.
#[derive(Deserialize)]
pub struct Speed {
    /// Messages received a second, from the first sent to the last received.
    pub per_second: f64,
    /// From handing it to the client to having it from the other, in ms.
    pub p50: f64,
    /// Likewise.
    pub p99: f64,
    /// Processor time of the process with both clients, for each message, in µs.
    pub cost: f64,
}

/// What the scripts are told.
#[derive(Serialize)]
struct Job<'a> {
    ready: &'a Ready,
    author: &'a Person,
    receiver: &'a Person,
    messages: usize,
    window: usize,
    body: &'a str,
}

#[derive(Serialize)]
struct Person {
    id: UserId,
    login: String,
    password: String,
}

/// Runs one client against a hub, with at most `window` messages on their way.
pub async fn measure(client: Client, server: &Server, window: usize) -> anyhow::Result<Speed> {
    let ready = server.ready.as_ref().context("not our hub")?;
    let (author, receiver) = (sign_up(ready).await?, sign_up(ready).await?);
    let job = Job {
        ready,
        author: &author,
        receiver: &receiver,
        messages: MESSAGES,
        window,
        body: BODY,
    };
    let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let run = async {
        match client {
            Client::Cubelet => ours(&job).await,
            Client::Sdk => script("node".into(), &interop.join("chat_speed.mjs"), &job).await,
            Client::Slixmpp => {
                let python = std::env::var_os("BENCH_PYTHON").context("BENCH_PYTHON is not set")?;
                script(python.into(), &interop.join("chat_speed.py"), &job).await
            }
        }
    };
    let limited = tokio::time::timeout(LIMIT, run).await;
    limited
        .with_context(|| format!("{client:?} takes too long"))?
        .with_context(|| format!("{client:?}"))
}

async fn sign_up(ready: &Ready) -> anyhow::Result<Person> {
    let http = reqwest::Client::new();
    let body = json!({"application_id": ready.app_id, "auth_key": ready.auth_key});
    let request = http.post(format!("{}/session", ready.api)).json(&body);
    let session: Value = request.send().await?.error_for_status()?.json().await?;
    let token = session["session"]["token"].as_str().context("no token")?;
    let login = format!("bench-{}", ObjectId::generate());
    let body = json!({"user": {"login": login, "password": PASSWORD, "full_name": "Bench"}});
    let request = http.post(format!("{}/users", ready.api));
    let request = request.header("CB-Token", token).json(&body);
    let user: Value = request.send().await?.error_for_status()?.json().await?;
    Ok(Person {
        id: user["user"]["id"].as_u64().context("no id")?,
        login,
        password: PASSWORD.to_owned(),
    })
}

async fn script(program: PathBuf, script: &Path, job: &Job<'_>) -> anyhow::Result<Speed> {
    let output = tokio::process::Command::new(program)
        .arg(script)
        .env("BENCH_JOB", serde_json::to_string(job)?)
        .kill_on_drop(true)
        .output()
        .await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with('{'));
    let Some(line) = line.filter(|_| output.status.success()) else {
        bail!("{text}{}", String::from_utf8_lossy(&output.stderr));
    };
    Ok(serde_json::from_str(line)?)
}

struct Device {
    client: ChatClient,
    store: Store,
    events: mpsc::Receiver<ChatEvent>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Device {
    async fn start(ready: &Ready, person: &Person) -> anyhow::Result<Self> {
        let (host, port) = ready.xmpp_tls.rsplit_once(':').context("no port")?;
        let settings = ChatSettings {
            endpoint: ChatEndpoint::Tls {
                host: host.to_owned(),
                port: port.parse()?,
            },
            realm: Realm {
                app_id: ready.app_id,
                chat_host: ready.chat.clone(),
            },
            tls: tls::client_config(Some(&ready.ca))?,
            tuning: ChatTuning::default(),
        };
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let store = Store::open(&folder.path().join("device.sqlite"))?;
        let credentials = Credentials::with_password(person.id, person.password.clone());
        let (client, runner) = chat(settings, Arc::new(credentials), store.clone());
        let (sender, events) = mpsc::channel(1024);
        let stop = CancellationToken::new();
        tokio::spawn(runner.run(sender, stop.clone()));
        let is_online =
            |status: &ConnectionStatus| matches!(status, ConnectionStatus::Online { .. });
        client.watch_status().wait_for(is_online).await?;
        Ok(Self {
            client,
            store,
            events,
            stop,
            _folder: folder,
        })
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn ours(job: &Job<'_>) -> anyhow::Result<Speed> {
    let mut author = Device::start(job.ready, job.author).await?;
    let mut receiver = Device::start(job.ready, job.receiver).await?;
    let ids: Vec<String> = (0..job.messages)
        .map(|_| ObjectId::generate().to_string())
        .collect();
    let window = Rc::new(Semaphore::new(job.window));
    let used = processor_time("self")?;
    let begin = Instant::now();
    let sent = std::cell::RefCell::new(Vec::with_capacity(ids.len()));
    let writing = async {
        let mut pending = tokio::task::JoinSet::new();
        for id in &ids {
            let permit = window.acquire().await?;
            permit.forget();
            sent.borrow_mut().push(Instant::now());
            let message = OutgoingMessage {
                id: id.clone(),
                target: Target::User(job.receiver.id),
                body: job.body.to_owned(),
                date_sent: 1_760_000_000,
                ..OutgoingMessage::default()
            };
            let client = author.client.clone();
            // Tasks of one thread begin in the order they were made, and so do the messages.
            pending.spawn(async move { client.send(message).await });
            while let Some(done) = pending.try_join_next() {
                done??;
            }
        }
        while let Some(done) = pending.join_next().await {
            done??;
        }
        anyhow::Ok(())
    };
    let reading = async {
        let mut latencies = Latencies::default();
        let mut events = Vec::with_capacity(AT_ONCE);
        while latencies.len() < ids.len() {
            let count = receiver.events.recv_many(&mut events, AT_ONCE).await;
            ensure!(count > 0, "the chat has ended");
            let mut taken = Vec::with_capacity(count);
            for event in events.drain(..) {
                let ChatEvent::Incoming(Incoming::Message(message)) = event else {
                    continue;
                };
                ensure!(message.id == ids[latencies.len()], "out of order");
                latencies.add(sent.borrow()[latencies.len()].elapsed());
                window.add_permits(1);
                taken.push(message.id);
            }
            // As the engine does once it has passed messages on.
            receiver.store.all_taken(taken).await?;
        }
        Ok((latencies, begin.elapsed()))
    };
    let markers = async {
        // The author's events are markers and acknowledgements; somebody must take them.
        while author.events.recv().await.is_some() {}
    };
    let (mut latencies, taken) = tokio::select! {
        both = async { tokio::try_join!(writing, reading) } => both?.1,
        () = markers => bail!("the author's chat has ended"),
    };
    let cost = (processor_time("self")? - used) * 1e6 / job.messages as f64;
    Ok(Speed {
        per_second: job.messages as f64 / taken.as_secs_f64(),
        p50: latencies.quantile(0.5).unwrap_or_default(),
        p99: latencies.quantile(0.99).unwrap_or_default(),
        cost,
    })
}
