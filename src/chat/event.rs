//! What the chat tells: events, and where the connection stands.

use std::time::Duration;

use minidom::Element;

use crate::protocol::address::UserId;
use crate::protocol::chat_message::Incoming;
use crate::protocol::room_presence::RoomEvent;

/// What the chat has to tell.
#[derive(Debug)]
pub enum ChatEvent {
    /// The server has our presence; messages and calls flow.
    Online {
        /// Our user.
        user: UserId,
        /// Our full address.
        jid: String,
        /// The stream of the last connection goes on: nothing was missed, rooms are still joined.
        resumed: bool,
    },
    /// Something happened in a room we are in or want to be in.
    Room {
        /// The dialog's id.
        dialog: String,
        /// What.
        event: RoomEvent,
    },
    /// Something arrived; a message only the first time, and again after a restart until
    /// [`crate::store::Store::taken`] says that it is in good hands. Errors for stored messages come as
    /// [`ChatEvent::Refused`] instead.
    Incoming(Incoming),
    /// The server has this message; it left the outbox.
    Acknowledged {
        /// The message's id.
        message_id: String,
    },
    /// The server refuses this message; it is kept among the refused ones.
    Refused {
        /// The message's id.
        message_id: String,
        /// The server's words.
        reason: String,
    },
    /// An answer or push nobody here asked for.
    Iq(Element),
}

/// Where the connection stands (RT-11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionStatus {
    /// Not begun.
    Idle,
    /// On the way.
    Connecting,
    /// The server knows who we are; others do not reach us yet.
    Authenticated,
    /// The server has our presence: others reach us.
    Online {
        /// Our user.
        user: UserId,
        /// The stream of the last connection goes on.
        resumed: bool,
    },
    /// Not connected; trying again after a pause.
    Offline {
        /// Why.
        reason: String,
        /// The pause, which a change of the network or [`super::ChatClient::reconnect`] cuts short.
        retry_in: Duration,
    },
    /// The server refuses our credentials; tried again every 30 to 60 s.
    Refused {
        /// The server's words.
        reason: String,
    },
    /// Another connection took our place; tried again after 30 to 60 s, so that two devices do
    /// not displace each other without end.
    Displaced,
    /// Ended for good.
    Closed,
}
