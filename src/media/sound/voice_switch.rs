//! One way at a time, for boards whose echo cannot be cancelled. Sans-IO.
//!
//! The rule: the far side goes first. While it is heard, the microphone is attenuated so far that
//! no echo of it returns, also when somebody speaks here; while it is silent, whoever is here has
//! the way. It is heard from 10 dB above what its line carries in silence, as far as that was
//! heard, and never below −50 dBFS.

use std::time::Duration;

use super::RATE;
use super::gain::Fader;

/// What the microphone is attenuated by while the far side speaks: to less than a hundredth.
pub const DEPTH_DB: f32 = 45.0;
/// The microphone fades out in so long. What is played leaves the loudspeaker later than that.
pub const ATTACK: Duration = Duration::from_millis(10);
/// It stays closed for so long after the far side's last sound: until that has left the card's
/// buffer (70 ms), faded in the room and come in (60 ms); and through the pauses within a sentence.
pub const HOLD: Duration = Duration::from_millis(400);
/// It fades in again in so long.
pub const RELEASE: Duration = Duration::from_millis(60);

/// The quietest moment of this and the span before is what the line carries in silence: nobody
/// speaks for so long without a gap.
const SPAN: Duration = Duration::from_millis(1_500);
const ABOVE_FLOOR_DB: f32 = 10.0;
const LEAST_SPEECH_DB: f32 = -50.0;
/// Steady sound beyond this is no line's noise.
const MOST_FLOOR_DB: f32 = -40.0;
const SILENCE_DB: f32 = -127.0;

/// Whose way it is.
#[derive(Clone, Debug)]
pub struct VoiceSwitch {
    /// The quietest moment of the span before and of this one, dBFS.
    quietest: [f32; 2],
    /// Samples of this span.
    span: usize,
    /// Samples the microphone stays closed for.
    hold: usize,
    gain: Fader,
}

impl Default for VoiceSwitch {
    fn default() -> Self {
        Self {
            quietest: [SILENCE_DB, SILENCE_DB],
            span: 0,
            hold: 0,
            gain: Fader::default(),
        }
    }
}

impl VoiceSwitch {
    /// What the loudspeaker is given next.
    pub fn played(&mut self, frame: &[i16]) {
        if frame.is_empty() {
            return;
        }
        let level = level(frame);
        let floor = self.quietest[0].min(self.quietest[1]).min(MOST_FLOOR_DB);
        if level >= (floor + ABOVE_FLOOR_DB).max(LEAST_SPEECH_DB) {
            self.hold = samples(HOLD);
        } else {
            self.hold = self.hold.saturating_sub(frame.len());
        }
        self.quietest[1] = self.quietest[1].min(level);
        self.span += frame.len();
        if self.span >= samples(SPAN) {
            self.quietest = [self.quietest[1], f32::INFINITY];
            self.span = 0;
        }
    }

    /// Attenuates what the microphone has heard.
    pub fn heard(&mut self, frame: &mut [i16]) {
        let (wanted, ramp) = if self.hold > 0 {
            (10f32.powf(-DEPTH_DB / 20.0), ATTACK)
        } else {
            (1.0, RELEASE)
        };
        self.gain.fade(frame, wanted, samples(ramp));
    }

    /// Whether the microphone has the way.
    pub fn is_open(&self) -> bool {
        self.hold == 0
    }
}

fn samples(time: Duration) -> usize {
    RATE * time.as_millis() as usize / 1_000
}

fn level(frame: &[i16]) -> f32 {
    let squares: f32 = frame.iter().map(|s| f32::from(*s) * f32::from(*s)).sum();
    let mean = squares / frame.len() as f32 / (32_768.0 * 32_768.0);
    (10.0 * mean.log10()).max(SILENCE_DB)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::FRAME;
    use super::*;

    const VOICE: [i16; FRAME] = [3_000; FRAME];
    const SILENCE: [i16; FRAME] = [0; FRAME];

    /// The microphone's frame behind the switch, when it hears the voice.
    fn heard(switch: &mut VoiceSwitch, played: &[i16]) -> Vec<i16> {
        switch.played(played);
        let mut frame = VOICE.to_vec();
        switch.heard(&mut frame);
        frame
    }

    #[test]
    fn while_the_far_side_is_silent_everything_passes_untouched() {
        let mut switch = VoiceSwitch::default();
        for _ in 0..100 {
            assert_eq!(heard(&mut switch, &SILENCE), VOICE);
        }
    }

    #[test]
    fn the_far_side_closes_the_microphone_within_a_frame_and_for_as_long_as_it_is_held() {
        let mut switch = VoiceSwitch::default();
        let first = heard(&mut switch, &VOICE);
        assert!(first[FRAME - 1] <= 3_000 / 100, "{}", first[FRAME - 1]);
        let steps = first.windows(2).map(|pair| pair[0] - pair[1]);
        assert!(steps.max() <= Some(10), "a click");
        for n in 1..40 {
            assert!(heard(&mut switch, &SILENCE)[0] <= 30, "frame {n}");
        }
        (0..6).for_each(|_| drop(heard(&mut switch, &SILENCE)));
        assert_eq!(heard(&mut switch, &SILENCE), VOICE);
    }

    #[test]
    fn noise_of_the_far_sides_line_does_not_keep_the_microphone_closed_but_a_voice_over_it_does() {
        let mut switch = VoiceSwitch::default();
        // -44 dBFS.
        let noise = [200; FRAME];
        // It may be a voice as far as can be told at first.
        let opened = (0..500).position(|_| {
            heard(&mut switch, &noise);
            switch.is_open()
        });
        assert!(opened.is_some(), "noise closes the microphone for good");
        heard(&mut switch, &VOICE);
        assert!(!switch.is_open());
    }

    proptest! {
        #[test]
        fn nothing_is_ever_made_louder_and_nothing_but_speech_of_the_far_side_closes(
            frames in prop::collection::vec((-2_000i16..2_000, -30_000i16..30_000), 1..300)
        ) {
            let mut switch = VoiceSwitch::default();
            for (played, said) in frames {
                switch.played(&[played; FRAME]);
                let mut frame = [said; FRAME];
                switch.heard(&mut frame);
                prop_assert!(frame.iter().all(|s| s.unsigned_abs() <= said.unsigned_abs()));
            }
            let mut switch = VoiceSwitch::default();
            // Below −50 dBFS.
            switch.played(&[100; FRAME]);
            prop_assert!(switch.is_open());
        }
    }
}
