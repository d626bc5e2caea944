//! File usage of dynamic and differencing images: ranges of structures and blocks.

use core::ops::ControlFlow;

use imgprep_format_kit::metadata;
use imgprep_map::{Error, FileId, FileUse, ReadAt, UseKind};

use crate::bat::Rules;
use crate::bat_walk::Entry;
use crate::map::Sparse;

type Visit<'f> = &'f mut dyn FnMut(FileUse) -> ControlFlow<()>;

impl Sparse {
    pub(crate) fn report_usage(&self, file: &dyn ReadAt, visit: Visit<'_>) -> Result<(), Error> {
        for (range, name) in self.fixed.iter().filter(|(range, _)| !range.is_empty()) {
            if visit(metadata(range.clone(), name)).is_break() {
                return Ok(());
            }
        }
        let rules = self.rules(file);
        let _ = self.entries(file, 0..self.blocks(), |entry| Ok(self.report_block(&rules, &entry, visit)))?;
        Ok(())
    }

    fn report_block(&self, rules: &Rules, entry: &Entry, visit: Visit<'_>) -> ControlFlow<()> {
        let disk = entry.index * self.block_size;
        let stored = self.stored(disk);
        let Some(block) = self.block(rules, entry) else { return ControlFlow::Continue(()) };
        let data = block + self.bitmap_len;
        visit(FileUse { disk: Some(disk), ..metadata(block..data, "a sector bitmap") })?;
        let range = data..data + stored;
        visit(FileUse { file: FileId::SELF, range, kind: UseKind::Data, disk: Some(disk) })
    }
}
