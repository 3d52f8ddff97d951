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
    /// Who joins here rings.
    rings: bool,
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
    mix: Mix,
    /// Of those that ring.
    ringing: Mix,
    is_muted: bool,
}

/// Voices that are equally loud.
struct Mix {
    sum: Vec<i32>,
    gain: Gain,
    /// 0 to 100.
    volume: u8,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            sum: Vec::new(),
            gain: Gain::default(),
            volume: 100,
        }
    }
}

impl State {
    fn adjust(&mut self) {
        let is_heard = self.status == LoudspeakerStatus::Playing;
        for mix in [&mut self.mix, &mut self.ringing] {
            let percent = if self.is_muted { 0 } else { mix.volume };
            mix.gain.set_percent(percent);
            if !is_heard {
                mix.gain.settle();
            }
        }
    }
}

struct Slot {
    id: u64,
    playout: Playout,
    rings: bool,
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

    /// The same loudspeaker for what rings, which has a volume of its own.
    pub fn for_ringing(&self) -> Self {
        Self {
            rings: true,
            ..self.clone()
        }
    }

    /// How loud the mix is, and in it what rings: 0 to 100 percent each, 100 as it comes. Nothing
    /// is made louder than it comes, so nothing is distorted by it.
    pub fn set_volume(&self, percent: u8, ringing: u8) {
        let mut state = self.shared.state.lock();
        state.mix.volume = percent;
        state.ringing.volume = ringing;
        state.adjust();
    }

    /// What [`Self::set_volume`] has set, of all else and of what rings; none while muted.
    pub fn volume(&self) -> Option<(u8, u8)> {
        let state = self.shared.state.lock();
        (!state.is_muted).then_some((state.mix.volume, state.ringing.volume))
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
                rings: self.rings,
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
        let State {
            mix,
            ringing,
            voices,
            ..
        } = &mut *state;
        for one in [&mut *mix, &mut *ringing] {
            one.sum.clear();
            one.sum.resize(frame.len(), 0);
        }
        for slot in voices {
            let into = if slot.rings {
                &mut ringing.sum
            } else {
                &mut mix.sum
            };
            if !slot.is_closed && !slot.playout.add_to(into) && slot.playout.waiting() == 0 {
                slot.quiet = slot.quiet.saturating_add(1);
            }
        }
        for one in [&mut *mix, &mut *ringing] {
            one.gain.apply(&mut one.sum);
        }
        for (sum, ringing) in mix.sum.iter_mut().zip(&ringing.sum) {
            *sum += ringing;
        }
        saturated(&mix.sum, frame);
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
        loudspeaker.set_volume(50, 100);
        next(&end);
        assert_eq!(next(&end), vec![1_000; FRAME]);
    }

    #[test]
    fn what_rings_is_as_loud_as_it_is_told_whatever_the_others_are() {
        let loudspeaker = Loudspeaker::new();
        let end = device(&loudspeaker);
        let (voice, ring) = (loudspeaker.patient(), loudspeaker.for_ringing().patient());
        voice.push(&[8_000; 30 * FRAME]);
        ring.push(&[16_000; 30 * FRAME]);
        for ((volume, ringing), heard) in [
            ((100, 100), 24_000),
            ((50, 100), 17_000),
            ((100, 50), 10_000),
            ((0, 50), 2_000),
            ((50, 0), 1_000),
        ] {
            loudspeaker.set_volume(volume, ringing);
            next(&end);
            assert_eq!(next(&end), vec![heard; FRAME], "{volume} {ringing}");
        }
        loudspeaker.set_muted(true);
        next(&end);
        assert_eq!(next(&end), vec![0; FRAME]);
    }

    #[test]
    fn the_loudest_ring_at_its_loudest_is_as_it_comes_from_its_first_sample() {
        let loudspeaker = Loudspeaker::new();
        loudspeaker.set_volume(10, 100);
        let end = device(&loudspeaker);
        let ring = loudspeaker.for_ringing().live();
        ring.push(&[i16::MAX; 10 * FRAME]);
        assert_eq!(next(&end), vec![i16::MAX; FRAME]);
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
