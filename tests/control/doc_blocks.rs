//! No block of the guides escapes: each is executed by a test, or its lines are checked here against
//! what there is (options of our program, units, targets, packages, files), or it is listed with why
//! neither is possible. **Checked is not run**. The page on installing is executed whole by
//! `make deb-test`, on a machine that has booted; it is checked here as well, in every run.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A fenced block of a page.
struct Block {
    page: String,
    language: String,
    text: String,
}

/// Blocks that other tests execute: page, language, words of it, the test.
const EXECUTED: &[(&str, &str, &str, &str)] = &[
    (
        "mqtt.md",
        "sh",
        "site-ca.key",
        "with_the_guides_own_ca_a_device_finds_its_broker_by_tls",
    ),
    (
        "mqtt.md",
        "sh",
        "mosquitto_sub",
        "trying_it_prints_what_the_guide_says",
    ),
    (
        "mqtt.md",
        "",
        "cubelet/front-door/availability online",
        "trying_it_prints_what_the_guide_says",
    ),
    (
        "rules.md",
        "",
        "cubelet rules test",
        "what_the_guide_says_of_trying_a_rule_is_what_is_printed",
    ),
    (
        "pictures.md",
        "yaml",
        "scrape_configs",
        "prometheus_configured_as_the_guide_says_has_the_devices_figures",
    ),
    (
        "pictures.md",
        "console",
        "healthz",
        "what_the_guide_types_with_curl_gives_pictures_and_health",
    ),
    (
        "pictures.md",
        "console",
        "--cacert",
        "what_the_guide_types_with_curl_gives_pictures_and_health",
    ),
    (
        "custom-objects.md",
        "sh",
        "/data/reading",
        "what_the_guide_on_custom_objects_types_is_answered_as_it_says",
    ),
    (
        "home-assistant.md",
        "yaml",
        "button.front_door_take_picture",
        "make test-homeassistant",
    ),
    (
        "home-assistant.md",
        "yaml",
        "notify.front_door_announcement",
        "make test-homeassistant",
    ),
];

/// Blocks that nobody executes, and why.
const NOT_EXECUTED: &[(&str, &str, &str, &str)] = &[
    (
        "calls.md",
        "",
        "unlock",
        "a dialogue on a data channel; tests/interop/data_channel.mjs speaks it",
    ),
    (
        "home-assistant.md",
        "",
        "homeassistant/device",
        "lines of a broker's access list",
    ),
    (
        "push.md",
        "js",
        "pushManager",
        "a page's own code; web/src/push.ts does the same, and tests/interop/phone_push.mjs runs it",
    ),
    (
        "mqtt.md",
        "",
        "pattern write",
        "a line of a broker's access list; it is in configs/mosquitto/acl",
    ),
    (
        "mqtt.md",
        "sh",
        "/etc/mosquitto/passwords",
        "asks for a password; users of the broker: mqtt_security.rs",
    ),
    (
        "mqtt.md",
        "sh",
        "configs/mosquitto/acl",
        "restarts the system's broker; the file: mqtt_security.rs",
    ),
    (
        "pictures.md",
        "js",
        "RTCPeerConnection",
        "a page's; tests/interop/whep.mjs runs the same lines",
    ),
    (
        "install.md",
        "ini",
        "IPAddressDeny",
        "a drop-in of the site's own; the units: tests/packaging/units.rs",
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let guides = std::fs::read_dir(root().join("docs/guide")).unwrap();
    let mut pages: Vec<PathBuf> = guides.map(|entry| entry.unwrap().path()).collect();
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    for path in pages() {
        let page = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut open: Option<Block> = None;
        for line in text.lines() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(_), Some(_)) => found.extend(open.take()),
                (Some(language), None) => {
                    open = Some(Block {
                        page: page.clone(),
                        language: language.to_owned(),
                        text: String::new(),
                    });
                }
                (None, Some(block)) => block.text.extend([line, "\n"]),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{page}: a block does not end");
    }
    found
}

fn is_listed(block: &Block, list: &[(&str, &str, &str, &str)]) -> bool {
    list.iter().any(|(page, language, words, _)| {
        *page == block.page && *language == block.language && block.text.contains(words)
    })
}

