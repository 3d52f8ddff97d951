//! The `Automation` actor: the rules at work. It feeds what happens into the book of rules
//! (`call::rule`) and gives the commands of those that fire, through the same door as everybody.
//!
//! Invariant: a rule can do nothing a command cannot; a file that is wrong leaves the rules as
//! they are.
//! Must not enter: which rule fires (that is the book).

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;

use super::exchange::Exchange;
use super::intake::Arrival;
use super::{payload, rule_check};
use crate::call::rule::Cause;
use crate::call::rule::book::{Occasion, Order, RuleBook};
use crate::call::rule::path::Facts;
use crate::config::{DeviceConfig, Surroundings};
use crate::engine::command::{CommandError, ErrorCode, Reply, Request};
use crate::engine::daemon::Port;
use crate::engine::event::{Event, EventKind, unix_ms};
use crate::engine::mailbox::MAILBOX_CAPACITY;
use crate::engine::supervised::{Life, supervised};
use crate::protocol::call_signal::CallType;

/// How long a command of a rule may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Rules carried out at once; more are refused.
const RUNNING_MAX: usize = 32;

/// What outlives the actor.
#[derive(Clone)]
pub(super) struct Rules {
    /// With the memory of who fired when, so that a crash is no way around a cool-down.
    book: Arc<Mutex<RuleBook>>,
    /// As it was when the device started.
    started_with: Arc<DeviceConfig>,
    exchange: Exchange,
}

impl Rules {
    pub(super) fn new(config: &DeviceConfig, exchange: Exchange) -> Self {
        let book = RuleBook::new(config.rules.clone(), config.schedules.clone());
        exchange.want(book.topics());
        Self {
            book: Arc::new(Mutex::new(book)),
            started_with: Arc::new(config.clone()),
            exchange,
        }
    }

    /// Reads the file again and takes its rules, if all of it is right.
    fn reload(&self) -> Result<Value, CommandError> {
        let file: &PathBuf = &self.started_with.file;
        let report = rule_check::check(file, &Surroundings::of_process());
        for warning in &report.warnings {
            tracing::warn!("{warning}");
        }
        let config = report.outcome.map_err(|errors| {
            let message =
                format!("the file has mistakes, and the rules stay as they are:\n{errors}");
            CommandError::new(ErrorCode::WrongState, message)
        })?;
        let restart_for = differences(&self.started_with, &config);
        let mut book = self.book.lock();
        book.replace(config.rules, config.schedules);
        self.exchange.want(book.topics());
        tracing::info!(rules = book.rules().len(), "rules read again");
        Ok(json!({ "rules": book.rules().len(), "restart_for": restart_for }))
    }
}

/// The sections that differ and are read at a start only. Secrets look alike in both.
fn differences(before: &DeviceConfig, now: &DeviceConfig) -> Vec<&'static str> {
    macro_rules! sections {
        ($($field:ident),*) => {
            [$((
                stringify!($field),
                format!("{:?}", before.$field) != format!("{:?}", now.$field),
            )),*]
        };
    }
    sections![
        device,
        hub,
        chat,
        history,
        attachments,
        camera,
        audio,
        display,
        calls,
        door,
        visitor_message,
        recording,
        mqtt,
        control
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

/// The actor.
pub(super) struct Automation {
    _life: Life,
    port: Port,
    rules: Rules,
}

supervised!(Automation);

impl Automation {
    pub(super) fn new(life: Life, port: Port, rules: Rules) -> Self {
        Self {
            _life: life,
            port,
            rules,
        }
    }
}

impl Actor for Automation {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        let work = Work {
            call_type: self.rules.started_with.calls.call_type,
            port: self.port.clone(),
            rules: self.rules.clone(),
            running: FuturesUnordered::new(),
        };
        ctx.spawn(work.run().into_actor(self));
    }
}

type Running = Pin<Box<dyn Future<Output = ()>>>;

struct Work {
    port: Port,
    rules: Rules,
    call_type: CallType,
    running: FuturesUnordered<Running>,
}

