//! Who speaks to the device does not hear themselves, and hears who stands in front of it.

use crate::room;

/// The bounds leave room: `docs/benchmarks.md` has the figures.
#[test]
fn a_room_gives_no_echo_and_who_speaks_at_the_same_time_is_heard() {
    let figures = room::measure();
    assert!(figures.erle >= 25.0, "{figures:?}");
    assert!(
        figures.erle_without < 10.0,
        "not the canceller's work: {figures:?}"
    );
    assert!(figures.kept >= 0.5, "{figures:?}");
}
