//! Carries out desired settings (`<part>/set`).

use serde_json::{Value, json};

use super::call_settings::reconsider;
use super::calls::{InCall, Operation};
use super::camera_controls;
use super::chosen::{camera_names, loudspeaker_names, microphone_names};
use super::command::{CommandError, ErrorCode};
use super::directory::resolve_all;
use super::dispatch::{LIMIT, away};
use super::door::Unlock;
use super::setting_command::{
    AudioSetting, CallSetting, CameraSetting, DisplaySetting, DoorSetting, PolicySetting, Setting,
};
use super::wiring::Wiring;
use crate::call::live::Until;
use crate::config::AudioSink;

/// Applies it and gives the part's state as it is then.
///
/// # Errors
/// As the commands that do the same; `unavailable` names a field media cannot set.
pub async fn apply(wiring: &Wiring, setting: Setting) -> Result<Value, CommandError> {
    let part = setting.part();
    match setting {
        Setting::Policy(policy) => apply_policy(wiring, policy).await?,
        Setting::Call(call) => apply_call(wiring, call).await?,
        Setting::Audio(audio) => apply_audio(wiring, audio).await?,
        Setting::Camera(camera) => apply_camera(wiring, camera).await?,
        Setting::Display(display) => apply_display(wiring, display).await?,
        Setting::Door(DoorSetting { unlocked: _ }) => {
            wiring.slots.door.ask(Unlock, LIMIT).await.map_err(away)??;
        }
    }
    let state = wiring.board.read(|state| serde_json::to_value(state));
    let state = state.map_err(|error| CommandError::new(ErrorCode::Internal, error.to_string()))?;
    Ok(json!({ part: state[part] }))
}

async fn apply_policy(wiring: &Wiring, policy: PolicySetting) -> Result<(), CommandError> {
    let ring_off = match &policy.ring_off {
        Some(users) => Some(resolve_all(wiring, users).await?),
        None => None,
    };
    wiring
        .live
        .change(wiring, |live| {
            if let Some(dnd) = policy.dnd {
                live.dnd = dnd.then_some(Until {
                    end: policy.dnd_until,
                });
            }
            if let Some(on) = policy.auto_answer {
                live.auto_answer_off = !on;
            }
            if let Some(users) = ring_off {
                live.ring_off = users.into_iter().collect();
            }
        })
        .await?;
    reconsider(wiring);
    Ok(())
}

/// The first that fails (there is no call) leaves the rest undone.
async fn apply_call(wiring: &Wiring, call: CallSetting) -> Result<(), CommandError> {
    let muted = call.muted.map(|muted| Operation::Mute {
        audio: muted.audio,
        video: muted.video,
    });
    let held = call.held.map(Operation::Hold);
    let limit = call
        .limit_kbps
        .map(|kbps| Operation::Limit((kbps > 0).then_some(kbps)));
    for operation in [muted, held, limit].into_iter().flatten() {
        let asked = wiring.slots.calls.ask(InCall(operation), LIMIT).await;
        asked.map_err(away)??;
    }
    Ok(())
}

async fn apply_audio(wiring: &Wiring, audio: AudioSetting) -> Result<(), CommandError> {
    if wiring.config.audio.sink == AudioSink::Null {
        let field = [
            ("sink", audio.sink.is_some()),
            ("volume", audio.volume.is_some()),
            ("ring_volume", audio.ring_volume.is_some()),
            ("speaker_muted", audio.speaker_muted.is_some()),
        ];
        if let Some((field, _)) = field.into_iter().find(|(_, is_given)| *is_given) {
            let message = format!("{field}: this device has no loudspeaker (`[audio] sink`)");
            return Err(CommandError::new(ErrorCode::Unavailable, message));
        }
    }
    if let Some(source) = &audio.source {
        let known = microphone_names(&wiring.config);
        if known.is_empty() {
            let message = "source: this device has no microphone (`[audio] source`)";
            return Err(CommandError::new(ErrorCode::Unavailable, message));
        }
        check_known("source", "microphones", source, &known)?;
    }
    if let Some(sink) = &audio.sink {
        let known = loudspeaker_names(&wiring.config);
        check_known("sink", "loudspeakers", sink, &known)?;
    }
    // Checked to be 0 to 100.
    let percent = |volume: Option<u32>| volume.and_then(|percent| u8::try_from(percent).ok());
    wiring
        .live
        .change(wiring, |live| {
            live.microphone_muted = audio.muted.unwrap_or(live.microphone_muted);
            live.microphone = audio.source.or(live.microphone.take());
            live.loudspeaker = audio.sink.or(live.loudspeaker.take());
            live.volume = percent(audio.volume).or(live.volume);
            live.ring_volume = percent(audio.ring_volume).or(live.ring_volume);
            live.speaker_muted = audio.speaker_muted.or(live.speaker_muted);
            live.duplex = audio.duplex.or(live.duplex);
        })
        .await
}

/// A name of the configuration.
fn check_known(
    field: &str,
    kind: &str,
    wanted: &String,
    known: &[String],
) -> Result<(), CommandError> {
    if known.contains(wanted) {
        return Ok(());
    }
    let known = known.join(", ");
    let message = format!("{field}: is none of the configured {kind}: {known}");
    Err(CommandError::new(ErrorCode::NotFound, message))
}

async fn apply_camera(wiring: &Wiring, camera: CameraSetting) -> Result<(), CommandError> {
    if let Some(source) = &camera.source {
        check_known("source", "cameras", source, &camera_names(&wiring.config))?;
    }
    let controls = match &camera.controls {
        Some(wanted) => {
            let present = wiring.live.read(|live| live.camera.clone());
            let source = camera.source.as_ref().or(present.as_ref());
            let source = source.map(String::as_str);
            let done = camera_controls::set(wiring, source, wanted.clone()).await?;
            wiring.board.update(|state| {
                // Another camera tells what can be set of it when it runs.
                if state.camera.source == done.camera {
                    state.camera.settable = Some(done.settable);
                }
            });
            Some((done.camera, done.values))
        }
        None => None,
    };
    wiring
        .live
        .change(wiring, |live| {
            if let Some((name, values)) = controls {
                let kept = live.camera_controls.entry(name).or_default();
                kept.extend(values);
                // What is to be as the driver has it is for the driver to keep.
                for (control, _) in camera
                    .controls
                    .iter()
                    .flatten()
                    .filter(|(_, v)| v.is_none())
                {
                    kept.remove(control);
                }
            }
            live.camera = camera.source.or(live.camera.take());
            live.camera_muted = camera.muted.unwrap_or(live.camera_muted);
            if let Some(kbps) = camera.max_kbps {
                live.camera_max_kbps = (kbps > 0).then_some(kbps);
            }
            if let Some(rate) = camera.max_fps {
                live.camera_max_fps = (rate > 0).then_some(rate);
            }
            if let Some(height) = camera.max_height {
                live.camera_max_height = (height > 0).then_some(height);
            }
        })
        .await
}

async fn apply_display(wiring: &Wiring, display: DisplaySetting) -> Result<(), CommandError> {
    if wiring.display.is_none() {
        let message = "this device has no screen (`[display] sink`)";
        return Err(CommandError::new(ErrorCode::Unavailable, message));
    }
    wiring
        .live
        .change(wiring, |live| {
            live.screen_layout = display.layout.or(live.screen_layout);
            live.screen_fit = display.fit.or(live.screen_fit);
            live.screen_mirror = display.mirror.or(live.screen_mirror);
            live.screen_area = display.area.or(live.screen_area);
            live.screen_self_view = display.self_view.or(live.screen_self_view);
        })
        .await
}
