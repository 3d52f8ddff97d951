//! What the guides and the reference tell people to type, typed.

use std::path::Path;
use std::process::Stdio;

use cubelet::config::Secret;
use cubelet::config::hub::HubConfig;
use cubelet::control::{read_command, read_setting};
use cubelet::engine::command::Reply;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::broker::{Broker, PATIENCE};
use crate::device::{Act, Device, settings};
use crate::fixture::{Fixture, MINIMAL};

const MQTT_GUIDE: &str = include_str!("../../docs/guide/mqtt.md");
const REFERENCE: &str = include_str!("../../docs/reference/mqtt.md");
/// Every page that tells people what to order.
const PAGES: &[&str] = &[
    MQTT_GUIDE,
    REFERENCE,
    include_str!("../../README.md"),
    include_str!("../../docs/reference/ctl.md"),
    include_str!("../../docs/guide/calls.md"),
    include_str!("../../docs/guide/chat.md"),
    include_str!("../../docs/guide/door.md"),
    include_str!("../../docs/guide/push.md"),
    include_str!("../../docs/guide/recording.md"),
    include_str!("../../docs/guide/rules.md"),
    include_str!("../../docs/guide/sound.md"),
    include_str!("../../docs/guide/visitor-messages.md"),
];

/// The blocks of a page in a language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    page.split(&format!("```{language}\n"))
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect()
}

#[test]
fn every_piece_of_configuration_in_the_guides_is_right() {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide");
    let mut pieces = 0;
    for page in std::fs::read_dir(guides).unwrap() {
        let page = std::fs::read_to_string(page.unwrap().path()).unwrap();
        for piece in blocks(&page, "toml") {
            if let Some(piece) = piece.strip_prefix("# hub.toml\n") {
                let least = "data_dir = '/d'\napp_id = 1\nauth_key = 'k'\n";
                let hub: HubConfig = toml::from_str(&format!("{least}{piece}")).unwrap();
                assert_eq!(hub.faults(), Vec::<String>::new(), "{piece}");
                pieces += 1;
                continue;
            }
            let fixture = Fixture::new();
            fixture.secret("mqtt-password", "x", 0o600);
            fixture.secret("rtsp-password", "correct horse", 0o600);
            fixture.secret("camera-password", "x", 0o600);
            fixture.secret("nvr-password", "x", 0o600);
            fixture.secret("door-code", "2468", 0o600);
            fixture.certificate("camera.pem");
            fixture.certificate("site-ca.pem");
            let key = fixture.certificate("console.pem");
            fixture.secret("console.key", &key, 0o600);
            fixture.secret("console-token", &"0f".repeat(24), 0o600);
            std::fs::write(fixture.path().join("please-speak.wav"), "RIFF").unwrap();
            std::fs::create_dir(fixture.path().join("sounds")).unwrap();
            let password = fixture.path().join("mqtt-password");
            let piece = piece.replace("/etc/cubelet/mqtt-password", password.to_str().unwrap());
            // A piece may be of a section the least configuration has already.
            let text = match piece.strip_prefix("[hub]\n") {
                Some(rest) => MINIMAL.replace("[hub]\n", &format!("[hub]\n{rest}")),
                None => format!("{MINIMAL}{piece}"),
            };
            // A schedule a piece refers to stands elsewhere in its page.
            let refers = text.contains("\"night\"") && !text.contains("[[schedule]]");
            let schedule =
                "[[schedule]]\nname = \"night\"\nzone = \"UTC\"\nwindows = [\"22:00-06:00\"]\n";
            let text = if refers { text + schedule } else { text };
            if let Err(errors) = fixture.check(&text).outcome {
                panic!("{piece}\n{errors}");
            }
            pieces += 1;
        }
    }
    assert!(pieces >= 25, "{pieces}");
}

