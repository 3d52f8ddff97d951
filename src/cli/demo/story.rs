//! The story of one visit, driven and watched through MQTT as an automation would.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::control::remote::{Heard, Remote};

/// How long any single step may take.
const STEP_LIMIT: Duration = Duration::from_secs(15);
/// Pictures each side must have decoded before the story goes on: a second's worth.
const FRAMES_WANTED: u64 = 30;

/// The station at the street.
pub const DOOR: &str = "door";
/// The station in the flat.
pub const INDOOR: &str = "indoor";

/// What was measured.
#[derive(Debug, Default)]
pub struct Figures {
    pub ring_ms: u64,
    pub first_frame_ms: (u64, u64),
    pub frames: (u64, u64),
    pub audio_ms: (u64, u64),
    pub messages: u64,
    pub unlocked: bool,
}

impl Figures {
    /// The line of `demo --once --json`.
    pub fn to_json(&self) -> Value {
        let both = |(door, indoor): (u64, u64)| json!({ "door": door, "indoor": indoor });
        json!({
            "ring_ms": self.ring_ms,
            "answer_to_first_frame_ms": both(self.first_frame_ms),
            "frames": both(self.frames),
            "audio_ms": both(self.audio_ms),
            "messages": self.messages,
            "unlocked": self.unlocked,
        })
    }
}

/// Tells the story while it happens.
pub struct Story<'a> {
    remote: &'a Remote,
    heard: Receiver<Heard>,
    began: Instant,
    print: bool,
}

impl<'a> Story<'a> {
    /// Listens from now on; tells on stdout if `print`.
    pub fn new(remote: &'a Remote, print: bool) -> Self {
        Self {
            remote,
            heard: remote.listen(),
            began: Instant::now(),
            print,
        }
    }

    fn tell(&self, text: &str) {
        if self.print {
            println!("  {:>7.3} s  {text}", self.began.elapsed().as_secs_f64());
        }
    }

