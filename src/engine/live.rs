//! What is changed about calls while the device runs: kept in the store, shown in the state.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::watch;

use super::chosen::{self, name_of_camera, name_of_loudspeaker, name_of_microphone};
use super::command::{CommandError, ErrorCode};
use super::event::unix_ms;
use super::media_settings;
use super::state::PolicyState;
use super::wiring::Wiring;
use crate::call::duplex::Duplex;
use crate::call::live::LiveSettings;
use crate::call::schedule::Schedule;
use crate::media::Ceiling;
use crate::media::display::Look;

/// Where it is kept between two starts.
const SETTING: &str = "call_settings";

/// Which camera, microphone and loudspeaker run, and what they are to keep to themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The microphone delivers nothing.
    pub microphone_muted: bool,
    /// Another microphone than the first, by its name.
    pub microphone: Option<String>,
    /// Another loudspeaker than the first, by its name.
    pub loudspeaker: Option<String>,
    /// The loudspeaker's volume in percent, once set.
    pub volume: Option<u8>,
    /// The ring tone's volume in percent; without, the loudspeaker's.
    pub ring_volume: Option<u8>,
    /// Whether the loudspeaker is to be silent, once set.
    pub speaker_muted: Option<bool>,
    /// Who may speak when.
    pub duplex: Duplex,
    /// Nothing of the camera is seen.
    pub camera_muted: bool,
    /// Another camera than the first, by its name.
    pub camera: Option<String>,
    /// What nobody gets more of.
    pub ceiling: Ceiling,
}

/// Cheap to clone; every clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Live {
    now: Arc<RwLock<LiveSettings>>,
    /// Held while a change is written down, so that two at once do not undo each other.
    changing: Arc<tokio::sync::Mutex<()>>,
    /// For those who run camera and microphone.
    sources: Arc<watch::Sender<Sources>>,
}

impl Live {
    /// Reads something off it.
    pub fn read<T>(&self, read: impl FnOnce(&LiveSettings) -> T) -> T {
        read(&self.now.read())
    }

    /// Takes over what held when the device last ran.
    pub async fn remember(&self, wiring: &Wiring) {
        match wiring.store.setting(SETTING).await {
            Ok(Some(kept)) => match serde_json::from_str::<LiveSettings>(&kept) {
                Ok(kept) => *self.now.write() = kept,
                Err(error) => tracing::error!(%error, "the call settings kept are not readable"),
            },
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the call settings cannot be read"),
        }
        self.show(wiring);
    }

    /// What is set of a camera, by its name.
    pub fn controls(&self, camera: &str) -> BTreeMap<String, i64> {
        self.read(|live| live.camera_controls.get(camera).cloned())
            .unwrap_or_default()
    }

    /// Changes it. What is answered "ok" holds over a power cut.
    ///
    /// # Errors
    /// `unavailable` when it cannot be kept; nothing is changed then.
    pub async fn change(
        &self,
        wiring: &Wiring,
        change: impl FnOnce(&mut LiveSettings),
    ) -> Result<(), CommandError> {
        let _alone = self.changing.lock().await;
        let changed = {
            let mut changed = self.now.read().clone();
            changed.prune(unix_ms());
            change(&mut changed);
            changed
        };
        let text = serde_json::to_string(&changed)
            .map_err(|error| CommandError::new(ErrorCode::Internal, error.to_string()))?;
        wiring
            .store
            .set_setting(SETTING, Some(&text))
            .await
            .map_err(|error| CommandError::new(ErrorCode::Unavailable, error.to_string()))?;
        *self.now.write() = changed;
        self.show(wiring);
        Ok(())
    }

    /// What camera and microphone are to keep to themselves: now, and each time it changes.
    pub fn sources(&self) -> impl futures::Stream<Item = Sources> + use<> {
        let first = (self.sources.subscribe(), true);
        futures::stream::unfold(first, |(mut sources, is_first)| async move {
            if !is_first {
                sources.changed().await.ok()?;
            }
            let now = sources.borrow_and_update().clone();
            Some((now, (sources, false)))
        })
    }

