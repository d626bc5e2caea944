//! The [`DiskMap`] of an image.

use core::ops::{ControlFlow, Range};

use imgprep_map::{DiskMap, Error, ExtentBuilder, FileId, FileUse, Files, Finding, StructureCounts, Visitor};

use crate::Corrupt;
use crate::map::{Map, PAGE};

impl DiskMap for Map {
    fn size(&self) -> u64 {
        self.header.size()
    }

    fn stride(&self) -> u64 {
        // OK: less than 2^42, and not 0.
        PAGE * self.header.block_size
    }

    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let from = range.start / self.header.block_size * self.header.block_size;
        let mut hole = |entries: Range<u64>| {
            let at = self.entry_at(entries.start);
            let lost = self.disk_of(entries.start).start..self.disk_of(entries.end - 1).end;
            let error = Corrupt::MapHole { at, len: (entries.end - entries.start) * 4 };
            Err(Error::new(error).hitting(lost))
        };
        ExtentBuilder::visit(range, self.size(), from, visitor, |range, builder| {
            self.walk(file, range, &mut hole, &mut |index, at, entry| {
                let disk = self.disk_of(index);
                let len = disk.end - disk.start;
                let source = self.source(entry, at, len, file.len());
                Ok(builder.push(len, source.map_err(|error| error.hitting(disk))?))
            })
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
}
