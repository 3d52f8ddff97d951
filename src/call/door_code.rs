//! The code of a door, entered by the keys of a telephone.
//!
//! A code is judged when as many keys have come as it has, or at `#`; `*` and a pause begin anew.
//! It is not looked for within a row of keys: each key would then be a try of its own.

use std::time::{Duration, Instant};

use crate::protocol::telephone_event::Digit;

/// Digits of a code.
pub const CODE_MAX: usize = 16;
/// Who waits longer than this between two keys begins anew.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Wrong codes of one participant of a call; after that none is judged any more.
pub const WRONG_MAX: u32 = 5;

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Nothing yet, or nothing at all.
    Nothing,
    /// The code.
    Right,
    /// Another one. So many more may be.
    Wrong {
        /// At 0 nothing is judged any more.
        left: u32,
    },
}

/// What one participant of one call has entered.
#[derive(Clone, Default)]
pub struct CodeEntry {
    entered: Vec<char>,
    last: Option<Instant>,
    wrong: u32,
}

impl CodeEntry {
    /// A key, where `code` opens.
    pub fn take(&mut self, now: Instant, digit: Digit, code: &str) -> Judged {
        if self.wrong >= WRONG_MAX {
            return Judged::Nothing;
        }
        let last = self.last.replace(now);
        if last.is_some_and(|last| now.saturating_duration_since(last) > PAUSE_MAX) {
            self.entered.clear();
        }
        match digit.key() {
            '*' => {
                self.entered.clear();
                return Judged::Nothing;
            }
            // What came before it was judged already, or there was nothing.
            '#' if self.entered.is_empty() => return Judged::Nothing,
            '#' => {}
            key => {
                self.entered.push(key);
                if self.entered.len() < code.len() {
                    return Judged::Nothing;
                }
            }
        }
        let is_right = code.chars().eq(self.entered.drain(..));
        if is_right {
            return Judged::Right;
        }
        self.wrong += 1;
        Judged::Wrong {
            left: WRONG_MAX - self.wrong,
        }
    }
}

/// Whether a code can be entered at all.
///
/// # Errors
/// The rule it breaks, for people; the code itself is not in it.
pub fn check(code: &str) -> Result<(), String> {
    let is_fit = (1..=CODE_MAX).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit());
    is_fit
        .then_some(())
        .ok_or_else(|| format!("the code must have 1 to {CODE_MAX} digits 0 to 9 and nothing else"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODE: &str = "1357";
    const SECOND: Duration = Duration::from_secs(1);

    fn enter(entry: &mut CodeEntry, now: Instant, keys: &str) -> Vec<Judged> {
        let judged = keys
            .chars()
            .map(|key| entry.take(now, Digit::of_char(key).unwrap(), CODE));
        judged.filter(|one| *one != Judged::Nothing).collect()
    }

    fn entered(keys: &str) -> Vec<Judged> {
        enter(&mut CodeEntry::default(), Instant::now(), keys)
    }

    fn wrong(left: u32) -> Judged {
        Judged::Wrong { left }
    }

    #[test]
    fn the_code_is_right_with_its_last_digit_and_a_cross_behind_it_is_no_other() {
        assert_eq!(entered("135"), []);
        assert_eq!(entered("1357"), [Judged::Right]);
        assert_eq!(entered("1357#"), [Judged::Right]);
        assert_eq!(entered("1357#1357"), [Judged::Right; 2]);
    }

    #[test]
    fn another_is_wrong_and_so_is_one_that_ends_early() {
        assert_eq!(entered("1358"), [wrong(4)]);
        assert_eq!(entered("135#"), [wrong(4)]);
        assert_eq!(entered("A357"), [wrong(4)]);
        assert_eq!(entered("#"), [], "an end of nothing");
    }

    #[test]
    fn a_star_begins_anew_and_so_does_a_pause() {
        assert_eq!(entered("99*1357"), [Judged::Right]);
        let mut entry = CodeEntry::default();
        let start = Instant::now();
        assert_eq!(enter(&mut entry, start, "99"), []);
        let later = start + 11 * SECOND;
        assert_eq!(enter(&mut entry, later, "1357"), [Judged::Right]);
    }

    #[test]
    fn the_code_within_a_row_of_keys_is_not_found() {
        assert_eq!(entered("9135"), [wrong(4)]);
        assert_eq!(entered("91357"), [wrong(4)], "the last digit begins anew");
    }

    #[test]
    fn after_five_wrong_ones_the_right_one_is_not_heard_either() {
        let mut entry = CodeEntry::default();
        let start = Instant::now();
        let keys = "0000000000000000";
        assert_eq!(
            enter(&mut entry, start, keys),
            [wrong(4), wrong(3), wrong(2), wrong(1)]
        );
        assert_eq!(enter(&mut entry, start, CODE), [Judged::Right]);
        assert_eq!(enter(&mut entry, start, "0000"), [wrong(0)]);
        let later = start + 60 * SECOND;
        assert_eq!(enter(&mut entry, later, "1357#*1357#"), []);
    }

    #[test]
    fn a_code_is_digits_and_the_rule_does_not_show_it() {
        for code in ["1", "0000", "1234567890123456"] {
            assert_eq!(check(code), Ok(()));
        }
        for code in ["", "12a4", "12#", "12345678901234567", "１２"] {
            let rule = check(code).unwrap_err();
            assert!(code.is_empty() || !rule.contains(code), "{rule}");
        }
    }

    proptest! {
        /// Whatever is pressed, a call gives five tries at the most.
        #[test]
        fn there_are_no_more_tries_than_allowed(
            keys in proptest::collection::vec((0_u8..16, 0_u32..150), 0..300),
        ) {
            let mut entry = CodeEntry::default();
            let mut now = Instant::now();
            let mut tries = 0;
            for (code, pause) in keys {
                now += SECOND * pause / 10;
                let digit = Digit::of_code(code).unwrap();
                if let Judged::Wrong { left } = entry.take(now, digit, CODE) {
                    tries += 1;
                    prop_assert_eq!(left, WRONG_MAX - tries);
                }
                prop_assert!(entry.entered.len() < CODE.len());
            }
            prop_assert!(tries <= WRONG_MAX);
        }
    }
}
