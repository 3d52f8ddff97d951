//! The JSON Schema of every command and setting, made from the types they are read into.
//!
//! Limits serde does not know (ranges, lengths) are in the fields' descriptions.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::payload::{
    Bandwidth, Call, Dialog, Kill, LogDetailOrder, Logs, Message, Nothing, Person, Reject, Ring,
    Talk, Tell, VisitorMessage,
};
use crate::engine::call_command::{Conference, Keys, Mute};
use crate::engine::chat_command as chat;
use crate::engine::recording_command as recording;
use crate::engine::ringing_command as ringing;
use crate::engine::ringing_command::CallFilter;
use crate::engine::say_command::SayCommand;
use crate::engine::setting_command as setting;

/// What a type reads.
fn read_by<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().for_deserialize();
    root::<T>(settings)
}

/// What a type is written as.
pub(super) fn written_by<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().for_serialize();
    root::<T>(settings)
}

fn root<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// The fields of a verb; nothing if there is no such verb.
pub(super) fn command(verb: &str) -> Option<Value> {
    let mut schema = match verb {
        "answer" | "hangup" | "hold" | "resume" | "reconnect" | "unlock" | "snapshot" | "press"
        | "unread" | "blocked" | "reload" | "levels" => read_by::<Nothing>(),
        "ring" => read_by::<Ring>(),
        "call" => read_by::<Call>(),
        "reject" => read_by::<Reject>(),
        "conference" => read_by::<Conference>(),
        "invite" => read_by::<Person>(),
        "mute" => read_by::<Mute>(),
        "bandwidth" => read_by::<Bandwidth>(),
        "tell" => read_by::<Tell>(),
        "digits" => read_by::<Keys>(),
        "visitor_message" => read_by::<VisitorMessage>(),
        "say" => read_by::<SayCommand>(),
        "talk" => read_by::<Talk>(),
        "record" => read_by::<recording::Record>(),
        "recordings" => read_by::<recording::ListRecordings>(),
        "kill" => read_by::<Kill>(),
        "logs" => read_by::<Logs>(),
        "log_detail" => read_by::<LogDetailOrder>(),
        "stop_ringing" => read_by::<ringing::Stop>(),
        "dnd" => read_by::<ringing::Dnd>(),
        "ring_target" => read_by::<ringing::RingTarget>(),
        "auto_answer" => read_by::<ringing::AutoAnswer>(),
        "calls" => read_by::<CallFilter>(),
        "door_log" | "control_log" => read_by::<ringing::DoorLog>(),
        "send" => read_by::<chat::Draft>(),
        "send_status" => read_by::<Message>(),
        "edit" => read_by::<chat::Edit>(),
        "remove" => read_by::<chat::Remove>(),
        "react" => read_by::<chat::React>(),
        "typing" => read_by::<chat::Typing>(),
        "mark_read" => read_by::<chat::MarkRead>(),
        "history" => read_by::<chat::ReadHistory>(),
        "search" => read_by::<chat::Search>(),
        "dialogs" => read_by::<chat::ListDialogs>(),
        "dialog_create" => read_by::<chat::CreateDialog>(),
        "dialog_update" => read_by::<chat::UpdateDialog>(),
        "dialog_leave" | "dialog_subscribe" | "dialog_occupants" => read_by::<Dialog>(),
        "dialog_delete" | "dialog_clear" => read_by::<chat::OneDialog>(),
        "dialog_notifications" => read_by::<chat::Notifications>(),
        "send_system" => read_by::<chat::SendSystem>(),
        "last_activity" => read_by::<chat::LastActivity>(),
        "download" => read_by::<chat::Download>(),
        "users" => read_by::<chat::FindUsers>(),
        "block" => read_by::<chat::Block>(),
        "unblock" => read_by::<chat::Unblock>(),
        "profile_update" => read_by::<chat::UpdateProfile>(),
        "report_user" => read_by::<chat::ReportUser>(),
        "push" => read_by::<chat::Push>(),
        "report_message" => read_by::<chat::ReportMessage>(),
        "record_create" => read_by::<chat::CreateRecord>(),
        "records" => read_by::<chat::ListRecords>(),
        "record_update" => read_by::<chat::UpdateRecord>(),
        "record_delete" => read_by::<chat::DeleteRecords>(),
        _ => return None,
    };
    add_envelope(&mut schema);
    Some(schema)
}

/// The fields of a part that can be set; nothing if it cannot.
pub(super) fn part(part: &str) -> Option<Value> {
    let mut schema = match part {
        "policy" => read_by::<setting::PolicySetting>(),
        "call" => read_by::<setting::CallSetting>(),
        "audio" => read_by::<setting::AudioSetting>(),
        "camera" => read_by::<setting::CameraSetting>(),
        "display" => read_by::<setting::DisplaySetting>(),
        "door" => read_by::<setting::DoorSetting>(),
        _ => return None,
    };
    add_envelope(&mut schema);
    Some(schema)
}

fn add_envelope(schema: &mut Value) {
    let properties = &mut schema["properties"];
    if properties.is_null() {
        *properties = json!({});
    }
    let time = |text: &str| json!({"description": text, "type": "integer", "minimum": 0});
    properties["id"] = json!({
        "description": "Echoed in the reply; with it the order is carried out once.",
        "oneOf": [
            {"type": "string", "minLength": 1, "maxLength": 128},
            {"type": "integer"},
        ],
    });
    properties["ts"] = time("When it was sent, Unix milliseconds.");
    properties["expires"] = time("After which it is not to be carried out, Unix milliseconds.");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::device::VERBS;
    use crate::control::payload;
    use crate::protocol::call_signal::CallType;

    /// The names the reader knows, out of its complaint about one it does not.
    fn known_to_the_reader(complaint: &str) -> BTreeSet<String> {
        let quoted = complaint.split('`').skip(1).step_by(2);
        quoted
            .filter(|name| *name != "zzz")
            .map(str::to_owned)
            .collect()
    }

    fn named_by(schema: &Value) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        for name in ["id", "ts", "expires"] {
            assert!(names.remove(name));
        }
        names
    }

    fn stray() -> serde_json::Map<String, Value> {
        serde_json::Map::from_iter([("zzz".to_owned(), Value::Null)])
    }

    #[test]
    fn every_commands_schema_has_the_fields_its_reader_takes() {
        for verb in VERBS.iter().chain(&["kill"]) {
            let error = payload::parse(verb, stray(), CallType::Video).unwrap_err();
            assert!(error.message.contains("unknown field `zzz`"), "{verb}");
            let schema = command(verb).unwrap_or_else(|| panic!("{verb} has no schema"));
            assert_eq!(
                named_by(&schema),
                known_to_the_reader(&error.message),
                "{verb}"
            );
            assert_eq!(schema["additionalProperties"], false, "{verb}");
        }
        assert_eq!(command("explode"), None);
    }

    #[test]
    fn every_settings_schema_has_the_fields_its_reader_takes() {
        for name in setting::PARTS {
            let error = payload::setting(name, &stray()).unwrap_err();
            let schema = part(name).unwrap_or_else(|| panic!("{name} has no schema"));
            assert_eq!(
                named_by(&schema),
                known_to_the_reader(&error.message),
                "{name}"
            );
        }
        assert_eq!(part("health"), None);
    }
}
