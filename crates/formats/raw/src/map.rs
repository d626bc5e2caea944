//! One extent: the whole file.

use core::ops::{ControlFlow, Range};

use imgprep_map::{Claim, ClaimKind, DiskMap, Error, Extent, FileId, Files, Source, Visitor};

pub(crate) struct Map {
    pub(crate) size: u64,
}

impl DiskMap for Map {
    fn size(&self) -> u64 {
        self.size
    }

    fn stride(&self) -> u64 {
        self.size.max(1)
    }

    fn visit(&self, _: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let disk = range.start..range.end.min(self.size);
        if !disk.is_empty() {
            let source = Source::Data { file: FileId::SELF, at: disk.start };
            let _ = visitor(Extent { disk, source });
        }
        Ok(())
    }

    fn claims(&self, _: &dyn Files, visitor: &mut dyn FnMut(Claim) -> ControlFlow<()>) -> Result<(), Error> {
        if self.size > 0 {
            let range = 0..self.size;
            let _ = visitor(Claim { file: FileId::SELF, range, kind: ClaimKind::Data, disk: Some(0) });
        }
        Ok(())
    }
}
