//! The sound of one voice on its way into the mix: evens out when it comes.
//!
//! A participant's sound comes in bursts, and by a clock that is not the sound card's. A little is
//! kept in hand; when that has grown, because the other clock is faster or the network caught up,
//! 10 ms are left out at a time, faded over so that nobody hears it. When nothing is left there is
//! silence until enough is in hand again.

use std::collections::VecDeque;

use super::RATE;

/// In hand before a participant is heard: a lost packet is waited for 40 ms and lasts 20 ms.
const IN_HAND: usize = RATE * 60 / 1000;
/// More than that at the beginning is old: it came in while the loudspeaker was opened.
const AT_START: usize = RATE * 100 / 1000;
/// Whatever comes after it is more than any network explains; the oldest goes.
const LIVE_MOST: usize = RATE / 2;
/// What somebody who can wait may hand over in advance.
const PATIENT_MOST: usize = RATE / 5;
/// Frames in which the least in hand is looked for: 2 s.
const WINDOW: u32 = 200;

/// Whether its owner can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// A participant: comes when it comes.
    Live,
    /// A file: may be asked to wait.
    Patient,
}

/// One voice.
#[derive(Debug)]
pub(super) struct Playout {
    manner: Manner,
    samples: VecDeque<i16>,
    started: bool,
    /// The least in hand after a frame was taken, and in how many frames.
    least: usize,
    frames: u32,
}

impl Playout {
    pub fn new(manner: Manner) -> Self {
        Self {
            manner,
            samples: VecDeque::new(),
            started: false,
            least: usize::MAX,
            frames: 0,
        }
    }

    /// Samples that wait.
    pub fn waiting(&self) -> usize {
        self.samples.len()
    }

    /// How many more a patient owner should hand over now.
    pub fn room(&self) -> usize {
        PATIENT_MOST.saturating_sub(self.samples.len())
    }

    pub fn push(&mut self, samples: &[i16]) {
        self.samples.extend(samples);
        if self.manner == Manner::Live && self.samples.len() > LIVE_MOST {
            self.drop_to(IN_HAND);
        }
    }

    /// Adds the next samples to the mix. False when this voice is silent.
    pub fn add_to(&mut self, mix: &mut [i32]) -> bool {
        if !self.started && !self.start() {
            return false;
        }
        let wanted = mix.len();
        let present = wanted.min(self.samples.len());
        let skips = self.is_too_much(present, wanted);
        for (n, slot) in mix.iter_mut().take(present).enumerate() {
            let sample = i64::from(self.samples[n]);
            let heard = if skips {
                let later = i64::from(self.samples[n + wanted]);
                faded(sample, later, n, wanted)
            } else if present < wanted {
                // The end, as far as is known: a cut would click.
                faded(sample, 0, n, present)
            } else {
                sample
            };
            *slot += i32::try_from(heard).unwrap_or_default();
        }
        self.samples
            .drain(..if skips { 2 * wanted } else { present });
        if present < wanted {
            self.started = false;
            self.forget();
        }
        present > 0
    }

    fn start(&mut self) -> bool {
        let enough = match self.manner {
            Manner::Live => IN_HAND,
            Manner::Patient => 1,
        };
        if self.samples.len() < enough {
            return false;
        }
        if self.manner == Manner::Live && self.samples.len() > AT_START {
            self.drop_to(IN_HAND);
        }
        self.started = true;
        true
    }

    /// Looks at what will be in hand after this frame.
    fn is_too_much(&mut self, present: usize, wanted: usize) -> bool {
        if self.manner == Manner::Patient {
            return false;
        }
        self.least = self.least.min(self.samples.len() - present);
        self.frames += 1;
        if self.frames < WINDOW {
            return false;
        }
        let least = self.least;
        self.forget();
        least > IN_HAND && self.samples.len() >= 2 * wanted
    }

    fn forget(&mut self) {
        self.least = usize::MAX;
        self.frames = 0;
    }

    fn drop_to(&mut self, keep: usize) {
        let old = self.samples.len().saturating_sub(keep);
        self.samples.drain(..old);
        self.forget();
    }
}

