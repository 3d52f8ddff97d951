//! The history beyond the lucky case: a crash between receipt and history, a first message to
//! somebody, what was removed while the device was away.

use cubelet::engine::chat_command::{ChatCommand, Draft, ListDialogs, ReadHistory};
use cubelet::engine::command::{Command, UserRef};
use cubelet::engine::event::EventKind;
use cubelet::engine::state::ChatStatus;
use cubelet::protocol::address::Realm;
use cubelet::store::{Arrived, Store};
use serde_json::{Value, json};

use crate::site::{Site, Station, user};

async fn chat(station: &Station, command: ChatCommand) -> Value {
    let reply = station.command(Command::Chat(command)).await;
    reply.expect("the command succeeds")
}

async fn history(station: &Station, dialog: Option<&str>) -> Vec<Value> {
    let page = ReadHistory {
        dialog: dialog.map(str::to_owned),
        ..ReadHistory::default()
    };
    let page = chat(station, ChatCommand::History(page)).await;
    page["messages"].as_array().expect("a list").clone()
}

async fn dialogs(station: &Station) -> Vec<Value> {
    let list = chat(station, ChatCommand::Dialogs(ListDialogs::default())).await;
    list["dialogs"].as_array().expect("a list").clone()
}

async fn send(station: &Station, to: UserRef, text: &str) -> String {
    let draft = Draft {
        to: Some(to),
        text: text.into(),
        ..Draft::default()
    };
    let reply = station.command(Command::Send(Box::new(draft))).await;
    let reply = reply.expect("stored");
    reply["message"].as_str().expect("an id").to_owned()
}

