//! What is found and tried, for real: hubs, cameras, sound, broker, accounts. Errors are sentences
//! for whoever sits in front of it.

use std::io::Write;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use url::Url;

use super::flow::{Admission, Around, HubAddress};
use super::plan::Broker;
use super::question::Choice;
use super::sound;
use crate::base::tls::pem_of;
use crate::config::{self, Mqtt, Secret};
use crate::control::remote::Remote;
use crate::device::cameras::{self, Role};
use crate::device::sound::{self as pcms, Use};
use crate::discovery;
use crate::media::source::{RtspCamera, RtspTrust};
use crate::media::{self, VideoFanout, VideoSource, VideoSourceKind, VideoSourceSettings};
use crate::protocol::enrolment::Code;
use crate::rest::enrolment;
use crate::rest::{Login, RestClient, RestSettings};

/// How long hubs are listened for. They answer within a second.
const LISTEN: Duration = Duration::from_secs(3);
/// For one address of a hub, or the broker of this machine, to answer.
const REACH: Duration = Duration::from_secs(1);
/// For a camera to open and give a picture.
const PICTURE: Duration = Duration::from_secs(10);
/// Below this a microphone hears nothing but itself, dB below full scale.
const SILENCE: f64 = -70.0;

/// What this machine has. Blocks: every sound card is opened for a moment.
pub fn around(is_configured: bool, name: Option<String>) -> Around {
    let nodes = cameras::video_nodes();
    let cameras = nodes.iter().filter_map(|node| match node.role {
        Role::Camera { .. } => {
            let source = format!("v4l2:{}", node.path.display());
            Some(Choice::new(source, node.name.clone()))
        }
        _ => None,
    });
    // No sound card is no error; the trial says what is wrong with one.
    let pcms = pcms::pcms().unwrap_or_default();
    let usable = |of: fn(&pcms::Pcm) -> &Use| -> Vec<Choice> {
        let pcms = pcms.iter().filter(|pcm| *of(pcm) == Use::Works);
        pcms.map(|pcm| Choice::new(format!("alsa:{}", pcm.name), &pcm.description))
            .collect()
    };
    Around {
        cameras: cameras.collect(),
        microphones: usable(|pcm| &pcm.capture),
        speakers: usable(|pcm| &pcm.playback),
        has_broker: reaches(&(std::net::Ipv4Addr::LOCALHOST, 1883).into()),
        is_configured,
        name,
    }
}

/// Hubs on the network, each by the first of its addresses that answers. Blocks for some seconds.
pub fn find_hubs() -> Vec<HubAddress> {
    let found = match discovery::find(LISTEN, None) {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "hubs on the network cannot be looked for");
            return Vec::new();
        }
    };
    let hubs = found.into_iter().filter_map(|hub| {
        let address = hub.addresses.into_iter().find(|address| answers(address))?;
        Some(HubAddress {
            name: hub.name,
            address,
        })
    });
    hubs.collect()
}

fn answers(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(443);
    (host, port)
        .to_socket_addrs()
        .is_ok_and(|mut all| all.any(|address| reaches(&address)))
}

fn reaches(address: &SocketAddr) -> bool {
    TcpStream::connect_timeout(address, REACH).is_ok()
}

/// A picture of a camera, as a file. `folder` is where the configuration will be: paths in it are
/// relative to that.
///
/// # Errors
/// What is wrong with the camera.
pub async fn picture(source: &str, folder: &Path) -> Result<PathBuf, String> {
    let source = camera(source, folder)?;
    let prepared = tokio::task::spawn_blocking(media::initialise).await;
    prepared
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    // What `[camera]` has without further keys.
    let settings = VideoSourceSettings {
        source,
        width: 640,
        height: 480,
        framerate: 30,
        bitrate_kbps: 1_000,
        warm: false,
    };
    let fanout = VideoFanout::new();
    let (events, _news) = mpsc::unbounded_channel();
    let camera = VideoSource::start(settings, fanout.clone(), events);
    let picture = fanout.snapshot(PICTURE).await;
    camera.stop();
    let jpeg = picture.map_err(|error| error.to_string())?;
    keep(&jpeg).map_err(|error| format!("its picture cannot be kept: {error}"))
}

/// What the configuration will mean by it.
fn camera(source: &str, folder: &Path) -> Result<VideoSourceKind, String> {
    Ok(match source.parse()? {
        config::VideoSource::V4l2(device) => {
            is_camera(&device)?;
            VideoSourceKind::V4l2 {
                device: device.display().to_string(),
            }
        }
        config::VideoSource::Test { pattern } => VideoSourceKind::Test { pattern },
        config::VideoSource::Rtsp(url) => VideoSourceKind::Rtsp(RtspCamera {
            url: url.into(),
            login: None,
            udp: false,
            trust: RtspTrust::System,
        }),
        config::VideoSource::File(path) => VideoSourceKind::File {
            path: folder.join(path),
        },
        config::VideoSource::Screen(display) => VideoSourceKind::Screen { display },
        config::VideoSource::Libcamera(name) => VideoSourceKind::Libcamera { name },
        config::VideoSource::None => return Err("there is none".into()),
    })
}

