//! The contract names everything there is.

use cubelet::config::device::{EVENTS, VERBS};
use cubelet::engine::command::ErrorCode;

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

#[test]
fn every_error_code_has_its_row() {
    // A new code does not compile here until it is listed, and then needs its row.
    let listed = |code: ErrorCode| match code {
        ErrorCode::InvalidPayload
        | ErrorCode::UnknownCommand
        | ErrorCode::WrongState
        | ErrorCode::NotFound
        | ErrorCode::NotAllowed
        | ErrorCode::Expired
        | ErrorCode::RateLimited
        | ErrorCode::Unavailable
        | ErrorCode::Timeout
        | ErrorCode::Internal => code,
    };
    for code in [
        ErrorCode::InvalidPayload,
        ErrorCode::UnknownCommand,
        ErrorCode::WrongState,
        ErrorCode::NotFound,
        ErrorCode::NotAllowed,
        ErrorCode::Expired,
        ErrorCode::RateLimited,
        ErrorCode::Unavailable,
        ErrorCode::Timeout,
        ErrorCode::Internal,
    ] {
        let name = serde_json::to_value(listed(code)).unwrap();
        let row = format!("\n| `{}` |", name.as_str().unwrap());
        assert!(CONTRACT.contains(&row), "{row}");
    }
}
