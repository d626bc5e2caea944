//! Counts the allocation of a layer, with bounded work.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imgprep_engine::Layer;
use imgprep_map::{Error, ReadAt, ReadError, Source};

/// Maximum bytes of tables that are read to count: about a second.
const MAX_TABLES: u64 = 16 << 20;
/// Bytes of tables that may be read of every image.
const MIN_TABLES: u64 = 1 << 20;

/// Bytes of tables that may be read to count a layer of `actual` bytes: a thousandth of them, because the inspection of an
/// empty image must not depend on its virtual size.
pub(crate) fn counted_tables(actual: u64) -> u64 {
    (actual >> 10).clamp(MIN_TABLES, MAX_TABLES)
}

/// Maximum number of extents: 16 MiB of bits may describe many more.
const COUNTED_EXTENTS: u64 = 4_000_000;

/// Maximum number of queries for holes of the files; the rest counts as data.
const HOLE_QUESTIONS: u32 = 1 << 16;

/// The allocation of a layer, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// Uncompressed, without holes of the file.
    pub data: u64,
    /// Compressed.
    pub compressed: u64,
    /// Zeros, stored or not.
    pub zeros: u64,
    /// Read from the layer below.
    pub parent: u64,
}

/// The result of counting the allocation of a layer.
#[derive(Debug)]
pub enum Counted {
    /// All of it was walked.
    Whole(Allocation),
    /// Its tables are larger than this many bytes.
    TablesTooLarge(u64),
    /// It has more than four million extents.
    TooManyExtents,
    /// A table cannot be walked.
    Failed(Error),
}

/// Walks all tables of a layer, and ends after `limit` bytes of them.
///
/// The files are wrapped in readers that fail after the limit. So a map may walk its tables in any way and skip holes, and
/// the result does not depend on time.
pub(crate) fn count(layer: &Layer, limit: u64) -> Counted {
    let left = Arc::new(AtomicU64::new(limit));
    let wrap = |file: &Arc<dyn ReadAt>| -> Arc<dyn ReadAt> {
        Arc::new(Limited { file: Arc::clone(file), left: Arc::clone(&left) })
    };
    let files: Vec<_> = layer.files.iter().map(wrap).collect();
    let (mut sum, mut extents, mut questions) = (Allocation::default(), 0, HOLE_QUESTIONS);
    let walked = layer.map.visit(&files, 0..u64::MAX, &mut |extent| {
        let len = extent.disk.end - extent.disk.start;
        match extent.source {
            Source::Zero { .. } => sum.zeros += len,
            Source::Data { file, at } => {
                let data = imgprep_map::Files::get(&layer.files, file)
                    .map_or(len, |file| stored(file, at, len, &mut questions));
                sum.data += data;
                sum.zeros += len - data;
            }
            Source::Compressed { .. } => sum.compressed += len,
            Source::Parent => sum.parent += len,
        }
        extents += 1;
        if extents < COUNTED_EXTENTS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    match walked {
        _ if left.load(Ordering::Relaxed) == 0 => Counted::TablesTooLarge(limit),
        Err(error) => Counted::Failed(error),
        Ok(()) if extents >= COUNTED_EXTENTS => Counted::TooManyExtents,
        Ok(()) => Counted::Whole(sum),
    }
}

/// Bytes of a range of a file that are not in a hole, as far as the number of queries allows.
fn stored(file: &dyn ReadAt, at: u64, len: u64, questions: &mut u32) -> u64 {
    let end = at.saturating_add(len);
    let (mut from, mut holes) = (at, 0);
    while from < end && *questions > 0 {
        *questions -= 1;
        // A file that changes meanwhile may report anything.
        let data = file.next_data(from).clamp(from, end);
        holes += data - from;
        if data == end {
            break;
        }
        from = file.next_hole(data).clamp(data + 1, end);
    }
    len - holes
}

/// A file of which a limited number of bytes can be read.
struct Limited {
    file: Arc<dyn ReadAt>,
    /// Bytes that are left, for all files of the layer. 0 if the limit is exceeded.
    left: Arc<AtomicU64>,
}

impl Limited {
    /// Whether `len` more bytes may be read. After the first rejection, nothing may be read.
    fn take(&self, len: u64) -> bool {
        let taken = |left: u64| Some(left.saturating_sub(len));
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken);
        before.is_ok_and(|before| before > len)
    }
}

impl ReadAt for Limited {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        if self.take(buf.len() as u64) {
            return self.file.read_exact_at(buf, at);
        }
        Err(ReadError::Failed { at, reason: "enough of the tables was read".into() })
    }

    fn mapped(&self, range: Range<u64>) -> Option<&[u8]> {
        // Without a mapping nothing is counted here, but the read that follows is.
        let bytes = self.file.mapped(range)?;
        self.take(bytes.len() as u64).then_some(bytes)
    }

    fn will_read(&self, range: Range<u64>) {
        // After the limit nothing is read.
        if self.left.load(Ordering::Relaxed) >= range.end.saturating_sub(range.start) {
            self.file.will_read(range);
        }
    }

    fn verify_mapping(&self) -> Result<(), ReadError> {
        self.file.verify_mapping()
    }

    fn next_data(&self, at: u64) -> u64 {
        // A query costs a system call, which counts as a few entries. After the limit no holes are reported, so that a
        // walk that only queries holes reads something, and ends.
        if self.take(64) { self.file.next_data(at) } else { at.min(self.len()) }
    }

    fn next_hole(&self, at: u64) -> u64 {
        if self.take(64) { self.file.next_hole(at) } else { self.len() }
    }
}

