//! A device of two halves, of which one may fail: it is left out until it opens again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use parking_lot::Mutex;

/// Between two looks at a half that was left out.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// One direction. The elements in the pipeline bear these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Microphone,
    Loudspeaker,
}

impl Half {
    /// The element's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Microphone => "microphone",
            Self::Loudspeaker => "speaker",
        }
    }

    /// Whose failure it is: a pipeline's error begins with the element's name.
    pub fn of(reason: &str) -> Option<Self> {
        [Self::Microphone, Self::Loudspeaker]
            .into_iter()
            .find(|half| {
                reason
                    .strip_prefix(half.name())
                    .is_some_and(|rest| rest.starts_with(':'))
            })
    }
}

/// The half that is left out; at most one, for without both there is no device.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut(Arc<Mutex<Option<(Half, Instant)>>>);

impl LeftOut {
    pub fn half(&self) -> Option<Half> {
        self.0.lock().map(|(half, _)| half)
    }

    pub fn set(&self, half: Half, now: Instant) {
        *self.0.lock() = Some((half, now + LOOK_AGAIN));
    }

    pub fn clear(&self) {
        *self.0.lock() = None;
    }

    /// Looks whether the half opens again, if it is time; then it is no longer left out.
    pub fn returns(&self, now: Instant, opens: impl FnOnce(Half) -> bool) -> bool {
        let mut left_out = self.0.lock();
        let Some((half, at)) = *left_out else {
            return false;
        };
        if now < at {
            return false;
        }
        let is_back = opens(half);
        *left_out = (!is_back).then(|| (half, now + LOOK_AGAIN));
        is_back
    }
}

/// Whether an ALSA device can be opened now; it is closed again at once.
pub(super) fn opens(half: Half, device: &str) -> bool {
    let factory = match half {
        Half::Microphone => "alsasrc",
        Half::Loudspeaker => "alsasink",
    };
    let element = gst::ElementFactory::make(factory)
        .property("device", device)
        .build();
    let Ok(element) = element else { return false };
    let is_open = element.set_state(gst::State::Ready).is_ok();
    // Leaving READY cannot be refused in a way we could act on.
    let _ = element.set_state(gst::State::Null);
    is_open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_whose_it_is() {
        assert_eq!(Half::of("speaker: gone"), Some(Half::Loudspeaker));
        assert_eq!(Half::of("microphone: busy"), Some(Half::Microphone));
        assert_eq!(Half::of("encoder: speaker: odd"), None);
        assert_eq!(Half::of("microphones"), None);
    }

    #[test]
    fn a_half_is_looked_for_every_five_seconds_until_it_is_back() {
        let start = Instant::now();
        let left_out = LeftOut::default();
        assert!(!left_out.returns(start, |_| true), "nothing is missing");
        left_out.set(Half::Loudspeaker, start);
        assert!(!left_out.returns(start + LOOK_AGAIN / 2, |_| true));
        assert!(!left_out.returns(start + LOOK_AGAIN, |_| false));
        assert!(!left_out.returns(start + LOOK_AGAIN, |_| true));
        assert_eq!(left_out.half(), Some(Half::Loudspeaker));
        assert!(left_out.returns(start + 2 * LOOK_AGAIN, |_| true));
        assert_eq!(left_out.half(), None);
    }
}
