//! Finds zeros.

use std::ops::Range;

/// Bytes that are compared at once: a power of two that the compiler turns into a few wide loads.
const STEP: usize = 256;

/// Whether all bytes are zero. Ends after the first step that contains another byte.
pub fn is_zero(bytes: &[u8]) -> bool {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    steps.iter().all(|step| step.iter().fold(0, |or, byte| or | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}

/// The runs of granules that are not all zero, as ranges of `bytes`.
///
/// `at` is the disk offset of the first byte. If it is not aligned, the first granule is shorter.
pub(crate) fn data_runs(bytes: &[u8], at: u64, granule: u64, mut run: impl FnMut(Range<usize>)) {
    let mut open: Option<Range<usize>> = None;
    let mut start = 0;
    while start < bytes.len() {
        let to_boundary = granule - (at + start as u64) % granule;
        // OK: clipped to the slice's length before the cast.
        let end = start + to_boundary.min((bytes.len() - start) as u64) as usize;
        match (&mut open, is_zero(&bytes[start..end])) {
            (None, false) => open = Some(start..end),
            (Some(held), false) => held.end = end,
            (_, true) => open.take().into_iter().for_each(&mut run),
        }
        start = end;
    }
    open.into_iter().for_each(run);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_anywhere_is_seen() {
        for len in [1, 255, 256, 257, 4096, 5000] {
            let mut bytes = vec![0; len];
            assert!(is_zero(&bytes), "{len}");
            for at in [0, len / 2, len - 1] {
                bytes[at] = 1;
                assert!(!is_zero(&bytes), "{len} {at}");
                bytes[at] = 0;
            }
        }
        assert!(is_zero(&[]));
    }

    fn runs(bytes: &[u8], at: u64, granule: u64) -> Vec<Range<usize>> {
        let mut out = Vec::new();
        data_runs(bytes, at, granule, |run| out.push(run));
        out
    }

    #[test]
    fn runs_are_whole_granules() {
        let mut bytes = vec![0; 40];
        bytes[9] = 1;
        bytes[10] = 1;
        bytes[39] = 1;
        assert_eq!(runs(&bytes, 0, 8), [8..16, 32..40]);
        assert_eq!(runs(&bytes, 4, 8), [4..12, 36..40]);
        assert_eq!(runs(&bytes, 6, 8), [2..18, 34..40], "neighbours join");
        assert_eq!(runs(&[], 0, 8), []);
    }
}