#[cfg(test)]
mod tests {
    use imgprep_map::{DiskMap, Extent, FileId, FileUse, Files, Visitor};

    use super::*;

    /// One table page of `page` bytes describes 1 MiB of zeros.
    struct Pages {
        page: usize,
        count: u64,
        fails_at: Option<u64>,
    }

    impl DiskMap for Pages {
        fn size(&self) -> u64 {
            self.count << 20
        }

        fn stride(&self) -> u64 {
            1 << 20
        }

        fn visit(&self, files: &dyn Files, _: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
            let file = files.get(FileId::SELF).unwrap();
            for page in 0..self.count {
                file.slice(0, self.page)?;
                if self.fails_at == Some(page) {
                    return Err(ReadError::Failed { at: page, reason: "bad".into() }.into());
                }
                let disk = page << 20..(page + 1) << 20;
                if visitor(Extent { disk, source: Source::Zero { explicit: true } }).is_break() {
                    break;
                }
            }
            Ok(())
        }

        fn file_usage(
            &self,
            _: &dyn Files,
            _: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
        ) -> Result<(), Error> {
            Ok(())
        }
    }

    fn counted(map: Pages, limit: u64) -> Counted {
        let files: Vec<Arc<dyn ReadAt>> = vec![Arc::new(vec![0; 1 << 16])];
        count(&Layer { map: Box::new(map), files, names: vec!["a".into()] }, limit)
    }

    #[test]
    fn tables_up_to_the_limit_are_counted() {
        let map = || Pages { page: 4096, count: 10, fails_at: None };
        let want = Allocation { zeros: 10 << 20, ..Allocation::default() };
        match counted(map(), 40961) {
            Counted::Whole(found) => assert_eq!(found, want),
            other => panic!("{other:?}"),
        }
        assert!(matches!(counted(map(), 40960 - 1), Counted::TablesTooLarge(40959)));
    }

    #[test]
    fn the_limit_depends_on_the_space_of_the_files() {
        let limits = [0, 1 << 30, 4 << 30, 16 << 30, u64::MAX].map(counted_tables);
        assert_eq!(limits, [1 << 20, 1 << 20, 4 << 20, 16 << 20, 16 << 20]);
    }

    #[test]
    fn a_disk_of_exbibytes_costs_no_more() {
        let map = Pages { page: 65536, count: 1 << 43, fails_at: None };
        assert!(matches!(counted(map, MAX_TABLES), Counted::TablesTooLarge(MAX_TABLES)));
        let map = Pages { page: 0, count: 1 << 43, fails_at: None };
        assert!(matches!(counted(map, MAX_TABLES), Counted::TooManyExtents));
    }

    /// Data in every other mebibyte.
    struct Sparse(u64);

    impl ReadAt for Sparse {
        fn len(&self) -> u64 {
            self.0
        }

        fn read_exact_at(&self, _: &mut [u8], at: u64) -> Result<(), ReadError> {
            Err(ReadError::Failed { at, reason: "only holes are asked for".into() })
        }

        fn next_data(&self, at: u64) -> u64 {
            let is_data = (at >> 20).is_multiple_of(2);
            if is_data { at } else { (((at >> 20) + 1) << 20).min(self.0) }
        }

        fn next_hole(&self, at: u64) -> u64 {
            let is_data = (at >> 20).is_multiple_of(2);
            if is_data { (((at >> 20) + 1) << 20).min(self.0) } else { at }
        }
    }

    #[test]
    fn holes_of_the_file_do_not_count_as_data() {
        let file = Sparse(10 << 20);
        let mut questions = 100;
        assert_eq!(stored(&file, 0, 10 << 20, &mut questions), 5 << 20);
        assert_eq!(questions, 94);
        assert_eq!(stored(&file, 1 << 19, 1 << 20, &mut questions), 1 << 19);
        assert_eq!(stored(&file, (1 << 20) + 5, 1 << 10, &mut questions), 0);
        let mut few = 2;
        assert_eq!(
            stored(&file, 0, 10 << 20, &mut few),
            9 << 20,
            "one hole was found, the rest is not known"
        );
    }

    #[test]
    fn an_unreadable_table_is_reported() {
        let map = Pages { page: 8, count: 10, fails_at: Some(3) };
        match counted(map, MAX_TABLES) {
            Counted::Failed(error) => assert_eq!(error.at(), Some(3)),
            other => panic!("{other:?}"),
        }
    }
}
