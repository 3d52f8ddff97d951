//! The daemon as a process of its own, without a hub it could reach.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::broker::{Broker, Client};
use crate::fixture::{Fixture, MINIMAL};

pub const AVAILABILITY: &str = "cubelet/front-door/availability";

pub struct Process {
    pub child: Child,
    fixture: Fixture,
}

impl Process {
    /// One that is online at the broker, with `more` at the end of its configuration.
    pub async fn start(broker: &Broker, port: u16, more: &str) -> Self {
        let fixture = Fixture::new();
        let hub = MINIMAL
            .replace("https://hub.example", "http://127.0.0.1:9")
            .replace("tls://chat.example", "ws://127.0.0.1:9/xmpp");
        let text = format!(
            "{hub}\n[camera]\nsource = \"none\"\nwarm = false\n[audio]\nsource = \"none\"\n\
             [mqtt]\nhost = \"127.0.0.1\"\nport = {port}\n{more}"
        )
        .replace("[device]", "[device]\nstate_dir = \"state\"");
        fixture.write(&text);
        let child = spawn(&fixture);
        let process = Self { child, fixture };
        process.online(broker).await;
        process
    }

    /// As by a power cut of this process alone.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Again, with the same state folder.
    pub async fn start_again(&mut self, broker: &Broker) {
        self.child = spawn(&self.fixture);
        self.online(broker).await;
    }

    /// Its state folder.
    pub fn state(&self) -> PathBuf {
        self.fixture.path().join("state")
    }

    /// How many lines of its log say this, of all its lives.
    pub fn logged(&self, words: &str) -> usize {
        let log = std::fs::read_to_string(self.fixture.path().join("log")).unwrap();
        log.lines().filter(|line| line.contains(words)).count()
    }

    /// Waits until it is online at the broker.
    pub async fn online(&self, broker: &Broker) {
        let mut client = Client::subscribe(broker, AVAILABILITY).await;
        client.until(AVAILABILITY, "online").await;
    }
}

fn spawn(fixture: &Fixture) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(fixture.path().join("log"))
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_cubelet"))
        .args(["run", "--config"])
        .arg(fixture.path().join("kiosk.toml"))
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
