//! Two devices that write to each other through a hub.

use cubelet::engine::chat_command::{ChatCommand, Draft, ReadHistory};
use cubelet::engine::command::Command;
use cubelet::engine::event::EventKind;
use serde_json::{Value, json};

use crate::site::{Site, Station, user};

/// Two devices of one hub.
pub struct Pair {
    pub site: Site,
    pub door: Station,
    pub desk: Station,
}

pub async fn pair() -> Pair {
    pair_with("").await
}

/// `desk` is TOML for the second device.
pub async fn pair_with(desk: &str) -> Pair {
    let site = Site::start().await;
    let door = site.station("door", "").await;
    let desk = site.station("desk", desk).await;
    Pair { site, door, desk }
}

impl Pair {
    pub async fn stop(self) {
        self.door.stop().await;
        self.desk.stop().await;
        self.site.hub.stop().await;
    }

    /// Sends from the door to the desk and waits until the desk has it; message and dialog.
    pub async fn sent(&mut self, text: &str) -> (String, String) {
        let reply = self.door.command(send(text)).await.expect("stored");
        let id = reply["message"].as_str().expect("an id").to_owned();
        let dialog = self.desk.message(&id).await["dialog"].clone();
        (id, dialog.as_str().expect("a dialog").to_owned())
    }
}

impl Station {
    /// Waits for a message's event, as JSON.
    pub async fn message(&mut self, id: &str) -> Value {
        self.events
            .hear("a message", |event| match event {
                EventKind::ChatMessage { message, .. } if message == id => Some(json!(event)),
                _ => None,
            })
            .await
    }

    pub async fn chat(&self, command: ChatCommand) -> Value {
        let reply = self.command(Command::Chat(command)).await;
        reply.expect("the command succeeds")
    }

    pub async fn history(&self, dialog: &str) -> Vec<Value> {
        let page = ReadHistory {
            dialog: Some(dialog.to_owned()),
            ..ReadHistory::default()
        };
        let page = self.chat(ChatCommand::History(page)).await;
        page["messages"].as_array().expect("a list").clone()
    }
}

/// A message from the door to the desk.
pub fn send(text: &str) -> Command {
    Command::Send(Box::new(Draft {
        to: Some(user("desk")),
        text: text.into(),
        ..Draft::default()
    }))
}