/// Runs a script of the guide with the system's folders in one of the test's.
async fn shell(script: &str, dir: &Path) {
    let dir = dir.to_str().unwrap();
    let script: String = script
        .lines()
        .filter(|line| !line.starts_with("systemctl") && !line.starts_with("chown"))
        .map(|line| format!("{line}\n"))
        .collect();
    let script = script
        .replace("/etc/mosquitto/certs", dir)
        .replace("/etc/mosquitto/conf.d", dir)
        // The name of a machine there is not.
        .replace("DNS:broker.lan", "IP:127.0.0.1");
    let done = Command::new("sh")
        .args(["-euc", &script])
        .stderr(Stdio::piped())
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{script}\n{told}");
}

#[tokio::test]
async fn with_the_guides_own_ca_a_device_finds_its_broker_by_tls() {
    let files = "cafile {dir}/site-ca.pem\ncertfile {dir}/broker.pem\nkeyfile {dir}/broker.key\n\
                 allow_anonymous true\n";
    let mut broker = Broker::stopped(files);
    let script = blocks(MQTT_GUIDE, "sh")
        .into_iter()
        .find(|block| block.contains("site-ca.key"))
        .unwrap();
    shell(script, broker.dir()).await;
    // What the guide writes for the broker names the same files.
    let written = std::fs::read_to_string(broker.dir().join("cubelet.conf")).unwrap();
    let written = written.replace("/etc/mosquitto/certs", broker.dir().to_str().unwrap());
    for line in files.lines().take(3) {
        let line = line.replace("{dir}", broker.dir().to_str().unwrap());
        assert!(written.contains(&line), "{line}\n{written}");
    }
    broker.launch().await;
    let mut settings = settings(&broker);
    settings.mqtt.tls = true;
    settings.mqtt.ca = Some(broker.dir().join("site-ca.pem"));
    let mut device = Device::start(settings);
    device.online().await;
    device.stop().await;
}

/// A device as in the guide, whose door opens.
async fn front_door(broker: &Broker) -> Device {
    let mut settings = settings(broker);
    settings.device = "front-door".into();
    settings.mqtt.username = Some("front-door".into());
    settings.mqtt.password = Some(Secret::new("secret"));
    let mut device = Device::with_engine(settings, |_| Act::Answer(Ok(Reply::Json(json!({})))));
    device.online().await;
    device
}

#[tokio::test]
async fn trying_it_prints_what_the_guide_says() {
    let broker = Broker::start().await;
    let device = front_door(&broker).await;
    let script = blocks(MQTT_GUIDE, "sh")
        .into_iter()
        .find(|block| block.contains("mosquitto_sub"))
        .unwrap();
    let script = script.replace(
        "-u panel -P …",
        &format!("-p {} -u panel -P secret", broker.port),
    );
    let (watch, order) = script.split_once(" &\n").unwrap();
    let mut watching = Command::new("sh")
        .args(["-c", &format!("exec {watch}")])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let expected = blocks(MQTT_GUIDE, "").into_iter();
    let expected = expected.filter(|block| block.starts_with("cubelet/front-door/availability"));
    let expected: Vec<&str> = expected
        .flat_map(str::lines)
        .filter(|l| *l != "…")
        .collect();
    assert_eq!(expected.len(), 2);
    let mut is_ordered = false;
    for wanted in expected {
        let found = async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if line == wanted {
                    return;
                }
            }
            panic!("mosquitto_sub ended");
        };
        tokio::time::timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| panic!("never printed: {wanted}"));
        if !is_ordered {
            shell(order, broker.dir()).await;
            is_ordered = true;
        }
    }
    device.stop().await;
}

#[tokio::test]
async fn the_references_request_is_answered_as_it_says() {
    let broker = Broker::start().await;
    let device = front_door(&broker).await;
    let block = blocks(REFERENCE, "")
        .into_iter()
        .find(|block| block.starts_with("$ mosquitto_rr"))
        .unwrap();
    let (line, answer) = block[2..].split_once('\n').unwrap();
    let line = line.replace(
        "-h broker.lan",
        &format!("-h 127.0.0.1 -p {} -W 20", broker.port),
    );
    let told = Command::new("sh")
        .args(["-c", &line])
        .output()
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&told.stdout), answer);
    device.stop().await;
}

