//! Pairs of people, one writing to the other: as fast as the server delivers, with a bounded
//! number of messages on their way, or at a fixed rate whatever the server does.
//!
//! Every message must arrive, once and in order, or the run is no measurement.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::client::TlsStream;

use crate::scanner::{Piece, Scanner, attribute};
use crate::statistics::Latencies;
use crate::stream::{Target, Tls, answer, log_in};

/// Pairs, each of two connections.
pub const PAIRS: usize = 50;
/// Messages of one pair on their way at most, in a closed loop.
const WINDOW: usize = 8;
/// Before anything is counted.
const WARM_UP: Duration = Duration::from_secs(1);
/// For a message to arrive, before the server is taken to have lost it.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(20);
const BODY: &str = "Someone is at the door; the parcel is under the bench by the window.";
/// What makes our hub store a message and acknowledge it only then.
const SAVE: &str = "<extraParams xmlns='jabber:client'><save_to_history>1</save_to_history>\
                    <date_sent>1760000000</date_sent></extraParams>";

/// How the messages come.
#[derive(Clone, Copy)]
pub enum Pace {
    /// As fast as they are delivered.
    Closed,
    /// So many a second in all.
    Open(f64),
}

/// One measurement.
#[derive(Clone, Copy)]
pub struct Plan {
    /// How the messages come.
    pub pace: Pace,
    /// For how long, after warming up.
    pub time: Duration,
    /// Whether the messages ask to be stored.
    pub is_saved: bool,
}

/// What was measured.
pub struct Outcome {
    /// Messages delivered a second.
    pub per_second: f64,
    /// Messages delivered in all, warming up included.
    pub delivered: u64,
    /// From being due to being received.
    pub latencies: Latencies,
}

/// People logged in, ready to write. Lives on a `LocalSet`.
pub struct Pairs {
    pairs: Vec<(Rc<Pair>, Writer)>,
    meter: Rc<Meter>,
}

type Writer = WriteHalf<TlsStream<TcpStream>>;
type Reader = ReadHalf<TlsStream<TcpStream>>;

struct Pair {
    number: usize,
    to: String,
    due: RefCell<VecDeque<Instant>>,
    sent: Cell<u64>,
    received: Cell<u64>,
    moved: Notify,
    meter: Rc<Meter>,
}

struct Meter {
    since: Cell<Instant>,
    until: Cell<Instant>,
    received: Cell<u64>,
    latencies: RefCell<Latencies>,
    failure: RefCell<Option<String>>,
}

impl Pairs {
    /// Logs everybody in.
    pub async fn log_in(target: &Target) -> anyhow::Result<Self> {
        let now = Instant::now();
        let meter = Rc::new(Meter {
            since: Cell::new(now),
            until: Cell::new(now),
            received: Cell::new(0),
            latencies: RefCell::default(),
            failure: RefCell::default(),
        });
        let pairs = (0..PAIRS).map(|number| Pair::log_in(target, number, &meter));
        Ok(Self {
            pairs: try_join_all(pairs).await?,
            meter,
        })
    }

    fn received(&self) -> u64 {
        self.pairs.iter().map(|(pair, _)| pair.received.get()).sum()
    }

    /// Carries out a plan.
    pub async fn run(&mut self, plan: Plan) -> anyhow::Result<Outcome> {
        let before = self.received();
        let begin = Instant::now();
        let since = begin + WARM_UP;
        let until = since + plan.time;
        self.meter.since.set(since);
        self.meter.until.set(until);
        self.meter.received.set(0);
        self.meter.latencies.take();
        let writing = self.pairs.iter_mut().map(|(pair, writer)| async move {
            match plan.pace {
                Pace::Closed => pair.write_closed(writer, &plan, until).await,
                Pace::Open(rate) => pair.write_open(writer, &plan, begin, until, rate).await,
            }?;
            pair.wait_for_arrival(0).await
        });
        let outcome = try_join_all(writing).await;
        if let Some(failure) = self.meter.failure.take() {
            bail!(failure);
        }
        outcome?;
        Ok(Outcome {
            delivered: self.received() - before,
            per_second: self.meter.received.get() as f64 / plan.time.as_secs_f64(),
            latencies: self.meter.latencies.take(),
        })
    }
}

impl Pair {
    async fn log_in(
        target: &Target,
        number: usize,
        meter: &Rc<Meter>,
    ) -> anyhow::Result<(Rc<Self>, Writer)> {
        let mut author = Tls::connect(target).await?;
        log_in(&mut author, target, 2 * number).await?;
        let mut reader = Tls::connect(target).await?;
        log_in(&mut reader, target, 2 * number + 1).await?;
        let pair = Rc::new(Self {
            number,
            to: format!("{}@{}", target.accounts[2 * number + 1].name, target.domain),
            due: RefCell::default(),
            sent: Cell::new(0),
            received: Cell::new(0),
            moved: Notify::new(),
            meter: Rc::clone(meter),
        });
        let (incoming, writer) = tokio::io::split(author.stream);
        Rc::clone(&pair).listen(incoming, author.scanner, None);
        let (incoming, answers) = tokio::io::split(reader.stream);
        Rc::clone(&pair).listen(incoming, reader.scanner, Some(answers));
        Ok((pair, writer))
    }

