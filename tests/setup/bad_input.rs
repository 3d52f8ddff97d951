//! What goes wrong at a start is one sentence with what to do about it, from the daemon and from
//! the doctor alike.

use std::process::{Command, Output};

use crate::site::{Board, Daemon, Site, cubelet, json_of};

async fn board() -> (Site, Board) {
    let site = Site::start().await;
    let code = site.enroll("front-door", &[]);
    let board = Board::new();
    let output = board.setup(&[
        "--yes",
        "--code",
        code["uri"].as_str().unwrap(),
        "--camera",
        "none",
        "--microphone",
        "none",
        "--speaker",
        "null",
        "--broker",
        "none",
    ]);
    assert!(output.status.success(), "{output:?}");
    (site, board)
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The doctor's failed checks.
fn failed(output: &Output) -> Vec<serde_json::Value> {
    let examined = json_of(output);
    let checks = examined["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["status"] == "failed");
    failed.cloned().collect()
}

fn replace(board: &Board, from: &str, to: &str) {
    let text = board.text("kiosk.toml");
    assert!(text.contains(from), "{text}");
    std::fs::write(board.path("kiosk.toml"), text.replace(from, to)).unwrap();
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_with_the_reason() {
    let (_site, board) = board().await;
    replace(&board, "version = 1", "version = 99");
    let refused = board.command("run").output().unwrap();
    assert_eq!(refused.status.code(), Some(78));
    let said = told(&refused);
    assert!(
        said.contains("version 99") && said.contains("install a newer cubelet"),
        "{said}"
    );
    let checks = failed(&board.command("doctor").arg("--json").output().unwrap());
    assert_eq!(checks.len(), 1, "{checks:?}");
    let migrated = board.setup(&["--migrate", "--json"]);
    assert_eq!(migrated.status.code(), Some(78));

    let hub = board.path("hub.toml");
    std::fs::write(
        &hub,
        "version = 2\ndata_dir = 'x'\napp_id = 1\nauth_key = 'k'\nnew = 1\n",
    )
    .unwrap();
    let refused = cubelet()
        .args(["hub", "--config"])
        .arg(&hub)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(78));
    let said = told(&refused);
    // What else a newer file has is not held against it.
    assert!(
        said.contains("version 2") && !said.contains("unknown"),
        "{said}"
    );
}

#[tokio::test]
async fn todays_file_needs_no_migration() {
    let (_site, board) = board().await;
    let before = board.text("kiosk.toml");
    let output = board.setup(&["--migrate"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(board.text("kiosk.toml"), before);
}

#[tokio::test]
async fn a_second_daemon_on_one_configuration_is_refused_with_the_remedy() {
    let (_site, board) = board().await;
    let (_first, _) = Daemon::online(&board);
    let second = board.command("run").output().unwrap();
    assert!(!second.status.success());
    let said = told(&second);
    assert!(
        said.contains("in use by another daemon (process "),
        "{said}"
    );
    assert!(said.contains("device.state_dir"), "{said}");
}

#[tokio::test]
async fn a_second_hub_on_the_same_ports_is_refused_with_the_remedy() {
    let site = Site::start().await;
    let board = Board::new();
    let taken = site.ready["xmpp_tls"].as_str().unwrap();
    let text = format!(
        "data_dir = '{}'\napp_id = 1\nauth_key = 'k'\nannounce = false\n[listen]\nhttp = '127.0.0.1:0'\n\
         https = '127.0.0.1:0'\nxmpp_tls = '{}'\n",
        board.path("data").display(),
        taken.replace("localhost", "127.0.0.1")
    );
    std::fs::write(board.path("hub.toml"), text).unwrap();
    let mut command = cubelet();
    let refused = command
        .args(["hub", "--config"])
        .arg(board.path("hub.toml"));
    let refused = refused.output().unwrap();
    assert!(!refused.status.success());
    let said = told(&refused);
    assert!(
        said.contains("listen.xmpp_tls") && said.contains("stop that one"),
        "{said}"
    );
}

#[tokio::test]
async fn a_camera_that_is_not_there_is_told_with_the_remedy() {
    let (_site, board) = board().await;
    replace(
        &board,
        "source = \"none\"",
        "source = \"v4l2:/dev/video99\"",
    );
    replace(
        &board,
        "[audio]\n# Microphone and loudspeaker, as `cubelet devices` names them.\nsource = \"v4l2:/dev/video99\"",
        "[audio]\nsource = \"none\"",
    );
    let checks = failed(&board.command("doctor").arg("--json").output().unwrap());
    assert_eq!(checks.len(), 1, "{checks:?}");
    assert_eq!(checks[0]["name"], "camera");
    let detail = checks[0]["detail"].as_str().unwrap();
    assert!(detail.contains("there is no /dev/video99"), "{detail}");
    assert!(detail.contains("plugged in"), "{detail}");
}

/// Runs a command where the board's state folder is on a disk mounted like this. `None` where the
/// test may not mount.
fn on_a_disk(board: &Board, mounted: &str, verb: &str, more: &str) -> Option<Output> {
    let state = board.path("state");
    std::fs::create_dir_all(&state).unwrap();
    let script = format!(
        "mount -t tmpfs -o {mounted} none '{0}' 2>/dev/null || exit 99; STATE_DIRECTORY='{0}' exec '{1}' {verb} \
         --config '{2}' {more}",
        state.display(),
        env!("CARGO_BIN_EXE_cubelet"),
        board.path("kiosk.toml").display(),
    );
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", &script])
        .output()
        .ok()?;
    (output.status.code() != Some(99)).then_some(output)
}

#[tokio::test]
async fn a_read_only_disk_is_told_with_the_remedy() {
    let (_site, board) = board().await;
    let Some(refused) = on_a_disk(&board, "ro", "run", "") else {
        eprintln!("this user may not mount here: not tried");
        return;
    };
    assert!(!refused.status.success());
    let said = told(&refused);
    assert!(
        said.contains("the disk is read-only: mount it writable"),
        "{said}"
    );
    let examined = on_a_disk(&board, "ro", "doctor", "--json").unwrap();
    let checks = failed(&examined);
    assert_eq!(checks[0]["name"], "state folder", "{checks:?}");
    assert!(
        checks[0]["remedy"].as_str().unwrap().contains("read-only"),
        "{checks:?}"
    );
}

#[tokio::test]
async fn a_full_disk_is_told_with_the_remedy() {
    let (_site, board) = board().await;
    let Some(refused) = on_a_disk(&board, "size=8k", "run", "") else {
        eprintln!("this user may not mount here: not tried");
        return;
    };
    assert!(!refused.status.success());
    let said = told(&refused);
    assert!(
        said.contains("cubelet.db; if its disk is full, make room"),
        "{said}"
    );
}

#[tokio::test]
async fn a_hub_on_a_read_only_or_full_disk_says_so_once_with_the_remedy() {
    let board = Board::new();
    let data = board.path("state");
    let text = format!(
        "data_dir = '{}'\napp_id = 1\nauth_key = 'k'\nannounce = false\n[listen]\nhttp = '127.0.0.1:0'\n\
         https = '127.0.0.1:0'\nxmpp_tls = '127.0.0.1:0'\n",
        data.display()
    );
    // The configuration's name is that of the board's, which `on_a_disk` gives.
    std::fs::write(board.path("kiosk.toml"), text).unwrap();
    for (mounted, remedy) in [
        ("ro", "the disk is read-only: mount it writable"),
        // Enough for the files of its certificate, not for its database.
        ("size=64k", "the disk is full: make room"),
        ("size=8k", "the disk is full: make room"),
    ] {
        let Some(refused) = on_a_disk(&board, mounted, "hub", "") else {
            eprintln!("this user may not mount here: not tried");
            return;
        };
        assert!(!refused.status.success(), "{mounted}");
        let said = told(&refused);
        let line = said.lines().last().unwrap_or_default();
        assert!(
            line.ends_with(&format!("; {remedy}")) || line.contains(&format!("; {remedy}, ")),
            "{said}"
        );
    }
}
