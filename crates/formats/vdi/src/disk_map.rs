//! The [`DiskMap`] of an image.

use core::ops::{ControlFlow, Range};

use imgprep_map::{DiskMap, Error, ExtentBuilder, FileId, FileUse, Files, Finding, StructureCounts, Visitor};

use crate::Corrupt;
use crate::map::{Entry, Map, PAGE};

impl Map {
    /// The error for map entries in a hole of the file.
    fn map_hole(&self, entries: &Range<u64>) -> Error {
        let at = self.entry_at(entries.start);
        let lost = self.disk_of(entries.start).start..self.disk_of(entries.end - 1).end;
        Error::new(Corrupt::MapHole { at, len: (entries.end - entries.start) * 4 }).hitting(lost)
    }
}

impl DiskMap for Map {
    fn size(&self) -> u64 {
        self.header.size()
    }

    fn stride(&self) -> u64 {
        // OK: the product is less than 2^42, and not 0.
        PAGE * self.header.block_size
    }

    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let from = range.start / self.header.block_size * self.header.block_size;
        ExtentBuilder::visit(range, self.size(), from, visitor, |range, builder| {
            self.walk(file, range, |entry| {
                let (index, at, value) = match entry {
                    Entry::Hole(entries) => return Err(self.map_hole(&entries)),
                    Entry::One { index, at, value } => (index, at, value),
                };
                let disk = self.disk_of(index);
                let len = disk.end - disk.start;
                let source = self.source(value, at, len, file.len());
                Ok(builder.push(len, source.map_err(|error| error.hitting(disk))?))
            })
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
}
