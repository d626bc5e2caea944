//! Fixed disks: the bytes of the disk, followed by the footer.

use core::ops::{ControlFlow, Range};

use imgprep_map::{
    DiskMap, Error, ExtentBuilder, FileId, FileUse, Files, Finding, ReadAt, Source, StructureCounts, UseKind,
    Visitor,
};

use crate::{Corrupt, check};

/// Length of a part of a walk in bytes; the value is arbitrary.
const STRIDE: u64 = 1 << 30;

pub(crate) struct Fixed {
    pub(crate) size: u64,
    /// File offset of the size in the footer.
    pub(crate) size_at: u64,
    /// Range of the footer at the end of the file.
    pub(crate) tail: Option<Range<u64>>,
}

impl Fixed {
    /// Number of bytes before the footer.
    fn present(&self, file: &dyn ReadAt) -> u64 {
        self.tail.as_ref().map_or(file.len(), |tail| tail.start)
    }
}

impl DiskMap for Fixed {
    fn size(&self) -> u64 {
        self.size
    }

    fn stride(&self) -> u64 {
        STRIDE
    }

    fn visit(&self, files: &dyn Files, range: Range<u64>, visitor: Visitor<'_>) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let range = range.start..range.end.min(self.size);
        let present = self.present(file);
        let there = range.start..range.end.min(present);
        if !there.is_empty() {
            let mut builder = ExtentBuilder::new(there.clone(), there.start, visitor);
            let data = Source::Data { file: FileId::SELF, at: there.start };
            let _ = builder.push(there.end - there.start, data);
            builder.finish();
        }
        if range.end > present && !range.is_empty() {
            let error = Corrupt::FixedPastEnd { at: self.size_at, size: self.size, present };
            return Err(Error::new(error).hitting(range.start.max(present)..range.end));
        }
        Ok(())
    }

    fn file_usage(
        &self,
        files: &dyn Files,
        visitor: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let data = 0..self.size.min(self.present(file));
        let (file, disk) = (FileId::SELF, Some(0));
        if !data.is_empty() && visitor(FileUse { file, range: data, kind: UseKind::Data, disk }).is_break() {
            return Ok(());
        }
        if let Some(tail) = self.tail.clone() {
            let _ = visitor(FileUse { file, range: tail, kind: UseKind::Metadata("the footer"), disk: None });
        }
        Ok(())
    }

    fn check(
        &self,
        files: &dyn Files,
        found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
    ) -> Result<StructureCounts, Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(StructureCounts::default()) };
        check::fixed(file, found)
    }
}
