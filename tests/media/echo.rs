//! Who speaks to the device does not hear themselves, and hears who stands in front of it.

use crate::{live_room, room};

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

#[test]
fn half_duplex_gives_no_echo_without_a_canceller_and_who_is_here_is_heard_while_the_far_side_is_silent()
 {
    let figures = room::measure_half_duplex();
    assert!(figures.echo_return >= 30.0, "{figures:?}");
    assert!(figures.kept >= 0.99, "{figures:?}");
    assert!(figures.kept_against_the_far_side < 0.2, "{figures:?}");
}

/// In real time, so a machine with much else to do leaves less of the way than it has: half of
/// what `make bench-echo` measures alone.
#[test]
fn a_running_device_gives_no_echo_and_who_speaks_at_the_same_time_is_heard() {
    let figures = live_room::measure();
    assert!(figures.erle >= 20.0, "{figures:?}");
    assert!(figures.kept >= 0.5, "{figures:?}");
}
