//! Announcements by command: one after the other, told of as they begin and end.

use std::path::PathBuf;

use actix::prelude::*;
use serde_json::json;

use super::audio::Audio;
use super::command::{CommandError, ErrorCode};
use super::event::{AnnouncementPhase, EventKind};
use super::say_command::{SayCommand, SayTarget};
use super::state::CallStatus;
use super::wiring::Wiring;
use crate::base::object_id::ObjectId;
use crate::call::announcing::{Announcements, Turn};
use crate::config::{AudioSink, AudioSource, DeviceConfig};
use crate::media::announcement::{self, Announcement, Playback, Tone, has_speech};

/// Endings of files that are sounds, the first that exists is played.
const ENDINGS: [&str; 5] = ["wav", "ogg", "opus", "oga", "flac"];

/// The queue, and what plays.
#[derive(Default)]
pub(super) struct Saying {
    queue: Announcements<Said>,
    playback: Option<Playback>,
}

#[derive(Clone, Debug)]
struct Said {
    id: String,
    what: Announcement,
    target: SayTarget,
}

/// Says it, or puts it behind what is said already.
pub(super) struct Say(pub SayCommand);

impl Message for Say {
    type Result = Result<serde_json::Value, CommandError>;
}

impl Handler<Say> for Audio {
    type Result = Result<serde_json::Value, CommandError>;

    fn handle(&mut self, Say(say): Say, ctx: &mut Self::Context) -> Self::Result {
        if say.stop.is_some() {
            let ended = self.saying.queue.clear();
            self.hush(&ended, "stopped");
            return Ok(json!({ "stopped": ended.len() }));
        }
        check_target(&self.wiring, say.target)?;
        let what = find(&self.wiring.config, &say)?;
        let id = ObjectId::generate().to_string();
        let said = Said {
            id: id.clone(),
            what,
            target: say.target,
        };
        let is_first = say.turn == Turn::Replace || self.saying.queue.heard().is_none();
        let gone = self
            .saying
            .queue
            .add(said, say.turn)
            .map_err(|full| CommandError::new(ErrorCode::WrongState, full.to_string()))?;
        self.hush(&gone, "replaced");
        if is_first {
            self.say_next(ctx);
        }
        Ok(json!({ "announcement": id }))
    }
}

impl Audio {
    /// Ends what plays; what is gone was the first of these.
    fn hush(&mut self, gone: &[Said], reason: &str) {
        if gone.is_empty() {
            return;
        }
        self.saying.playback = None;
        for said in gone {
            self.tell(&said.id, AnnouncementPhase::Ended, Some(reason.to_owned()));
        }
    }

    /// The call is over, and nobody there hears what is said to it or waits to be.
    pub(super) fn say_no_more_to_the_call(&mut self, ctx: &mut Context<Self>) {
        let was_heard = self.saying.queue.heard().map(|said| said.id.clone());
        let gone = self.saying.queue.take(|said| !said.target.is_here());
        let ended = gone.iter().any(|said| Some(&said.id) == was_heard.as_ref());
        if ended {
            self.saying.playback = None;
        }
        for said in gone {
            let reason = Some("call_ended".to_owned());
            self.tell(&said.id, AnnouncementPhase::Ended, reason);
        }
        if ended {
            self.say_next(ctx);
        }
    }

    fn say_next(&mut self, ctx: &mut Context<Self>) {
        let Some(said) = self.saying.queue.heard().cloned() else {
            self.saying.playback = None;
            return;
        };
        let wiring = &self.wiring;
        let here = said.target.is_here().then_some(&wiring.loudspeaker);
        let in_call = said.target.is_in_call().then_some(&wiring.outgoing);
        let loudspeakers: Vec<_> = here.into_iter().chain(in_call).collect();
        let (playback, done) = said.what.play(&loudspeakers);
        self.saying.playback = Some(playback);
        self.tell(&said.id, AnnouncementPhase::Started, None);
        let heard = announcement::played(done);
        ctx.spawn(heard.into_actor(self).map(move |outcome, audio, ctx| {
            let is_heard = audio.saying.queue.heard();
            if is_heard.is_none_or(|heard| heard.id != said.id) {
                // It was ended, and told of.
                return;
            }
            match outcome {
                Ok(()) => audio.tell(&said.id, AnnouncementPhase::Ended, None),
                Err(error) => {
                    let reason = Some(error.to_string());
                    audio.tell(&said.id, AnnouncementPhase::Failed, reason);
                }
            }
            audio.saying.queue.over();
            audio.say_next(ctx);
        }));
    }

    fn tell(&self, id: &str, phase: AnnouncementPhase, reason: Option<String>) {
        self.wiring.board.publish(EventKind::Announcement {
            phase,
            announcement: id.to_owned(),
            reason,
        });
    }
}

/// Whether anybody can hear it there.
fn check_target(wiring: &Wiring, target: SayTarget) -> Result<(), CommandError> {
    let audio = &wiring.config.audio;
    if target.is_here() && audio.sink == AudioSink::Null {
        let message = "this device has no loudspeaker (`[audio] sink`)";
        return Err(CommandError::new(ErrorCode::Unavailable, message));
    }
    if !target.is_in_call() {
        return Ok(());
    }
    if audio.source == AudioSource::None {
        let message = "target: this device sends no sound (`[audio] source`)";
        return Err(CommandError::new(ErrorCode::Unavailable, message));
    }
    let status = wiring.board.read(|state| state.call.status);
    if !matches!(status, CallStatus::Connecting | CallStatus::Connected) {
        let message = "target: nobody is in a call";
        return Err(CommandError::new(ErrorCode::WrongState, message));
    }
    Ok(())
}

/// What is to be played. Names are checked to be no paths.
fn find(config: &DeviceConfig, say: &SayCommand) -> Result<Announcement, CommandError> {
    if let Some(text) = &say.text {
        if !has_speech() {
            let message = "text: espeak-ng is not installed on this device \
                           (Debian: apt install espeak-ng)";
            return Err(CommandError::new(ErrorCode::Unavailable, message));
        }
        return Ok(Announcement::Speech {
            voice: config.say.voice.clone(),
            text: text.clone(),
        });
    }
    let name = say.sound.as_deref().unwrap_or_default();
    if name == "tone" {
        return Ok(Announcement::Tone(Tone::Notice));
    }
    let files = config.say.sounds.iter().flat_map(|folder| {
        ENDINGS.map(|ending| -> PathBuf { folder.join(format!("{name}.{ending}")) })
    });
    let file = files.into_iter().find(|file| file.is_file());
    file.map(Announcement::File).ok_or_else(|| {
        let message = match config.say.sounds {
            Some(_) => format!("sound: there is no {name:?} among the files of `[say] sounds`"),
            None => format!("sound: {name:?} needs `[say] sounds`, a folder of files"),
        };
        CommandError::new(ErrorCode::NotFound, message)
    })
}
