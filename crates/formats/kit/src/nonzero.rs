//! Bytes that should be zero.

use core::ops::Range;

use imgprep_map::{Error, LastHole, ReadAt, usize_of};

/// Bytes per read.
const CHUNK: u64 = 64 << 10;

/// The index of the first byte that is not zero, and the byte.
pub fn first_nonzero(bytes: &[u8]) -> Option<(usize, u8)> {
    bytes.iter().copied().enumerate().find(|(_, byte)| *byte != 0)
}

/// The index and the value of the first byte of `range` that is not zero.
pub fn first_nonzero_of(bytes: &[u8], range: Range<usize>) -> Option<(usize, u8)> {
    let (index, byte) = first_nonzero(bytes.get(range.clone())?)?;
    Some((range.start + index, byte))
}

/// File offset and value of the first byte in `range` that is not zero.
///
/// Holes of the file are not read.
pub fn first_nonzero_in(
    file: &dyn ReadAt,
    hole: &mut LastHole,
    range: Range<u64>,
) -> Result<Option<(u64, u8)>, Error> {
    let mut at = range.start;
    while at < range.end {
        at = hole.next_data(file, at).max(at);
        if at >= range.end {
            break;
        }
        let len = (range.end - at).min(CHUNK);
        // OK: at most 64 KiB.
        if let Some((index, byte)) = first_nonzero(&file.slice(at, usize_of(len))?) {
            return Ok(Some((at + index as u64, byte)));
        }
        at += len;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use imgprep_map::ReadError;

    use super::*;

    #[test]
    fn the_first_byte_that_is_not_zero_is_found_across_chunks() {
        let mut file = vec![0; 200_000];
        (file[150_000], file[160_000]) = (7, 8);
        let found = |range| first_nonzero_in(&file, &mut LastHole::default(), range).unwrap();
        assert_eq!(found(0..200_000), Some((150_000, 7)));
        assert_eq!(found(150_001..200_000), Some((160_000, 8)));
        assert_eq!(found(0..150_000), None);
        assert_eq!(found(5..5), None);
        assert_eq!(first_nonzero(&[0, 0, 3, 4]), Some((2, 3)));
        assert_eq!(first_nonzero_of(&[1, 0, 3, 4], 1..4), Some((2, 3)));
    }

    /// A file of 2^40 bytes that is one hole.
    struct Hole;

    impl ReadAt for Hole {
        fn len(&self) -> u64 {
            1 << 40
        }
        fn read_exact_at(&self, _: &mut [u8], at: u64) -> Result<(), ReadError> {
            panic!("a hole is read at {at}")
        }
        fn next_data(&self, _: u64) -> u64 {
            1 << 40
        }
    }

    #[test]
    fn holes_are_not_read() {
        assert_eq!(first_nonzero_in(&Hole, &mut LastHole::default(), 0..1 << 40).unwrap(), None);
    }
}
