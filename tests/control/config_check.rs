//! A device's file: what is taken, what is refused, and how mistakes read.

use std::process::ExitCode;

use clap::Parser;
use cubelet::call::party::Party;
use cubelet::config::device::VERBS;
use cubelet::config::{
    Account, AudioSink, AudioSource, ChatEndpoint, Relay, ScreenFit, ScreenSelfView, VideoCodec,
    VideoSink, VideoSource,
};
use cubelet::protocol::address::UserRef;
use cubelet::protocol::call_signal::CallType;

use crate::fixture::{Fixture, MINIMAL};

#[test]
fn the_least_configuration_gets_the_documented_defaults() {
    let config = Fixture::new().check(MINIMAL).outcome.unwrap();
    assert_eq!(config.device.name, "front-door");
    assert_eq!(
        config.device.state_dir,
        std::path::Path::new("/var/lib/cubelet")
    );
    assert_eq!(config.hub.chat_host, "chat.example");
    assert_eq!(
        config.hub.chat,
        ChatEndpoint::Tls {
            host: "chat.example".into(),
            port: 5223
        }
    );
    assert_eq!(config.camera.source, VideoSource::None);
    assert_eq!((config.camera.width, config.camera.height), (640, 480));
    assert_eq!(
        (config.camera.framerate, config.camera.bitrate_kbps),
        (30, 1200)
    );
    assert_eq!(config.camera.codec, VideoCodec::H264);
    assert!(config.camera.warm);
    assert_eq!(config.audio.source, AudioSource::None);
    assert_eq!(config.audio.sink, AudioSink::Null);
    assert_eq!(config.display.sink, VideoSink::Null);
    assert_eq!(config.calls.call_type, CallType::Video);
    assert_eq!(
        (
            config.calls.answer_timeout_s,
            config.calls.dialing_interval_s,
            config.calls.disconnect_timeout_s
        ),
        (60, 5, 30)
    );
    assert_eq!(config.door.relay, Relay::None);
    assert_eq!(config.door.pulse_ms, 3000);
    assert!(
        config.door.unlock_allowed.is_empty(),
        "nobody may open the door"
    );
    assert!(config.mqtt.is_none());
    assert_eq!(config.control.commands, VERBS, "everything may be ordered");
    assert!(!config.control.test_commands);
}

#[test]
fn every_mistake_is_named_at_once_with_line_column_field_and_rule() {
    let fixture = Fixture::new();
    fixture.secret("open", "x", 0o644);
    let problems = fixture.problems(
        r#"[device]
name = "Front Door"
[hub]
api = "http://hub.example"
chat = "ftp://chat.example"
auth_key = "key"
login = "door"
password_file = "open"
[camera]
width = 5000
widht = 3
framerate = "fast"
[calls]
ring = ["a", "b", "a"]
[moon]
"#,
    );
    let chmod = "hub.password_file: open can be read by others (mode 0644); run `chmod 600 open`";
    assert_eq!(
        problems,
        [
            "kiosk.toml:2:8: device.name: must be 1 to 32 of `a-z 0-9 _ -`, for it is part of every topic".to_owned(),
            "kiosk.toml:3:1: hub.app_id: is required".to_owned(),
            "kiosk.toml:4:7: hub.api: http is only allowed to this machine; use https".to_owned(),
            "kiosk.toml:5:8: hub.chat: must be tls, wss or ws, not ftp".to_owned(),
            format!("kiosk.toml:8:17: {chmod}"),
            "kiosk.toml:10:9: camera.width: 5000 is above the largest 3840".to_owned(),
            "kiosk.toml:11:1: camera.widht: unknown key `widht`; did you mean `width`?".to_owned(),
            "kiosk.toml:12:13: camera.framerate: must be a whole number, not a string".to_owned(),
            "kiosk.toml:14:19: calls.ring[2]: is in the list already".to_owned(),
            "kiosk.toml:15:2: moon: unknown section `moon`; known are: device, hub, chat, history, attachments, camera, audio, display, calls, schedule, door, button, visitor_message, say, recording, mqtt, control, console, rtsp, rule".to_owned(),
        ]
    );
}

