//! A hub found on its network, in a network of its own.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::site::Board;

/// Runs a shell script in a network namespace of its own, with the loopback up and nothing else.
/// `None` where this user may not make one.
fn in_a_network_of_its_own(folder: &Path, script: &str) -> Option<Output> {
    let script = format!(
        "ip link set lo up || exit 99\ncd '{}'\ncubelet='{}'\n{script}",
        folder.display(),
        env!("CARGO_BIN_EXE_cubelet")
    );
    let output = Command::new("unshare")
        .args(["--net", "--map-root-user", "sh", "-c", &script])
        .env("TMPDIR", folder)
        .env("STATE_DIRECTORY", folder.join("state"))
        .output()
        .ok()?;
    let is_refused = output.status.code() == Some(99)
        || String::from_utf8_lossy(&output.stderr).contains("unshare failed");
    if is_refused {
        eprintln!("this user may not make a network here: not tried");
        return None;
    }
    Some(output)
}

fn configure(board: &Board, listen: &str) {
    let text = format!(
        "data_dir = 'data'\napp_id = 1\nauth_key = 'key'\nannounce = true\n\
         [listen]\nhttp = '127.0.0.1:8080'\nhttps = '{listen}:8443'\nxmpp_tls = '{listen}:5223'\n"
    );
    let text = text.replace("'data'", &format!("'{}'", board.path("data").display()));
    std::fs::write(board.path("hub.toml"), text).unwrap();
}

/// Starts a hub whose first line says that it is up.
const HUB: &str = "mkfifo ready\n\
     \"$cubelet\" hub --config hub.toml --ready-json > ready 2> hub.log &\n\
     hub=$!\n\
     read line < ready || exit 1\n";

#[test]
fn a_board_finds_the_hub_of_its_network_and_keeps_its_address() {
    let board = Board::new();
    configure(&board, "0.0.0.0");
    let script = format!(
        "ip link add lan type veth peer name far && ip addr add 10.9.0.1/24 dev lan && ip link set far up && ip link set lan up\n\
         {HUB}\
         code=$(\"$cubelet\" hub enroll front-door --json --config hub.toml | sed 's/.*\"code\":\"\\([^\"]*\\)\".*/\\1/')\n\
         \"$cubelet\" setup --yes --json --config kiosk.toml --code $code --camera none --microphone none \
         --speaker null --broker none\n\
         kill $hub\nwait $hub\n"
    );
    let Some(output) = in_a_network_of_its_own(&board.path(""), &script) else {
        return;
    };
    let told = String::from_utf8_lossy(&output.stderr);
    let done: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}\n{}", board.text("hub.log")));
    assert_eq!(done["ok"], true, "{done} {told}");
    let api = done["hub"]["api"].as_str().unwrap().trim_end_matches('/');
    assert_eq!(api, "https://10.9.0.1:8443");
    assert!(board.text("kiosk.toml").contains(api));
}

#[test]
fn a_hub_without_any_way_for_multicast_starts_all_the_same() {
    let board = Board::new();
    configure(&board, "127.0.0.1");
    let script =
        format!("ip link set lo multicast off\n{HUB}echo \"$line\"\nkill $hub\nwait $hub\n");
    let Some(output) = in_a_network_of_its_own(&board.path(""), &script) else {
        return;
    };
    let ready: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}\n{}", board.text("hub.log")));
    assert_eq!(ready["https"], "https://127.0.0.1:8443");
    assert!(
        output.status.success(),
        "it does not end in order: {output:?}"
    );
}