impl Work {
    async fn run(mut self) {
        let mut events = self.port.events();
        let mut heard = self.rules.exchange.heard();
        let mut reloads = self.port.reloading.serve();
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.on_event(&event),
                    Err(RecvError::Lagged(missed)) => {
                        tracing::error!(missed, "the rules missed events");
                    }
                    Err(RecvError::Closed) => return,
                },
                arrival = heard.recv() => match arrival {
                    Ok(arrival) => self.on_message(&arrival),
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "the rules missed messages of others");
                    }
                    Err(RecvError::Closed) => return,
                },
                Some(answer) = reloads.recv() => {
                    let rules = self.rules.clone();
                    // A file on a slow card must not keep events waiting.
                    let read = tokio::task::spawn_blocking(move || rules.reload());
                    self.running.push(Box::pin(async move {
                        let outcome = read.await.unwrap_or_else(|_| {
                            Err(CommandError::new(ErrorCode::Internal, "reading it panicked"))
                        });
                        // Whoever asked may have stopped waiting.
                        let _ = answer.send(outcome);
                    }));
                }
                Some(()) = self.running.next(), if !self.running.is_empty() => {}
            }
        }
    }

    fn on_event(&mut self, event: &Event) {
        let kind = event.kind.topic();
        if self.is_waited_for(Cause::Event(kind))
            && let Ok(fields) = serde_json::to_value(event)
        {
            self.fire(Cause::Event(kind), &fields);
        }
    }

    fn on_message(&mut self, arrival: &Arrival) {
        let cause = Cause::Topic(&arrival.topic);
        // What is retained tells how something is, not that something happened.
        if !arrival.retained && self.is_waited_for(cause) {
            self.fire(cause, &message_fields(&arrival.topic, &arrival.payload));
        }
    }

    fn is_waited_for(&self, cause: Cause<'_>) -> bool {
        let book = self.rules.book.lock();
        book.rules().iter().any(|rule| rule.trigger.fits(cause))
    }

    fn fire(&mut self, cause: Cause<'_>, event: &Value) {
        let Ok(state) = serde_json::to_value(&*self.port.state().borrow()) else {
            return;
        };
        let occasion = Occasion {
            cause,
            facts: Facts {
                event,
                state: &state,
            },
            unix_ms: unix_ms(),
        };
        let fired = self.rules.book.lock().fire(Instant::now(), occasion);
        let (Cause::Event(name) | Cause::Topic(name)) = cause;
        for (rule, orders) in fired {
            tracing::info!(rule, cause = name, "a rule fires");
            let done = Firing {
                rule,
                cause: name.to_owned(),
                port: self.port.clone(),
                exchange: self.rules.exchange.clone(),
                call_type: self.call_type,
            };
            if self.running.len() >= RUNNING_MAX {
                done.tell(vec!["too many rules are being carried out".to_owned()]);
            } else {
                self.running.push(Box::pin(done.carry_out(orders)));
            }
        }
    }
}

/// The fields conditions see of somebody else's message: those of its JSON object, or `payload`;
/// and its `topic`.
pub(super) fn message_fields(topic: &str, message: &[u8]) -> Value {
    let payload = serde_json::from_slice(message)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(message).into_owned()));
    let mut fields = match payload {
        Value::Object(fields) => fields,
        other => Map::from_iter([("payload".to_owned(), other)]),
    };
    fields.insert("topic".to_owned(), topic.into());
    Value::Object(fields)
}

/// A rule that fires.
struct Firing {
    rule: String,
    cause: String,
    port: Port,
    exchange: Exchange,
    call_type: CallType,
}

impl Firing {
    /// One after the other; one that fails does not keep the others from being tried.
    async fn carry_out(self, orders: Vec<Order>) {
        let mut errors = Vec::new();
        for order in orders {
            let verb = order.verb.clone();
            if let Err(error) = self.give(order).await {
                tracing::warn!(rule = self.rule, verb, error, "a rule's command failed");
                errors.push(format!("{verb}: {error}"));
            }
        }
        self.tell(errors);
    }

    fn tell(&self, errors: Vec<String>) {
        self.port.publish(EventKind::RuleFired {
            rule: self.rule.clone(),
            cause: self.cause.clone(),
            errors,
        });
    }

    async fn give(&self, order: Order) -> Result<(), String> {
        let command = payload::parse(&order.verb, order.fields?, self.call_type)
            .map_err(|error| error.message)?;
        let (reply, answer) = oneshot::channel();
        let request = Request { command, reply };
        self.port
            .requests
            .try_send(request)
            .map_err(|_| "the engine is busy")?;
        match tokio::time::timeout(LIMIT, answer).await {
            Ok(Ok(Ok(Reply::Jpeg(picture)))) => {
                self.exchange.show(picture);
                Ok(())
            }
            Ok(Ok(Ok(Reply::Json(_)))) => Ok(()),
            Ok(Ok(Err(error))) => Err(error.message),
            Ok(Err(_)) | Err(_) => Err("no outcome in time".to_owned()),
        }
    }
}
