//! File usage: the ranges of the header, the map and the stored blocks.

use core::ops::ControlFlow;

use imgprep_format_kit::metadata;
use imgprep_map::{Error, FileId, FileUse, Files, UseKind};

use crate::map::{Entry, Map};
use crate::tables::{Block, block};

impl Map {
    pub(crate) fn report_usage(
        &self,
        files: &dyn Files,
        visit: &mut dyn FnMut(FileUse) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Some(file) = files.get(FileId::SELF) else { return Ok(()) };
        let header = &self.header;
        let map = header.map_at..header.map_at + header.blocks() * 4;
        for (range, name) in [(0..header.end, "the header"), (map, "the block map")] {
            if !range.is_empty() && visit(metadata(range, name)).is_break() {
                return Ok(());
            }
        }
        let (everything, kind) = (0..header.size(), UseKind::Data);
        // `visit` reports invalid entries with their offset.
        self.walk(file, &everything, |entry| {
            let Entry::One { index, value, .. } = entry else { return Ok(ControlFlow::Continue(())) };
            let Block::Stored(number) = block(value) else { return Ok(ControlFlow::Continue(())) };
            let disk = self.disk_of(index);
            let range = self.place(number, disk.end - disk.start);
            if !self.is_stored(number, &range, file.len()) {
                return Ok(ControlFlow::Continue(()));
            }
            Ok(visit(FileUse { file: FileId::SELF, range, kind, disk: Some(disk.start) }))
        })
    }
}
