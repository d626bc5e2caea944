//! Conversions from a source where every read costs a round trip.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imgprep::{BlockCache, MemoryOutput, ReadAt, ReadError, Target};

/// A source that counts its reads.
struct Remote {
    bytes: Vec<u8>,
    reads: Arc<AtomicU64>,
}

impl ReadAt for Remote {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.read_exact_at(buf, at)
    }
}

#[test]
fn a_conversion_through_a_cache_is_the_same_with_few_reads() {
    const BLOCK: u64 = 64 << 10;
    const THREADS: usize = 4;
    let mut compared = 0;
    for image in testdata_gen::good().into_iter().filter(|image| image.files.len() == 1) {
        let bytes = &image.files[0].bytes;
        let plain = imgprep::open_reader(bytes.clone()).unwrap();
        if plain.size() > 8 << 20 {
            continue;
        }
        let reads = Arc::new(AtomicU64::new(0));
        let source = Remote { bytes: bytes.clone(), reads: Arc::clone(&reads) };
        let cache = BlockCache::with_blocks(source, BLOCK, bytes.len() as u64 + 2 * BLOCK);
        let cached = imgprep::open_reader(cache).unwrap();
        let (output, want) = (MemoryOutput::new(), MemoryOutput::new());
        cached.convert(Target::Raw).threads(THREADS).write_to(&output).unwrap();
        plain.convert(Target::Raw).threads(THREADS).write_to(&want).unwrap();
        assert!(output.to_vec() == want.to_vec(), "{}", image.name);
        // Every block is read once, or by as many threads as need it at the same time.
        let most = (bytes.len() as u64).div_ceil(BLOCK) * (THREADS as u64 + 1);
        let reads = reads.load(Ordering::Relaxed);
        assert!(reads <= most, "{}: {reads} reads, expected at most {most}", image.name);
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}
