//! Bytes of the image that each structure uses: header, name, tables, clusters.

use core::ops::ControlFlow;

use imgprep_format_kit::{file_usage, metadata};
use imgprep_map::{Error, FileId, FileUse, Files};

use crate::map::Map;

type Visit<'f> = &'f mut dyn FnMut(FileUse) -> ControlFlow<()>;

impl Map {
    pub(crate) fn report_usage(&self, files: &dyn Files, visit: Visit<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        if self.header.refusal().is_some() || self.report_fixed(visit).is_break() {
            return Ok(());
        }
        file_usage(self, file, visit)
    }

    fn report_fixed(&self, visit: Visit<'_>) -> ControlFlow<()> {
        visit(metadata(0..self.header.length(), "the header"))?;
        if let Some((at, len)) = self.header.backing_name {
            visit(metadata(at..at + len as u64, "the backing file name"))?;
        }
        let l1 = self.header.raw.l1_offset;
        if self.header.l1_entries > 0 {
            visit(metadata(l1..l1 + self.header.l1_bytes(), "the L1 table"))?;
        }
        ControlFlow::Continue(())
    }
}
