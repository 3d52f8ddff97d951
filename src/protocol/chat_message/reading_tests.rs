//! What the SDK and the hub write is understood.

use super::*;
use crate::protocol::address::Realm;
use crate::protocol::xml::SetAttribute;

fn realm() -> Realm {
    Realm {
        app_id: 7,
        chat_host: "chat.example".into(),
    }
}

fn parse(text: &str) -> Incoming {
    read(&realm(), &text.parse().unwrap())
}

#[test]
fn a_message_of_the_sdk_is_read_whole() {
    let incoming = parse(
        "<message xmlns='jabber:client' type='chat' id='66f0aa000102030405000001' \
         to='1002-7@chat.example' from='1001-7@chat.example/res'><body>hi &lt;b></body>\
         <extraParams xmlns='jabber:client'><save_to_history>1</save_to_history>\
         <dialog_id>66f0</dialog_id><date_sent>1760000000</date_sent><mood>ok</mood>\
         <attachment type='photo' uid='u1'/></extraParams></message>",
    );
    let Incoming::Message(message) = incoming else {
        panic!("{incoming:?}")
    };
    assert_eq!((message.sender, message.body.as_str()), (1001, "hi <b>"));
    assert_eq!(message.dialog_id.as_deref(), Some("66f0"));
    assert_eq!(message.date_sent, Some(1_760_000_000));
    assert_eq!(message.custom, [("mood".to_owned(), "ok".into())]);
    assert_eq!(message.attachments[0].uid.as_deref(), Some("u1"));
}

#[test]
fn markers_typing_and_errors_are_told_apart() {
    let read_marker = marker(&realm(), Marker::Read, "s", 1002, "m", Some("66f0"))
        .with("from", "1001-7@chat.example/r");
    assert_eq!(
        read(&realm(), &read_marker),
        Incoming::Marker {
            marker: Marker::Read,
            message_id: "m".into(),
            from: 1001,
            dialog_id: Some("66f0".into())
        }
    );
    assert_eq!(
        parse(
            "<message xmlns='jabber:client' type='chat' from='5-7@chat.example/r'>\
               <composing xmlns='http://jabber.org/protocol/chatstates'/></message>"
        ),
        Incoming::Typing {
            from: 5,
            dialog_id: None,
            composing: true
        }
    );
    assert_eq!(
        parse(
            "<message xmlns='jabber:client' type='error' id='m'><error code='503' \
               type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
               </error></message>"
        ),
        Incoming::Error {
            id: "m".into(),
            code: 503,
            text: "service-unavailable".into()
        }
    );
}

#[test]
fn a_carbon_is_our_own_copy_and_strangers_are_not_read() {
    let carbon = parse(
        "<message xmlns='jabber:client' type='chat' from='5-7@chat.example'>\
         <sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
         <message xmlns='jabber:client' type='chat' id='m' from='5-7@chat.example/other' \
         to='6-7@chat.example'><body>x</body></message></forwarded></sent></message>",
    );
    assert!(matches!(
        carbon,
        Incoming::Message(ChatMessage {
            is_own_copy: true,
            ..
        })
    ));
    assert!(matches!(
        parse("<message xmlns='jabber:client' type='chat' from='5-7@evil.example/r'/>"),
        Incoming::Other(_)
    ));
}

#[test]
fn an_edit_a_removal_and_reactions_are_told_apart_from_messages() {
    let edit = parse(
        "<message xmlns='jabber:client' type='chat' id='s' from='5-7@chat.example/r'>\
         <body>new</body><replace xmlns='urn:xmpp:message-correct:0' id='m' last='true'/>\
         <extraParams xmlns='jabber:client'><dialog_id>66f0</dialog_id><k>v</k></extraParams>\
         </message>",
    );
    assert_eq!(
        edit,
        Incoming::Edited(MessageEdit {
            stanza_id: "s".into(),
            message_id: "m".into(),
            from: 5,
            dialog_id: Some("66f0".into()),
            body: "new".into(),
            is_last: true,
            custom: vec![("k".into(), "v".into())],
        })
    );
    let removal = parse(
        "<message xmlns='jabber:client' type='groupchat' id='s' \
         from='7_66f0@muc.chat.example/5'>\
         <remove xmlns='urn:xmpp:message-delete:0' id='m'/></message>",
    );
    assert_eq!(
        removal,
        Incoming::Removed {
            stanza_id: "s".into(),
            message_id: "m".into(),
            from: 5,
            dialog_id: Some("66f0".into()),
        }
    );
    let reaction = parse(
        "<message xmlns='jabber:client' type='chat' id='s' from='9-7@chat.example/r'>\
         <reactions message_id='m' user_id='5'><reaction add='true' type='👍'/>\
         <reaction remove='true' type='👎'/></reactions></message>",
    );
    assert_eq!(
        reaction,
        Incoming::Reaction(ReactionChange {
            stanza_id: "s".into(),
            message_id: "m".into(),
            user: 5,
            dialog_id: None,
            added: vec!["👍".into()],
            removed: vec!["👎".into()],
        })
    );
}

#[test]
fn a_system_message_has_its_body_and_nested_parameters_without_the_module() {
    let system = parse(
        "<message xmlns='jabber:client' type='headline' id='s' from='5-7@chat.example/r'>\
         <body>dialog/NEW_DIALOG</body><extraParams xmlns='jabber:client'>\
         <moduleIdentifier>SystemNotifications</moduleIdentifier>\
         <dialog_id>66f0</dialog_id><a><b>1</b></a></extraParams></message>",
    );
    assert_eq!(
        system,
        Incoming::System {
            from: 5,
            is_own_copy: false,
            body: Some("dialog/NEW_DIALOG".into()),
            params: vec![
                ("dialog_id".into(), "66f0".into()),
                (
                    "a".into(),
                    ParamValue::Nested(vec![("b".into(), "1".into())])
                ),
            ],
        }
    );
}

#[test]
fn attachments_of_the_rest_api_and_of_the_wire_are_the_same() {
    let of_rest: Attachment = serde_json::from_str(
        r#"{"type":"image","uid":"u","size":"12","width":640,"content-type":"image/jpeg","x":1}"#,
    )
    .unwrap();
    let of_wire = parse(
        "<message xmlns='jabber:client' type='chat' from='5-7@chat.example/r'>\
         <extraParams><attachment type='image' uid='u' size='12' width='640' \
         content-type='image/jpeg' x='1'/></extraParams></message>",
    );
    let Incoming::Message(of_wire) = of_wire else {
        panic!("{of_wire:?}")
    };
    assert_eq!(of_wire.attachments, [of_rest]);
}
