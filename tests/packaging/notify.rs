//! What the daemons tell systemd, heard on a socket of the test's own.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Longer than any step here takes on a busy machine; reached only by a failing test.
const LIMIT: Duration = Duration::from_secs(60);

struct Systemd {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Systemd {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self { socket, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let child = Command::new(env!("CARGO_BIN_EXE_cubelet"))
            .args(arguments)
            .current_dir(self.path())
            .env("NOTIFY_SOCKET", self.path().join("notify"))
            .env("WATCHDOG_USEC", "20000000")
            .env("STATE_DIRECTORY", self.path().join("state"))
            .env_remove("WATCHDOG_PID")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Running(child)
    }

    fn hears(&self, wanted: &str) {
        let mut buffer = [0; 512];
        loop {
            let length = self
                .socket
                .recv(&mut buffer)
                .unwrap_or_else(|error| panic!("waiting for {wanted}: {error}"));
            let said = String::from_utf8_lossy(&buffer[..length]);
            if said.lines().any(|line| line == wanted) {
                return;
            }
        }
    }
}

struct Running(Child);

impl Running {
    fn terminate(&mut self) {
        let pid = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A device whose hub is away.
fn device(folder: &Path) {
    let secret = folder.join("password");
    std::fs::write(&secret, "correct horse\n").unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let text = r#"
[device]
name = "front-door"

[hub]
api = "http://127.0.0.1:9"
chat = "ws://127.0.0.1:9/xmpp"
app_id = 7
auth_key = "key"
login = "door"
password_file = "password"

[camera]
source = "test:ball"
warm = false
"#;
    std::fs::write(folder.join("kiosk.toml"), text).unwrap();
}

#[test]
fn the_device_is_ready_without_its_hub_then_feeds_the_watchdog_and_says_when_it_stops() {
    let systemd = Systemd::new();
    device(systemd.path());
    let mut running = systemd.start(&["run", "--config", "kiosk.toml"]);
    systemd.hears("READY=1");
    systemd.hears("WATCHDOG=1");
    systemd.hears("WATCHDOG=1");
    assert!(systemd.path().join("state/cubelet.db").is_file());
    running.terminate();
    systemd.hears("STOPPING=1");
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn a_second_daemon_on_one_state_folder_is_refused_with_the_reason() {
    let systemd = Systemd::new();
    device(systemd.path());
    let first = systemd.start(&["run", "--config", "kiosk.toml"]);
    systemd.hears("READY=1");
    let second = Command::new(env!("CARGO_BIN_EXE_cubelet"))
        .args(["run", "--config", "kiosk.toml"])
        .current_dir(systemd.path())
        .env("STATE_DIRECTORY", systemd.path().join("state"))
        .output()
        .unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr);
    let expected = format!("in use by another daemon (process {})", first.0.id());
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn the_hub_is_ready_once_it_listens() {
    let systemd = Systemd::new();
    let mut running = systemd.start(&["hub", "--dev"]);
    systemd.hears("READY=1");
    running.terminate();
    systemd.hears("STOPPING=1");
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn a_wrong_configuration_ends_with_the_status_that_is_not_tried_again() {
    let systemd = Systemd::new();
    std::fs::write(systemd.path().join("wrong.toml"), "name = 1\n").unwrap();
    for daemon in [
        ["run", "--config", "wrong.toml"],
        ["hub", "--config", "wrong.toml"],
    ] {
        let status = systemd.start(&daemon).0.wait().unwrap();
        assert_eq!(status.code(), Some(78), "{daemon:?}");
    }
    for unit in ["cubelet.service", "cubelet-hub.service"] {
        let unit = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("systemd")
            .join(unit);
        let text = std::fs::read_to_string(unit).unwrap();
        assert!(text.contains("RestartPreventExitStatus=78\n"), "{text}");
    }
}
