//! `cubelet ctl` as a process of its own.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::broker::Broker;

/// A process that hangs fails the test instead of the run.
const LIMIT: Duration = Duration::from_secs(30);

pub struct Outcome {
    pub status: i32,
    pub out: String,
    pub err: String,
}

fn command(broker: &str, arguments: &[&str]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_cubelet"));
    command
        .args(["ctl", "--broker", broker])
        .args(arguments)
        .env_remove("CUBELET_DEVICE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub async fn ctl_at(broker: &str, arguments: &[&str]) -> Outcome {
    let child = command(broker, arguments).spawn().unwrap();
    let output = tokio::time::timeout(LIMIT, child.wait_with_output())
        .await
        .expect("ctl ends in time")
        .unwrap();
    Outcome {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub async fn ctl(broker: &Broker, arguments: &[&str]) -> Outcome {
    ctl_at(&format!("127.0.0.1:{}", broker.port), arguments).await
}

pub fn json_of(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.out)
        .unwrap_or_else(|error| panic!("{error}: {:?} {:?}", outcome.out, outcome.err))
}

pub struct Watcher {
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    _child: Child,
}

pub fn watching(broker: &Broker, arguments: &[&str]) -> Watcher {
    let mut child = command(&format!("127.0.0.1:{}", broker.port), arguments)
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    Watcher {
        lines,
        _child: child,
    }
}

impl Watcher {
    pub async fn line(&mut self) -> String {
        tokio::time::timeout(LIMIT, self.lines.next_line())
            .await
            .expect("a line in time")
            .unwrap()
            .expect("not ended")
    }
}
