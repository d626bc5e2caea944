//! Sector bitmap of a block: one bit per sector, set if the block stores it.

use imgprep_map::usize_of;

/// Order of the sectors in a byte of the bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitOrder {
    /// The highest bit is the first sector: the specification's order.
    HighFirst,
    /// The lowest bit is the first sector: the order of `XenServer`'s `tapdisk` 0.1.
    LowFirst,
}

/// Runs of equal bits, as pairs: whether they are set, and the number of sectors.
pub(crate) struct Runs<'a> {
    bytes: &'a [u8],
    order: BitOrder,
    at: u64,
    count: u64,
}

impl<'a> Runs<'a> {
    /// Runs of the first `count` bits of `bytes`. Bits after the last byte are clear.
    pub(crate) fn new(bytes: &'a [u8], count: u64, order: BitOrder) -> Self {
        Self { bytes, order, at: 0, count }
    }

    /// The byte with bit `at`, reordered so that the first sector is the highest bit.
    fn byte(&self, at: u64) -> u8 {
        let byte = self.bytes.get(usize_of(at / 8)).copied().unwrap_or(0);
        if self.order == BitOrder::HighFirst { byte } else { byte.reverse_bits() }
    }
}

impl Iterator for Runs<'_> {
    type Item = (bool, u64);

    fn next(&mut self) -> Option<(bool, u64)> {
        if self.at >= self.count {
            return None;
        }
        let start = self.at;
        let is_set = self.byte(start) << (start % 8) & 0x80 != 0;
        while self.at < self.count {
            let left = 8 - self.at % 8;
            let bits = self.byte(self.at) << (self.at % 8);
            let same = if is_set { bits.leading_ones() } else { bits.leading_zeros() };
            let same = u64::from(same).min(left);
            self.at += same;
            if same < left {
                break;
            }
        }
        self.at = self.at.min(self.count);
        Some((is_set, self.at - start))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    fn runs(bytes: &[u8], count: u64, order: BitOrder) -> Vec<(bool, u64)> {
        Runs::new(bytes, count, order).collect()
    }

    #[test]
    fn runs_continue_across_bytes() {
        let got = runs(&[0x0f, 0xff, 0x80, 0x01], 32, BitOrder::HighFirst);
        assert_eq!(got, [(false, 4), (true, 13), (false, 14), (true, 1)]);
        let got = runs(&[0x0f, 0xff, 0x80, 0x01], 32, BitOrder::LowFirst);
        assert_eq!(got, [(true, 4), (false, 4), (true, 8), (false, 7), (true, 2), (false, 7)]);
    }

    #[test]
    fn a_count_ends_in_the_middle_of_a_byte() {
        assert_eq!(runs(&[0xff, 0xff], 11, BitOrder::HighFirst), [(true, 11)]);
        assert_eq!(runs(&[0xaa], 3, BitOrder::HighFirst), [(true, 1), (false, 1), (true, 1)]);
        assert_eq!(runs(&[], 0, BitOrder::HighFirst), []);
    }

    #[test]
    fn bits_without_a_byte_are_clear() {
        assert_eq!(runs(&[0xff], 12, BitOrder::HighFirst), [(true, 8), (false, 4)]);
    }

    #[test]
    fn every_pair_of_bytes_reads_bit_by_bit() {
        for (a, b) in (0..=255u8).flat_map(|a| (0..=255u8).step_by(7).map(move |b| (a, b))) {
            let mut bits = Vec::new();
            for (is_set, len) in runs(&[a, b], 16, BitOrder::HighFirst) {
                assert!(len > 0);
                bits.extend(vec![is_set; usize::try_from(len).unwrap()]);
            }
            let want: Vec<_> = (0..16).map(|n| u16::from_be_bytes([a, b]) >> (15 - n) & 1 == 1).collect();
            assert_eq!(bits, want);
        }
    }
}