#[test]
fn a_file_without_sections_is_told_which_ones_it_needs() {
    let problems = Fixture::new().problems("");
    assert_eq!(
        problems,
        [
            "kiosk.toml:1:1: device: the section [device] is missing",
            "kiosk.toml:1:1: hub: the section [hub] is missing",
        ]
    );
}

#[test]
fn broken_toml_and_duplicate_keys_are_named_with_their_line() {
    let problems = Fixture::new().problems("[device]\nname = \"a\"\nname = \"b\"\n");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].starts_with("kiosk.toml:3:1: duplicate key"),
        "{problems:?}"
    );
    let problems = Fixture::new().problems("[device\nname = \"a\"\n");
    assert!(problems[0].starts_with("kiosk.toml:1:8: "), "{problems:?}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing = Fixture::new().path().join("no.toml");
    let error = cubelet::config::load_device(&missing).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no.toml: cannot be read: No such file")
    );
}

#[test]
fn plain_connections_are_taken_to_this_machine_only() {
    let fixture = Fixture::new();
    for (host, fits) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("[::1]", true),
        ("192.168.1.4", false),
        ("localhost.evil.example", false),
    ] {
        let text = MINIMAL
            .replace("https://hub.example", &format!("http://{host}:8080"))
            .replace("tls://chat.example", &format!("ws://{host}:8080/xmpp"));
        let outcome = fixture.check(&text).outcome;
        assert_eq!(outcome.is_ok(), fits, "{host}: {outcome:?}");
    }
}

#[test]
fn urls_with_credentials_or_queries_are_refused() {
    let fixture = Fixture::new();
    for bad in [
        "https://u:p@hub.example",
        "https://hub.example/?x",
        "https://",
        "hub",
        "file:///etc",
    ] {
        let problems = fixture.problems(&MINIMAL.replace("https://hub.example", bad));
        assert!(problems[0].contains("hub.api: "), "{bad}: {problems:?}");
        assert!(!problems[0].contains("u:p"), "{problems:?}");
    }
}

#[test]
fn sources_and_sinks_are_read() {
    let config = Fixture::new()
        .check_with(
            "[camera]\nsource = 'v4l2:/dev/video3'\ncodec = 'vp8'\n\
             [audio]\nsource = 'alsa:plughw:1,0'\nsink = 'alsa:default'\n\
             [display]\nsink = 'window'\n",
        )
        .outcome
        .unwrap();
    assert_eq!(
        config.camera.source,
        VideoSource::V4l2("/dev/video3".into())
    );
    assert_eq!(config.camera.codec, VideoCodec::Vp8);
    assert_eq!(config.audio.source, AudioSource::Alsa("plughw:1,0".into()));
    assert_eq!(config.audio.sink, AudioSink::Alsa("default".into()));
    assert_eq!(config.display.sink, VideoSink::Window);
    for (text, pattern) in [("test", "smpte"), ("test:ball", "ball")] {
        let config = Fixture::new()
            .check_with(&format!("[camera]\nsource = '{text}'\n"))
            .outcome
            .unwrap();
        let pattern = pattern.to_owned();
        assert_eq!(config.camera.source, VideoSource::Test { pattern });
    }
}

