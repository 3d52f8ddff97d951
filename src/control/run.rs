//! The loop that joins the engine, the decisions and the connection. It never waits for any of
//! them: each turn takes what is ready of one of them and moves on what it can. `orders` is an
//! order's way in and its answer's way out, `drain` the end.

mod drain;
mod orders;

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::execution::{Execution, Outcome};
use super::home_assistant::Discovery;
use super::intake::{Intake, failure};
use super::link::{Link, LinkEvent};
use super::message::Message;
use super::outbox::Outbox;
use super::parts::StateParts;
use super::topics::Topics;
use super::version_choice::{Ending, VersionChoice};
use super::window::{Key, Ticket};
use super::{BrokerStatus, ControlSettings, EnginePort};
use crate::base::backoff::{Backoff, NOBODY_THERE};
use crate::engine::command::{CommandError, ErrorCode};
use crate::engine::event::Event;

/// State is published at most this often: counters of a call change with every picture.
const STATE_INTERVAL: Duration = Duration::from_millis(100);
/// What a turn takes of one kind before it looks at the others.
const AT_ONCE: usize = 64;
/// A connection that held this long was a success, and the next delay starts small again.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// Serves one device's control topics until `shutdown`, then publishes `offline` and disconnects,
/// within 3 seconds. A broker that is down, now or later, is tried again with growing delays
/// (300 ms to 30 s). Dropping the future closes the connection without farewell, whereupon the
/// broker publishes the last will.
pub async fn run(
    settings: ControlSettings,
    port: EnginePort,
    shutdown: CancellationToken,
    status: watch::Sender<BrokerStatus>,
) {
    Controller::new(settings, port, status).run(shutdown).await;
}

/// How far a shutdown has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Running commands and queued messages are being finished.
    Draining {
        began: Instant,
    },
    /// `offline` is queued as the last message.
    Leaving {
        began: Instant,
    },
    /// DISCONNECT is on its way.
    Farewell {
        began: Instant,
    },
    Done,
}

struct Controller {
    settings: ControlSettings,
    port: EnginePort,
    status: watch::Sender<BrokerStatus>,
    topics: Topics,
    intake: Intake,
    outbox: Outbox,
    parts: StateParts,
    execution: Execution,
    discovery: Discovery,
    /// Topics of others the rules wait for.
    wanted: watch::Receiver<Vec<String>>,
    /// Pictures the rules had taken.
    pictures: broadcast::Receiver<Bytes>,
    link: Option<Link>,
    versions: VersionChoice,
    /// Since when the subscription stands; nothing is published before.
    online: Option<Instant>,
    connected_before: bool,
    backoff: Backoff,
    retry_at: Instant,
    events_open: bool,
    state_open: bool,
    /// When the changed state may be published.
    state_due: Option<Instant>,
    state_published: Option<Instant>,
    /// Messages dropped since the last time the device was online.
    dropped: u64,
    phase: Phase,
}

/// What made the loop turn.
enum Turn {
    Shutdown,
    Link(LinkEvent),
    Event(Result<Event, RecvError>),
    StateChanged(bool),
    StateDue,
    DiscoveryDue,
    Wanted,
    Picture(Bytes),
    Finished(Vec<(Ticket, Outcome)>),
    Retry,
    DrainTick,
}

impl Controller {
    fn new(
        settings: ControlSettings,
        port: EnginePort,
        status: watch::Sender<BrokerStatus>,
    ) -> Self {
        let topics = Topics::new(&settings.mqtt.base, &settings.device, &settings.groups);
        let intake = Intake::new(
            topics.clone(),
            &settings.device,
            &settings.control,
            settings.call_type,
        );
        let versions = VersionChoice::new(settings.mqtt.version);
        let execution = Execution::new(
            port.requests.clone(),
            port.journal.clone(),
            settings.command_timeout,
        );
        let wanted = port.exchange.wanted();
        let pictures = port.exchange.pictures();
        let discovery = Discovery::new(settings.clone(), rand::random());
        Self {
            settings,
            port,
            status,
            discovery,
            wanted,
            pictures,
            topics,
            intake,
            outbox: Outbox::new(),
            parts: StateParts::default(),
            execution,
            link: None,
            versions,
            online: None,
            connected_before: false,
            backoff: Backoff::standard(),
            retry_at: Instant::now(),
            events_open: true,
            state_open: true,
            state_due: None,
            state_published: None,
            dropped: 0,
            phase: Phase::Serving,
        }
    }

