//! What of a camera may be seen while it is covered. Sans-IO.

use std::time::Duration;

/// Over a camera, or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cover {
    /// Everything is seen.
    #[default]
    Off,
    /// Nothing is seen.
    Closed,
    /// What was taken later than this is black, and may be seen.
    BlackAfter(Duration),
}

impl Cover {
    /// Whether what was taken then may be seen, on the encoder's clock.
    pub(super) fn passes(self, taken: Option<Duration>) -> bool {
        match self {
            Self::Off => true,
            Self::Closed => false,
            // What does not tell its time may be of the camera.
            Self::BlackAfter(last) => taken.is_some_and(|taken| taken > last),
        }
    }

    /// The last picture of the camera was taken then, and all that follow are black. Whether they
    /// are the first to be seen of a covered camera.
    pub(super) fn blacken(&mut self, last: Duration) -> bool {
        let is_first = *self == Self::Closed;
        if is_first {
            *self = Self::BlackAfter(last);
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_covered_camera_shows_what_is_known_to_be_black_and_nothing_else() {
        let at = |ms| Some(Duration::from_millis(ms));
        let mut cover = Cover::Off;
        assert!(!cover.blacken(Duration::from_secs(1)), "not covered");
        assert!(cover.passes(at(2_000)) && cover.passes(None));
        cover = Cover::Closed;
        assert!(!cover.passes(at(2_000)));
        assert!(cover.blacken(Duration::from_secs(2)));
        for taken in [None, at(1_999), at(2_000)] {
            assert!(!cover.passes(taken), "{taken:?}");
        }
        assert!(cover.passes(at(2_001)));
        assert!(!cover.blacken(Duration::from_secs(3)), "it goes on");
        assert!(cover.passes(at(2_500)));
    }
}
