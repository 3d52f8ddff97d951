//! A whole file in memory.

use std::time::Duration;

use super::boxes::FREE_AT;
use super::muxer::{Muxer, Plan, Taken};
use crate::media::VideoCodec;
use crate::media::rtp::EncodedFrame;

/// Longer ones are cut off.
const LENGTH_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The finished file a recording of these pictures, in their order, would be; none when nothing
/// of them can be recorded.
pub fn assembled<'f>(
    codec: VideoCodec,
    pictures: impl IntoIterator<Item = &'f EncodedFrame>,
) -> Option<Vec<u8>> {
    let mut muxer = Muxer::new(Plan {
        picture: true,
        sound: false,
        max_duration: LENGTH_MAX,
        created: 0,
    });
    let mut file = Vec::new();
    for picture in pictures {
        // Where the format changes another file would begin.
        match muxer.video(codec, picture) {
            Ok(Taken::Yes | Taken::Skipped) => {}
            Ok(Taken::Full) | Err(_) => break,
        }
        if muxer.is_due() {
            file.extend(muxer.flush().ok()?);
        }
    }
    muxer.begin()?;
    let ending = muxer.finish().ok()?;
    file.extend(ending.fragment);
    file.extend(ending.index);
    let at = usize::try_from(FREE_AT).ok()?;
    file.get_mut(at..)?
        .get_mut(..ending.header.len())?
        .copy_from_slice(&ending.header);
    Some(file)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::media::recording::length_of;
    use crate::media::rtp::{Packet, RunId};

    const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x0a, 0xdd, 0xe4];
    const PPS: &[u8] = &[0x68, 0xce, 0x38, 0x80];

    fn picture(run: RunId, number: u32, start: Instant, units: &[&[u8]]) -> EncodedFrame {
        let packets = units.iter().map(|unit| Packet {
            marker: false,
            payload: Bytes::copy_from_slice(unit),
        });
        EncodedFrame {
            run,
            rtp_timestamp: number * 9_000,
            key: number == 0,
            packets: packets.collect(),
            encoded_at: start + Duration::from_millis(100) * number,
        }
    }

    #[test]
    fn pictures_become_a_file_as_long_as_they_are() {
        let (run, start) = (RunId::fresh(), Instant::now());
        let first = picture(run, 0, start, &[SPS, PPS, &[0x65, 0x88, 0x84, 0x00]]);
        let others = (1..20).map(|number| picture(run, number, start, &[&[0x41, 0x9a]]));
        let pictures: Vec<_> = std::iter::once(first).chain(others).collect();
        let file = assembled(VideoCodec::H264, &pictures).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("whole.mp4");
        std::fs::write(&path, file).unwrap();
        let length = length_of(&path).unwrap();
        // Nobody told how long the last one is seen.
        assert!((1_900..2_000).contains(&length.as_millis()), "{length:?}");
        assert_eq!(
            assembled(VideoCodec::H264, &pictures[1..]),
            None,
            "nothing begins with these"
        );
    }
}
