//! The chat verbs of `cubelet ctl`: which command each becomes, and how its reply is shown.

use cubelet::control::read_command;
use cubelet::engine::command::{Command, Reply};
use serde_json::{Value, json};

use crate::broker::Broker;
use crate::ctl_process::{Outcome, ctl, json_of};
use crate::device::{Act, Device, settings};

const DIALOG: &str = "66f0aa000102030405000001";
const MESSAGE: &str = "66f0aa000102030405000002";

/// A device that answers everything alike, and its broker.
struct Scripted {
    broker: Broker,
    device: Device,
}

impl Scripted {
    async fn answering(reply: Value) -> Self {
        let broker = Broker::start().await;
        let mut device = Device::with_engine(settings(&broker), move |_| {
            Act::Answer(Ok(Reply::Json(reply.clone())))
        });
        device.online().await;
        Self { broker, device }
    }

    async fn run(&self, arguments: &[&str]) -> Outcome {
        ctl(&self.broker, arguments).await
    }

    /// Runs and gives back what the device was told to do.
    async fn command(&self, arguments: &[&str]) -> Command {
        let outcome = self.run(arguments).await;
        assert_eq!(
            (outcome.status, outcome.err.as_str()),
            (0, ""),
            "{arguments:?}"
        );
        let last = self.device.executed.lock().pop();
        last.expect("the device is commanded")
    }

    /// Checks that arguments become a command of the reference.
    async fn becomes(&self, arguments: &[&str], verb: &str, fields: Value) {
        let wanted = read_command(verb, fields.to_string().as_bytes());
        let wanted = wanted.expect("a command of the reference");
        assert_eq!(self.command(arguments).await, wanted, "{arguments:?}");
    }
}

#[tokio::test]
async fn every_chat_verb_becomes_its_command() {
    let device = Scripted::answering(json!({})).await;
    let cases: &[(&[&str], &str, Value)] = &[
        (&["typing", "--to", "desk"], "typing", json!({"to": "desk"})),
        (
            &["typing", "--dialog", DIALOG, "--stop"],
            "typing",
            json!({"dialog": DIALOG, "composing": false}),
        ),
        (
            &["system", "--to", "7", "--param", "a=b=c", "door"],
            "send_system",
            json!({"to": 7, "body": "door", "params": {"a": "b=c"}}),
        ),
        (
            &["send", "--to", "desk", "--param", "floor=3", "parcel"],
            "send",
            json!({"to": "desk", "text": "parcel", "custom": {"floor": "3"}}),
        ),
        (
            &["send", "--to", "desk", "--contact", "Ana=+49 30 1234"],
            "send",
            json!({"to": "desk", "text": "", "contacts": [{"name": "Ana", "phone": "+49 30 1234"}]}),
        ),
        (
            &["send-status", MESSAGE],
            "send_status",
            json!({"message": MESSAGE}),
        ),
        (
            &["download", MESSAGE, "2"],
            "download",
            json!({"message": MESSAGE, "attachment": 2}),
        ),
        (
            &["activity", "desk"],
            "last_activity",
            json!({"user": "desk"}),
        ),
        (
            &["activity", "desk", "--watch"],
            "last_activity",
            json!({"user": "desk", "watch": true}),
        ),
        (
            &["activity", "desk", "--unwatch"],
            "last_activity",
            json!({"user": "desk", "watch": false}),
        ),
        (&["user", "desk"], "users", json!({"login": "desk"})),
        (&["users", "Front"], "users", json!({"name": "Front"})),
        (
            &["users", "--id", "7", "--id", "8"],
            "users",
            json!({"ids": [7, 8]}),
        ),
        (
            &["block", "desk", "--mutual"],
            "block",
            json!({"user": "desk", "mutual": true}),
        ),
        (&["unblock", "7"], "unblock", json!({"user": 7})),
        (&["blocked"], "blocked", json!({})),
        (
            &["report", "user", "desk", "sends", "spam"],
            "report_user",
            json!({"user": "desk", "reason": "sends spam"}),
        ),
        (
            &[
                "push", "--to", "desk", "--to", "7", "--title", "Alarm", "--life", "60", "Leak",
                "below",
            ],
            "push",
            json!({"users": ["desk", 7], "title": "Alarm", "life_s": 60, "text": "Leak below"}),
        ),
        (
            &["push", "--any-tag", "duty", "--any-tag", "night", "Leak"],
            "push",
            json!({"any_tag": ["duty", "night"], "text": "Leak"}),
        ),
        (
            &[
                "records",
                "create",
                "reading",
                "{\"value\": 1.5}",
                "--parent",
                MESSAGE,
                "--permissions",
                "{\"read\": {\"access\": \"owner\"}}",
            ],
            "record_create",
            json!({"class": "reading", "fields": {"value": 1.5}, "parent": MESSAGE,
                "permissions": {"read": {"access": "owner"}}}),
        ),
        (
            &[
                "records",
                "list",
                "reading",
                "{\"value\": {\"gt\": 1}}",
                "--sort-desc",
                "_id",
                "--limit",
                "5",
                "--skip",
                "2",
            ],
            "records",
            json!({"class": "reading", "filter": {"value": {"gt": 1}}, "sort_desc": "_id",
                "limit": 5, "skip": 2}),
        ),
        (
            &["records", "list", "reading", "--record", MESSAGE],
            "records",
            json!({"class": "reading", "records": [MESSAGE]}),
        ),
        (
            &[
                "records",
                "update",
                "reading",
                MESSAGE,
                "{\"inc\": {\"value\": 1}}",
            ],
            "record_update",
            json!({"class": "reading", "record": MESSAGE, "changes": {"inc": {"value": 1}}}),
        ),
        (
            &["records", "delete", "reading", MESSAGE, DIALOG],
            "record_delete",
            json!({"class": "reading", "records": [MESSAGE, DIALOG]}),
        ),
        (
            &["report", "message", MESSAGE, "spam"],
            "report_message",
            json!({"message": MESSAGE, "reason": "spam"}),
        ),
        (
            &[
                "profile", "--name", "Lobby", "--phone", "", "--tag", "a", "--tag", "b",
            ],
            "profile_update",
            json!({"full_name": "Lobby", "phone": "", "tags": ["a", "b"]}),
        ),
        (
            &["profile", "--no-tags", "--custom-data", "{\"floor\":3}"],
            "profile_update",
            json!({"tags": [], "custom_data": "{\"floor\":3}"}),
        ),
    ];
    for (arguments, verb, fields) in cases {
        device.becomes(arguments, verb, fields.clone()).await;
    }
}

