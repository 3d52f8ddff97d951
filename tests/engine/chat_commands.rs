//! Chat through commands, between two devices and the hub: what is sent, changed, read and found.

use cubelet::engine::chat_command::{
    Block, ChatCommand, CreateDialog, DialogKind, Draft, Edit, FindUsers, LastActivity,
    ListDialogs, MarkRead, OneDialog, React, ReadHistory, Remove, Search, SendSystem, Typing,
    Unblock, UpdateDialog,
};
use cubelet::engine::command::{Command, ErrorCode, UserRef};
use cubelet::engine::event::EventKind;
use cubelet::engine::state::HistoryStatus;
use cubelet::rest::NewMessage;
use serde_json::{Map, Value, json};

use crate::pair::{Pair, pair, pair_with, send};
use crate::site::{Site, user};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attachments_parameters_and_text_arrive_and_are_found_in_both_histories() {
    let mut pair = pair().await;
    let draft: Draft = serde_json::from_value(json!({
        "to": "desk", "text": "Paket im Café",
        "custom": {"priority": 2, "place": {"floor": "3"}},
        "attachments": [{"type": "location", "data": "{\"lat\":\"50\"}"}],
    }))
    .expect("a draft");
    let send = Command::Send(Box::new(draft));
    let reply = pair.door.command(send).await.expect("stored");
    let id = reply["message"].as_str().expect("an id").to_owned();
    let event = pair.desk.message(&id).await;
    let expected = json!({"priority": "2", "place": {"floor": "3"}});
    assert_eq!(event["custom"], expected);
    assert_eq!(event["attachments"][0]["type"], "location");
    for station in [&pair.door, &pair.desk] {
        let search = Search {
            text: "cafe".into(),
            dialog: None,
            limit: 10,
        };
        let found = station.chat(ChatCommand::Search(search)).await;
        assert_eq!(found["messages"][0]["message"], json!(id));
        assert_eq!(found["messages"][0]["custom"], expected);
    }
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_an_own_message_reaches_read() {
    let mut pair = pair().await;
    let (id, _) = pair.sent("hello").await;
    pair.door
        .events
        .hear("read", |event| match event {
            EventKind::ChatMarker {
                message, marker, ..
            } if *message == id && *marker == "read" => Some(()),
            _ => None,
        })
        .await;
    let status = pair.door.chat(ChatCommand::SendStatus(id)).await;
    assert_eq!(status["status"], "read");
    assert_eq!(status["read_by"], json!([pair.desk.user]));
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_and_a_removal_reach_the_other_device_and_its_history() {
    let mut pair = pair().await;
    let (id, dialog) = pair.sent("wrong").await;
    let edit = Edit {
        message: id.clone(),
        text: "right".into(),
    };
    pair.door.chat(ChatCommand::Edit(edit)).await;
    let text = pair
        .desk
        .events
        .hear("the edit", |event| match event {
            EventKind::ChatEdited { message, text, .. } if *message == id => Some(text.clone()),
            _ => None,
        })
        .await;
    assert_eq!(text, "right");
    let entry = pair.desk.history(&dialog).await[0].clone();
    assert_eq!(
        (&entry["text"], &entry["is_edited"]),
        (&json!("right"), &json!(true))
    );
    let remove = Remove {
        message: id.clone(),
        for_all: true,
    };
    pair.door.chat(ChatCommand::Remove(remove)).await;
    pair.desk
        .events
        .hear("the removal", |event| match event {
            EventKind::ChatRemoved { message, .. } if *message == id => Some(()),
            _ => None,
        })
        .await;
    let entry = pair.desk.history(&dialog).await[0].clone();
    assert_eq!(
        (&entry["text"], &entry["is_removed"]),
        (&json!(""), &json!(true))
    );
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_wrote_cannot_be_edited() {
    let mut pair = pair().await;
    let (id, _) = pair.sent("mine").await;
    let edit = Command::Chat(ChatCommand::Edit(Edit {
        message: id,
        text: "forged".into(),
    }));
    let refusal = pair.desk.command(edit).await.expect_err("refused");
    assert_eq!(refusal.code, ErrorCode::NotAllowed);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reaction_reaches_the_author_and_is_counted() {
    let mut pair = pair().await;
    let (id, dialog) = pair.sent("ok?").await;
    let react = React {
        message: id.clone(),
        add: Some("👍".into()),
        remove: None,
    };
    pair.desk.chat(ChatCommand::React(react)).await;
    let (from, added) = pair
        .door
        .events
        .hear("the reaction", |event| match event {
            EventKind::ChatReaction {
                message,
                from,
                added,
                ..
            } if *message == id => Some((*from, added.clone())),
            _ => None,
        })
        .await;
    assert_eq!((from, added), (pair.desk.user, vec!["👍".to_owned()]));
    // The dialog of the own message becomes known with the reaction or the next synchronisation,
    // so the message is asked for where it surely is.
    let entry = pair
        .door
        .chat(ChatCommand::History(ReadHistory::default()))
        .await;
    assert_eq!(entry["messages"][0]["reactions"]["total"]["👍"], 1);
    drop(dialog);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typing_and_system_messages_are_told_as_events() {
    let mut pair = pair().await;
    let typing = Typing {
        to: Some(user("desk")),
        dialog: None,
        composing: true,
    };
    pair.door.chat(ChatCommand::Typing(typing)).await;
    let from = pair
        .desk
        .events
        .hear("typing", |event| match event {
            EventKind::ChatTyping {
                from,
                composing: true,
                ..
            } => Some(*from),
            _ => None,
        })
        .await;
    assert_eq!(from, pair.door.user);
    let system: SendSystem = serde_json::from_value(json!({
        "to": "desk", "body": "dialog/NEW_DIALOG", "params": {"dialogId": "x", "a": {"b": 1}},
    }))
    .expect("a system message");
    pair.door.chat(ChatCommand::SendSystem(system)).await;
    let (body, params) = pair
        .desk
        .events
        .hear("the system message", |event| match event {
            EventKind::ChatSystem { body, params, .. } => Some((body.clone(), params.clone())),
            _ => None,
        })
        .await;
    assert_eq!(body.as_deref(), Some("dialog/NEW_DIALOG"));
    assert_eq!(
        Value::Object(params),
        json!({"dialogId": "x", "a": {"b": "1"}})
    );
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_told_not_to_read_on_arrival_counts_unread_until_it_is_told_to() {
    let mut pair = pair_with("[history]\nread_on_arrival = false\n").await;
    let (_, dialog) = pair.sent("one").await;
    pair.sent("two").await;
    pair.desk
        .reaches("two unread", |state| state.chat.unread == 2)
        .await;
    let unread = pair.desk.chat(ChatCommand::Unread).await;
    let mut expected = json!({"total": 2, "dialogs": {}});
    expected["dialogs"][&dialog] = json!(2);
    assert_eq!(unread, expected);
    let mark = MarkRead {
        dialog: Some(dialog),
        ..MarkRead::default()
    };
    let marked = pair.desk.chat(ChatCommand::MarkRead(mark)).await;
    assert_eq!(marked["marked"], 2);
    pair.desk
        .reaches("none unread", |state| state.chat.unread == 0)
        .await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_created_written_to_changed_and_left() {
    let mut pair = pair().await;
    let new = CreateDialog {
        kind: DialogKind::Group,
        name: Some("Gate".into()),
        description: None,
        users: vec![user("desk")],
        extensions: Map::new(),
        allow_preview: None,
    };
    let created = pair.door.chat(ChatCommand::CreateDialog(new)).await;
    let dialog = created["dialog"].as_str().expect("an id").to_owned();
    let hello = Command::Send(Box::new(Draft {
        dialog: Some(dialog.clone()),
        text: "all".into(),
        ..Draft::default()
    }));
    let reply = pair.door.command(hello).await.expect("stored");
    let id = reply["message"].as_str().expect("an id");
    let event = pair.desk.message(id).await;
    assert_eq!(event["dialog"], json!(dialog));
    let update = UpdateDialog {
        dialog: dialog.clone(),
        name: Some("Gate 2".into()),
        pin: vec![id.to_owned()],
        ..UpdateDialog::default()
    };
    pair.door
        .chat(ChatCommand::UpdateDialog(Box::new(update)))
        .await;
    let list = pair
        .door
        .chat(ChatCommand::Dialogs(ListDialogs::default()))
        .await;
    let listed = list["dialogs"].as_array().expect("a list");
    let listed = listed.iter().find(|one| one["dialog"] == json!(dialog));
    let listed = listed.expect("the group");
    assert_eq!(listed["name"], "Gate 2");
    assert_eq!(listed["pinned"], json!([id]));
    let delete = OneDialog {
        dialog: dialog.clone(),
        for_all: true,
    };
    pair.door.chat(ChatCommand::DeleteDialog(delete)).await;
    assert!(pair.door.history(&dialog).await.is_empty());
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_found_and_seen_online() {
    let pair = pair().await;
    let find = FindUsers {
        login: Some("desk".into()),
        ..FindUsers::default()
    };
    let found = pair.door.chat(ChatCommand::Users(find)).await;
    assert_eq!(found["users"][0]["id"], json!(pair.desk.user));
    let whose = LastActivity {
        user: UserRef::Login("desk".into()),
        watch: None,
    };
    let seen = pair.door.chat(ChatCommand::LastActivity(whose)).await;
    assert_eq!(
        (&seen["seconds"], &seen["online"]),
        (&json!(0), &json!(true))
    );
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_is_current_after_the_start() {
    let mut pair = pair().await;
    pair.door
        .reaches("a current history", |state| {
            state.chat.history.status == HistoryStatus::Current
                && state.chat.history.synced_at.is_some()
        })
        .await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_found_only_by_synchronising_is_told_of_exactly_once() {
    let mut pair = pair_with("[control]\ntest_commands = true\n").await;
    pair.desk
        .reaches("a current history", |state| {
            state.chat.history.status == HistoryStatus::Current
        })
        .await;
    let (_, dialog) = pair.sent("live").await;
    // Into the hub's history alone: nothing is delivered.
    let rest = pair.site.rest("door", &pair.door.password);
    let missed = rest
        .create_message(&NewMessage {
            dialog: dialog.clone(),
            text: "missed".into(),
            send_to_chat: false,
        })
        .await
        .expect("stored");
    // A new stream, and with it a synchronisation; twice, to see that it is told of once.
    for _ in 0..2 {
        let before = pair.desk.state().chat.history.synced_at;
        let kill = Command::Kill {
            actor: "chat".into(),
        };
        pair.desk.command(kill).await.expect("killed");
        pair.desk
            .reaches("another synchronisation", |state| {
                state.chat.history.synced_at > before
            })
            .await;
    }
    let (last, _) = pair.sent("after").await;
    // Everything told of up to the last one was heard by now; go through the history of events.
    let texts: Vec<Value> = pair.desk.history(&dialog).await;
    assert_eq!(texts.len(), 3);
    assert_eq!(pair.desk.heard_messages(), ["live", "missed", "after"]);
    assert_ne!(last, missed.id);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_is_uploaded_sent_and_fetched_by_the_other_device() {
    let site = Site::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let door = site.station("door", "").await;
    let inbox = format!(
        "[attachments]\nsave_to = {:?}\nsave_up_to_mb = 5\n",
        folder.path()
    );
    let desk = site.station("desk", &inbox).await;
    let mut pair = Pair { site, door, desk };
    let draft = Draft {
        to: Some(user("desk")),
        snapshot: true,
        ..Draft::default()
    };
    let reply = pair.door.command(Command::Send(Box::new(draft))).await;
    let id = reply.expect("stored")["message"].clone();
    let id = id.as_str().expect("an id");
    let event = pair.desk.message(id).await;
    assert_eq!(event["attachments"][0]["content-type"], "image/jpeg");
    let (file, bytes) = pair
        .desk
        .events
        .hear("the saved picture", |event| match event {
            EventKind::ChatSaved {
                message,
                file,
                bytes,
                ..
            } if message == id => Some((file.clone(), *bytes)),
            _ => None,
        })
        .await;
    let picture = std::fs::read(&file).expect("the file");
    assert_eq!(picture.len() as u64, bytes);
    assert!(picture.starts_with(&[0xFF, 0xD8]), "it is a JPEG");
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_files_of_the_configured_folder_are_sent() {
    let site = Site::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("note.txt"), "hello").expect("a file");
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("link")).expect("a link");
    let outbox = format!("[attachments]\nsend_from = {:?}\n", folder.path());
    let door = site.station("door", &outbox).await;
    let desk = site.station("desk", "").await;
    let mut pair = Pair { site, door, desk };
    let send = |file: &str| {
        Command::Send(Box::new(Draft {
            to: Some(user("desk")),
            file: Some(file.to_owned()),
            ..Draft::default()
        }))
    };
    for (file, code) in [
        ("../note.txt", ErrorCode::InvalidPayload),
        ("/etc/hostname", ErrorCode::InvalidPayload),
        ("link", ErrorCode::NotAllowed),
        ("absent", ErrorCode::NotFound),
    ] {
        let refusal = pair.door.command(send(file)).await.expect_err(file);
        assert_eq!(refusal.code, code, "{file}: {refusal}");
    }
    let reply = pair.door.command(send("note.txt")).await.expect("stored");
    let id = reply["message"].as_str().expect("an id").to_owned();
    let event = pair.desk.message(&id).await;
    assert_eq!(event["attachments"][0]["name"], "note.txt");
    assert_eq!(event["attachments"][0]["size"], 5);
    let refusal = pair.desk.command(send("note.txt")).await;
    assert_eq!(refusal.expect_err("no folder").code, ErrorCode::NotAllowed);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_blocked_is_told_so_and_heard_again_once_let_in() {
    let mut pair = pair().await;
    pair.sent("before").await;
    let block = Block {
        user: user("door"),
        mutual: false,
    };
    let blocked = pair.desk.chat(ChatCommand::Block(block)).await;
    let door = blocked["user"].clone();
    let list = pair.desk.chat(ChatCommand::Blocked).await;
    assert_eq!(list["users"], json!([{"user": door, "mutual": false}]));

    let reply = pair.door.command(send("in vain")).await.expect("stored");
    let refused = reply["message"].as_str().expect("an id").to_owned();
    pair.door
        .events
        .hear("a refusal", |event| match event {
            EventKind::ChatRefused { message, .. } if *message == refused => Some(()),
            _ => None,
        })
        .await;

    let unblock = Unblock { user: user("door") };
    let let_in = pair.desk.chat(ChatCommand::Unblock(unblock)).await;
    assert_eq!(let_in["was_blocked"], true);
    let list = pair.desk.chat(ChatCommand::Blocked).await;
    assert_eq!(list["users"], json!([]));
    pair.sent("after").await;
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_is_sent_as_a_contact_and_read_as_one_by_the_other_device() {
    let mut pair = pair().await;
    let draft: Draft = serde_json::from_value(json!({
        "to": "desk", "contacts": [{"name": "Ana & Co", "phone": "+49 30 1234"}],
    }))
    .expect("a draft");
    let reply = pair.door.command(Command::Send(Box::new(draft))).await;
    let id = reply.expect("stored")["message"].clone();
    let event = pair.desk.message(id.as_str().expect("an id")).await;
    assert_eq!(event["attachments"][0]["type"], "contact");
    assert_eq!(
        event["contacts"],
        json!([{"phone": "+49 30 1234", "name": "Ana & Co"}])
    );
    pair.stop().await;
}
