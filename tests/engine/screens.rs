//! What whole devices show on a screen of software that is not ours.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cubelet::config::ScreenSelfView;
use cubelet::engine::call_command::{CallCommand, Conference, MediaDirection, Mute};
use cubelet::engine::command::Command;
use cubelet::engine::setting_command::{CameraSetting, DisplaySetting, Setting};
use cubelet::engine::state::{DeviceState, ScreenStatus, SourceStatus};

use crate::rtsp_camera::{Server, h264};
use crate::site::{Site, talk, user};
use crate::x_screen::{Colour, Shot, shows, x_server};

/// `[camera]` and the section of a camera that lets in one user and has that certificate.
fn camera(port: u16, certificate: &Path, password: &Path) -> String {
    format!(
        "[camera]\nsource = \"rtsps://127.0.0.1:{port}/live\"\nwidth = 320\nheight = 240\n\
         [[camera.network]]\nhost = \"127.0.0.1:{port}\"\nusername = \"viewer\"\n\
         password_file = {password:?}\ncertificate = {certificate:?}\n"
    )
}

fn on_screen(address: &str) -> String {
    format!(
        "[calls]\nbind = [\"127.0.0.1\"]\n[display]\nsink = \"window\"\naddress = \"{address}\"\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_by_tls_that_asks_who_watches_is_seen_in_a_call_on_the_other_sides_screen() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let made = || rcgen::generate_simple_self_signed(vec!["ipcam.example".to_owned()]).unwrap();
    let (own, other) = (made(), made());
    let pem = own.cert.pem() + &own.signing_key.serialize_pem();
    let pem = file("camera.pem", pem).display().to_string();
    let own = file("own.pem", own.cert.pem());
    let other = file("other.pem", other.cert.pem());
    let password = file("password", "correct horse".into());
    let wrong = file("wrong", "battery staple".into());
    let server = Server::start_at(0, &h264("green"), &["viewer", "correct horse", &pem]);
    let (_screen, address) = x_server(folder.path(), None);

    let site = Site::start().await;
    let mut indoor = site.station("indoor", &on_screen(&address)).await;
    assert_eq!(indoor.state().display.status, ScreenStatus::Closed);
    let ring = "[calls]\nring = [\"indoor\"]\nbind = [\"127.0.0.1\"]\n";
    let good = camera(server.port, &own, &password);
    let mut door = site.station_with_camera("door", &good, ring).await;
    talk(&mut door, &mut indoor).await;
    let is_green = |shot: &Shot| shot.at(320, 240) == Colour::Green;
    shows("the camera's green", folder.path(), is_green).await;
    assert_eq!(indoor.state().display.status, ScreenStatus::Showing);
    assert_eq!(door.state().camera.status, SourceStatus::Running);
    door.command(Command::Hangup).await.expect("hung up");
    indoor
        .reaches("a closed screen", |state| {
            state.display.status == ScreenStatus::Closed
        })
        .await;
    for (login, certificate, password, reason) in [
        ("side", &other, &password, "certificate"),
        ("back", &own, &wrong, "user or password is wrong"),
    ] {
        let bad = camera(server.port, certificate, password);
        let mut door = site.station_with_camera(login, &bad, ring).await;
        // What stands in for the picture is seen.
        talk(&mut door, &mut indoor).await;
        let is_told = |state: &DeviceState| {
            let told = state.camera.reason.as_deref().unwrap_or_default();
            state.camera.status == SourceStatus::Failed && told.contains(reason)
        };
        door.reaches("what is wrong with the camera", is_told).await;
        shows("no green", folder.path(), |shot| !is_green(shot)).await;
        door.command(Command::Hangup).await.expect("hung up");
        assert_eq!(indoor.ended().await, "remote_hung_up");
        door.stop().await;
    }
    door.stop().await;
    indoor.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_far_sides_is_muted_here_alone_and_leaves_the_screen_to_the_other() {
    use Colour::{Green, Red};
    const SPEAKS: &str = "[calls]\nbind = [\"127.0.0.1\"]\n[audio]\nsource = \"test:tone\"\n";
    let folder = tempfile::tempdir().unwrap();
    let (_screen, address) = x_server(folder.path(), None);
    let site = Site::start().await;
    let mut indoor = site.station("indoor", &on_screen(&address)).await;
    let seen =
        |pattern| format!("[camera]\nsource = \"test:{pattern}\"\nwidth = 320\nheight = 240\n");
    let mut red = site.station_with_camera("red", &seen("red"), SPEAKS).await;
    let mut green = site
        .station_with_camera("green", &seen("green"), SPEAKS)
        .await;
    let confer = Command::InCall(CallCommand::Confer(Conference {
        users: ["red", "green"].map(user).into(),
        call_type: None,
        info: [].into(),
    }));
    indoor.command(confer).await.expect("dialled");
    for station in [&mut red, &mut green] {
        station.rings().await;
        station.command(Command::Answer).await.expect("answered");
        station.is_connected().await;
    }
    let both = |shot: &Shot| {
        let halves = [shot.at(160, 240), shot.at(480, 240)];
        halves == [Red, Green] || halves == [Green, Red]
    };
    let is_heard = |state: &DeviceState, user| {
        let mut all = state.call.participants.iter();
        let level = all.find(|one| one.user == user).and_then(|one| one.level);
        level.is_some_and(|level| level.rms_dbfs > -30)
    };
    let (one, other) = (red.user, green.user);
    let mute = |login: &str, muted| {
        Command::InCall(CallCommand::Mute(Mute {
            audio: Some(muted),
            video: Some(muted),
            direction: MediaDirection::Receive,
            user: Some(user(login)),
        }))
    };
    for _ in 0..2 {
        shows("both", folder.path(), both).await;
        indoor
            .reaches("hearing both", |state| {
                is_heard(state, one) && is_heard(state, other)
            })
            .await;
        indoor.command(mute("red", true)).await.expect("muted");
        indoor
            .reaches("hearing the other alone", |state| {
                !is_heard(state, one) && is_heard(state, other)
            })
            .await;
        shows("the other alone", folder.path(), |shot| {
            [160, 320, 480].iter().all(|x| shot.at(*x, 240) == Green)
        })
        .await;
        // Neither of them is told, and each has the other.
        assert!(is_heard(&green.state(), one) && is_heard(&red.state(), other));
        indoor.command(mute("red", false)).await.expect("heard");
    }
    for station in [indoor, red, green] {
        station.stop().await;
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_see_themselves_in_a_corner_as_in_a_mirror_while_the_others_see_them() {
    use Colour::{Blue, Green};
    let folder = tempfile::tempdir().unwrap();
    let (_screen, address) = x_server(folder.path(), None);
    let site = Site::start().await;
    let seen =
        |pattern| format!("[camera]\nsource = \"test:{pattern}\"\nwidth = 320\nheight = 240\n");
    let shown = on_screen(&address) + "self_view = \"bottom_right\"\n";
    // Colour bars, the blue one at the right.
    let mut cart = site
        .station_with_camera("cart", &seen("smpte"), &shown)
        .await;
    let ring = "[calls]\nring = [\"cart\"]\nbind = [\"127.0.0.1\"]\n";
    let mut doctor = site
        .station_with_camera("doctor", &seen("green"), ring)
        .await;
    talk(&mut doctor, &mut cart).await;
    // The left edge of the small picture, and what is there without; the screen's shape is that of
    // both pictures.
    let bottom_right = |shot: &Shot| (shot.at(475, 365), shot.at(600, 300));
    let top_left = |shot: &Shot| (shot.at(22, 30), shot.at(600, 300));
    shows("both", folder.path(), |shot| {
        bottom_right(shot) == (Blue, Green) && top_left(shot) == (Green, Green)
    })
    .await;
    let move_to = |place| {
        let setting = DisplaySetting {
            self_view: Some(place),
            ..DisplaySetting::default()
        };
        Command::Set(Setting::Display(setting))
    };
    let moved = cart.command(move_to(ScreenSelfView::TopLeft)).await;
    moved.expect("moved");
    shows("itself elsewhere", folder.path(), |shot| {
        top_left(shot) == (Blue, Green) && bottom_right(shot) != (Blue, Green)
    })
    .await;
    let mute = |muted| {
        Command::InCall(CallCommand::Mute(Mute {
            audio: None,
            video: Some(muted),
            direction: MediaDirection::Send,
            user: None,
        }))
    };
    for _ in 0..2 {
        cart.command(mute(true)).await.expect("muted");
        shows("the other alone", folder.path(), |shot| {
            top_left(shot) == (Green, Green)
        })
        .await;
        cart.command(mute(false)).await.expect("seen again");
        shows("itself again", folder.path(), |shot| {
            top_left(shot) == (Blue, Green)
        })
        .await;
    }
    let covered = CameraSetting {
        muted: Some(true),
        ..CameraSetting::default()
    };
    let covered = Command::Set(Setting::Camera(covered));
    cart.command(covered).await.expect("covered");
    shows("nothing of a covered camera", folder.path(), |shot| {
        top_left(shot) == (Green, Green)
    })
    .await;
    cart.command(Command::Hangup).await.expect("hung up");
    cart.reaches("a closed screen", |state| {
        state.display.status == ScreenStatus::Closed
    })
    .await;
    for station in [cart, doctor] {
        station.stop().await;
    }
    site.hub.stop().await;
}
