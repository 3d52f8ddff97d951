//! The configuration's words for media, turned into media's own settings.

use url::Url;

use super::chosen;
use crate::config::{self, DeviceConfig};
use crate::media::display::{Display, KmsSettings, Look, Rotation, Screen, WindowSystem};
use crate::media::peer::{ChannelPolicy, IceServer, PeerSettings};
use crate::media::sink::{AudioSinkKind, VideoSinkKind};
use crate::media::source::{RtspCamera, RtspLogin, RtspTrust};
use crate::media::{
    AudioDeviceSettings, AudioSourceKind, Loudspeaker, Processing, VideoCodec, VideoSourceKind,
    VideoSourceSettings,
};
use crate::protocol::call_signal::CallType;

/// The camera of a name among the configured ones, or the first; none when the device has none.
pub fn video_source(config: &DeviceConfig, wanted: Option<&str>) -> Option<VideoSourceSettings> {
    let camera = &config.camera;
    let source = match chosen::camera(config, wanted) {
        config::VideoSource::Test { pattern } => VideoSourceKind::Test {
            pattern: pattern.clone(),
        },
        config::VideoSource::V4l2(device) => VideoSourceKind::V4l2 {
            device: device.display().to_string(),
        },
        config::VideoSource::Rtsp(url) => VideoSourceKind::Rtsp(network_camera(camera, url)),
        config::VideoSource::File(path) => VideoSourceKind::File { path: path.clone() },
        config::VideoSource::Screen(display) => VideoSourceKind::Screen {
            display: display.clone(),
        },
        config::VideoSource::Libcamera(name) => VideoSourceKind::Libcamera { name: name.clone() },
        config::VideoSource::None => return None,
    };
    Some(VideoSourceSettings {
        source,
        width: camera.width,
        height: camera.height,
        framerate: camera.framerate,
        bitrate_kbps: camera.bitrate_kbps,
        warm: camera.warm,
    })
}

fn network_camera(camera: &config::Camera, url: &Url) -> RtspCamera {
    let access = camera.access(url);
    RtspCamera {
        url: url.to_string(),
        login: access.login.map(|(user, password)| RtspLogin {
            user: user.clone(),
            password: password
                .as_ref()
                .map(|password| password.expose().to_owned())
                .unwrap_or_default(),
        }),
        udp: access.udp,
        trust: match access.trust {
            config::CertificateTrust::System => RtspTrust::System,
            config::CertificateTrust::File(file) => RtspTrust::File(file),
            config::CertificateTrust::Any => RtspTrust::Any,
        },
    }
}

/// The microphone and the loudspeaker of these names, or the first. A test sound is sent as it is:
/// it would count as noise.
pub fn audio_device(
    config: &DeviceConfig,
    microphone: Option<&str>,
    loudspeaker: Option<&str>,
) -> AudioDeviceSettings {
    let audio = &config.audio;
    let microphone = match chosen::microphone(config, microphone) {
        config::AudioSource::Test => AudioSourceKind::Test,
        config::AudioSource::TestTone => AudioSourceKind::TestTone,
        config::AudioSource::Alsa(device) => AudioSourceKind::Alsa {
            device: device.clone(),
        },
        config::AudioSource::None => AudioSourceKind::None,
    };
    let processing = match &microphone {
        AudioSourceKind::Alsa { .. } => Processing {
            echo_cancel: audio.echo_cancel,
            noise_suppression: audio.noise_suppression,
            gain_control: audio.gain_control,
            high_pass: audio.high_pass,
        },
        _ => Processing::default(),
    };
    AudioDeviceSettings {
        microphone,
        loudspeaker: audio_sink(chosen::loudspeaker(config, loudspeaker)),
        processing,
        dtx: audio.dtx,
        warm: config.camera.warm,
    }
}

/// The configuration's codec as media's own.
pub fn codec(configured: config::VideoCodec) -> VideoCodec {
    match configured {
        config::VideoCodec::H264 => VideoCodec::H264,
        config::VideoCodec::Vp8 => VideoCodec::Vp8,
    }
}

/// The screen; none where the device has none.
pub fn display(config: &DeviceConfig) -> Option<Display> {
    Some(Display::new(screen(config)?, config.display.layout))
}

