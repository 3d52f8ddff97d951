//! Samples in and out of GStreamer's buffers: S16LE, one channel.

use gstreamer as gst;

/// All of a buffer, in place of what is in `samples`; nothing when it cannot be read.
pub(in crate::media) fn read_samples(buffer: &gst::BufferRef, samples: &mut Vec<i16>) {
    samples.clear();
    if let Ok(map) = buffer.map_readable() {
        samples.extend(
            map.chunks_exact(2)
                .map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])),
        );
    }
}

/// Lets `change` have the samples, which are silence if the source said so.
pub(super) fn change_samples(
    buffer: &mut gst::BufferRef,
    frame: &mut Vec<i16>,
    change: impl FnOnce(&mut [i16]),
) {
    // Silence is marked as nothing at all, which elements that follow would skip.
    buffer.unset_flags(gst::BufferFlags::GAP);
    let Ok(mut map) = buffer.map_writable() else {
        return;
    };
    frame.clear();
    frame.extend(
        map.chunks_exact(2)
            .map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])),
    );
    change(frame);
    for (bytes, sample) in map.chunks_exact_mut(2).zip(frame.iter()) {
        bytes.copy_from_slice(&sample.to_le_bytes());
    }
}
