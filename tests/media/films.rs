//! Films and screens in the place of a camera.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cubelet::media::{
    SourceEvent, VideoCodec, VideoFanout, VideoSource, VideoSourceKind, VideoSourceSettings,
};
use gstreamer as gst;
use gstreamer::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::colours::{Colour, middle};
use crate::sources::watch_until;
use crate::support::{LIMIT, camera_settings, warm, within};

/// Runs a pipeline to its end.
fn make(launch: &str) {
    let pipeline = gst::parse::launch(launch).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let end = bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(LIMIT.as_secs()),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    pipeline.set_state(gst::State::Null).unwrap();
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos, "{launch}");
}

/// A film of `pictures` pictures, 15 a second, red and then blue, with sound.
fn film(folder: &Path, pictures: u32) -> PathBuf {
    let path = folder.join("film.mp4");
    let half = |pattern: &str| {
        format!(
            "videotestsrc num-buffers={} pattern={pattern} ! video/x-raw,width=160,height=120,framerate=15/1",
            pictures / 2
        )
    };
    make(&format!(
        "{} ! concat name=c ! x264enc speed-preset=ultrafast ! h264parse ! mp4mux name=m \
         ! filesink location={} {} ! c. audiotestsrc num-buffers=20 ! avenc_aac ! m.",
        half("red"),
        path.display(),
        half("blue")
    ));
    path
}

fn start(source: VideoSourceKind) -> (VideoSource, VideoFanout, UnboundedReceiver<SourceEvent>) {
    let fanout = VideoFanout::new();
    let (tell, events) = unbounded_channel();
    let settings = VideoSourceSettings {
        source,
        ..camera_settings()
    };
    let source = VideoSource::start(settings, fanout.clone(), tell);
    (source, fanout, events)
}

async fn why_not(source: VideoSourceKind) -> String {
    let (_source, _fanout, mut events) = start(source);
    let failing = async {
        loop {
            if let Some(SourceEvent::Failed { reason }) = events.recv().await {
                return reason;
            }
        }
    };
    within("a failure", failing).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_played_over_and_over_in_one_stream() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let path = film(folder.path(), 30);
    let (_source, fanout, mut events) = start(VideoSourceKind::File { path });
    let watching = fanout.subscribe(VideoCodec::H264);
    let watched = tokio::spawn(async move { watch_until(&watching, |frames| frames == 75).await });
    for colour in [Colour::Red, Colour::Blue, Colour::Red, Colour::Blue] {
        let showing = async {
            while middle(&fanout.snapshot(LIMIT).await.unwrap()) != colour {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        within("the next part of the film", showing).await;
    }
    let runs = within("75 frames", watched).await.unwrap();
    assert_eq!(runs.len(), 1, "the same encoder goes on");
    while let Ok(event) = events.try_recv() {
        assert!(matches!(event, SourceEvent::Running { .. }), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_film_with_more_pictures_than_wanted_some_are_left_out_evenly() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quick.webm");
    make(&format!(
        "videotestsrc num-buffers=200 ! video/x-raw,width=160,height=120,framerate=60/1 \
         ! vp8enc deadline=1 ! webmmux ! filesink location={}",
        path.display()
    ));
    let (_source, fanout, _events) = start(VideoSourceKind::File { path });
    let watching = fanout.subscribe(VideoCodec::Vp8);
    let first = within("a frame", watching.next()).await.rtp_timestamp;
    let mut last = first;
    for _ in 0..45 {
        last = within("a frame", watching.next()).await.rtp_timestamp;
    }
    // 45 distances of a 30th of a second, and a machine too busy for it has longer ones.
    assert!(last.wrapping_sub(first) >= 90_000 * 44 / 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_film_is_named_with_the_reason() {
    warm().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("text"), "no film at all, but words\n".repeat(100)).unwrap();
    make(&format!(
        "audiotestsrc num-buffers=50 ! vorbisenc ! oggmux ! filesink location={}",
        file("sound").display()
    ));
    make(&format!(
        "videotestsrc num-buffers=3 ! vp8enc ! webmmux ! filesink location={}",
        file("short").display()
    ));
    let whole = film(folder.path(), 30);
    let bytes = std::fs::read(&whole).unwrap();
    std::fs::write(file("half"), &bytes[..bytes.len() / 2]).unwrap();
    for (path, wanted) in [
        (file("absent"), "No such file"),
        (folder.path().to_owned(), "is no file"),
        (file("text"), "text file"),
        (file("sound"), ""),
        (file("short"), "shorter than"),
        (file("half"), ""),
    ] {
        let shown = path.display().to_string();
        let reason = why_not(VideoSourceKind::File { path }).await;
        println!("{shown}: {reason}");
        assert!(reason.contains(wanted), "{reason:?} and not {wanted:?}");
    }
}

/// An X server without a screen, at a display of its own choice.
struct XServer {
    child: Child,
    display: String,
}

impl XServer {
    fn start() -> Self {
        let mut child = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "640x480x24"])
            .args(["-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb is installed: scripts/setup test");
        let mut number = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut number)
            .unwrap();
        Self {
            child,
            display: format!(":{}", number.trim()),
        }
    }
}

impl Drop for XServer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_x_server_shows_is_seen_and_its_end_is_told() {
    warm().await;
    let server = XServer::start();
    let display = Some(server.display.clone());
    let (_source, fanout, mut events) = start(VideoSourceKind::Screen { display });
    let jpeg = fanout.snapshot(LIMIT).await.unwrap();
    let colour = middle(&jpeg);
    let is_black = matches!(colour, Colour::Other([0..40, 0..40, 0..40]));
    assert!(is_black, "{colour:?}");
    let watching = fanout.subscribe(VideoCodec::H264);
    watch_until(&watching, |frames| frames == 10).await;
    for absent in [":59000", ":65000"] {
        let display = Some(absent.to_owned());
        let reason = why_not(VideoSourceKind::Screen { display }).await;
        let wanted = format!("X server {absent}: ");
        assert!(reason.starts_with(&wanted), "{reason}");
    }
    drop(server);
    let failing =
        async { while !matches!(events.recv().await, Some(SourceEvent::Failed { .. })) {} };
    within("the end of the screen", failing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_element_a_libcamera_camera_names_what_to_install() {
    warm().await;
    if gst::ElementFactory::find("libcamerasrc").is_some() {
        return;
    }
    let reason = why_not(VideoSourceKind::Libcamera { name: None }).await;
    assert!(reason.contains("gstreamer1.0-libcamera"), "{reason}");
}