/// Which it is.
pub fn screen(config: &DeviceConfig) -> Option<Screen> {
    let shown = &config.display;
    let window = |system| Screen::Window {
        system,
        address: shown.address.clone(),
    };
    Some(match shown.sink {
        config::VideoSink::Null => return None,
        config::VideoSink::Window => window(WindowSystem::Either),
        config::VideoSink::Wayland => window(WindowSystem::Wayland),
        config::VideoSink::X11 => window(WindowSystem::X11),
        config::VideoSink::Kms => Screen::Kms(KmsSettings {
            card: shown.address.as_ref().map(Into::into),
            connector: shown.connector.clone(),
            mode: shown.mode,
        }),
    })
}

/// How pictures are put onto the screen, as far as nobody has changed it.
pub fn look(config: &DeviceConfig) -> Look {
    let shown = &config.display;
    Look {
        fit: shown.fit,
        mirror: shown.mirror,
        rotation: match shown.rotate {
            90 => Rotation::Right,
            180 => Rotation::Over,
            270 => Rotation::Left,
            _ => Rotation::None,
        },
        area: shown.area,
    }
}

/// A call's peer connection, which nobody hears and sees unless it is given a loudspeaker and a
/// screen.
pub fn peer(config: &DeviceConfig, call_type: CallType) -> PeerSettings {
    let calls = &config.calls;
    PeerSettings {
        call_type,
        preferred_codec: codec(config.camera.codec),
        ice_servers: calls
            .ice_servers
            .iter()
            .map(|server| IceServer {
                urls: server.urls.clone(),
                username: server.username.clone().unwrap_or_default(),
                credential: server
                    .credential
                    .as_ref()
                    .map(|secret| secret.expose().to_owned())
                    .unwrap_or_default(),
            })
            .collect(),
        ca: config.hub.ca.clone(),
        relay_only: calls.relay_only,
        dscp: calls.dscp,
        bind: calls.bind.clone(),
        full_bitrate_kbps: config.camera.bitrate_kbps,
        min_bitrate_kbps: calls.min_bandwidth_kbps,
        start_bitrate_kbps: calls.start_bandwidth_kbps,
        max_bitrate_kbps: (calls.max_bandwidth_kbps > 0).then_some(calls.max_bandwidth_kbps),
        video_sink: VideoSinkKind::Null,
        loudspeaker: Loudspeaker::new(),
        keep_frames: false,
        far_side: None,
        one_way: None,
        channel: match calls.data_channel {
            config::device::DataChannel::Off => ChannelPolicy::Off,
            config::device::DataChannel::Answer => ChannelPolicy::Answer,
            config::device::DataChannel::Offer => ChannelPolicy::Offer,
        },
    }
}

fn audio_sink(sink: &config::AudioSink) -> AudioSinkKind {
    match sink {
        config::AudioSink::Null => AudioSinkKind::Null,
        config::AudioSink::Alsa(device) => AudioSinkKind::Alsa {
            device: device.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const DEVICE: &str = "[device]\nname = 'door'\n[hub]\napi = 'https://hub.example'\n\
         chat = 'tls://chat.example'\napp_id = 7\nauth_key = 'key'\nlogin = 'door'\n\
         password_file = 'password'\n";

    fn configured(more: &str) -> DeviceConfig {
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, "secret").unwrap();
        std::fs::set_permissions(&password, PermissionsExt::from_mode(0o600)).unwrap();
        let file = folder.path().join("kiosk.toml");
        std::fs::write(&file, format!("{DEVICE}{more}")).unwrap();
        let report = config::check_device(&file, &config::Surroundings::default());
        report.outcome.unwrap()
    }

    #[test]
    fn a_call_is_given_the_start_and_the_bounds_of_its_rate() {
        let rates = |more| {
            let peer = peer(&configured(more), CallType::Video);
            let bounds = (peer.min_bitrate_kbps, peer.max_bitrate_kbps);
            (peer.start_bitrate_kbps, bounds, peer.full_bitrate_kbps)
        };
        assert_eq!(rates(""), (1_000, (150, None), 1_200));
        let calls = "[calls]\nmin_bandwidth_kbps = 80\nstart_bandwidth_kbps = 256\n\
             max_bandwidth_kbps = 700\n[camera]\nbitrate_kbps = 900\n";
        assert_eq!(rates(calls), (256, (80, Some(700)), 900));
    }
}