fn is_camera(path: &Path) -> Result<(), String> {
    let node = cameras::ask(path);
    match node.role {
        Role::Camera { .. } => Ok(()),
        Role::Unusable { reason } => Err(reason),
        Role::Converter | Role::Other => {
            Err(format!("{} ({}) is no camera", path.display(), node.name))
        }
    }
}

/// Under a name nobody can have prepared.
fn keep(jpeg: &[u8]) -> std::io::Result<PathBuf> {
    let name = format!("cubelet-setup-{}.jpg", uuid::Uuid::new_v4().simple());
    let path = std::env::temp_dir().join(name);
    let mut file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&path)?;
    file.write_all(jpeg)?;
    Ok(path)
}

/// A second of a microphone. Blocks.
///
/// # Errors
/// What is wrong with it.
pub fn microphone(source: &str) -> Result<String, String> {
    let Some(name) = source.strip_prefix("alsa:") else {
        return Ok("a test tone stands in for it".into());
    };
    let level = sound::listen(name).map_err(|error| error.to_string())?;
    if level.peak == f64::NEG_INFINITY {
        return Ok("it gives silence: is it muted? (alsamixer)".into());
    }
    let heard = format!("peak {:.0} dBFS, mean {:.0} dBFS", level.peak, level.mean);
    Ok(if level.peak < SILENCE {
        format!("{heard}: hardly anything; is it muted? (alsamixer)")
    } else {
        heard
    })
}

/// A tone of a second. Blocks.
///
/// # Errors
/// What is wrong with the loudspeaker.
pub fn speaker(sink: &str) -> Result<String, String> {
    let name = sink.strip_prefix("alsa:").unwrap_or(sink);
    sound::play(name).map_err(|error| error.to_string())?;
    Ok("a tone of a second was played".into())
}

/// How long sound is on its way from a loudspeaker to a microphone; none if it is not heard. Blocks.
///
/// # Errors
/// What is wrong with the two.
pub fn echo(microphone: &str, speaker: &str) -> Result<Option<Duration>, String> {
    let name = |source: &str| source.trim_start_matches("alsa:").to_owned();
    let measured = sound::measure_echo(&name(microphone), &name(speaker));
    measured.map_err(|error| error.to_string())
}

/// A connection to a broker.
///
/// # Errors
/// What is in the way.
pub async fn broker(broker: &Broker) -> Result<String, String> {
    let mut mqtt = Mqtt::at(&broker.host, broker.port(), "cubelet", !broker.is_local());
    mqtt.username.clone_from(&broker.username);
    mqtt.password.clone_from(&broker.password);
    let reached = Remote::connect(&mqtt, &[]).await;
    reached.map_err(|error| error.to_string())?;
    Ok(format!("{}:{} lets us in", broker.host, broker.port()))
}

/// Takes a code, and logs in with what it brought, by the authority it brought.
///
/// # Errors
/// The code, or the way to the hub.
pub async fn redeem(
    hub: &Url,
    code: &Code,
    authority: Option<[u8; 32]>,
) -> Result<Admission, String> {
    let enrolled = enrolment::redeem(hub, code, authority)
        .await
        .map_err(|error| error.to_string())?;
    let account = enrolled.account;
    Ok(Admission {
        api: account.api.to_string(),
        chat: account.chat.to_string(),
        chat_host: Some(account.chat_host),
        ca: Some(pem_of(&enrolled.authority)),
        app_id: account.app_id,
        auth_key: Secret::new(account.auth_key),
        login: account.login,
        user: account.user_id,
        password: Secret::new(account.password),
    })
}

/// Logs in with an account that exists.
///
/// # Errors
/// The account, or the way to the hub.
pub async fn log_in(mut admission: Admission, ca: Option<&Path>) -> Result<Admission, String> {
    let api = Url::parse(&admission.api).map_err(|error| error.to_string())?;
    if let Some(ca) = ca {
        let text = std::fs::read_to_string(ca);
        admission.ca = Some(text.map_err(|error| format!("{}: {error}", ca.display()))?);
    }
    let settings = RestSettings {
        api,
        app_id: admission.app_id,
        auth_key: admission.auth_key.expose().to_owned().into(),
        ca: ca.map(Path::to_owned),
    };
    let login = Login::new(&admission.login, admission.password.expose());
    let client = RestClient::new(settings, login).map_err(|error| error.to_string())?;
    let session = client.session().await.map_err(|error| error.to_string())?;
    admission.user = session.user_id;
    // One that stays is forgotten by the hub in its time.
    let _ = client.destroy_session().await;
    Ok(admission)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_is_tried_where_the_device_will_look_for_it() {
        let folder = Path::new("/etc/cubelet");
        let tried = |source: &str| match camera(source, folder) {
            Ok(VideoSourceKind::File { path }) => path,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            tried("file:films/door.mp4"),
            Path::new("/etc/cubelet/films/door.mp4")
        );
        assert_eq!(tried("file:/srv/door.mp4"), Path::new("/srv/door.mp4"));
    }
}
