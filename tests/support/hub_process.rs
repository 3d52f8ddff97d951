//! The hub's own binary as a process, which ends with its handle. `CUBELET_BIN` names another one
//! than this build's.

use std::ffi::OsStr;
use std::io::BufRead;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;

pub struct HubProcess(Child);

impl Drop for HubProcess {
    fn drop(&mut self) {
        // SIGKILL: a power cut to the hub, and spares the test the wait for a drain.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl HubProcess {
    /// Starts `cubelet hub` and waits until it is up; what it says about itself. `folder` takes
    /// what the hub would put into the system's folder for scratch, and its log.
    pub async fn start<R: DeserializeOwned>(arguments: &[&OsStr], folder: &Path) -> (Self, R) {
        let binary =
            std::env::var_os("CUBELET_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_cubelet").into());
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("hub.stderr"));
        let mut child = Command::new(binary)
            .args(["hub", "--ready-json"])
            .args(arguments)
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let process = Self(child);
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            std::io::BufReader::new(output)
                .read_line(&mut line)
                .map(|_| line)
        });
        let line = tokio::time::timeout(Duration::from_secs(30), line).await;
        let line = line.expect("the hub does not start").unwrap().unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| {
            let log = std::fs::read_to_string(folder.join("hub.stderr"));
            panic!("{error}: {line:?}\n{}", log.unwrap_or_default())
        });
        (process, ready)
    }
}
