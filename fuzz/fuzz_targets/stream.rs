//! The bytes of a stream, in pieces: the guard judges pieces as it judges the whole, and what it
//! lets through nests no deeper than it says.
#![no_main]

use cubelet::protocol::xml_guard::{MAX_DEPTH, XmlGuard};
use libfuzzer_sys::fuzz_target;
use minidom::Element;

fn depth_of(element: &Element) -> usize {
    1 + element.children().map(depth_of).max().unwrap_or(0)
}

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else {
        return;
    };
    let (mut whole, mut pieces) = (XmlGuard::stream(4_096), XmlGuard::stream(4_096));
    let cut = usize::from(*cut).min(bytes.len());
    let first = pieces.feed(&bytes[..cut]);
    let rest = first.and_then(|()| pieces.feed(&bytes[cut..]));
    assert_eq!(whole.feed(bytes), rest);
    if let Ok(text) = std::str::from_utf8(bytes)
        && XmlGuard::check_frame(text, 4_096).is_ok()
        && let Ok(element) = text.parse::<Element>()
    {
        assert!(depth_of(&element) <= MAX_DEPTH);
        // No stanza is in no namespace, and minidom cannot say of a root that it is.
        if element.ns().is_empty() {
            return;
        }
        let again: Element = String::from(&element).parse().expect("it was written by us");
        assert_eq!(element, again);
    }
});
