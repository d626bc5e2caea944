//! Compares reference counts with uses of clusters, as `qemu-img check` does.
//!
//! Reports leaks, corruptions, wrong COPIED flags, and errors of snapshots and bitmaps (sections "Host
//! cluster management", "Snapshots", "Bitmaps").
//!
//! Every table is walked once. An L2 table that several L1 entries reference is walked once with their number
//! as its weight. Uses are counted in chunks, which are allocated on first use. If the chunks exceed the
//! memory budget, the highest ones are dropped and counted in a separate pass.

use imgprep_map::{Error, FileId, Files, Finding, StructureCounts};

use crate::counts::Counts;
use crate::map::Map;
use crate::refcounts::Refcounts;
use crate::report::{Found, Report};

/// Checks the whole image.
pub(crate) fn check(map: &Map, files: &dyn Files, found: Found<'_>) -> Result<StructureCounts, Error> {
    let Some(file) = files.get(FileId::SELF) else { return Ok(StructureCounts::default()) };
    let mut report = Report::new(found);
    let refcounts = Refcounts::new(&map.header, file);
    report.counts.total = Some(map.active_size().div_ceil(map.header.cluster_size()));
    report.counts.allocated = Some(0);
    report.counts.fragmented = Some(0);
    report.counts.compressed = Some(0);
    refcounts.check_place(&mut report);
    let mut start = 0;
    let mut highest = 0;
    loop {
        let mut counts = Counts::new(&map.header, file.len(), start, map.budget);
        refcounts.touch_blocks(&mut counts)?;
        map.count_uses(file, &refcounts, &mut counts, &mut report)?;
        refcounts.count_blocks(&mut counts, &mut report)?;
        let end = counts.end();
        highest = highest.max(refcounts.compare(&counts, &mut report)?);
        if end == u64::MAX || report.is_over {
            break;
        }
        start = end;
        report.is_first_pass = false;
    }
    report.counts.image_end = Some(highest.saturating_add(1) << map.header.cluster_bits);
    // Not included in the counts: `qemu-img check` does not report them.
    if map.header.refusal().is_none() {
        for Finding { code, severity, at, message } in crate::cross_check::check_places(map, file)? {
            report.add(code, severity, at, message);
        }
    }
    Ok(report.counts)
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::ops::ControlFlow;
    use core::sync::atomic::{AtomicU64, Ordering};

    use imgprep_map::{Limits, ParseOptions, Parsed, ReadAt, ReadError};

    use super::*;
    use crate::parse;

    const CLUSTER: u64 = 65536;

    /// A sparse file with a few pieces of data that counts the bytes read from it.
    struct Sparse {
        pieces: BTreeMap<u64, Vec<u8>>,
        len: u64,
        read: AtomicU64,
    }

    impl ReadAt for Sparse {
        fn len(&self) -> u64 {
            self.len
        }

        fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
            let len = buf.len() as u64;
            assert!(at + len <= self.len, "read past the end");
            self.read.fetch_add(len, Ordering::Relaxed);
            buf.fill(0);
            for (start, bytes) in &self.pieces {
                let (from, to) = (at.max(*start), (at + len).min(start + bytes.len() as u64));
                if from < to {
                    let part = |base: u64| {
                        usize::try_from(from - base).unwrap()..usize::try_from(to - base).unwrap()
                    };
                    buf[part(at)].copy_from_slice(&bytes[part(*start)]);
                }
            }
            Ok(())
        }

        fn next_data(&self, at: u64) -> u64 {
            let found = self.pieces.iter().find(|(start, bytes)| **start + bytes.len() as u64 > at);
            found.map_or(self.len, |(start, _)| at.max(*start))
        }
    }

    /// Header, refcount table at cluster 1, its block at 2, L1 at 3, L2 at 4, data.
    ///
    /// Data is in cluster 5 and then in every 2^28th one.
    fn image(data: u64, size: u64, len: u64) -> Sparse {
        let mut header = vec![0; 112];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"QFI\xfb\0\0\0\x03");
        put(20, &16u32.to_be_bytes());
        put(24, &size.to_be_bytes());
        put(36, &1u32.to_be_bytes());
        put(40, &(3 * CLUSTER).to_be_bytes());
        put(48, &CLUSTER.to_be_bytes());
        put(56, &1u32.to_be_bytes());
        put(96, &4u32.to_be_bytes());
        put(100, &112u32.to_be_bytes());
        let copied = 1u64 << 63;
        let l2 = (0..data).flat_map(|n| (copied | (5 * CLUSTER + (n << 44))).to_be_bytes()).collect();
        let block = (0..6).flat_map(|_| 1u16.to_be_bytes()).collect();
        let pieces = [
            (0, header),
            (CLUSTER, (2 * CLUSTER).to_be_bytes().to_vec()),
            (2 * CLUSTER, block),
            (3 * CLUSTER, (copied | (4 * CLUSTER)).to_be_bytes().to_vec()),
            (4 * CLUSTER, l2),
        ];
        Sparse { pieces: pieces.into(), len, read: AtomicU64::new(0) }
    }

    fn checked(file: &Sparse, budget: u64) -> (StructureCounts, Vec<&'static str>) {
        let limits = Limits { resident_bytes: budget, ..Limits::default() };
        let Ok(Parsed::Done(image)) = parse(file, &ParseOptions { limits, ..ParseOptions::default() }) else {
            panic!("it is parsed")
        };
        let mut codes = Vec::new();
        let file: &dyn ReadAt = file;
        let checked = image.map.check(&file, &mut |finding| {
            codes.push(finding.code.id);
            ControlFlow::Continue(())
        });
        (checked.unwrap(), codes)
    }

    #[test]
    fn a_sound_image_has_nothing() {
        let (checked, codes) = checked(&image(1, 1 << 20, 6 * CLUSTER), 1 << 20);
        assert_eq!((checked.corruptions, checked.leaks, codes.len()), (0, 0, 0));
        assert_eq!(checked.image_end, Some(6 * CLUSTER));
        assert_eq!((checked.total, checked.allocated), (Some(16), Some(1)));
    }

    #[test]
    fn a_budget_for_two_chunks_finds_the_same_as_a_large_one() {
        let file = image(20, 1 << 24, 1 << 50);
        let ((large, mut all), (small, mut same)) = (checked(&file, 1 << 30), checked(&file, 1));
        assert_eq!(large, small);
        // Each of 19 clusters has two errors: COPIED is set but the count is 0, and the cluster is used but
        // the count is 0.
        assert_eq!((large.corruptions, large.leaks, all.len()), (19 + 19, 0, 19 + 19));
        all.sort_unstable();
        same.sort_unstable();
        assert_eq!(all, same);
    }

    #[test]
    fn bytes_read_depend_on_the_contents_not_on_declared_sizes() {
        let few = image(1, 1 << 20, 6 * CLUSTER);
        let _ = checked(&few, 1 << 20);
        let small = few.read.load(Ordering::Relaxed);
        assert!(small < 1 << 19, "{small} bytes are read of six clusters");
        let oversized = image(1, 1 << 20, 1 << 62);
        let (_, codes) = checked(&oversized, 1 << 20);
        let read = oversized.read.load(Ordering::Relaxed);
        assert!(
            read <= small + 2 * CLUSTER,
            "{read} bytes are read of a file of 4 EiB, {small} of a small one"
        );
        assert!(codes.is_empty(), "{codes:?}");
        // 2^32 - 1 clusters of refcount table.
        let mut declares = image(1, 1 << 20, 1 << 62);
        if let Some(header) = declares.pieces.get_mut(&0) {
            header[56..60].fill(0xff);
        }
        let (_, codes) = checked(&declares, 1 << 20);
        let read = declares.read.load(Ordering::Relaxed);
        assert!(read < 4 << 20, "{read} bytes are read");
        assert!(codes.contains(&"qcow2.refcount.table"), "{codes:?}");
    }
}