    /// Takes over what was carried out before a restart.
    async fn remember(&mut self) {
        let now = std::time::Instant::now();
        for (request, age_ms) in self.port.journal.kept().await {
            let Ok(fingerprint) = request.fingerprint.try_into() else {
                continue;
            };
            let id = serde_json::from_str(&request.request).unwrap_or(Value::Null);
            let body = match &request.reply {
                Some(reply) => serde_json::from_str(reply).unwrap_or(Value::Null),
                None => {
                    let message = "the device ended while it was at it; whether it was carried \
                                   out is not known";
                    failure(&id, &CommandError::new(ErrorCode::Unavailable, message))
                }
            };
            let key = Key {
                verb: request.name,
                id: request.request,
            };
            let age = age_ms.map(Duration::from_millis);
            self.intake.remember(now, key, fingerprint, body, age);
        }
    }

    async fn run(mut self, shutdown: CancellationToken) {
        self.remember().await;
        while self.phase != Phase::Done {
            let turn = self.turn(&shutdown).await;
            match turn {
                Turn::Shutdown => self.begin_drain(),
                Turn::Link(event) => {
                    self.on_link(event);
                    self.take_more_of_the_link();
                }
                Turn::Event(event) => {
                    self.on_event(event);
                    self.take_more_events();
                }
                Turn::StateChanged(open) => self.on_state_changed(open),
                Turn::StateDue => self.publish_state(),
                Turn::DiscoveryDue => self.announce(),
                Turn::Wanted => self.subscribe_more(),
                Turn::Picture(picture) => {
                    if let Err(error) = self.publish_snapshot(picture) {
                        tracing::warn!(%error, "a rule's picture is not published");
                    }
                }
                Turn::Finished(finished) => self.on_finished(finished),
                Turn::Retry => self.connect(),
                Turn::DrainTick => {}
            }
            self.pump();
            self.advance_drain();
        }
        self.status.send_replace(BrokerStatus::Stopped);
    }

