//! The boxes of the file (ISO/IEC 14496-12), in both of its lives.
//!
//! ```text
//! being recorded   ftyp free moov(empty) moof mdat moof mdat …
//! finished         ftyp [mdat ……………………………………] moov(index)
//! ```
//!
//! While it grows it is a fragmented file, which plays up to wherever it was cut. Finishing appends
//! an ordinary index and then turns `free` into the header of one `mdat` over all that was recorded:
//! 16 bytes in place, after which every player takes it for an ordinary file.

use mp4_atom::{
    Audio, Avc1, Avcc, Co64, Codec, Dinf, Dops, Dref, DrefEntry, Edts, Elst, ElstEntry, Encode,
    Ftyp, Hdlr, Mdhd, Mdia, Mfhd, Minf, Moof, Moov, Mvex, Mvhd, Opus, Smhd, Stbl, Stsc, StscEntry,
    Stsd, Stss, Stsz, StszSamples, Stts, SttsEntry, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun,
    TrunEntry, Url, Visual, Vmhd, Vp08, VpcC,
};

use super::picture::PictureFormat;
use super::sample_table::{Sample, SampleTable};

/// RFC 6184 §8.2.1.
pub(super) const VIDEO_CLOCK: u32 = 90_000;
/// RFC 7587 §4.1.
pub(super) const AUDIO_CLOCK: u32 = 48_000;
/// Ticks per second of durations of the whole.
const MOVIE_CLOCK: u32 = 1_000;
/// Of a sample that depends on others, and of one that does not (ISO/IEC 14496-12 §8.8.3.1).
const DEPENDENT: u32 = 0x0101_0000;
pub(super) const INDEPENDENT: u32 = 0x0200_0000;

/// RFC 6386 §2 and §9.2: eight bits of 4:2:0 in the matrix of BT.601, of studio range; primaries and
/// transfer are nowhere told. VP8 has no levels. The numbers are those of "VP Codec ISO Media File
/// Format Binding" 1.0 and, for the colours, of ISO/IEC 23091-2.
const VP8_COLOURS: VpcC = VpcC {
    profile: 0,
    level: 0,
    bit_depth: 8,
    chroma_subsampling: 0,
    video_full_range_flag: false,
    color_primaries: 2,
    transfer_characteristics: 2,
    matrix_coefficients: 6,
    codec_initialization_data: Vec::new(),
};

/// Where `free` lies: behind an `ftyp` of five brands.
pub(super) const FREE_AT: u64 = 36;
/// Room for the header of an `mdat` of 64-bit size.
pub(super) const FREE_SIZE: u64 = 16;

/// What never changes about a track.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TrackFormat {
    pub id: u32,
    pub clock: u32,
    pub codec: Codec,
}

impl TrackFormat {
    /// Pictures of a size in pixels.
    pub(super) fn video(
        id: u32,
        format: &PictureFormat,
        (width, height): (u16, u16),
    ) -> Result<Self, mp4_atom::Error> {
        let visual = Visual {
            data_reference_index: 1,
            width,
            height,
            ..Visual::default()
        };
        let codec = match format {
            PictureFormat::H264(sets) => Codec::Avc1(Avc1 {
                visual,
                avcc: Avcc::new(&sets.sps, &sets.pps)?,
                btrt: None,
                colr: None,
                pasp: None,
                taic: None,
                fiel: None,
                spatial: None,
            }),
            PictureFormat::Vp8(header) => Codec::Vp08(Vp08 {
                visual,
                vpcc: VpcC {
                    profile: header.profile,
                    ..VP8_COLOURS
                },
                ..Vp08::default()
            }),
        };
        Ok(Self {
            id,
            clock: VIDEO_CLOCK,
            codec,
        })
    }

    /// What the microphone gives: Opus, mono.
    pub(super) fn audio(id: u32) -> Self {
        Self {
            id,
            clock: AUDIO_CLOCK,
            codec: Codec::Opus(Opus {
                audio: Audio {
                    data_reference_index: 1,
                    channel_count: 1,
                    sample_size: 16,
                    sample_rate: (AUDIO_CLOCK as u16).into(),
                },
                // Nothing is to be skipped: the encoder ran before the recording began.
                dops: Dops {
                    output_channel_count: 1,
                    pre_skip: 0,
                    input_sample_rate: AUDIO_CLOCK,
                    output_gain: 0,
                    channel_mapping: None,
                },
                btrt: None,
            }),
        }
    }

    pub(super) fn is_video(&self) -> bool {
        matches!(self.codec, Codec::Avc1(_) | Codec::Vp08(_))
    }

