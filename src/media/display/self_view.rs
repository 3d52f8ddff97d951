//! What the others see, shown to those who are seen.

use std::sync::Arc;

use super::{Corner, Display};
use crate::media::VideoFanout;
use crate::media::fanout::Onlooker;

/// The camera's pictures small on the screen, while far sides are on it, until this is dropped.
/// A covered camera is not seen here either.
pub struct SelfView {
    /// Called on the camera's thread.
    _onlooker: Arc<Onlooker>,
}

impl SelfView {
    /// In place of any earlier one. It holds no camera open: one that runs for the others is seen.
    pub fn start(display: &Display, camera: &VideoFanout, corner: Corner) -> Self {
        let seat = display.take_own_seat(corner);
        let onlooker: Arc<Onlooker> = Arc::new(move |picture| seat.show(picture));
        camera.set_onlooker(&onlooker);
        Self {
            _onlooker: onlooker,
        }
    }
}