    /// Puts it on the board and the screen as it holds now.
    pub fn show(&self, wiring: &Wiring) {
        let now = unix_ms();
        let shown = {
            let mut live = self.now.write();
            live.prune(now);
            PolicyState {
                dnd: live.dnd.is_some(),
                dnd_until: live.dnd.and_then(|until| until.end),
                quiet_hours: is_quiet_hours(wiring, now),
                auto_answer: !wiring.config.calls.incoming.auto_answer.is_empty()
                    && !live.auto_answer_off,
                quiet_users: live.quiet_users.keys().copied().collect(),
                ring_off: live.ring_off.iter().copied().collect(),
                unknown: wiring.roster.unknown(&wiring.config.calls.parties()),
            }
        };
        let sources = self.read(|live| Sources {
            microphone_muted: live.microphone_muted,
            microphone: live.microphone.clone(),
            loudspeaker: live.loudspeaker.clone(),
            volume: live.volume,
            ring_volume: live
                .ring_volume
                .or(wiring.config.calls.incoming.ring_volume),
            speaker_muted: live.speaker_muted,
            duplex: live.duplex.unwrap_or(wiring.config.audio.duplex),
            camera_muted: live.camera_muted,
            camera: live.camera.clone(),
            ceiling: Ceiling {
                kbps: live.camera_max_kbps,
                framerate: live.camera_max_fps,
                height: live.camera_max_height,
            },
        });
        let configured = media_settings::look(&wiring.config);
        let (layout, self_view, look) = self.read(|live| {
            let look = Look {
                fit: live.screen_fit.unwrap_or(configured.fit),
                mirror: live.screen_mirror.unwrap_or(configured.mirror),
                area: live.screen_area.unwrap_or(configured.area),
                ..configured
            };
            (live.screen_layout, live.screen_self_view, look)
        });
        let camera = name_of_camera(chosen::camera(&wiring.config, sources.camera.as_deref()));
        let microphone = chosen::microphone(&wiring.config, sources.microphone.as_deref());
        let microphone = name_of_microphone(microphone);
        let loudspeaker = chosen::loudspeaker(&wiring.config, sources.loudspeaker.as_deref());
        let loudspeaker = name_of_loudspeaker(loudspeaker);
        let controls = self.controls(&camera);
        let layout = layout.unwrap_or(wiring.config.display.layout);
        let self_view = self_view.unwrap_or(wiring.config.display.self_view);
        if let Some(display) = &wiring.display {
            display.set_layout(layout);
            display.set_look(look);
        }
        wiring.board.update(|state| {
            state.policy = shown;
            state.camera.source = camera;
            state.audio.microphone.source = microphone;
            state.audio.speaker.sink = loudspeaker;
            state.audio.microphone.muted = sources.microphone_muted;
            state.audio.volume = sources.volume;
            state.audio.ring_volume = sources.ring_volume;
            state.audio.duplex = sources.duplex;
            state.audio.speaker_muted = sources.speaker_muted == Some(true);
            state.camera.muted = sources.camera_muted;
            state.camera.max_kbps = sources.ceiling.kbps;
            state.camera.max_fps = sources.ceiling.framerate;
            state.camera.max_height = sources.ceiling.height;
            state.camera.controls = controls;
            let has_screen = wiring.display.is_some();
            state.display.layout = has_screen.then_some(layout);
            state.display.fit = has_screen.then_some(look.fit);
            state.display.mirror = look.mirror && has_screen;
            state.display.area = has_screen.then_some(look.area);
            state.display.self_view = has_screen.then_some(self_view);
        });
        self.sources.send_if_modified(|now| {
            let differs = *now != sources;
            *now = sources;
            differs
        });
    }

    /// When what is shown changes by itself, Unix milliseconds.
    pub fn next_change(&self, wiring: &Wiring, now_ms: u64) -> Option<u64> {
        let quiet = &wiring.config.calls.incoming.quiet;
        let schedule = quiet.as_ref().and_then(|name| find(wiring, name));
        let schedule = schedule.and_then(|schedule| schedule.next_change(now_ms));
        self.now.read().next_end().into_iter().chain(schedule).min()
    }
}

/// The schedule of a name.
pub fn find<'w>(wiring: &'w Wiring, name: &str) -> Option<&'w Schedule> {
    let schedules = &wiring.config.schedules;
    schedules.iter().find(|schedule| schedule.name == name)
}

/// Whether calls that come in do not ring at these hours.
pub fn is_quiet_hours(wiring: &Wiring, now_ms: u64) -> bool {
    let quiet = &wiring.config.calls.incoming.quiet;
    quiet
        .as_ref()
        .and_then(|name| find(wiring, name))
        .is_some_and(|schedule| schedule.holds(now_ms))
}
