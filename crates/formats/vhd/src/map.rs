//! Location of the data of a dynamic or differencing disk.
//!
//! A walk reads the block allocation table, one page at a time, and the sector bitmaps of the
//! stored blocks.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{EntryRun, Flow, walk_entries};
use imgprep_map::{Error, ExtentBuilder, FileId, LastHole, ReadAt, Source, usize_of};

use crate::Corrupt;
use crate::bat::{Block, Rules};
use crate::batmap::Batmap;
use crate::bitmap::{BitOrder, Runs};
use crate::footer::Footer;
use crate::header::Header;
use crate::layout::{FOOTER, HEADER, SECTOR};
use crate::parent::Parent;

/// Table entries per read.
pub(crate) const PAGE: u64 = 1024;

pub(crate) struct Sparse {
    pub(crate) size: u64,
    pub(crate) block_size: u64,
    pub(crate) bat: Range<u64>,
    pub(crate) bit_order: BitOrder,
    /// Source of blocks and sectors that were never written.
    pub(crate) unwritten: Source,
    /// Ranges and names of the structures, for `file_usage`.
    pub(crate) fixed: Vec<(Range<u64>, &'static str)>,
    /// Ranges that parent locators reserve. They may overlap `fixed`.
    pub(crate) spaces: Vec<Range<u64>>,
    pub(crate) bitmap_len: u64,
    pub(crate) taken: [(Range<u64>, &'static str); 3],
}

impl Sparse {
    pub(crate) fn new(
        footer: &Footer,
        header: &Header,
        tail: Option<Range<u64>>,
        parent: Option<&Parent>,
        batmap: Option<&Batmap>,
    ) -> Self {
        // OK: `Header::read` checks that header and table are inside the file.
        let bat = header.raw.table_offset..header.raw.table_offset + header.entries * 4;
        let taken = [
            (0..FOOTER, "the footer's copy"),
            (header.at..header.at + HEADER, "the header"),
            (bat.clone(), "the block allocation table"),
        ];
        let mut fixed = Vec::from(taken.clone());
        fixed.extend(tail.map(|tail| (tail, "the footer")));
        fixed.extend(
            parent.iter().flat_map(|parent| &parent.places).map(|place| (place.clone(), "a parent locator")),
        );
        if let Some(batmap) = batmap {
            fixed.push((batmap.at..batmap.at + crate::layout::BATMAP_HEADER, "the batmap header"));
            fixed.extend(batmap.map.clone().map(|map| (map, "the batmap")));
        }
        let is_old_tapdisk = footer.raw.is_by_tapdisk() && footer.raw.creator_version == 1;
        Self {
            size: footer.size.taken(),
            block_size: header.block_size,
            bat,
            bit_order: if is_old_tapdisk { BitOrder::LowFirst } else { BitOrder::HighFirst },
            unwritten: if parent.is_some() { Source::Parent } else { Source::Zero { explicit: false } },
            fixed,
            spaces: parent.map(|parent| parent.spaces.clone()).unwrap_or_default(),
            bitmap_len: Rules::bitmap_len(header.block_size),
            taken,
        }
    }

    pub(crate) fn rules(&self, file: &dyn ReadAt) -> Rules {
        Rules { bitmap_len: self.bitmap_len, file_len: file.len(), taken: self.taken.clone() }
    }

    /// Bytes of the block at disk offset `disk` that are inside the disk.
    pub(crate) fn stored(&self, disk: u64) -> u64 {
        self.block_size.min(self.size.saturating_sub(disk))
    }

    pub(crate) fn walk(
        &self,
        file: &dyn ReadAt,
        range: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<(), Error> {
        let (rules, mut hole) = (self.rules(file), LastHole::default());
        let entries = range.start / self.block_size..range.end.div_ceil(self.block_size);
        let _ = walk_entries(file, self.bat.start, entries, u32::from_be_bytes, |entry| {
            self.walk_entry(file, &mut hole, &rules, &entry, builder)
        })?;
        Ok(())
    }

    fn walk_entry(
        &self,
        file: &dyn ReadAt,
        hole: &mut LastHole,
        rules: &Rules,
        entry: &EntryRun<u32>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Flow {
        // OK: the table has an entry for every block of the disk.
        let disk = entry.index * self.block_size;
        let stored = self.stored(disk);
        // Entries in a hole are 0, which is invalid.
        match rules.block(entry.value, entry.at, stored) {
            Ok(Block::Unused) => Ok(builder.push(self.block_size, self.unwritten.clone())),
            Ok(Block::At(block)) => {
                let flow = self.push_sectors(file, hole, block, stored, builder);
                flow.map_err(|error| error.hitting(disk..disk + stored))
            }
            Err(error) => Err(self.lost(file, error, entry, disk)),
        }
    }

    /// The error for an invalid entry, with the affected range of the disk.
    ///
    /// All entries in a hole of the file are invalid like the first one. They are reported as one
    /// error instead of up to 2^32.
    fn lost(&self, file: &dyn ReadAt, error: Corrupt, entry: &EntryRun<u32>, disk: u64) -> Error {
        let hole = if entry.value == 0 { file.next_data(entry.at).saturating_sub(entry.at) / 4 } else { 0 };
        let end = disk.saturating_add(self.block_size.saturating_mul(hole.max(1)));
        Error::new(error).hitting(disk..end.min(self.size))
    }

    /// Pushes the sectors of the block at file offset `block`.
    ///
    /// Sectors with their bit set are data, the others are unwritten.
    fn push_sectors(
        &self,
        file: &dyn ReadAt,
        hole: &mut LastHole,
        block: u64,
        stored: u64,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        // OK: `Rules::block` checks that the block is inside the file.
        let data = block + self.bitmap_len;
        if hole.next_data(file, block) >= data {
            return Ok(builder.push(stored, self.unwritten.clone()));
        }
        let sectors = stored.div_ceil(SECTOR);
        // OK: at most 64 KiB, the bitmap of the largest block.
        let bits = file.slice(block, usize_of(sectors.div_ceil(8)))?;
        let mut at = data;
        for (is_set, count) in Runs::new(&bits, sectors, self.bit_order) {
            let source =
                if is_set { Source::Data { file: FileId::SELF, at } } else { self.unwritten.clone() };
            if builder.push(count * SECTOR, source).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            at += count * SECTOR;
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use imgprep_map::{DiskMap, Extent, ReadError};

    use super::*;

    /// A file of 2^40 bytes: the given bytes, and a hole that must not be read.
    struct Holey(Vec<u8>);

    impl ReadAt for Holey {
        fn len(&self) -> u64 {
            1 << 40
        }
        fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
            for (at, byte) in (at..).zip(buf) {
                *byte = usize::try_from(at).ok().and_then(|at| self.0.get(at)).copied().unwrap_or(0);
            }
            assert!(at < self.0.len() as u64 + 8192, "the hole is read at {at}");
            Ok(())
        }
        fn next_data(&self, at: u64) -> u64 {
            if at < self.0.len() as u64 { at } else { self.len() }
        }
    }

    /// A map with blocks of 4 KiB and a table at 4096, with one entry per block.
    fn map(blocks: u64, unwritten: Source) -> Sparse {
        let bat = 4096..4096 + blocks * 4;
        let taken = [(0..512, "copy"), (512..1536, "header"), (bat.clone(), "table")];
        Sparse {
            size: blocks * 4096,
            block_size: 4096,
            bat,
            bit_order: BitOrder::HighFirst,
            unwritten,
            fixed: Vec::from(taken.clone()),
            spaces: Vec::new(),
            bitmap_len: 512,
            taken,
        }
    }

    fn extents(map: &Sparse, file: &Holey, range: Range<u64>) -> (Vec<Extent>, Result<(), Error>) {
        let mut extents = Vec::new();
        let walked = map.visit(&(file as &dyn ReadAt), range, &mut |extent| {
            extents.push(extent);
            ControlFlow::Continue(())
        });
        (extents, walked)
    }

    fn data(disk: Range<u64>, at: u64) -> Extent {
        Extent { disk, source: Source::Data { file: FileId::SELF, at } }
    }

    #[test]
    fn set_sectors_are_data_and_others_unwritten() {
        let mut file = vec![0; 8192 + 4096];
        file[4096..4108].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 16, 0, 1, 0, 0]);
        file[8192] = 0b0110_0001;
        let file = Holey(file);
        for unwritten in [Source::Parent, Source::Zero { explicit: false }] {
            let (got, walked) = extents(&map(3, unwritten.clone()), &file, 0..u64::MAX);
            walked.unwrap();
            let rest = |disk: Range<u64>| Extent { disk, source: unwritten.clone() };
            // The bitmap of the last block is in a hole: no bit is set.
            let want = [
                rest(0..4608),
                data(4608..5632, 8192 + 512 + 512),
                rest(5632..7680),
                data(7680..8192, 8192 + 512 + 3584),
                rest(8192..12_288),
            ];
            assert_eq!(got, want);
        }
    }

    #[test]
    fn entries_in_a_hole_are_one_error() {
        let blocks = 1 << 32;
        let mut file = vec![0xff; 8192];
        file[..4096].fill(0);
        let file = Holey(file);
        let map = map(blocks, Source::Parent);
        let (got, walked) = extents(&map, &file, 0..u64::MAX);
        let error = walked.unwrap_err();
        let want = Corrupt::BlockInHeader { at: 8192, found: 0, start: 0, end: 4608, part: "copy" };
        assert_eq!(error.detail(), Some(&want));
        assert_eq!(error.disk(), Some(1024 * 4096..map.size));
        assert_eq!(got, [Extent { disk: 0..1024 * 4096, source: Source::Parent }]);
        let mut uses = 0;
        map.file_usage(&(&file as &dyn ReadAt), &mut |_| {
            uses += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(uses, 3, "the hole of the table is stepped over");
    }
}
