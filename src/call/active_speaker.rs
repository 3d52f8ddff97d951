//! Who of several people speaks, out of how loud each of them is. Sans-IO.
//!
//! The rule: somebody is taken to speak from −50 dBFS on. With nobody in the way, whoever has
//! been the loudest of those who speak for 300 ms becomes the speaker. Whoever is the speaker
//! stays it through pauses of 800 ms, against anybody who is not louder by 6 dB, and against a
//! cough: a louder one must stay louder for a second. After a pause the speaker is named on until
//! somebody else speaks, or until leaving.

use std::time::{Duration, Instant};

use crate::protocol::address::UserId;

/// dBFS; below it is a quiet room.
const SPEECH: i8 = -50;
/// Speech for so long takes a free place.
const TAKES: Duration = Duration::from_millis(300);
/// Being louder for so long takes a place that is not free.
const OUSTS: Duration = Duration::from_millis(1_000);
/// Pauses of a speaker that leave the place taken.
const PAUSE: Duration = Duration::from_millis(800);
/// Decibels.
const LOUDER: i8 = 6;

/// The one who speaks.
#[derive(Clone, Debug, Default)]
pub struct ActiveSpeaker {
    speaker: Option<UserId>,
    spoke: Option<Instant>,
    /// Who may be next, and since when.
    challenger: Option<(UserId, Instant)>,
}

impl ActiveSpeaker {
    /// Takes how loud everybody present is now, in dBFS, several times a second, and gives who
    /// speaks. Nobody before anybody has spoken.
    pub fn hear(&mut self, now: Instant, levels: &[(UserId, i8)]) -> Option<UserId> {
        let level_of = |user| {
            let mut all = levels.iter();
            all.find(|(one, _)| *one == user).map(|(_, level)| *level)
        };
        let own = self.speaker.and_then(level_of);
        if own.is_none() {
            (self.speaker, self.spoke) = (None, None);
        }
        if own.is_some_and(|level| level >= SPEECH) {
            self.spoke = Some(now);
        }
        let is_taken = self
            .spoke
            .is_some_and(|spoke| now.saturating_duration_since(spoke) < PAUSE);
        let bar = match own {
            Some(level) if is_taken => level.saturating_add(LOUDER).max(SPEECH),
            _ => SPEECH,
        };
        let others = levels
            .iter()
            .filter(|(user, _)| Some(*user) != self.speaker);
        let loudest = others.max_by_key(|(user, level)| (*level, std::cmp::Reverse(*user)));
        let Some((user, _)) = loudest.filter(|(_, level)| *level >= bar) else {
            self.challenger = None;
            return self.speaker;
        };
        let since = match self.challenger {
            Some((same, since)) if same == *user => since,
            _ => now,
        };
        let needed = if is_taken { OUSTS } else { TAKES };
        if now.saturating_duration_since(since) >= needed {
            self.speaker = Some(*user);
            self.spoke = Some(now);
            self.challenger = None;
        } else {
            self.challenger = Some((*user, since));
        }
        self.speaker
    }

    /// Who speaks, or spoke last.
    pub fn speaker(&self) -> Option<UserId> {
        self.speaker
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEP: Duration = Duration::from_millis(100);
    const QUIET: i8 = -70;

    /// Feeds what everybody says, a step each, and gives who was taken to speak after each.
    fn listen(steps: &[Vec<(UserId, i8)>]) -> Vec<Option<UserId>> {
        let (start, mut active) = (Instant::now(), ActiveSpeaker::default());
        let times = (0..).map(|n| start + STEP * n);
        times
            .zip(steps)
            .map(|(now, levels)| active.hear(now, levels))
            .collect()
    }

    fn both(one: i8, other: i8, steps: usize) -> Vec<Vec<(UserId, i8)>> {
        vec![vec![(1, one), (2, other)]; steps]
    }

    #[test]
    fn nobody_speaks_in_a_quiet_room_and_who_begins_is_named_soon() {
        let steps = [both(QUIET, QUIET, 20), both(QUIET, -30, 4)].concat();
        let heard = listen(&steps);
        assert!(heard[..20].iter().all(Option::is_none));
        assert_eq!(heard[23], Some(2));
    }

    #[test]
    fn a_cough_a_pause_and_an_equally_loud_voice_change_nothing() {
        let steps = [
            both(-30, QUIET, 10),
            both(-30, -10, 5),
            both(QUIET, QUIET, 6),
            both(-30, -28, 50),
        ];
        let heard = listen(&steps.concat());
        assert!(
            heard[5..].iter().all(|speaker| *speaker == Some(1)),
            "{heard:?}"
        );
    }

    #[test]
    fn who_is_louder_for_a_second_and_who_answers_is_named() {
        let louder = listen(&[both(-40, QUIET, 10), both(-40, -20, 11)].concat());
        assert_eq!((louder[19], louder[20]), (Some(1), Some(2)));
        let answer = listen(&[both(-30, QUIET, 10), both(QUIET, -35, 12)].concat());
        assert_eq!(answer.last(), Some(&Some(2)));
    }

    #[test]
    fn who_has_spoken_last_is_named_in_silence_until_leaving() {
        let steps = [both(-30, QUIET, 10), both(QUIET, QUIET, 100)].concat();
        assert_eq!(listen(&steps).last(), Some(&Some(1)));
        let steps = [both(-30, QUIET, 10), vec![vec![(2, QUIET)]]].concat();
        assert_eq!(listen(&steps).last(), Some(&None));
    }

    fn anything() -> impl Strategy<Value = Vec<Vec<(UserId, i8)>>> {
        let person = |user| prop::option::weighted(0.9, (Just(user), -127i8..=0));
        let step = (person(1), person(2), person(3));
        let step = step.prop_map(|(a, b, c)| [a, b, c].into_iter().flatten().collect());
        prop::collection::vec(step, 1..200)
    }

    proptest! {
        #[test]
        fn only_who_is_present_is_named_and_nobody_is_named_without_having_spoken(
            steps in anything()
        ) {
            let mut spoke = std::collections::BTreeSet::new();
            for (levels, speaker) in steps.iter().zip(listen(&steps)) {
                spoke.extend(levels.iter().filter(|(_, level)| *level >= SPEECH).map(|one| one.0));
                if let Some(speaker) = speaker {
                    prop_assert!(levels.iter().any(|(user, _)| *user == speaker));
                    prop_assert!(spoke.contains(&speaker));
                }
            }
        }

        #[test]
        fn a_place_is_taken_no_sooner_than_after_300_ms_of_speech(steps in anything()) {
            let heard = listen(&steps);
            let mut last = None;
            for (n, speaker) in heard.iter().enumerate() {
                if let Some(taken) = speaker.filter(|_| *speaker != last) {
                    let level = |step: &Vec<(UserId, i8)>| {
                        step.iter().find(|one| one.0 == taken).map_or(-127, |one| one.1)
                    };
                    prop_assert!(n >= 3 && steps[n - 3..=n].iter().all(|step| level(step) >= SPEECH));
                }
                last = *speaker;
            }
        }

        #[test]
        fn one_who_speaks_alone_for_a_while_is_named(before in anything(), level in SPEECH..=0i8) {
            let steps = [before, vec![vec![(1, QUIET), (2, level), (3, QUIET)]; 13]].concat();
            prop_assert_eq!(listen(&steps).pop(), Some(Some(2)));
        }
    }
}