#[test]
fn a_screen_is_read_and_what_it_cannot_be_is_named() {
    let check = |text: &str| Fixture::new().check_with(&format!("[display]\n{text}\n"));
    let shown = check(
        "sink = 'kms'\naddress = '/dev/dri/card1'\nconnector = 'HDMI-A-1'\nmode = '1280x720'\n\
         rotate = 270\nmirror = true\nfit = 'cover'\narea = '640x360+0+20'\nself_view = 'top_right'",
    );
    let shown = shown.outcome.unwrap().display;
    assert_eq!(shown.sink, VideoSink::Kms);
    assert_eq!(shown.address.as_deref(), Some("/dev/dri/card1"));
    assert_eq!(shown.connector.as_deref(), Some("HDMI-A-1"));
    assert_eq!((shown.mode, shown.rotate), (Some((1280, 720)), 270));
    assert_eq!((shown.mirror, shown.fit), (true, ScreenFit::Cover));
    assert_eq!(shown.area.to_string(), "640x360+0+20");
    assert_eq!(shown.self_view, ScreenSelfView::TopRight);
    for (sink, read) in [
        ("none", VideoSink::Null),
        ("null", VideoSink::Null),
        ("wayland", VideoSink::Wayland),
        ("x11", VideoSink::X11),
    ] {
        let config = check(&format!("sink = '{sink}'")).outcome.unwrap();
        assert_eq!(config.display.sink, read);
    }
    for (text, problem) in [
        (
            "sink = 'x11'\naddress = 'wayland-1'",
            "address: must be a display of X11",
        ),
        ("sink = 'kms'\naddress = ':0'", "address: must be a device"),
        (
            "sink = 'window'\nmode = '1280x720'",
            "mode: has a use with `sink = \"kms\"` only",
        ),
        ("connector = 'HDMI-A-1'", "connector: has a use with"),
        ("sink = 'kms'\nmode = '1280'", "mode: must be WIDTHxHEIGHT"),
        (
            "sink = 'kms'\nmode = '+1280x720'",
            "mode: must be WIDTHxHEIGHT",
        ),
        (
            "sink = 'kms'\nconnector = 'a b'",
            "connector: must be a connector's name",
        ),
        ("rotate = 45", "rotate: must be 0, 90, 180 or 270"),
        ("self_view = 'middle'", "self_view: unknown value `middle`"),
        (
            "area = '640x360'",
            "area: must be `full` or `WIDTHxHEIGHT+X+Y`",
        ),
        (
            "sink = 'wayland'\naddress = ''",
            "address: must be 1 to 107 bytes",
        ),
    ] {
        let problems = check(text).outcome.unwrap_err().to_string();
        assert!(problems.contains(problem), "{text}: {problems}");
    }
}

#[test]
fn sources_that_could_smuggle_a_pipeline_are_refused() {
    for source in [
        "test:ball ! filesink",
        "v4l2:video0",
        "v4l2:",
        "rtsp:// ! filesink",
        "file:",
        "none:x",
        "",
    ] {
        let problems = Fixture::new().problems_with(&format!("[camera]\nsource = '{source}'\n"));
        assert!(
            problems[0].contains("camera.source: "),
            "{source}: {problems:?}"
        );
    }
}

#[test]
fn users_are_numbers_or_logins() {
    let config = Fixture::new()
        .check_with("[calls]\nring = [1002, 'kitchen']\n[door]\nunlock_allowed = [0x10]\n")
        .outcome
        .unwrap();
    assert_eq!(
        config.calls.ring,
        [
            Party::User(UserRef::Id(1002)),
            Party::User(UserRef::Login("kitchen".into()))
        ]
    );
    assert_eq!(config.door.unlock_allowed, [Party::User(UserRef::Id(16))]);
    for bad in ["-1", "''", "'a b'", "true", "1.5"] {
        let problems = Fixture::new().problems_with(&format!("[calls]\nring = [{bad}]\n"));
        assert!(
            problems[0].contains("calls.ring[0]: "),
            "{bad}: {problems:?}"
        );
    }
}

#[test]
fn an_odd_picture_size_is_refused() {
    let problems = Fixture::new().problems_with("[camera]\nwidth = 641\n");
    assert!(
        problems[0].contains("camera.width: must be even"),
        "{problems:?}"
    );
}

