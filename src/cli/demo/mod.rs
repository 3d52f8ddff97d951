//! `cubelet demo`: a hub, a broker, a door station and an indoor station on loopback, and one
//! visit from the bell to the good-bye.

mod broker;
mod cast;
mod story;

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::base::shutdown;
use crate::config::Mqtt;
use crate::control::remote::Remote;
use broker::Broker;
use cast::{Account, Part, Station};
use story::{DOOR, Figures, INDOOR, Story};

/// The base topic of every device of the demo.
const BASE: &str = "cubelet";

/// Arguments of `cubelet demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// End after the story instead of leaving everything up.
    #[arg(long)]
    once: bool,

    /// Print one JSON line with the figures instead of the story.
    #[arg(long)]
    json: bool,

    /// Where the contact sheet of received pictures goes.
    #[arg(long, default_value = "cubelet-demo.png")]
    contact_sheet: PathBuf,
}

/// Tells the story.
///
/// # Errors
/// Names the part that did not happen.
pub fn run(arguments: &DemoArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let folder = scratch_folder()?;
    let result = runtime.block_on(play(arguments, &folder));
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        tracing::warn!(%error, folder = %folder.display(), "the scratch folder stays behind");
    }
    result
}

fn scratch_folder() -> anyhow::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("cubelet-demo-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).context("cannot make a scratch folder")?;
    Ok(folder)
}

async fn play(arguments: &DemoArgs, folder: &Path) -> anyhow::Result<()> {
    let signalled = shutdown::on_signals()?;
    let say = |text: &str| {
        if !arguments.json {
            println!("{text}");
        }
    };
    say("cubelet demo: starting a hub, a broker, a door station and an indoor station");
    let hub = cast::start_hub().await?;
    let broker = Broker::start(folder).await?;
    let (door, indoor) = (
        cast::sign_up(hub.ready(), DOOR, "Front door").await?,
        cast::sign_up(hub.ready(), INDOOR, "Flat 1").await?,
    );
    let phone = cast::sign_up(hub.ready(), "phone", "Phone").await?;
    let door = Part {
        account: door,
        ring: &[INDOOR, "phone"],
        door: "relay = \"log\"\nunlock_allowed = [\"indoor\", \"phone\"]",
        pattern: "smpte",
    };
    let indoor = Part {
        account: indoor,
        ring: &[],
        door: "",
        pattern: "ball",
    };
    let stations = vec![
        cast::start_station(folder, hub.ready(), broker.port, &door)?,
        cast::start_station(folder, hub.ready(), broker.port, &indoor)?,
    ];
    for station in &stations {
        station.online().await?;
    }
    let at = Mqtt::at("127.0.0.1", broker.port, BASE, false);
    let (remote, _) = Remote::connect(&at, &["#".to_owned()]).await?;
    say("everybody is online; the story:");
    let told = tokio::select! {
        told = Story::new(&remote, !arguments.json).run() => Some(told),
        () = signalled.cancelled() => None,
    };
    if let Some(Ok(figures)) = &told {
        report(arguments, &stations, figures).await?;
        if !arguments.once {
            invite(hub.ready(), broker.port, &phone);
            signalled.cancelled().await;
        }
    }
    drop(remote);
    for station in stations {
        station.daemon.stop().await;
    }
    hub.stop().await;
    told.unwrap_or_else(|| anyhow::bail!("interrupted before the story's end"))
        .map(drop)
}

async fn report(
    arguments: &DemoArgs,
    stations: &[Station],
    figures: &Figures,
) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for station in stations {
        rows.push(station.daemon.port.received_pictures());
    }
    let file = arguments.contact_sheet.clone();
    let target = file.clone();
    tokio::task::spawn_blocking(move || crate::media::contact_sheet::write(&rows, &target))
        .await?
        .context("cannot write the contact sheet")?;
    if arguments.json {
        println!("{}", figures.to_json());
    } else {
        println!("what each side saw: {}", file.display());
    }
    Ok(())
}

fn invite(hub: &crate::hub::Ready, broker_port: u16, phone: &Account) {
    println!(
        "
Everything stays up until Ctrl-C. Try:

  the web phone    {phone_address}   login {login}   password {password}
                   log in, then press the bell: it rings there too

  press the bell   mosquitto_pub -p {broker_port} -t {BASE}/{DOOR}/cmd/press -m '{{}}'
  answer inside    mosquitto_pub -p {broker_port} -t {BASE}/{INDOOR}/cmd/answer -m '{{}}'
  open the door    mosquitto_pub -p {broker_port} -t {BASE}/{INDOOR}/cmd/unlock -m '{{}}'
  hang up          mosquitto_pub -p {broker_port} -t {BASE}/{INDOOR}/cmd/hangup -m '{{}}'
  write            mosquitto_pub -p {broker_port} -t {BASE}/{DOOR}/cmd/send -m '{{\"to\":\"phone\",\"text\":\"Hello\"}}'
  watch it all     mosquitto_sub -p {broker_port} -v -t '{BASE}/#'
",
        phone_address = hub.phone,
        login = phone.login,
        password = phone.password,
    );
}
