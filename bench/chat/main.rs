//! `make bench-chat`: our hub beside Prosody and ejabberd under the same load generator, and our
//! device beside other clients on the same hub. Method and figures: docs/benchmarks.md.
//!
//! Usage: chat_load [servers|idle|device]... [--rounds N] [--only NAME] [--window N]

mod device;
mod idle;
mod load;
mod report;
mod scanner;
mod server;
mod statistics;
mod stream;

use std::time::Duration;

use anyhow::{Context, bail};
use device::Client;
use idle::Way;
use load::{PAIRS, Pace, Pairs, Plan};
use report::{Report, Sample};
use server::Kind;

/// Rounds of which the median is taken; the servers take turns in each.
const ROUNDS: usize = 3;
/// Messages from device to device on their way at most, unless told otherwise.
const WINDOW: usize = 64;
/// For what a server can deliver at most.
const FULL_TIME: Duration = Duration::from_secs(5);
/// For its latency at a given rate.
const RATE_TIME: Duration = Duration::from_secs(4);
/// A rate all of them should manage, in messages a second.
const RATE: f64 = 2_000.0;

struct Options {
    parts: Vec<String>,
    rounds: usize,
    only: Option<String>,
    /// Messages from device to device on their way at most.
    window: usize,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        let only = self.only.as_ref();
        only.is_none_or(|only| name.to_lowercase().starts_with(only))
    }
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options {
        parts: Vec::new(),
        rounds: ROUNDS,
        only: None,
        window: WINDOW,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().context("a value is missing");
        match argument.as_str() {
            "servers" | "idle" | "device" => options.parts.push(argument),
            "--rounds" => options.rounds = value()?.parse()?,
            "--window" => options.window = value()?.parse()?,
            "--only" => options.only = Some(value()?),
            // What `cargo bench` adds.
            "--bench" => {}
            other => bail!("unknown argument {other}"),
        }
    }
    if options.parts.is_empty() {
        options.parts = ["servers", "idle", "device"].map(str::to_owned).to_vec();
    }
    Ok(options)
}

fn main() -> anyhow::Result<()> {
    let options = options()?;
    cubelet::base::tls::install_provider();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    let mut report = Report::default();
    local.block_on(&runtime, async {
        for part in &options.parts {
            match part.as_str() {
                "servers" => servers(&options, &mut report).await?,
                "idle" => idle(&options, &mut report).await?,
                _ => device(&options, &mut report).await?,
            }
        }
        anyhow::Ok(())
    })?;
    report.print();
    Ok(())
}

/// Prosody first: half of what it can is a rate for all.
fn kinds(options: &Options) -> Vec<Kind> {
    let mut kinds = vec![Kind::Prosody, Kind::Ejabberd, Kind::Cubelet];
    kinds.retain(|kind| options.wants(kind.name()));
    kinds
}

async fn servers(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let mut half = None;
    for round in 1..=options.rounds {
        for kind in kinds(options) {
            let server = kind.start(2 * PAIRS).await?;
            eprintln!("round {round}: {} (process {})", kind.name(), server.id());
            let mut pairs = Pairs::log_in(&server.target).await?;
            let mut plan = Plan {
                pace: Pace::Closed,
                time: FULL_TIME,
                is_saved: false,
            };
            let before = server.processor_time()?;
            let mut full = pairs.run(plan).await.context("as fast as it can")?;
            let taken = server.processor_time()? - before;
            report.add(
                kind.name(),
                Sample::Cost,
                taken * 1e6 / full.delivered as f64,
            );
            report.add(kind.name(), Sample::Full, full.per_second);
            report.add_latency(kind.name(), Sample::FullMiddle, Sample::FullTail, &mut full);
            plan.time = RATE_TIME;
            let half = *half.get_or_insert(full.per_second / 2.0);
            for (rate, middle, tail) in [
                (RATE, Sample::RateMiddle, Sample::RateTail),
                (half, Sample::HalfMiddle, Sample::HalfTail),
            ] {
                plan.pace = Pace::Open(rate);
                // A server that cannot keep up with the rate has no latency to tell.
                match pairs.run(plan).await {
                    Ok(mut outcome) => report.add_latency(kind.name(), middle, tail, &mut outcome),
                    Err(error) if rate > full.per_second => {
                        eprintln!("{} at {rate:.0}/s: {error:#}", kind.name());
                        pairs = Pairs::log_in(&server.target).await?;
                    }
                    Err(error) => return Err(error.context(format!("{rate:.0}/s"))),
                }
            }
            if kind == Kind::Cubelet {
                plan = Plan {
                    pace: Pace::Closed,
                    time: FULL_TIME,
                    is_saved: true,
                };
                let mut saved = pairs.run(plan).await.context("saved messages")?;
                report.add(kind.name(), Sample::Saved, saved.per_second);
                report.add_latency(
                    kind.name(),
                    Sample::SavedMiddle,
                    Sample::SavedTail,
                    &mut saved,
                );
            }
        }
    }
    Ok(())
}

async fn idle(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    for kind in kinds(options) {
        for (way, sample) in [(Way::Plain, Sample::IdlePlain), (Way::Tls, Sample::IdleTls)] {
            let server = kind.start(idle::CONNECTIONS).await?;
            let bytes = idle::measure(&server, way).await?;
            eprintln!(
                "{}: {:?}, {bytes:.0} bytes a connection",
                kind.name(),
                sample
            );
            report.add(kind.name(), sample, bytes / 1_000.0);
        }
    }
    Ok(())
}

async fn device(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let server = Kind::Cubelet.start(0).await?;
    for round in 1..=options.rounds {
        for client in [Client::Sdk, Client::Slixmpp, Client::Cubelet] {
            if !options.wants(client.name()) {
                continue;
            }
            let before = server.processor_time()?;
            let speed = device::measure(client, &server, options.window).await?;
            let hub = (server.processor_time()? - before) * 1e6 / device::MESSAGES as f64;
            eprintln!(
                "round {round}: {client:?}: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {:.0} µs and the hub {hub:.0} µs a message",
                speed.per_second, speed.p50, speed.p99, speed.cost
            );
            report.add(client.name(), Sample::Device, speed.per_second);
            report.add(client.name(), Sample::DeviceMiddle, speed.p50);
            report.add(client.name(), Sample::DeviceTail, speed.p99);
            report.add(client.name(), Sample::DeviceCost, speed.cost);
            report.add(client.name(), Sample::DeviceHub, hub);
        }
    }
    Ok(())
}