    fn size(&self) -> (u16, u16) {
        match &self.codec {
            Codec::Avc1(Avc1 { visual, .. }) | Codec::Vp08(Vp08 { visual, .. }) => {
                (visual.width, visual.height)
            }
            _ => (0, 0),
        }
    }

    fn movie_ticks(&self, ticks: u64) -> u64 {
        ticks * u64::from(MOVIE_CLOCK) / u64::from(self.clock)
    }

    fn trak(&self, table: &SampleTable, created: u64) -> Trak {
        let (width, height) = self.size();
        let duration = self.movie_ticks(table.duration);
        let begin = self.movie_ticks(table.begin);
        let (vmhd, smhd, handler) = if self.is_video() {
            (Some(Vmhd::default()), None, b"vide")
        } else {
            (None, Some(Smhd::default()), b"soun")
        };
        let edit = |segment_duration, media_time| ElstEntry {
            segment_duration,
            media_time,
            media_rate: 1.into(),
        };
        Trak {
            tkhd: Tkhd {
                creation_time: created,
                modification_time: created,
                track_id: self.id,
                duration: begin + duration,
                enabled: true,
                in_movie: true,
                volume: u8::from(!self.is_video()).into(),
                width: width.into(),
                height: height.into(),
                ..Tkhd::default()
            },
            edts: (begin > 0 && duration > 0).then(|| Edts {
                elst: Some(Elst {
                    entries: vec![edit(begin, None), edit(duration, Some(0))],
                }),
            }),
            mdia: Mdia {
                mdhd: Mdhd {
                    creation_time: created,
                    modification_time: created,
                    timescale: self.clock,
                    duration: table.duration,
                    language: "und".to_owned(),
                },
                hdlr: Hdlr {
                    handler: mp4_atom::FourCC::new(handler),
                    name: String::new(),
                },
                minf: Minf {
                    vmhd,
                    smhd,
                    dinf: Dinf {
                        dref: Dref {
                            entries: vec![DrefEntry::Url(Url::default())],
                        },
                    },
                    stbl: self.stbl(table),
                    ..Minf::default()
                },
            },
            ..Trak::default()
        }
    }

    fn stbl(&self, table: &SampleTable) -> Stbl {
        let mut groups: Vec<StscEntry> = Vec::new();
        for (number, (_, samples)) in (1..).zip(&table.chunks) {
            if groups.last().map(|last| last.samples_per_chunk) != Some(*samples) {
                groups.push(StscEntry {
                    first_chunk: number,
                    samples_per_chunk: *samples,
                    sample_description_index: 1,
                });
            }
        }
        let durations = table.durations.iter();
        Stbl {
            stsd: Stsd {
                codecs: vec![self.codec.clone()],
            },
            stts: Stts {
                entries: durations
                    .map(|&(sample_count, sample_delta)| SttsEntry {
                        sample_count,
                        sample_delta,
                    })
                    .collect(),
            },
            stss: self.is_video().then(|| Stss {
                entries: table.keys.clone(),
            }),
            stsc: Stsc { entries: groups },
            stsz: Stsz {
                samples: StszSamples::Different {
                    sizes: table.sizes.clone(),
                },
            },
            co64: Some(Co64 {
                entries: table.chunks.iter().map(|(offset, _)| *offset).collect(),
            }),
            ..Stbl::default()
        }
    }
}

/// The beginning of the file. `created` is in seconds since 1904.
pub(super) fn head(formats: &[TrackFormat], created: u64) -> Result<Vec<u8>, mp4_atom::Error> {
    let mut bytes = Vec::new();
    let is_avc = formats
        .iter()
        .any(|one| matches!(one.codec, Codec::Avc1(_)));
    Ftyp {
        major_brand: b"isom".into(),
        minor_version: 0x200,
        compatible_brands: [
            b"isom",
            b"iso6",
            if is_avc { b"avc1" } else { b"iso5" },
            b"mp41",
            b"mp42",
        ]
        .map(mp4_atom::FourCC::from)
        .to_vec(),
    }
    .encode(&mut bytes)?;
    debug_assert_eq!(bytes.len() as u64, FREE_AT);
    bytes.extend_from_slice(&(FREE_SIZE as u32).to_be_bytes());
    bytes.extend_from_slice(b"free\0\0\0\0\0\0\0\0");
    let empty = SampleTable::default();
    let tracks: Vec<_> = formats.iter().map(|format| (format, &empty)).collect();
    let mut moov = moov(&tracks, created);
    for trak in &mut moov.trak {
        // Nothing is indexed here: an empty list of key frames would say that there are none.
        trak.mdia.minf.stbl.stss = None;
    }
    moov.mvex = Some(Mvex {
        mehd: None,
        trex: formats
            .iter()
            .map(|format| Trex {
                track_id: format.id,
                default_sample_description_index: 1,
                ..Trex::default()
            })
            .collect(),
    });
    moov.encode(&mut bytes)?;
    Ok(bytes)
}

