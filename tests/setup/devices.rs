//! What `cubelet devices` finds.

use serde_json::{Value, json};

use crate::site::cubelet;

#[test]
fn what_alsas_configuration_names_is_listed_with_what_each_direction_is_good_for() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = folder.path().join("alsa.conf");
    let text = "</usr/share/alsa/alsa.conf>\n\
        pcm.room { type null\n hint { show on\n description \"The room\" } }\n\
        pcm.ear { type asym\n capture.pcm \"null\"\n hint { show on\n description \"One ear\" } }\n";
    std::fs::write(&configuration, text).unwrap();
    let found = cubelet()
        .args(["devices", "--json"])
        .env("ALSA_CONFIG_PATH", &configuration)
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&found.stdout).expect("JSON on stdout");
    let listed = |name: &str| {
        let pcms = found["sound"].as_array().unwrap();
        let named: Vec<_> = pcms.iter().filter(|pcm| pcm["name"] == name).collect();
        assert_eq!(named.len(), 1, "{name} in {pcms:?}");
        named[0].clone()
    };
    let room = json!({
        "name": "room", "description": "The room", "capture": "works", "playback": "works",
    });
    assert_eq!(listed("room"), room);
    let ear = listed("ear");
    assert_eq!(
        (&ear["description"], &ear["capture"]),
        (&json!("One ear"), &json!("works"))
    );
    assert!(ear["playback"]["refused"].is_string(), "{ear}");
}
