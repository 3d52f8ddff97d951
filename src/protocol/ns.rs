//! XML namespaces on the wire, each with the document that defines it.

/// RFC 6120: stanzas of a client connection.
pub const CLIENT: &str = "jabber:client";
/// RFC 6120: the stream element itself.
pub const STREAM: &str = "http://etherx.jabber.org/streams";
/// RFC 7395: `<open/>` and `<close/>` of a WebSocket stream.
pub const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
/// RFC 6120: SASL negotiation.
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// RFC 6120: resource binding.
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// RFC 3921: the session request of old clients, answered with an empty result.
pub const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
/// RFC 6120: stanza error conditions.
pub const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// RFC 6120: stream error conditions.
pub const STREAMS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// XEP-0198: stream management.
pub const SM: &str = "urn:xmpp:sm:3";
/// XEP-0280: message carbons.
pub const CARBONS: &str = "urn:xmpp:carbons:2";
/// XEP-0297: forwarded stanzas.
pub const FORWARD: &str = "urn:xmpp:forward:0";
/// XEP-0203: delayed delivery.
pub const DELAY: &str = "urn:xmpp:delay";
/// XEP-0333: chat markers.
pub const CHAT_MARKERS: &str = "urn:xmpp:chat-markers:0";
/// XEP-0085: chat state notifications.
pub const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
/// XEP-0308: message correction, with the vendor's `last` attribute.
pub const CORRECT: &str = "urn:xmpp:message-correct:0";
/// The vendor's message removal (wire reference B.5).
pub const DELETE: &str = "urn:xmpp:message-delete:0";
/// Self-destroying messages (wire reference B.2).
pub const DESTROY_AFTER: &str = "urn:xmpp:message-destroy-after:0";
/// XEP-0199: ping.
pub const PING: &str = "urn:xmpp:ping";
/// XEP-0012: last activity.
pub const LAST: &str = "jabber:iq:last";
/// XEP-0016: privacy lists.
pub const PRIVACY: &str = "jabber:iq:privacy";
/// XEP-0045: multi-user chat, as a client joins.
pub const MUC: &str = "http://jabber.org/protocol/muc";
/// XEP-0045: multi-user chat, as the server answers.
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// XEP-0030: service discovery, items.
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0030: service discovery, info.
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// The vendor's subscription to a user's activity (wire reference B.9).
pub const STATUS_STREAMING: &str = "https://connectycube.com/protocol/status_streaming";
/// Tigase's active/inactive state of a mobile client (wire reference B.9).
pub const MOBILE: &str = "http://tigase.org/protocol/mobile#v2";
/// XEP-0352: whether a client's user looks at it.
pub const CSI: &str = "urn:xmpp:csi:0";
/// RFC 6121: the contact list.
pub const ROSTER: &str = "jabber:iq:roster";
