//! The `Texting` actor: commands written to the device as chat messages by those who may, and its
//! answers. Opening the door is the door's own business (`door::chat`).
//!
//! `words` reads and writes the texts.
//!
//! Invariant: what somebody may not, is not done and leaves an event; a message is obeyed once, and
//! not when it is old.
//! Must not enter: what a command does (that is its own module).

mod words;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::broadcast;

use self::words::Wish;
use super::board::Board;
use super::call_settings;
use super::chat_command::Draft;
use super::command::UserRef;
use super::dispatch::LIMIT;
use super::event::{Event, EventKind, unix_ms};
use super::mailbox::MAILBOX_CAPACITY;
use super::messages;
use super::recording::{StartRecording, StopRecording};
use super::recording_command::RecordSide;
use super::ringing_command::Dnd;
use super::supervised::{Life, supervised};
use super::wiring::Wiring;
use crate::call::party::Party;
use crate::call::refusals::Refusals;
use crate::config::{ChatUnlock, Relay};
use crate::protocol::address::UserId;

/// A message this old orders nothing, seconds: it was fetched after an outage. Also how far the
/// clocks may differ.
pub(super) const FRESH_S: u64 = 60;
/// The kind of a dialog of two (wire reference E.3).
const PRIVATE: u8 = 3;
/// Messages remembered; the server repeats fewer.
const SEEN_MAX: usize = 256;
/// Somebody who writes what the device does not understand is told once in this time.
const HELP_EVERY: Duration = Duration::from_secs(600);
/// People remembered for that.
const HELPED_MAX: usize = 256;

/// What happened, for an actor that follows the board.
pub(super) struct Heard(pub(super) Event);

