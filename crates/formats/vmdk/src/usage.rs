//! File usage: the ranges of headers, directories, tables and grains in the files.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::Flow;
use imgprep_map::{Error, FileUse, Files, ReadAt, UseKind};

use crate::grain_walk::{walk_directories, walk_table};
use crate::holes::Holes;
use crate::layout::RECORD_HEAD;
use crate::map::Map;
use crate::part::{Kind, Part};
use crate::tables::{Grain, Tables};

type Visit<'f> = &'f mut dyn FnMut(FileUse) -> ControlFlow<()>;

impl Map {
    pub(crate) fn report_usage(&self, files: &dyn Files, visit: Visit<'_>) -> Result<(), Error> {
        for part in &self.parts {
            let Some(file) = files.get(part.file) else { continue };
            if (ExtentUsage { part, file }).walk(visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Structures of one extent. Those that `visit` would reject are omitted.
struct ExtentUsage<'a> {
    part: &'a Part,
    file: &'a dyn ReadAt,
}

impl ExtentUsage<'_> {
    fn walk(&self, visit: Visit<'_>) -> Flow {
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

    fn sparse(&self, tables: &Tables, visit: Visit<'_>) -> Flow {
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
        let entries = 0..tables.count();
        let mut visit_entry = |entries: Range<u64>, is_hole| {
            if is_hole {
                return Ok(ControlFlow::Continue(()));
            }
            self.directory_entry(tables, (entries.start, redundant), &mut holes, visit)
        };
        match redundant {
            None => walk_directories(self.file, tables, [tables.directory], entries, &mut visit_entry),
            Some(redundant) => {
                let both = [tables.directory, redundant];
                walk_directories(self.file, tables, both, entries, &mut visit_entry)
            }
        }
    }

    /// Visits the tables of a directory entry and of its redundant copy.
    fn directory_entry(
        &self,
        tables: &Tables,
        (index, redundant): (u64, Option<u64>),
        holes: &mut Holes<'_>,
        visit: Visit<'_>,
    ) -> Flow {
        let disk = self.part.disk.start + tables.described(index).start;
        let table = tables.table(self.file, index);
        if let Some(redundant) = redundant
            && let Ok(Some(copy)) = tables.table_of(self.file, redundant, index)
            // A salvage may have located the table by the redundant directory, in which case both are the
            // same table.
            && !(tables.is_salvage && matches!(&table, Ok(Some(table)) if *table == copy))
            && self.metadata(copy, "a redundant grain table", Some(disk), visit).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        let Ok(Some(table)) = table else { return Ok(ControlFlow::Continue(())) };
        let flow = self.metadata(table.clone(), "the grain table", Some(disk), visit);
        if flow.is_break() || holes.has(&table) {
            return Ok(flow);
        }
        walk_table(self.file, tables, (index, &table), tables.entries_of(&table), |run, start| {
            Ok(self.grain(tables, run.value, start, visit))
        })
    }

    fn grain(&self, tables: &Tables, entry: u64, start: u64, visit: Visit<'_>) -> ControlFlow<()> {
        let (range, kind) = match tables.grain(entry, 0) {
            Ok(Grain::Data { at }) => {
                let len = tables.grain.min(tables.capacity - start);
                (at..at.saturating_add(len), UseKind::Data)
            }
            Ok(Grain::Compressed { at }) => match tables.compressed(self.file, 0, at, start) {
                Ok((payload, len)) => (at..payload + u64::from(len), UseKind::Compressed),
                Err(_) => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        if range.end > self.file.len() {
            return ControlFlow::Continue(());
        }
        self.file_use(range, kind, self.part.disk.start + start, visit)
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
