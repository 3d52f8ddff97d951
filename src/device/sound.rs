//! Microphones and speakers as ALSA tells of them: the PCMs one can name in a configuration.

pub use alsa::Direction;
use alsa::device_name::HintIter;
use alsa::pcm::PCM;
use serde::Serialize;

/// A PCM of ALSA's configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pcm {
    /// What to write behind `alsa:`.
    pub name: String,
    /// ALSA's words about it, on one line.
    pub description: String,
    /// Whether sound can be recorded from it: what is in the way, if not.
    pub capture: Use,
    /// Whether sound can be played on it.
    pub playback: Use,
}

/// Whether a direction of a PCM can be used.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// It opens.
    Works,
    /// It has no such direction.
    Absent,
    /// It would not open.
    Refused(String),
}

/// ALSA's configuration cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("ALSA does not tell its devices: {0}")]
pub struct SoundError(alsa::Error);

/// The PCMs worth naming in a configuration: `default`, what its files define, and each card with
/// conversion (`plughw`); not the dozen variants ALSA derives from each card. Opens each for a
/// moment without waiting, which a device in use answers with "busy".
///
/// # Errors
/// [`SoundError`] when ALSA's configuration is broken. No sound card is no error.
pub fn pcms() -> Result<Vec<Pcm>, SoundError> {
    let mut pcms: Vec<Pcm> = Vec::new();
    for hint in HintIter::new(None, c"pcm").map_err(SoundError)? {
        let Some(name) = hint.name else { continue };
        if is_variant(&name) || pcms.iter().any(|known| known.name == name) {
            continue;
        }
        let description = hint.desc.unwrap_or_default().replace('\n', ", ");
        let has = |direction| hint.direction.is_none_or(|only| only == direction);
        pcms.push(Pcm {
            capture: usable(&name, Direction::Capture, has(Direction::Capture)),
            playback: usable(&name, Direction::Playback, has(Direction::Playback)),
            name,
            description,
        });
    }
    Ok(pcms)
}

/// Whether one PCM opens in a direction.
pub fn opens(name: &str, direction: Direction) -> Use {
    usable(name, direction, true)
}

fn usable(name: &str, direction: Direction, exists: bool) -> Use {
    if !exists {
        return Use::Absent;
    }
    match PCM::new(name, direction, true) {
        Ok(_) => Use::Works,
        Err(error) if error.errno() == libc::ENOENT => Use::Absent,
        Err(error) if error.errno() == libc::EBUSY => {
            Use::Refused("in use by another program".into())
        }
        Err(error) if error.errno() == libc::EACCES => {
            Use::Refused("not open to this user: `adduser USER audio`, then log in again".into())
        }
        Err(error) => Use::Refused(error.to_string()),
    }
}

/// What ALSA derives from each card and from every plug-in library, of no use to a door station.
fn is_variant(name: &str) -> bool {
    let kind = name.split(':').next().unwrap_or(name);
    matches!(
        kind,
        "hw" | "sysdefault"
            | "front"
            | "dmix"
            | "dsnoop"
            | "usbstream"
            | "iec958"
            | "hdmi"
            | "null"
            | "samplerate"
            | "speexrate"
            | "upmix"
            | "vdownmix"
            | "lavrate"
            | "speex"
            | "oss"
    ) || kind.starts_with("surround")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pcm_that_does_not_exist_is_absent() {
        assert_eq!(opens("no_such_pcm", Direction::Capture), Use::Absent);
    }

    #[test]
    fn variants_of_a_card_are_left_out() {
        for name in ["hw:CARD=PCH,DEV=0", "surround51:CARD=PCH", "dmix:CARD=PCH"] {
            assert!(is_variant(name), "{name}");
        }
        for name in ["default", "plughw:CARD=PCH,DEV=0", "intercom"] {
            assert!(!is_variant(name), "{name}");
        }
    }
}
