//! From `ring` to the published state of the bell, while a 720p call runs.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cubelet::config::hub::{HubConfig, Secret};
use cubelet::engine::daemon::{Daemon, Options};
use cubelet::engine::state::{CallStatus, ChatStatus, DeviceState};
use cubelet::hub::Ready;
use serde_json::json;

use crate::place::{ANSWERS, Broker, PATIENCE, Requester, must_be_ok, secret};
use crate::statistics::{Bound, Latencies, print};

const RINGS: usize = 200;
const STATE: &str = "cubelet/door/ring/state";

pub async fn measure() -> anyhow::Result<()> {
    let broker = Broker::start().await?;
    let folder = tempfile::tempdir()?;
    let key = |name: &str| Secret::new(format!("{name}-key"));
    let data = folder.path().join("hub");
    let hub = cubelet::hub::start(HubConfig::dev_in(data, key("auth"), key("admin"))).await?;
    let door = station(folder.path(), hub.ready(), "door", broker.port).await?;
    let indoor = station(folder.path(), hub.ready(), "indoor", broker.port).await?;
    for station in [&door, &indoor] {
        reaches(station, |state| state.chat.status == ChatStatus::Online).await?;
    }
    let mut requester = Requester::connect(broker.port, &[ANSWERS, STATE]).await?;
    order(&mut requester, "call", json!({ "user": "indoor" })).await?;
    reaches(&indoor, |state| state.call.status == CallStatus::Ringing).await?;
    requester.order("cubelet/indoor/cmd/answer", String::new(), 0)?;
    must_be_ok(&requester.answer().await?.2)?;
    for station in [&door, &indoor] {
        reaches(station, |state| {
            let frames = state.call.media.map_or(0, |media| media.frames_decoded);
            state.call.status == CallStatus::Connected && frames > 30
        })
        .await?;
    }
    let mut latencies = Latencies::default();
    for _ in 0..RINGS {
        let began = Instant::now();
        requester.order("cubelet/door/cmd/ring", String::new(), 0)?;
        let at = status(&mut requester, |status| status != "idle").await?;
        latencies.add(at - began);
        must_be_ok(&requester.answer().await?.2)?;
        requester.order("cubelet/door/cmd/stop_ringing", String::new(), 0)?;
        status(&mut requester, |status| status == "idle").await?;
        must_be_ok(&requester.answer().await?.2)?;
        // Another moment of the 100 ms between two states each time.
        tokio::time::sleep(Duration::from_millis(37)).await;
    }
    let state = door.port.state();
    let status = state.borrow().call.status;
    ensure!(status == CallStatus::Connected, "the call ended meanwhile");
    for (name, share, bound) in [
        ("p50", 0.5, Bound::None),
        ("p99", 0.99, Bound::AtMost(10.0)),
    ] {
        let value = latencies.quantile(share).context("no ring")?;
        let figure = format!("ring to state published, in a 720p call, {name}");
        print(&figure, "ms", value, None, bound);
    }
    door.stop().await;
    indoor.stop().await;
    hub.stop().await;
    Ok(())
}

async fn order(
    requester: &mut Requester,
    verb: &str,
    payload: serde_json::Value,
) -> anyhow::Result<()> {
    requester.order(&format!("cubelet/door/cmd/{verb}"), payload.to_string(), 0)?;
    must_be_ok(&requester.answer().await?.2)
}

/// When the bell's state became one that fits.
async fn status(requester: &mut Requester, fits: impl Fn(&str) -> bool) -> anyhow::Result<Instant> {
    loop {
        let (at, publish) = requester.on(STATE).await?;
        let state: serde_json::Value = serde_json::from_slice(&publish.payload)?;
        if fits(state["status"].as_str().unwrap_or_default()) {
            return Ok(at);
        }
    }
}

async fn reaches(station: &Daemon, wanted: impl Fn(&DeviceState) -> bool) -> anyhow::Result<()> {
    let mut state = station.port.state();
    let reached = tokio::time::timeout(PATIENCE, state.wait_for(|state| wanted(state))).await;
    ensure!(
        matches!(reached, Ok(Ok(_))),
        "a station got stuck: {:?}",
        *station.port.state().borrow()
    );
    Ok(())
}

async fn station(folder: &Path, hub: &Ready, name: &str, port: u16) -> anyhow::Result<Daemon> {
    let answer = reqwest::Client::new()
        .post(format!("{}/users", hub.api))
        .header("CB-AuthKey", &hub.auth_key)
        .json(&json!({ "user": { "login": name, "password": "a long password" } }))
        .send()
        .await?;
    ensure!(
        answer.status().is_success(),
        "sign-up: {}",
        answer.text().await?
    );
    let home = folder.join(name);
    std::fs::create_dir_all(&home)?;
    secret(&home, "password", "a long password")?;
    secret(&home, "auth-key", &hub.auth_key)?;
    let file = home.join("kiosk.toml");
    std::fs::write(
        &file,
        format!(
            "[device]\nname = \"{name}\"\nstate_dir = \"state\"\n\
             [hub]\napi = \"{}\"\nchat = \"tls://{}\"\nchat_host = \"{}\"\nca = {:?}\napp_id = {}\n\
             auth_key_file = \"auth-key\"\nlogin = \"{name}\"\npassword_file = \"password\"\n\
             [camera]\nsource = \"test:ball\"\nwidth = 1280\nheight = 720\nframerate = 30\n\
             [calls]\nring = [\"indoor\"]\nbind = [\"127.0.0.1\"]\nring_in_call = \"wait\"\n\
             [mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n[control]\nrate_per_s = 1000\n",
            hub.api, hub.xmpp_tls, hub.chat, hub.ca, hub.app_id
        ),
    )?;
    let config = cubelet::config::load_device(&file)?;
    let options = Options {
        keep_frames: false,
        more: cubelet::control::actors(&config),
    };
    Ok(Daemon::start(config, options)?)
}
