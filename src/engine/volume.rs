//! Sets the loudspeaker's volume: by the card's mixer where it has one, else in the mix; and how
//! loud the ring tone is beside all else.

use std::time::Duration;

use tokio::sync::watch;

use super::board::Board;
use super::state::VolumeBy;
use crate::device::mixer;
use crate::media::Loudspeaker;

/// How long a card's mixer may take, where something waits for it.
const MIXER_LIMIT: Duration = Duration::from_secs(2);

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
    /// Another card still plays. How loud this one is to be would be heard there, as loud as that
    /// one's mixer lets it.
    pub is_elsewhere: bool,
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

/// What is wanted, and what of it is carried out.
pub(super) struct Volume {
    wanted: watch::Sender<Wanted>,
    done: watch::Sender<Wanted>,
}

impl Volume {
    /// Nothing was set. The future carries out each change, one after the other, until nobody can
    /// change it any more.
    pub fn new(loudspeaker: Loudspeaker, board: Board) -> (Self, impl Future<Output = ()> + use<>) {
        let (wanted, mut changes) = watch::channel(Wanted::default());
        let done = watch::Sender::default();
        let told = done.clone();
        let carrying_out = async move {
            while changes.changed().await.is_ok() {
                let now = changes.borrow_and_update().clone();
                carry_out(&loudspeaker, &board, &now).await;
                told.send_replace(now);
            }
        };
        (Self { wanted, done }, carrying_out)
    }

    /// From now on.
    pub fn set(&self, wanted: Wanted) {
        self.wanted.send_replace(wanted);
    }

    /// Once more what was set last.
    pub fn again(&self) {
        self.wanted.send_modify(|_| {});
    }

    /// Over when what was set last is carried out, or cannot be.
    pub fn settled(&self) -> impl Future<Output = ()> + use<> {
        let wanted = self.wanted.subscribe();
        let mut done = self.done.subscribe();
        async move {
            let settled = done.wait_for(|done| *done == *wanted.borrow());
            // A mixer that hangs is no reason to hear nothing at all.
            let _ = tokio::time::timeout(MIXER_LIMIT, settled).await;
        }
    }
}

async fn carry_out(loudspeaker: &Loudspeaker, board: &Board, now: &Wanted) {
    let Some(pcm) = now.pcm.clone() else {
        return;
    };
    // At once and whatever the card does: silence is a promise.
    loudspeaker.set_muted(now.muted == Some(true));
    if now.is_elsewhere {
        return;
    }
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
    loudspeaker.set_volume(levels.all, levels.ringing);
    if volume.is_none() {
        return;
    }
    let by = if by_card {
        VolumeBy::Card
    } else {
        VolumeBy::Mix
    };
    board.update(|state| state.audio.speaker.volume_by = Some(by));
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

    /// Without a mixer.
    fn card(percent: u8) -> Wanted {
        Wanted {
            pcm: Some("null".to_owned()),
            ..wanted(Some(percent), None)
        }
    }

    #[tokio::test]
    async fn while_another_card_plays_it_is_only_muted_and_then_as_loud_as_set() {
        let (loudspeaker, board) = (Loudspeaker::new(), Board::new());
        let (volume, carrying_out) = Volume::new(loudspeaker.clone(), board.clone());
        let setting = async {
            volume.set(card(20));
            volume.settled().await;
            assert_eq!(loudspeaker.volume(), Some((20, 20)));
            let louder = Wanted {
                is_elsewhere: true,
                ..card(90)
            };
            volume.set(louder.clone());
            volume.settled().await;
            assert_eq!(loudspeaker.volume(), Some((20, 20)));
            volume.set(Wanted {
                muted: Some(true),
                ..louder
            });
            volume.settled().await;
            assert_eq!(loudspeaker.volume(), None);
            volume.set(card(90));
            volume.settled().await;
            assert_eq!(loudspeaker.volume(), Some((90, 90)));
        };
        tokio::select! {
            () = carrying_out => panic!("it can still be changed"),
            () = setting => {}
        }
    }

    #[test]
    fn a_card_that_was_never_set_is_left_alone() {
        let ringing = wanted(None, Some(30));
        assert_eq!(ringing.of_card(), None);
    }
}
