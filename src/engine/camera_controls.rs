//! Sets what a camera can be set to, now and when it comes back, and tells what that is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::chosen::{self, name_of_camera};
use super::command::{CommandError, ErrorCode};
use super::setting_command::CONTROLS_MAX;
use super::state::CameraControl;
use super::wiring::Wiring;
use crate::config::VideoSource;
use crate::device::cameras::Control;
use crate::device::controls::{self, ControlError, Panel, V4l2Panel, WantedControls};

/// What can be set of a camera, by the name it is set by.
pub(super) type Settable = BTreeMap<String, CameraControl>;

/// Controls that are set.
pub(super) struct Done {
    /// The camera's name in the configuration.
    pub(super) camera: String,
    /// What is to be kept of it.
    pub(super) values: BTreeMap<String, i64>,
    /// All that can be set of it, as it is now.
    pub(super) settable: Settable,
}

/// Sets them at the camera of a name among the configured ones, or the first.
///
/// # Errors
/// `invalid_payload` naming the control and its range; `unavailable` when the camera has no
/// controls, is away, or its driver refuses. Nothing is set then.
pub(super) async fn set(
    wiring: &Wiring,
    camera: Option<&str>,
    wanted: WantedControls,
) -> Result<Done, CommandError> {
    let source = chosen::camera(&wiring.config, camera);
    let name = name_of_camera(source);
    let VideoSource::V4l2(path) = source else {
        let message = format!("controls: {name} has none; cameras of `v4l2:` have");
        return Err(CommandError::new(ErrorCode::Unavailable, message));
    };
    let path = path.clone();
    let set = move || -> Result<_, CommandError> {
        let unavailable = |reason| CommandError::new(ErrorCode::Unavailable, reason);
        let panel =
            V4l2Panel::open(&path).map_err(|reason| unavailable(format!("controls: {reason}")))?;
        let values = controls::set(&panel, &wanted).map_err(|error| {
            let code = match error {
                ControlError::Refused { .. } => ErrorCode::Unavailable,
                _ => ErrorCode::InvalidPayload,
            };
            CommandError::new(code, format!("controls.{error}"))
        })?;
        // Asked again: one that is set may move others (an automatism, what it took over).
        Ok((values, settable(panel.controls())))
    };
    let set = tokio::task::spawn_blocking(set).await;
    let (values, settable) = set.map_err(|error| {
        let message = format!("controls: {name} cannot be asked: {error}");
        CommandError::new(ErrorCode::Unavailable, message)
    })??;
    Ok(Done {
        camera: name,
        values,
        settable,
    })
}

/// Sets what is kept of a camera that has just come (back): its driver may have forgotten it. Gives
/// what can be set of it; nothing if it cannot be asked.
pub(super) async fn restore(path: PathBuf, kept: BTreeMap<String, i64>) -> Option<Settable> {
    let restore = move || match V4l2Panel::open(&path) {
        Ok(panel) => {
            for error in controls::restore(&panel, &kept) {
                tracing::warn!(%error, camera = %path.display(), "a control is not set again");
            }
            Some(settable(panel.controls()))
        }
        Err(reason) => {
            tracing::warn!(reason, "a camera is not asked what can be set of it");
            None
        }
    };
    let done = tokio::task::spawn_blocking(restore).await;
    done.unwrap_or_else(|error| {
        tracing::warn!(%error, "a camera is not asked what can be set of it");
        None
    })
}

/// By name. Of two of one name the first is the one that is set.
fn settable(controls: Vec<Control>) -> Settable {
    let mut settable = Settable::new();
    for control in controls.into_iter().take(CONTROLS_MAX) {
        let name = control.key.clone();
        settable.entry(name).or_insert_with(|| control.into());
    }
    settable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cameras::{Choice, ControlKind};

    fn control(key: &str, kind: ControlKind, value: Option<i64>) -> Control {
        Control {
            id: 0x0098_0900,
            name: key.to_uppercase(),
            key: key.to_owned(),
            kind,
            minimum: -2,
            maximum: 7,
            step: 0,
            default: 1,
            value,
            choices: Vec::new(),
        }
    }

    #[test]
    fn what_can_be_set_is_told_by_name_with_what_its_kind_takes() {
        let choices = vec![Choice {
            value: 3,
            name: "Torch".to_owned(),
        }];
        let led = Control {
            choices: choices.clone(),
            ..control("led_mode", ControlKind::Choice, Some(3))
        };
        let told = settable(vec![
            control("zoom", ControlKind::Number, Some(4)),
            control("zoom", ControlKind::Switch, Some(0)),
            control("pan_reset", ControlKind::Button, None),
            led,
        ]);
        let zoom = CameraControl {
            label: "ZOOM".to_owned(),
            kind: ControlKind::Number,
            minimum: Some(-2),
            maximum: Some(7),
            step: Some(1),
            choices: Vec::new(),
            default: Some(1),
            value: Some(4),
        };
        let without_range = |label: &str, kind| CameraControl {
            label: label.to_owned(),
            kind,
            minimum: None,
            maximum: None,
            step: None,
            ..zoom.clone()
        };
        let led = CameraControl {
            choices,
            value: Some(3),
            ..without_range("LED_MODE", ControlKind::Choice)
        };
        let reset = CameraControl {
            default: None,
            value: None,
            ..without_range("PAN_RESET", ControlKind::Button)
        };
        let wanted = [("zoom", zoom), ("pan_reset", reset), ("led_mode", led)];
        assert_eq!(
            told,
            wanted.map(|(name, one)| (name.to_owned(), one)).into()
        );
        let many = (0..100).map(|n| control(&format!("c{n}"), ControlKind::Number, None));
        assert_eq!(settable(many.collect()).len(), CONTROLS_MAX);
    }
}
