//! Codecs, camera, microphone, speaker: as configured, really tried.

use std::time::Duration;

use tokio::sync::mpsc;

use super::Check;
use crate::config::{self, DeviceConfig};
use crate::device::cameras::{self, Role};
use crate::device::sound::{self, Direction, Use};
use crate::engine::{chosen, media_settings};
use crate::media::{self, VideoFanout, VideoSource, encoder};

/// For a camera to open and give a picture; some take two seconds to settle.
const PICTURE_LIMIT: Duration = Duration::from_secs(8);
/// For a camera of the network, some of which send a key frame every ten seconds.
const NETWORK_LIMIT: Duration = Duration::from_secs(20);
/// Debian's packages with everything that can be missing.
pub(super) const PACKAGES: &str = "apt install gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
     gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-alsa";

/// `running`: a daemon of this device has the camera and the sound card.
pub(super) async fn check(config: &DeviceConfig, running: bool) -> Vec<Check> {
    let codec = media_settings::codec(config.camera.codec);
    // It blocks, for seconds on a small board's first start.
    let probed = tokio::task::spawn_blocking(move || {
        media::initialise()
            .map_err(|error| error.to_string())
            .and_then(|()| encoder::probe(codec).map_err(|error| error.to_string()))
    })
    .await;
    let encoder = match probed {
        Ok(Ok(encoder)) => Check::passed("encoder", format!("{codec} by {}", encoder.element)),
        Ok(Err(error)) => Check::failed("encoder", error, PACKAGES),
        Err(error) => Check::failed("encoder", error.to_string(), PACKAGES),
    };
    vec![
        encoder,
        camera(config, running).await,
        microphone(config, running),
        speaker(config, running),
    ]
}

async fn camera(config: &DeviceConfig, running: bool) -> Check {
    const NAME: &str = "camera";
    let shown = chosen::name_of_camera(&config.camera.source);
    if running {
        return Check::skipped(
            NAME,
            format!("{shown} is the running daemon's; see its state"),
        );
    }
    let Some(settings) = media_settings::video_source(config, None) else {
        return Check::passed(NAME, "none configured");
    };
    if let config::VideoSource::V4l2(path) = &config.camera.source {
        let node = cameras::ask(path);
        match node.role {
            Role::Camera { .. } => {}
            Role::Unusable { reason } => {
                return Check::failed(NAME, reason, "`cubelet devices` lists what there is");
            }
            Role::Converter | Role::Other => {
                return Check::failed(
                    NAME,
                    format!("{} ({}) is no camera", path.display(), node.name),
                    "`cubelet devices` lists the cameras",
                );
            }
        }
    }
    let size = format!("{}x{}", settings.width, settings.height);
    let fanout = VideoFanout::new();
    let (events, _news) = mpsc::unbounded_channel();
    let source = VideoSource::start(settings, fanout.clone(), events);
    let limit = match &config.camera.source {
        config::VideoSource::Rtsp(_) => NETWORK_LIMIT,
        _ => PICTURE_LIMIT,
    };
    let picture = fanout.snapshot(limit).await;
    source.stop();
    match picture {
        Ok(jpeg) => Check::passed(
            NAME,
            format!(
                "{shown} gives a picture of {size} ({} kB as JPEG)",
                jpeg.len() >> 10
            ),
        ),
        Err(error) => Check::failed(
            NAME,
            format!("{shown}: {error}"),
            remedy(&config.camera.source),
        ),
    }
}

fn remedy(camera: &config::VideoSource) -> &'static str {
    match camera {
        config::VideoSource::Rtsp(_) => {
            "try the same address, user and password in a player; they are `source`, \
             `rtsp_username` and `rtsp_password_file` in [camera], or in its [[camera.network]], where \
             a certificate is named, too"
        }
        config::VideoSource::File(_) => "name a film in [camera], as an MP4 file with H264",
        config::VideoSource::Screen(_) => {
            "an X server must run and let this user in (`xhost +si:localuser:cubelet`); Wayland shows \
             its screen to no daemon"
        }
        config::VideoSource::Libcamera(_) => "`cubelet devices` lists what libcamera finds",
        _ => "try a size and rate of `cubelet devices` in [camera]",
    }
}

fn microphone(config: &DeviceConfig, running: bool) -> Check {
    match &config.audio.source {
        config::AudioSource::Alsa(name) => pcm("microphone", name, Direction::Capture, running),
        config::AudioSource::Test | config::AudioSource::TestTone => {
            Check::passed("microphone", "a test tone stands in for it")
        }
        config::AudioSource::None => Check::passed("microphone", "none configured"),
    }
}

fn speaker(config: &DeviceConfig, running: bool) -> Check {
    match &config.audio.sink {
        config::AudioSink::Alsa(name) => pcm("speaker", name, Direction::Playback, running),
        config::AudioSink::Null => Check::passed("speaker", "none configured"),
    }
}

fn pcm(what: &str, name: &str, direction: Direction, running: bool) -> Check {
    if running {
        return Check::skipped(
            what,
            format!("alsa:{name} is the running daemon's; see its state"),
        );
    }
    match sound::opens(name, direction) {
        Use::Works => Check::passed(what, format!("alsa:{name} opens")),
        Use::Absent => Check::failed(
            what,
            format!("there is no alsa:{name}"),
            "`cubelet devices` lists what there is",
        ),
        Use::Refused(reason) => Check::failed(
            what,
            format!("alsa:{name}: {reason}"),
            "end whatever uses it, or choose another of `cubelet devices`",
        ),
    }
}
