//! The `Control` actor: keeps the control plane running and known to the supervisor.

use actix::prelude::*;
use futures::future::LocalBoxFuture;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::automation::{Automation, Rules};
use super::exchange::Exchange;
use super::{BrokerStatus, ControlSettings, EnginePort, run};
use crate::config::DeviceConfig;
use crate::engine::daemon::{MoreActors, Port};
use crate::engine::mailbox::{MAILBOX_CAPACITY, Slot};
use crate::engine::supervised::{Life, supervised};
use crate::engine::supervisor::ChildSpec;

/// The actor.
pub struct Control {
    _life: Life,
    settings: ControlSettings,
    port: Port,
    exchange: Exchange,
    running: Option<DropGuard>,
    status: watch::Sender<BrokerStatus>,
}

supervised!(Control, drain = say_offline);

impl Control {
    fn new(life: Life, settings: ControlSettings, port: Port, exchange: Exchange) -> Self {
        let status = watch::Sender::new(BrokerStatus::default());
        Self {
            _life: life,
            settings,
            port,
            exchange,
            running: None,
            status,
        }
    }

    /// `offline` is published and the broker left in order.
    fn say_offline(&mut self) -> LocalBoxFuture<'static, ()> {
        self.running = None;
        let mut status = self.status.subscribe();
        Box::pin(async move {
            // An error means that the loop is gone, which is what is waited for.
            let _ = status.wait_for(|now| *now == BrokerStatus::Stopped).await;
        })
    }
}

impl Actor for Control {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        let token = CancellationToken::new();
        self.running = Some(token.clone().drop_guard());
        let port = EnginePort {
            requests: self.port.requests.clone(),
            events: self.port.events(),
            state: self.port.state(),
            journal: self.port.journal.clone(),
            exchange: self.exchange.clone(),
        };
        let serve = run(self.settings.clone(), port, token, self.status.clone());
        ctx.spawn(serve.into_actor(self));
    }
}

/// The control plane's actors for a device: the rules, and the connection to the broker if its
/// configuration names one.
pub fn actors(config: &DeviceConfig) -> MoreActors {
    let settings = ControlSettings::from_config(config);
    let exchange = Exchange::default();
    let rules = Rules::new(config, exchange.clone());
    Box::new(move |port: &Port| {
        let slot = Slot::<Automation>::default();
        let automated = port.clone();
        let mut actors = vec![ChildSpec::new("rules", slot, move |life| {
            Automation::new(life, automated.clone(), rules.clone())
        })];
        if let Some(settings) = settings {
            let port = port.clone();
            let slot = Slot::<Control>::default();
            actors.push(ChildSpec::new("control", slot, move |life| {
                Control::new(life, settings.clone(), port.clone(), exchange.clone())
            }));
        }
        actors
    })
}
