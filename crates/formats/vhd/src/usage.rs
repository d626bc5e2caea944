//! File usage: which structure uses which bytes of a dynamic or differencing image.

use core::ops::ControlFlow;

use byteorder::{BigEndian, ByteOrder};
use imgprep_format_kit::metadata;
use imgprep_map::{Error, FileId, FileUse, ReadAt, UseKind, usize_of};

use crate::bat::{Block, Rules};
use crate::map::{PAGE, Sparse};

type Visit<'f> = &'f mut dyn FnMut(FileUse) -> ControlFlow<()>;

impl Sparse {
    pub(crate) fn walk_claims(&self, file: &dyn ReadAt, visit: Visit<'_>) -> Result<(), Error> {
        for (range, name) in self.fixed.iter().filter(|(range, _)| !range.is_empty()) {
            if visit(metadata(range.clone(), name)).is_break() {
                return Ok(());
            }
        }
        let rules = self.rules(file);
        let (mut index, end) = (0, self.size.div_ceil(self.block_size));
        while index < end {
            let at = self.bat.start + index * 4;
            // Entries in a hole are 0 and refused by `visit`: the walk continues after the hole.
            let hole = (file.next_data(at).saturating_sub(at) / 4).min(end - index);
            if hole > 0 {
                index += hole;
                continue;
            }
            let count = (end - index).min(PAGE);
            // OK: at most a page; the table has an entry for every block of the disk.
            let bytes = file.slice(at, usize_of(count * 4))?;
            for entry in bytes.chunks_exact(4) {
                let disk = index * self.block_size;
                if self.claim_block(&rules, BigEndian::read_u32(entry), disk, visit).is_break() {
                    return Ok(());
                }
                index += 1;
            }
        }
        Ok(())
    }

    fn claim_block(&self, rules: &Rules, entry: u32, disk: u64, visit: Visit<'_>) -> ControlFlow<()> {
        let stored = self.stored(disk);
        let Ok(Block::At(block)) = rules.block(entry, 0, stored) else { return ControlFlow::Continue(()) };
        let data = block + self.bitmap_len;
        visit(FileUse { disk: Some(disk), ..metadata(block..data, "a sector bitmap") })?;
        let range = data..data + stored;
        visit(FileUse { file: FileId::SELF, range, kind: UseKind::Data, disk: Some(disk) })
    }
}
