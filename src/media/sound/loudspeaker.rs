//! The meeting point of one loudspeaker and everybody who is heard on it.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::gain::Gain;
use super::playout::{Manner, Playout, saturated};
use crate::media::fanout::Waker;

/// Frames until what was mixed has left the card's buffer (60 ms and a frame before it).
const CARD_FRAMES: u32 = 8;

/// The lasting meeting point of a loudspeaker and its voices. Clones are the same loudspeaker.
/// Without a device behind it, sound is dropped.
#[derive(Clone, Default)]
pub struct Loudspeaker {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    device: u64,
    waker: Option<Waker>,
    status: LoudspeakerStatus,
    next: u64,
    voices: Vec<Slot>,
    mix: Vec<i32>,
    gain: Gain,
    /// 0 to 100; without, as it comes.
    volume: Option<u8>,
    is_muted: bool,
}

impl State {
    fn adjust(&mut self) {
        let percent = if self.is_muted {
            0
        } else {
            self.volume.unwrap_or(100)
        };
        self.gain.set_percent(percent);
    }
}

struct Slot {
    id: u64,
    playout: Playout,
    /// Frames since it had nothing left.
    quiet: u32,
    is_closed: bool,
}

/// How the loudspeaker fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LoudspeakerStatus {
    /// There is none; sound is dropped.
    #[default]
    Absent,
    /// Nobody is heard; it opens for whoever comes.
    Closed,
    /// It plays.
    Playing,
    /// It does not work; it is tried again.
    Failed(String),
}

/// Why something was not heard to its end.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotPlayed {
    /// The loudspeaker does not work.
    #[error("{0}")]
    Failed(String),
    /// It was stopped.
    #[error("it was stopped")]
    Stopped,
    /// It took longer than it may.
    #[error("it took too long")]
    TooLong,
}

impl Loudspeaker {
    /// One without a device.
    pub fn new() -> Self {
        Self::default()
    }

    /// How it fares.
    pub fn status(&self) -> LoudspeakerStatus {
        self.shared.state.lock().status.clone()
    }

    /// A participant: what is handed over is heard as soon as possible, and old sound dropped.
    pub fn live(&self) -> Voice {
        self.join(Manner::Live)
    }

    /// Something that can wait, as a file.
    pub fn patient(&self) -> Voice {
        self.join(Manner::Patient)
    }

    /// How loud the mix is: 0 to 100 percent, 100 as it comes. For a card that cannot be told.
    pub fn set_volume(&self, percent: u8) {
        let mut state = self.shared.state.lock();
        state.volume = Some(percent);
        state.adjust();
    }

    /// While muted, what is said goes by unheard.
    pub fn set_muted(&self, muted: bool) {
        let mut state = self.shared.state.lock();
        state.is_muted = muted;
        state.adjust();
    }

    fn join(&self, manner: Manner) -> Voice {
        let (id, waker) = {
            let mut state = self.shared.state.lock();
            let id = state.next;
            state.next += 1;
            state.voices.push(Slot {
                id,
                playout: Playout::new(manner),
                quiet: 0,
                is_closed: false,
            });
            (id, state.waker.clone())
        };
        if let Some(wake) = waker {
            wake();
        }
        Voice {
            shared: Arc::clone(&self.shared),
            id,
        }
    }

    /// Becomes the device. The one before, if it still lives, is no longer given anything.
    pub(super) fn attach(&self, waker: Waker, status: LoudspeakerStatus) -> LoudspeakerEnd {
        let mut state = self.shared.state.lock();
        state.device += 1;
        state.waker = Some(waker);
        state.status = status;
        self.shared.changed.notify_all();
        LoudspeakerEnd {
            shared: Arc::clone(&self.shared),
            device: state.device,
        }
    }
}

impl std::fmt::Debug for Loudspeaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loudspeaker")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// Somebody heard on the loudspeaker. Dropping it ends that at once.
pub struct Voice {
    shared: Arc<Shared>,
    id: u64,
}

impl Voice {
    /// 48 kHz, one channel. Never waits.
    pub fn push(&self, samples: &[i16]) {
        let mut state = self.shared.state.lock();
        if matches!(
            state.status,
            LoudspeakerStatus::Absent | LoudspeakerStatus::Failed(_)
        ) {
            return;
        }
        if let Some(slot) = state.slot(self.id) {
            slot.playout.push(samples);
            slot.quiet = 0;
        }
    }

    /// The same, waiting while more than a little is in hand.
    ///
    /// # Errors
    /// [`NotPlayed`]; nothing of it is heard then, or not all.
    pub fn play(&self, mut samples: &[i16], deadline: Instant) -> Result<(), NotPlayed> {
        while !samples.is_empty() {
            let room = self.wait(deadline, |slot| slot.playout.room() > 0)?;
            let Some(room) = room else { return Ok(()) };
            let (now, later) = samples.split_at(samples.len().min(room));
            self.push(now);
            samples = later;
        }
        Ok(())
    }

    /// Waits until all of it has been played.
    ///
    /// # Errors
    /// [`NotPlayed`], some of it was not heard then.
    pub fn drain(&self, deadline: Instant) -> Result<(), NotPlayed> {
        self.wait(deadline, |slot| slot.quiet >= CARD_FRAMES)
            .map(drop)
    }

    /// Ends it, and whoever waits for it.
    pub fn close(&self) {
        if let Some(slot) = self.shared.state.lock().slot(self.id) {
            slot.is_closed = true;
        }
        self.shared.changed.notify_all();
    }

