//! The manual and the examples are what the code does.

use std::path::Path;

use cubelet::config::fields::{DEVICE, Kind, Occurs, Without};
use cubelet::config::reference;

use crate::fixture::{Fixture, MINIMAL};

const MARK: &str = "cargo nextest run --test control -->\n";

#[test]
fn the_reference_manual_holds_the_tables_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/config.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let at = page.find(MARK).unwrap() + MARK.len();
    let expected = format!("{}\n{}", &page[..at], reference::device());
    if std::env::var_os("CUBELET_BLESS").is_some() {
        std::fs::write(&path, expected).unwrap();
    } else {
        assert!(
            page == expected,
            "run with CUBELET_BLESS=1 and commit docs/reference/config.md"
        );
    }
}

#[test]
fn every_example_is_a_right_configuration() {
    for name in ["kiosk.toml", "doorbell.toml", "cart.toml"] {
        let fixture = Fixture::new();
        for secret in [
            "hub-password",
            "hub-auth-key",
            "mqtt-password",
            "turn-credential",
        ] {
            fixture.secret(secret, "x", 0o600);
        }
        fixture.certificate("hub-ca.pem");
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("configs")
            .join(name);
        let report = fixture.check(&std::fs::read_to_string(path).unwrap());
        let config = report
            .outcome
            .unwrap_or_else(|errors| panic!("{name}:\n{errors}"));
        assert!(report.warnings.is_empty(), "{name}: {:?}", report.warnings);
        assert!(!config.calls.ring.is_empty(), "{name} rings nobody");
    }
}

/// A file in which one key has a value, whatever else the section needs.
fn with_value(section: &str, key: &str, value: &str) -> String {
    let repeated = DEVICE
        .iter()
        .any(|one| one.name == section && matches!(one.occurs, Occurs::Repeated(_)));
    let mut keys: Vec<(&str, String)> = match section {
        "device" => vec![("name", "'d'".into())],
        "hub" => vec![
            ("api", "'https://hub.example'".into()),
            ("chat", "'tls://chat.example'".into()),
            ("app_id", "7".into()),
            ("auth_key", "'key'".into()),
            ("login", "'door'".into()),
            ("password_file", "'password'".into()),
        ],
        "camera" => vec![("rtsp_username", "'admin'".into())],
        "camera.network" if key == "transport" => vec![("host", "'nvr.lan'".into())],
        "camera.network" => vec![
            ("host", "'secure.lan'".into()),
            ("username", "'admin'".into()),
        ],
        "attachments" => vec![("save_to", "'.'".into())],
        "mqtt" => vec![("host", "'127.0.0.1'".into())],
        // A call begins within its bounds.
        "calls" if key == "start_bandwidth_kbps" => vec![("min_bandwidth_kbps", "64".into())],
        "calls.ice_servers" => vec![("urls", "['stun:stun.example']".into())],
        "calls.step" => vec![("ring", "['a']".into())],
        "calls.quiet" => vec![("who", "['a']".into()), ("when", "'always'".into())],
        "schedule" => vec![
            ("name", "'night'".into()),
            ("zone", "'UTC'".into()),
            ("windows", "['22:00-06:00']".into()),
        ],
        "door" => vec![
            ("unlock_allowed", "['a']".into()),
            ("relay", "'gpio:GPIO17'".into()),
        ],
        "button" if key == "talks" => vec![
            ("name", "'talk'".into()),
            ("line", "'gpio:GPIO27'".into()),
            ("rings", "false".into()),
        ],
        "button" => vec![("name", "'bell'".into()), ("line", "'gpio:GPIO27'".into())],
        "rule" => vec![
            ("name", "'one'".into()),
            ("on", "['button/pressed']".into()),
            ("do", "['snapshot']".into()),
        ],
        _ => vec![],
    };
    let secret = |k: &str| {
        k.trim_end_matches("_file")
            .trim_end_matches("_credential")
            .to_owned()
    };
    keys.retain(|(k, _)| *k != key && secret(k) != secret(key));
    keys.push((key, value.to_owned()));
    let heading = if repeated {
        format!("[[{section}]]")
    } else {
        format!("[{section}]")
    };
    let body: String = keys.iter().map(|(k, v)| format!("{k} = {v}\n")).collect();
    let mut others = match section {
        // A step may not ring for longer than a call does, quiet hours need their schedule.
        "calls.step" => "[calls]\nanswer_timeout_s = 300\n".to_owned(),
        "camera.network" => {
            "[camera]\nsource = 'rtsp://nvr.lan/a'\nothers = ['rtsps://secure.lan/a']\n".to_owned()
        }
        "calls" => "[recording]\nenabled = true\n[camera]\nbitrate_kbps = 20000\n".to_owned(),
        "mqtt.home_assistant" => "[mqtt]\nhost = '127.0.0.1'\n".to_owned(),
        "calls.quiet" => {
            "[[schedule]]\nname = 'always'\nzone = 'UTC'\nwindows = ['mon-sun']\n".to_owned()
        }
        _ => String::new(),
    };
    for (name, text) in [("device", &MINIMAL[..29]), ("hub", &MINIMAL[29..])] {
        if name != section {
            others.push_str(text);
        }
    }
    format!("{others}\n{heading}\n{body}")
}