/// From one sample to another, in step `n` of `steps`.
fn faded(from: i64, to: i64, n: usize, steps: usize) -> i64 {
    // A frame is far below the range of these.
    let (n, steps) = (n as i64, steps.max(1) as i64);
    (from * (steps - n) + to * n) / steps
}

/// The frame the card gets.
pub(super) fn saturated(mix: &[i32], frame: &mut [i16]) {
    for (sample, sum) in frame.iter_mut().zip(mix) {
        let bounded = (*sum).clamp(i32::from(i16::MIN), i32::from(i16::MAX));
        *sample = i16::try_from(bounded).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::FRAME;
    use super::*;

    const PACKET: [i16; 2 * FRAME] = [1_000; 2 * FRAME];

    fn frame(voice: &mut Playout) -> Vec<i32> {
        let mut mix = vec![0; FRAME];
        voice.add_to(&mut mix);
        mix
    }

    #[test]
    fn a_participant_is_heard_once_enough_is_in_hand() {
        let mut voice = Playout::new(Manner::Live);
        voice.push(&PACKET);
        voice.push(&PACKET);
        assert!(frame(&mut voice).iter().all(|sample| *sample == 0));
        voice.push(&PACKET);
        assert!(frame(&mut voice).iter().all(|sample| *sample == 1_000));
    }

    #[test]
    fn bursts_of_sixty_milliseconds_leave_no_gap() {
        let mut voice = Playout::new(Manner::Live);
        for n in 0..600 {
            if n % 6 == 0 {
                (0..3).for_each(|_| voice.push(&PACKET));
            }
            let mix = frame(&mut voice);
            assert!(mix.iter().all(|sample| *sample == 1_000), "frame {n}");
        }
    }

    #[test]
    fn what_runs_out_fades_and_comes_back_in_full() {
        let mut voice = Playout::new(Manner::Live);
        (0..3).for_each(|_| voice.push(&PACKET));
        voice.push(&[1_000; FRAME / 2]);
        (0..6).for_each(|_| drop(frame(&mut voice)));
        let last = frame(&mut voice);
        assert_eq!(last[0], 1_000);
        assert!(last[FRAME / 2 - 1] < 10, "{}", last[FRAME / 2 - 1]);
        assert!(last[FRAME / 2..].iter().all(|sample| *sample == 0));
        voice.push(&PACKET);
        assert_eq!(frame(&mut voice)[0], 0, "not enough in hand");
        (0..2).for_each(|_| voice.push(&PACKET));
        assert_eq!(frame(&mut voice)[0], 1_000);
    }

    /// 1,000 ppm, ten times what cards differ by.
    #[test]
    fn a_faster_clock_never_piles_up() {
        let mut voice = Playout::new(Manner::Live);
        let (mut due, mut most) = (0.0, 0);
        for _ in 0..60_000 {
            due += FRAME as f64 * 1.001;
            while due >= PACKET.len() as f64 {
                due -= PACKET.len() as f64;
                voice.push(&PACKET);
            }
            frame(&mut voice);
            most = most.max(voice.waiting());
        }
        assert!(most < RATE * 110 / 1000, "{most} samples");
    }

    #[test]
    fn what_came_in_before_the_loudspeaker_was_open_is_not_heard_late() {
        let mut voice = Playout::new(Manner::Live);
        (0..15).for_each(|_| voice.push(&PACKET));
        frame(&mut voice);
        assert!(voice.waiting() < IN_HAND);
    }

    #[test]
    fn a_file_is_heard_at_once_and_whole() {
        let mut voice = Playout::new(Manner::Patient);
        voice.push(&[7; FRAME + 3]);
        assert_eq!(frame(&mut voice), vec![7; FRAME]);
        assert_eq!(frame(&mut voice)[0], 7);
        assert_eq!(voice.waiting(), 0);
    }

    #[test]
    fn a_sum_beyond_the_range_stays_at_its_end() {
        let mut out = [0; 2];
        saturated(&[40_000, -40_000], &mut out);
        assert_eq!(out, [i16::MAX, i16::MIN]);
    }
}
