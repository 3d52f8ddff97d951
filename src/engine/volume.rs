//! Sets the loudspeaker's volume: by the card's mixer where it has one, else in the mix.

use tokio::sync::watch;

use super::state::VolumeBy;
use super::wiring::Wiring;
use crate::device::mixer;

/// What was set; nothing is touched that was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The loudspeaker's PCM; without, there is nothing to set.
    pub pcm: Option<String>,
    /// Percent.
    pub percent: Option<u8>,
    /// Silent or not.
    pub muted: Option<bool>,
}

/// Carries out each change, one after the other, until nobody can change it any more.
pub(super) async fn run(wiring: Wiring, mut wanted: watch::Receiver<Wanted>) {
    while wanted.changed().await.is_ok() {
        let now = wanted.borrow_and_update().clone();
        let Some(pcm) = now.pcm else { continue };
        // At once and whatever the card does: silence is a promise.
        wiring.loudspeaker.set_muted(now.muted == Some(true));
        if now.percent.is_none() && now.muted.is_none() {
            continue;
        }
        let set = tokio::task::spawn_blocking(move || mixer::set(&pcm, now.percent, now.muted));
        let by_card = match set.await {
            Ok(Ok(by_card)) => by_card.volume,
            Ok(Err(reason)) => {
                tracing::warn!(reason, "the volume is set in the mix");
                false
            }
            // The program ends.
            Err(_) => return,
        };
        let Some(percent) = now.percent else { continue };
        wiring
            .loudspeaker
            .set_volume(if by_card { 100 } else { percent });
        let by = if by_card {
            VolumeBy::Card
        } else {
            VolumeBy::Mix
        };
        wiring
            .board
            .update(|state| state.audio.speaker.volume_by = Some(by));
    }
}
