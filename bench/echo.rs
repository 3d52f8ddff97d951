//! `make bench-echo`: what is left of the loudspeaker's sound in the microphone's, in a synthetic
//! room, in the processing alone and in a running device. Method and figures: docs/benchmarks.md.

#[path = "../tests/media/live_room.rs"]
// As above.
#[allow(clippy::unwrap_used)]
mod live_room;
#[path = "../tests/media/room.rs"]
// The exemption for tests does not cover what is shared with one.
#[allow(clippy::unwrap_used)]
mod room;
// The benchmark of chat uses all of it.
#[allow(dead_code)]
#[path = "chat/statistics.rs"]
mod statistics;

use statistics::{Bound, print};

fn main() {
    let figures = room::measure();
    let live = live_room::measure();
    let half = room::measure_half_duplex();
    let kept = 20.0 * figures.kept.log10();
    for (figure, ours, bound) in [
        ("echo/erle", figures.erle, Bound::AtLeast(20.0)),
        (
            "echo/erle_without_cancelling",
            figures.erle_without,
            Bound::None,
        ),
        ("echo/double_talk_kept", kept, Bound::AtLeast(-6.0)),
        ("echo/live_erle", live.erle, Bound::AtLeast(20.0)),
        (
            "echo/live_double_talk_kept",
            20.0 * live.kept.log10(),
            Bound::AtLeast(-6.0),
        ),
        (
            "echo/half_duplex_return_loss",
            half.echo_return,
            Bound::AtLeast(20.0),
        ),
        (
            "echo/half_duplex_kept",
            20.0 * half.kept.log10(),
            Bound::AtLeast(-1.0),
        ),
        (
            "echo/half_duplex_kept_against_the_far_side",
            20.0 * half.kept_against_the_far_side.log10(),
            Bound::None,
        ),
    ] {
        print(figure, "dB", ours, None, bound);
    }
}
