//! The `Range` header of a download (RFC 9110, section 14.2): one range of bytes. A header with
//! several, or one that cannot be read, is ignored, as the RFC allows.

/// What of a content is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// From the first byte to the last, both included.
    Part(u64, u64),
    /// Bytes it does not have.
    Nothing,
}

/// Reads a `Range` header for a content of `size` bytes.
pub fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let read = || {
        let (unit, range) = header?.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        if first.is_empty() {
            let suffix: u64 = number(last)?;
            return Some(match (suffix, size) {
                (0, _) | (_, 0) => Wanted::Nothing,
                _ => Wanted::Part(size.saturating_sub(suffix), size - 1),
            });
        }
        let first = number(first)?;
        let last = if last.is_empty() {
            u64::MAX
        } else {
            number(last)?
        };
        if last < first {
            return None;
        }
        Some(if first >= size {
            Wanted::Nothing
        } else {
            Wanted::Part(first, last.min(size - 1))
        })
    };
    read().unwrap_or(Wanted::Whole)
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_range_is_read_and_everything_else_is_the_whole() {
        for (header, size, expected) in [
            ("bytes=0-4", 10, Wanted::Part(0, 4)),
            ("bytes=5-", 10, Wanted::Part(5, 9)),
            ("bytes=-3", 10, Wanted::Part(7, 9)),
            ("bytes=-30", 10, Wanted::Part(0, 9)),
            ("bytes=5-99", 10, Wanted::Part(5, 9)),
            ("bytes=10-", 10, Wanted::Nothing),
            ("bytes=-0", 10, Wanted::Nothing),
            ("bytes=-1", 0, Wanted::Nothing),
            ("bytes=0-1,4-5", 10, Wanted::Whole),
            ("bytes=4-2", 10, Wanted::Whole),
            ("bytes=+1-2", 10, Wanted::Whole),
            ("lines=1-2", 10, Wanted::Whole),
            ("bytes", 10, Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), size), expected, "{header} of {size}");
        }
        assert_eq!(wanted(None, 10), Wanted::Whole);
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_content(header in "(bytes=)?[-0-9,]{0,24}", size in 0_u64..1000) {
            if let Wanted::Part(first, last) = wanted(Some(&header), size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }
}
