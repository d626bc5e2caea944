//! The [`DiskMap`] of an image.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_format_kit as kit;
use imgprep_map::{
    Contradictions, DiskMap, Error, ExtentBuilder, FileId, FileUse, Files, Finding, Severity,
    StructureCounts, Visitor,
};

use crate::codes;
use crate::map::Map;

impl DiskMap for Map {
    fn size(&self) -> u64 {
        self.header.raw.size
    }

    fn stride(&self) -> u64 {
        self.header.l2_coverage()
    }

    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let first = range.start & !(self.header.cluster_size() - 1);
        ExtentBuilder::visit(range, self.header.raw.size, first, visitor, |range, builder| {
            match self.header.refusal() {
                Some(refusal) => Err(refusal.hitting(range.clone())),
                None => kit::visit(self, file, range, builder),
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

    /// Reports signs of lost entries.
    ///
    /// These are entries past the disk, the remnant of a backing file name, and clusters without an entry.
    /// The latter are not reported if clusters are compressed, because QEMU leaves the payload of a
    /// compressed cluster behind when it writes to the cluster.
    ///
    /// The walks of the check cost as little as the walk of the conversion that follows.
    fn cross_check(&self, files: &dyn Files) -> Result<Vec<Finding>, Error> {
        if self.header.refusal().is_some() {
            return Ok(Vec::new());
        }
        let (mut beyond, mut lost) = (Contradictions::default(), Contradictions::default());
        let checked = self.check(files, &mut |finding| {
            match finding.code {
                codes::CHECK_BEYOND_DISK | codes::BACKING_UNPLACED => beyond.add_finding(finding),
                codes::CHECK_LEAK | codes::CHECK_TRAILING if finding.severity > Severity::Note => {
                    lost.add_finding(finding);
                }
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        let mut found = beyond.into_findings();
        if checked.compressed.unwrap_or(0) == 0 {
            found.extend(lost.into_findings());
        }
        Ok(found)
    }
}
