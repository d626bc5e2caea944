//! The [`DiskMap`] of an image.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_map::{DiskMap, Error, ExtentBuilder, FileUse, Files, Finding, StructureCounts, Visitor};

use crate::check;
use crate::map::{FLAT_STRIDE, Map};
use crate::part::Kind;

impl DiskMap for Map {
    fn size(&self) -> u64 {
        self.size
    }

    fn stride(&self) -> u64 {
        let coverage = self.parts.iter().filter_map(|part| match &part.kind {
            Kind::Sparse(tables) => Some(tables.coverage()),
            _ => None,
        });
        coverage.max().unwrap_or(FLAT_STRIDE)
    }

    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let first = self.first(range.start);
        ExtentBuilder::visit(range, self.size, first, visitor, |range, builder| {
            self.walk(files, range, builder)
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
        check::check(self, files, found)
    }

    /// Compares the redundant directories with those in use.
    fn cross_check(&self, files: &dyn Files) -> Result<Vec<Finding>, Error> {
        check::cross_check(self, files)
    }
}
