//! The [`DiskMap`] of an image.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_map::{DiskMap, Error, ExtentBuilder, FileId, FileUse, Files, Finding, StructureCounts, Visitor};

use crate::map::{PAGE, Sparse};
use crate::{check, check_bitmaps};

impl DiskMap for Sparse {
    fn size(&self) -> u64 {
        self.size
    }

    fn stride(&self) -> u64 {
        self.block_size * PAGE
    }

    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let first = range.start - range.start % self.block_size;
        ExtentBuilder::visit(range, self.size, first, visitor, |range, builder| {
            self.walk(file, range, builder)
        })
    }

    fn file_usage(
        &self,
        files: &dyn Files,
        visitor: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        self.report_usage(file, visitor)
    }

    fn check(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<StructureCounts, Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(StructureCounts::default()) };
        check::sparse(self, file, found)
    }

    fn cross_check(&self, files: &dyn Files) -> Result<Vec<Finding>, Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(Vec::new()) };
        check::cross_check(self, file)
    }

    fn check_unused(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        check_bitmaps::check(self, file, found)
    }
}