/// Everything that happens from now on, for an actor's stream.
pub(super) fn listen(board: &Board, who: &'static str) -> impl Stream<Item = Heard> + use<> {
    futures::stream::unfold(
        board.events(),
        move |mut events: broadcast::Receiver<Event>| async move {
            loop {
                match events.recv().await {
                    Ok(event) => return Some((Heard(event), events)),
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, who, "a message may have been missed");
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        },
    )
}

/// A dialog that is known to be one of several people: there the answer is for all of them. The
/// dialog of two goes by the other's number, also before this device has heard of it.
pub(super) async fn shared(wiring: &Wiring, dialog: Option<String>) -> Option<String> {
    let dialog = dialog?;
    let known = wiring.history.dialog(&dialog).await;
    let known = known.inspect_err(|error| {
        tracing::warn!(%error, "the history cannot be asked for a dialog");
    });
    let is_shared = known
        .ok()
        .flatten()
        .is_some_and(|known| known.kind != PRIVATE);
    is_shared.then_some(dialog)
}

/// Messages that were looked at: one that is told again after a restart orders nothing.
#[derive(Default)]
pub(super) struct Seen(VecDeque<String>);

impl Seen {
    /// Whether it was not looked at before.
    pub(super) fn is_new(&mut self, message: &str) -> bool {
        if self.0.iter().any(|seen| seen == message) {
            return false;
        }
        if self.0.len() == SEEN_MAX {
            self.0.pop_front();
        }
        self.0.push_back(message.to_owned());
        true
    }
}

/// The actor.
pub struct Texting {
    _life: Life,
    wiring: Wiring,
    seen: Seen,
    refusals: Refusals,
    /// Who was told what can be written, and when.
    helped: HashMap<UserId, Instant>,
}

supervised!(Texting);

/// A message and where it came from.
#[derive(Clone)]
struct Letter {
    from: UserId,
    dialog: Option<String>,
}

impl Texting {
    /// Listening.
    pub fn new(life: Life, wiring: Wiring) -> Self {
        Self {
            _life: life,
            wiring,
            seen: Seen::default(),
            refusals: Refusals::default(),
            helped: HashMap::new(),
        }
    }

    fn on_letter(&mut self, letter: Letter, wish: Option<Wish>, ctx: &mut Context<Self>) {
        let wiring = self.wiring.clone();
        let from = letter.from;
        let look = async move {
            let may = allowed(&wiring, from).await;
            let is_shared = shared(&wiring, letter.dialog.clone()).await.is_some();
            (letter, may, is_shared)
        };
        ctx.spawn(
            look.into_actor(self)
                .map(move |(letter, may, is_shared), texting, _| {
                    texting.judge(letter, wish, &may, is_shared);
                }),
        );
    }

    fn judge(&mut self, letter: Letter, wish: Option<Wish>, may: &[&'static str], is_shared: bool) {
        let now = Instant::now();
        let Some(wish) = wish else {
            let wants = self.wiring.config.chat.commands.helps_unknown;
            // Among several people the device does not comment on what is said.
            if wants && !is_shared && !may.is_empty() && self.is_help_due(now, letter.from) {
                self.answer(letter, help(may));
            }
            return;
        };
        if wish == Wish::Help && !may.is_empty() {
            return self.answer(letter, help(may));
        }
        if !may.contains(&wish.name()) {
            self.note(letter.from, wish, Some("not_allowed"));
            // One answer is enough for somebody who does not stop.
            if self.refusals.refused(now, letter.from).is_some() && wish != Wish::Help {
                self.answer(letter, "You may not ask me for that.".to_owned());
            }
            return;
        }
        self.obey(letter, wish);
    }

    fn is_help_due(&mut self, now: Instant, user: UserId) -> bool {
        self.helped
            .retain(|_, at| now.duration_since(*at) < HELP_EVERY);
        if self.helped.contains_key(&user) || self.helped.len() >= HELPED_MAX {
            return false;
        }
        self.helped.insert(user, now);
        true
    }

    fn note(&self, from: UserId, wish: Wish, reason: Option<&'static str>) {
        self.wiring.board.publish(EventKind::ChatCommand {
            from,
            command: wish.name(),
            ok: reason.is_none(),
            reason: reason.map(str::to_owned),
        });
    }

    fn obey(&self, letter: Letter, wish: Wish) {
        let wiring = self.wiring.clone();
        actix::spawn(async move {
            let from = letter.from;
            let outcome = match wish {
                Wish::Snapshot => {
                    let draft = Draft {
                        text: "This is what I see.".to_owned(),
                        snapshot: true,
                        ..Draft::default()
                    };
                    send(&wiring, letter.clone(), draft).await
                }
                Wish::Status => {
                    let has_door = wiring.config.door.relay != Relay::None;
                    let text = wiring
                        .board
                        .read(|state| words::describe(state, has_door, unix_ms()));
                    say(&wiring, letter.clone(), text).await
                }
                Wish::Dnd { on, minutes } => {
                    let dnd = Dnd {
                        on,
                        minutes,
                        until: None,
                        user: None,
                    };
                    match call_settings::dnd(&wiring, dnd).await {
                        Ok(_) => {
                            let text = match (on, minutes) {
                                (false, _) => "Do not disturb is off.".to_owned(),
                                (true, None) => "Do not disturb is on.".to_owned(),
                                (true, Some(minutes)) => format!(
                                    "Do not disturb is on for {}.",
                                    words::span(minutes.into())
                                ),
                            };
                            say(&wiring, letter.clone(), text).await
                        }
                        Err(error) => Err(error.message),
                    }
                }
                Wish::Record(seconds) => match record(&wiring, seconds).await {
                    Ok(()) => {
                        let text = "I am recording. `record stop` ends it.".to_owned();
                        say(&wiring, letter.clone(), text).await
                    }
                    Err(error) => Err(error),
                },
                Wish::StopRecording => match stop_recording(&wiring).await {
                    Ok(()) => {
                        let text = "The recording is over and kept.".to_owned();
                        say(&wiring, letter.clone(), text).await
                    }
                    Err(error) => Err(error),
                },
                Wish::RecordHow => {
                    let how = "Write `record`, `record 30s`, `record 2m` or `record stop`.";
                    say(&wiring, letter.clone(), how.to_owned()).await
                }
                Wish::DndHow => {
                    let how = "Write `dnd on`, `dnd on 2h`, `dnd on 30m` or `dnd off`.";
                    say(&wiring, letter.clone(), how.to_owned()).await
                }
                Wish::Help => Ok(()),
            };
            wiring.board.publish(EventKind::ChatCommand {
                from,
                command: wish.name(),
                ok: outcome.is_ok(),
                reason: outcome.as_ref().err().cloned(),
            });
            if let Err(reason) = outcome {
                let text = format!("That did not work: {reason}.");
                if let Err(error) = say(&wiring, letter, text).await {
                    tracing::warn!(error, from, "whose command failed is not told");
                }
            }
        });
    }

    fn answer(&self, letter: Letter, text: String) {
        let wiring = self.wiring.clone();
        actix::spawn(async move {
            let from = letter.from;
            if let Err(error) = say(&wiring, letter, text).await {
                tracing::warn!(error, from, "who wrote is not answered");
            }
        });
    }
}

async fn record(wiring: &Wiring, seconds: Option<u32>) -> Result<(), String> {
    let start = StartRecording {
        seconds,
        side: RecordSide::Door,
    };
    let asked = wiring.slots.recordings.ask(start, LIMIT).await;
    let begun = asked.map_err(|error| error.to_string())?;
    begun.map(drop).map_err(|error| error.message)
}

async fn stop_recording(wiring: &Wiring) -> Result<(), String> {
    let asked = wiring.slots.recordings.ask(StopRecording, LIMIT).await;
    let stopped = asked.map_err(|error| error.to_string())?;
    stopped.map(drop).map_err(|error| error.message)
}

async fn say(wiring: &Wiring, letter: Letter, text: String) -> Result<(), String> {
    let draft = Draft {
        text,
        ..Draft::default()
    };
    send(wiring, letter, draft).await
}

async fn send(wiring: &Wiring, letter: Letter, draft: Draft) -> Result<(), String> {
    let dialog = shared(wiring, letter.dialog).await;
    let draft = Draft {
        to: dialog.is_none().then_some(UserRef::Id(letter.from)),
        dialog,
        ..draft
    };
    let sent = messages::send(wiring, draft).await;
    sent.map(drop).map_err(|error| error.message)
}

/// What somebody may write: names of commands, and `open` if the door is for them.
async fn allowed(wiring: &Wiring, user: UserId) -> Vec<&'static str> {
    let commands = &wiring.config.chat.commands;
    let door = &wiring.config.door;
    let open: &[Party] = match door.chat_unlock {
        ChatUnlock::Never => &[],
        ChatUnlock::InCall | ChatUnlock::Always => &door.unlock_allowed,
    };
    let mut may = Vec::new();
    for (name, list) in [
        ("open", open),
        ("snapshot", &commands.snapshot),
        ("status", &commands.status),
        ("dnd", &commands.dnd),
        ("record", &commands.record),
    ] {
        // An entry that cannot be found out does not match.
        let people = wiring.roster.resolved(wiring, list).await;
        if people.is_ok_and(|people| people.contains(&user)) {
            may.push(name);
        }
    }
    may
}

fn help(may: &[&'static str]) -> String {
    let lines = may.iter().map(|name| match *name {
        "open" => "open: opens the door",
        "snapshot" => "snapshot: a picture",
        "status" => "status: how I am",
        "record" => "record, record 30s, record stop: a recording of what I see and hear",
        _ => "dnd on, dnd on 2h, dnd off: whether calls ring here",
    });
    let lines: Vec<&str> = lines.collect();
    format!("You can write:\n{}", lines.join("\n"))
}

impl Actor for Texting {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_CAPACITY);
        let commands = &self.wiring.config.chat.commands;
        if commands.is_any() {
            ctx.add_stream(listen(&self.wiring.board, "texting"));
        }
    }
}

impl StreamHandler<Heard> for Texting {
    fn handle(&mut self, Heard(event): Heard, ctx: &mut Self::Context) {
        let EventKind::ChatMessage {
            message,
            from,
            dialog,
            text,
            details,
        } = event.kind
        else {
            return;
        };
        let door = &self.wiring.config.door;
        let is_doors = door.chat_unlock != ChatUnlock::Never
            && door.chat_words.contains(&text.trim().to_lowercase());
        let is_own = self.wiring.user() == Some(from);
        let age = (unix_ms() / 1000).abs_diff(details.date_sent);
        if is_doors || is_own || !self.seen.is_new(&message) {
            return;
        }
        let wish = Wish::of(&text);
        if age > FRESH_S {
            if let Some(wish) = wish {
                tracing::warn!(from, message, "a message with a command is too old");
                self.note(from, wish, Some("too_old"));
            }
            return;
        }
        self.on_letter(Letter { from, dialog }, wish, ctx);
    }

    /// The board has ended: the device does.
    fn finished(&mut self, _: &mut Self::Context) {}
}
