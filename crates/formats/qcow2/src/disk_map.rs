//! The [`DiskMap`] of an image.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_map::{DiskMap, Error, ExtentBuilder, FileUse, Files, Finding, StructureCounts, Visitor};

use crate::map::Map;

impl DiskMap for Map {
    fn size(&self) -> u64 {
        self.disk.size
    }

    fn stride(&self) -> u64 {
        self.header.l2_coverage()
    }

    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let first = range.start & !(self.header.cluster_size() - 1);
        ExtentBuilder::visit(range, self.disk.size, first, visitor, |range, builder| {
            match self.header.refusal() {
                Some(refusal) => Err(refusal.hitting(range.clone())),
                None => self.walk(files, range, builder),
            }
        })
    }

    fn file_usage(
        &self,
        files: &dyn Files,
        visitor: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.walk_claims(files, visitor)
    }

    fn check(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<StructureCounts, Error> {
        crate::check::check(self, files, found)
    }

    fn cross_check(&self, files: &dyn Files) -> Result<Vec<Finding>, Error> {
        crate::cross_check::cross_check(self, files)
    }
}
