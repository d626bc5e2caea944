//! Bytes of the image that each structure uses: header, tables, clusters.

use core::ops::ControlFlow;

use imgprep_format_kit::{file_usage, metadata};
use imgprep_map::{Error, FileId, FileUse, Files};

use crate::map::Map;

type Visit<'f> = &'f mut dyn FnMut(FileUse) -> ControlFlow<()>;

impl Map {
    pub(crate) fn report_usage(&self, files: &dyn Files, visit: Visit<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let (l1, table_bytes) = (self.header.raw.l1_table_offset, self.header.table_bytes());
        let fixed = [(0..self.header.length, "the header"), (l1..l1 + table_bytes, "the L1 table")];
        if fixed.into_iter().try_for_each(|(range, name)| visit(metadata(range, name))).is_break() {
            return Ok(());
        }
        file_usage(self, file, visit)
    }
}
