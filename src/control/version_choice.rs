//! Which version of MQTT the next connection tries.
//!
//! A broker that knows only 3.1.1 refuses 5 with words 5 has no reading for, or by closing the
//! connection; so does a network that is being cut. Closing alone is therefore no proof: it is one
//! when the same broker then takes 3.1.1 and closes on 5 once more.

use super::link::Version;
use crate::config::MqttVersion;

/// How a connection ended before the broker had accepted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The broker refuses the version.
    Refused,
    /// It closed without an answer.
    Closed,
    /// Nobody is there: no address, no route, the connection refused.
    NobodyThere,
    /// Anything else, such as a wrong password.
    Other,
}

/// What speaks against 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    None,
    /// It was closed on, which may mean anything.
    ClosedOnFive,
    /// And then the broker took 3.1.1: tried once more with 5.
    TookThree,
    /// It is proved.
    Proved,
}

/// The choice.
#[derive(Debug)]
pub(super) struct VersionChoice {
    is_open: bool,
    version: Version,
    doubt: Doubt,
}

impl VersionChoice {
    pub(super) fn new(wanted: MqttVersion) -> Self {
        Self {
            is_open: wanted == MqttVersion::Auto,
            version: match wanted {
                MqttVersion::Three => Version::Three,
                MqttVersion::Auto | MqttVersion::Five => Version::Five,
            },
            doubt: Doubt::None,
        }
    }

    /// For the next connection.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// The broker has accepted a connection. On false it is to be given up for another at once.
    pub(super) fn accepted(&mut self) -> bool {
        if !self.is_open {
            return true;
        }
        match (self.version, self.doubt) {
            (Version::Three, Doubt::ClosedOnFive) => {
                self.doubt = Doubt::TookThree;
                self.version = Version::Five;
                false
            }
            (Version::Five, _) => {
                self.doubt = Doubt::None;
                true
            }
            (Version::Three, _) => true,
        }
    }

    /// A connection has ended before the broker had accepted it.
    pub(super) fn ended(&mut self, ending: Ending) {
        if !self.is_open {
            return;
        }
        (self.version, self.doubt) = match (self.version, ending, self.doubt) {
            (Version::Five, Ending::Refused, _)
            | (Version::Five, Ending::Closed, Doubt::TookThree) => (Version::Three, Doubt::Proved),
            (Version::Five, Ending::Closed, _) => (Version::Three, Doubt::ClosedOnFive),
            (Version::Five, Ending::NobodyThere | Ending::Other, _) => (Version::Five, Doubt::None),
            // The broker may have become one that speaks 5.
            (Version::Three, ..) => (Version::Five, Doubt::None),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_says_it_does_not_know_5_is_spoken_to_in_3_1_1() {
        let mut choice = VersionChoice::new(MqttVersion::Auto);
        assert_eq!(choice.version(), Version::Five);
        choice.ended(Ending::Refused);
        assert_eq!(choice.version(), Version::Three);
        assert!(choice.accepted());
        // Lost and found again.
        assert_eq!(choice.version(), Version::Three);
        assert!(choice.accepted());
    }

    #[test]
    fn a_broker_that_closes_on_5_is_believed_when_it_takes_3_1_1_and_closes_again() {
        let mut choice = VersionChoice::new(MqttVersion::Auto);
        choice.ended(Ending::Closed);
        assert_eq!(choice.version(), Version::Three);
        assert!(!choice.accepted());
        assert_eq!(choice.version(), Version::Five);
        choice.ended(Ending::Closed);
        assert_eq!(choice.version(), Version::Three);
        assert!(choice.accepted());
    }

    #[test]
    fn a_network_that_is_cut_does_not_cost_5() {
        let mut choice = VersionChoice::new(MqttVersion::Auto);
        for _ in 0..5 {
            choice.ended(Ending::Closed);
        }
        if choice.version() == Version::Three {
            assert!(!choice.accepted());
        }
        assert_eq!(choice.version(), Version::Five);
        assert!(choice.accepted());
    }

    #[test]
    fn who_wants_one_version_gets_no_other() {
        for (wanted, version) in [
            (MqttVersion::Five, Version::Five),
            (MqttVersion::Three, Version::Three),
        ] {
            let mut choice = VersionChoice::new(wanted);
            for ending in [Ending::Refused, Ending::Closed, Ending::Other] {
                choice.ended(ending);
                assert_eq!(choice.version(), version);
                assert!(choice.accepted());
            }
        }
    }
}
