//! Media over loopback: two peers in one process, test sources, real encoders and decoders.
#![cfg(feature = "media")]

mod calls;
mod fanout;
mod sources;
mod support;
