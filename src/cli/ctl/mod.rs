//! `cubelet ctl`: a device commanded and watched from the shell, over MQTT.
//!
//! `place` finds the broker and the device, `verbs` says which command becomes which message,
//! `status` and `events` show what the device says, `table` lays it out for people.
//!
//! Exit status: 0 done, 1 the device refused, 2 wrong arguments, 3 no answer in time, 4 no broker
//! or no such device.

mod events;
mod place;
mod setting;
mod status;
mod table;
mod verbs;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::control::remote::{Heard, RemoteError};
use place::Place;
use status::View;
use verbs::Verb;

const REFUSED: u8 = 1;
const WRONG_ARGUMENTS: u8 = 2;
const NO_ANSWER: u8 = 3;
const UNREACHABLE: u8 = 4;

/// Arguments of `cubelet ctl`.
#[derive(Debug, Args)]
pub struct CtlArgs {
    #[command(flatten)]
    place: place::PlaceArgs,

    /// JSON on stdout instead of text for people: one object, or one per line.
    #[arg(long, global = true)]
    json: bool,

    /// Seconds to wait for an answer.
    #[arg(long, global = true, default_value_t = 15, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,

    #[command(subcommand)]
    command: CtlCommand,
}

#[derive(Debug, Subcommand)]
enum CtlCommand {
    /// How the device is: call, chat, camera, sound, door, health.
    Status {
        /// Show every change until Ctrl-C.
        #[arg(long, short)]
        watch: bool,
    },
    /// How the present call does: rates, losses, delays, how loud everybody is and who speaks.
    Stats {
        /// Show every change until Ctrl-C.
        #[arg(long, short)]
        watch: bool,
    },
    /// What happens at the device, as it happens, until Ctrl-C.
    Events {
        /// Only these types: `chat`, `call/ended` … A type includes what is below it.
        types: Vec<String>,
        /// End after so many events.
        #[arg(long, value_name = "N")]
        count: Option<usize>,
        /// Follow; events are not kept anywhere, so this is always so.
        #[arg(long, short, hide = true)]
        follow: bool,
    },
    /// Which devices the broker knows, and which are online.
    Devices,
    /// Take a picture.
    Snapshot {
        /// Where to write the JPEG; `-` is stdout.
        #[arg(long, short, default_value = "snapshot.jpg")]
        output: PathBuf,
    },
    /// How a part is to be from now on: `set camera source=v4l2:/dev/video2`,
    /// `set policy dnd=true`, `set display layout=speaker`, `set call muted.video=true`.
    Set {
        /// policy, call, audio, camera, display or door.
        part: String,
        /// What to set. A value that is no JSON is taken as text.
        #[arg(required = true, value_name = "FIELD=VALUE")]
        fields: Vec<String>,
    },
    #[command(flatten)]
    Verb(Box<Verb>),
}

/// Runs `cubelet ctl`.
pub fn run(arguments: CtlArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(perform(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("cubelet: {}", super::said(error));
    let status = match error.downcast_ref::<RemoteError>() {
        Some(RemoteError::Refused { .. }) => REFUSED,
        Some(RemoteError::NoAnswer { .. } | RemoteError::Lost) => NO_ANSWER,
        Some(RemoteError::NoBroker { .. }) => UNREACHABLE,
        None => match error.downcast_ref::<place::PlaceError>() {
            Some(place::PlaceError::Arguments(_)) => WRONG_ARGUMENTS,
            Some(place::PlaceError::Device(_)) => UNREACHABLE,
            None => REFUSED,
        },
    };
    ExitCode::from(status)
}

async fn perform(arguments: CtlArgs) -> anyhow::Result<()> {
    let limit = Duration::from_secs(arguments.timeout);
    let json = arguments.json;
    if let CtlCommand::Devices = arguments.command {
        let devices = place::devices(&arguments.place).await?;
        table::devices(&devices, json);
        return Ok(());
    }
    // A message that cannot be is found before anybody is asked.
    let ordered = match &arguments.command {
        CtlCommand::Verb(verb) => Some(verb.message()?),
        _ => None,
    };
    let wanted = match &arguments.command {
        CtlCommand::Set { fields, .. } => Some(setting::of(fields)?),
        _ => None,
    };
    let (place, heard) = Place::find(&arguments.place).await?;
    match arguments.command {
        CtlCommand::Status { watch } => status::show(&place, heard, View::Whole, watch, json).await,
        CtlCommand::Stats { watch } => status::show(&place, heard, View::Call, watch, json).await,
        CtlCommand::Events { types, count, .. } => {
            events::follow(&place, heard, &types, count, json).await
        }
        CtlCommand::Snapshot { output } => snapshot(&place, heard, &output, limit, json).await,
        CtlCommand::Set { part, .. } => {
            let wanted = wanted.unwrap_or_default();
            let reply = place.set(&part, &wanted, limit).await?;
            table::reply(&format!("{part}/set"), &reply, json);
            Ok(())
        }
        CtlCommand::Verb(_) | CtlCommand::Devices => {
            if let Some((verb, payload)) = ordered {
                let reply = place.command(&verb, &payload, limit).await?;
                table::reply(&verb, &reply, json);
            }
            Ok(())
        }
    }
}

/// The picture is published before the reply, so it is here when the reply is.
async fn snapshot(
    place: &Place,
    mut heard: broadcast::Receiver<Heard>,
    output: &Path,
    limit: Duration,
    json: bool,
) -> anyhow::Result<()> {
    let reply = place.command("snapshot", &json!({}), limit).await?;
    let topic = reply["topic"].as_str().unwrap_or_default();
    let mut picture = None;
    while let Ok(message) = heard.try_recv() {
        if topic.ends_with(&message.topic) && !message.topic.is_empty() {
            picture = Some(message.payload);
        }
    }
    let picture = picture.context("the device answered, but its picture was not heard")?;
    if output == Path::new("-") {
        use std::io::Write;
        std::io::stdout().write_all(&picture)?;
        return Ok(());
    }
    std::fs::write(output, &picture)
        .with_context(|| format!("cannot write {}", output.display()))?;
    if json {
        let written: Value = json!({ "file": output, "bytes": picture.len() });
        println!("{written}");
    } else {
        println!("{} ({} bytes)", output.display(), picture.len());
    }
    Ok(())
}