/// One fragment, and where in it each track's samples begin.
pub(super) fn fragment(
    sequence: u32,
    tracks: &[(&TrackFormat, &[Sample])],
) -> Result<(Vec<u8>, Vec<u64>), mp4_atom::Error> {
    let mut moof = Moof {
        mfhd: Mfhd {
            sequence_number: sequence,
        },
        ..Moof::default()
    };
    for (format, samples) in tracks {
        let entries: Vec<TrunEntry> = samples.iter().map(entry).collect();
        moof.traf.push(Traf {
            tfhd: Tfhd {
                track_id: format.id,
                default_base_is_moof: true,
                ..Tfhd::default()
            },
            tfdt: Some(Tfdt {
                base_media_decode_time: samples.first().map_or(0, |first| first.time),
            }),
            trun: vec![Trun {
                data_offset: Some(0),
                samples: entries.into(),
            }],
            ..Traf::default()
        });
    }
    // Where the data begins depends on the size of the box that tells it.
    let mut bytes = Vec::new();
    moof.encode(&mut bytes)?;
    const MDAT_HEADER: usize = 8;
    let mut at = bytes.len() + MDAT_HEADER;
    let mut offsets = Vec::with_capacity(tracks.len());
    for (traf, (_, samples)) in moof.traf.iter_mut().zip(tracks) {
        offsets.push(at as u64);
        for trun in &mut traf.trun {
            trun.data_offset = i32::try_from(at).ok();
        }
        at += samples.iter().map(|one| one.data.len()).sum::<usize>();
    }
    let moof_size = bytes.len();
    bytes.clear();
    moof.encode(&mut bytes)?;
    let data = at - moof_size;
    // The recorder bounds what waits for a fragment far below 4 GiB.
    let size = u32::try_from(data).map_err(|_| mp4_atom::Error::InvalidSize)?;
    bytes.extend_from_slice(&size.to_be_bytes());
    bytes.extend_from_slice(b"mdat");
    for sample in tracks.iter().flat_map(|(_, samples)| samples.iter()) {
        bytes.extend_from_slice(&sample.data);
    }
    Ok((bytes, offsets))
}

fn entry(sample: &Sample) -> TrunEntry {
    TrunEntry {
        duration: Some(sample.duration),
        // As of `fragment`.
        size: Some(u32::try_from(sample.data.len()).unwrap_or(u32::MAX)),
        flags: Some(if sample.is_key {
            INDEPENDENT
        } else {
            DEPENDENT
        }),
        cts: None,
    }
}

/// The index at the end. Tracks that stayed empty are left out.
pub(super) fn index(
    tracks: &[(&TrackFormat, &SampleTable)],
    created: u64,
) -> Result<Vec<u8>, mp4_atom::Error> {
    let filled: Vec<_> = tracks
        .iter()
        .filter(|(_, table)| !table.sizes.is_empty())
        .copied()
        .collect();
    let mut bytes = Vec::new();
    moov(&filled, created).encode(&mut bytes)?;
    Ok(bytes)
}

/// What replaces `free` once the index is there. `end` is where the recorded bytes end.
pub(super) fn data_header(end: u64) -> [u8; FREE_SIZE as usize] {
    let mut header = *b"\0\0\0\x01mdat\0\0\0\0\0\0\0\0";
    header[8..].copy_from_slice(&(end - FREE_AT).to_be_bytes());
    header
}

fn moov(tracks: &[(&TrackFormat, &SampleTable)], created: u64) -> Moov {
    let ends = tracks.iter().map(|(format, table)| {
        format.movie_ticks(table.begin) + format.movie_ticks(table.duration)
    });
    Moov {
        mvhd: Mvhd {
            creation_time: created,
            modification_time: created,
            timescale: MOVIE_CLOCK,
            duration: ends.max().unwrap_or(0),
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: tracks.iter().map(|(f, _)| f.id).max().unwrap_or(0) + 1,
            ..Mvhd::default()
        },
        trak: tracks
            .iter()
            .map(|(format, table)| format.trak(table, created))
            .collect(),
        ..Moov::default()
    }
}
