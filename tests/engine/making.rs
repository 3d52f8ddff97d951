//! Films and sounds made for a test.

use gstreamer::prelude::*;

/// Runs a pipeline until its stream has ended.
pub fn run_to_its_end(launch: &str) {
    gstreamer::init().expect("GStreamer");
    let making = gstreamer::parse::launch(launch).expect("a pipeline");
    making
        .set_state(gstreamer::State::Playing)
        .expect("it starts");
    let end = making.bus().expect("a bus").timed_pop_filtered(
        gstreamer::ClockTime::from_seconds(20),
        &[gstreamer::MessageType::Eos, gstreamer::MessageType::Error],
    );
    making.set_state(gstreamer::State::Null).expect("it ends");
    assert_eq!(
        end.map(|message| message.type_()),
        Some(gstreamer::MessageType::Eos)
    );
}
