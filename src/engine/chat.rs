//! The `Chat` actor: keeps the chat connection and brings what arrives to whom it concerns.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use futures::future::LocalBoxFuture;
use parking_lot::RwLock;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::calls::SignalArrived;
use super::chat_status;
use super::door::DoorMessage;
use super::event::{EventKind, unix_ms};
use super::history::{Change, Input};
use super::mailbox::MAILBOX_CAPACITY;
use super::preview::PreviewArrived;
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use crate::base::object_id::ObjectId;
use crate::chat::{
    self, ChatClient, ChatEvent, ChatRunner, ChatSettings, ChatTuning, ConnectionStatus,
};
use crate::config;
use crate::protocol::chat_message::{Incoming, params_to_json};
use crate::protocol::last_activity;
use crate::protocol::preview::PreviewSignal;
use crate::rest::RestClient;
use crate::store::Store;
use crate::store::history::OwnStatus;

/// What arrived and this actor has not looked at yet.
const EVENT_QUEUE: usize = 64;

/// The chat client of the present connection loop; outlives the actor, so that a message can be
/// stored for sending while the actor is away.
#[derive(Clone)]
pub struct ChatLine {
    settings: ChatSettings,
    rest: RestClient,
    store: Store,
    client: Arc<RwLock<ChatClient>>,
    network: watch::Receiver<u64>,
}

impl ChatLine {
    /// A line nobody serves yet: messages are stored, signals are refused as offline.
    pub fn new(settings: ChatSettings, rest: RestClient, store: Store) -> Self {
        let (client, _) = chat::chat(settings.clone(), Arc::new(rest.clone()), store.clone());
        Self {
            settings,
            rest,
            store,
            client: Arc::new(RwLock::new(client)),
            network: chat::network_changes(),
        }
    }

    /// The client to send with now.
    pub fn client(&self) -> ChatClient {
        self.client.read().clone()
    }

    /// Changes with the network below.
    pub fn network(&self) -> watch::Receiver<u64> {
        self.network.clone()
    }

    fn renew(&self) -> ChatRunner {
        let source = Arc::new(self.rest.clone());
        let (client, runner) = chat::chat(self.settings.clone(), source, self.store.clone());
        *self.client.write() = client;
        runner.heeding(self.network.clone())
    }
}

/// The configuration's endpoint as the chat's own.
pub fn endpoint(configured: &config::ChatEndpoint) -> chat::ChatEndpoint {
    match configured {
        config::ChatEndpoint::Tls { host, port } => chat::ChatEndpoint::Tls {
            host: host.clone(),
            port: *port,
        },
        config::ChatEndpoint::WebSocket(url) => chat::ChatEndpoint::WebSocket(url.clone()),
    }
}

/// The configuration's patience as the chat's own.
pub fn tuning(configured: &config::Chat) -> ChatTuning {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    ChatTuning {
        retry_first: Duration::from_millis(configured.retry_first_ms.into()),
        retry_longest: seconds(configured.retry_longest_s),
        step: seconds(configured.step_timeout_s),
        quiet: seconds(configured.keep_alive_s),
        patience: seconds(configured.answer_timeout_s),
        resume: seconds(configured.resume_s),
    }
}

/// The actor.
pub struct Chat {
    _life: Life,
    wiring: Wiring,
    running: Option<DropGuard>,
}

supervised!(Chat, drain = say_goodbye);

impl Chat {
    /// Not connected.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            wiring,
            running: None,
        }
    }

    /// What is under way gets its acknowledgement before the stream is closed.
    fn say_goodbye(&mut self) -> LocalBoxFuture<'static, ()> {
        self.running = None;
        let mut status = self.wiring.chat.client().watch_status();
        Box::pin(async move {
            let is_over = |now: &ConnectionStatus| *now == ConnectionStatus::Closed;
            // An error means that the loop is gone, which is what is waited for.
            let _ = status.wait_for(is_over).await;
        })
    }
}

