//! What is heard here while a call waits for somebody to take it: a ring tone where it comes in; at
//! the calling side, that it rings there, and that nobody took it.

use std::time::Duration;

use actix::prelude::*;
use futures::StreamExt;

use super::audio::Audio;
use super::state::{CallState, CallStatus, DeviceState, HeardTone, RingStatus};
use super::wiring::Wiring;
use crate::call::end::EndReason;
use crate::call::ring_plan::Unanswered;
use crate::config::{AudioSink, CallSound, DeviceConfig};
use crate::media::announcement::{self, Announcement, AnnouncementError, Playback, Tone};
use crate::media::sound::{Loudspeaker, Voice};

/// Between one playing of a file and the next.
const AFTER_FILE: Duration = Duration::from_secs(1);

/// What is heard, and what comes next.
#[derive(Default)]
pub(super) struct Sounding {
    heard: Option<HeardTone>,
    playback: Option<Playback>,
    /// Keeps the card open between two rings.
    _held: Option<Voice>,
    /// The end of the playback, or of the pause behind it.
    next: Option<SpawnHandle>,
    /// That it cannot be heard was logged.
    is_told: bool,
}

/// What is to be heard.
pub(super) struct Wanted(Option<HeardTone>);

/// What is to be heard in a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Due {
    tone: Option<HeardTone>,
    /// It is of a ring of the bell, and not of a call dialled by itself.
    of_ring: bool,
}

/// Now, and each time it changes.
pub(super) fn wanted(wiring: &Wiring) -> impl Stream<Item = Wanted> + use<> {
    let first = (wiring.board.watch(), None, Due::default());
    futures::stream::unfold(first, |(mut states, told, mut due)| async move {
        loop {
            due = due_in(&states.borrow_and_update(), due);
            if told != Some(due.tone) {
                return Some((due.tone, (states, Some(due.tone), due)));
            }
            states.changed().await.ok()?;
        }
    })
    .map(Wanted)
}

/// What is to be heard in this state, after what was to be heard before. Pure.
fn due_in(state: &DeviceState, before: Due) -> Due {
    let call = &state.call;
    let rings = state.ring.status == RingStatus::Ringing;
    // Between two steps of the ring plan there is no call, and the bell rings on.
    let is_calling = match call.status {
        CallStatus::Dialing => true,
        CallStatus::Idle => rings,
        _ => false,
    };
    let tone = if is_called(call) {
        Some(HeardTone::Ring)
    } else if is_calling {
        Some(HeardTone::Ringback)
    } else if call.status != CallStatus::Idle {
        None
    } else {
        match before.tone {
            Some(HeardTone::Ringback) if is_in_vain(state, before.of_ring) => {
                Some(HeardTone::Unanswered)
            }
            Some(HeardTone::Unanswered) => before.tone,
            _ => None,
        }
    };
    let is_same = tone == Some(HeardTone::Ringback) && before.tone == tone;
    Due {
        tone,
        // The bell may be over a moment before its last call is.
        of_ring: rings || is_same && before.of_ring,
    }
}

/// A call that is answered by itself is told by its own tone.
fn is_called(call: &CallState) -> bool {
    match call.status {
        CallStatus::Ringing => !call.drops_in,
        CallStatus::Connecting | CallStatus::Connected => call.knocks,
        CallStatus::Idle | CallStatus::Dialing => false,
    }
}

/// Whether the ring, or else the call, ended because nobody took it, rather than by somebody here.
fn is_in_vain(state: &DeviceState, of_ring: bool) -> bool {
    if of_ring {
        // Its calls tell nothing: a ring that is stopped between two steps leaves an older end.
        let reason = state.ring.last_end.as_deref();
        return reason.and_then(Unanswered::by_name).is_some();
    }
    let reason = state.call.last_end.as_deref().and_then(EndReason::by_name);
    matches!(
        reason,
        Some(
            EndReason::RemoteRejected
                | EndReason::Busy
                | EndReason::DoNotDisturb
                | EndReason::NotSupported
                | EndReason::NoAnswer
        )
    )
}

/// The sound, and the pause before it is heard again.
fn sound_of(config: &DeviceConfig, heard: HeardTone) -> Option<(Announcement, Duration)> {
    if config.audio.sink == AudioSink::Null {
        return None;
    }
    let calls = &config.calls;
    let sound = match heard {
        HeardTone::Ring => &calls.incoming.ring_tone,
        HeardTone::Ringback | HeardTone::Unanswered => &calls.ringback,
    };
    let tone = match sound {
        CallSound::None => return None,
        _ if heard == HeardTone::Unanswered => {
            let message = &config.visitor_message;
            // The visitor is asked to leave a message, which says it, too.
            if message.enabled && message.after_ring {
                return None;
            }
            Tone::Unanswered
        }
        CallSound::File(path) => return Some((Announcement::File(path.clone()), AFTER_FILE)),
        CallSound::Chime => Tone::Chime,
        CallSound::Phone => Tone::Phone,
        CallSound::Tone => Tone::Ringback,
    };
    Some((Announcement::Tone(tone), tone.pause()))
}

