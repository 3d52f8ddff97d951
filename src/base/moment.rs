//! A point in time that can be compared after a restart, also on a board without a clock of its
//! own.

use std::sync::LazyLock;

/// The start of 2025, Unix milliseconds. A clock before it has not been set: this program is
/// younger.
const PLAUSIBLE_FROM_MS: u64 = 1_735_689_600_000;

/// Names this run of the kernel, which this process does not outlive.
static BOOT: LazyLock<String> = LazyLock::new(|| {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
});

/// Whether the time is one a set clock could show.
pub fn is_plausible(unix_ms: u64) -> bool {
    unix_ms >= PLAUSIBLE_FROM_MS
}

/// A point in time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// What the clock showed, Unix milliseconds.
    pub unix_ms: u64,
    /// Names this run of the kernel; empty where it cannot be read.
    pub boot: String,
    /// Milliseconds since the kernel started.
    pub up_ms: u64,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        let unix_ms = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds: f64 = uptime
            .split_whitespace()
            .next()
            .and_then(|seconds| seconds.parse().ok())
            .unwrap_or_default();
        Self {
            unix_ms,
            boot: BOOT.clone(),
            up_ms: (seconds * 1000.0) as u64,
        }
    }

    /// How long ago this was, milliseconds, if that can be known. Within one run of the kernel the
    /// clock does not matter; across a reboot it does, and a clock that was not set at either
    /// end, or that went backwards, says nothing.
    pub fn age_ms(&self, now: &Self) -> Option<u64> {
        if !self.boot.is_empty() && self.boot == now.boot {
            return Some(now.up_ms.saturating_sub(self.up_ms));
        }
        if !is_plausible(self.unix_ms) || !is_plausible(now.unix_ms) {
            return None;
        }
        now.unix_ms.checked_sub(self.unix_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: u64 = 1_790_000_000_000;

    fn moment(boot: &str, up_ms: u64, unix_ms: u64) -> Moment {
        Moment {
            unix_ms,
            boot: boot.into(),
            up_ms,
        }
    }

    #[test]
    fn within_one_boot_a_clock_that_jumps_changes_nothing() {
        let unset = moment("a", 1_000, 5_000);
        assert_eq!(unset.age_ms(&moment("a", 4_000, SET)), Some(3_000));
        assert_eq!(
            moment("a", 1_000, SET).age_ms(&moment("a", 4_000, 5_000)),
            Some(3_000)
        );
    }

    #[test]
    fn across_a_reboot_only_two_set_clocks_tell() {
        let before = moment("a", 9_000, SET);
        assert_eq!(before.age_ms(&moment("b", 10, SET + 700)), Some(700));
        assert_eq!(before.age_ms(&moment("b", 10, 5_000)), None);
        assert_eq!(before.age_ms(&moment("b", 10, SET - 1)), None);
        assert_eq!(
            moment("a", 9_000, 5_000).age_ms(&moment("b", 10, SET)),
            None
        );
    }

    #[test]
    fn this_machine_has_a_boot_and_an_uptime() {
        let (first, second) = (Moment::now(), Moment::now());
        assert!(!first.boot.is_empty() && first.up_ms > 0);
        assert!(first.age_ms(&second).is_some());
    }
}