impl Actor for Chat {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        let token = CancellationToken::new();
        self.running = Some(token.clone().drop_guard());
        let runner = self.wiring.chat.renew();
        let (events, mut arriving) = mpsc::channel(EVENT_QUEUE);
        ctx.spawn(runner.run(events, token).into_actor(self));
        let wiring = self.wiring.clone();
        let receive = async move {
            let mut events = Vec::with_capacity(EVENT_QUEUE);
            while arriving.recv_many(&mut events, EVENT_QUEUE).await > 0 {
                let is_acknowledged = |event: &ChatEvent| {
                    matches!(
                        event,
                        ChatEvent::Acknowledged { .. } | ChatEvent::Refused { .. }
                    )
                };
                let has_left_the_outbox = events.iter().any(is_acknowledged);
                for event in events.drain(..) {
                    on_event(&wiring, event).await;
                }
                if has_left_the_outbox && let Some(outbox) = outbox_length(&wiring).await {
                    wiring.board.update(|state| state.chat.outbox = outbox);
                }
            }
        };
        ctx.spawn(receive.into_actor(self));
        let wiring = self.wiring.clone();
        let mut status = self.wiring.chat.client().watch_status();
        let follow = async move {
            loop {
                let now = status.borrow_and_update().clone();
                show(&wiring, now).await;
                if status.changed().await.is_err() {
                    return;
                }
            }
        };
        ctx.spawn(follow.into_actor(self));
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        self.wiring.board.update(|state| {
            chat_status::show(&mut state.chat, ConnectionStatus::Closed, unix_ms());
            state.chat.reason = Some("the chat actor is away".to_owned());
        });
    }
}

async fn show(wiring: &Wiring, now: ConnectionStatus) {
    let outbox = outbox_length(wiring).await;
    wiring.board.update(|state| {
        chat_status::show(&mut state.chat, now, unix_ms());
        state.chat.outbox = outbox.unwrap_or(state.chat.outbox);
    });
}

async fn outbox_length(wiring: &Wiring) -> Option<u64> {
    wiring
        .store
        .pending_count()
        .await
        .inspect_err(|error| tracing::warn!(%error, "the outbox cannot be counted"))
        .ok()
}

async fn on_event(wiring: &Wiring, event: ChatEvent) {
    match event {
        ChatEvent::Online { user, resumed, .. } => {
            tracing::info!(user, resumed, "chat is online");
            if !resumed {
                wiring.history_queue.put(Input::Online).await;
                watch_again(wiring).await;
            }
        }
        ChatEvent::Incoming(incoming) => on_incoming(wiring, incoming).await,
        ChatEvent::Acknowledged { message_id } => {
            let own = Input::Own {
                message_id: message_id.clone(),
                status: OwnStatus::Sent,
                reason: None,
            };
            wiring.history_queue.put(own).await;
            wiring.board.publish(EventKind::ChatSent {
                message: message_id,
            });
        }
        ChatEvent::Refused { message_id, reason } => {
            let own = Input::Own {
                message_id: message_id.clone(),
                status: OwnStatus::Refused,
                reason: Some(reason.clone()),
            };
            wiring.history_queue.put(own).await;
            wiring.board.publish(EventKind::ChatRefused {
                message: message_id,
                reason,
            });
        }
        ChatEvent::Room { dialog, event } => tracing::debug!(dialog, ?event, "room"),
        ChatEvent::Iq(iq) => on_iq(wiring, &iq),
    }
}

fn on_iq(wiring: &Wiring, iq: &minidom::Element) {
    if let Some((user, seconds)) = last_activity::read(&wiring.realm, iq) {
        // Whom we watch came or went: pushes have ids nobody here asked under.
        wiring
            .board
            .publish(EventKind::ChatActivity { user, seconds });
    }
}