/// Whoever is called has a volume of its own for that.
fn heard_on(loudspeaker: &Loudspeaker, heard: Option<HeardTone>) -> Loudspeaker {
    match heard {
        Some(HeardTone::Ring) => loudspeaker.for_ringing(),
        _ => loudspeaker.clone(),
    }
}

impl StreamHandler<Wanted> for Audio {
    fn handle(&mut self, Wanted(heard): Wanted, ctx: &mut Self::Context) {
        self.sound(heard, ctx);
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Audio {
    fn sound(&mut self, heard: Option<HeardTone>, ctx: &mut Context<Self>) {
        if let Some(next) = self.sounding.next.take() {
            ctx.cancel_future(next);
        }
        let heard = heard.filter(|heard| sound_of(&self.wiring.config, *heard).is_some());
        self.sounding = Sounding {
            heard,
            _held: heard.map(|_| self.wiring.loudspeaker.patient()),
            ..Sounding::default()
        };
        self.wiring.board.update(|state| state.audio.tone = heard);
        self.play_tone(ctx);
    }

    fn play_tone(&mut self, ctx: &mut Context<Self>) {
        let heard = self.sounding.heard;
        let Some((sound, pause)) = heard.and_then(|heard| sound_of(&self.wiring.config, heard))
        else {
            return;
        };
        let loudspeaker = heard_on(&self.wiring.loudspeaker, heard);
        let (playback, done) = sound.play(&[&loudspeaker]);
        self.sounding.playback = Some(playback);
        let played = announcement::played(done);
        let played = played.into_actor(self);
        self.sounding.next =
            Some(ctx.spawn(
                played.map(move |outcome, audio, ctx| audio.tone_played(outcome, pause, ctx)),
            ));
    }

    fn tone_played(
        &mut self,
        outcome: Result<(), AnnouncementError>,
        pause: Duration,
        ctx: &mut Context<Self>,
    ) {
        self.sounding.playback = None;
        if let Err(error) = outcome
            && !std::mem::replace(&mut self.sounding.is_told, true)
        {
            tracing::warn!(tone = ?self.sounding.heard, %error, "a call is not heard here");
        }
        if self.sounding.heard == Some(HeardTone::Unanswered) {
            self.sound(None, ctx);
            return;
        }
        let again = ctx.run_later(pause, |audio, ctx| audio.play_tone(ctx));
        self.sounding.next = Some(again);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;
    use crate::media::sink::AudioSinkKind;
    use crate::media::sound::{AudioDevice, AudioDeviceSettings, AudioSourceKind, SoundTap};

    /// The loudest of what is heard of it on a loudspeaker of these volumes.
    async fn loudest(heard: HeardTone, volumes: (u8, u8)) -> i16 {
        let loudest = Arc::new(Mutex::new(0));
        let kept = Arc::clone(&loudest);
        let tap = SoundTap::new(move |_, frame: &[i16]| {
            let mut kept = kept.lock();
            *kept = frame.iter().copied().fold(*kept, i16::max);
        });
        let loudspeaker = Loudspeaker::new();
        let device = AudioDevice::start(
            AudioDeviceSettings {
                loudspeaker: AudioSinkKind::Tap(tap),
                ..AudioDeviceSettings::microphone(AudioSourceKind::None, false)
            },
            &crate::media::AudioFanout::new(),
            &loudspeaker,
            &Loudspeaker::new(),
            tokio::sync::mpsc::unbounded_channel().0,
        );
        loudspeaker.set_volume(volumes.0, volumes.1);
        let tone = Announcement::Tone(Tone::Ringback);
        let (_playback, done) = tone.play(&[&heard_on(&loudspeaker, Some(heard))]);
        assert_eq!(announcement::played(done).await, Ok(()));
        device.closed().await;
        *loudest.lock()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_called_hears_it_at_the_volume_of_rings_and_who_calls_at_that_of_all_else() {
        crate::media::initialise().unwrap();
        let full = Tone::Ringback.samples().into_iter().max().unwrap();
        for (heard, ring) in [
            (HeardTone::Ring, true),
            (HeardTone::Ringback, false),
            (HeardTone::Unanswered, false),
        ] {
            // Of an amplitude 50 % is an eighth.
            let (loud, quiet) = if ring {
                (full, full / 8)
            } else {
                (full / 8, full)
            };
            assert_eq!(loudest(heard, (50, 100)).await, loud, "{heard:?}");
            assert_eq!(loudest(heard, (100, 50)).await, quiet, "{heard:?}");
        }
    }

    fn after(states: &[(CallStatus, &str)]) -> Vec<Option<HeardTone>> {
        let mut due = Due::default();
        let mut all = Vec::new();
        for (status, last_end) in states {
            let mut state = DeviceState::default();
            state.call.status = *status;
            state.call.last_end = Some((*last_end).to_owned());
            due = due_in(&state, due);
            all.push(due.tone);
        }
        all
    }

    #[test]
    fn who_calls_hears_that_it_rings_until_somebody_answers() {
        assert_eq!(
            after(&[
                (CallStatus::Idle, "no_answer"),
                (CallStatus::Dialing, "no_answer"),
                (CallStatus::Connecting, "no_answer"),
                (CallStatus::Connected, "no_answer"),
                (CallStatus::Idle, "remote_hung_up"),
            ]),
            [None, Some(HeardTone::Ringback), None, None, None]
        );
    }

    #[test]
    fn who_is_not_answered_hears_it_and_who_hangs_up_does_not() {
        for (reason, heard) in [
            ("no_answer", Some(HeardTone::Unanswered)),
            ("busy", Some(HeardTone::Unanswered)),
            ("remote_rejected", Some(HeardTone::Unanswered)),
            ("hung_up", None),
            ("connect_failed", None),
        ] {
            let states = [
                (CallStatus::Dialing, ""),
                (CallStatus::Idle, reason),
                (CallStatus::Idle, reason),
            ];
            assert_eq!(after(&states)[1..], [heard, heard], "{reason}");
        }
    }

    #[test]
    fn who_is_called_hears_it_unless_the_call_answers_itself_and_when_somebody_knocks() {
        let mut state = DeviceState::default();
        let heard = |state: &DeviceState| due_in(state, Due::default()).tone;
        state.call.status = CallStatus::Ringing;
        assert_eq!(heard(&state), Some(HeardTone::Ring));
        state.call.drops_in = true;
        assert_eq!(heard(&state), None);
        state.call.status = CallStatus::Connected;
        state.call.knocks = true;
        assert_eq!(heard(&state), Some(HeardTone::Ring));
    }

    /// What is heard after a ring that ends between two steps of its plan, where the last call
    /// before, of that ring or not, ended as told.
    fn after_ring(last_call: &str, ring_end: &str) -> Option<HeardTone> {
        let mut state = DeviceState::default();
        state.call.last_end = Some(last_call.to_owned());
        state.ring.status = RingStatus::Ringing;
        let due = due_in(&state, Due::default());
        assert_eq!(due.tone, Some(HeardTone::Ringback));
        state.ring.last_end = Some(ring_end.to_owned());
        state.ring.status = RingStatus::Idle;
        let due = due_in(&state, due);
        assert_eq!(due_in(&state, due).tone, due.tone, "it is heard to its end");
        due.tone
    }

    #[test]
    fn the_bell_is_heard_to_ring_between_two_steps_of_its_plan_and_then_that_nobody_came() {
        for reason in ["no_answer", "rejected", "busy"] {
            let heard = after_ring("no_answer", reason);
            assert_eq!(heard, Some(HeardTone::Unanswered), "{reason}");
        }
    }

    #[test]
    fn a_stopped_ring_is_silent_however_the_call_before_ended() {
        for reason in ["cancelled", "hung_up", "answered"] {
            assert_eq!(after_ring("no_answer", reason), None, "{reason}");
        }
    }

    #[test]
    fn an_unanswered_ring_is_told_however_the_call_before_ended() {
        let heard = after_ring("remote_hung_up", "no_answer");
        assert_eq!(heard, Some(HeardTone::Unanswered));
    }

    #[test]
    fn a_ring_that_is_over_before_its_last_call_is_judged_by_its_own_end() {
        let mut state = DeviceState::default();
        state.call.status = CallStatus::Dialing;
        state.ring.status = RingStatus::Ringing;
        let due = due_in(&state, Due::default());
        state.ring.status = RingStatus::Idle;
        state.ring.last_end = Some("no_answer".to_owned());
        let due = due_in(&state, due);
        assert_eq!(due.tone, Some(HeardTone::Ringback));
        state.call.status = CallStatus::Idle;
        state.call.last_end = Some("cancelled".to_owned());
        assert_eq!(due_in(&state, due).tone, Some(HeardTone::Unanswered));
    }
}
