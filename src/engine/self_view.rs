//! The own picture on the screen: there while the others of a call see it, and no longer.

use super::state::{CallStatus, DeviceState};
use super::wiring::Wiring;
use crate::call::screen_self_view::ScreenSelfView;
use crate::media::display::SelfView;

/// Follows the state of the call and of what is set.
pub(super) async fn run(wiring: Wiring) {
    let Some(display) = &wiring.display else {
        return;
    };
    let mut states = wiring.board.watch();
    let mut shown: Option<(ScreenSelfView, SelfView)> = None;
    loop {
        let wanted = wanted(&states.borrow_and_update());
        let now = shown
            .as_ref()
            .map_or(ScreenSelfView::Off, |(place, _)| *place);
        if wanted != now {
            let start = || (wanted, SelfView::start(display, &wiring.video, wanted));
            // One that was there ends after this one has its place.
            shown = (wanted != ScreenSelfView::Off).then(start);
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

/// Where it is now. A covered camera gives no picture to anybody, so it is not asked here.
fn wanted(state: &DeviceState) -> ScreenSelfView {
    let call = &state.call;
    // No pictures go to whoever holds the call.
    let all_hold = call.participants.iter().all(|one| one.holds) && !call.participants.is_empty();
    let is_sent = !call.held && !all_hold && !call.muted.video;
    let is_seen = call.status == CallStatus::Connected && is_sent;
    match state.display.self_view {
        Some(place) if is_seen => place,
        _ => ScreenSelfView::Off,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::state::ParticipantState;

    fn one(holds: bool) -> ParticipantState {
        ParticipantState {
            holds,
            ..ParticipantState::default()
        }
    }

    #[test]
    fn people_see_themselves_exactly_while_the_others_do() {
        let mut state = DeviceState::default();
        state.call.status = CallStatus::Connected;
        assert_eq!(wanted(&state), ScreenSelfView::Off, "there is no screen");
        state.display.self_view = Some(ScreenSelfView::TopLeft);
        assert_eq!(wanted(&state), ScreenSelfView::TopLeft);
        for unseen in [
            |state: &mut DeviceState| state.call.status = CallStatus::Ringing,
            |state: &mut DeviceState| state.call.held = true,
            |state: &mut DeviceState| state.call.muted.video = true,
            |state: &mut DeviceState| state.call.participants = vec![one(true), one(true)],
            |state: &mut DeviceState| state.display.self_view = Some(ScreenSelfView::Off),
        ] {
            let mut state = state.clone();
            unseen(&mut state);
            assert_eq!(wanted(&state), ScreenSelfView::Off, "{state:?}");
        }
        state.call.participants = vec![one(true), one(false)];
        assert_eq!(wanted(&state), ScreenSelfView::TopLeft, "one sees them");
    }
}