    /// The room there is then; none without a loudspeaker, where everything is done at once.
    fn wait(
        &self,
        deadline: Instant,
        ready: impl Fn(&Slot) -> bool,
    ) -> Result<Option<usize>, NotPlayed> {
        let mut state = self.shared.state.lock();
        loop {
            match &state.status {
                LoudspeakerStatus::Absent => return Ok(None),
                LoudspeakerStatus::Failed(reason) => {
                    return Err(NotPlayed::Failed(reason.clone()));
                }
                LoudspeakerStatus::Closed | LoudspeakerStatus::Playing => {}
            }
            match state.slot(self.id) {
                Some(slot) if slot.is_closed => return Err(NotPlayed::Stopped),
                None => return Err(NotPlayed::Stopped),
                Some(slot) if ready(slot) => return Ok(Some(slot.playout.room())),
                Some(_) => {}
            }
            let waited = self.shared.changed.wait_until(&mut state, deadline);
            if waited.timed_out() {
                return Err(NotPlayed::TooLong);
            }
        }
    }
}

impl std::fmt::Debug for Voice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Voice").field("id", &self.id).finish()
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.shared.state.lock();
            state.voices.retain(|slot| slot.id != self.id);
            state.waker.clone()
        };
        if let Some(wake) = waker {
            wake();
        }
    }
}

impl State {
    fn slot(&mut self, id: u64) -> Option<&mut Slot> {
        self.voices.iter_mut().find(|slot| slot.id == id)
    }
}

/// The device's end. When another device attached later, it is given silence.
pub(super) struct LoudspeakerEnd {
    shared: Arc<Shared>,
    device: u64,
}

impl LoudspeakerEnd {
    /// Whether anybody is to be heard.
    pub fn is_wanted(&self) -> bool {
        let state = self.shared.state.lock();
        state.device == self.device && !state.voices.is_empty()
    }

    pub fn set_status(&self, status: LoudspeakerStatus) {
        let mut state = self.shared.state.lock();
        if state.device == self.device {
            state.status = status;
            self.shared.changed.notify_all();
        }
    }

    /// The next 10 ms, or whatever fits.
    pub fn fill(&self, frame: &mut [i16]) {
        let mut state = self.shared.state.lock();
        frame.fill(0);
        if state.device != self.device {
            return;
        }
        let mut mix = std::mem::take(&mut state.mix);
        mix.clear();
        mix.resize(frame.len(), 0);
        for slot in &mut state.voices {
            if !slot.is_closed && !slot.playout.add_to(&mut mix) && slot.playout.waiting() == 0 {
                slot.quiet = slot.quiet.saturating_add(1);
            }
        }
        state.gain.apply(&mut mix);
        saturated(&mix, frame);
        state.mix = mix;
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::FRAME;
    use super::*;

    fn device(loudspeaker: &Loudspeaker) -> LoudspeakerEnd {
        loudspeaker.attach(Arc::new(|| {}), LoudspeakerStatus::Playing)
    }

    fn next(device: &LoudspeakerEnd) -> Vec<i16> {
        let mut frame = vec![1; FRAME];
        device.fill(&mut frame);
        frame
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn everybody_is_heard_at_once() {
        let loudspeaker = Loudspeaker::new();
        let end = device(&loudspeaker);
        let (tone, participant) = (loudspeaker.patient(), loudspeaker.live());
        tone.push(&[100; FRAME]);
        participant.push(&[20; 10 * FRAME]);
        assert_eq!(next(&end), vec![120; FRAME]);
        assert_eq!(next(&end), vec![20; FRAME]);
        drop(participant);
        assert_eq!(next(&end), vec![0; FRAME]);
    }

    #[test]
    fn a_muted_loudspeaker_plays_silence_and_goes_on_from_where_the_sound_is() {
        let loudspeaker = Loudspeaker::new();
        let end = device(&loudspeaker);
        let voice = loudspeaker.live();
        voice.push(&[8_000; 20 * FRAME]);
        loudspeaker.set_muted(true);
        next(&end);
        assert_eq!(next(&end), vec![0; FRAME]);
        loudspeaker.set_muted(false);
        loudspeaker.set_volume(50);
        next(&end);
        assert_eq!(next(&end), vec![1_000; FRAME]);
    }

    #[test]
    fn what_is_handed_over_is_played_before_its_owner_hears_of_it() {
        let loudspeaker = Loudspeaker::new();
        let end = device(&loudspeaker);
        let voice = loudspeaker.patient();
        let player = std::thread::spawn(move || {
            voice.play(&[5; 100 * FRAME], soon())?;
            voice.drain(soon())
        });
        let mut heard = 0;
        while !player.is_finished() {
            heard += next(&end).iter().filter(|sample| **sample == 5).count();
        }
        assert_eq!(player.join().unwrap(), Ok(()));
        assert!(heard >= 99 * FRAME, "{heard}");
    }

    #[test]
    fn whoever_waits_hears_of_a_failure_and_of_the_end() {
        let loudspeaker = Loudspeaker::new();
        let end = device(&loudspeaker);
        let voice = loudspeaker.patient();
        voice.close();
        assert_eq!(voice.drain(soon()), Err(NotPlayed::Stopped));
        end.set_status(LoudspeakerStatus::Failed("gone".into()));
        let voice = loudspeaker.patient();
        assert_eq!(
            voice.play(&[0; 1], soon()),
            Err(NotPlayed::Failed("gone".into()))
        );
        assert_eq!(Loudspeaker::new().patient().drain(soon()), Ok(()));
    }

    #[test]
    fn an_older_device_is_given_silence() {
        let loudspeaker = Loudspeaker::new();
        let (old, new) = (device(&loudspeaker), device(&loudspeaker));
        let voice = loudspeaker.live();
        voice.push(&[9; 10 * FRAME]);
        assert!(!old.is_wanted() && new.is_wanted());
        assert_eq!(next(&old), vec![0; FRAME]);
        assert_eq!(next(&new), vec![9; FRAME]);
    }
}
