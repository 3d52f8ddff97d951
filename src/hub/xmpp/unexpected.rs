//! First-level elements that are no stanzas: the client's state (XEP-0352), and what must not come.

use std::sync::atomic::Ordering;

use minidom::Element;

use super::router::Connection;
use super::stream::Ending;
use crate::protocol::ns;

/// Takes an element.
///
/// # Errors
/// How the stream ends because of it (RFC 6120 §4.9.3).
pub fn handle(connection: &Connection, element: &Element) -> Result<(), Ending> {
    let condition = match (element.name(), element.ns().as_str()) {
        (state @ ("active" | "inactive"), ns::CSI) => {
            connection
                .is_inactive
                .store(state == "inactive", Ordering::Relaxed);
            return Ok(());
        }
        ("message" | "iq" | "presence", _) => "invalid-namespace",
        // A second stream inside the first.
        ("stream", ns::STREAM) | ("open", ns::FRAMING) => "bad-format",
        _ => "unsupported-stanza-type",
    };
    tracing::info!(
        user = connection.user,
        name = element.name(),
        namespace = element.ns(),
        condition,
        "stream ended"
    );
    Err(Ending::Error(condition))
}
