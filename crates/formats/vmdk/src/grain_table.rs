//! The grain table under construction.

use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Error, usize_of};

use crate::Unsupported;
use crate::layout::SECTOR;

/// Entries of a written grain table, a constant of the specification.
pub(crate) const ENTRIES: u64 = 512;
/// Bytes of a written grain table.
pub(crate) const TABLE_BYTES: u64 = ENTRIES * 4;
/// Tables of the largest written directory: QEMU's limit.
pub(crate) const MAX_TABLES: u64 = 32 << 20;

/// A grain table and its index in the directory.
pub(crate) struct GrainTable {
    pub(crate) index: u64,
    entries: Vec<u32>,
}

impl GrainTable {
    /// A table without grains.
    pub(crate) fn new(index: u64) -> Self {
        Self { index, entries: vec![0; usize_of(ENTRIES)] }
    }

    /// Sets the entry of the extent's grain `grain`, stored at file offset `at`.
    pub(crate) fn set(&mut self, grain: u64, at: u64) -> Result<(), Error> {
        let sector = sector_of(at)?;
        // OK: less than the number of entries.
        self.entries[usize_of(grain % ENTRIES)] = sector;
        Ok(())
    }

    /// The bytes of the table.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        entry_bytes(&self.entries)
    }
}

/// Encodes entries as stored in the file.
pub(crate) fn entry_bytes(entries: &[u32]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_le_bytes()).collect()
}

/// The sector number for a directory or table entry. Fails past 2 TiB.
pub(crate) fn sector_of(at: u64) -> Result<u32, Error> {
    u32::try_from(at / SECTOR).map_err(|_| Unsupported::WriteFileTooLarge.into())
}

/// Grain tables of a disk of `capacity` bytes.
pub(crate) fn tables_of(capacity: u64, grain: u64) -> u64 {
    capacity.div_ceil(grain * ENTRIES)
}

/// Fails if the directory of the disk would exceed QEMU's limit.
pub(crate) fn check_disk_size(size: u64, grain: u64) -> Result<(), Error> {
    if tables_of(size, grain) > MAX_TABLES {
        return Err(Unsupported::WriteDiskTooLarge { size, most: MAX_TABLES * ENTRIES * grain }.into());
    }
    Ok(())
}
