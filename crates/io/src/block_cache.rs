//! A cache of aligned blocks, for sources where every read costs a round trip.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imgprep_map::{ReadAt, ReadError, usize_of};

/// Size of a block by default.
const BLOCK: u64 = 64 << 10;
/// Memory of a cache by default.
const MEMORY: u64 = 16 << 20;

/// A source whose blocks are kept in memory, the most recently used ones within a bound.
///
/// Every read is made of whole blocks that are aligned to their size; only the last one is shorter. Adjacent blocks that
/// are not in the cache are read with one call, into a buffer of their length. A read that is longer than the cache
/// bypasses it. Errors are not cached.
///
/// It is meant for sources without a mapping, such as an object store: [`mapped`](ReadAt::mapped) returns `None`.
pub struct BlockCache<R> {
    source: R,
    block: u64,
    /// Blocks that are kept at most: at least one.
    capacity: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    blocks: HashMap<u64, Block>,
    /// Counts the uses of blocks: the block with the lowest number was used least recently.
    clock: u64,
}

struct Block {
    bytes: Arc<[u8]>,
    used: u64,
}

impl<R: ReadAt> BlockCache<R> {
    /// A cache of 16 MiB in blocks of 64 KiB.
    pub fn new(source: R) -> Self {
        Self::with_blocks(source, BLOCK, MEMORY)
    }

    /// A cache of `memory` bytes in blocks of `block` bytes, which keeps one block at least.
    pub fn with_blocks(source: R, block: u64, memory: u64) -> Self {
        let block = block.max(1);
        let capacity = usize_of((memory / block).max(1));
        Self { source, block, capacity, kept: Mutex::default() }
    }

    /// The source.
    pub fn into_inner(self) -> R {
        self.source
    }

    // A poisoned lock only means that another thread panicked: the blocks in the map are complete.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes of block `number`, if they are kept.
    fn find(&self, number: u64) -> Option<Arc<[u8]>> {
        let mut kept = self.kept();
        kept.clock += 1;
        let now = kept.clock;
        let block = kept.blocks.get_mut(&number)?;
        block.used = now;
        Some(Arc::clone(&block.bytes))
    }

    fn keep(&self, number: u64, bytes: &[u8]) {
        let mut kept = self.kept();
        kept.clock += 1;
        let block = Block { bytes: bytes.into(), used: kept.clock };
        // A search of all blocks costs much less than the read that precedes it.
        if kept.blocks.len() >= self.capacity && !kept.blocks.contains_key(&number) {
            let oldest = kept.blocks.iter().min_by_key(|(_, block)| block.used).map(|(number, _)| *number);
            oldest.and_then(|oldest| kept.blocks.remove(&oldest));
        }
        kept.blocks.insert(number, block);
    }

    /// The file offsets of the blocks `numbers`.
    fn range(&self, numbers: &Range<u64>) -> Range<u64> {
        // OK: the blocks lie in the file, but the end of the last one may lie past its end.
        numbers.start * self.block..numbers.end.saturating_mul(self.block).min(self.source.len())
    }

    /// Copies the part of `bytes`, which begin at file offset `from`, that `buf` covers from offset `at` on.
    fn copy(bytes: &[u8], from: u64, buf: &mut [u8], at: u64) {
        let (start, end) = (from.max(at), (from + bytes.len() as u64).min(at + buf.len() as u64));
        if start < end {
            // OK: both ranges are clipped to their slices.
            let target = usize_of(start - at)..usize_of(end - at);
            buf[target].copy_from_slice(&bytes[usize_of(start - from)..usize_of(end - from)]);
        }
    }

    /// Reads the blocks `missing` with one call, keeps them and copies what `buf` needs.
    fn fetch(&self, missing: &Range<u64>, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        let range = self.range(missing);
        let mut bytes = vec![0; usize_of(range.end - range.start)];
        self.source.read_exact_at(&mut bytes, range.start)?;
        for (number, block) in (missing.start..).zip(bytes.chunks(usize_of(self.block))) {
            self.keep(number, block);
        }
        Self::copy(&bytes, range.start, buf, at);
        Ok(())
    }
}

impl<R: ReadAt> ReadAt for BlockCache<R> {
    fn len(&self) -> u64 {
        self.source.len()
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        let past_end = ReadError::PastEnd { at, len, file_len: self.len() };
        let end = at.checked_add(len).filter(|end| *end <= self.len()).ok_or(past_end)?;
        let blocks = at / self.block..end.div_ceil(self.block);
        if buf.is_empty() {
            return Ok(());
        }
        if blocks.end - blocks.start > self.capacity as u64 {
            return self.source.read_exact_at(buf, at);
        }
        let mut missing = blocks.start..blocks.start;
        for number in blocks {
            let Some(bytes) = self.find(number) else {
                missing.end = number + 1;
                continue;
            };
            if !missing.is_empty() {
                self.fetch(&missing, buf, at)?;
            }
            missing = number + 1..number + 1;
            Self::copy(&bytes, number * self.block, buf, at);
        }
        if missing.is_empty() { Ok(()) } else { self.fetch(&missing, buf, at) }
    }

    fn verify_mapping(&self) -> Result<(), ReadError> {
        self.source.verify_mapping()
    }

    fn next_data(&self, at: u64) -> u64 {
        self.source.next_data(at)
    }