    /// Writes as many as may be on their way, then as many as have arrived.
    async fn write_closed(
        &self,
        writer: &mut Writer,
        plan: &Plan,
        until: Instant,
    ) -> anyhow::Result<()> {
        let mut text = String::new();
        while Instant::now() < until {
            text.clear();
            let now = Instant::now();
            while self.due.borrow().len() < WINDOW {
                self.add(&mut text, plan.is_saved, now);
            }
            writer.write_all(text.as_bytes()).await?;
            writer.flush().await?;
            self.wait_for_arrival(WINDOW - 1).await?;
        }
        Ok(())
    }

    /// Writes each when it is due; what is late by then counts as waiting.
    async fn write_open(
        &self,
        writer: &mut Writer,
        plan: &Plan,
        begin: Instant,
        until: Instant,
        rate: f64,
    ) -> anyhow::Result<()> {
        let every = Duration::from_secs_f64(PAIRS as f64 / rate);
        // Spread over the interval, or all would write at once.
        let mut due = begin + every.mul_f64(self.number as f64 / PAIRS as f64);
        let mut text = String::new();
        while due < until {
            tokio::time::sleep_until(due.into()).await;
            text.clear();
            // Timers are good to a millisecond: what a timer is late by is not the server's doing.
            let now = Instant::now();
            while due <= now && due < until {
                self.add(&mut text, plan.is_saved, due.max(now - TIMER));
                due += every;
            }
            writer.write_all(text.as_bytes()).await?;
            writer.flush().await?;
        }
        Ok(())
    }

    fn add(&self, text: &mut String, is_saved: bool, due: Instant) {
        let id = self.id(self.sent.get());
        let save = if is_saved { SAVE } else { "" };
        let to = &self.to;
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "<message to='{to}' type='chat' id='{id}'><body>{BODY}</body>{save}</message>"
        );
        self.sent.set(self.sent.get() + 1);
        self.due.borrow_mut().push_back(due);
    }

    /// Object ids, which our hub wants for what it stores.
    fn id(&self, count: u64) -> String {
        format!("{:08x}{count:016x}", self.number)
    }

    /// Waits until at most so many are on their way.
    async fn wait_for_arrival(&self, at_most: usize) -> anyhow::Result<()> {
        while self.due.borrow().len() > at_most {
            if let Some(failure) = &*self.meter.failure.borrow() {
                bail!(failure.clone());
            }
            tokio::time::timeout(ARRIVAL_LIMIT, self.moved.notified())
                .await
                .with_context(|| format!("{} messages never came", self.due.borrow().len()))?;
        }
        Ok(())
    }

    fn listen(self: Rc<Self>, incoming: Reader, scanner: Scanner, answers: Option<Writer>) {
        tokio::task::spawn_local(async move {
            if let Err(error) = self.receive(incoming, scanner, answers).await {
                let failure = format!("pair {}: {error:#}", self.number);
                self.meter.failure.borrow_mut().get_or_insert(failure);
                self.moved.notify_one();
            }
        });
    }

    async fn receive(
        &self,
        mut incoming: Reader,
        mut scanner: Scanner,
        mut answers: Option<Writer>,
    ) -> anyhow::Result<()> {
        loop {
            let before = self.received.get();
            while let Some(piece) = scanner.next() {
                let Piece::Element(place) = piece else {
                    bail!("the server closed the stream");
                };
                let element = scanner.element(place);
                if element.starts_with(b"<message") {
                    self.take(element)?;
                    continue;
                }
                let text = String::from_utf8_lossy(element);
                ensure!(!text.starts_with("<stream:error"), "{text}");
                if let (Some(answer), Some(answers)) = (answer(&text), &mut answers) {
                    answers.write_all(answer.as_bytes()).await?;
                    answers.flush().await?;
                }
            }
            if self.received.get() > before {
                self.moved.notify_one();
            }
            if incoming.read_buf(scanner.space()).await? == 0 {
                bail!("the server cut the connection");
            }
        }
    }

    fn take(&self, element: &[u8]) -> anyhow::Result<()> {
        let wanted = self.id(self.received.get());
        ensure!(
            attribute(element, "id") == Some(&wanted) && attribute(element, "type") == Some("chat"),
            "instead of message {wanted} came {}",
            String::from_utf8_lossy(element)
        );
        self.received.set(self.received.get() + 1);
        let due = self.due.borrow_mut().pop_front();
        let due = due.context("a message came that was not sent")?;
        let now = Instant::now();
        let meter = &self.meter;
        if now >= meter.since.get() && now < meter.until.get() {
            meter.received.set(meter.received.get() + 1);
            meter.latencies.borrow_mut().add(now - due);
        }
        Ok(())
    }
}

/// What tokio's timers may be late by.
const TIMER: Duration = Duration::from_millis(1);
