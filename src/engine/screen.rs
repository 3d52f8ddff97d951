//! How the screen fares, in the device's state.

use super::state::ScreenStatus;
use super::wiring::Wiring;
use crate::media::display::DisplayStatus;

/// Shows it now and whenever it changes.
pub(super) async fn run(wiring: Wiring) {
    let Some(display) = &wiring.display else {
        return;
    };
    let mut news = display.status();
    loop {
        let now = news.borrow_and_update().clone();
        wiring.board.update(|state| {
            let (status, reason) = match now {
                DisplayStatus::Closed => (ScreenStatus::Closed, None),
                DisplayStatus::Showing => (ScreenStatus::Showing, None),
                DisplayStatus::Failed(reason) => (ScreenStatus::Failed, Some(reason)),
            };
            state.display.status = status;
            state.display.reason = reason;
        });
        if news.changed().await.is_err() {
            return;
        }
    }
}
