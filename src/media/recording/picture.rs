//! One picture as it lies in a file, whatever its format.

use super::h264::{ParameterSets, access_unit};
use super::sps::picture_size;
use super::vp8::{KeyFrameHeader, vp8_frame};
use crate::media::VideoCodec;
use crate::media::rtp::EncodedFrame;

/// What must be the same for all pictures of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PictureFormat {
    H264(ParameterSets),
    Vp8(KeyFrameHeader),
}

impl PictureFormat {
    pub(super) fn codec(&self) -> VideoCodec {
        match self {
            Self::H264(_) => VideoCodec::H264,
            Self::Vp8(_) => VideoCodec::Vp8,
        }
    }

    /// Width and height in pixels; nothing when it is damaged.
    pub(super) fn size(&self) -> Option<(u16, u16)> {
        match self {
            Self::H264(sets) => picture_size(&sets.sps),
            Self::Vp8(header) => Some((header.width, header.height)),
        }
    }
}

/// One picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub data: Vec<u8>,
    /// A decoder can start here.
    pub is_key: bool,
    /// Where the picture tells it.
    pub format: Option<PictureFormat>,
}

impl Picture {
    /// Nothing when the frame is damaged.
    pub(super) fn read(codec: VideoCodec, frame: &EncodedFrame) -> Option<Self> {
        Some(match codec {
            VideoCodec::H264 => {
                let unit = access_unit(frame)?;
                let sets = unit.sets;
                Self {
                    data: unit.data,
                    is_key: unit.is_key,
                    format: sets.is_complete().then_some(PictureFormat::H264(sets)),
                }
            }
            VideoCodec::Vp8 => {
                let frame = vp8_frame(frame)?;
                Self {
                    data: frame.data,
                    is_key: frame.key.is_some(),
                    format: frame.key.map(PictureFormat::Vp8),
                }
            }
        })
    }
}

#[cfg(test)]
pub(super) mod fixtures {
    use std::time::Instant;

    use bytes::Bytes;
    use proptest::prelude::*;

    use crate::media::rtp::{EncodedFrame, Packet, RunId};

    /// A picture in these packets.
    pub(in crate::media::recording) fn frame(payloads: &[&[u8]]) -> EncodedFrame {
        let packets = payloads.iter().map(|payload| Packet {
            marker: false,
            payload: Bytes::copy_from_slice(payload),
        });
        EncodedFrame {
            run: RunId::fresh(),
            rtp_timestamp: 0,
            key: true,
            packets: packets.collect(),
            encoded_at: Instant::now(),
        }
    }

    /// A picture in any packets.
    pub(in crate::media::recording) fn any_frame() -> impl Strategy<Value = EncodedFrame> {
        let payload = proptest::collection::vec(any::<u8>(), 0..32);
        proptest::collection::vec(payload, 0..6).prop_map(|payloads| {
            let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            frame(&payloads)
        })
    }
}
