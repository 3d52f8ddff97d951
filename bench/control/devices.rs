//! A thousand devices on one broker: each the whole control plane with a connection and a store of
//! its own; the engine behind it keeps the state and nothing else.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cubelet::config::{Control, Mqtt, device::GROUP_VERBS, device::VERBS};
use cubelet::control::{BrokerStatus, ControlSettings, EnginePort, Equipment, Exchange, run};
use cubelet::engine::command::{Command, Reply, Request};
use cubelet::engine::journal::Journal;
use cubelet::engine::ringing_command::RingingCommand;
use cubelet::engine::state::DeviceState;
use cubelet::protocol::call_signal::CallType;
use serde_json::json;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::place::{ANSWERS, Broker, PATIENCE, Requester, must_be_ok};
use crate::statistics::{Bound, median, print};

const DEVICES: usize = 1_000;
const ROUNDS: usize = 10;
/// Connections begun at once; a site comes up over minutes, not in a millisecond.
const BATCH: usize = 50;

pub async fn measure() -> anyhow::Result<()> {
    let broker = Broker::start().await?;
    let folder = tempfile::tempdir()?;
    let before = resident_kb()?;
    let shutdown = CancellationToken::new();
    let mut statuses: Vec<watch::Receiver<BrokerStatus>> = Vec::new();
    let mut engines = Vec::new();
    for n in 0..DEVICES {
        let home = folder.path().join(n.to_string());
        std::fs::create_dir(&home)?;
        let (status, device) = start(n, broker.port, &home, shutdown.clone())?;
        statuses.push(status);
        engines.push(device);
        if statuses.len().is_multiple_of(BATCH) {
            online(&mut statuses[n + 1 - BATCH..]).await?;
        }
    }
    let per_device = (resident_kb()? - before) / DEVICES as f64;
    print(
        "memory of a device's control plane, 1,000 on one broker",
        "kB",
        per_device,
        None,
        Bound::None,
    );
    let mut requester = Requester::connect(broker.port, &[ANSWERS]).await?;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let payload = json!({ "id": round, "on": round % 2 == 0 }).to_string();
        let began = Instant::now();
        requester.order("cubelet/all/cmd/dnd", payload, round)?;
        let mut last = began;
        for _ in 0..DEVICES {
            let (which, at, answer) = requester.answer().await?;
            ensure!(which == round, "an answer of another round");
            must_be_ok(&answer)?;
            last = last.max(at);
        }
        times.push((last - began).as_secs_f64() * 1_000.0);
    }
    let middle = median(&times).context("no round")?;
    let worst = times.iter().copied().fold(0.0, f64::max);
    print(
        "command to 1,000 devices: until the last has answered, median",
        "ms",
        middle,
        None,
        Bound::AtMost(2_000.0),
    );
    print(
        "command to 1,000 devices: until the last has answered, worst of 10",
        "ms",
        worst,
        None,
        Bound::AtMost(2_000.0),
    );
    shutdown.cancel();
    for status in &mut statuses {
        // One that is gone has stopped, too.
        let _ =
            tokio::time::timeout(PATIENCE, status.wait_for(|s| *s == BrokerStatus::Stopped)).await;
    }
    Ok(())
}

async fn online(statuses: &mut [watch::Receiver<BrokerStatus>]) -> anyhow::Result<()> {
    for status in statuses {
        let wait = status.wait_for(|status| *status == BrokerStatus::Online);
        tokio::time::timeout(PATIENCE, wait)
            .await
            .context("a device did not get online")??;
    }
    Ok(())
}

fn resident_kb() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kb.context("no VmRSS")?.parse()?)
}

type Started = (watch::Receiver<BrokerStatus>, tokio::task::JoinHandle<()>);

fn start(n: usize, port: u16, home: &Path, shutdown: CancellationToken) -> anyhow::Result<Started> {
    let owned = |verbs: &[&str]| verbs.iter().map(|verb| (*verb).to_owned()).collect();
    let settings = ControlSettings {
        device: format!("door-{n}"),
        groups: vec![format!("floor-{}", n / 100)],
        mqtt: Mqtt::at("127.0.0.1", port, "cubelet", false),
        control: Control {
            commands: owned(VERBS),
            rate_per_s: 20,
            test_commands: false,
            allow: Vec::new(),
            group_commands: owned(GROUP_VERBS),
            group_jitter_ms: 500,
            max_age_s: 300,
            keep_log: 1_000,
        },
        call_type: CallType::Video,
        equipment: Equipment::default(),
        command_timeout: Duration::from_secs(10),
    };
    let (requests, mut inbox) = mpsc::channel::<Request>(64);
    let (events, heard) = broadcast::channel(64);
    let (state, seen) = watch::channel(DeviceState::default());
    let (status, told) = watch::channel(BrokerStatus::default());
    let port = EnginePort {
        requests,
        events: heard,
        state: seen,
        journal: Journal::open(&home.join("cubelet.db"), 1_000)?,
        exchange: Exchange::default(),
    };
    let engine = tokio::spawn(async move {
        let _events = events;
        while let Some(request) = inbox.recv().await {
            if let Command::Ringing(RingingCommand::Dnd(dnd)) = &request.command {
                state.send_modify(|state| state.policy.dnd = dnd.on);
            }
            // Who asked may be gone.
            let _ = request.reply.send(Ok(Reply::Json(json!({}))));
        }
    });
    tokio::spawn(run(settings, port, shutdown, status));
    Ok((told, engine))
}
