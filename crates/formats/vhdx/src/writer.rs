//! Writer of VHDX images: fixed, and dynamic in one pass.
//!
//! The file contains headers, log, metadata, block allocation table and blocks in this order, all at
//! multiples of 1 MiB. The log is empty. In a dynamic image, blocks of zeros are not present.
//!
//! Memory: one page of the block allocation table.

use imgprep_format_kit::PagedTable;
use imgprep_map::{Emit, Encoding, Error, ImageWriter, Placement, SinkKind, Stored};

use crate::Unsupported;
use crate::bat::{Bat, FULLY_PRESENT};
use crate::encode::Written;
use crate::layout::{MAX_SIZE, MIB};
use crate::write_options::{BlockSize, Subformat, WriteOptions};

/// Writer of VHDX images.
pub struct VhdxWriter {
    bat: Bat,
    written: Written,
    table: PagedTable<u64, 8>,
    /// File offset of the next block.
    next: u64,
}

impl VhdxWriter {
    /// Creates a writer for a disk of whole logical sectors.
    ///
    /// `uuid` is the id of the disk; the other GUIDs are derived from it.
    ///
    /// Fails if the disk is larger than 64 TiB.
    pub fn new(disk_size: u64, options: WriteOptions, uuid: [u8; 16]) -> Result<Self, Error> {
        if disk_size > MAX_SIZE {
            return Err(Unsupported::WriteDiskTooLarge { size: disk_size, most: MAX_SIZE }.into());
        }
        let block_size = options.block_size.unwrap_or_else(|| BlockSize::for_disk(disk_size)).bytes();
        let logical_sector = options.logical_sector.bytes();
        let shape = Bat::without_parent(0, disk_size, block_size.into(), logical_sector.into());
        let bat_len = (shape.entries() * 8).next_multiple_of(MIB).max(MIB);
        let written = Written {
            disk_size,
            block_size,
            logical_sector,
            is_fixed: options.subformat == Subformat::Fixed,
            log_len: options.log_size.bytes(),
            // OK: 64 TiB in blocks of 1 MiB have 513 MiB of entries.
            bat_len: u32::try_from(bat_len).unwrap_or(u32::MAX),
            uuid,
        };
        let bat = Bat { at: written.bat_at(), ..shape };
        let table = PagedTable::new(bat.at, bat.entries(), 0, u64::to_le_bytes);
        Ok(Self { next: written.data_at(), bat, written, table })
    }

    /// Adds the entry of a block that is stored at `next`.
    ///
    /// Returns the file offset of the block.
    fn enter(&mut self, block: u64, out: &mut dyn Emit) -> Result<u64, Error> {
        let at = self.next;
        self.table.set(self.bat.index_of(block), at | FULLY_PRESENT, out)?;
        self.next += self.bat.block_size;
        Ok(at)
    }

    fn emit_structures(&self, out: &mut dyn Emit) -> Result<(), Error> {
        self.written.structures().iter().try_for_each(|(at, bytes)| out.write(*at, bytes))
    }
}

