//! Presses out of the edges of a line. Sans-IO.

use std::time::Duration;

use crate::device::gpio::Edge;

/// What an edge means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Pressed,
    Released { held: Duration },
}

/// Makes presses of edges. The kernel drops edges when it is not read in time, so two of a kind may
/// follow each other.
pub(super) struct Press {
    since: Option<Duration>,
    /// It was pressed before anybody looked.
    inherited: bool,
}

impl Press {
    /// `pressed` is how the line was found.
    pub(super) fn new(pressed: bool) -> Self {
        Self {
            since: None,
            inherited: pressed,
        }
    }

    pub(super) fn on(&mut self, edge: Edge) -> Option<Change> {
        let inherited = std::mem::take(&mut self.inherited);
        match (edge.pressed, self.since) {
            (true, None) => {
                self.since = Some(edge.at);
                Some(Change::Pressed)
            }
            (false, Some(since)) => {
                self.since = None;
                let held = edge.at.saturating_sub(since);
                Some(Change::Released { held })
            }
            // Its beginning was not seen.
            (false, None) if inherited => Some(Change::Released {
                held: Duration::ZERO,
            }),
            (true, Some(_)) | (false, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(pressed: bool, ms: u64) -> Edge {
        Edge {
            pressed,
            at: Duration::from_millis(ms),
        }
    }

    fn released(ms: u64) -> Change {
        Change::Released {
            held: Duration::from_millis(ms),
        }
    }

    #[test]
    fn a_press_is_told_once_and_its_end_with_its_length() {
        let mut press = Press::new(false);
        assert_eq!(press.on(edge(true, 1_000)), Some(Change::Pressed));
        assert_eq!(press.on(edge(true, 1_200)), None);
        assert_eq!(press.on(edge(false, 1_500)), Some(released(500)));
        assert_eq!(press.on(edge(false, 1_600)), None);
        assert_eq!(press.on(edge(true, 2_000)), Some(Change::Pressed));
    }

    #[test]
    fn a_button_held_through_a_start_is_no_press() {
        let mut press = Press::new(true);
        assert_eq!(press.on(edge(false, 1_000)), Some(released(0)));
        assert_eq!(press.on(edge(true, 2_000)), Some(Change::Pressed));
    }
}
