//! From a code to a device that is online.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cubelet::setup::echo::chirp;
use serde_json::Value;

use crate::broker::Broker;
use crate::site::{Board, Daemon, Site, is_jpeg, json_of};

const NO_DEVICES: &[&str] = &[
    "--camera",
    "none",
    "--microphone",
    "none",
    "--speaker",
    "null",
];

fn flags<'f>(code: &'f str, more: &[&'f str]) -> Vec<&'f str> {
    let mut flags = vec!["--yes", "--json", "--broker", "none", "--code", code];
    flags.extend(NO_DEVICES);
    flags.extend(more);
    flags
}

fn said(output: &std::process::Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test]
async fn a_board_and_a_code_make_a_device_that_is_online() {
    let site = Site::start().await;
    let broker = Broker::start().await;
    let code = site.enroll("front-door", &[]);
    let board = Board::new();
    let place = format!("127.0.0.1:{}", broker.port);
    let output = board.setup(&[
        "--yes",
        "--json",
        "--code",
        code["uri"].as_str().unwrap(),
        "--camera",
        "test",
        "--microphone",
        "test",
        "--speaker",
        "null",
        "--ring",
        "kitchen,hall",
        "--broker",
        &place,
    ]);
    let done = json_of(&output);
    assert_eq!(done["ok"], true, "{}", said(&output));
    assert_eq!(done["hub"]["user"], code["user_id"]);
    assert_eq!(done["device"], "front-door");
    let picture = done["camera"]["picture"].as_str().unwrap();
    assert!(is_jpeg(Path::new(picture)), "{picture}");

    let password = board.text("kiosk-hub-password");
    assert!(!said(&output).contains(password.trim()));
    for secret in ["kiosk-hub-password", "kiosk-hub-auth-key"] {
        let mode = board.path(secret).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
    let written = board.text("kiosk.toml");
    assert!(written.contains("api = \"https://"), "{written}");
    assert_eq!(
        board.text("kiosk-hub-ca.pem").trim(),
        std::fs::read_to_string(site.ready["ca"].as_str().unwrap())
            .unwrap()
            .trim()
            .replace("\r\n", "\n")
    );

    let examined = json_of(&board.command("doctor").arg("--json").output().unwrap());
    assert_eq!(examined["ok"], true, "{examined:#}");
    let (_daemon, ready) = Daemon::online(&board);
    assert_eq!(ready["user"], code["user_id"]);
    assert_eq!(ready["status"], "online");
}

#[tokio::test]
async fn somebody_at_a_serial_console_types_the_same() {
    let site = Site::start().await;
    let code = site.enroll("front-door", &[]);
    let hub = site.ready["https"].as_str().unwrap();
    let typed = code["code"].as_str().unwrap().to_lowercase();
    let board = Board::new();
    // The camera that does not exist is asked for again; the second of the choices is the test
    // picture; nothing is what is offered.
    let lines = format!("{hub}\n{typed}\nv4l2:/dev/video99\n2\n1\n1\nkitchen\nnone\n");
    let mut flags = vec!["--json"];
    // Whatever sound cards this machine has.
    flags.extend(["--microphone", "none", "--speaker", "null"]);
    let lines = lines.replace("2\n1\n1\n", "test:ball\n");
    let output = board.setup_typing(&flags, &lines);
    let done = json_of(&output);
    assert_eq!(done["ok"], true, "{}", said(&output));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("v4l2:/dev/video99: "), "{told}");
    assert_eq!(done["camera"]["source"], "test:ball");
    assert_eq!(done["ring"][0], "kitchen");
}

#[tokio::test]
async fn what_fails_unattended_is_told_and_does_not_cost_the_code() {
    let site = Site::start().await;
    let code = site.enroll("front-door", &[]);
    let uri = code["uri"].as_str().unwrap();
    let board = Board::new();
    for (flag, value, exit) in [
        ("--camera", "v4l2:/dev/video99", 1),
        ("--microphone", "alsa:no_such_pcm", 1),
        ("--speaker", "alsa:no_such_pcm", 1),
        // Nobody listens there.
        ("--broker", "127.0.0.1:1", 1),
        ("--camera", "webcam", 2),
        ("--code", "short", 2),
    ] {
        let mut all = flags(uri, &[]);
        let at = all.iter().position(|known| *known == flag).unwrap();
        all[at + 1] = value;
        let output = board.setup(&all);
        let told: Value = json_of(&output);
        assert_eq!(output.status.code(), Some(exit), "{flag} {value}: {told}");
        assert!(told["error"].as_str().unwrap().starts_with(flag), "{told}");
        assert!(!board.has("kiosk.toml"));
    }
    let output = board.setup(&flags(uri, &[]));
    assert!(output.status.success(), "{}", said(&output));
    // Once.
    let output = Board::new().setup(&flags(uri, &[]));
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("used already"), "{}", said(&output));
}

#[tokio::test]
async fn a_place_that_cannot_be_written_does_not_cost_the_code() {
    let site = Site::start().await;
    let code = site.enroll("front-door", &[]);
    let uri = code["uri"].as_str().unwrap();
    let board = Board::new();
    let mut all = flags(uri, &[]);
    all.extend(["--config", "/proc/cubelet/kiosk.toml"]);
    let output = crate::site::cubelet()
        .arg("setup")
        .args(&all)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(73), "{}", said(&output));
    assert!(said(&output).contains("/proc/cubelet"), "{}", said(&output));
    let output = board.setup(&flags(uri, &[]));
    assert!(output.status.success(), "{}", said(&output));
}