/// Waits until a station has heard of a message; its dialog.
async fn heard(station: &mut Station, id: &str) -> String {
    let dialog = station
        .events
        .hear("the message", |event| match event {
            EventKind::ChatMessage {
                message, dialog, ..
            } if message == id => Some(dialog.clone()),
            _ => None,
        })
        .await;
    dialog.expect("a dialog")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_a_crash_left_in_the_inbox_are_in_the_history_after_the_next_start() {
    let site = Site::start().await;
    let door = site.station("door", "").await;
    let mut desk = site.station("desk", "").await;
    let edited = send(&door, user("desk"), "wrong").await;
    let removed = send(&door, user("desk"), "gone").await;
    heard(&mut desk, &edited).await;
    let dialog = heard(&mut desk, &removed).await;
    let before = desk.stop().await;
    // Noted and acknowledged to the hub, which has forgotten them; then the device was killed.
    let ready = site.hub.ready();
    let realm = Realm {
        app_id: ready.app_id,
        chat_host: ready.chat.clone(),
    };
    let from = realm.connection(door.user, "r");
    let stanza = |id: &str, what: String| Arrived::Message {
        key: format!("change:{id}"),
        stanza: format!(
            "<message xmlns='jabber:client' type='chat' id='{id}' from='{from}'>{what}\
             <extraParams><dialog_id>{dialog}</dialog_id></extraParams></message>"
        ),
    };
    let left = vec![
        stanza(
            "c1",
            format!(
                "<body>right</body><replace xmlns='urn:xmpp:message-correct:0' id='{edited}'/>"
            ),
        ),
        stanza(
            "c2",
            format!(
                "<reactions message_id='{edited}' user_id='{}'><reaction add='true' type='👍'/></reactions>",
                door.user
            ),
        ),
        stanza(
            "c3",
            format!("<remove xmlns='urn:xmpp:message-delete:0' id='{removed}'/>"),
        ),
    ];
    let store = Store::open(&site.store_of("desk")).expect("its database");
    store.take_in(left).await.expect("noted");
    drop(store);
    let mut desk = before.again(&site, "").await;
    // A message behind them: once it is told of, they are dealt with.
    let last = send(&door, user("desk"), "last").await;
    heard(&mut desk, &last).await;
    let entries = history(&desk, Some(&dialog)).await;
    let find = |id: &str| entries.iter().find(|entry| entry["message"] == id).unwrap();
    // The hub of this test has heard of none of them, so its text is back meanwhile.
    assert_eq!(find(&edited)["is_edited"], json!(true));
    assert_eq!(find(&removed)["is_removed"], json!(true));
    desk.stop().await;
    let store = Store::open(&site.store_of("desk")).expect("its database");
    let mut left = store.untaken().await.expect("read");
    // The last message may have been told of a moment before the end, and will be again.
    left.retain(|untaken| untaken.key != last);
    assert_eq!(left, []);
    door.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_message_to_somebody_is_in_their_dialog_at_once() {
    let site = Site::start().await;
    let mut door = site.station("door", "").await;
    let mut desk = site.station("desk", "").await;
    let id = send(&door, user("desk"), "first").await;
    // In some dialog at once, and in the hub's as soon as it has told of it.
    let entry = history(&door, None).await[0].clone();
    assert!(entry["dialog"].is_string(), "{entry}");
    let dialog = heard(&mut desk, &id).await;
    door.events
        .hear("the dialog", |event| match event {
            EventKind::ChatDialog { dialog: known } if *known == dialog => Some(()),
            _ => None,
        })
        .await;
    let entries = history(&door, Some(&dialog)).await;
    assert_eq!(entries[0]["message"], json!(id));
    let list = dialogs(&door).await;
    assert_eq!((list.len(), &list[0]["dialog"]), (1, &json!(dialog)));
    door.stop().await;
    desk.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_message_without_a_network_waits_in_a_provisional_dialog() {
    let site = Site::start().await;
    let desk = site.sign_up("desk", "pw-of-the-desk").await;
    let mut door = site.station("door", "").await;
    let provisional = format!("new:{desk}");
    let in_the_dark = async || {
        door.reaches("offline", |state| state.chat.status != ChatStatus::Online)
            .await;
        let first = send(&door, UserRef::Id(desk), "in the dark").await;
        let list = dialogs(&door).await;
        assert_eq!((list.len(), &list[0]["dialog"]), (1, &json!(provisional)));
        assert_eq!(list[0]["users"], json!([door.user, desk]));
        let entries = history(&door, Some(&provisional)).await;
        assert_eq!(entries[0]["message"], json!(first));
        // A second one, sent to the dialog, goes the same way.
        let draft = Draft {
            dialog: Some(provisional.clone()),
            text: "still dark".into(),
            ..Draft::default()
        };
        let second = door.command(Command::Send(Box::new(draft))).await;
        (first, second.expect("stored")["message"].clone())
    };
    let (site, (first, second)) = site.without_hub(in_the_dark).await;
    let dialog = door
        .events
        .hear("the dialog", |event| match event {
            EventKind::ChatDialog { dialog } => Some(dialog.clone()),
            _ => None,
        })
        .await;
    door.reaches("an empty outbox", |state| state.chat.outbox == 0)
        .await;
    // Under the old name as well: who held it need not be told.
    for name in [&dialog, &provisional] {
        let entries = history(&door, Some(name)).await;
        let ids: Vec<&Value> = entries.iter().map(|entry| &entry["message"]).collect();
        assert_eq!(ids, [&second, &json!(first)]);
    }
    let list = dialogs(&door).await;
    assert_eq!((list.len(), &list[0]["dialog"]), (1, &json!(dialog)));
    door.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_removed_while_the_device_was_away_is_gone_after_it_is_back() {
    let site = Site::start().await;
    let door = site.station("door", "").await;
    let mut desk = site.station("desk", "").await;
    let mut ids = Vec::new();
    for text in ["stays", "goes", "stays as well"] {
        ids.push(send(&door, user("desk"), text).await);
    }
    // Kept in no history of the hub's, so its absence there says nothing.
    let draft = Draft {
        to: Some(user("desk")),
        text: "unsaved".into(),
        unsaved: true,
        ..Draft::default()
    };
    let unsaved = door.command(Command::Send(Box::new(draft))).await;
    let unsaved = unsaved.expect("stored")["message"]
        .as_str()
        .expect("an id")
        .to_owned();
    let dialog = heard(&mut desk, &unsaved).await;
    let before = desk.stop().await;
    // By REST: the removal is told to who is there, and kept for nobody.
    let rest = site.rest("door", &door.password);
    let gone = rest.delete_messages(&[ids[1].clone()], true).await;
    assert_eq!(gone.expect("removed").deleted, [ids[1].clone()]);
    let mut desk = before.again(&site, "").await;
    desk.events
        .hear("the removal", |event| match event {
            EventKind::ChatRemoved { message, .. } if *message == ids[1] => Some(()),
            _ => None,
        })
        .await;
    let entries = history(&desk, Some(&dialog)).await;
    let removed: Vec<&str> = entries
        .iter()
        .filter(|entry| entry["is_removed"] == json!(true))
        .filter_map(|entry| entry["message"].as_str())
        .collect();
    assert_eq!(removed, [ids[1].as_str()]);
    assert_eq!(entries.len(), 4);
    door.stop().await;
    desk.stop().await;
    site.hub.stop().await;
}
