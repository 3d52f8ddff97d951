//! What becomes of the microphone's sound between its processing and the encoder.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::gain::Fader;
use super::voice_switch::VoiceSwitch;
use crate::media::fanout::AudioPublisher;

/// Switches that may be set at any time; what they are for is in [`super::AudioDevice`].
#[derive(Debug, Default)]
pub(super) struct Shaping {
    muted: AtomicBool,
    silent: AtomicBool,
    half_duplex: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    switch: VoiceSwitch,
    gate: Fader,
}

impl Shaping {
    pub fn set_muted(&self, muted: bool) {
        self.muted.store(muted, Ordering::Relaxed);
    }

    pub fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    pub fn set_half_duplex(&self, half_duplex: bool) {
        let before = self.half_duplex.swap(half_duplex, Ordering::Relaxed);
        if !before && half_duplex {
            self.state.lock().switch = VoiceSwitch::default();
        }
    }

    pub fn is_muted(&self) -> bool {
        self.muted.load(Ordering::Relaxed)
    }

    /// What the loudspeaker is given next.
    pub fn played(&self, frame: &[i16]) {
        if self.half_duplex.load(Ordering::Relaxed) {
            self.state.lock().switch.played(frame);
        }
    }

    /// What the microphone has heard, measured, and as much of it as may pass.
    pub fn heard(&self, frame: &mut [i16], publisher: &AudioPublisher) {
        if self.is_muted() {
            // Who is muted is not listened to at all.
            frame.fill(0);
            return;
        }
        publisher.measure(Instant::now(), frame);
        let mut state = self.state.lock();
        if self.half_duplex.load(Ordering::Relaxed) {
            state.switch.heard(frame);
        }
        let open = !self.silent.load(Ordering::Relaxed);
        state
            .gate
            .fade(frame, f32::from(u8::from(open)), super::FRAME);
    }
}
