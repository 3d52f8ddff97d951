//! A chat client running in the test, and waiting on what it tells.

use std::sync::Arc;
use std::time::Duration;

use cubelet::base::object_id::ObjectId;
use cubelet::chat::{
    ChatClient, ChatEvent, ChatSettings, ConnectionStatus, CredentialsSource, chat,
};
use cubelet::protocol::address::UserId;
use cubelet::protocol::chat_message::{ChatMessage, Incoming, OutgoingMessage, Target};
use cubelet::store::Store;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Running {
    pub client: ChatClient,
    pub store: Store,
    pub events: mpsc::Receiver<ChatEvent>,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<()>,
}

pub fn start(settings: ChatSettings, source: impl CredentialsSource, store: Store) -> Running {
    let (_, nothing) = watch::channel(0);
    start_heeding(settings, source, store, nothing)
}

/// [`start`] with a network whose changes the test decides.
pub fn start_heeding(
    settings: ChatSettings,
    source: impl CredentialsSource,
    store: Store,
    network: watch::Receiver<u64>,
) -> Running {
    let (client, runner) = chat(settings, Arc::new(source), store.clone());
    let runner = runner.heeding(network);
    let (sender, events) = mpsc::channel(1024);
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(runner.run(sender, shutdown.clone()));
    Running {
        client,
        store,
        events,
        shutdown,
        task,
    }
}

impl Running {
    pub async fn status(&self, is_it: impl FnMut(&ConnectionStatus) -> bool) -> ConnectionStatus {
        let mut status = self.client.watch_status();
        let waiting = tokio::time::timeout(PATIENCE, status.wait_for(is_it)).await;
        let status = waiting
            .unwrap_or_else(|_| panic!("still {:?}", self.client.status()))
            .unwrap();
        status.clone()
    }

    pub async fn online(&self) {
        self.status(|status| matches!(status, ConnectionStatus::Online { .. }))
            .await;
    }

    /// The reason of the next time it is offline.
    pub async fn offline_reason(&self) -> String {
        let is_it = |status: &ConnectionStatus| matches!(status, ConnectionStatus::Offline { .. });
        match self.status(is_it).await {
            ConnectionStatus::Offline { reason, .. } => reason,
            status => panic!("{status:?}"),
        }
    }

    pub async fn refused_reason(&self) -> String {
        match self
            .status(|status| matches!(status, ConnectionStatus::Refused { .. }))
            .await
        {
            ConnectionStatus::Refused { reason } => reason,
            status => panic!("{status:?}"),
        }
    }

    pub async fn event(&mut self) -> ChatEvent {
        let waiting = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        waiting
            .expect("no event comes")
            .expect("the chat has ended")
    }

    /// The next event `pick` takes, leaving out the others.
    pub async fn event_of<T>(&mut self, mut pick: impl FnMut(ChatEvent) -> Option<T>) -> T {
        loop {
            let event = self.event().await;
            if let Some(picked) = pick(event) {
                return picked;
            }
        }
    }

    pub async fn message(&mut self) -> ChatMessage {
        self.event_of(|event| match event {
            ChatEvent::Incoming(Incoming::Message(message)) => Some(message),
            _ => None,
        })
        .await
    }

    pub async fn acknowledged(&mut self) -> String {
        self.event_of(|event| match event {
            ChatEvent::Acknowledged { message_id } => Some(message_id),
            _ => None,
        })
        .await
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        let waiting = tokio::time::timeout(PATIENCE, self.task).await;
        waiting.expect("it does not stop").unwrap();
    }
}

pub fn text(to: UserId, body: &str) -> OutgoingMessage {
    OutgoingMessage {
        id: ObjectId::generate().to_string(),
        target: Target::User(to),
        body: body.into(),
        dialog_id: None,
        date_sent: 1_760_000_000,
        custom: Vec::new(),
        ..OutgoingMessage::default()
    }
}