    fn next_hole(&self, at: u64) -> u64 {
        self.source.next_hole(at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::*;

    /// Bytes that differ from their neighbours, and a record of the reads.
    struct Source {
        bytes: Vec<u8>,
        reads: Mutex<Vec<(u64, usize)>>,
        fails: AtomicBool,
    }

    impl Source {
        fn new(len: usize) -> Self {
            let bytes = (0..len).map(|at| (at % 251) as u8).collect();
            Self { bytes, reads: Mutex::default(), fails: AtomicBool::default() }
        }
    }

    impl ReadAt for Source {
        fn len(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
            self.reads.lock().unwrap().push((at, buf.len()));
            if self.fails.load(Ordering::Relaxed) {
                return Err(ReadError::Failed { at, reason: "timeout".into() });
            }
            self.bytes.read_exact_at(buf, at)
        }
    }

    /// Blocks of 16 bytes, four of them, over a source of 100 bytes.
    fn cache() -> BlockCache<Source> {
        BlockCache::with_blocks(Source::new(100), 16, 64)
    }

    fn read(cache: &BlockCache<Source>, range: Range<usize>) -> Vec<(u64, usize)> {
        let mut buf = vec![0xee; range.len()];
        cache.read_exact_at(&mut buf, range.start as u64).unwrap();
        assert_eq!(buf, cache.source.bytes[range]);
        std::mem::take(&mut *cache.source.reads.lock().unwrap())
    }

    #[test]
    fn every_range_is_read_as_from_the_source() {
        let cache = cache();
        for start in 0..=100 {
            for end in start..=100 {
                read(&cache, start..end);
            }
        }
    }

    #[test]
    fn whole_aligned_blocks_are_read_and_kept() {
        let cache = cache();
        assert_eq!(read(&cache, 17..20), [(16, 16)]);
        assert_eq!(read(&cache, 16..32), []);
        assert_eq!(read(&cache, 31..33), [(32, 16)]);
        assert_eq!(read(&cache, 20..20), []);
        // The last block is shorter.
        assert_eq!(read(&cache, 99..100), [(96, 4)]);
        assert_eq!(read(&cache, 96..100), []);
    }

    #[test]
    fn missing_neighbours_are_one_read() {
        let cache = cache();
        assert_eq!(read(&cache, 0..48), [(0, 48)]);
        let cache = self::cache();
        assert_eq!(read(&cache, 16..17), [(16, 16)]);
        assert_eq!(read(&cache, 0..64), [(0, 16), (32, 32)]);
    }

    #[test]
    fn the_least_recently_used_block_is_dropped() {
        let cache = cache();
        for block in 0..4 {
            assert_eq!(read(&cache, block * 16..block * 16 + 1), [(block as u64 * 16, 16)]);
        }
        assert_eq!(read(&cache, 0..1), []);
        assert_eq!(read(&cache, 64..65), [(64, 16)]);
        assert_eq!((read(&cache, 0..1), read(&cache, 32..33)), (vec![], vec![]));
        assert_eq!(read(&cache, 16..17), [(16, 16)]);
        assert_eq!(cache.kept().blocks.len(), 4);
    }

    #[test]
    fn a_read_larger_than_the_cache_bypasses_it() {
        let cache = cache();
        assert_eq!(read(&cache, 0..100), [(0, 100)]);
        assert_eq!(cache.kept().blocks.len(), 0);
        assert_eq!(read(&cache, 15..65), [(15, 50)]);
        assert_eq!(read(&cache, 16..65), [(16, 64)]);
    }

    #[test]
    fn errors_are_not_cached() {
        let cache = cache();
        read(&cache, 0..1);
        cache.source.fails.store(true, Ordering::Relaxed);
        let mut buf = [0; 20];
        let error = cache.read_exact_at(&mut buf, 0).unwrap_err();
        assert_eq!(error, ReadError::Failed { at: 16, reason: "timeout".into() });
        assert_eq!(read(&cache, 0..16), [(16, 16)], "only the failed read: the first block is kept");
        cache.source.fails.store(false, Ordering::Relaxed);
        assert_eq!(read(&cache, 0..20), [(16, 16)]);
    }

    #[test]
    fn ranges_outside_of_the_file_are_rejected_without_a_read() {
        let cache = cache();
        for (at, len) in [(100, 1), (99, 2), (u64::MAX, 1), (u64::MAX - 3, 8), (0, 101)] {
            let mut buf = vec![0; len];
            let want = ReadError::PastEnd { at, len: len as u64, file_len: 100 };
            assert_eq!(cache.read_exact_at(&mut buf, at), Err(want));
        }
        assert_eq!(cache.read_exact_at(&mut [], 100), Ok(()));
        assert_eq!(*cache.source.reads.lock().unwrap(), []);
        let empty = BlockCache::new(Source::new(0));
        assert_eq!(empty.read_exact_at(&mut [], 0), Ok(()));
        assert!(empty.read_exact_at(&mut [0], 0).is_err());
    }

    /// A source that claims to be as long as a file can be.
    struct Endless(AtomicU64);

    impl ReadAt for Endless {
        fn len(&self) -> u64 {
            u64::MAX
        }

        fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            assert!(buf.len() <= 16, "{}", buf.len());
            buf.fill((at / 16) as u8);
            Ok(())
        }
    }

    #[test]
    fn the_last_block_of_the_largest_file_is_read() {
        let cache = BlockCache::with_blocks(Endless(AtomicU64::new(0)), 16, 0);
        let mut buf = [0; 2];
        for _ in 0..2 {
            cache.read_exact_at(&mut buf, u64::MAX - 2).unwrap();
            assert_eq!(buf, [0xff; 2]);
        }
        assert_eq!(cache.source.0.load(Ordering::Relaxed), 1);
        cache.read_exact_at(&mut buf, 0).unwrap();
        assert_eq!(buf, [0; 2]);
    }
}
