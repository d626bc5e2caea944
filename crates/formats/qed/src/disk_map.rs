//! The [`DiskMap`] of an image.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_format_kit as kit;
use imgprep_map::{
    Contradictions, DiskMap, Error, ExtentBuilder, FileId, FileUse, Files, Finding, StructureCounts, Visitor,
};

use crate::codes;
use crate::map::{Map, STRIDE_ENTRIES};

impl DiskMap for Map {
    fn size(&self) -> u64 {
        self.header.raw.image_size
    }

    fn stride(&self) -> u64 {
        // OK: at most 2^13 entries of 2^26 bytes.
        self.header.table_entries.min(STRIDE_ENTRIES) * self.header.cluster_size
    }

    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let first = range.start & !(self.header.cluster_size - 1);
        let size = self.header.raw.image_size;
        ExtentBuilder::visit(range, size, first, visitor, |range, builder| {
            kit::visit(self, file, range, builder)
        })
    }

    fn file_usage(
        &self,
        files: &dyn Files,
        visitor: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.report_usage(files, visitor)
    }

    fn check(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<StructureCounts, Error> {
        crate::check::check(self, files, found)
    }

    /// Reports signs of lost entries: entries past the disk, unreferenced clusters.
    ///
    /// An image whose feature bits do not require a check has no unreferenced clusters (specification,
    /// "Consistency checking"). The walk of the check costs as little as the walk of the conversion that
    /// follows.
    fn cross_check(&self, files: &dyn Files) -> Result<Vec<Finding>, Error> {
        let has_leaks = self.header.needs_check();
        let mut found = Contradictions::default();
        self.check(files, &mut |finding| {
            match finding.code {
                codes::CHECK_LEAK if has_leaks => {}
                codes::CHECK_LEAK | codes::CHECK_BEYOND_DISK => found.add_finding(finding),
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok(found.into_findings())
    }
}