    /// Waits for a message that satisfies `wanted`.
    async fn hear<T>(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&Heard) -> Option<T>,
    ) -> anyhow::Result<T> {
        let wait = async {
            loop {
                match self.heard.recv().await {
                    Ok(message) => {
                        if let Some(found) = wanted(&message) {
                            return Ok(found);
                        }
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => bail!("the broker is gone"),
                }
            }
        };
        tokio::time::timeout(STEP_LIMIT, wait)
            .await
            .with_context(|| format!("did not happen within {STEP_LIMIT:?}: {what}"))?
            .with_context(|| what.to_owned())
    }

    async fn command(&self, device: &str, verb: &str, payload: Value) -> anyhow::Result<Value> {
        Ok(self
            .remote
            .command(device, verb, &payload, STEP_LIMIT)
            .await?)
    }

    /// The whole visit.
    ///
    /// # Errors
    /// Names the part that did not happen.
    pub async fn run(mut self) -> anyhow::Result<Figures> {
        let mut figures = Figures::default();
        self.ring(&mut figures).await?;
        self.talk(&mut figures).await?;
        self.write(&mut figures).await?;
        self.open(&mut figures).await?;
        self.part().await?;
        Ok(figures)
    }

    async fn ring(&mut self, figures: &mut Figures) -> anyhow::Result<()> {
        let pressed = Instant::now();
        self.tell("somebody presses the bell");
        self.command(DOOR, "press", json!({})).await?;
        let (at, peer) = self
            .hear("the indoor station rings", |message| {
                (message.topic == "indoor/event/call/ringing")
                    .then(|| (message.at, message.json()["peer"].clone()))
            })
            .await?;
        figures.ring_ms = at.duration_since(pressed).as_millis() as u64;
        let late = figures.ring_ms;
        self.tell(&format!(
            "the indoor station rings, {late} ms after the press: the door (user {peer}) is calling"
        ));
        Ok(())
    }

    async fn talk(&mut self, figures: &mut Figures) -> anyhow::Result<()> {
        let answered = Instant::now();
        self.tell("the indoor station answers");
        self.command(INDOOR, "answer", json!({})).await?;
        let (mut door, mut indoor) = (None, None);
        self.hear("both sides see each other", |message| {
            let slot = match message.topic.as_str() {
                "door/event/call/first_frame" => &mut door,
                "indoor/event/call/first_frame" => &mut indoor,
                _ => return None,
            };
            slot.get_or_insert(message.at.saturating_duration_since(answered).as_millis() as u64);
            Some((door?, indoor?))
        })
        .await
        .map(|both| figures.first_frame_ms = both)?;
        let (at_door, at_indoor) = figures.first_frame_ms;
        self.tell(&format!(
            "they see each other: inside after {at_indoor} ms, at the door after {at_door} ms"
        ));
        let (mut door, mut indoor) = (None, None);
        self.hear("picture and sound flow both ways", |message| {
            let slot = match message.topic.as_str() {
                "door/call/state" => &mut door,
                "indoor/call/state" => &mut indoor,
                _ => return None,
            };
            let media = &message.json()["media"];
            let (frames, audio) = (
                media["frames_decoded"].as_u64()?,
                media["audio_decoded_ms"].as_u64()?,
            );
            if frames >= FRAMES_WANTED && audio > 0 {
                *slot = Some((frames, audio));
            }
            Some((door?, indoor?))
        })
        .await
        .map(|(door, indoor)| {
            figures.frames = (door.0, indoor.0);
            figures.audio_ms = (door.1, indoor.1);
        })?;
        let ((door, indoor), (door_ms, indoor_ms)) = (figures.frames, figures.audio_ms);
        self.tell(&format!(
            "and hear each other: {door} pictures and {door_ms} ms of sound at the door, {indoor} and {indoor_ms} ms inside"
        ));
        Ok(())
    }

    async fn write(&mut self, figures: &mut Figures) -> anyhow::Result<()> {
        let text = "A parcel for you";
        let reply = self
            .command(DOOR, "send", json!({ "to": INDOOR, "text": text }))
            .await?;
        let id = reply["message"].as_str().unwrap_or_default().to_owned();
        self.tell(&format!("door writes: {text:?}"));
        let (mut arrived, mut delivered, mut read) = (false, false, false);
        self.hear(
            "the message arrives and is reported delivered and read",
            |message| {
                let body = message.json();
                if body["message"] != id.as_str() {
                    return None;
                }
                match message.topic.as_str() {
                    "indoor/event/chat/message" => arrived = body["text"] == text,
                    "door/event/chat/marker" if body["marker"] == "delivered" => delivered = true,
                    "door/event/chat/marker" if body["marker"] == "read" => read = true,
                    _ => return None,
                }
                (arrived && delivered && read).then_some(())
            },
        )
        .await?;
        figures.messages += 1;
        self.tell("it is there; the door hears: delivered, read");
        Ok(())
    }

    async fn open(&mut self, figures: &mut Figures) -> anyhow::Result<()> {
        self.tell("the indoor station opens the door");
        self.command(INDOOR, "unlock", json!({})).await?;
        let by = self
            .hear("the door is unlocked", |message| {
                (message.topic == "door/event/door/unlocked")
                    .then(|| message.json()["by"].as_str().unwrap_or_default().to_owned())
            })
            .await?;
        figures.unlocked = true;
        self.tell(&format!("the door is open (by user {by})"));
        Ok(())
    }

    async fn part(&mut self) -> anyhow::Result<()> {
        self.command(INDOOR, "hangup", json!({})).await?;
        let (mut door, mut indoor) = (None, None);
        let (door, indoor) = self
            .hear("the call ends on both sides with a reason", |message| {
                let slot = match message.topic.as_str() {
                    "door/event/call/ended" => &mut door,
                    "indoor/event/call/ended" => &mut indoor,
                    _ => return None,
                };
                let reason = message.json()["reason"].as_str()?.to_owned();
                // The bell rang the phone as well; that call's end is not this one's.
                if reason != "answered_elsewhere" {
                    *slot = Some(reason);
                }
                Some((door.clone()?, indoor.clone()?))
            })
            .await?;
        self.tell(&format!(
            "the call is over; why: {indoor} inside, {door} at the door"
        ));
        Ok(())
    }
}