/// What pages tell to type into a shell: lines of blocks, and code within text. Without comments,
/// and without what is done with the outcome.
fn typed<'p>(pages: &[&'p str], program: &str) -> Vec<&'p str> {
    let start = format!("{program} ");
    let mut found = Vec::new();
    for line in pages.iter().flat_map(|page| page.lines()) {
        let whole = line.trim().trim_start_matches("$ ");
        let within = line.split('`').skip(1).step_by(2);
        for code in std::iter::once(whole).chain(within) {
            if code.starts_with(&start) {
                let ends = [" #", " | ", " && ", " || "];
                let end = ends.iter().filter_map(|end| code.find(end)).min();
                found.push(code[..end.unwrap_or(code.len())].trim_end());
            }
        }
    }
    found
}

#[tokio::test]
async fn every_order_by_ctl_in_the_documentation_is_carried_out() {
    let broker = Broker::start().await;
    let device = front_door(&broker).await;
    let program = tempfile::tempdir().unwrap();
    let link = program.path().join("cubelet");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cubelet"), link).unwrap();
    let path = format!(
        "{}:{}",
        program.path().display(),
        std::env::var("PATH").unwrap()
    );
    let mut carried_out = 0;
    for line in typed(PAGES, "cubelet ctl") {
        let verb = line
            .split(' ')
            .find(|word| *word == "help" || *word == "events");
        // `help` orders nothing, and `events` goes on until it is ended.
        if verb.is_some() {
            continue;
        }
        let line = line
            .replace("-d lobby", "-d front-door")
            .replace("--broker localhost ", "")
            .replace("--broker broker.lan ", "");
        let done = Command::new("sh")
            .args(["-euc", &line])
            .current_dir(program.path())
            .env("PATH", &path)
            .env("CUBELET_BROKER", format!("127.0.0.1:{}", broker.port))
            .env("CUBELET_DEVICE", "front-door")
            .output()
            .await
            .unwrap();
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{line}\n{told}");
        carried_out += 1;
    }
    assert!(carried_out > 20, "{carried_out}");
    device.stop().await;
}

#[test]
fn every_order_by_mqtt_in_the_documentation_is_one_a_device_takes() {
    let mut orders = 0;
    for line in PAGES.iter().flat_map(|page| page.lines()) {
        let Some(at) = line.find("cubelet/") else {
            continue;
        };
        let (topic, rest) = line[at..].split_once(' ').unwrap_or((&line[at..], ""));
        // After the topic, or as what a program is told to send; with `…` it is no whole one.
        let payload = match rest.split_once("-m '") {
            Some((_, message)) => message.split('\'').next().unwrap_or_default(),
            None => rest.trim(),
        };
        if !payload.starts_with('{') || payload.contains('…') {
            continue;
        }
        let levels: Vec<&str> = topic.split('/').collect();
        let outcome = match levels.as_slice() {
            [.., "cmd", verb] => read_command(verb, payload.as_bytes()).map(drop),
            [.., part, "set"] => read_setting(part, payload.as_bytes()).map(drop),
            _ => continue,
        };
        assert_eq!(outcome, Ok(()), "{line}");
        orders += 1;
    }
    assert_eq!(orders, 7);
}

#[test]
fn every_example_of_json_in_the_reference_is_json() {
    let mut examples = 0;
    for block in blocks(REFERENCE, "json") {
        for value in serde_json::Deserializer::from_str(block).into_iter::<serde_json::Value>() {
            assert!(value.is_ok_and(|one| one.is_object()), "{block}");
            examples += 1;
        }
    }
    assert_eq!(examples, 4);
}

#[test]
fn the_references_state_has_the_parts_of_the_code() {
    let example = blocks(REFERENCE, "json")[0];
    let example: serde_json::Value = serde_json::from_str(example).unwrap();
    let state = cubelet::engine::state::DeviceState::default();
    let state = serde_json::to_value(&state).unwrap();
    let parts = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(parts(&example), parts(&state));
}
