//! Location of the data of one extent: flat, in grain tables, or in stream records.

use core::ops::{ControlFlow, Range};

use imgprep_format_kit::{EntryRun, Flow};
use imgprep_map::{Codec, CompressedLen, Error, ExtentBuilder, ReadAt, Source};

use crate::Corrupt;
use crate::grain_walk::{walk_directories, walk_table};
use crate::holes::Holes;
use crate::part::Part;
use crate::tables::{Grain, Tables, past_end};
use crate::walked::Walked;

/// One extent, and the source of its unallocated grains.
pub(crate) struct ExtentMap<'a> {
    pub(crate) part: &'a Part,
    pub(crate) unallocated: &'a Source,
}

impl ExtentMap<'_> {
    pub(crate) fn flat(
        &self,
        file: &dyn ReadAt,
        at: u64,
        wanted: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Flow {
        let (disk, file_len) = (&self.part.disk, file.len());
        let present = file_len.saturating_sub(at).min(disk.end - disk.start);
        let there = wanted.start..wanted.end.min(disk.start + present);
        if there.start < there.end {
            let source = Source::Data { file: self.part.file, at: at + (there.start - disk.start) };
            if builder.push(there.end - there.start, source).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let lost = wanted.start.max(disk.start + present)..wanted.end;
        if lost.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        let end = at.saturating_add(disk.end - disk.start);
        let error = Error::new(Corrupt::FlatPastEnd { start: at, end, file_len });
        Err(error.in_file(self.part.file).hitting(lost))
    }

    pub(crate) fn sparse(
        &self,
        file: &dyn ReadAt,
        tables: &Tables,
        wanted: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Flow {
        let (start, coverage) = (self.part.disk.start, tables.coverage());
        let entries = (wanted.start - start) / coverage..(wanted.end - start).div_ceil(coverage);
        let mut holes = Holes::new(file);
        walk_directories(file, tables, [tables.directory], entries, |entries, is_hole| {
            let index = entries.start;
            let table = if is_hole { None } else { self.find_table(file, tables, index, &mut holes)? };
            match table {
                // Entries in a hole are unallocated and form one extent.
                None => {
                    let end = start + tables.described(entries.end - 1).end;
                    Ok(builder.push(end - builder.at(), self.unallocated.clone()))
                }
                Some(table) => self.table(file, tables, (index, table), wanted, builder),
            }
        })
    }

    /// The table of a directory entry; `None` if it is unallocated or lies in a hole.
    ///
    /// A hole consists of zeros, which mean "unallocated".
    fn find_table(
        &self,
        file: &dyn ReadAt,
        tables: &Tables,
        index: u64,
        holes: &mut Holes<'_>,
    ) -> Result<Option<Range<u64>>, Error> {
        let table = tables.table(file, index);
        let table = table.map_err(|error| self.lost(error, &tables.described(index)))?;
        Ok(table.filter(|table| !holes.has(table)))
    }

    /// Attaches this extent's file and the affected part of the disk to an error.
    fn lost(&self, error: Error, part: &Range<u64>) -> Error {
        let start = self.part.disk.start;
        error.in_file(self.part.file).hitting(start + part.start..start + part.end)
    }

    /// Pushes the grains of one table that intersect `wanted`.
    fn table(
        &self,
        file: &dyn ReadAt,
        tables: &Tables,
        (index, table): (u64, Range<u64>),
        wanted: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Flow {
        let (start, described) = (self.part.disk.start, tables.described(index));
        let from = (wanted.start - start).max(described.start) - described.start;
        let to = (wanted.end - start).min(described.end) - described.start;
        let grains = from / tables.grain..to.div_ceil(tables.grain);
        walk_table(file, tables, (index, &table), grains, |run, first| {
            // OK: the run ends with the grain that the extent ends in.
            let part = first..(first + run.count * tables.grain).min(tables.capacity);
            let source = self.source(file, tables, run, &part);
            let source = source.map_err(|error| self.lost(error, &part))?;
            Ok(builder.push(part.end - part.start, source))
        })
    }

    /// The source of one grain; `part` is the grain, clipped to its extent.
    fn source(
        &self,
        file: &dyn ReadAt,
        tables: &Tables,
        entry: &EntryRun,
        part: &Range<u64>,
    ) -> Result<Source, Error> {
        Ok(match tables.grain(entry.value, entry.at)? {
            Grain::Unallocated => self.unallocated.clone(),
            Grain::Zero => Source::Zero { explicit: true },
            Grain::Data { at } => {
                let (end, file_len) = (at.saturating_add(part.end - part.start), file.len());
                if end > file_len {
                    return Err(past_end(entry.at, at..end, file_len));
                }
                Source::Data { file: self.part.file, at }
            }
            Grain::Compressed { at } => {
                let (at, len) = tables.compressed(file, entry.at, at, part.start)?;
                self.compressed(at, len, part.start, tables.grain)
            }
        })
    }

    /// The source of a compressed grain.
    ///
    /// The last grain of an extent may decompress to only the rest of the extent.
    fn compressed(&self, at: u64, len: u32, start: u64, grain: u64) -> Source {
        let disk = self.part.disk.start + start;
        Source::Compressed {
            file: self.part.file,
            at,
            len: CompressedLen::Exact(len),
            codec: Codec::Zlib,
            // OK: a grain is at most 2^25 here and the disk ends below 2^64 - 2^25, see `assemble`.
            block: disk..disk + grain,
        }
    }

    pub(crate) fn walked(
        &self,
        walked: &Walked,
        wanted: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Flow {
        let start = self.part.disk.start;
        let len = self.part.disk.end - start;
        let from = builder.at() - start;
        let first = walked.records.partition_point(|record| record.start < from);
        for record in walked.records.iter().skip(first) {
            let gap = start + record.start - builder.at();
            if gap > 0 && builder.push(gap, self.unallocated.clone()).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            let source = self.compressed(record.at, record.len, record.start, walked.grain);
            if builder.push(walked.grain.min(len - record.start), source).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let unknown = (start + walked.unknown.start).max(wanted.start)..wanted.end;
        if walked.unknown.is_empty() || unknown.is_empty() {
            return Ok(builder.push(wanted.end - builder.at(), self.unallocated.clone()));
        }
        let error = Error::new(Corrupt::StreamCut { file_len: walked.file_len });
        Err(error.in_file(self.part.file).hitting(unknown))
    }
}
