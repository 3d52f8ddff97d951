//! Who may speak when: both at once, one at a time, or whoever holds a button. Sans-IO.
//!
//! What holds for push-to-talk: the microphone is silent while there is a call, from its first
//! ring to its end, unless somebody here talks; outside a call (a visitor's message, a recording,
//! RTSP) it is as it is. Talking ends with the button, with the call, and after so long at the
//! most, as a message that ends it may get lost.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Who may speak when.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Duplex {
    /// Both sides at once.
    #[default]
    Full,
    /// One at a time: the microphone is attenuated while the far side speaks.
    Half,
    /// The microphone is silent in a call unless somebody talks (`talk`).
    PushToTalk,
}

impl Duplex {
    /// Its name in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Half => "half",
            Self::PushToTalk => "push_to_talk",
        }
    }
}

/// Why nobody can begin to talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotTalk {
    /// The microphone is open anyway.
    #[error("`duplex` is `{}`: `talk` is for `push_to_talk`", .0.name())]
    NotNeeded(Duplex),
    /// There is no call.
    #[error("there is no call to talk in")]
    NoCall,
}

/// Whether somebody talks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Talk {
    duplex: Duplex,
    is_in_call: bool,
    until: Option<Instant>,
}

impl Talk {
    /// Who may speak when has changed.
    pub fn set_duplex(&mut self, duplex: Duplex) {
        self.duplex = duplex;
        if duplex != Duplex::PushToTalk {
            self.until = None;
        }
    }

    /// There is a call, or none any more.
    pub fn set_in_call(&mut self, is_in_call: bool) {
        self.is_in_call = is_in_call;
        if !is_in_call {
            self.until = None;
        }
    }

    /// Somebody talks from now on, for so long at the most. Said again, it begins anew.
    ///
    /// # Errors
    /// [`CannotTalk`].
    pub fn begin(&mut self, now: Instant, most: Duration) -> Result<(), CannotTalk> {
        if self.duplex != Duplex::PushToTalk {
            return Err(CannotTalk::NotNeeded(self.duplex));
        }
        if !self.is_in_call {
            return Err(CannotTalk::NoCall);
        }
        self.until = Some(now + most);
        Ok(())
    }

    /// Nobody talks any more.
    pub fn end(&mut self) {
        self.until = None;
    }

    /// Ends it when it has lasted too long.
    pub fn tick(&mut self, now: Instant) {
        self.until = self.until.filter(|until| now < *until);
    }

    /// When to come back with [`Talk::tick`].
    pub fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Whether somebody talks.
    pub fn is_on(&self) -> bool {
        self.until.is_some()
    }

    /// Whether the microphone is to be silent.
    pub fn is_silent(&self) -> bool {
        self.duplex == Duplex::PushToTalk && self.is_in_call && !self.is_on()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: Duration = Duration::from_secs(60);

    fn in_call() -> Talk {
        let mut talk = Talk::default();
        talk.set_duplex(Duplex::PushToTalk);
        talk.set_in_call(true);
        talk
    }

    #[test]
    fn the_microphone_is_silent_until_somebody_talks_and_again_after_that() {
        let now = Instant::now();
        let mut talk = in_call();
        assert!(talk.is_silent());
        talk.begin(now, MOST).unwrap();
        assert!(!talk.is_silent());
        talk.end();
        assert!(talk.is_silent());
    }

    #[test]
    fn talking_ends_by_itself_and_with_the_call_and_goes_on_when_said_again() {
        let now = Instant::now();
        let mut talk = in_call();
        talk.begin(now, MOST).unwrap();
        talk.begin(now + MOST / 2, MOST).unwrap();
        talk.tick(now + MOST);
        assert!(talk.is_on());
        talk.tick(now + MOST * 3 / 2);
        assert!(talk.is_silent());
        talk.begin(now, MOST).unwrap();
        talk.set_in_call(false);
        talk.set_in_call(true);
        assert!(talk.is_silent(), "the next call begins silent");
    }

    #[test]
    fn nobody_talks_outside_a_call_or_where_the_microphone_is_open() {
        let now = Instant::now();
        let mut talk = in_call();
        talk.set_duplex(Duplex::Half);
        let refused = talk.begin(now, MOST);
        assert_eq!(refused, Err(CannotTalk::NotNeeded(Duplex::Half)));
        let mut talk = Talk::default();
        talk.set_duplex(Duplex::PushToTalk);
        assert_eq!(talk.begin(now, MOST), Err(CannotTalk::NoCall));
        assert!(!talk.is_silent(), "a visitor's message would be");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Duplex(Duplex),
        InCall(bool),
        Begin,
        End,
        Tick,
    }

    proptest! {
        #[test]
        fn nobody_talks_for_longer_than_allowed_or_outside_a_call(
            steps in prop::collection::vec(
                (
                    prop_oneof![
                        Just(Step::Duplex(Duplex::Full)),
                        Just(Step::Duplex(Duplex::PushToTalk)),
                        any::<bool>().prop_map(Step::InCall),
                        Just(Step::Begin),
                        Just(Step::End),
                        Just(Step::Tick),
                    ],
                    0u64..40,
                ),
                1..100,
            )
        ) {
            let (mut now, mut talk) = (Instant::now(), Talk::default());
            let (mut is_in_call, mut began) = (false, None);
            for (step, seconds) in steps {
                now += Duration::from_secs(seconds);
                match step {
                    Step::Duplex(duplex) => talk.set_duplex(duplex),
                    Step::InCall(now) => { is_in_call = now; talk.set_in_call(now); }
                    Step::Begin => if talk.begin(now, MOST).is_ok() { began = Some(now); },
                    Step::End => talk.end(),
                    Step::Tick => {}
                }
                talk.tick(now);
                prop_assert!(!talk.is_on() || is_in_call);
                prop_assert!(!talk.is_on() || began.is_some_and(|began| now - began < MOST));
            }
        }
    }
}