#[tokio::test]
async fn every_dialog_verb_becomes_its_command() {
    let device = Scripted::answering(json!({})).await;
    let one = json!({"dialog": DIALOG});
    let all = json!({"dialog": DIALOG, "for_all": true});
    let cases: &[(&[&str], &str, Value)] = &[
        (
            &["dialog", "create", "--kind", "private", "desk"],
            "dialog_create",
            json!({"kind": "private", "users": ["desk"]}),
        ),
        (
            &["dialog", "create", "--name", "Gate", "desk", "7"],
            "dialog_create",
            json!({"kind": "group", "name": "Gate", "users": ["desk", 7]}),
        ),
        (
            &[
                "dialog",
                "update",
                DIALOG,
                "--name",
                "Gate 2",
                "--add",
                "7",
                "--add",
                "8",
                "--remove-admin",
                "desk",
                "--pin",
                MESSAGE,
            ],
            "dialog_update",
            json!({"dialog": DIALOG, "name": "Gate 2", "add_users": [7, 8],
                "remove_admins": ["desk"], "pin": [MESSAGE]}),
        ),
        (&["dialog", "leave", DIALOG], "dialog_leave", one.clone()),
        (&["dialog", "delete", DIALOG], "dialog_delete", one.clone()),
        (
            &["dialog", "delete", DIALOG, "--for-all"],
            "dialog_delete",
            all.clone(),
        ),
        (
            &["dialog", "clear", DIALOG, "--for-all"],
            "dialog_clear",
            all,
        ),
        (
            &["dialog", "subscribe", DIALOG],
            "dialog_subscribe",
            one.clone(),
        ),
        (
            &["dialog", "occupants", DIALOG],
            "dialog_occupants",
            one.clone(),
        ),
        (
            &["dialog", "notifications", DIALOG],
            "dialog_notifications",
            one,
        ),
        (
            &["dialog", "notifications", DIALOG, "off"],
            "dialog_notifications",
            json!({"dialog": DIALOG, "enabled": false}),
        ),
    ];
    for (arguments, verb, fields) in cases {
        device.becomes(arguments, verb, fields.clone()).await;
    }
}

