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

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use imgprep_map::ReadAt;

    use super::*;

    fn extents(size: u64, range: Range<u64>) -> Vec<(Range<u64>, Source)> {
        let bytes = vec![0; 8];
        let file: &dyn ReadAt = &bytes;
        let mut extents = Vec::new();
        let walked = Map { size }.visit(&file, range, &mut |extent| {
            extents.push((extent.disk, extent.source));
            ControlFlow::Continue(())
        });
        walked.unwrap();
        extents
    }

    #[test]
    fn the_disk_is_the_file_byte_by_byte() {
        let data = |at| Source::Data { file: FileId::SELF, at };
        assert_eq!(extents(8, 0..8), [(0..8, data(0))]);
        assert_eq!(extents(8, 3..5), [(3..5, data(3))]);
        assert_eq!(extents(8, 3..99), [(3..8, data(3))], "clipped to the disk");
        assert_eq!(extents(8, 8..9), []);
        assert_eq!(extents(0, 0..1), []);
    }

    #[test]
    fn an_empty_disk_uses_no_bytes_and_has_a_stride() {
        let uses = |size| {
            let bytes = vec![0; 8];
            let file: &dyn ReadAt = &bytes;
            let mut uses = Vec::new();
            let visited = Map { size }.file_usage(&file, &mut |one| {
                uses.push((one.range, one.kind, one.disk));
                ControlFlow::Continue(())
            });
            visited.unwrap();
            uses
        };
        assert_eq!(uses(0), []);
        assert_eq!(uses(1), [(0..1, UseKind::Data, Some(0))]);
        assert_eq!([0, 1, 8].map(|size| Map { size }.stride()), [1, 1, 8], "never 0");
    }
}