impl ImageWriter for VhdxWriter {
    fn block(&self) -> u64 {
        self.bat.block_size
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    fn needs(&self) -> SinkKind {
        if self.written.is_fixed { SinkKind::Append } else { SinkKind::Random }
    }

    fn linear_at(&self) -> Option<u64> {
        self.written.is_fixed.then(|| self.written.data_at())
    }

    /// Writes everything before the blocks of a fixed image.
    fn begin(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        if !self.written.is_fixed {
            return Ok(());
        }
        self.emit_structures(out)?;
        (0..self.bat.blocks()).try_for_each(|block| self.enter(block, out).map(|_| ()))?;
        self.table.finish(out)
    }

    fn place(&mut self, block: u64, _: Stored, out: &mut dyn Emit) -> Result<Placement, Error> {
        Ok(Placement::bare(self.enter(block, out)?))
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        if !self.written.is_fixed {
            self.table.finish(out)?;
            self.emit_structures(out)?;
        }
        Ok(self.next)
    }

    fn max_len(&self, blocks: u64, _: u64) -> u64 {
        let stored = if self.written.is_fixed { self.bat.blocks() } else { blocks };
        self.written.data_at().saturating_add(stored.saturating_mul(self.bat.block_size))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::ops::ControlFlow;

    use imgprep_map::{Extent, FileId, Image, ParseOptions, Parsed, ReadAt, Source};

    use super::*;
    use crate::write_options::{LogSize, LogicalSector};

    fn extents(file: &[u8], size: u64) -> (Image, Vec<Extent>) {
        let file = file.to_vec();
        let file: &dyn ReadAt = &file;
        let Ok(Parsed::Done(image)) = crate::parse(file, &ParseOptions::default()) else { panic!() };
        let mut all = Vec::new();
        let mut add = |extent| {
            all.push(extent);
            ControlFlow::Continue(())
        };
        image.map.visit(&file, 0..size, &mut add).unwrap();
        (*image, all)
    }

    fn blocks_of(mib: u64) -> WriteOptions {
        WriteOptions { block_size: BlockSize::new(mib << 20), ..WriteOptions::default() }
    }

    #[test]
    fn blocks_are_stored_in_the_order_of_the_disk() {
        let size = (5 << 20) + 4096;
        let options = WriteOptions {
            logical_sector: LogicalSector::B4096,
            log_size: LogSize::new(2 << 20).unwrap(),
            ..blocks_of(1)
        };
        let file =
            imgprep_tests::plain_image(&mut VhdxWriter::new(size, options, [7; 16]).unwrap(), &[1, 2, 5]);
        let (image, found) = extents(&file, size);
        assert!(image.findings.is_empty() && image.sector == 4096, "{:?}", image.findings);
        let place = |mib: u64| Source::Data { file: FileId::SELF, at: mib << 20 };
        let hole = Source::Zero { explicit: false };
        // 1 MiB of headers, 2 of the log, 1 of metadata, 1 of the table.
        let want = [
            Extent { disk: 0..1 << 20, source: hole.clone() },
            Extent { disk: 1 << 20..3 << 20, source: place(5) },
            Extent { disk: 3 << 20..5 << 20, source: hole },
            Extent { disk: 5 << 20..size, source: place(7) },
        ];
        assert_eq!(found, want);
        assert_eq!((file.len(), file[5 << 20], file[7 << 20]), (8 << 20, 2, 6));
    }

    /// With chunks of 16 blocks, a sector bitmap entry follows each chunk's entries.
    #[test]
    fn entries_of_sector_bitmaps_are_in_the_rhythm_of_the_table() {
        let mut writer = VhdxWriter::new(40 << 28, blocks_of(256), [7; 16]).unwrap();
        let mut out = imgprep_tests::Emitted::default();
        let stored = Stored { len: 256 << 20, is_compressed: false };
        for block in [15, 16, 31, 32] {
            writer.place(block, stored, &mut out).unwrap();
        }
        writer.finish(&mut out).unwrap();
        let entry = |index: usize| {
            let at = (3 << 20) + index * 8;
            u64::from_le_bytes(out.0[at..at + 8].try_into().unwrap())
        };
        let place = |number: u64| ((4 << 20) + number * (256 << 20)) | 6;
        assert_eq!([15, 17, 32, 34].map(entry), [0, 1, 2, 3].map(place));
        assert_eq!([0, 14, 16, 18, 31, 33, 35].map(entry), [0; 7]);
    }

    #[test]
    fn a_fixed_image_has_all_blocks_in_front_of_its_data() {
        let options = WriteOptions { subformat: Subformat::Fixed, ..blocks_of(1) };
        let mut writer = VhdxWriter::new((2 << 20) + 512, options, [7; 16]).unwrap();
        let mut out = imgprep_tests::Emitted::default();
        writer.begin(&mut out).unwrap();
        assert_eq!(writer.linear_at(), Some(4 << 20));
        assert!(out.0.len() < 4 << 20);
        let len = writer.finish(&mut out).unwrap();
        assert_eq!((len, writer.max_len(0, 0)), (7 << 20, 7 << 20));
        out.0.resize(7 << 20, 1);
        let (image, found) = extents(&out.0, (2 << 20) + 512);
        let source = Source::Data { file: FileId::SELF, at: 4 << 20 };
        assert_eq!(found, [Extent { disk: 0..(2 << 20) + 512, source }]);
        assert!(image.findings.is_empty());
    }

    #[test]
    fn a_disk_of_more_than_64_tib_is_rejected() {
        for options in [blocks_of(1), WriteOptions::default()] {
            let largest = VhdxWriter::new(MAX_SIZE, options, [0; 16]).unwrap();
            assert!(u64::from(largest.written.bat_len) >= largest.bat.entries() * 8);
            let error = VhdxWriter::new(MAX_SIZE + 512, options, [0; 16]).err().unwrap();
            assert_eq!(error.code().id, "vhdx.write.disk-too-large");
            let (size, most) = (MAX_SIZE + 512, MAX_SIZE);
            assert_eq!(error.detail(), Some(&Unsupported::WriteDiskTooLarge { size, most }));
        }
    }
}
