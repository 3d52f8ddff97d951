//! The contract names everything there is, in tables made from the code and in words.

use cubelet::config::device::{EVENTS, VERBS};

const CONTRACT: &str = include_str!("../../docs/reference/mqtt.md");

#[test]
fn every_command_has_its_row() {
    for verb in VERBS {
        assert!(CONTRACT.contains(&format!("\n| `{verb}` |")), "{verb}");
    }
}

#[test]
fn every_event_has_its_row() {
    for event in EVENTS {
        let is_told = |row: &str| row.starts_with("| `") && row.contains(&format!("`{event}`"));
        assert!(CONTRACT.lines().any(is_told), "{event}");
    }
}

#[cfg(feature = "media")]
#[test]
fn the_contract_holds_the_tables_of_the_code() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/mqtt.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let expected = cubelet::control::reference::page(&page).expect("every mark");
    if std::env::var_os("CUBELET_BLESS").is_some() {
        std::fs::write(&path, expected).unwrap();
    } else {
        assert!(
            page == expected,
            "run with CUBELET_BLESS=1 and commit docs/reference/mqtt.md"
        );
    }
}
