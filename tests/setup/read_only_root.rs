//! A root file system nobody can write to, as cards that are to last have it: only the folders the
//! units name (`StateDirectory`, `CacheDirectory`) can be written.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::site::{Board, Daemon, Site, cubelet, json_of};

/// Makes everything read-only but the folders named, then becomes the program behind `--`.
/// Ends with 99 where that is not permitted.
const SCRIPT: &str = r#"
own=""
while [ "$1" != -- ]; do
  mount --bind "$1" "$1" 2>/dev/null || exit 99
  own="$own $1 "
  shift
done
shift
while read -r _ _ _ _ at _; do
  case "$own" in *" $at "*) continue ;; esac
  case "$at" in /proc | /proc/* | /sys | /sys/* | /dev | /dev/*) continue ;; esac
  mount -o remount,bind,ro "$at" 2>/dev/null || exit 99
done </proc/self/mountinfo
exec "$@"
"#;

/// The command where only these folders can be written.
fn where_only(folders: &[PathBuf], command: &Command) -> Command {
    let mut confined = Command::new("unshare");
    confined.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-euc",
        SCRIPT,
        "sh",
    ]);
    confined.args(folders).arg("--");
    confined.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => confined.env(name, value),
            None => confined.env_remove(name),
        };
    }
    confined
}

/// Whether this user may do that here, and it holds.
fn is_possible(folder: &Path) -> bool {
    let own = folder.join("own");
    std::fs::create_dir_all(&own).unwrap();
    let try_both = "touch \"$1/own/probe\" && ! touch \"$1/probe\" 2>/dev/null";
    let mut command = Command::new("sh");
    command.args(["-c", try_both, "sh"]).arg(folder);
    let is_so = where_only(&[own], &command).status();
    let is_so = is_so.is_ok_and(|status| status.success());
    if !is_so {
        eprintln!("this user may not mount here (run as root): not tried");
    }
    is_so
}

fn folder(board: &Board, name: &str) -> PathBuf {
    let path = board.path(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

#[tokio::test]
async fn a_device_runs_where_only_its_state_and_its_cache_can_be_written() {
    let board = Board::new();
    if !is_possible(&board.path("")) {
        return;
    }
    let site = Site::start().await;
    let code = site.enroll("front-door", &[]);
    let devices = [
        "--camera",
        "test:ball",
        "--microphone",
        "test",
        "--speaker",
        "null",
    ];
    let flags = ["--yes", "--broker", "none", "--untested", "--code"];
    let flags = flags.into_iter().chain([code["uri"].as_str().unwrap()]);
    let set_up = board.setup(&flags.chain(devices).collect::<Vec<_>>());
    assert!(set_up.status.success(), "{set_up:?}");
    let (state, cache) = (folder(&board, "state"), folder(&board, "cache"));
    let writable = [state.clone(), cache.clone()];
    let registry = cache.join("gstreamer.bin");
    let mut run = board.command("run");
    run.arg("--ready-json")
        .env("GST_REGISTRY", &registry)
        .env_remove("TMPDIR");
    let (daemon, ready) = Daemon::started(&board, where_only(&writable, &run));
    assert_eq!(ready["status"], "online", "{ready}");
    drop(daemon);
    assert!(state.join("cubelet.db").exists());
    let log = board.text("daemon.log");
    assert!(!log.contains("Read-only file system"), "{log}");

    // The plug-ins are loaded, and what was found is kept for the next start.
    let mut devices = cubelet();
    devices.arg("devices").env("GST_REGISTRY", &registry);
    let found = where_only(&writable, &devices).output().unwrap();
    let told = String::from_utf8_lossy(&found.stdout);
    assert!(told.contains("will be used"), "{found:?}");
    assert!(registry.exists());
}

#[tokio::test]
async fn a_hub_runs_where_only_its_data_can_be_written() {
    let board = Board::new();
    if !is_possible(&board.path("")) {
        return;
    }
    let data = folder(&board, "data");
    let text = format!(
        "data_dir = '{}'\napp_id = 1\nauth_key = 'the-application-key'\nnames = ['localhost']\n\
         announce = false\n\
         [listen]\nhttp = '127.0.0.1:0'\nhttps = '127.0.0.1:0'\nxmpp_tls = '127.0.0.1:0'\n",
        data.display()
    );
    std::fs::write(board.path("hub.toml"), text).unwrap();
    let mut hub = cubelet();
    hub.args(["hub", "--ready-json", "--config"])
        .arg(board.path("hub.toml"));
    let (daemon, ready) = Daemon::started(&board, where_only(&[data], &hub));
    let mut enroll = cubelet();
    enroll
        .args(["hub", "enroll", "front-door", "--json", "--hub"])
        .arg(ready["https"].as_str().unwrap())
        .arg("--config")
        .arg(board.path("hub.toml"));
    let code = json_of(&enroll.output().unwrap());
    assert!(code["uri"].is_string(), "{code}");
    drop(daemon);
    let log = board.text("daemon.log");
    assert!(!log.contains("Read-only file system"), "{log}");
}
