//! Control with a stand-in for the engine behind it: real channels, scripted answers.

use std::sync::Arc;
use std::time::Duration;

use cubelet::config;
use cubelet::control::{BrokerStatus, ControlSettings, EnginePort, Equipment, run};
use cubelet::engine::command::{Command, CommandError, Reply, Request};
use cubelet::engine::event::Event;
use cubelet::engine::journal::{ControlEntry, Journal};
use cubelet::engine::state::DeviceState;
use cubelet::protocol::call_signal::CallType;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::broker::{Broker, Gate, PATIENCE};

pub fn settings(broker: &Broker) -> ControlSettings {
    ControlSettings {
        device: "door".into(),
        groups: vec!["floor-1".into()],
        mqtt: config::Mqtt {
            host: "127.0.0.1".into(),
            port: broker.port,
            base: "cubelet".into(),
            username: None,
            password: None,
            tls: false,
            ca: None,
            version: config::MqttVersion::Auto,
            home_assistant: config::HomeAssistant::default(),
        },
        control: config::Control {
            commands: config::device::VERBS
                .iter()
                .map(|v| (*v).to_owned())
                .collect(),
            rate_per_s: 1000,
            test_commands: false,
            allow: vec![],
            group_commands: config::device::GROUP_VERBS
                .iter()
                .map(|v| (*v).to_owned())
                .collect(),
            group_jitter_ms: 50,
            max_age_s: 300,
            keep_log: 100,
        },
        call_type: CallType::Video,
        equipment: Equipment::default(),
        command_timeout: Duration::from_secs(10),
    }
}

/// What the engine does with a command.
pub enum Act {
    Answer(Result<Reply, CommandError>),
    /// Keep the request until the device is dropped.
    Keep,
    /// Answer after a while, beside the others.
    Later(Duration, Result<Reply, CommandError>),
    Drop,
}

pub struct Device {
    pub events: broadcast::Sender<Event>,
    pub state: watch::Sender<DeviceState>,
    pub status: watch::Receiver<BrokerStatus>,
    pub shutdown: CancellationToken,
    pub executed: Arc<Mutex<Vec<Command>>>,
    pub task: JoinHandle<()>,
    pub journal: Journal,
    begun: mpsc::UnboundedReceiver<()>,
    /// Where the journal is, unless it was there before.
    _state: Option<tempfile::TempDir>,
    engine: AbortOnDropHandle<()>,
}

impl Device {
    /// Whose engine answers everything with `{"done": true}`.
    pub fn start(settings: ControlSettings) -> Self {
        Self::with_engine(settings, |_| {
            Act::Answer(Ok(Reply::Json(json!({ "done": true }))))
        })
    }

    pub fn with_engine(
        settings: ControlSettings,
        act: impl Fn(&Command) -> Act + Send + 'static,
    ) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut device = Self::with_journal(settings, state.path(), act);
        device._state = Some(state);
        device
    }

    /// One that keeps its journal in this folder.
    pub fn with_journal(
        settings: ControlSettings,
        folder: &std::path::Path,
        act: impl Fn(&Command) -> Act + Send + 'static,
    ) -> Self {
        let keep_log = settings.control.keep_log;
        let journal = Journal::open(&folder.join("cubelet.db"), keep_log).unwrap();
        let (requests, mut inbox) = mpsc::channel::<Request>(16);
        let (events, event_rx) = broadcast::channel(1024);
        let (state, state_rx) = watch::channel(DeviceState::default());
        let (status_tx, status) = watch::channel(BrokerStatus::default());
        let executed = Arc::new(Mutex::new(Vec::new()));
        let log = executed.clone();
        let (begun_tx, begun) = mpsc::unbounded_channel();
        let engine = tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Some(request) = inbox.recv().await {
                log.lock().push(request.command.clone());
                // Nobody needs to be looking.
                let _ = begun_tx.send(());
                match act(&request.command) {
                    Act::Answer(answer) => drop(request.reply.send(answer)),
                    Act::Keep => kept.push(request),
                    Act::Later(wait, answer) => drop(tokio::spawn(async move {
                        tokio::time::sleep(wait).await;
                        drop(request.reply.send(answer));
                    })),
                    Act::Drop => {}
                }
            }
        });
        let port = EnginePort {
            requests,
            events: event_rx,
            state: state_rx,
            journal: journal.clone(),
            exchange: cubelet::control::Exchange::default(),
        };
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(run(settings, port, shutdown.clone(), status_tx));
        Self {
            events,
            state,
            status,
            shutdown,
            executed,
            task,
            journal,
            begun,
            _state: None,
            engine: AbortOnDropHandle::new(engine),
        }
    }

    /// One that is online, and its broker.
    pub async fn at_a_broker() -> (Broker, Self) {
        let broker = Broker::start().await;
        let mut device = Self::start(settings(&broker));
        device.online().await;
        (broker, device)
    }

    /// The same, reaching its broker through a way that can be cut.
    pub async fn behind_a_gate() -> (Broker, Gate, Self) {
        let broker = Broker::start().await;
        let gate = Gate::to(&broker).await;
        let mut settings = settings(&broker);
        settings.mqtt.port = gate.port;
        let mut device = Self::start(settings);
        device.online().await;
        (broker, gate, device)
    }

    pub async fn online(&mut self) {
        self.status_is(|status| *status == BrokerStatus::Online)
            .await;
    }

    pub async fn offline(&mut self) {
        self.status_is(|status| matches!(status, BrokerStatus::Offline { .. }))
            .await;
    }

    pub async fn status_is(&mut self, wanted: impl FnMut(&BrokerStatus) -> bool) -> BrokerStatus {
        tokio::time::timeout(PATIENCE, self.status.wait_for(wanted))
            .await
            .expect("the status in time")
            .unwrap()
            .clone()
    }

    /// Waits until the engine has taken a command.
    pub async fn is_executing(&mut self) {
        tokio::time::timeout(PATIENCE, self.begun.recv())
            .await
            .expect("a command in time")
            .unwrap();
    }

    /// Waits until the answer to the request of this id is on the disk.
    pub async fn kept_answer(&self, id: &str) {
        let looking = async {
            loop {
                let kept = self.journal.kept().await;
                if kept
                    .iter()
                    .any(|(one, _)| one.request == id && one.reply.is_some())
                {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, looking)
            .await
            .expect("an answer in time");
    }

    /// The newest line of the log that fits, once it is written.
    pub async fn logged(&self, fits: impl Fn(&ControlEntry) -> bool) -> ControlEntry {
        let looking = async {
            loop {
                let log = self.journal.log(1_000).await;
                if let Some(entry) = log.into_iter().find(|entry| fits(entry)) {
                    return entry;
                }
            }
        };
        tokio::time::timeout(PATIENCE, looking)
            .await
            .expect("a line in time")
    }

    /// Ends the engine; its end of the command channel is closed when this returns.
    pub async fn end_engine(&mut self) {
        self.engine.abort();
        let ended = (&mut self.engine).await;
        assert!(ended.unwrap_err().is_cancelled());
    }

    pub async fn stop(mut self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(5), &mut self.task)
            .await
            .expect("control ends in time")
            .unwrap();
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.task.abort();
    }
}
