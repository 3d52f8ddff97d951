//! `cubelet doctor` on a real hub and a real broker: each thing that is wrong is named, with what to
//! do about it, and nothing else is.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tokio::net::UnixStream;

use crate::broker::Broker;
use crate::site::Site;
use crate::wayland_screen::weston;
use crate::x_screen::x_server;

const PASSWORD: &str = "a long password";
const CAMERA: &str = "[camera]\nsource = \"test:ball\"\nwidth = 320\nheight = 240\n";

struct Outcome {
    ok: bool,
    checks: Vec<Value>,
}

impl Outcome {
    fn check(&self, name: &str) -> &Value {
        self.checks
            .iter()
            .find(|check| check["name"] == name)
            .unwrap_or_else(|| panic!("no {name} in {:#?}", self.checks))
    }

    fn failed(&self) -> Vec<&str> {
        self.checks
            .iter()
            .filter(|check| check["status"] == "failed")
            .filter_map(|check| check["name"].as_str())
            .collect()
    }

    /// The only failure, with words of its detail and its remedy.
    fn fails_only(&self, name: &str, detail: &str, remedy: &str) {
        assert_eq!(self.failed(), [name], "{:#?}", self.checks);
        let check = self.check(name);
        let says = |field: &str, words: &str| check[field].as_str().unwrap().contains(words);
        assert!(says("detail", detail), "{check}");
        assert!(says("remedy", remedy), "{check}");
        assert!(!self.ok);
    }
}

fn doctor(file: &Path) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_cubelet"))
        .args(["doctor", "--json", "--config"])
        .arg(file)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let ok = answer["ok"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!ok)));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains(PASSWORD), "the password is shown: {said}");
    Outcome {
        ok,
        checks: answer["checks"].as_array().unwrap().clone(),
    }
}

/// A device that could run, and its broker.
async fn healthy() -> (Site, Broker, std::path::PathBuf) {
    let site = Site::start().await;
    site.sign_up("door", PASSWORD).await;
    let broker = Broker::start().await;
    let file = configured(&site, PASSWORD, CAMERA, &mqtt(broker.port));
    (site, broker, file)
}

fn configured(site: &Site, password: &str, camera: &str, extra: &str) -> std::path::PathBuf {
    site.configure("door", "login = \"door\"", password, camera, extra)
}

