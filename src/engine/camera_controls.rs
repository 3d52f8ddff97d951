//! Sets what a camera can be set to, now and when it comes back.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::chosen::{self, name_of_camera};
use super::command::{CommandError, ErrorCode};
use super::wiring::Wiring;
use crate::config::VideoSource;
use crate::device::controls::{self, ControlError, V4l2Panel, WantedControls};

/// Sets them at the camera of a name among the configured ones, or the first, and gives the
/// camera's name and what they were set to.
///
/// # Errors
/// `invalid_payload` naming the control and its range; `unavailable` when the camera has no
/// controls, is away, or its driver refuses. Nothing is set then.
pub(super) async fn set(
    wiring: &Wiring,
    camera: Option<&str>,
    wanted: WantedControls,
) -> Result<(String, BTreeMap<String, i64>), CommandError> {
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
        controls::set(&panel, &wanted).map_err(|error| {
            let code = match error {
                ControlError::Refused { .. } => ErrorCode::Unavailable,
                _ => ErrorCode::InvalidPayload,
            };
            CommandError::new(code, format!("controls.{error}"))
        })
    };
    let set = tokio::task::spawn_blocking(set).await;
    let values = set.map_err(|error| {
        let message = format!("controls: {name} cannot be asked: {error}");
        CommandError::new(ErrorCode::Unavailable, message)
    })??;
    Ok((name, values))
}

/// Sets what is kept of a camera that has just come (back): its driver may have forgotten it.
pub(super) async fn restore(path: PathBuf, kept: BTreeMap<String, i64>) {
    if kept.is_empty() {
        return;
    }
    let restore = move || match V4l2Panel::open(&path) {
        Ok(panel) => {
            for error in controls::restore(&panel, &kept) {
                tracing::warn!(%error, camera = %path.display(), "a control is not set again");
            }
        }
        Err(reason) => tracing::warn!(reason, "controls are not set again"),
    };
    if let Err(error) = tokio::task::spawn_blocking(restore).await {
        tracing::warn!(%error, "controls are not set again");
    }
}
