//! Stanzas: reading one, of whatever content, never panics.
#![no_main]

use cubelet::protocol::address::Realm;
use cubelet::protocol::call_signal::CallSignal;
use cubelet::protocol::chat_message;
use cubelet::protocol::extra_params::ExtraParams;
use cubelet::protocol::preview::PreviewSignal;
use cubelet::protocol::room_presence;
use cubelet::protocol::stream_management::{Nonza, counts};
use cubelet::protocol::xml_guard::XmlGuard;
use libfuzzer_sys::fuzz_target;
use minidom::Element;

fuzz_target!(|text: &str| {
    if XmlGuard::check_frame(text, 65_536).is_err() {
        return;
    }
    let Ok(element) = text.parse::<Element>() else {
        return;
    };
    let realm = Realm {
        app_id: 7,
        chat_host: "127.0.0.1".into(),
    };
    let _ = chat_message::read(&realm, &element);
    let _ = room_presence::read(&realm, 1001, &element);
    let _ = ExtraParams::of(&element).map(CallSignal::read);
    if let Some(params) = ExtraParams::of(&element) {
        let texts = params.iter().map(|one| (one.name().to_owned(), one.text()));
        let _ = PreviewSignal::read(&texts.collect());
    }
    let _ = counts(&element);
    if let Ok(nonza) = Nonza::read(&element) {
        assert_eq!(Nonza::read(&nonza.to_element()).ok(), Some(nonza));
    }
});
