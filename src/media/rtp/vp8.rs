//! The descriptor in front of what a packet carries of a VP8 frame (RFC 7741 §4.2).

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8Payload<'p> {
    /// Whether a frame begins with it.
    pub starts_frame: bool,
    /// The part of the frame, without the descriptor. May be empty.
    pub data: &'p [u8],
}

impl<'p> Vp8Payload<'p> {
    /// Of an RTP payload; nothing when the descriptor is cut off.
    pub fn read(payload: &'p [u8]) -> Option<Self> {
        let descriptor = *payload.first()?;
        let starts_frame = descriptor & 0x10 != 0 && descriptor & 0x07 == 0;
        let mut at = 1;
        if descriptor & 0x80 != 0 {
            let extension = *payload.get(at)?;
            at += 1;
            if extension & 0x80 != 0 {
                at += if *payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
            }
            if extension & 0x40 != 0 {
                at += 1;
            }
            if extension & 0x30 != 0 {
                at += 1;
            }
        }
        Some(Self {
            starts_frame,
            data: payload.get(at..)?,
        })
    }
}
