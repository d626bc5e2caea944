//! A file with its log replayed in memory. The file itself is never written.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use crate::size::usize_of;
use crate::{ReadAt, ReadError};

/// Changes of a file by a replayed log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// By first byte: end, and the bytes or (none) zeros. They never overlap.
    patches: BTreeMap<u64, Patch>,
    /// Length that the file must have afterwards, if it is longer then.
    len: u64,
    kept: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Patch {
    end: u64,
    /// The bytes, and where in them the patch begins: patches are split, bytes are shared.
    bytes: Option<(Arc<[u8]>, usize)>,
}

impl Overlay {
    /// Places `bytes` at `at`, replacing earlier changes.
    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        self.kept += bytes.len() as u64;
        self.insert(at..at.saturating_add(bytes.len() as u64), Some((bytes.into(), 0)));
    }

    /// Makes `range` zeros.
    pub fn zero(&mut self, range: Range<u64>) {
        self.insert(range, None);
    }

    /// The file is at least this long afterwards, in bytes.
    pub fn grow(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    /// Memory of the patches, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        self.kept
    }

    /// Whether there are no changes.
    pub fn is_empty(&self) -> bool {
        self.patches.is_empty() && self.len == 0
    }

    fn insert(&mut self, range: Range<u64>, bytes: Option<(Arc<[u8]>, usize)>) {
        if range.is_empty() {
            return;
        }
        self.grow(range.end);
        self.split(range.start);
        self.split(range.end);
        let covered: Vec<u64> = self.patches.range(range.clone()).map(|(start, _)| *start).collect();
        for start in covered {
            self.patches.remove(&start);
        }
        self.patches.insert(range.start, Patch { end: range.end, bytes });
    }

    /// Makes `at` a boundary of patches.
    fn split(&mut self, at: u64) {
        let Some((start, patch)) = self.patches.range_mut(..at).next_back() else { return };
        if patch.end <= at {
            return;
        }
        // OK: inside a patch, whose bytes are in memory.
        let skip = usize_of(at - start);
        let bytes = patch.bytes.clone().map(|(bytes, from)| (bytes, from + skip));
        let end = core::mem::replace(&mut patch.end, at);
        self.patches.insert(at, Patch { end, bytes });
    }

    /// Patches that touch `range`, in order.
    fn touching(&self, range: Range<u64>) -> impl Iterator<Item = (Range<u64>, &Patch)> {
        let first =
            self.patches.range(..range.start).next_back().filter(|(_, patch)| patch.end > range.start);
        let rest = self.patches.range(range);
        first.into_iter().chain(rest).map(|(start, patch)| (*start..patch.end, patch))
    }
}

/// A file read through an [`Overlay`]: `F` is a reference or a shared pointer to the file.
#[derive(Clone, Debug)]
pub struct OverlayReader<F> {
    file: F,
    overlay: Arc<Overlay>,
}

impl<F> OverlayReader<F> {
    /// `file` with the changes of `overlay`.
    pub fn new(file: F, overlay: Arc<Overlay>) -> Self {
        Self { file, overlay }
    }
}

impl ReadAt for OverlayReader<&dyn ReadAt> {
    fn len(&self) -> u64 {
        self.file.len().max(self.overlay.len)
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        let past_end = ReadError::PastEnd { at, len, file_len: self.len() };
        let end = at.checked_add(len).filter(|end| *end <= self.len()).ok_or(past_end)?;
        // OK: positions in `buf`, which is in memory.
        let place = |offset: u64| usize_of(offset - at);
        let stored = place(end.min(self.file.len()).max(at));
        // OK: `stored` is at most the end of `buf`.
        let (head, tail) = buf.split_at_mut(stored);
        self.file.read_exact_at(head, at)?;
        tail.fill(0);
        for (range, patch) in self.overlay.touching(at..end) {
            let (from, to) = (range.start.max(at), range.end.min(end));
            // OK: `from` and `to` are between `at` and `end`.
            let target = &mut buf[place(from)..place(to)];
            match &patch.bytes {
                None => target.fill(0),
                Some((bytes, skip)) => {
                    let skip = skip + usize_of(from - range.start);
                    // OK: a patch has the bytes of its range.
                    target.copy_from_slice(&bytes[skip..skip + target.len()]);
                }
            }
        }
        Ok(())
    }

