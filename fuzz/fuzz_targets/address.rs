//! Addresses: what is read and written again is the same address.
#![no_main]

use cubelet::protocol::address::{Address, Realm};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let realm = Realm {
        app_id: 7,
        chat_host: "h".into(),
    };
    let Ok(address) = realm.parse(text) else {
        return;
    };
    let again = match &address {
        Address::Server => realm.chat_host.clone(),
        Address::User {
            user,
            resource: None,
        } => realm.user(*user),
        Address::User {
            user,
            resource: Some(resource),
        } => realm.connection(*user, resource),
        Address::Room {
            dialog,
            occupant: None,
        } => realm.room(dialog),
        Address::Room {
            dialog,
            occupant: Some(user),
        } => realm.occupant(dialog, *user),
    };
    assert_eq!(realm.parse(&again), Ok(address));
});
