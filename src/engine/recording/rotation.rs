//! Which recordings leave to make room: the oldest first, never one that is being written. Sans-IO.

use super::name::RecordingName;

/// A file in the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub name: RecordingName,
    pub bytes: u64,
    /// Whether it is being written.
    pub is_open: bool,
}

/// What may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// What began before goes, Unix milliseconds.
    pub oldest: u64,
    /// Bytes of all recordings together, with what is being written.
    pub bytes: u64,
    /// Bytes the disk lacks of what must stay free.
    pub lacking: u64,
}

/// Those that leave, oldest first.
pub(super) fn leaving(mut stored: Vec<Stored>, limits: Limits) -> Vec<RecordingName> {
    stored.sort_by_key(|one| one.name);
    let mut bytes: u64 = stored.iter().map(|one| one.bytes).sum();
    let mut lacking = limits.lacking;
    let leaves = stored.into_iter().filter(|one| {
        let goes =
            !one.is_open && (one.name.began < limits.oldest || bytes > limits.bytes || lacking > 0);
        if goes {
            bytes -= one.bytes;
            lacking = lacking.saturating_sub(one.bytes);
        }
        goes
    });
    leaves.map(|one| one.name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::name::RecordedSide;
    use super::*;
    use proptest::prelude::*;

    const NO_LIMIT: Limits = Limits {
        oldest: 0,
        bytes: u64::MAX,
        lacking: 0,
    };

    fn name(began: u64, part: u32) -> RecordingName {
        RecordingName {
            began,
            side: RecordedSide::Door,
            part,
        }
    }

    /// Ten bytes each, begun at 1, 2, 3, 4; the second is being written.
    fn four() -> Vec<Stored> {
        (1..=4)
            .rev()
            .map(|began| Stored {
                name: name(began, 1),
                bytes: 10,
                is_open: began == 2,
            })
            .collect()
    }

    fn left(limits: Limits) -> Vec<u64> {
        let leaving = leaving(four(), limits);
        leaving.into_iter().map(|name| name.began).collect()
    }

    #[test]
    fn within_all_limits_everything_stays() {
        assert_eq!(left(NO_LIMIT), [0; 0]);
        assert_eq!(
            left(Limits {
                bytes: 40,
                ..NO_LIMIT
            }),
            [0; 0]
        );
    }

    #[test]
    fn what_is_too_old_leaves_but_for_what_is_being_written() {
        assert_eq!(
            left(Limits {
                oldest: 4,
                ..NO_LIMIT
            }),
            [1, 3]
        );
    }

    #[test]
    fn the_oldest_leave_until_the_rest_fits() {
        assert_eq!(
            left(Limits {
                bytes: 39,
                ..NO_LIMIT
            }),
            [1]
        );
        assert_eq!(
            left(Limits {
                bytes: 20,
                ..NO_LIMIT
            }),
            [1, 3]
        );
        assert_eq!(
            left(Limits {
                bytes: 0,
                ..NO_LIMIT
            }),
            [1, 3, 4]
        );
    }

    #[test]
    fn the_oldest_leave_until_the_disk_has_room() {
        assert_eq!(
            left(Limits {
                lacking: 1,
                ..NO_LIMIT
            }),
            [1]
        );
        assert_eq!(
            left(Limits {
                lacking: 11,
                ..NO_LIMIT
            }),
            [1, 3]
        );
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_leaves_and_no_more_than_needed(
            files in proptest::collection::vec((0_u64..1_000, 0_u64..100, any::<bool>()), 0..20),
            bytes in 0_u64..1_000, lacking in 0_u64..500,
        ) {
            let stored: Vec<Stored> = files.iter().enumerate().map(|(n, (began, bytes, is_open))| Stored {
                name: name(*began, n as u32 + 1),
                bytes: *bytes,
                is_open: *is_open,
            }).collect();
            let gone = leaving(stored.clone(), Limits { oldest: 0, bytes, lacking });
            let of = |names: &[RecordingName]| -> u64 {
                stored.iter().filter(|one| names.contains(&one.name)).map(|one| one.bytes).sum()
            };
            let all: u64 = stored.iter().map(|one| one.bytes).sum();
            for one in &stored {
                prop_assert!(!one.is_open || !gone.contains(&one.name));
            }
            // Without the last that left, a limit would be broken.
            if let Some((_, but_last)) = gone.split_last() {
                prop_assert!(all - of(but_last) > bytes || of(but_last) < lacking);
            }
        }
    }
}
