//! Cameras of the network, played by an RTSP server nobody here wrote: GStreamer's.

use std::net::TcpListener;

use cubelet::media::source::{RtspCamera, RtspLogin, RtspTrust};
use cubelet::media::{
    SourceEvent, VideoCodec, VideoFanout, VideoSource, VideoSourceKind, VideoSourceSettings,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::colours::{Colour, middle};
use crate::rtsp_camera::{Server, h264};
use crate::sources::{jpeg_size, watch_until};
use crate::support::{LIMIT, camera_settings, warm, within};

fn camera_at(port: u16) -> RtspCamera {
    RtspCamera {
        url: format!("rtsp://127.0.0.1:{port}/live"),
        login: None,
        udp: false,
        trust: RtspTrust::System,
    }
}

pub(crate) struct Watched {
    pub(crate) fanout: VideoFanout,
    events: UnboundedReceiver<SourceEvent>,
    source: VideoSource,
}

impl Watched {
    pub(crate) fn start(camera: RtspCamera) -> Self {
        let fanout = VideoFanout::new();
        let (tell, events) = unbounded_channel();
        let settings = VideoSourceSettings {
            source: VideoSourceKind::Rtsp(camera),
            ..camera_settings()
        };
        let source = VideoSource::start(settings, fanout.clone(), tell);
        Self {
            fanout,
            events,
            source,
        }
    }

    async fn runs(&mut self) {
        let running = async {
            while !matches!(self.events.recv().await, Some(SourceEvent::Running { .. })) {}
        };
        within("pictures of the camera", running).await;
    }

    pub(crate) async fn fails(&mut self) -> String {
        let failing = async {
            loop {
                if let Some(SourceEvent::Failed { reason }) = self.events.recv().await {
                    return reason;
                }
            }
        };
        within("a failure", failing).await
    }

    pub(crate) async fn colour(&self) -> Colour {
        middle(&self.fanout.snapshot(LIMIT).await.unwrap())
    }

    async fn shows(&self, colour: Colour) {
        let showing = async {
            while self.colour().await != colour {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        within("a picture of that colour", showing).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_camera_is_seen_in_the_configured_size_by_tcp_and_by_udp() {
    warm().await;
    let server = Server::start(&h264("green"));
    for udp in [false, true] {
        let watched = Watched::start(RtspCamera {
            udp,
            ..camera_at(server.port)
        });
        let jpeg = watched.fanout.snapshot(LIMIT).await.unwrap();
        assert_eq!(jpeg_size(&jpeg), Some((320, 240)));
        assert_eq!(middle(&jpeg), Colour::Green);
        let watching = watched.fanout.subscribe(VideoCodec::Vp8);
        watch_until(&watching, |frames| frames == 10).await;
        within("its end", watched.source.closed()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_that_send_h265_or_jpeg_and_sound_besides_are_seen() {
    warm().await;
    let picture = "videotestsrc is-live=true pattern=red ! video/x-raw,format=I420,width=640,height=360,framerate=10/1";
    let sound = "audiotestsrc is-live=true ! alawenc ! rtppcmapay pt=8";
    for encoding in [
        "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph265pay pt=96",
        "jpegenc ! rtpjpegpay pt=26",
    ] {
        // The sound comes first, and is not what is asked for.
        let launch = format!("( {sound} name=pay0 {picture} ! {encoding} name=pay1 )");
        let server = Server::start(&launch);
        let watched = Watched::start(camera_at(server.port));
        assert_eq!(watched.colour().await, Colour::Red, "{encoding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_leaves_the_placeholder_in_the_stream_and_comes_back() {
    warm().await;
    let server = Server::start(&h264("red"));
    let port = server.port;
    let mut watched = Watched::start(camera_at(server.port));
    let watching = watched.fanout.subscribe(VideoCodec::H264);
    let before = watch_until(&watching, |frames| frames == 10).await;
    assert_eq!(before.len(), 1);
    watched.shows(Colour::Red).await;
    drop(server);
    watched.fails().await;
    let during = watch_until(&watching, |frames| frames == 5).await;
    assert_eq!(during, before, "the same encoder goes on");
    assert!(watched.fanout.snapshot(LIMIT).await.is_err(), "no evidence");
    let _server = Server::start_at(port, &h264("blue"), &[]);
    watched.runs().await;
    watched.shows(Colour::Blue).await;
    let after = watch_until(&watching, |frames| frames == 5).await;
    assert_eq!(after, before, "and still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_noticed_and_taken_up_again() {
    warm().await;
    let server = Server::start(&h264("red"));
    let mut watched = Watched::start(camera_at(server.port));
    watched.runs().await;
    server.signal("-STOP");
    let reason = watched.fails().await;
    assert!(reason.contains("gave nothing"), "{reason}");
    server.signal("-CONT");
    watched.runs().await;
    watched.shows(Colour::Red).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_whose_pictures_change_size_is_seen_on() {
    warm().await;
    let change = "( videotestsrc is-live=true num-buffers=30 pattern=red \
         ! video/x-raw,width=320,height=240,framerate=15/1 ! concat name=c \
         ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 \
         ! rtph264pay name=pay0 pt=96 config-interval=-1 \
         videotestsrc is-live=true pattern=blue ! video/x-raw,width=640,height=480,framerate=15/1 ! c. )";
    let server = Server::start(change);
    let watched = Watched::start(camera_at(server.port));
    watched.shows(Colour::Red).await;
    watched.shows(Colour::Blue).await;
    let jpeg = watched.fanout.snapshot(LIMIT).await.unwrap();
    assert_eq!(jpeg_size(&jpeg), Some((320, 240)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_opens_a_camera_and_a_wrong_one_is_named_and_not_told() {
    warm().await;
    let login = ["viewer", "correct horse"];
    let server = Server::start_at(0, &h264("green"), &login);
    let with = |password: &str| RtspCamera {
        login: Some(RtspLogin {
            user: "viewer".into(),
            password: password.into(),
        }),
        ..camera_at(server.port)
    };
    let watched = Watched::start(with("correct horse"));
    assert_eq!(watched.colour().await, Colour::Green);
    for camera in [with("wrong horse"), camera_at(server.port)] {
        assert!(!format!("{camera:?}").contains("horse"));
        let reason = Watched::start(camera).fails().await;
        assert_eq!(reason, "user or password is wrong or missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_camera_of_the_network_lacks_is_named() {
    warm().await;
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = nobody.local_addr().unwrap().port();
    drop(nobody);
    let sound =
        Server::start("( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 )");
    let raw = Server::start(
        "( videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=5/1 ! rtpvrawpay name=pay0 pt=96 )",
    );
    let elsewhere = RtspCamera {
        url: format!("rtsp://127.0.0.1:{}/other", sound.port),
        ..camera_at(sound.port)
    };
    for (camera, wanted) in [
        (camera_at(closed), "connect"),
        (camera_at(sound.port), "it has sound and no pictures"),
        (
            camera_at(raw.port),
            "it sends RAW, which nothing here decodes",
        ),
        (elsewhere, "Not Found"),
    ] {
        let reason = Watched::start(camera).fails().await;
        assert!(reason.contains(wanted), "{reason:?} and not {wanted:?}");
    }
}

/// It takes the connection and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_fails_and_can_be_left_at_any_time() {
    warm().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut watched = Watched::start(camera_at(port));
    watched.fails().await;
    // In the middle of the next attempt.
    let (_kept, _) = silent.accept().unwrap();
    let (_kept, _) = silent.accept().unwrap();
    within("its end", watched.source.closed()).await;
}
