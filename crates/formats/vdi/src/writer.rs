//! Writes VDI, version 1.1, as `VirtualBox` does: blocks of 1 MiB in the order of their allocation, map and data at
//! multiples of 1 MiB.
//!
//! A dynamic image is written in one pass; its header, which counts the allocated blocks, is written last. A static image
//! stores all blocks in the order of the disk.
//!
//! Memory: one page of the map.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use imgprep_format_kit::derived_uuid;
use imgprep_map::{Emit, Encoding, Error, ImageWriter, Placement, SinkKind, Stored, usize_of};

use crate::Unsupported;
use crate::layout::{HEAD, Written, encode};

const MIB: u32 = 1 << 20;
/// Bytes of a block, `VirtualBox`'s default.
const BLOCK: u64 = 1 << 20;
/// Alignment of map and data.
const ALIGNMENT: u64 = 1 << 20;
/// File offset of the map.
const MAP_AT: u64 = ALIGNMENT;
/// The largest number of blocks: the data offset, which follows the map, has 32 bits. It is just below the limit of QEMU.
const MOST_BLOCKS: u64 = (1 << 30) - (1 << 19);
/// Entries of the map that are written at once.
const PAGE: u64 = 16 << 10;
/// An entry without a block.
const UNALLOCATED: u32 = u32::MAX;

/// A writer of VDI images.
pub struct VdiWriter {
    disk_size: u64,
    is_static: bool,
    uuid: [u8; 16],
    allocated: u32,
    /// The page of the map that is being filled, and its entries.
    page: (u64, Vec<u32>),
}

impl VdiWriter {
    /// Creates a writer for a disk of whole sectors. `uuid` identifies the image.
    ///
    /// Fails if the map would be so long that the data offset exceeds 32 bits: for disks of almost 1 PiB.
    pub fn new(disk_size: u64, is_static: bool, uuid: [u8; 16]) -> Result<Self, Error> {
        if disk_size.div_ceil(BLOCK) > MOST_BLOCKS {
            return Err(Unsupported::WriteDiskTooLarge { size: disk_size, most: MOST_BLOCKS * BLOCK }.into());
        }
        let mut writer = Self { disk_size, is_static, uuid, allocated: 0, page: (0, Vec::new()) };
        writer.page.1 = writer.empty_page(0);
        Ok(writer)
    }

    fn blocks(&self) -> u64 {
        self.disk_size.div_ceil(BLOCK)
    }

    /// File offset of the first block.
    fn data_at(&self) -> u64 {
        MAP_AT + (self.blocks() * 4).next_multiple_of(ALIGNMENT).max(ALIGNMENT)
    }

    /// Blocks that a page of the map describes.
    fn described(&self, page: u64) -> Range<u64> {
        page * PAGE..((page + 1) * PAGE).min(self.blocks())
    }

    fn empty_page(&self, page: u64) -> Vec<u32> {
        let described = self.described(page);
        // OK: at most a page.
        vec![UNALLOCATED; usize_of(described.end.saturating_sub(described.start))]
    }

    /// Writes the pages before `page`, which becomes the current one.
    fn turn_to(&mut self, page: u64, out: &mut dyn Emit) -> Result<(), Error> {
        while self.page.0 < page {
            let (current, entries) = &self.page;
            let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
            out.write(MAP_AT + current * PAGE * 4, &bytes)?;
            let next = current + 1;
            self.page = (next, self.empty_page(next));
        }
        Ok(())
    }

    fn header(&self) -> [u8; HEAD] {
        encode(&Written {
            is_static: self.is_static,
            map_at: MIB,
            block_size: MIB,
            // OK: at most 2^32 - 2^20, by `MOST_BLOCKS`.
            data_at: u32::try_from(self.data_at()).unwrap_or(u32::MAX),
            disk_size: self.disk_size,
            // OK: less than 2^30.
            blocks: u32::try_from(self.blocks()).unwrap_or(u32::MAX),
            allocated: self.allocated,
            created: self.uuid,
            modified: derived_uuid(self.uuid, 1),
        })
    }
}

