//! Map of one extent: the whole file.

use core::ops::{ControlFlow, Range};

use imgprep_map::{DiskMap, Error, Extent, FileId, FileUse, Files, Source, UseKind, Visitor};

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

    fn file_usage(
        &self,
        _: &dyn Files,
        visitor: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if self.size > 0 {
            let range = 0..self.size;
            let _ = visitor(FileUse { file: FileId::SELF, range, kind: UseKind::Data, disk: Some(0) });
        }
        Ok(())
    }
}
