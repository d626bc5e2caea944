//! How the parts of a disk are stored.

use imgprep_map::{Source, usize_of};

use crate::ResolvedExtent;

/// Parts of a disk that are counted.
const PARTS: u64 = 96;
/// The smallest part.
const SECTOR: u64 = 512;

/// Bytes of one part of a disk, by how they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartAllocation {
    /// Uncompressed.
    pub data: u64,
    /// Compressed.
    pub compressed: u64,
    /// Known to be zeros.
    pub zeros: u64,
}

/// The allocation of a disk in equal parts: 96 of them, fewer if the disk has fewer sectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllocationHistogram {
    /// Bytes of a part.
    part: u64,
    parts: Vec<PartAllocation>,
    /// The part that the last extent ended in.
    current: usize,
}

impl AllocationHistogram {
    /// No extents yet of a disk of `size` bytes.
    pub(crate) fn new(size: u64) -> Self {
        let count = PARTS.min(size / SECTOR);
        let parts = vec![PartAllocation::default(); usize_of(count)];
        Self { part: size.div_ceil(count.max(1)), parts, current: 0 }
    }

    /// The parts in disk order.
    pub fn parts(&self) -> &[PartAllocation] {
        &self.parts
    }

    /// Counts an extent, which must lie after the previous one.
    pub(crate) fn add(&mut self, extent: &ResolvedExtent) {
        // Without parts, no number of them reaches the extent.
        let disk_end = if self.parts.is_empty() { 0 } else { extent.disk.end };
        let mut at = extent.disk.start;
        while at < disk_end {
            let part_end = (self.current as u64 + 1).saturating_mul(self.part);
            if at >= part_end {
                self.current += 1;
                continue;
            }
            let Some(part) = self.parts.get_mut(self.current) else { return };
            let end = disk_end.min(part_end);
            let bytes = match extent.source {
                Source::Data { .. } => &mut part.data,
                Source::Compressed { .. } => &mut part.compressed,
                Source::Zero { .. } | Source::Parent => &mut part.zeros,
            };
            *bytes += end - at;
            at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use imgprep_map::{Codec, CompressedLen, FileId};

    use super::*;

    fn counted(size: u64, extents: &[(Range<u64>, Source)]) -> AllocationHistogram {
        let mut histogram = AllocationHistogram::new(size);
        for (disk, source) in extents {
            histogram.add(&ResolvedExtent { disk: disk.clone(), layer: 0, source: source.clone() });
        }
        histogram
    }

    fn data() -> Source {
        Source::Data { file: FileId::SELF, at: 0 }
    }

    fn zeros() -> Source {
        Source::Zero { explicit: false }
    }

    #[test]
    fn an_extent_is_divided_among_its_parts() {
        const MIB: u64 = 1 << 20;
        let len = CompressedLen::Exact(1);
        let compressed = Source::Compressed {
            codec: Codec::Zlib,
            file: FileId::SELF,
            at: 0,
            len,
            block: 3 * MIB - 7..3 * MIB,
        };
        let extents = [
            (0..MIB + 5, data()),
            (MIB + 5..3 * MIB - 7, zeros()),
            (3 * MIB - 7..3 * MIB, compressed),
            (3 * MIB..96 * MIB, zeros()),
        ];
        let histogram = counted(96 * MIB, &extents);
        let part = |data, compressed, zeros| PartAllocation { data, compressed, zeros };
        let want = [part(MIB, 0, 0), part(5, 0, MIB - 5), part(0, 7, MIB - 7), part(0, 0, MIB)];
        assert_eq!((histogram.parts().len(), &histogram.parts()[..4]), (96, &want[..]));
        assert!(histogram.parts()[4..].iter().all(|found| *found == part(0, 0, MIB)));
    }

    #[test]
    fn a_disk_of_a_few_sectors_has_as_many_parts() {
        let histogram = counted(1030, &[(0..600, data()), (600..1030, zeros())]);
        let part = |data, zeros| PartAllocation { data, zeros, compressed: 0 };
        assert_eq!(histogram.parts(), [part(515, 0), part(85, 430)]);
        assert_eq!(counted(0, &[]).parts(), []);
        assert_eq!(counted(511, &[(0..511, data())]).parts(), []);
    }

    #[test]
    fn skipped_parts_stay_empty() {
        let histogram = counted(96 * 512, &[(0..512, data()), (95 * 512..96 * 512, data())]);
        let with_data: Vec<_> = histogram
            .parts()
            .iter()
            .enumerate()
            .filter(|(_, part)| part.data > 0)
            .map(|(at, _)| at)
            .collect();
        assert_eq!(with_data, [0, 95]);
    }
}
