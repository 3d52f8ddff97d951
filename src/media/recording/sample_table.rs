//! One track of the file: samples waiting for the next fragment, and the index of those written.

/// One encoded picture or packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// In the track's clock, from the beginning of the recording.
    pub time: u64,
    /// Until the next one.
    pub duration: u32,
    pub is_key: bool,
    pub data: Vec<u8>,
}

/// Gathers samples. The last one is held back until the next tells how long it lasts.
#[derive(Debug)]
pub(super) struct Pending {
    /// What a sample lasts when nobody tells.
    usual: u32,
    held: Option<Sample>,
    ready: Vec<Sample>,
    bytes: u64,
}

impl Pending {
    pub(super) fn new(usual: u32) -> Self {
        Self {
            usual,
            held: None,
            ready: Vec::new(),
            bytes: 0,
        }
    }

    /// Adds one; a time that is not after the one before becomes the next possible one.
    pub(super) fn push(&mut self, time: u64, is_key: bool, data: Vec<u8>) {
        self.bytes += data.len() as u64;
        let earliest = self.held.as_ref().map_or(0, |held| held.time + 1);
        let sample = Sample {
            time: time.max(earliest),
            duration: self.usual,
            is_key,
            data,
        };
        if let Some(mut before) = self.held.take() {
            before.duration = u32::try_from(sample.time - before.time).unwrap_or(u32::MAX);
            self.ready.push(before);
        }
        self.held = Some(sample);
    }

    /// Ticks ready to be written.
    pub(super) fn span(&self) -> u64 {
        self.ready.iter().map(|one| u64::from(one.duration)).sum()
    }

    /// Bytes not yet written, with the one held back.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes what is ready.
    pub(super) fn take(&mut self) -> Vec<Sample> {
        self.bytes = self.held.as_ref().map_or(0, |held| held.data.len() as u64);
        std::mem::take(&mut self.ready)
    }

    /// Nothing follows: the last one, too, is ready.
    pub(super) fn end(&mut self) {
        self.ready.extend(self.held.take());
    }
}

/// The index of a finished track (ISO/IEC 14496-12 §8.6–8.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SampleTable {
    /// Ticks in front of the first sample.
    pub begin: u64,
    /// Ticks from the first sample to the end of the last.
    pub duration: u64,
    pub sizes: Vec<u32>,
    /// Samples in a row and how long each lasts.
    pub durations: Vec<(u32, u32)>,
    /// Numbers of key frames, from 1.
    pub keys: Vec<u32>,
    /// Where each chunk is, and its samples.
    pub chunks: Vec<(u64, u32)>,
}

impl SampleTable {
    /// Samples that lie in a row at `offset`, the first of them at `time`.
    pub(super) fn add_chunk(
        &mut self,
        offset: u64,
        time: u64,
        samples: impl IntoIterator<Item = (u32, u32, bool)>,
    ) {
        if self.sizes.is_empty() {
            self.begin = time;
        }
        let mut count = 0;
        for (size, duration, is_key) in samples {
            self.sizes.push(size);
            if is_key {
                self.keys.push(self.sizes.len() as u32);
            }
            match self.durations.last_mut() {
                Some((run, of)) if *of == duration => *run += 1,
                _ => self.durations.push((1, duration)),
            }
            self.duration += u64::from(duration);
            count += 1;
        }
        if count > 0 {
            self.chunks.push((offset, count));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn times_always_advance_and_durations_fill_every_gap(
            times in proptest::collection::vec(0u64..100_000, 1..50)
        ) {
            let mut pending = Pending::new(960);
            for time in &times {
                pending.push(*time, true, vec![0; 3]);
            }
            prop_assert_eq!(pending.bytes(), 3 * times.len() as u64);
            pending.end();
            let samples = pending.take();
            prop_assert_eq!(samples.len(), times.len());
            for pair in samples.windows(2) {
                prop_assert!(pair[1].time > pair[0].time);
                prop_assert_eq!(pair[0].time + u64::from(pair[0].duration), pair[1].time);
            }
        }
    }

    #[test]
    fn a_table_counts_runs_keys_and_chunks() {
        let mut table = SampleTable::default();
        table.add_chunk(100, 7, [(5, 960, true), (6, 960, false)]);
        table.add_chunk(400, 1927, [(7, 100, true)]);
        table.add_chunk(500, 2027, []);
        assert_eq!(table.begin, 7);
        assert_eq!(table.duration, 2020);
        assert_eq!(table.sizes, [5, 6, 7]);
        assert_eq!(table.durations, [(2, 960), (1, 100)]);
        assert_eq!(table.keys, [1, 3]);
        assert_eq!(table.chunks, [(100, 2), (400, 1)]);
    }
}
