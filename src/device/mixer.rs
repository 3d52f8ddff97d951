//! A card's own volume: the control of its mixer that makes the loudspeaker louder.

use alsa::mixer::{Mixer, Selem};

/// The controls that are in front of a loudspeaker, most likely first.
const NAMES: [&str; 6] = [
    "Speaker",
    "Master",
    "PCM",
    "Digital",
    "Headphone",
    "Playback",
];

/// What of it the card did; the rest is for somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByCard {
    /// The volume.
    pub volume: bool,
    /// Being silent or not.
    pub muted: bool,
}

/// Sets the volume (0 to 100 percent) and whether the card is silent, where it has a control for
/// it; a value left out stays. Blocks for a moment.
///
/// # Errors
/// ALSA's words, when the card has a mixer that refuses.
pub fn set(pcm: &str, volume: Option<u8>, muted: Option<bool>) -> Result<ByCard, String> {
    let Some(card) = card_of(pcm) else {
        return Ok(ByCard::default());
    };
    // A PCM of a configuration file alone has no mixer.
    let Ok(mixer) = Mixer::new(&card, true) else {
        return Ok(ByCard::default());
    };
    let elements = || mixer.iter().filter_map(Selem::new);
    let named = |element: &Selem<'_>| {
        let id = element.get_id();
        let name = id.get_name().unwrap_or_default().to_owned();
        NAMES.iter().position(|known| *known == name)
    };
    let Some(element) = elements()
        .filter(|element| element.has_playback_volume() || element.has_playback_switch())
        .min_by_key(|element| {
            let place = named(element).unwrap_or(NAMES.len());
            (!element.has_playback_volume(), place)
        })
    else {
        return Ok(ByCard::default());
    };
    let by_card = ByCard {
        volume: element.has_playback_volume(),
        muted: element.has_playback_switch(),
    };
    let told = |error: alsa::Error| format!("the mixer of {card} refuses: {error}");
    if by_card.volume
        && let Some(percent) = volume
    {
        let raw = raw(percent, element.get_playback_volume_range());
        element.set_playback_volume_all(raw).map_err(told)?;
    }
    if by_card.muted
        && let Some(muted) = muted
    {
        element
            .set_playback_switch_all((!muted).into())
            .map_err(told)?;
    }
    Ok(by_card)
}

/// The card behind a PCM, as a mixer is named: `plughw:1,0` is `hw:1`.
fn card_of(pcm: &str) -> Option<String> {
    let (kind, arguments) = match pcm.split_once(':') {
        Some((kind, arguments)) => (kind, Some(arguments)),
        None => (pcm, None),
    };
    let arguments = match (kind, arguments) {
        ("null", _) => return None,
        (name, None) => return Some(name.to_owned()),
        (_, Some(arguments)) => arguments,
    };
    let mut cards = arguments.split(',');
    let named = arguments
        .split(',')
        .find_map(|argument| argument.strip_prefix("CARD="));
    let card = named.or_else(|| cards.next().filter(|first| !first.contains('=')))?;
    Some(format!("hw:{card}"))
}

/// Where a percentage lies in the control's own steps, which are even in decibels.
fn raw(percent: u8, (least, most): (i64, i64)) -> i64 {
    least + (most - least) * i64::from(percent.min(100)) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pcm_tells_whose_mixer_it_is() {
        for (pcm, card) in [
            ("plughw:1,0", Some("hw:1")),
            ("hw:PCH", Some("hw:PCH")),
            ("plughw:CARD=Device,DEV=0", Some("hw:Device")),
            ("sysdefault:DEV=0,CARD=PCH", Some("hw:PCH")),
            ("default", Some("default")),
            ("plughw:DEV=0", None),
            ("null", None),
        ] {
            assert_eq!(card_of(pcm).as_deref(), card, "{pcm}");
        }
    }

    #[test]
    fn percents_cover_the_whole_control() {
        assert_eq!(raw(0, (-10, 54)), -10);
        assert_eq!(raw(50, (0, 64)), 32);
        assert_eq!(raw(100, (-10, 54)), 54);
    }

    #[test]
    fn a_pcm_without_a_mixer_leaves_it_to_others() {
        assert_eq!(set("null", Some(50), Some(true)), Ok(ByCard::default()));
        assert_eq!(
            set("no_such_pcm", Some(50), Some(true)),
            Ok(ByCard::default())
        );
    }
}
