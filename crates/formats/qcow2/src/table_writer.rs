//! Writes tables of big-endian entries.

use alloc::vec::Vec;

use imgprep_map::{Emit, Error};

use crate::cluster_size::ENTRY;

/// Writes a table in parts: the largest tables have 32 MiB.
pub(crate) fn write_table(out: &mut dyn Emit, at: u64, entries: &[u64]) -> Result<(), Error> {
    const PART: usize = 8192;
    entries.chunks(PART).enumerate().try_for_each(|(index, part)| {
        let bytes: Vec<u8> = part.iter().flat_map(|entry| entry.to_be_bytes()).collect();
        out.write(at + (index * PART) as u64 * ENTRY, &bytes)
    })
}
