//! What a dialog says of itself, set by a device.

use cubelet::engine::chat_command::{ChatCommand, CreateDialog, UpdateDialog};
use serde_json::{Value, json};

use crate::site::{Site, Station};

async fn site() -> Site {
    Site::start_with(|config| {
        config.chat.dialog_extensions = vec!["place".to_owned(), "floor".to_owned()];
    })
    .await
}

async fn create(station: &Station, fields: Value) -> Value {
    let new: CreateDialog = serde_json::from_value(fields).expect("a dialog");
    station.chat(ChatCommand::CreateDialog(new)).await
}

async fn update(station: &Station, dialog: &Value, mut fields: Value) -> Value {
    fields["dialog"] = dialog.clone();
    let change: UpdateDialog = serde_json::from_value(fields).expect("a change");
    let change = ChatCommand::UpdateDialog(Box::new(change));
    station.chat(change).await["details"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_sets_changes_and_takes_away_the_custom_fields_of_a_dialog() {
    let site = site().await;
    let door = site.station("door", "").await;
    site.sign_up("desk", "a long password").await;
    let fields = json!({"kind": "group", "name": "Gate", "users": ["desk"],
        "description": "who comes and goes", "extensions": {"place": "north", "floor": 3}});
    let created = create(&door, fields).await;
    let details = &created["details"];
    assert_eq!(
        details["extensions"],
        json!({"place": "north", "floor": "3"})
    );
    assert_eq!(details["description"], "who comes and goes");
    let dialog = &created["dialog"];
    let other = update(&door, dialog, json!({"extensions": {"place": "south"}})).await;
    assert_eq!(other["extensions"], json!({"place": "south"}));
    let renamed = update(&door, dialog, json!({"name": "Gate 2"})).await;
    assert_eq!(renamed["extensions"], json!({"place": "south"}));
    let none = update(&door, dialog, json!({"extensions": null})).await;
    assert_eq!(none["extensions"], Value::Null);
    door.stop().await;
    site.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_allows_and_forbids_the_preview_of_a_dialog() {
    let site = site().await;
    let door = site.station("door", "").await;
    let fields = json!({"kind": "public", "name": "News", "allow_preview": true});
    let created = create(&door, fields).await;
    assert_eq!(created["details"]["allow_preview"], true);
    let forbidden = update(&door, &created["dialog"], json!({"allow_preview": false})).await;
    assert_eq!(forbidden["allow_preview"], false);
    door.stop().await;
    site.hub.stop().await;
}

#[test]
fn more_custom_fields_than_there_can_be_and_nested_ones_are_refused_by_name() {
    use cubelet::control::read_command;
    for (extensions, rule) in [
        (
            json!({"a": 1, "b": 2, "c": 3, "d": 4}),
            "4 are more than the most 3",
        ),
        (json!({"a": {"b": 1}}), "a is not a text"),
    ] {
        let fields = json!({"kind": "public", "name": "News", "extensions": extensions});
        let payload = fields.to_string();
        let refusal = read_command("dialog_create", payload.as_bytes()).expect_err("refused");
        assert!(refusal.message.starts_with("extensions: "), "{refusal}");
        assert!(refusal.message.contains(rule), "{refusal}");
    }
}
