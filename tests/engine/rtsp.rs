//! The camera for recorders and players, played by GStreamer's own RTSP client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use cubelet::engine::command::Command;
use cubelet::engine::state::{DeviceState, SourceStatus};

use crate::site::{Site, Station};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A station with a server of these settings, and where that listens.
async fn station_with(site: &Site, more: &str) -> (Station, SocketAddr) {
    let extra =
        format!("[calls]\nbind = [\"127.0.0.1\"]\n[rtsp]\nlisten = \"127.0.0.1:0\"\n{more}\n");
    let mut station = site.station("kiosk", &extra).await;
    let bound = tokio::time::timeout(LIMIT, station.rtsp.wait_for(Option::is_some));
    let address = *bound.await.expect("in time").expect("a server");
    (station, address.expect("an address"))
}

/// A player, and how many pictures and pieces of sound it has decoded.
struct Player {
    pipeline: gst::Pipeline,
    pictures: Arc<AtomicU32>,
    sounds: Arc<AtomicU32>,
}

impl Player {
    /// `source` are properties of `rtspsrc`.
    fn start(address: SocketAddr, source: &str, sound: bool) -> Self {
        gst::init().unwrap();
        let mut launch = format!(
            "rtspsrc location=rtsp://{address}/live latency=100 {source} name=from \
             rtph264depay name=video ! decodebin ! \
             fakesink name=pictures signal-handoffs=true sync=false "
        );
        if sound {
            launch += "rtpopusdepay name=audio ! opusdec ! \
                 fakesink name=sounds signal-handoffs=true sync=false";
        }
        let pipeline = gst::parse::launch(&launch).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        join_tracks(&pipeline);
        let count = |name: &str| {
            let counted = Arc::new(AtomicU32::new(0));
            if let Some(sink) = pipeline.by_name(name) {
                let counted = counted.clone();
                sink.connect("handoff", false, move |_| {
                    counted.fetch_add(1, Ordering::Relaxed);
                    None
                });
            }
            counted
        };
        let (pictures, sounds) = (count("pictures"), count("sounds"));
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            pipeline,
            pictures,
            sounds,
        }
    }

    /// Waits for so many more of each.
    async fn plays(&self, pictures: u32, sounds: u32) {
        let so_far = |counted: &AtomicU32| counted.load(Ordering::Relaxed);
        let wanted = (
            so_far(&self.pictures) + pictures,
            so_far(&self.sounds) + sounds,
        );
        let playing = async {
            while so_far(&self.pictures) < wanted.0 || so_far(&self.sounds) < wanted.1 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, playing).await.is_ok();
        assert!(in_time, "{:?}", self.trouble());
    }

    /// The first error it told of.
    fn trouble(&self) -> Option<String> {
        let bus = self.pipeline.bus()?;
        let message = bus.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(error) => Some(error.error().to_string()),
            _ => None,
        }
    }

    async fn fails(&self) -> String {
        let failing = async {
            loop {
                if let Some(trouble) = self.trouble() {
                    return trouble;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let failed = tokio::time::timeout(LIMIT, failing).await;
        failed.expect("an error")
    }
}

/// Each track of the camera to what takes it. The launch line's own `from. !` would try any track with
/// any taker, and with itself when two tracks appear at once, as they do here.
fn join_tracks(pipeline: &gst::Pipeline) {
    let takers = ["video", "audio"].map(|medium| (medium, pipeline.by_name(medium)));
    let source = pipeline.by_name("from").unwrap();
    source.connect_pad_added(move |_, track| {
        let caps = track.current_caps().unwrap();
        let medium: &str = caps.structure(0).unwrap().get("media").unwrap();
        let taker = takers.iter().find(|(name, _)| *name == medium);
        if let Some((_, Some(taker))) = taker {
            track.link(&taker.static_pad("sink").unwrap()).unwrap();
        }
    });
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_shows_the_camera_and_plays_the_microphone_over_tcp() {
    let site = Site::start().await;
    let (station, address) = station_with(&site, "audio = true").await;
    // Without being told the transport it tries UDP first, is refused and takes TCP.
    let player = Player::start(address, "", true);
    player.plays(20, 30).await;
    drop(player);
    station.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_player_joins_at_once_and_a_third_finds_no_place() {
    let site = Site::start().await;
    let (station, address) = station_with(&site, "viewers = 2").await;
    let first = Player::start(address, "protocols=tcp", false);
    first.plays(5, 0).await;
    let second = Player::start(address, "protocols=tcp", false);
    second.plays(5, 0).await;
    let third = Player::start(address, "protocols=tcp", false);
    third.fails().await;
    drop(second);
    first.plays(5, 0).await;
    // The place of the one that left is free.
    let fourth = Player::start(address, "protocols=tcp", false);
    fourth.plays(5, 0).await;
    station.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_password_only_who_knows_it_sees_the_camera() {
    let site = Site::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rtsp-password");
    std::fs::write(&file, "correct horse\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).unwrap();
    let more = format!("password_file = {:?}", file.to_str().unwrap());
    let (station, address) = station_with(&site, &more).await;
    let known = "protocols=tcp user-id=viewer user-pw=\"correct horse\"";
    let player = Player::start(address, known, false);
    player.plays(5, 0).await;
    let wrong = "protocols=tcp user-id=viewer user-pw=\"wrong horse\"";
    let trouble = Player::start(address, wrong, false).fails().await;
    assert!(trouble.contains("nauthorized"), "{trouble}");
    station.stop().await;
    site.hub.stop().await;
}

/// One station's camera is another one's, which goes away and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stations_camera_is_the_camera_of_another_station() {
    let site = Site::start().await;
    let (server, address) = station_with(&site, "").await;
    let source = format!("rtsp://{address}/live");
    let mut viewer = site.station_seeing("viewer", &source, "").await;
    let status = |wanted: SourceStatus| move |state: &DeviceState| state.camera.status == wanted;
    viewer
        .reaches("a camera", status(SourceStatus::Running))
        .await;
    assert_eq!(viewer.state().camera.source, source);
    viewer.command(Command::Snapshot).await.expect("a picture");
    let server = server.stop().await;
    viewer
        .reaches("no camera", status(SourceStatus::Failed))
        .await;
    assert!(viewer.command(Command::Snapshot).await.is_err());
    let again = format!("[calls]\nbind = [\"127.0.0.1\"]\n[rtsp]\nlisten = \"{address}\"\n");
    let server = server.again(&site, &again).await;
    viewer
        .reaches("the camera again", status(SourceStatus::Running))
        .await;
    viewer.command(Command::Snapshot).await.expect("a picture");
    viewer.stop().await;
    server.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_no_rtsp_is_shown_out_and_the_rest_go_on_watching() {
    let site = Site::start().await;
    let (station, address) = station_with(&site, "").await;
    let player = Player::start(address, "protocols=tcp", false);
    player.plays(5, 0).await;
    for garbage in [
        "GET / HTTP/1.1\r\nHost: door\r\n\r\n".as_bytes().to_vec(),
        vec![0xff; 4096],
        [b"OPTIONS rtsp://door/".to_vec(), vec![b'a'; 64 * 1024]].concat(),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // It may be shown out before it has said all.
        let _ = stream.write_all(&garbage).await;
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
        closed.expect("it is shown out").ok();
    }
    player.plays(5, 0).await;
    station.stop().await;
    site.hub.stop().await;
}
