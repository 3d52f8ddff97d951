//! How loud something is played: percent as people mean them, without clicks when it changes.

/// The factor in use and the one wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gain {
    now: f32,
    wanted: f32,
}

impl Default for Gain {
    fn default() -> Self {
        Self {
            now: 1.0,
            wanted: 1.0,
        }
    }
}

impl Gain {
    /// 0 to 100. The ear hears ratios: half the way is an eighth of the amplitude, 18 dB less.
    pub fn set_percent(&mut self, percent: u8) {
        let share = f32::from(percent.min(100)) / 100.0;
        self.wanted = share * share * share;
    }

    /// What is wanted holds at once: nobody has heard anything to compare it with.
    pub fn settle(&mut self) {
        self.now = self.wanted;
    }

    /// Changes samples, in even steps over the frame to what is wanted.
    pub fn apply(&mut self, samples: &mut [i32]) {
        if self.now == 1.0 && self.wanted == 1.0 {
            return;
        }
        // A frame is far below what a float counts exactly.
        let step = (self.wanted - self.now) / samples.len().max(1) as f32;
        for sample in samples.iter_mut() {
            self.now += step;
            *sample = (*sample as f32 * self.now) as i32;
        }
        self.now = self.wanted;
    }
}

/// A factor that follows what is wanted at a bounded pace, for sound that comes in frames of any
/// length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fader {
    now: f32,
}

impl Default for Fader {
    fn default() -> Self {
        Self { now: 1.0 }
    }
}

impl Fader {
    /// Changes samples; from all to nothing it takes `ramp` of them.
    pub fn fade(&mut self, frame: &mut [i16], wanted: f32, ramp: usize) {
        if self.now == 1.0 && wanted == 1.0 {
            return;
        }
        let step = 1.0 / ramp.max(1) as f32;
        for sample in frame {
            let way = wanted - self.now;
            self.now += way.clamp(-step, step);
            *sample = (f32::from(*sample) * self.now) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_takes_one_frame_and_has_no_step() {
        let mut gain = Gain::default();
        gain.set_percent(0);
        let mut frame = [1_000; 100];
        gain.apply(&mut frame);
        let steps = frame.windows(2).map(|pair| pair[0] - pair[1]);
        assert!(steps.clone().max() <= Some(11), "{frame:?}");
        assert_eq!(frame[99], 0);
        frame = [1_000; 100];
        gain.apply(&mut frame);
        assert_eq!(frame, [0; 100]);
    }

    #[test]
    fn percents_follow_the_ear() {
        for (percent, expected) in [(100, 8_000), (50, 1_000), (0, 0)] {
            let mut gain = Gain::default();
            gain.set_percent(percent);
            gain.apply(&mut [0; 10]);
            let mut frame = [8_000; 10];
            gain.apply(&mut frame);
            assert_eq!(frame, [expected; 10], "{percent} %");
        }
    }
}
