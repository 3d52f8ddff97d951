//! Whatever is written is read back as it was.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::protocol::address::Realm;
use crate::protocol::xml::set_attribute;

fn realm() -> Realm {
    Realm {
        app_id: 7,
        chat_host: "chat.example".into(),
    }
}

/// Text XML carries as it is; carriage returns are normalised by every parser.
fn text() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[ -~äöü🚪\n\t]{0,24}").unwrap()
}

fn name() -> impl Strategy<Value = String> {
    proptest::string::string_regex("x[a-zA-Z0-9_.-]{0,8}").unwrap()
}

fn value() -> impl Strategy<Value = ParamValue> {
    let leaf = text().prop_map(ParamValue::Text);
    leaf.prop_recursive(3, 12, 3, |inner| {
        proptest::collection::vec((name(), inner), 1..3).prop_map(ParamValue::Nested)
    })
}

fn attachment() -> impl Strategy<Value = Attachment> {
    (
        text(),
        proptest::option::of(text()),
        proptest::option::of(any::<u64>()),
        proptest::collection::btree_map(name(), text(), 0..3),
    )
        .prop_map(|(kind, data, size, other)| Attachment {
            kind,
            data,
            size,
            other: other
                .into_iter()
                .map(|(name, value)| (name, Text(value)))
                .collect::<BTreeMap<_, _>>(),
            ..Attachment::default()
        })
}

prop_compose! {
    fn message()(
        body in text(),
        date_sent in any::<u64>(),
        custom in proptest::collection::vec((name(), value()), 0..4),
        attachments in proptest::collection::vec(attachment(), 0..3),
        destroy_after in proptest::option::of(any::<u32>()),
    ) -> OutgoingMessage {
        OutgoingMessage {
            id: "66f0aa000102030405000001".into(),
            target: Target::User(1002),
            body,
            dialog_id: Some("66f0".into()),
            date_sent,
            custom,
            attachments,
            destroy_after,
            ..OutgoingMessage::default()
        }
    }
}

fn received(message: &OutgoingMessage) -> Incoming {
    let text = String::from(&message.to_element(&realm()));
    let mut element: minidom::Element = text.parse().unwrap();
    set_attribute(&mut element, "from", Some("1001-7@chat.example/r"));
    read(&realm(), &element)
}

proptest! {
    #[test]
    fn a_message_is_read_as_it_was_written(message in message()) {
        let Incoming::Message(read) = received(&message) else {
            panic!("not read as a message");
        };
        prop_assert_eq!(read.body, message.body);
        prop_assert_eq!(read.date_sent, Some(message.date_sent));
        prop_assert_eq!(read.custom, message.custom);
        prop_assert_eq!(read.attachments, message.attachments);
        prop_assert_eq!(read.destroy_after, message.destroy_after);
        prop_assert_eq!(read.recipient, Some(1002));
    }

    #[test]
    fn an_edit_is_read_as_it_was_written(body in text(), is_last in any::<bool>()) {
        let edit = OutgoingMessage {
            body: body.clone(),
            action: Action::Edit { message_id: "m".into(), is_last },
            ..OutgoingMessage::default()
        };
        let Incoming::Edited(read) = received(&edit) else {
            panic!("not read as an edit");
        };
        prop_assert_eq!((read.body, read.is_last), (body, is_last));
    }

    #[test]
    fn no_stanza_makes_reading_fail(body in ".{0,40}", kind in "chat|groupchat|headline|error|x") {
        let element = minidom::Element::builder("message", crate::protocol::ns::CLIENT)
            .append(crate::protocol::xml::clean_text(&body))
            .build();
        let mut element = element;
        set_attribute(&mut element, "type", Some(&kind));
        set_attribute(&mut element, "from", Some(&body));
        read(&realm(), &element);
    }
}
