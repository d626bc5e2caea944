//! The [`DiskMap`] of an image.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_map::{DiskMap, Error, ExtentBuilder, FileId, FileUse, Files, Finding, StructureCounts, Visitor};

use crate::map::Map;

impl DiskMap for Map {
    fn size(&self) -> u64 {
        self.bat.size
    }

    fn stride(&self) -> u64 {
        self.bat.chunk_size()
    }

    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let first = range.start / self.bat.block_size * self.bat.block_size;
        ExtentBuilder::visit(range, self.bat.size, first, visitor, |range, builder| {
            self.walk(file, range, builder)
        })
    }

    fn file_usage(
        &self,
        files: &dyn Files,
        visitor: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        self.report_usage(file, visitor).map(|_| ())
    }

    fn check(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<StructureCounts, Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(StructureCounts::default()) };
        crate::check::check(self, file, found)
    }

    fn cross_check(&self, files: &dyn Files) -> Result<Vec<Finding>, Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(Vec::new()) };
        crate::check_blocks::cross_check(self, file)
    }
}