    fn mapped(&self, range: Range<u64>) -> Option<&[u8]> {
        let is_patched = self.overlay.touching(range.clone()).next().is_some();
        if is_patched { None } else { self.file.mapped(range) }
    }

    fn will_read(&self, range: Range<u64>) {
        self.file.will_read(range);
    }

    fn will_read_soon(&self, range: Range<u64>) {
        self.file.will_read_soon(range);
    }

    fn verify_mapping(&self) -> Result<(), ReadError> {
        self.file.verify_mapping()
    }

    fn next_data(&self, at: u64) -> u64 {
        let stored = self.file.next_data(at);
        let stored = if stored >= self.file.len() { self.len() } else { stored };
        let mut patches = self.overlay.touching(at..stored.max(at));
        let patched = patches.find(|(_, patch)| patch.bytes.is_some());
        patched.map_or(stored, |(range, _)| range.start.max(at).min(stored))
    }

    fn next_hole(&self, at: u64) -> u64 {
        let mut at = at;
        while at < self.len() {
            let hole = self.file.next_hole(at);
            // After the end of the file there are zeros.
            let hole = hole.min(self.file.len()).max(at);
            let mut patches = self.overlay.touching(hole..hole.saturating_add(1));
            match patches.find(|(_, patch)| patch.bytes.is_some()) {
                None => return hole,
                Some((range, _)) => at = range.end,
            }
        }
        self.len()
    }
}

impl ReadAt for OverlayReader<Arc<dyn ReadAt>> {
    fn len(&self) -> u64 {
        self.borrowed().len()
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.borrowed().read_exact_at(buf, at)
    }

    fn mapped(&self, range: Range<u64>) -> Option<&[u8]> {
        let is_patched = self.overlay.touching(range.clone()).next().is_some();
        if is_patched { None } else { self.file.mapped(range) }
    }

    fn will_read(&self, range: Range<u64>) {
        self.file.will_read(range);
    }

    fn will_read_soon(&self, range: Range<u64>) {
        self.file.will_read_soon(range);
    }

    fn verify_mapping(&self) -> Result<(), ReadError> {
        self.file.verify_mapping()
    }

    fn next_data(&self, at: u64) -> u64 {
        self.borrowed().next_data(at)
    }

    fn next_hole(&self, at: u64) -> u64 {
        self.borrowed().next_hole(at)
    }
}

impl OverlayReader<Arc<dyn ReadAt>> {
    fn borrowed(&self) -> OverlayReader<&dyn ReadAt> {
        OverlayReader { file: &*self.file, overlay: Arc::clone(&self.overlay) }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn later_patches_win_and_the_rest_shows_through() {
        let file = vec![1u8; 10];
        let mut overlay = Overlay::default();
        overlay.put(2, &[2; 6]);
        overlay.zero(4..5);
        overlay.put(6, &[3; 1]);
        overlay.put(9, &[4; 3]);
        let replayed = OverlayReader::new(&file as &dyn ReadAt, Arc::new(overlay));
        let mut buf = [9; 12];
        replayed.read_exact_at(&mut buf, 0).unwrap();
        assert_eq!(buf, [1, 1, 2, 2, 0, 2, 3, 2, 1, 4, 4, 4]);
        assert_eq!(replayed.len(), 12);
        assert_eq!(replayed.mapped(0..2), Some(&[1u8, 1][..]));
        assert_eq!(replayed.mapped(0..3), None);
        assert!(replayed.read_exact_at(&mut buf, 1).is_err());
    }

    #[test]
    fn a_file_that_must_be_longer_has_zeros_after_its_end() {
        let file = vec![1u8; 4];
        let mut overlay = Overlay::default();
        overlay.grow(8);
        overlay.put(6, &[5]);
        let replayed = OverlayReader::new(&file as &dyn ReadAt, Arc::new(overlay));
        let mut buf = [9; 6];
        replayed.read_exact_at(&mut buf, 2).unwrap();
        assert_eq!(buf, [1, 1, 0, 0, 5, 0]);
        assert_eq!((replayed.next_hole(0), replayed.next_data(4)), (4, 6));
        assert_eq!((replayed.next_hole(6), replayed.next_data(7)), (7, 8));
    }
}
