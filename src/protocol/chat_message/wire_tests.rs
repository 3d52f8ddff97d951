//! What is written, checked against the files in `wire/`, one line each as sent.

use super::*;
use crate::protocol::address::Realm;

fn realm() -> Realm {
    Realm {
        app_id: 7,
        chat_host: "chat.example".into(),
    }
}

fn message() -> OutgoingMessage {
    OutgoingMessage {
        id: "66f0aa000102030405000001".into(),
        target: Target::User(1002),
        body: "hi <b>".into(),
        dialog_id: Some("66f0aa000102030405000009".into()),
        date_sent: 1_760_000_000,
        ..OutgoingMessage::default()
    }
}

#[track_caller]
fn is(element: &minidom::Element, expected: &str) {
    assert_eq!(String::from(element), expected.trim_end());
}

#[test]
fn a_message() {
    is(
        &message().to_element(&realm()),
        include_str!("wire/message.xml"),
    );
}

#[test]
fn a_silent_group_message_with_attachments_and_nested_parameters() {
    let attachments = vec![
        Attachment {
            kind: "image".into(),
            uid: Some("u1".into()),
            size: Some(12),
            width: Some(640),
            content_type: Some("image/jpeg".into()),
            name: Some("door.jpg".into()),
            ..Attachment::default()
        },
        Attachment {
            kind: "location".into(),
            data: Some("{\"lat\":\"50.0\"}".into()),
            ..Attachment::default()
        },
    ];
    let message = OutgoingMessage {
        target: Target::Dialog("66f0aa000102030405000009".into()),
        is_silent: true,
        attachments,
        custom: vec![
            ("mood".into(), "ok".into()),
            (
                "nested".into(),
                ParamValue::Nested(vec![(
                    "y".into(),
                    ParamValue::Nested(vec![("z".into(), "q".into())]),
                )]),
            ),
        ],
        ..message()
    };
    is(
        &message.to_element(&realm()),
        include_str!("wire/group_message_with_everything.xml"),
    );
}

#[test]
fn a_message_that_destroys_itself_and_is_not_kept() {
    let message = OutgoingMessage {
        destroy_after: Some(5),
        ..message()
    };
    is(
        &message.to_element(&realm()),
        include_str!("wire/self_destroying_message.xml"),
    );
}

#[test]
fn an_edit() {
    let edit = OutgoingMessage {
        action: Action::Edit {
            message_id: "66f0aa000102030405000000".into(),
            is_last: true,
        },
        ..message()
    };
    is(&edit.to_element(&realm()), include_str!("wire/edit.xml"));
}

#[test]
fn a_removal() {
    let removal = OutgoingMessage {
        action: Action::Remove {
            message_id: "66f0aa000102030405000000".into(),
        },
        ..message()
    };
    is(
        &removal.to_element(&realm()),
        include_str!("wire/removal.xml"),
    );
}

#[test]
fn a_read_marker() {
    let mark = OutgoingMessage {
        action: Action::Mark {
            message_id: "66f0aa000102030405000000".into(),
            marker: Marker::Read,
        },
        ..message()
    };
    is(
        &mark.to_element(&realm()),
        include_str!("wire/read_marker.xml"),
    );
}

#[test]
fn typing_in_a_group() {
    let target = Target::Dialog("66f0aa000102030405000009".into());
    is(
        &typing(&realm(), &target, true),
        include_str!("wire/typing.xml"),
    );
}

#[test]
fn a_system_message() {
    let params = vec![
        ("callStart".into(), "1".into()),
        (
            "data".into(),
            ParamValue::Nested(vec![("room".into(), "5".into())]),
        ),
    ];
    is(
        &system_message(&realm(), "s1", 1002, Some("dialog/NEW_DIALOG"), &params),
        include_str!("wire/system.xml"),
    );
}