/// A new stream knows nothing of whom the last one watched.
async fn watch_again(wiring: &Wiring) {
    for user in wiring.watched.all() {
        let id = ObjectId::generate().to_string();
        let element = last_activity::watch(&wiring.realm, &id, user, true);
        if let Err(error) = wiring.chat.client().now(element).await {
            tracing::warn!(%error, user, "not watched again");
        }
    }
}

async fn put_change(wiring: &Wiring, key: Option<String>, change: Change) {
    let changed = Input::Changed { key, change };
    wiring.history_queue.put(changed).await;
}

async fn on_incoming(wiring: &Wiring, incoming: Incoming) {
    let key = incoming.key();
    match incoming {
        Incoming::Message(message) => {
            let message = Input::Message(Box::new(message));
            wiring.history_queue.put(message).await;
        }
        Incoming::Marker {
            marker,
            message_id,
            from,
            ..
        } => {
            let marked = Input::Marked {
                marker,
                message_id,
                from,
            };
            wiring.history_queue.put(marked).await;
        }
        Incoming::Edited(edit) => put_change(wiring, key, Change::Edited(edit)).await,
        Incoming::Removed {
            message_id,
            from,
            dialog_id,
            ..
        } => {
            let removed = Change::Removed {
                message_id,
                from,
                dialog_id,
            };
            put_change(wiring, key, removed).await;
        }
        Incoming::Reaction(change) => put_change(wiring, key, Change::Reaction(change)).await,
        Incoming::Typing {
            from,
            dialog_id,
            composing,
        } => wiring.board.publish(EventKind::ChatTyping {
            from,
            dialog: dialog_id,
            composing,
        }),
        Incoming::Call {
            from,
            is_own_copy,
            signal: Ok(signal),
        } => {
            // A mailbox that cannot take it is logged there; the sender repeats its invitation.
            let _ = wiring.slots.calls.tell(SignalArrived {
                from,
                is_own_copy,
                signal,
            });
        }
        Incoming::Call {
            from,
            signal: Err(error),
            ..
        } => {
            tracing::warn!(from, %error, "a call signal that cannot be read was ignored");
        }
        Incoming::System {
            from,
            is_own_copy: false,
            body,
            params,
        } => {
            let texts: HashMap<String, String> = params
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.as_text()?.to_owned())))
                .collect();
            if let Some(signal) = PreviewSignal::read(&texts) {
                match signal {
                    // As above; the asking side has its own time-out.
                    Ok(signal) => drop(wiring.slots.calls.tell(PreviewArrived { from, signal })),
                    Err(error) => tracing::warn!(from, %error, "a preview's message was ignored"),
                }
            } else if texts.contains_key("cubelet") {
                // As above; the asking side has its own time-out.
                let _ = wiring.slots.door.tell(DoorMessage {
                    from,
                    params: texts,
                });
            } else {
                wiring.board.publish(EventKind::ChatSystem {
                    from,
                    body,
                    params: params_to_json(&params),
                });
            }
        }
        Incoming::Error { id, code, text } => {
            tracing::warn!(id, code, text, "the hub could not deliver a stanza of ours");
        }
        Incoming::System { .. } => {}
        Incoming::Other(why) => tracing::debug!(why, "a stanza was ignored"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_file_reaches_the_connection() {
        let configured = config::Chat {
            retry_first_ms: 150,
            retry_longest_s: 2,
            step_timeout_s: 3,
            keep_alive_s: 4,
            answer_timeout_s: 5,
            resume_s: 6,
            commands: config::device::ChatCommands::default(),
        };
        let expected = ChatTuning {
            retry_first: Duration::from_millis(150),
            retry_longest: Duration::from_secs(2),
            step: Duration::from_secs(3),
            quiet: Duration::from_secs(4),
            patience: Duration::from_secs(5),
            resume: Duration::from_secs(6),
        };
        assert_eq!(tuning(&configured), expected);
    }
}