#[tokio::test]
async fn a_configuration_somebody_wrote_stays_unless_they_say_otherwise() {
    let site = Site::start().await;
    let code = site.enroll("front-door", &[]);
    let uri = code["uri"].as_str().unwrap();
    let board = Board::new();
    std::fs::write(board.path("kiosk.toml"), "# mine\n").unwrap();
    let refused = board.setup(&flags(uri, &[]));
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("--force"), "{}", said(&refused));
    assert_eq!(board.text("kiosk.toml"), "# mine\n");
    let done = json_of(&board.setup(&flags(uri, &["--force"])));
    assert_eq!(done["ok"], true, "{done}");
    assert_eq!(board.text("kiosk.toml.before-setup"), "# mine\n");
    assert!(board.text("kiosk.toml").contains("front-door"));
}

#[tokio::test]
async fn an_account_that_exists_needs_no_code() {
    let site = Site::start().await;
    let code = site.enroll("front-door", &[]);
    let first = Board::new();
    let output = first.setup(&flags(code["uri"].as_str().unwrap(), &[]));
    assert!(output.status.success(), "{}", said(&output));
    let second = Board::new();
    let (key, password) = (
        first.path("kiosk-hub-auth-key"),
        first.path("kiosk-hub-password"),
    );
    let account = [
        "--hub",
        site.ready["https"].as_str().unwrap(),
        "--ca",
        site.ready["ca"].as_str().unwrap(),
        "--app-id",
        "1",
        "--auth-key-file",
        key.to_str().unwrap(),
        "--login",
        "front-door",
        "--password-file",
        password.to_str().unwrap(),
        "--name",
        "Front Door 2",
    ];
    let done = json_of(&second.setup(&flags("account", &account)));
    assert_eq!(done["ok"], true, "{done}");
    assert_eq!(done["device"], "front-door-2");
    let examined = json_of(&second.command("doctor").arg("--json").output().unwrap());
    assert_eq!(examined["ok"], true, "{examined:#}");
}

#[test]
fn unattended_and_without_an_answer_it_says_which_flag_is_missing() {
    let board = Board::new();
    let mut all = vec!["--yes", "--hub", "hub.lan"];
    all.extend(NO_DEVICES);
    let output = board.setup(&all);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("--code is needed"),
        "{}",
        said(&output)
    );
}

#[tokio::test]
async fn a_microphone_is_heard_a_loudspeaker_made_to_sound_and_their_echo_measured() {
    let site = Site::start().await;
    let code = site.enroll("front-door", &[]);
    let board = Board::new();
    // What the loudspeaker plays, half as loud and 143 ms later: its peak is 12 dB below full scale.
    let silence = std::iter::repeat_n(0.0, 143 * 48);
    let heard = silence.chain(chirp(48_000).into_iter().map(|sample| sample / 2.0));
    let mut samples: Vec<u8> = heard
        .flat_map(|sample| ((sample * f32::from(i16::MAX)) as i16).to_le_bytes())
        .collect();
    samples.resize(48_000 * 4 * 2, 0);
    std::fs::write(board.path("in.raw"), samples).unwrap();
    let pcms = format!(
        "pcm.mic {{ type file slave.pcm null file /dev/null infile {} format raw }}\n\
         pcm.out {{ type file slave.pcm null file {} format raw }}\n",
        board.path("in.raw").display(),
        board.path("out.raw").display()
    );
    std::fs::write(board.path("asound.conf"), pcms).unwrap();
    let mut all = flags(code["uri"].as_str().unwrap(), &[]);
    for (flag, value) in [("--microphone", "alsa:mic"), ("--speaker", "alsa:out")] {
        let at = all.iter().position(|known| *known == flag).unwrap();
        all[at + 1] = value;
    }
    let output = board
        .command("setup")
        .args(&all)
        .env(
            "ALSA_CONFIG_PATH",
            format!(
                "/usr/share/alsa/alsa.conf:{}",
                board.path("asound.conf").display()
            ),
        )
        .output()
        .unwrap();
    let done = json_of(&output);
    assert_eq!(done["ok"], true, "{}", said(&output));
    let heard = done["microphone"]["heard"].as_str().unwrap();
    assert!(heard.contains("peak -12 dBFS"), "{heard}");
    assert_eq!(done["echo"]["delay_ms"], 143);
    for told in [
        "is heard after 143 ms",
        "warning: echo comes back after 143 ms",
    ] {
        assert!(said(&output).contains(told), "{}", said(&output));
    }
    assert!(done["echo"]["warning"].as_str().unwrap().contains("duplex"));
    let played = std::fs::read(board.path("out.raw")).unwrap();
    let is_loud = |pair: &[u8]| i16::from_le_bytes([pair[0], pair[1]]).unsigned_abs() > 8_000;
    assert!(
        played.chunks_exact(2).any(is_loud),
        "{} bytes of silence",
        played.len()
    );
}
