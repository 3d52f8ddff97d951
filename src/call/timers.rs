//! The intervals of a call (wire reference C.2; PC-15, PC-16, PC-65).

use std::time::Duration;

/// How long each phase of a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// The invitation is repeated this often until answered; 5 s in the JS SDK.
    pub dialing_interval: Duration,
    /// The caller gives up, and the callee stops ringing, after this long; 60 s.
    pub answer_timeout: Duration,
    /// A call whose media is gone, or never came, is ended after this long; 30 s.
    pub disconnect_timeout: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            dialing_interval: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(60),
            disconnect_timeout: Duration::from_secs(30),
        }
    }
}
