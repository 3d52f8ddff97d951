//! What is changed about calls while the device runs, and holds over a restart: do-not-disturb,
//! whom the bell leaves out, automatic answers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::duplex::Duplex;
use super::screen_layout::ScreenLayout;
use super::screen_look::{ScreenArea, ScreenFit};
use super::screen_self_view::ScreenSelfView;
use crate::protocol::address::UserId;

/// The changes; without any, the configuration holds as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LiveSettings {
    /// This device does not ring.
    pub dnd: Option<Until>,
    /// The bell does not ring them for a while.
    pub quiet_users: BTreeMap<UserId, Until>,
    /// The bell leaves them out.
    pub ring_off: BTreeSet<UserId>,
    /// Nothing is answered by itself.
    pub auto_answer_off: bool,
    /// The microphone delivers nothing.
    pub microphone_muted: bool,
    /// Another microphone than the first of the configuration, by its name there.
    pub microphone: Option<String>,
    /// Another loudspeaker than the first of the configuration, by its name there.
    pub loudspeaker: Option<String>,
    /// The loudspeaker's volume in percent; without, as the card has it.
    pub volume: Option<u8>,
    /// The ring tone's volume in percent; without, as the configuration says.
    pub ring_volume: Option<u8>,
    /// Whether the loudspeaker is silent; without, as the card has it.
    pub speaker_muted: Option<bool>,
    /// Who may speak when; without, as the configuration says.
    pub duplex: Option<Duplex>,
    /// Nothing of the camera is seen.
    pub camera_muted: bool,
    /// Another camera than the first of the configuration, by its name there.
    pub camera: Option<String>,
    /// Kbit/s of the camera's pictures at most.
    pub camera_max_kbps: Option<u32>,
    /// The camera's pictures per second at most.
    pub camera_max_fps: Option<u32>,
    /// Pixels of the height of the camera's pictures at most.
    pub camera_max_height: Option<u32>,
    /// What is set of cameras, by their names in the configuration and their drivers' names of it.
    pub camera_controls: BTreeMap<String, BTreeMap<String, i64>>,
    /// How several pictures share the screen; without, as the configuration says.
    pub screen_layout: Option<ScreenLayout>,
    /// What becomes of pictures of another shape than the screen's; without, as configured.
    pub screen_fit: Option<ScreenFit>,
    /// Whether left and right are exchanged on the screen; without, as configured.
    pub screen_mirror: Option<bool>,
    /// The part of the screen that is used; without, as configured.
    pub screen_area: Option<ScreenArea>,
    /// Where the own picture is on the screen; without, as configured.
    pub screen_self_view: Option<ScreenSelfView>,
}

/// How long something holds. With a field of its own, for a bare `null` would read back as not
/// holding at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Until {
    /// To this time, Unix milliseconds; without, until it is taken back.
    pub end: Option<u64>,
}

impl Until {
    /// Whether it still holds.
    pub fn holds(self, now_ms: u64) -> bool {
        self.end.is_none_or(|end| now_ms < end)
    }
}

impl LiveSettings {
    /// Whether this device is not to be disturbed.
    pub fn is_dnd(&self, now_ms: u64) -> bool {
        self.dnd.is_some_and(|until| until.holds(now_ms))
    }

    /// Whether the bell does not ring a user.
    pub fn is_quiet(&self, user: UserId, now_ms: u64) -> bool {
        self.ring_off.contains(&user)
            || self
                .quiet_users
                .get(&user)
                .is_some_and(|until| until.holds(now_ms))
    }

    /// Takes out what holds no longer.
    pub fn prune(&mut self, now_ms: u64) {
        self.dnd = self.dnd.filter(|until| until.holds(now_ms));
        self.quiet_users.retain(|_, until| until.holds(now_ms));
    }

    /// When the next of them ends by itself, Unix milliseconds.
    pub fn next_end(&self) -> Option<u64> {
        let ends = self.quiet_users.values().chain(&self.dnd);
        ends.filter_map(|until| until.end).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_an_end_holds_until_then_and_the_rest_until_it_is_taken_back() {
        let mut live = LiveSettings {
            dnd: Some(Until { end: Some(1_000) }),
            quiet_users: BTreeMap::from([
                (1, Until { end: Some(2_000) }),
                (2, Until { end: None }),
            ]),
            ring_off: BTreeSet::from([3]),
            ..LiveSettings::default()
        };
        assert!(live.is_dnd(999) && !live.is_dnd(1_000));
        assert_eq!(live.next_end(), Some(1_000));
        assert!([1, 2, 3].iter().all(|user| live.is_quiet(*user, 1_999)));
        assert!(!live.is_quiet(4, 0));
        live.prune(2_000);
        assert_eq!(live.dnd, None);
        assert_eq!(live.next_end(), None);
        assert!(!live.is_quiet(1, 2_000) && live.is_quiet(2, 2_000));
    }

    #[test]
    fn it_is_read_back_as_it_was_written() {
        let live = LiveSettings {
            dnd: Some(Until { end: None }),
            quiet_users: BTreeMap::from([(7, Until { end: Some(5) })]),
            ring_off: BTreeSet::from([9]),
            auto_answer_off: true,
            microphone_muted: true,
            camera_muted: true,
            camera: Some("v4l2:/dev/video2".into()),
            microphone: Some("alsa:hw:1".to_owned()),
            loudspeaker: Some("alsa:hw:2".to_owned()),
            volume: Some(30),
            ring_volume: Some(90),
            speaker_muted: Some(false),
            duplex: Some(Duplex::Half),
            camera_max_kbps: Some(300),
            camera_max_fps: Some(10),
            camera_max_height: Some(360),
            camera_controls: BTreeMap::from([(
                "v4l2:/dev/video2".into(),
                BTreeMap::from([("brightness".into(), -3)]),
            )]),
            screen_layout: Some(ScreenLayout::Speaker),
            screen_fit: Some(ScreenFit::Cover),
            screen_mirror: Some(true),
            screen_area: Some(ScreenArea::Full),
            screen_self_view: Some(ScreenSelfView::TopLeft),
        };
        let text = serde_json::to_string(&live).unwrap();
        assert_eq!(serde_json::from_str::<LiveSettings>(&text).unwrap(), live);
        assert_eq!(
            serde_json::from_str::<LiveSettings>("{}").unwrap(),
            LiveSettings::default()
        );
    }
}
