//! File usage: the ranges of headers, log, regions, bitmaps and blocks.

use core::ops::ControlFlow;

use byteorder::{ByteOrder, LittleEndian};
use imgprep_format_kit::{Flow, metadata};
use imgprep_map::{FileId, FileUse, ReadAt, UseKind};

use crate::bat::{Block, bitmap, block};
use crate::layout::MIB;
use crate::map::{Map, Run};

type Visit<'f> = &'f mut dyn FnMut(FileUse) -> ControlFlow<()>;

impl Map {
    pub(crate) fn report_usage(&self, file: &dyn ReadAt, visit: Visit<'_>) -> Flow {
        if self.report_fixed(file, visit).is_break() || self.report_bitmaps(file, visit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        self.walk_bat(file, 0..self.bat.blocks(), |run| Ok(self.report_block(file, run, visit)))
    }

    fn report_fixed(&self, file: &dyn ReadAt, visit: Visit<'_>) -> ControlFlow<()> {
        visit(metadata(0..MIB.min(file.len()), "the headers"))?;
        if !self.header.log.is_empty() {
            visit(metadata(self.header.log.clone(), "the log"))?;
        }
        visit(metadata(self.regions.bat.bytes.clone(), "the block allocation table"))?;
        visit(metadata(self.regions.metadata.bytes.clone(), "the metadata region"))?;
        let others = &self.regions.others;
        others.iter().try_for_each(|other| visit(metadata(other.bytes.clone(), "an unknown region")))
    }

    /// Reports the sector bitmaps of a differencing image.
    ///
    /// In other images, their entries have no meaning.
    fn report_bitmaps(&self, file: &dyn ReadAt, visit: Visit<'_>) -> Flow {
        let chunks = if self.bat.has_parent { self.bat.blocks().div_ceil(self.bat.ratio) } else { 0 };
        for chunk in 0..chunks {
            let at = self.bat.bitmap_entry_at(chunk);
            if file.next_data(at) >= at + 8 {
                continue;
            }
            let found = LittleEndian::read_u64(&file.array::<8>(at)?);
            // `visit` reports an invalid entry if a block needs its bitmap.
            let Ok(Some(place)) = bitmap(file, found, at) else { continue };
            let file_use = metadata(place..place + MIB, "a sector bitmap");
            if visit(FileUse { disk: Some(chunk * self.bat.chunk_size()), ..file_use }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Reports a whole block, clipped to the file.
    ///
    /// The last block of a disk may be incomplete.
    fn report_block(&self, file: &dyn ReadAt, run: &Run, visit: Visit<'_>) -> ControlFlow<()> {
        let Ok(Block::Present { at } | Block::Partial { at }) = block(run.found, run.at, self.bat.has_parent)
        else {
            return ControlFlow::Continue(());
        };
        let disk = self.bat.disk(run.blocks.start);
        if at.saturating_add(disk.end - disk.start) > file.len() {
            // `visit` reports this with the offset of the entry.
            return ControlFlow::Continue(());
        }
        let end = at.saturating_add(self.bat.block_size).min(file.len());
        visit(FileUse { file: FileId::SELF, range: at..end, kind: UseKind::Data, disk: Some(disk.start) })
    }
}
