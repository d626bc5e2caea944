//! Check for sectors of a dynamic disk with data, but a clear bit in the bitmap.
//!
//! By the specification ("Block Allocation Table and Data Blocks"), such a sector was never written and reads as zeros.
//! QEMU ignores the bitmap of a dynamic disk and reads the stored bytes. This crate follows the bitmap, and the check
//! reports where the two interpretations differ. In a differencing disk, such a sector is read from the parent, and
//! the file may contain any bytes there.

use alloc::format;
use core::ops::{ControlFlow, Range};

use imgprep_format_kit::first_nonzero_in;
use imgprep_map::{Error, Finding, LastHole, ReadAt, Severity, Source, usize_of};

use crate::bitmap::Runs;
use crate::codes;
use crate::layout::SECTOR;
use crate::map::Sparse;

/// State of the check.
#[derive(Default)]
struct Walk {
    hole: LastHole,
    /// File offset of the first sector.
    first: Option<u64>,
    /// Number of blocks with such sectors.
    blocks: u64,
    sectors: u64,
}

/// Reports the number of such sectors in one finding.
///
/// Reads the unused sectors of the blocks; holes of the file are skipped.
pub(crate) fn check(
    map: &Sparse,
    file: &dyn ReadAt,
    found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
) -> Result<(), Error> {
    if map.unwritten == Source::Parent {
        return Ok(());
    }
    let rules = map.rules(file);
    let mut walk = Walk::default();
    let _ = map.entries(file, 0..map.blocks(), |entry| {
        if let Some(block) = map.block(&rules, &entry) {
            walk.block(map, file, block, map.stored(entry.index * map.block_size))?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if let Some(at) = walk.first {
        let blocks = if walk.blocks == 1 {
            "1 block contains".into()
        } else {
            format!("{} blocks contain", walk.blocks)
        };
        let sectors = if walk.sectors == 1 { "1 sector".into() } else { format!("{} sectors", walk.sectors) };
        let message = format!(
            "{blocks} data in {sectors} whose bit in the sector bitmap is clear: they read as zeros, but other programs may read the data"
        );
        let _ =
            found(Finding { code: codes::BITMAP_CLEAR, severity: Severity::Warning, at: Some(at), message });
    }
    Ok(())
}

impl Walk {
    /// Checks the block at file offset `block`, with `stored` bytes inside the disk.
    fn block(&mut self, map: &Sparse, file: &dyn ReadAt, block: u64, stored: u64) -> Result<(), Error> {
        // OK: `Rules::block` checks that the block is inside the file.
        let data = block + map.bitmap_len;
        if self.hole.next_data(file, block) >= data + stored {
            return Ok(());
        }
        let sectors = stored.div_ceil(SECTOR);
        // OK: at most 64 KiB, the bitmap of the largest block.
        let bits = file.slice(block, usize_of(sectors.div_ceil(8)))?;
        let (mut at, before) = (data, self.sectors);
        for (is_set, count) in Runs::new(&bits, sectors, map.bit_order) {
            let end = (at + count * SECTOR).min(data + stored);
            if !is_set {
                self.count_set(file, at..end)?;
            }
            at = end;
        }
        self.blocks += u64::from(self.sectors > before);
        Ok(())
    }

    /// Counts the sectors of `range` that contain data.
    ///
    /// `range` begins at a sector of the block.
    fn count_set(&mut self, file: &dyn ReadAt, range: Range<u64>) -> Result<(), Error> {
        let mut at = range.start;
        while let Some((set, _)) = first_nonzero_in(file, &mut self.hole, at..range.end)? {
            let sector = set - (set - range.start) % SECTOR;
            self.first.get_or_insert(sector);
            self.sectors += 1;
            at = sector + SECTOR;
        }
        Ok(())
    }
}
