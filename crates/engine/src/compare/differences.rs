//! The ranges in which two disks differ.

use std::ops::Range;

use crate::is_zero;

/// Ranges in which two disks differ, in disk order. Adjacent ranges are joined.
///
/// Only the first ranges are listed, so the memory is bounded. All are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    limit: usize,
    listed: Vec<Range<u64>>,
    count: u64,
    bytes: u64,
    /// Start of the first range, listed or not.
    start: u64,
    /// End of the last range, listed or not.
    end: u64,
}

impl Differences {
    /// No differences yet, of which at most `limit` ranges will be listed.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// The first ranges.
    pub fn listed(&self) -> &[Range<u64>] {
        &self.listed
    }

    /// Number of all ranges.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Bytes in all ranges.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the disks do not differ.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the last range is listed.
    fn lists_last(&self) -> bool {
        self.listed.len() as u64 == self.count
    }

    /// Adds a range that begins at the end of the last one or later.
    fn add(&mut self, range: Range<u64>) {
        self.bytes += range.end - range.start;
        let lists_last = self.lists_last();
        if self.count > 0 && range.start == self.end {
            if let Some(last) = self.listed.last_mut().filter(|_| lists_last) {
                last.end = range.end;
            }
        } else {
            if self.is_empty() {
                self.start = range.start;
            }
            self.count += 1;
            if self.listed.len() < self.limit {
                self.listed.push(range.clone());
            }
        }
        self.end = range.end;
    }

    /// Adds the differences of a later part of the disk, which have the same limit.
    pub(crate) fn append(&mut self, later: Self) {
        if self.is_empty() {
            *self = later;
            return;
        }
        let joins = !later.is_empty() && later.start == self.end;
        if joins
            && self.lists_last()
            && let (Some(last), Some(first)) = (self.listed.last_mut(), later.listed.first())
        {
            last.end = first.end;
        }
        // As long as there is room, all ranges so far are listed.
        let room = self.limit - self.listed.len();
        self.listed.extend(later.listed.into_iter().skip(usize::from(joins)).take(room));
        self.count += later.count - u64::from(joins);
        self.bytes += later.bytes;
        self.end = self.end.max(later.end);
    }

    /// Compares the bytes of two disks from the disk offset `at` in aligned blocks of `granularity` bytes. The shorter of the
    /// two is continued by zeros.
    pub(crate) fn compare(&mut self, (a, b): (&[u8], &[u8]), at: u64, granularity: u64) {
        if is_same(a, b) {
            return;
        }
        let len = a.len().max(b.len());
        for outer in blocks(0..len, at, granularity.max(STEP)) {
            if is_same(part(a, &outer), part(b, &outer)) {
                continue;
            }
            for block in blocks(outer, at, granularity) {
                if !is_same(part(a, &block), part(b, &block)) {
                    self.add(at + block.start as u64..at + block.end as u64);
                }
            }
        }
    }
}

/// Bytes that are compared before smaller blocks are: most blocks of two disks are the same.
const STEP: u64 = 4096;

/// The aligned blocks of a range of bytes that begin at the disk offset `at`. `len` is a power of two.
fn blocks(range: Range<usize>, at: u64, len: u64) -> impl Iterator<Item = Range<usize>> {
    let mut start = range.start;
    std::iter::from_fn(move || {
        let to_boundary = len - ((at + start as u64) & (len - 1));
        // OK: clipped to the range before the cast.
        let end = start + to_boundary.min((range.end - start) as u64) as usize;
        let block = start..end;
        start = end;
        (!block.is_empty()).then_some(block)
    })
}

/// The bytes of a range, as far as there are any.
fn part<'b>(bytes: &'b [u8], range: &Range<usize>) -> &'b [u8] {
    bytes.get(range.start..range.end.min(bytes.len())).unwrap_or_default()
}

/// Whether the bytes are the same if the shorter of the two is continued by zeros.
pub(crate) fn is_same(a: &[u8], b: &[u8]) -> bool {
    let common = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (a.split_at(common), b.split_at(common));
    a == b && is_zero(a_rest) && is_zero(b_rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(limit: usize, ranges: &[Range<u64>]) -> Differences {
        let mut all = Differences::new(limit);
        ranges.iter().for_each(|range| all.add(range.clone()));
        all
    }

    #[test]
    fn adjacent_ranges_are_joined_and_counted_once() {
        let all = of(2, &[0..4, 4..8, 16..20, 24..28, 28..32, 40..41]);
        assert_eq!(all.listed(), [0..8, 16..20]);
        assert_eq!((all.count(), all.bytes()), (4, 21));
    }

    /// The differences of a disk do not depend on how it was cut into chunks.
    #[test]
    fn differences_of_parts_are_those_of_the_whole() {
        let ranges = [0..4, 4..8, 12..16, 20..24, 24..28, 32..36, 36..40, 48..52];
        for limit in 0..6 {
            let whole = of(limit, &ranges);
            for cut in 0..=ranges.len() {
                for next in cut..=ranges.len() {
                    let mut joined = of(limit, &ranges[..cut]);
                    joined.append(of(limit, &ranges[cut..next]));
                    joined.append(of(limit, &ranges[next..]));
                    assert_eq!(joined, whole, "{limit} {cut} {next}");
                }
            }
        }
    }

    fn compared(a: &[u8], b: &[u8], at: u64, granularity: u64) -> Vec<Range<u64>> {
        let mut all = Differences::new(9);
        all.compare((a, b), at, granularity);
        all.listed().to_vec()
    }

    #[test]
    fn differing_blocks_are_aligned_and_clipped_to_the_bytes() {
        let (a, mut b) = ([0; 40], [0; 40]);
        b[9] = 1;
        b[39] = 1;
        assert_eq!(compared(&a, &b, 0, 8), [8..16, 32..40]);
        assert_eq!(compared(&a, &b, 100, 16), [100..112, 128..140]);
        assert_eq!(compared(&a, &b, 0, 1), [9..10, 39..40]);
    }

    #[test]
    fn a_shorter_side_is_continued_by_zeros() {
        let mut a = [7; 40];
        a[20..].fill(0);
        assert_eq!(compared(&a, &a[..20], 0, 8), []);
        assert_eq!(compared(&a[..20], &a, 0, 8), []);
        a[39] = 1;
        let mut found = compared(&a, &a[..20], 0, 8);
        assert_eq!((found.pop(), found.len()), (Some(32..40), 0));
        assert_eq!(compared(&a[..0], &a, 0, 8), [0..24, 32..40]);
        assert_eq!(compared(&[], &[0; 9], 0, 8), []);
    }
}