#[test]
fn a_turn_server_needs_user_and_credential_and_a_stun_server_neither() {
    let fixture = Fixture::new();
    fixture.secret("turn", "s3cret", 0o600);
    let config = fixture
        .check_with(
            "[[calls.ice_servers]]\nurls = ['stun:stun.example:3478']\n\
             [[calls.ice_servers]]\nurls = ['turn:[::1]:3478?transport=udp']\nusername = 'u'\n\
             credential_file = 'turn'\n",
        )
        .outcome
        .unwrap();
    assert_eq!(config.calls.ice_servers.len(), 2);
    let turn = &config.calls.ice_servers[1];
    assert_eq!(turn.credential.as_ref().unwrap().expose(), "s3cret");
    let problems = fixture.problems_with("[[calls.ice_servers]]\nurls = ['turn:t.example']\n");
    assert!(
        problems
            .iter()
            .any(|p| p.contains("calls.ice_servers[0].username: "))
    );
    assert!(
        problems
            .iter()
            .any(|p| p.contains("calls.ice_servers[0].credential_file: "))
    );
    for bad in [
        "turns:t.example?transport=udp",
        "turn:t.example?transport=sctp",
        "stun:t.example?transport=tcp",
        "http:x",
        "stun:",
        "stun:a@b",
    ] {
        let more = format!("[[calls.ice_servers]]\nurls = ['{bad}']\n");
        let problems = fixture.problems_with(&more);
        assert!(
            problems.iter().any(|p| p.contains("urls[0]: ")),
            "{bad}: {problems:?}"
        );
    }
    let problems = fixture.problems_with("[[calls.ice_servers]]\nurls = []\n");
    assert!(problems[0].contains("at least one"), "{problems:?}");
}

#[test]
fn a_broker_on_this_machine_is_plain_and_another_is_encrypted() {
    let fixture = Fixture::new();
    let mqtt = |more: &str| fixture.check_with(&format!("[mqtt]\n{more}\n")).outcome;
    let local = mqtt("host = '127.0.0.1'").unwrap().mqtt.unwrap();
    assert_eq!(
        (local.tls, local.port, local.base.as_str()),
        (false, 1883, "cubelet")
    );
    let remote = mqtt("host = 'broker.example'").unwrap().mqtt.unwrap();
    assert_eq!((remote.tls, remote.port), (true, 8883));
    let problems = fixture.problems_with("[mqtt]\nhost = 'broker.example'\ntls = false\n");
    assert!(
        problems[0].contains("mqtt.tls: may be off only"),
        "{problems:?}"
    );
}

#[test]
fn plaintext_to_another_machine_is_taken_with_a_warning() {
    let fixture = Fixture::new();
    let report =
        fixture.check_with("[mqtt]\nhost = 'broker.example'\ntls = false\nplaintext = true\n");
    assert!(!report.outcome.unwrap().mqtt.unwrap().tls);
    assert_eq!(report.warnings.len(), 1);
    assert!(
        report.warnings[0]
            .to_string()
            .contains("mqtt.plaintext: warning: ")
    );
}

#[test]
fn topic_bases_with_wildcards_or_stray_slashes_are_refused() {
    for bad in ["/a", "a/", "a//b", "a/#", "+", "", "a b"] {
        let more = format!("[mqtt]\nhost = 'localhost'\nbase = '{bad}'\n");
        let problems = Fixture::new().problems_with(&more);
        assert!(problems[0].contains("mqtt.base: "), "{bad}: {problems:?}");
    }
    let more = "[mqtt]\nhost = 'localhost'\nbase = 'site/cubelet'\n";
    assert!(Fixture::new().check_with(more).outcome.is_ok());
}

#[test]
fn a_ca_file_without_certificate_is_refused() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path().join("ca.pem"), "nothing").unwrap();
    let problems = fixture.problems_with("ca = 'ca.pem'\n");
    assert!(
        problems[0].contains("holds no PEM certificate"),
        "{problems:?}"
    );
    fixture.certificate("ca.pem");
    assert!(fixture.check_with("ca = 'ca.pem'\n").outcome.is_ok());
}

#[test]
fn unknown_commands_are_refused_with_the_nearest() {
    let problems = Fixture::new().problems_with("[control]\ncommands = ['ring', 'unlok']\n");
    assert_eq!(
        problems,
        ["kiosk.toml:13:21: control.commands[1]: unknown command `unlok`; did you mean `unlock`?"]
    );
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: cubelet::cli::config::ConfigArgs,
}

fn exit_code(file: &std::path::Path) -> ExitCode {
    let args = ["config", "check", file.to_str().unwrap()];
    cubelet::cli::config::run(Cli::try_parse_from(args).unwrap().config)
}