#[test]
fn every_block_of_the_guides_is_executed_or_checked_or_said_not_to_be() {
    let (mut lines, mut wrong) = (0, Vec::new());
    for block in blocks() {
        let Block {
            page,
            language,
            text,
        } = &block;
        if is_listed(&block, EXECUTED) || is_listed(&block, NOT_EXECUTED) {
            continue;
        }
        match language.as_str() {
            // `every_piece_of_configuration_in_the_guides_is_right` takes those of all pages.
            "toml" => {}
            "json" => {
                let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
                for value in values {
                    value.unwrap_or_else(|error| panic!("{page}: {error}\n{text}"));
                }
            }
            "sh" | "console" | "" => {
                let commands = commands(text, language == "sh");
                assert!(!commands.is_empty(), "{page}: nobody executes\n{text}");
                for command in commands {
                    if let Err(error) = check(&command) {
                        wrong.push(format!("{page}: {command}\n  {error}"));
                    }
                    lines += 1;
                }
            }
            other => panic!("{page}: nobody executes blocks of {other:?}\n{text}"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(lines > 50, "{lines}");
}

/// `make deb-test` types every block, or fails.
#[test]
fn the_page_on_installing_is_typed_by_the_test_of_the_package() {
    is_in("scripts/guide-test ", "scripts/deb-test").unwrap();
    is_in("grep -c '^```sh' \"$page\"", "scripts/guide-test").unwrap();
    is_in("docs/guide/install.md\"", "scripts/guide-test").unwrap();
}

#[test]
fn what_is_listed_is_there() {
    let all = blocks();
    for list in [EXECUTED, NOT_EXECUTED] {
        for one in list {
            let is_there = all.iter().any(|block| is_listed(block, &[*one]));
            assert!(is_there, "{one:?} is in no page any more");
        }
    }
    let tests = [
        "control/guide_examples.rs",
        "control/rules.rs",
        "hub/data_guide.rs",
        "interop/prometheus.rs",
    ];
    let tests = tests
        .map(|file| std::fs::read_to_string(root().join("tests").join(file)).unwrap())
        .concat();
    for (.., by) in EXECUTED {
        let is_there = match by.strip_prefix("make ") {
            Some(target) => is_in(&format!("\n{target}:"), "Makefile").is_ok(),
            None => tests.contains(&format!("fn {by}(")),
        };
        assert!(is_there, "{by} is no test any more");
    }
}

/// What is typed in a block: all of a script, or what stands behind prompts.
fn commands(text: &str, is_script: bool) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let typed = joined.lines().filter_map(|line| match is_script {
        true => Some(line),
        false => line.strip_prefix("$ "),
    });
    let typed = typed.map(|line| line.split(" #").next().unwrap_or_default().trim());
    typed
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether a command is one that works where it is said to be typed. Nothing is carried out.
fn check(command: &str) -> Result<(), String> {
    let mut words: Vec<&str> = command.split_whitespace().collect();
    if words[0] == "sudo" {
        words.remove(0);
        if words[0] == "-u" {
            is_in(
                &format!("u {} ", words[1]),
                "systemd/sysusers.d/cubelet.conf",
            )?;
            words.drain(..2);
        }
    }
    match (words[0], &words[1..]) {
        ("cubelet", _) => options(command),
        ("make", [target]) => is_in(&format!("\n{target}:"), "Makefile"),
        ("systemctl", [.., unit]) | ("journalctl", ["-u", unit]) => {
            exists(&format!("systemd/{unit}.service"))
        }
        ("apt", ["install", package]) if package.starts_with("./cubelet_") => Ok(()),
        ("apt", ["remove" | "purge", "cubelet"]) => is_in("name = \"cubelet\"", "Cargo.toml"),
        ("sudoedit", [file]) => shipped(file),
        ("cp", [from, to]) => shipped(from).and_then(|()| shipped(to)),
        // The names are those the shipped configurations look for.
        ("install", ["-o", "cubelet", "-m", "600", "/dev/stdin", file, "<<<", ..])
        | ("install", ["-m", "644", "/var/lib/cubelet-hub/tls/ca.pem", file]) => {
            let name = file.strip_prefix("/etc/cubelet/").ok_or("another folder")?;
            is_in(&format!(" = {name:?}\n"), "configs/doorbell.toml")
        }
        ("tar", ["-C", "/var/lib", "-cf", .., folder]) => is_in(
            &format!("StateDirectory={folder}\n"),
            "systemd/cubelet-hub.service",
        ),
        // Its orders: `every_order_by_mqtt_in_the_documentation_is_one_a_device_takes`.
        ("mosquitto_pub", ["-t", topic, "-m", ..]) if topic.starts_with("cubelet/") => Ok(()),
        ("curl", _) => {
            let path = path_of(command)?;
            let served = ["src/console/actor.rs", "src/console/guard.rs"];
            let is_served = served
                .iter()
                .any(|file| is_in(&format!("{path:?}"), file).is_ok());
            is_served
                .then_some(())
                .ok_or(format!("{path} is not served"))
        }
        ("ffplay" | "ffmpeg" | "gst-play-1.0", _) => {
            is_in(&format!("{:?}", path_of(command)?), "src/rtsp/session.rs")
        }
        (other, _) => Err(format!("nothing is known of {other}")),
    }
}

/// Lets our own program read the options, and print its help instead of doing anything.
fn options(command: &str) -> Result<(), String> {
    let start = command.find("cubelet ").unwrap_or_default();
    let own = command[start..].split(" | ").next().unwrap_or_default();
    // `sudo -u cubelet cubelet …` has the user's name first.
    let own = own
        .strip_prefix("cubelet cubelet")
        .map_or(own, |_| &own["cubelet ".len()..]);
    let own = own.strip_prefix("cubelet-hub ").unwrap_or(own);
    let told = Command::new("sh")
        .args([
            "-euc",
            &format!("{} --help", own.replacen("cubelet", "\"$CUBELET\"", 1)),
        ])
        .env("CUBELET", env!("CARGO_BIN_EXE_cubelet"))
        .output()
        .map_err(|error| error.to_string())?;
    match told.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&told.stderr).into_owned()),
    }
}

/// A file of the installed system that comes with the package.
fn shipped(file: &str) -> Result<(), String> {
    let of_folder = ["/etc/cubelet/", "/usr/share/doc/cubelet/examples/"];
    let name = of_folder
        .iter()
        .find_map(|folder| file.strip_prefix(folder));
    exists(&format!(
        "configs/{}",
        name.ok_or("it does not come with the package")?
    ))
}

fn exists(file: &str) -> Result<(), String> {
    match root().join(file).exists() {
        true => Ok(()),
        false => Err(format!("there is no {file}")),
    }
}

fn is_in(words: &str, file: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(root().join(file)).map_err(|error| error.to_string())?;
    match text.contains(words) {
        true => Ok(()),
        false => Err(format!("{words:?} is not in {file}")),
    }
}

/// The path of the address in a command.
fn path_of(command: &str) -> Result<&str, String> {
    let (_, address) = command.split_once("://").ok_or("no address")?;
    let address = address.split([' ', '"']).next().unwrap_or_default();
    Ok(address.find('/').map_or("/", |slash| &address[slash..]))
}