fn mqtt(port: u16) -> String {
    format!("[mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_wrong_with_a_device_that_could_run() {
    let (site, _broker, file) = healthy().await;
    let outcome = doctor(&file);
    assert!(outcome.ok, "{:#?}", outcome.checks);
    for name in [
        "configuration",
        "state folder",
        "room on disk",
        "clock",
        "hub",
        "chat server",
        "encoder",
        "camera",
        "display",
        "MQTT broker",
    ] {
        assert_eq!(outcome.check(name)["status"], "passed", "{name}");
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_daemon_is_left_its_camera_and_its_connection() {
    let site = Site::start().await;
    let mut door = site.station("door", "").await;
    let outcome = doctor(&site.state_folder("door").with_file_name("kiosk.toml"));
    assert!(outcome.ok, "{:#?}", outcome.checks);
    let state = outcome.check("state folder")["detail"].as_str().unwrap();
    assert!(state.contains("the daemon is running"), "{state}");
    assert_eq!(outcome.check("camera")["status"], "skipped");
    door.stays_for(Duration::from_millis(300), |state| {
        state.chat.status == cubelet::engine::state::ChatStatus::Online
    })
    .await;
    door.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_from_a_hub_that_is_away() {
    let (site, broker, _) = healthy().await;
    let file = configured(&site, "another password", CAMERA, &mqtt(broker.port));
    doctor(&file).fails_only("hub", "not authorised", "hub.password_file");
    let file = configured(&site, PASSWORD, CAMERA, &mqtt(broker.port));
    site.hub.stop().await;
    let outcome = doctor(&file);
    assert_eq!(outcome.failed(), ["hub", "chat server"]);
    let hub = outcome.check("hub").to_string();
    assert!(hub.contains("cannot connect"), "{hub}");
    assert!(hub.contains("is the hub running"), "{hub}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_behind_another_certificate_is_named_with_the_file_to_change() {
    let (site, broker, file) = healthy().await;
    // A CA that has nothing to do with this hub.
    let stranger = rcgen::generate_simple_self_signed(["hub.example".to_owned()]).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let ca = file.with_file_name("stranger.pem");
    std::fs::write(&ca, stranger.cert.pem()).unwrap();
    let ready = site.hub.ready();
    let text = text
        .replace(&ready.ca.display().to_string(), "stranger.pem")
        .replace(&ready.api, &ready.https);
    std::fs::write(&file, text).unwrap();
    let outcome = doctor(&file);
    assert_eq!(
        outcome.failed(),
        ["hub", "chat server"],
        "{:#?}",
        outcome.checks
    );
    for name in ["hub", "chat server"] {
        let check = outcome.check(name).to_string();
        assert!(check.contains("TLS"), "{check}");
        assert!(check.contains("hub.ca"), "{check}");
    }
    drop(broker);
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_is_named() {
    let (site, broker, file) = healthy().await;
    drop(broker);
    doctor(&file).fails_only("MQTT broker", "no connection", "is Mosquitto running");
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_and_a_sound_card_that_are_not_there_are_named() {
    let (site, broker, _) = healthy().await;
    let camera = "[camera]\nsource = \"v4l2:/dev/video-absent\"\n";
    let file = configured(&site, PASSWORD, camera, &mqtt(broker.port));
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("source = \"test\"", "source = \"alsa:absent\"");
    std::fs::write(&file, text).unwrap();
    let outcome = doctor(&file);
    assert_eq!(
        outcome.failed(),
        ["camera", "microphone"],
        "{:#?}",
        outcome.checks
    );
    for name in ["camera", "microphone"] {
        let check = outcome.check(name).to_string();
        assert!(
            check.contains("absent") && check.contains("cubelet devices"),
            "{check}"
        );
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_of_the_network_and_a_film_that_are_not_there_are_named() {
    let (site, broker, _) = healthy().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    for (source, detail, remedy) in [
        (format!("rtsp://{address}/live"), "connect", "rtsp_username"),
        ("file:absent.mp4".into(), "No such file", "name a film"),
    ] {
        let camera = format!("[camera]\nsource = {source:?}\n");
        let file = configured(&site, PASSWORD, &camera, &mqtt(broker.port));
        doctor(&file).fails_only("camera", detail, remedy);
    }
    site.hub.stop().await;
}

fn on_screen(site: &Site, broker: &Broker, display: &str) -> std::path::PathBuf {
    let extra = format!("[display]\n{display}\n{}", mqtt(broker.port));
    configured(site, PASSWORD, CAMERA, &extra)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_that_is_not_there_is_named_with_what_would_be_one() {
    let (site, broker, _) = healthy().await;
    for (display, detail, remedy) in [
        ("sink = 'window'", "no window system", "[display] address"),
        ("sink = 'x11'\naddress = ':59000'", ":59000", "xhost"),
        (
            "sink = 'wayland'\naddress = '/absent/wayland-1'",
            "/absent/wayland-1: No such file",
            "the socket of a compositor",
        ),
        (
            "sink = 'kms'\naddress = '/dev/dri/absent'",
            "/dev/dri/absent: No such file",
            "ls /dev/dri",
        ),
        // A device, but none of screens.
        (
            "sink = 'kms'\naddress = '/dev/null'\nconnector = 'HDMI-A-9'",
            "no connectors",
            "[display] connector",
        ),
    ] {
        doctor(&on_screen(&site, &broker, display)).fails_only("display", detail, remedy);
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compositor_that_does_not_answer_is_not_waited_for() {
    let (site, broker, _) = healthy().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("silent");
    let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let display = format!("sink = 'wayland'\naddress = {socket:?}");
    doctor(&on_screen(&site, &broker, &display)).fails_only("display", "no answer", "anew");
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_that_would_open_is_told_with_its_name() {
    let (site, broker, _) = healthy().await;
    let folder = tempfile::tempdir().unwrap();
    let (_x, x) = x_server(folder.path(), None);
    let _weston = weston(folder.path());
    let socket = folder.path().join("screen");
    // It has no word for being ready.
    let ready = async {
        while UnixStream::connect(&socket).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ready)
        .await
        .expect("weston listens");
    let wayland = socket.display().to_string();
    for (sink, address, told) in [
        ("x11", &x, format!("X server {x}, 640x480")),
        ("wayland", &wayland, format!("Wayland at {wayland}")),
        ("window", &wayland, format!("Wayland at {wayland}")),
    ] {
        let display = format!("sink = '{sink}'\naddress = {address:?}");
        let outcome = doctor(&on_screen(&site, &broker, &display));
        assert!(outcome.ok, "{:#?}", outcome.checks);
        let check = outcome.check("display");
        assert_eq!(check["status"], "passed");
        assert_eq!(check["detail"], told);
    }
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stun_server_that_does_not_answer_is_named() {
    let (site, broker, _) = healthy().await;
    // Bound, so that nobody else answers there, and silent.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("stun:{}", silent.local_addr().unwrap());
    let ice = format!(
        "[[calls.ice_servers]]\nurls = [\"{url}\"]\n{}",
        mqtt(broker.port)
    );
    let file = configured(&site, PASSWORD, CAMERA, &ice);
    doctor(&file).fails_only("STUN server", &url, "UDP port");
    site.hub.stop().await;
}

#[test]
fn a_wrong_configuration_is_all_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kiosk.toml");
    std::fs::write(&file, "[device]\nname = \"Front Door\"\n").unwrap();
    let outcome = doctor(&file);
    assert!(!outcome.ok);
    let all = format!("{:?}", outcome.checks);
    for mistake in [
        "kiosk.toml:2:8: device.name",
        "the section [hub] is missing",
    ] {
        assert!(all.contains(mistake), "{all}");
    }
    assert_eq!(outcome.check("everything else")["status"], "skipped");
}
