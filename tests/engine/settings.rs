//! `<part>/set` on a whole device.

use cubelet::call::screen_layout::ScreenLayout;
use cubelet::call::screen_look::ScreenFit;
use cubelet::call::screen_self_view::ScreenSelfView;
use cubelet::engine::command::{Command, CommandError, ErrorCode};
use cubelet::engine::setting_command::{
    AudioSetting, CallSetting, CameraSetting, DisplaySetting, DoorSetting, Muted, PolicySetting,
    Setting,
};
use cubelet::engine::state::{DeviceState, DisplayState, ScreenStatus, SourceStatus, VolumeBy};
use serde_json::Value;

use crate::making::run_to_its_end;
use crate::site::{Site, Station, door_and_indoor, talk, user};

async fn set(station: &Station, setting: Setting) -> Result<Value, CommandError> {
    station.command(Command::Set(setting)).await
}

fn covered(muted: bool) -> Setting {
    Setting::Camera(CameraSetting {
        muted: Some(muted),
        ..CameraSetting::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policy_and_muted_sources_hold_at_once_and_over_a_restart() {
    let site = Site::start().await;
    let (mut door, indoor) = door_and_indoor(&site).await;
    let policy = Setting::Policy(PolicySetting {
        dnd: Some(true),
        ring_off: Some(vec![user("indoor")]),
        ..PolicySetting::default()
    });
    let told = set(&door, policy).await.expect("set");
    assert_eq!(told["policy"]["dnd"], true);
    assert_eq!(told["policy"]["ring_off"][0], indoor.user);
    let silent = Setting::Audio(AudioSetting {
        muted: Some(true),
        ..AudioSetting::default()
    });
    assert_eq!(
        set(&door, silent).await.expect("set")["audio"]["muted"],
        true
    );
    set(&door, covered(true)).await.expect("set");
    let refused = door.command(Command::Snapshot).await.expect_err("covered");
    assert_eq!(refused.code, ErrorCode::Unavailable);
    door = door
        .stop()
        .await
        .again(&site, "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    door.reaches("what was set before", |state| {
        state.policy.dnd && state.audio.microphone.muted && state.camera.muted
    })
    .await;
    assert!(door.command(Command::Snapshot).await.is_err());
    set(&door, covered(false)).await.expect("set");
    door.command(Command::Snapshot).await.expect("a picture");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_call_and_the_door_are_set_and_what_cannot_be_is_named() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    let quiet = || {
        Setting::Call(CallSetting {
            muted: Some(Muted {
                audio: Some(true),
                video: None,
            }),
            held: None,
            limit_kbps: Some(300),
        })
    };
    let without_call = set(&door, quiet()).await.expect_err("no call");
    assert_eq!(without_call.code, ErrorCode::WrongState);
    for (setting, field) in [(
        Setting::Audio(AudioSetting {
            volume: Some(50),
            ..AudioSetting::default()
        }),
        "volume: ",
    )] {
        let error = set(&door, setting).await.expect_err("media has no way");
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert!(error.message.starts_with(field), "{error}");
    }
    talk(&mut door, &mut indoor).await;
    let told = set(&door, quiet()).await.expect("set");
    assert_eq!(told["call"]["muted"]["audio"], true);
    assert_eq!(told["call"]["limit_kbps"], 300);
    let open = Setting::Door(DoorSetting {
        unlocked: Some(true),
    });
    let told = set(&door, open).await.expect("opened");
    assert_eq!(told["door"]["unlocked"], true);
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

fn camera(source: &str) -> Setting {
    Setting::Camera(CameraSetting {
        source: Some(source.to_owned()),
        ..CameraSetting::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_camera_is_switched_in_a_call_and_pictures_go_on() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    let told = set(&door, camera("test:smpte")).await.expect("switched");
    assert_eq!(told["camera"]["source"], "test:smpte");
    let decoded = |state: &DeviceState| state.call.media.as_ref().map_or(0, |m| m.frames_decoded);
    let before = decoded(&indoor.state());
    indoor
        .reaches("pictures of the other camera", |state| {
            decoded(state) > before + 10
        })
        .await;
    let refused = set(&door, camera("v4l2:/dev/video9")).await;
    let refused = refused.expect_err("not configured");
    assert_eq!(refused.code, ErrorCode::NotFound);
    assert!(
        refused.message.contains("test:ball, test:smpte"),
        "{refused}"
    );
    assert_eq!(door.state().camera.source, "test:smpte");
    door.command(Command::Hangup).await.expect("ended");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

/// From a test picture to a film, to another station's camera, to a screen that is not there (which
/// is a placeholder), and back: the other side decodes all of it without a new agreement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_of_one_kind_is_switched_to_another_kind_in_a_call() {
    let site = Site::start().await;
    let bind = "[calls]\nbind = [\"127.0.0.1\"]\n";
    let serving = format!("{bind}[rtsp]\nlisten = \"127.0.0.1:0\"\n");
    let mut garden = site.station("garden", &serving).await;
    let bound = garden.rtsp.wait_for(Option::is_some).await;
    let address = (*bound.expect("a server")).expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let film = folder.path().join("film.webm");
    make_film(&film);
    let sources = [
        format!("file:{}", film.display()),
        format!("rtsp://{address}/live"),
        "screen::59000".to_owned(),
        "test:ball".to_owned(),
    ];
    let camera_section = format!(
        "[camera]\nsource = \"test:ball\"\nothers = {:?}\nwidth = 320\nheight = 240\n",
        &sources[..3]
    );
    let ringing = format!("{bind}ring = [\"indoor\"]\n[control]\ntest_commands = true\n");
    let mut door = site
        .station_with_camera("door", &camera_section, &ringing)
        .await;
    let mut indoor = site.station("indoor", bind).await;
    talk(&mut door, &mut indoor).await;
    for source in sources {
        set(&door, camera(&source)).await.expect("switched");
        let wanted = match source.starts_with("screen") {
            true => SourceStatus::Failed,
            false => SourceStatus::Running,
        };
        door.reaches("the other camera's state", |state| {
            state.camera.source == source && state.camera.status == wanted
        })
        .await;
        let decoded =
            |state: &DeviceState| state.call.media.as_ref().map_or(0, |m| m.frames_decoded);
        let before = decoded(&indoor.state());
        indoor
            .reaches("pictures of it", |state| decoded(state) > before + 10)
            .await;
    }
    door.command(Command::Hangup).await.expect("ended");
    for station in [door, indoor, garden] {
        station.stop().await;
    }
    site.hub.stop().await;
}

/// Two seconds.
fn make_film(path: &std::path::Path) {
    run_to_its_end(&format!(
        "videotestsrc num-buffers=30 ! video/x-raw,width=160,height=120,framerate=15/1 ! vp8enc deadline=1 \
         ! webmmux ! filesink location={}",
        path.display()
    ));
}

/// ALSA's own `null` is a loudspeaker that needs no card.
pub const WITH_SPEAKER: &str = "[calls]\nbind = [\"127.0.0.1\"]\n\
    [audio]\nsource = \"test\"\nsink = \"alsa:null\"\n";

/// ALSA's `null` has no mixer, so the mix does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loudspeakers_volume_is_set_shown_and_remembered() {
    let site = Site::start().await;
    let ringing = format!("{WITH_SPEAKER}[calls.incoming]\nring_volume = 60\n");
    let mut door = site.station("door", &ringing).await;
    assert_eq!(door.state().audio.ring_volume, Some(60));
    let quiet = Setting::Audio(AudioSetting {
        volume: Some(30),
        ring_volume: Some(80),
        speaker_muted: Some(true),
        ..AudioSetting::default()
    });
    let told = set(&door, quiet).await.expect("set");
    assert_eq!(told["audio"]["volume"], 30);
    assert_eq!(told["audio"]["ring_volume"], 80);
    assert_eq!(told["audio"]["speaker_muted"], true);
    door.reaches("who sets the volume", |state| {
        state.audio.speaker.volume_by == Some(VolumeBy::Mix)
    })
    .await;
    let loud = Setting::Audio(AudioSetting {
        speaker_muted: Some(false),
        ..AudioSetting::default()
    });
    set(&door, loud).await.expect("set");
    door = door.stop().await.again(&site, &ringing).await;
    door.reaches("the volumes set before", |state| {
        let audio = &state.audio;
        audio.volume == Some(30)
            && audio.ring_volume == Some(80)
            && !audio.speaker_muted
            && audio.speaker.volume_by == Some(VolumeBy::Mix)
    })
    .await;
    door.stop().await;
    site.hub.stop().await;
}

fn at_most(max_kbps: u32, max_fps: u32, max_height: u32) -> Setting {
    Setting::Camera(CameraSetting {
        max_kbps: Some(max_kbps),
        max_fps: Some(max_fps),
        max_height: Some(max_height),
        ..CameraSetting::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_camera_is_limited_in_a_call_and_over_a_restart_until_that_is_lifted() {
    let site = Site::start().await;
    let (mut door, mut indoor) = door_and_indoor(&site).await;
    talk(&mut door, &mut indoor).await;
    let told = set(&door, at_most(150, 5, 120)).await.expect("set");
    assert_eq!(told["camera"]["max_kbps"], 150);
    assert_eq!(told["camera"]["max_fps"], 5);
    assert_eq!(told["camera"]["max_height"], 120);
    door.reaches("a slow encoder of small pictures", |state| {
        let media = state.call.media.as_ref();
        let encoder = media.and_then(|media| media.encoder_kbps.zip(media.encoder_picture));
        encoder.is_some_and(|(kbps, [_, height, framerate])| {
            kbps <= 150 && framerate <= 5 && height <= 120
        })
    })
    .await;
    door.command(Command::Hangup).await.expect("ended");
    door = door
        .stop()
        .await
        .again(&site, "[calls]\nbind = [\"127.0.0.1\"]\n")
        .await;
    door.reaches("the limits of before", |state| {
        let camera = &state.camera;
        let limits = [camera.max_kbps, camera.max_fps, camera.max_height];
        limits == [Some(150), Some(5), Some(120)]
    })
    .await;
    let told = set(&door, at_most(0, 0, 0)).await.expect("lifted");
    assert!(told["camera"]["max_kbps"].is_null(), "{told}");
    assert!(told["camera"]["max_fps"].is_null(), "{told}");
    assert!(told["camera"]["max_height"].is_null(), "{told}");
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_screen_is_laid_out_anew_and_stays_so_over_a_restart() {
    let site = Site::start().await;
    // Of nobody, so that the screen fails whatever the machine has.
    let screen = "[calls]\nbind = [\"127.0.0.1\"]\n\
                  [display]\nsink = \"wayland\"\naddress = \"/nobody\"\nrotate = 90\n";
    let indoor = site.station("indoor", screen).await;
    let is_shown = |state: &DeviceState, layout, fit, mirror, area: &str| {
        let shown = &state.display;
        (shown.layout, shown.fit) == (Some(layout), Some(fit))
            && shown.mirror == mirror
            && shown.area == Some(area.parse().unwrap())
            && shown.status == ScreenStatus::Closed
    };
    assert!(is_shown(
        &indoor.state(),
        ScreenLayout::Grid,
        ScreenFit::Contain,
        false,
        "full"
    ));
    let layout = |layout| {
        Setting::Display(DisplaySetting {
            layout: Some(layout),
            ..DisplaySetting::default()
        })
    };
    let told = set(&indoor, layout(ScreenLayout::Speaker)).await;
    assert_eq!(told.expect("set")["display"]["layout"], "speaker");
    let look = Setting::Display(DisplaySetting {
        fit: Some(ScreenFit::Cover),
        mirror: Some(true),
        area: Some("640x360+20+10".parse().unwrap()),
        self_view: Some(ScreenSelfView::BottomLeft),
        ..DisplaySetting::default()
    });
    let told = set(&indoor, look).await.expect("set");
    assert_eq!(told["display"]["area"], "640x360+20+10");
    let mut indoor = indoor.stop().await.again(&site, screen).await;
    indoor
        .reaches("what was set before", |state| {
            let speaker = ScreenLayout::Speaker;
            is_shown(state, speaker, ScreenFit::Cover, true, "640x360+20+10")
                && state.display.self_view == Some(ScreenSelfView::BottomLeft)
        })
        .await;
    // The same device without its screen.
    let blind = "[calls]\nbind = [\"127.0.0.1\"]\n";
    let indoor = indoor.stop().await.again(&site, blind).await;
    assert_eq!(indoor.state().display.layout, None);
    let refused = set(&indoor, layout(ScreenLayout::Grid)).await;
    let refused = refused.expect_err("no screen");
    assert_eq!(refused.code, ErrorCode::Unavailable);
    assert!(refused.message.contains("no screen"), "{refused}");
    assert_eq!(indoor.state().display, DisplayState::default());
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn controls_of_a_camera_that_has_none_or_is_away_are_refused_and_nothing_else_is_changed() {
    let site = Site::start().await;
    let cameras = "[camera]\nsource = \"test:ball\"\nothers = [\"v4l2:/dev/video-absent\"]\n";
    let calls = "[calls]\nbind = [\"127.0.0.1\"]\n";
    let door = site.station_with_camera("door", cameras, calls).await;
    let bright = |source: Option<&str>| {
        Setting::Camera(CameraSetting {
            source: source.map(str::to_owned),
            muted: Some(true),
            controls: Some([("brightness".to_owned(), None)].into()),
            ..CameraSetting::default()
        })
    };
    for (source, wanted) in [
        (None, "controls: test:ball has none"),
        (
            Some("v4l2:/dev/video-absent"),
            "controls: there is no /dev/video-absent",
        ),
    ] {
        let refused = set(&door, bright(source)).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::Unavailable);
        assert!(refused.message.starts_with(wanted), "{}", refused.message);
        let camera = door.state().camera;
        assert_eq!((camera.source.as_str(), camera.muted), ("test:ball", false));
        assert!(camera.controls.is_empty());
        // It is known to have none, not merely unasked.
        assert_eq!(camera.settable, Some([].into()));
    }
    door.stop().await;
    site.hub.stop().await;
}
