//! A table that is written page by page.

use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Emit, Error, usize_of};

/// Entries per write.
const PAGE: u64 = 16 << 10;

/// A table whose entries are set in ascending order, with one page in memory.
///
/// Entries have `N` bytes.
///
/// Pages of unused entries whose bytes are zeros are not written: gaps of an output read as zeros.
#[derive(Debug)]
pub struct PagedTable<E = u32, const N: usize = 4> {
    at: u64,
    entries: u64,
    unused: E,
    encode: fn(E) -> [u8; N],
    /// The number of the current page, its entries, and whether one of them was set.
    page: u64,
    values: Vec<E>,
    is_set: bool,
}

impl<E: Copy, const N: usize> PagedTable<E, N> {
    /// Creates a table of `entries` entries at file offset `at`, all of them `unused`.
    ///
    /// `encode` determines the byte order.
    pub fn new(at: u64, entries: u64, unused: E, encode: fn(E) -> [u8; N]) -> Self {
        let mut table = Self { at, entries, unused, encode, page: 0, values: Vec::new(), is_set: false };
        table.clear();
        table
    }

    /// Sets an entry, after writing all pages before the one that contains it.
    ///
    /// An entry past the end is ignored.
    pub fn set(&mut self, index: u64, value: E, out: &mut dyn Emit) -> Result<(), Error> {
        self.write_before(index / PAGE, out)?;
        if let Some(entry) = self.values.get_mut(usize_of(index % PAGE)) {
            *entry = value;
            self.is_set = true;
        }
        Ok(())
    }

    /// Writes the remaining pages.
    pub fn finish(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        self.write_before(self.entries.div_ceil(PAGE), out)
    }

    /// Writes the pages before `page`, which becomes the current one.
    fn write_before(&mut self, page: u64, out: &mut dyn Emit) -> Result<(), Error> {
        let is_gap = (self.encode)(self.unused) == [0; N];
        while self.page < page {
            if self.is_set || !is_gap {
                let bytes: Vec<u8> = self.values.iter().flat_map(|value| (self.encode)(*value)).collect();
                out.write(self.at + self.page * PAGE * N as u64, &bytes)?;
            }
            self.page += 1;
            self.clear();
        }
        Ok(())
    }

    /// Makes all entries of the current page unused.
    fn clear(&mut self) {
        let left = self.entries.saturating_sub(self.page * PAGE);
        // OK: at most a page.
        self.values = vec![self.unused; usize_of(left.min(PAGE))];
        self.is_set = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects what is written.
    #[derive(Default)]
    struct Written(Vec<(u64, Vec<u8>)>);

    impl Emit for Written {
        fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
            self.0.push((at, bytes.into()));
            Ok(())
        }
    }

    #[test]
    fn pages_are_written_as_soon_as_the_entries_have_passed_them() {
        let mut out = Written::default();
        let mut table = PagedTable::new(100, 2 * PAGE + 3, u32::MAX, u32::to_be_bytes);
        table.set(1, 7, &mut out).unwrap();
        assert!(out.0.is_empty());
        table.set(2 * PAGE + 2, 9, &mut out).unwrap();
        assert_eq!(out.0.len(), 2);
        table.set(2 * PAGE + 3, 1, &mut out).unwrap();
        table.finish(&mut out).unwrap();
        let [(first, page), (second, unused), (third, last)] = &out.0[..] else { panic!("{}", out.0.len()) };
        assert_eq!((*first, *second, *third), (100, 100 + PAGE * 4, 100 + PAGE * 8));
        assert_eq!(page[..12], [255, 255, 255, 255, 0, 0, 0, 7, 255, 255, 255, 255]);
        assert!(page.len() == unused.len() && unused.iter().all(|byte| *byte == 255));
        assert_eq!(last[..], [255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 9]);
        table.finish(&mut out).unwrap();
        assert_eq!(out.0.len(), 3, "nothing is written twice");
    }

    #[test]
    fn pages_of_zeros_are_gaps() {
        let mut out = Written::default();
        let mut table = PagedTable::new(64, 3 * PAGE, 0, u64::to_le_bytes);
        table.set(PAGE + 1, 7, &mut out).unwrap();
        table.finish(&mut out).unwrap();
        let [(at, page)] = &out.0[..] else { panic!("{}", out.0.len()) };
        assert_eq!((*at, page.len() as u64), (64 + PAGE * 8, PAGE * 8));
        assert_eq!(page[..17], [0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut table = PagedTable::new(0, 1, 0, u64::to_le_bytes);
        table.set(0, 0, &mut out).unwrap();
        table.finish(&mut out).unwrap();
        assert_eq!(out.0.len(), 2, "entries that are set are written, also as zeros");
    }

    #[test]
    fn an_empty_table_has_no_pages() {
        let mut out = Written::default();
        PagedTable::new(0, 0, 1, u32::to_le_bytes).finish(&mut out).unwrap();
        assert!(out.0.is_empty());
    }
}
