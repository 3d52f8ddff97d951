//! The video formats a call can carry.

/// A video format. Chromium, Firefox and Safari all speak both (RFC 7742 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// Constrained baseline, packetization-mode 1 (RFC 6184).
    H264,
    /// RFC 7741.
    Vp8,
}

impl VideoCodec {
    /// Every codec, in the order of their [`VideoCodec::index`].
    pub const ALL: [Self; 2] = [Self::H264, Self::Vp8];

    /// The encoding name of SDP `rtpmap` (RFC 6184 §8.2.1, RFC 7741 §6.1).
    pub fn encoding_name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::Vp8 => "VP8",
        }
    }

    /// The codec of an `rtpmap` encoding name; names are compared without case (RFC 8866 §6.6).
    pub fn from_encoding_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.encoding_name().eq_ignore_ascii_case(name))
    }

    /// The one that is not this one.
    pub fn other(self) -> Self {
        match self {
            Self::H264 => Self::Vp8,
            Self::Vp8 => Self::H264,
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::H264 => 0,
            Self::Vp8 => 1,
        }
    }
}

impl std::fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.encoding_name())
    }
}
