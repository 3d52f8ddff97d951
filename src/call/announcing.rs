//! What is announced next: one thing at a time, the others in order.

use std::collections::VecDeque;

use serde::Deserialize;

/// How many may wait.
pub const WAITING_MOST: usize = 8;

/// What becomes of what is announced already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// It is heard to its end, and so is what waits.
    #[default]
    Queue,
    /// It ends at once, and nothing waits any more.
    Replace,
}

/// As many wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{WAITING_MOST} announcements wait already")]
pub struct Full;

/// The one that is heard and those that wait.
#[derive(Clone, Debug)]
pub struct Announcements<T> {
    heard: Option<T>,
    waiting: VecDeque<T>,
}

impl<T> Default for Announcements<T> {
    fn default() -> Self {
        Self {
            heard: None,
            waiting: VecDeque::new(),
        }
    }
}

impl<T> Announcements<T> {
    /// The one that is heard.
    pub fn heard(&self) -> Option<&T> {
        self.heard.as_ref()
    }

    /// Takes one more. What it gives back is no longer to be heard; whether the new one is to be
    /// heard at once is told by [`Self::heard`].
    ///
    /// # Errors
    /// [`Full`]; nothing changes then.
    pub fn add(&mut self, one: T, turn: Turn) -> Result<Vec<T>, Full> {
        let gone = match turn {
            Turn::Replace => self.clear(),
            Turn::Queue => Vec::new(),
        };
        if self.heard.is_none() {
            self.heard = Some(one);
        } else if self.waiting.len() < WAITING_MOST {
            self.waiting.push_back(one);
        } else {
            return Err(Full);
        }
        Ok(gone)
    }

    /// The one that was heard is over. The next one, if there is one.
    pub fn over(&mut self) -> Option<&T> {
        self.heard = self.waiting.pop_front();
        self.heard.as_ref()
    }

    /// Those that are no longer to be heard, the one that was first. What follows it is the one
    /// that is heard then.
    pub fn take(&mut self, is_gone: impl Fn(&T) -> bool) -> Vec<T> {
        let all = self.clear();
        let (gone, left): (Vec<T>, Vec<T>) = all.into_iter().partition(is_gone);
        let mut left = left.into_iter();
        self.heard = left.next();
        self.waiting = left.collect();
        gone
    }

    /// Nothing is to be heard any more: what was, and what waited.
    pub fn clear(&mut self) -> Vec<T> {
        self.heard
            .take()
            .into_iter()
            .chain(self.waiting.drain(..))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_heard_one_after_the_other() {
        let mut announcements = Announcements::default();
        for n in 1..=3 {
            assert_eq!(announcements.add(n, Turn::Queue), Ok(vec![]));
        }
        assert_eq!(announcements.heard(), Some(&1));
        assert_eq!(announcements.over(), Some(&2));
        assert_eq!(announcements.over(), Some(&3));
        assert_eq!(announcements.over(), None);
    }

    #[test]
    fn one_that_replaces_ends_all_others() {
        let mut announcements = Announcements::default();
        for n in 1..=3 {
            announcements.add(n, Turn::Queue).unwrap();
        }
        assert_eq!(announcements.add(9, Turn::Replace), Ok(vec![1, 2, 3]));
        assert_eq!(announcements.heard(), Some(&9));
        assert_eq!(announcements.over(), None);
    }

    #[test]
    fn those_taken_away_leave_the_order_of_the_rest() {
        let mut announcements = Announcements::default();
        for n in 1..=5 {
            announcements.add(n, Turn::Queue).unwrap();
        }
        assert_eq!(announcements.take(|n| n % 2 == 1), [1, 3, 5]);
        assert_eq!(announcements.heard(), Some(&2));
        assert_eq!(announcements.over(), Some(&4));
        assert_eq!(announcements.over(), None);
    }

    #[test]
    fn no_more_wait_than_may() {
        let mut announcements = Announcements::default();
        for n in 0..=WAITING_MOST {
            announcements.add(n, Turn::Queue).unwrap();
        }
        assert_eq!(announcements.add(99, Turn::Queue), Err(Full));
        assert!(announcements.add(99, Turn::Replace).is_ok());
    }
}
