//! The screen: whether what is configured would open. Nothing is shown on it.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Check;
use super::media::PACKAGES;
use crate::config::DeviceConfig;
use crate::engine::media_settings;
use crate::media::display::{self, Screen, ScreenError};

const NAME: &str = "display";
/// For a window system to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// `running`: a daemon of this device may be about to show something.
pub(super) async fn check(config: &DeviceConfig, running: bool) -> Check {
    let Some(screen) = media_settings::screen(config) else {
        return Check::passed(NAME, "none configured");
    };
    if running && matches!(screen, Screen::Kms(_)) {
        return Check::skipped(NAME, "it is the running daemon's; see its state");
    }
    let (tell, told) = oneshot::channel();
    let tried = screen.clone();
    // A thread of its own: one that waits for an answer for ever ends with the process.
    let spawned = std::thread::Builder::new()
        .name("screen".into())
        .spawn(move || tell.send(display::check(&tried)));
    if let Err(error) = spawned {
        return Check::failed(NAME, error.to_string(), "free some memory");
    }
    match tokio::time::timeout(LIMIT, told).await {
        Ok(Ok(Ok(found))) => Check::passed(NAME, format!("{found}{}", by_whom(&screen))),
        Ok(Ok(Err(error))) => Check::failed(NAME, error.to_string(), remedy(&error)),
        Ok(Err(_)) => Check::failed(NAME, "looking at it failed", PACKAGES),
        Err(_) => Check::failed(
            NAME,
            format!("no answer within {} s", LIMIT.as_secs()),
            "start the window system anew, or name another in `[display] address`",
        ),
    }
}

/// A unit of systemd has not the environment of whoever asks.
fn by_whom(screen: &Screen) -> &'static str {
    match screen {
        Screen::Window { address: None, .. } => {
            "; by this environment, which a service does not have: for one, name it in \
             `[display] address`"
        }
        _ => "",
    }
}

fn remedy(error: &ScreenError) -> &'static str {
    match error {
        ScreenError::NoWindowSystem => {
            "name the desktop's in `[display] address` (`:0`, or the socket of a compositor), or take \
             `sink = \"kms\"` where there is none"
        }
        ScreenError::XServer(_) => {
            "`[display] address` must name an X server that runs (`:0`) and lets this user in: \
             `xhost +si:localuser:cubelet`"
        }
        ScreenError::Compositor(_) => {
            "`[display] address` must name the socket of a compositor that runs, which this user can \
             write to: one of the user cubelet's own"
        }
        ScreenError::NoCard(_) => {
            "the kernel's driver for screens is not loaded: on a Raspberry Pi \
             `dtoverlay=vc4-kms-v3d` in config.txt"
        }
        ScreenError::Card { source, .. } => match source.kind() {
            ErrorKind::PermissionDenied => {
                "it is not open to this user: `adduser USER video`, then log in again"
            }
            _ => "`ls /dev/dri` shows what there is; without `[display] address` each is tried",
        },
        ScreenError::Connector(_) => {
            "plug the screen in and switch it on, or name another in `[display] connector`; without, \
             the first a screen is connected to is taken"
        }
        ScreenError::Mode(_) => {
            "choose one of them in `[display] mode`, or leave it out for the one the screen prefers"
        }
        ScreenError::Taken { .. } => {
            "end the desktop that has them, or show in a window of it: `sink = \"window\"`"
        }
        ScreenError::Element(_) => PACKAGES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_of_another_group_names_the_group_to_join() {
        let refused = |kind: ErrorKind| ScreenError::Card {
            card: "/dev/dri/card0".into(),
            source: kind.into(),
        };
        assert!(remedy(&refused(ErrorKind::PermissionDenied)).contains("adduser USER video"));
        assert!(remedy(&refused(ErrorKind::NotFound)).contains("ls /dev/dri"));
    }

    #[test]
    fn a_desktop_in_the_way_is_to_end_or_to_be_shown_on() {
        let taken = ScreenError::Taken {
            card: "/dev/dri/card0".into(),
            source: ErrorKind::PermissionDenied.into(),
        };
        assert!(remedy(&taken).contains("end the desktop"));
    }
}
