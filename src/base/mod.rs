//! What every layer may use: identifiers, retry delays, telemetry, the shutdown signal.
//!
//! Invariant: nothing here knows about ConnectyCube, XMPP, media or MQTT.
//! Must not enter: protocol types, configuration, anything with a socket.

pub mod allocator;
pub mod backoff;
pub mod coalesced;
pub mod disk;
pub mod interfaces;
pub mod loopback;
pub mod moment;
pub mod object_id;
pub mod pinned;
pub mod shutdown;
pub mod systemd;
pub mod telemetry;
pub mod tls;
