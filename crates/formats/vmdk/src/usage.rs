//! File usage: which structure uses which bytes of the files: headers, directories, tables, grains.

use core::ops::{ControlFlow, Range};

use imgprep_map::{Error, FileUse, Files, ReadAt, UseKind, usize_of};

use crate::holes::Holes;
use crate::layout::RECORD_HEAD;
use crate::map::Map;
use crate::part::{Kind, Part};
use crate::tables::{Grain, Tables};

type Visit<'f> = &'f mut dyn FnMut(FileUse) -> ControlFlow<()>;

impl Map {
    pub(crate) fn walk_claims(&self, files: &dyn Files, visit: Visit<'_>) -> Result<(), Error> {
        for part in &self.parts {
            let Some(file) = files.get(part.file) else { continue };
            if (ExtentUsage { part, file }).walk(visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The uses of one extent. What `visit` would refuse is left out.
struct ExtentUsage<'a> {
    part: &'a Part,
    file: &'a dyn ReadAt,
}

impl ExtentUsage<'_> {
    fn walk(&self, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        for (range, name) in &self.part.fixed {
            if self.metadata(range.clone(), name, None, visit).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        match &self.part.kind {
            Kind::Zero | Kind::Refused(_) => Ok(ControlFlow::Continue(())),
            Kind::Flat { at } => {
                let len = self.part.disk.end - self.part.disk.start;
                let end = at.saturating_add(len).min(self.file.len());
                Ok(self.file_use(*at..end, UseKind::Data, self.part.disk.start, visit))
            }
            Kind::Walked(walked) => Ok(walked.records.iter().try_for_each(|record| {
                let end = record.at + u64::from(record.len);
                let disk = self.part.disk.start + record.start;
                self.file_use(record.at - RECORD_HEAD..end, UseKind::Compressed, disk, visit)
            })),
            Kind::Sparse(tables) => self.sparse(tables, visit),
        }
    }

    fn sparse(&self, tables: &Tables, visit: Visit<'_>) -> Result<ControlFlow<()>, Error> {
        let mut holes = Holes::new(self.file);
        let redundant = tables.redundant.filter(|redundant| *redundant != tables.directory);
        let directories =
            [(Some(tables.directory), "the grain directory"), (redundant, "the redundant grain directory")];
        for (start, name) in directories {
            let Some(start) = start else { continue };
            if self.metadata(tables.directory_range(start), name, None, visit).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        // One for each directory: they are asked in turns.
        let (mut entries, mut copies) = (Holes::new(self.file), Holes::new(self.file));
        let mut next = 0;
        while next < tables.count() {
            let (index, step) = (next, tables.entry_bytes());
            let skipped = entries.entries(tables.directory + index * step, step);
            let skipped = redundant.map_or(skipped, |redundant| {
                skipped.min(if skipped > 0 { copies.entries(redundant + index * step, step) } else { 0 })
            });
            next += skipped.max(1);
            if skipped > 0 {
                continue;
            }
            let disk = self.part.disk.start + tables.described(index).start;
            let table = tables.table(self.file, index);
            if let Some(redundant) = redundant
                && let Ok(Some(copy)) = tables.table_of(self.file, redundant, index)
                // A salvage may read by the copy: then it is no copy of anything.
                && !(tables.is_salvage && matches!(&table, Ok(Some(table)) if *table == copy))
                && self.metadata(copy, "a redundant grain table", Some(disk), visit).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            let Ok(Some(table)) = table else { continue };
            if self.metadata(table.clone(), "the grain table", Some(disk), visit).is_break()
                || (!holes.has(&table) && self.grains(tables, index, table, visit)?.is_break())
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn grains(
        &self,
        tables: &Tables,
        index: u64,
        table: Range<u64>,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        // OK: at most 4096 entries of 8 bytes.
        let bytes = self.file.slice(table.start, usize_of(table.end - table.start))?;
        let step = if tables.entry_bytes() == 8 { 8 } else { 4 };
        let mut grain = tables.described(index).start;
        for entry in bytes.chunks_exact(step) {
            let left = tables.grain.min(tables.capacity - grain);
            let (range, kind) = match tables.grain(entry, 0) {
                Ok(Grain::Data { at }) => (at..at.saturating_add(left), UseKind::Data),
                Ok(Grain::Compressed { at }) => match tables.compressed(self.file, 0, at, grain) {
                    Ok((payload, len)) => (at..payload + u64::from(len), UseKind::Compressed),
                    Err(_) => (0..0, UseKind::Compressed),
                },
                _ => (0..0, UseKind::Data),
            };
            if range.end <= self.file.len()
                && self.file_use(range, kind, self.part.disk.start + grain, visit).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            grain += left;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn metadata(
        &self,
        range: Range<u64>,
        name: &'static str,
        disk: Option<u64>,
        visit: Visit<'_>,
    ) -> ControlFlow<()> {
        visit(FileUse { file: self.part.file, range, kind: UseKind::Metadata(name), disk })
    }

    fn file_use(&self, range: Range<u64>, kind: UseKind, disk: u64, visit: Visit<'_>) -> ControlFlow<()> {
        if range.start >= range.end {
            return ControlFlow::Continue(());
        }
        visit(FileUse { file: self.part.file, range, kind, disk: Some(disk) })
    }
}