impl ImageWriter for VdiWriter {
    fn block(&self) -> u64 {
        BLOCK
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    fn needs(&self) -> SinkKind {
        if self.is_static { SinkKind::Append } else { SinkKind::Random }
    }

    fn linear_at(&self) -> Option<u64> {
        self.is_static.then(|| self.data_at())
    }

    /// A static image: the header, and a map in which every block has its own number.
    fn begin(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        if !self.is_static {
            return Ok(());
        }
        // OK: less than 2^30.
        self.allocated = u32::try_from(self.blocks()).unwrap_or(u32::MAX);
        out.write(0, &self.header())?;
        for page in 0..self.blocks().div_ceil(PAGE) {
            self.turn_to(page, out)?;
            let described = self.described(page);
            for (entry, block) in self.page.1.iter_mut().zip(described) {
                // OK: less than 2^30.
                *entry = u32::try_from(block).unwrap_or(UNALLOCATED);
            }
        }
        self.turn_to(self.blocks().div_ceil(PAGE), out)
    }

    fn place(&mut self, block: u64, _: Stored, out: &mut dyn Emit) -> Result<Placement, Error> {
        self.turn_to(block / PAGE, out)?;
        if let Some(entry) = self.page.1.get_mut(usize_of(block % PAGE)) {
            *entry = self.allocated;
        }
        let at = self.data_at() + u64::from(self.allocated) * BLOCK;
        self.allocated += 1;
        Ok(Placement::bare(at))
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        if !self.is_static {
            self.turn_to(self.blocks().div_ceil(PAGE), out)?;
            out.write(0, &self.header())?;
        }
        Ok(self.data_at() + u64::from(self.allocated) * BLOCK)
    }

    fn max_len(&self, blocks: u64, _: u64) -> u64 {
        let stored = if self.is_static { self.blocks() } else { blocks };
        self.data_at().saturating_add(stored.saturating_mul(BLOCK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_whose_map_exceeds_32_bits_is_rejected() {
        let most = MOST_BLOCKS * BLOCK;
        let largest = VdiWriter::new(most, false, [0; 16]).unwrap();
        assert_eq!(largest.data_at(), (1 << 32) - (1 << 20));
        let error = VdiWriter::new(most + 512, false, [0; 16]).err().unwrap();
        assert_eq!(error.detail(), Some(&Unsupported::WriteDiskTooLarge { size: most + 512, most }));
    }

    /// Collects what a writer emits.
    #[derive(Default)]
    struct Emitted(Vec<(u64, Vec<u8>)>);

    impl Emit for Emitted {
        fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Error> {
            self.0.push((at, bytes.into()));
            Ok(())
        }
    }

    #[test]
    fn pages_of_the_map_are_written_as_soon_as_the_walk_has_passed_them() {
        let mut writer = VdiWriter::new(3 * PAGE * BLOCK, false, [0; 16]).unwrap();
        let mut out = Emitted::default();
        let stored = Stored { len: BLOCK, is_compressed: false };
        let at =
            |writer: &mut VdiWriter, block, out: &mut Emitted| writer.place(block, stored, out).unwrap().at;
        assert_eq!(at(&mut writer, 1, &mut out), 2 << 20);
        assert!(out.0.is_empty());
        assert_eq!(at(&mut writer, 2 * PAGE + 5, &mut out), 3 << 20);
        let (first, second) = (&out.0[0], &out.0[1]);
        assert_eq!((first.0, first.1.len()), (MAP_AT, 64 << 10));
        assert_eq!(first.1[..12], [255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255]);
        assert!(second.0 == MAP_AT + (64 << 10) && second.1.iter().all(|byte| *byte == 255));
        assert_eq!(writer.finish(&mut out).unwrap(), 4 << 20);
        assert_eq!(out.0[2].1[20..24], [1, 0, 0, 0]);
        assert_eq!(out.0[3].0, 0, "the header comes last");
    }
}
