//! A time written into a picture, so that whoever sees it knows how old it is: 32 black or white
//! squares in the first rows, the bits of a clock in microseconds, least first.

use std::time::SystemTime;

/// Side of a square in pixels.
const SQUARE: usize = 32;
const BITS: usize = 32;

/// The clock both ends share, in microseconds; wraps after 71 minutes.
pub fn now() -> u32 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    since.as_micros() as u32
}

/// Writes it into a luma plane at least 1,024 wide.
pub fn write(luma: &mut [u8], stride: usize, time: u32) {
    let mut row = [0_u8; SQUARE * BITS];
    for (bit, square) in row.chunks_mut(SQUARE).enumerate() {
        square.fill(if time >> bit & 1 == 1 { 235 } else { 16 });
    }
    for line in luma.chunks_mut(stride).take(SQUARE) {
        line[..row.len()].copy_from_slice(&row);
    }
}

/// Reads it back; encoding leaves the middle of a square what it was.
pub fn read(luma: &[u8], stride: usize) -> Option<u32> {
    let line = luma.chunks(stride).nth(SQUARE / 2)?;
    let bit = |bit: usize| Some(u32::from(*line.get(bit * SQUARE + SQUARE / 2)? > 125) << bit);
    (0..BITS).map(bit).sum()
}
