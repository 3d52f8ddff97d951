//! The size of pictures, read from their sequence parameter set (ITU-T H.264 §7.3.2.1.1).

/// Profiles whose sets say more about colour (§7.3.2.1.1).
const DETAILED: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// The most reference frames a cycle may name (§7.4.2.1.1).
const CYCLE_MAX: u32 = 255;

/// Width and height in pixels; nothing when the set is damaged.
pub(super) fn picture_size(nal: &[u8]) -> Option<(u16, u16)> {
    let plain = without_escapes(nal.get(1..)?);
    let mut bits = Bits::new(&plain);
    let profile = bits.number(8)?;
    bits.number(16)?;
    bits.unsigned()?;
    let mut chroma = 1;
    if DETAILED.contains(&profile) {
        chroma = bits.unsigned()?;
        let is_separate = chroma == 3 && bits.flag()?;
        bits.unsigned()?;
        bits.unsigned()?;
        bits.flag()?;
        if bits.flag()? {
            skip_scaling(&mut bits, if chroma == 3 { 12 } else { 8 })?;
        }
        if is_separate {
            chroma = 0;
        }
    }
    bits.unsigned()?;
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.flag()?;
            bits.unsigned()?;
            bits.unsigned()?;
            let cycle = bits.unsigned()?;
            if cycle > CYCLE_MAX {
                return None;
            }
            for _ in 0..cycle {
                bits.unsigned()?;
            }
        }
        _ => {}
    }
    bits.unsigned()?;
    bits.flag()?;
    let width = bits.unsigned()?.checked_add(1)?.checked_mul(16)?;
    let units = bits.unsigned()?.checked_add(1)?.checked_mul(16)?;
    // Fields are half as high as frames.
    let fields = if bits.flag()? { 1 } else { 2 };
    if fields == 2 {
        bits.flag()?;
    }
    bits.flag()?;
    let height = units.checked_mul(fields)?;
    let (mut across, mut down) = (0, 0);
    if bits.flag()? {
        let (x, y) = match chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let mut sum = |unit: u32| {
            let both = bits.unsigned()?.checked_add(bits.unsigned()?)?;
            both.checked_mul(unit)
        };
        across = sum(x)?;
        down = sum(y * fields)?;
    }
    let fits = |size: u32, cropped: u32| {
        let left = u16::try_from(size.checked_sub(cropped)?).ok()?;
        (left > 0).then_some(left)
    };
    Some((fits(width, across)?, fits(height, down)?))
}

/// Scaling lists say nothing about the size (§7.3.2.1.1.1).
fn skip_scaling(bits: &mut Bits<'_>, lists: usize) -> Option<()> {
    for list in 0..lists {
        if !bits.flag()? {
            continue;
        }
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = (last + bits.signed()? + 256) % 256;
            }
            if next != 0 {
                last = next;
            }
        }
    }
    Some(())
}

/// Without the bytes that keep start codes out (§7.4.1.1).
fn without_escapes(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    plain
}

struct Bits<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Bits<'b> {
    fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// At most 32 bits.
    fn number(&mut self, bits: u32) -> Option<u32> {
        (0..bits).try_fold(0, |number: u32, _| {
            Some(number << 1 | u32::from(self.flag()?))
        })
    }

    /// Exp-Golomb (§9.1).
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.number(zeros)?;
        ((1_u32 << zeros) - 1).checked_add(rest)
    }

    fn signed(&mut self) -> Option<i64> {
        let number = i64::from(self.unsigned()?);
        let half = (number + 1) / 2;
        Some(if number % 2 == 0 { -half } else { half })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Writes what is read here, for sizes no encoder at hand makes.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn number(mut self, value: u32, bits: u32) -> Self {
            self.0
                .extend((0..bits).rev().map(|bit| value >> bit & 1 == 1));
            self
        }

        fn unsigned(self, value: u32) -> Self {
            let bits = 32 - (value + 1).leading_zeros();
            self.number(0, bits - 1).number(value + 1, bits)
        }

        fn done(self) -> Vec<u8> {
            let mut nal = vec![0x67];
            let mut zeros = 0;
            for byte in self.0.chunks(8) {
                let byte = byte
                    .iter()
                    .enumerate()
                    .fold(0, |byte, (n, bit)| byte | u8::from(*bit) << (7 - n));
                if zeros >= 2 && byte <= 3 {
                    nal.push(3);
                    zeros = 0;
                }
                zeros = if byte == 0 { zeros + 1 } else { 0 };
                nal.push(byte);
            }
            nal
        }
    }

    /// A baseline set of a size, as an encoder writes it.
    fn baseline(width: u32, height: u32) -> Vec<u8> {
        let blocks = |size: u32| size.div_ceil(16);
        let writer = Writer::default()
            .number(66, 8)
            .number(0xc01f, 16)
            .unsigned(0)
            .unsigned(0)
            .unsigned(2)
            .unsigned(1)
            .number(0, 1)
            .unsigned(blocks(width) - 1)
            .unsigned(blocks(height) - 1)
            .number(0b111, 3)
            .unsigned(0)
            .unsigned((blocks(width) * 16 - width) / 2)
            .unsigned(0)
            .unsigned((blocks(height) * 16 - height) / 2);
        writer.number(1, 1).done()
    }

    #[test]
    fn the_size_is_cropped_to_what_is_shown() {
        assert_eq!(picture_size(&baseline(1920, 1080)), Some((1920, 1080)));
        assert_eq!(picture_size(&baseline(64, 64)), Some((64, 64)));
    }

    #[test]
    fn a_set_of_an_encoder_of_high_profile_is_read() {
        // x264, 1280×720, high profile, with colour and timing.
        let nal = [
            0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00,
            0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83, 0x19, 0x60,
        ];
        assert_eq!(picture_size(&nal), Some((1280, 720)));
    }

    proptest! {
        #[test]
        fn every_even_size_is_read_as_it_was_written(
            width in 8_u32..2_000, height in 8_u32..2_000,
        ) {
            let (width, height) = (width * 2, height * 2);
            let read = picture_size(&baseline(width, height));
            prop_assert_eq!(read, Some((width as u16, height as u16)));
        }

        #[test]
        fn no_bytes_make_it_fail(nal in proptest::collection::vec(any::<u8>(), 0..64)) {
            picture_size(&nal);
        }
    }
}
