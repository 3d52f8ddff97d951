//! Sets the loudspeaker's volume: by the card's mixer where it has one, else in the mix; and how
//! loud the ring tone is beside all else.

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
    /// The ring tone's, where it is another.
    pub ringing: Option<u8>,
    /// Silent or not.
    pub muted: Option<bool>,
}

/// How loud the two are, percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Levels {
    all: u8,
    ringing: u8,
}

impl Wanted {
    /// The louder of the two is the card's, so that nothing has to be made louder in the mix, where
    /// it would be distorted. A card that was never set stays as it is.
    fn of_card(&self) -> Option<u8> {
        let all = self.percent?;
        Some(all.max(self.ringing.unwrap_or(all)))
    }

    /// What is left to the mix, where the card is at `card` percent by us or is left alone.
    fn of_mix(&self, card: Option<u8>) -> Levels {
        let all = self.percent.unwrap_or(100);
        let ringing = self.ringing.unwrap_or(all);
        Levels {
            all: share(all, card),
            ringing: share(ringing, card),
        }
    }
}

/// Of what the card gives.
fn share(percent: u8, card: Option<u8>) -> u8 {
    let whole = match card {
        None => 100,
        // Nothing is heard then, and nothing is to be.
        Some(0) => return 100,
        Some(card) => u32::from(card),
    };
    let share = (u32::from(percent) * 100 + whole / 2) / whole;
    u8::try_from(share).unwrap_or(100)
}

/// Carries out each change, one after the other, until nobody can change it any more.
pub(super) async fn run(wiring: Wiring, mut wanted: watch::Receiver<Wanted>) {
    while wanted.changed().await.is_ok() {
        let now = wanted.borrow_and_update().clone();
        let Some(pcm) = now.pcm.clone() else {
            continue;
        };
        // At once and whatever the card does: silence is a promise.
        wiring.loudspeaker.set_muted(now.muted == Some(true));
        let (volume, muted) = (now.of_card(), now.muted);
        let mut by_card = false;
        if volume.is_some() || muted.is_some() {
            let set = tokio::task::spawn_blocking(move || mixer::set(&pcm, volume, muted));
            by_card = match set.await {
                Ok(Ok(by_card)) => by_card.volume,
                Ok(Err(reason)) => {
                    tracing::warn!(reason, "the volume is set in the mix");
                    false
                }
                // The program ends.
                Err(_) => return,
            };
        }
        let levels = now.of_mix(volume.filter(|_| by_card));
        wiring.loudspeaker.set_volume(levels.all, levels.ringing);
        if volume.is_none() {
            continue;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(percent: Option<u8>, ringing: Option<u8>) -> Wanted {
        Wanted {
            percent,
            ringing,
            ..Wanted::default()
        }
    }

    fn levels(all: u8, ringing: u8) -> Levels {
        Levels { all, ringing }
    }

    #[test]
    fn without_a_mixer_of_the_card_both_are_of_the_mix() {
        for (set, expected) in [
            (wanted(None, None), levels(100, 100)),
            (wanted(Some(40), None), levels(40, 40)),
            (wanted(Some(40), Some(90)), levels(40, 90)),
            (wanted(Some(90), Some(0)), levels(90, 0)),
            (wanted(None, Some(30)), levels(100, 30)),
        ] {
            assert_eq!(set.of_mix(None), expected, "{set:?}");
        }
    }

    #[test]
    fn the_card_has_the_louder_one_and_the_mix_makes_the_other_quieter() {
        for (set, card, expected) in [
            (wanted(Some(40), None), 40, levels(100, 100)),
            (wanted(Some(40), Some(80)), 80, levels(50, 100)),
            (wanted(Some(90), Some(30)), 90, levels(100, 33)),
            (wanted(Some(0), Some(60)), 60, levels(0, 100)),
            (wanted(Some(0), None), 0, levels(100, 100)),
            (wanted(Some(0), Some(0)), 0, levels(100, 100)),
        ] {
            assert_eq!(set.of_card(), Some(card), "{set:?}");
            assert_eq!(set.of_mix(Some(card)), expected, "{set:?}");
        }
    }

    #[test]
    fn a_card_that_was_never_set_is_left_alone() {
        let ringing = wanted(None, Some(30));
        assert_eq!(ringing.of_card(), None);
    }
}