#[tokio::test]
async fn lists_are_tables_for_people_and_the_reply_itself_with_json() {
    let users = json!([
        {"id": 1002, "login": "desk", "full_name": "Front desk", "user_tags": "staff,floor1"},
        {"id": 7, "login": "door"},
    ]);
    let device = Scripted::answering(json!({ "users": users })).await;
    let shown = device.run(&["users", "Front"]).await;
    assert_eq!(
        shown.out,
        "ID    LOGIN  NAME        EMAIL  TAGS\n\
         1002  desk   Front desk         staff,floor1\n\
         7     door\n"
    );
    let json = device.run(&["users", "Front", "--json"]).await;
    assert_eq!(json_of(&json)["users"], users);
    let occupants = device.run(&["dialog", "occupants", DIALOG]).await;
    assert_eq!(occupants.out, shown.out);
}

#[tokio::test]
async fn a_created_dialog_is_shown_a_line_a_field() {
    let details = json!({"dialog": DIALOG, "kind": "group", "name": "Gate", "description": null,
        "users": [7, 1002], "last_date": null});
    let reply = json!({"dialog": DIALOG, "details": details});
    let device = Scripted::answering(reply).await;
    let created = device.run(&["dialog", "create", "-n", "Gate", "7"]).await;
    assert_eq!(
        created.out,
        format!(
            "dialog        {DIALOG}\nkind          group\nname          Gate\n\
             users         7, 1002\n"
        )
    );
}

#[tokio::test]
async fn what_does_not_fit_together_is_exit_status_2_before_anybody_is_asked() {
    let broker = Broker::start().await;
    for arguments in [
        &["typing"][..],
        &["typing", "--to", "desk", "--dialog", DIALOG],
        &["users"],
        &["users", "Front", "--id", "7"],
        &["activity", "desk", "--watch", "--unwatch"],
        &["system", "--to", "desk", "--param", "no equals sign"],
        &["dialog", "notifications", DIALOG, "maybe"],
        &["dialog", "create", "--kind", "secret"],
        &["dialog"],
        &["profile"],
        &["profile", "--tag", "a", "--no-tags"],
        &["report", "user", "desk"],
    ] {
        let refused = ctl(&broker, arguments).await;
        assert_eq!(refused.status, 2, "{arguments:?}: {}", refused.err);
        assert!(!refused.err.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn a_dialog_s_custom_fields_and_preview_are_set_and_taken_away() {
    let device = Scripted::answering(json!({})).await;
    let cases: &[(&[&str], &str, Value)] = &[
        (
            &[
                "dialog",
                "create",
                "--kind",
                "public",
                "--name",
                "News",
                "--allow-preview",
                "--extension",
                "place=north",
                "--description",
                "what is new",
            ],
            "dialog_create",
            json!({"kind": "public", "name": "News", "allow_preview": true,
                "extensions": {"place": "north"}, "description": "what is new"}),
        ),
        (
            &[
                "dialog",
                "update",
                DIALOG,
                "--allow-preview",
                "off",
                "--extension",
                "floor=3",
            ],
            "dialog_update",
            json!({"dialog": DIALOG, "allow_preview": false, "extensions": {"floor": "3"}}),
        ),
        (
            &["dialog", "update", DIALOG, "--no-extensions"],
            "dialog_update",
            json!({"dialog": DIALOG, "extensions": null}),
        ),
    ];
    for (arguments, verb, fields) in cases {
        device.becomes(arguments, verb, fields.clone()).await;
    }
}

#[tokio::test]
async fn help_names_every_dialog_verb() {
    let broker = Broker::start().await;
    let help = ctl(&broker, &["dialog", "--help"]).await;
    assert_eq!(help.status, 0);
    for verb in [
        "create",
        "update",
        "leave",
        "delete",
        "clear",
        "subscribe",
        "occupants",
        "notifications",
    ] {
        assert!(help.out.contains(&format!("\n  {verb} ")), "{}", help.out);
    }
}