#[test]
fn config_check_succeeds_only_on_a_right_file() {
    let fixture = Fixture::new();
    // ExitCode has no equality; its debug form has.
    let shown = |code: ExitCode| format!("{code:?}");
    let right = exit_code(&fixture.write(MINIMAL));
    assert_eq!(shown(right), shown(ExitCode::SUCCESS));
    let wrong = exit_code(&fixture.write("[device]\n"));
    assert_eq!(shown(wrong), shown(ExitCode::FAILURE));
}

#[test]
fn a_hubs_file_is_checked_with_place_and_field_of_every_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.toml");
    let text = "data_dir = '/tmp/x'\napp_id = 'seven'\nauth_key = 'k'\nguestz = true\n\
                admin_key_file = 'missing'\n[listen]\nhttp = '0.0.0.0:80'\n";
    std::fs::write(&file, text).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cubelet"))
        .args(["config", "check"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for wanted in ["hub.toml:2:", "app_id", "hub.toml:4:", "guestz"] {
        assert!(said.contains(wanted), "{wanted} is missing in:\n{said}");
    }
    let good = "data_dir = '/tmp/x'\napp_id = 7\nauth_key = 'k'\n[listen]\nhttp = '0.0.0.0:80'\n\
                [limits]\nconnections = 0\n";
    std::fs::write(&file, good).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cubelet"))
        .args(["config", "check"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    for wanted in [
        "hub.toml:5:",
        "listen.http",
        "hub.toml:7:",
        "limits.connections",
    ] {
        assert!(said.contains(wanted), "{wanted} is missing in:\n{said}");
    }
}

#[test]
fn the_user_is_named_by_login_or_by_e_mail_address_but_not_by_both() {
    let with = |account: &str| MINIMAL.replace("login = \"door\"", account);
    let config = Fixture::new().check(&with("email = \"door@site.example\""));
    assert_eq!(
        config.outcome.unwrap().hub.account,
        Account::Email("door@site.example".into())
    );
    for (account, rule) in [
        ("", "hub.login: is required (or email)"),
        (
            "login = \"door\"\nemail = \"door@site.example\"",
            "hub.email: only one of login and email may be given",
        ),
        ("email = \"door\"", "hub.email: must be name@host"),
        ("email = \"a b@c\"", "hub.email: must be name@host"),
        ("email = \"@c\"", "hub.email: must be name@host"),
    ] {
        let problems = Fixture::new().problems(&with(account));
        assert!(
            problems.len() == 1 && problems[0].contains(rule),
            "{account}: {problems:?}"
        );
    }
}

#[test]
fn every_password_and_key_is_known_to_whoever_hides_them() {
    let fixture = Fixture::new();
    for name in ["broker", "turn", "camera", "garden", "viewer", "token"] {
        fixture.secret(name, &format!("the_{name}_of_the_house\n"), 0o600);
    }
    let config = fixture.check_with(
        "[mqtt]
         host = 'localhost'
         username = 'door'
         password_file = 'broker'
         [[calls.ice_servers]]
         urls = ['turn:turn.example']
         username = 'door'
         credential_file = 'turn'
         [camera]
         source = 'rtsp://gate.lan/live'
         others = ['rtsp://garden.lan/live']
         rtsp_username = 'admin'
         rtsp_password_file = 'camera'
         [[camera.network]]
         host = 'garden.lan'
         username = 'door'
         password_file = 'garden'
         [rtsp]
         password_file = 'viewer'
         [console]
         token_file = 'token'
         ",
    );
    let config = config.outcome.unwrap();
    let mut known: Vec<&str> = config.secrets().iter().map(|one| one.expose()).collect();
    known.sort_unstable();
    let mut all = ["broker", "camera", "garden", "token", "turn", "viewer"]
        .map(|name| format!("the_{name}_of_the_house"))
        .to_vec();
    all.extend(["correct horse".to_owned(), "key".to_owned()]);
    all.sort_unstable();
    assert_eq!(known, all);
}
