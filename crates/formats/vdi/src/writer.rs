//! Writer of VDI images, version 1.1.
//!
//! The layout is the one of `VirtualBox`: blocks of 1 MiB in the order of their allocation, map and data at multiples
//! of 1 MiB. A dynamic image is written in one pass; its header, which contains the number of allocated blocks, is
//! written last. A static image stores all blocks in the order of the disk.
//!
//! Memory: one page of the map.

use imgprep_format_kit::{PagedTable, derived_uuid};
use imgprep_map::{Emit, Encoding, Error, ImageWriter, Placement, SinkKind, Stored};

use crate::Unsupported;
use crate::layout::{HEAD, Written, encode};
use crate::uuid::Uuid;

const MIB: u32 = 1 << 20;
/// Block size in bytes, the default of `VirtualBox`.
const BLOCK: u64 = 1 << 20;
/// Alignment of map and data in bytes.
const ALIGNMENT: u64 = 1 << 20;
/// File offset of the map.
const MAP_AT: u64 = ALIGNMENT;
/// Maximum number of blocks, just below the limit of QEMU.
///
/// The limit follows from the 32-bit offset of the data, which begin after the map.
const MAX_BLOCKS: u64 = (1 << 30) - (1 << 19);
/// Map entry of an unallocated block.
const UNALLOCATED: u32 = u32::MAX;

/// A writer of VDI images.
pub struct VdiWriter {
    disk_size: u64,
    is_static: bool,
    uuid: [u8; 16],
    allocated: u32,
    map: PagedTable,
}

impl VdiWriter {
    /// Creates a writer for a disk of whole sectors; `disk_size` is in bytes.
    ///
    /// `uuid` is the UUID of the image, in the order of its text. Fails if the data offset after the map exceeds 32 bits: for disks of almost
    /// 1 PiB.
    pub fn new(disk_size: u64, is_static: bool, uuid: [u8; 16]) -> Result<Self, Error> {
        if disk_size.div_ceil(BLOCK) > MAX_BLOCKS {
            return Err(Unsupported::WriteDiskTooLarge { size: disk_size, most: MAX_BLOCKS * BLOCK }.into());
        }
        let map = PagedTable::new(MAP_AT, disk_size.div_ceil(BLOCK), UNALLOCATED, u32::to_le_bytes);
        Ok(Self { disk_size, is_static, uuid, allocated: 0, map })
    }

    fn blocks(&self) -> u64 {
        self.disk_size.div_ceil(BLOCK)
    }

    /// File offset of the first block.
    fn data_at(&self) -> u64 {
        MAP_AT + (self.blocks() * 4).next_multiple_of(ALIGNMENT).max(ALIGNMENT)
    }

    fn header(&self) -> [u8; HEAD] {
        encode(&Written {
            is_static: self.is_static,
            map_at: MIB,
            block_size: MIB,
            // OK: `MAX_BLOCKS` limits the offset to 2^32 - 2^20.
            data_at: u32::try_from(self.data_at()).unwrap_or(u32::MAX),
            disk_size: self.disk_size,
            // OK: the number of blocks is less than 2^30.
            blocks: u32::try_from(self.blocks()).unwrap_or(u32::MAX),
            allocated: self.allocated,
            created: Uuid::from_text_order(self.uuid),
            modified: Uuid::from_text_order(derived_uuid(self.uuid, 1)),
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

    /// Writes header and map of a static image; entry n of the map is n.
    fn begin(&mut self, out: &mut dyn Emit) -> Result<(), Error> {
        if !self.is_static {
            return Ok(());
        }
        // OK: the number of blocks is less than 2^30.
        self.allocated = u32::try_from(self.blocks()).unwrap_or(u32::MAX);
        out.write(0, &self.header())?;
        for block in 0..self.allocated {
            self.map.set(block.into(), block, out)?;
        }
        self.map.finish(out)
    }

    fn place(&mut self, block: u64, _: Stored, out: &mut dyn Emit) -> Result<Placement, Error> {
        self.map.set(block, self.allocated, out)?;
        let at = self.data_at() + u64::from(self.allocated) * BLOCK;
        self.allocated += 1;
        Ok(Placement::bare(at))
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        if !self.is_static {
            self.map.finish(out)?;
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
        let most = MAX_BLOCKS * BLOCK;
        let largest = VdiWriter::new(most, false, [0; 16]).unwrap();
        assert_eq!(largest.data_at(), (1 << 32) - (1 << 20));
        let error = VdiWriter::new(most + 512, false, [0; 16]).err().unwrap();
        assert_eq!(error.detail(), Some(&Unsupported::WriteDiskTooLarge { size: most + 512, most }));
    }
}
