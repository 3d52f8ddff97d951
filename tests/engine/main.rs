//! Two whole devices and a hub on loopback, driven through their commands: calls, the door, and
//! what is left standing when a part dies.

mod calls;
mod chat_commands;
mod door;
mod incoming;
mod malformed;
mod mesh;
mod messages;
mod recovery;
mod ringing;
mod site;