    async fn turn(&mut self, shutdown: &CancellationToken) -> Turn {
        let serving = self.phase == Phase::Serving;
        let state_due = self.state_due;
        let discovery_due = self.discovery.due().map(Instant::from_std);
        let retry = (serving && self.link.is_none()).then_some(self.retry_at);
        let tick = self.drain_tick();
        let Self {
            link,
            port,
            execution,
            wanted,
            pictures,
            events_open,
            state_open,
            ..
        } = self;
        let link = async {
            match link {
                Some(link) => link.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shutdown.cancelled(), if serving => Turn::Shutdown,
            event = link => Turn::Link(event),
            event = port.events.recv(), if *events_open => Turn::Event(event),
            changed = port.state.changed(), if *state_open => Turn::StateChanged(changed.is_ok()),
            finished = execution.next(), if !execution.is_idle() => Turn::Finished(finished),
            () = until(state_due) => Turn::StateDue,
            () = until(discovery_due) => Turn::DiscoveryDue,
            // Neither ends before the exchange does, which is ours, too.
            Ok(()) = wanted.changed() => Turn::Wanted,
            Ok(picture) = pictures.recv() => Turn::Picture(picture),
            () = until(retry) => Turn::Retry,
            () = until(tick) => Turn::DrainTick,
        }
    }

    /// What came together is looked at together: fewer turns, and one state for many answers.
    fn take_more_of_the_link(&mut self) {
        for _ in 1..AT_ONCE {
            match self.link.as_mut().and_then(Link::ready) {
                Some(event) => self.on_link(event),
                None => return,
            }
        }
    }

    fn take_more_events(&mut self) {
        for _ in 1..AT_ONCE {
            match self.port.events.try_recv() {
                Ok(event) => self.queue_event(&event),
                // The next turn finds it again.
                Err(_) => return,
            }
        }
    }

    fn connect(&mut self) {
        self.status.send_replace(BrokerStatus::Connecting);
        let opened = Link::open(
            &self.settings.mqtt,
            &self.settings.device,
            &self.topics,
            self.versions.version(),
            self.connected_before,
        );
        match opened {
            Ok(link) => self.link = Some(link),
            Err(error) => self.on_failed(error.to_string()),
        }
    }

    fn on_link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Connected {
                receive_max,
                packet_max,
            } => {
                if !self.versions.accepted() {
                    // The same broker, at once, in the other version.
                    self.link = None;
                    self.retry_at = Instant::now();
                    return;
                }
                self.connected_before = true;
                self.outbox.connected(receive_max, packet_max);
                let mut filters = self.topics.subscriptions();
                filters.extend(self.discovery.filters());
                filters.extend(self.wanted.borrow_and_update().iter().cloned());
                if !self
                    .link
                    .as_ref()
                    .is_some_and(|link| link.subscribe(filters))
                {
                    self.on_failed("the subscription could not be sent".into());
                }
            }
            // What rules wait for came later; it is not needed to be online.
            LinkEvent::Subscribed(_) if self.online.is_some() => {}
            LinkEvent::Subscribed(heard) => self.on_subscribed(&heard),
            LinkEvent::Arrived(arrival) => {
                if self.discovery.arrive(std::time::Instant::now(), &arrival) {
                    return;
                }
                if self.topics.read(&arrival.topic).is_none() && self.port.exchange.arrive(&arrival)
                {
                    return;
                }
                self.on_order(arrival);
            }
            LinkEvent::Numbered(packet) => self.outbox.numbered(packet),
            LinkEvent::Acknowledged(packet, refused) => {
                let message = self.outbox.acknowledged(packet);
                if let (Some(message), Some(reason)) = (message, refused) {
                    // Trying again would be refused again: the broker's access list says no.
                    tracing::error!(
                        topic = message.topic,
                        reason,
                        "the broker refuses a message"
                    );
                }
            }
            LinkEvent::Disconnected => {
                self.link = None;
                self.online = None;
                self.phase = Phase::Done;
            }
            LinkEvent::NotAccepted(reason, ending) => {
                self.versions.ended(ending);
                let within = (ending == Ending::NobodyThere).then_some(NOBODY_THERE);
                self.on_ended(reason, within);
            }
            LinkEvent::Failed(reason) => self.on_failed(reason),
        }
    }

    /// Commands are heard from here on: only now does the device call itself online.
    fn on_subscribed(&mut self, heard: &[bool]) {
        tracing::info!(host = self.settings.mqtt.host, "online at the broker");
        let filters = self.topics.subscriptions();
        for (n, (filter, _)) in filters
            .iter()
            .zip(heard)
            .enumerate()
            .filter(|(_, (_, h))| !**h)
        {
            if n < Topics::OWN {
                tracing::error!(
                    topic = filter,
                    "the broker does not let this device hear orders: check its access list"
                );
            } else {
                tracing::warn!(
                    topic = filter,
                    "the broker does not let this device hear orders to several"
                );
            }
        }
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            tracing::warn!(dropped, "messages were dropped while the broker was away");
        }
        self.online = Some(Instant::now());
        self.status.send_replace(BrokerStatus::Online);
        self.outbox
            .push(Message::availability(self.topics.availability(), "online"));
        self.parts.forget();
        self.publish_state();
        self.discovery.subscribed(std::time::Instant::now());
    }

    /// Other rules wait for other topics. Before the connection stands there is nothing to do.
    fn subscribe_more(&mut self) {
        let filters = self.wanted.borrow_and_update().clone();
        let link = self.link.as_ref().filter(|_| self.online.is_some());
        if let Some(link) = link
            && !filters.is_empty()
            && !link.subscribe(filters)
        {
            self.on_failed("the subscription could not be sent".into());
        }
    }

    fn announce(&mut self) {
        for message in self.discovery.take(&self.port.state.borrow()) {
            self.outbox.push(message);
        }
    }

    fn on_failed(&mut self, reason: String) {
        self.on_ended(reason, None);
    }

    /// The next try is at most `within` away.
    fn on_ended(&mut self, reason: String, within: Option<Duration>) {
        self.link = None;
        self.outbox.disconnected();
        self.discovery.disconnected();
        let was_online = self.online.take();
        if was_online.is_some_and(|since| since.elapsed() >= HEALTHY_AFTER) {
            self.backoff.reset();
        }
        let delay = match within {
            Some(within) => self.backoff.next_delay_within(within),
            None => self.backoff.next_delay(),
        };
        self.retry_at = Instant::now() + delay;
        self.state_due = None;
        tracing::warn!(
            host = self.settings.mqtt.host,
            reason,
            retry_in_ms = delay.as_millis() as u64,
            "not connected to the broker"
        );
        self.status.send_replace(BrokerStatus::Offline { reason });
        if self.phase != Phase::Serving {
            self.phase = Phase::Done;
        }
    }

    fn on_event(&mut self, event: Result<Event, RecvError>) {
        match event {
            Ok(event) => self.queue_event(&event),
            Err(RecvError::Lagged(missed)) => {
                tracing::error!(missed, "events were lost between the engine and control");
            }
            Err(RecvError::Closed) => self.events_open = false,
        }
    }

    fn queue_event(&mut self, event: &Event) {
        let topic = self.topics.event(event.kind.topic());
        match serde_json::to_vec(event) {
            Ok(payload) => self.outbox.push(Message::event(topic, payload)),
            Err(error) => tracing::error!(topic, %error, "an event has no JSON form"),
        }
        self.count_dropped();
    }

    fn count_dropped(&mut self) {
        let before = self.dropped;
        self.dropped += self.outbox.take_dropped();
        // At 1, 2, 4, 8 …: a long outage shall not fill the disk with this line.
        if self.dropped > 0 && (before == 0 || self.dropped.ilog2() > before.ilog2()) {
            tracing::warn!(dropped = self.dropped, "the queue for the broker is full");
        }
    }

    fn on_state_changed(&mut self, open: bool) {
        self.state_open = open;
        // Offline there is nothing to do: going online publishes everything.
        if self.online.is_some() && self.state_due.is_none() {
            let earliest = self.state_published.map(|at| at + STATE_INTERVAL);
            let now = Instant::now();
            self.state_due = Some(earliest.map_or(now, |earliest| earliest.max(now)));
        }
    }

    fn publish_state(&mut self) {
        self.state_due = None;
        self.state_published = Some(Instant::now());
        self.discovery
            .changed(std::time::Instant::now(), &self.port.state.borrow());
        let state = serde_json::to_value(&*self.port.state.borrow_and_update());
        let state = match state {
            Ok(state) => state,
            Err(error) => {
                tracing::error!(%error, "the state has no JSON form");
                return;
            }
        };
        for (part, value) in self.parts.changes(state) {
            self.outbox
                .push(Message::state(self.topics.state(part.as_deref()), &value));
        }
    }

    /// Hands the client what the window has room for.
    fn pump(&mut self) {
        if self.online.is_none() {
            return;
        }
        while let Some(message) = self.outbox.next() {
            if !self
                .link
                .as_ref()
                .is_some_and(|link| link.publish(&message))
            {
                // The channel has room for the whole window, so the client must be gone.
                self.on_failed("the MQTT client takes no more messages".into());
                return;
            }
        }
        self.count_dropped();
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
