//! A hub as a process on a configuration of its own, and a board beside it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

#[path = "../support/hub_process.rs"]
mod hub_process;
use hub_process::HubProcess;

pub struct Site {
    folder: tempfile::TempDir,
    pub ready: Value,
    _hub: HubProcess,
}

impl Site {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hub.toml");
        let text = format!(
            "data_dir = '{}'\napp_id = 1\nauth_key = 'the-application-key'\nnames = ['localhost']\n\
             announce = false\n\
             [listen]\nhttp = '127.0.0.1:0'\nhttps = '127.0.0.1:0'\nxmpp_tls = '127.0.0.1:0'\n",
            folder.path().join("data").display()
        );
        std::fs::write(&file, text).unwrap();
        let arguments = [OsStr::new("--config"), file.as_os_str()];
        let (hub, ready) = HubProcess::start(&arguments, folder.path()).await;
        Self {
            folder,
            ready,
            _hub: hub,
        }
    }

    /// A new code, as `hub enroll --json` gives it.
    pub fn enroll(&self, login: &str, more: &[&str]) -> Value {
        let hub = self.ready["https"].as_str().unwrap();
        let output = cubelet()
            .args(["hub", "enroll", login, "--json", "--hub", hub, "--config"])
            .arg(self.folder.path().join("hub.toml"))
            .args(more)
            .output()
            .unwrap();
        json_of(&output)
    }
}

/// Where a device's files are.
pub struct Board {
    folder: tempfile::TempDir,
}

impl Board {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command of the program, on this board's configuration.
    pub fn command(&self, verb: &str) -> Command {
        let mut command = cubelet();
        command
            .arg(verb)
            .arg("--config")
            .arg(self.path("kiosk.toml"))
            // As the unit has it; the test may not write into the system's folders.
            .env("STATE_DIRECTORY", self.path("state"))
            .env("TMPDIR", self.path("tmp"))
            .stdin(Stdio::null());
        command
    }

    pub fn setup(&self, flags: &[&str]) -> Output {
        self.command("setup").args(flags).output().unwrap()
    }

    /// With somebody who types these lines.
    pub fn setup_typing(&self, flags: &[&str], lines: &str) -> Output {
        let mut child = self
            .command("setup")
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(lines.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }
}

/// A running daemon, which ends with its handle.
pub struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    /// Starts the daemon and waits for the line it prints once it is online.
    pub fn online(board: &Board) -> (Self, Value) {
        let mut command = board.command("run");
        command.arg("--ready-json");
        Self::started(board, command)
    }

    /// Starts a command that goes on, and waits for the line it prints once it is ready.
    pub fn started(board: &Board, mut command: Command) -> (Self, Value) {
        let log = std::fs::File::create(board.path("daemon.log")).unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let daemon = Self(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error}: {line:?}\n{}", board.text("daemon.log")));
        (daemon, ready)
    }
}

pub fn cubelet() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cubelet"))
}

pub fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

pub fn is_jpeg(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(&[0xff, 0xd8, 0xff]))
}