#[test]
fn every_key_of_the_table_is_read_and_refuses_a_wrong_type() {
    let fixture = Fixture::new();
    for section in DEVICE {
        let repeated = matches!(section.occurs, Occurs::Repeated(_));
        let at = if repeated { "[0]" } else { "" };
        for field in section.fields {
            let text = with_value(section.name, field.key, "2020-01-02");
            let problems = fixture.problems(&text);
            let path = format!("{}{at}.{}: must be ", section.name, field.key);
            assert!(
                problems
                    .iter()
                    .any(|p| p.contains(&path) && p.contains("not a date")),
                "{path} {problems:#?}"
            );
        }
    }
}

#[test]
fn every_number_takes_its_bounds_and_refuses_the_next() {
    let fixture = Fixture::new();
    for section in DEVICE {
        for field in section.fields {
            let Kind::Integer { min, max } = field.kind else {
                continue;
            };
            // Bounds of pictures are even by themselves.
            for right in [min, max] {
                let text = with_value(section.name, field.key, &right.to_string());
                let outcome = fixture.check(&text).outcome;
                assert!(outcome.is_ok(), "{} = {right}: {outcome:?}", field.key);
            }
            for (wrong, rule) in [(min.checked_sub(1), "below"), (max.checked_add(1), "above")] {
                let Some(wrong) = wrong else { continue };
                let text = with_value(section.name, field.key, &wrong.to_string());
                let problems = fixture.problems(&text);
                assert!(
                    problems[0].contains(&format!("{}: {wrong} is {rule} the", field.key)),
                    "{problems:?}"
                );
            }
        }
    }
}

#[test]
fn every_choice_is_taken_and_others_are_refused() {
    let fixture = Fixture::new();
    for section in DEVICE {
        for field in section.fields {
            let Kind::Choice(choices) = field.kind else {
                continue;
            };
            for choice in choices {
                let text = with_value(section.name, field.key, &format!("'{choice}'"));
                assert!(
                    fixture.check(&text).outcome.is_ok(),
                    "{} = {choice}",
                    field.key
                );
            }
            let text = with_value(section.name, field.key, "'xyzzy'");
            assert!(fixture.problems(&text)[0].contains("unknown value `xyzzy`"));
        }
    }
}

#[test]
fn every_default_is_one_the_reader_itself_would_take() {
    let fixture = Fixture::new();
    for section in DEVICE {
        for field in section.fields {
            let value = match field.without {
                Without::Integer(number) => number.to_string(),
                Without::Boolean(flag) => flag.to_string(),
                Without::Text(text) => format!("'{text}'"),
                _ => continue,
            };
            let text = with_value(section.name, field.key, &value);
            let given = fixture.check(&text).outcome.unwrap();
            let empty =
                with_value(section.name, field.key, "").replace(&format!("{} = \n", field.key), "");
            if let Ok(without) = fixture.check(&empty).outcome {
                assert_eq!(
                    format!("{given:?}"),
                    format!("{without:?}"),
                    "{}",
                    field.key
                );
            }
        }
    }
}
