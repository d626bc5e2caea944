//! The [`DiskMap`] of an image.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_format_kit as kit;
use imgprep_map::{DiskMap, Error, ExtentBuilder, FileId, FileUse, Files, Finding, StructureCounts, Visitor};

use crate::clusters::DiskClusters;
use crate::map::Map;

impl Map {
    fn walk(
        &self,
        files: &dyn Files,
        range: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        if self.header.has_extended_l2() {
            kit::visit(&DiskClusters::<16>::new(self, files), file, range, builder)
        } else {
            kit::visit(&DiskClusters::<8>::new(self, files), file, range, builder)
        }
    }
}

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
        self.report_usage(files, visitor)
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

    fn check_unused(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        crate::check_data_file::check(self, files, found)
    }
}
