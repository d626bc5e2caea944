//! Where the bytes of the disk are: extent after extent.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_map::{Codec, CompressedLen, Error, ExtentBuilder, Files, ReadAt, Source, usize_of};

use crate::Corrupt;
use crate::holes::Holes;
use crate::part::{Kind, Part};
use crate::tables::{Grain, Tables, past_end};
use crate::walked::Walked;

/// What a walk splits at where nothing is sparse.
pub(crate) const FLAT_STRIDE: u64 = 64 << 20;

/// The map of a disk.
pub(crate) struct Map {
    pub(crate) size: u64,
    /// Gapless, ascending.
    pub(crate) parts: Vec<Part>,
    unallocated: Source,
}

impl Map {
    pub(crate) fn new(parts: Vec<Part>, has_parent: bool) -> Self {
        Self {
            size: parts.last().map_or(0, |last| last.disk.end),
            parts,
            unallocated: if has_parent { Source::Parent } else { Source::Zero { explicit: false } },
        }
    }

    pub(crate) fn walk(
        &self,
        files: &dyn Files,
        range: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let first = self.parts.partition_point(|part| part.disk.end <= range.start);
        let parts = (first..).zip(&self.parts[first..]);
        for (index, part) in parts.take_while(|(_, part)| part.disk.start < range.end) {
            let wanted = range.start.max(part.disk.start)..range.end.min(part.disk.end);
            // Parts of no length lie in no range.
            if wanted.is_empty() {
                continue;
            }
            if let Kind::Refused(refusal) = &part.kind {
                let lost = wanted.start..self.refused_until(index, range.end);
                return Err(refusal.error().in_file(part.file).hitting(lost));
            }
            if self.walk_part(files, part, &wanted, builder)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The end of the run of parts from `index` on, at most `end`, that cannot be read for one reason: a disk of
    /// thousands of unopened extents is one error. Zeros between those do not end the run.
    fn refused_until(&self, index: usize, end: u64) -> u64 {
        let part = &self.parts[index];
        let is_unopened = matches!(&part.kind, Kind::Refused(refusal) if refusal.is_unopened());
        let is_like = |other: &&Part| match (&part.kind, &other.kind) {
            (Kind::Refused(one), Kind::Refused(other_one)) => {
                other.file == part.file && one.is_like(other_one)
            }
            _ => false,
        };
        let is_in_run = |other: &&Part| is_like(other) || is_unopened && matches!(other.kind, Kind::Zero);
        let run = self.parts[index..].iter().take_while(|other| other.disk.start < end && is_in_run(other));
        run.filter(is_like).last().map_or(part.disk.end, |last| last.disk.end).min(end)
    }

    /// Pushes what `part` has of `wanted`, a part of it that is not empty.
    fn walk_part(
        &self,
        files: &dyn Files,
        part: &Part,
        wanted: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let missing = Walk { part, unallocated: &self.unallocated };
        let file = match &part.kind {
            Kind::Zero => return Ok(builder.push(wanted.end - builder.at(), Source::Zero { explicit: true })),
            // The caller has refused it.
            Kind::Refused(_) => return Ok(ControlFlow::Break(())),
            _ => files.get(part.file),
        };
        // OK: a caller that walks a map has opened its files.
        let Some(file) = file else { return Ok(ControlFlow::Break(())) };
        match &part.kind {
            Kind::Flat { at } => missing.flat(file, *at, wanted, builder),
            Kind::Sparse(tables) => missing.sparse(file, tables, wanted, builder),
            Kind::Walked(walked) => missing.walked(walked, wanted, builder),
            Kind::Zero | Kind::Refused(_) => Ok(ControlFlow::Continue(())),
        }
    }

    /// Where the walk of a range begins: at a grain of its first part.
    pub(crate) fn first(&self, at: u64) -> u64 {
        let index = self.parts.partition_point(|part| part.disk.end <= at);
        let Some(part) = self.parts.get(index) else { return at };
        let grain = match &part.kind {
            Kind::Sparse(tables) => tables.grain,
            Kind::Walked(walked) => walked.grain,
            _ => return at,
        };
        // OK: a grain is not 0.
        at - (at - part.disk.start) % grain
    }
}

/// The walk over one extent.
struct Walk<'a> {
    part: &'a Part,
    unallocated: &'a Source,
}

impl Walk<'_> {
    fn flat(
        &self,
        file: &dyn ReadAt,
        at: u64,
        wanted: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<ControlFlow<()>, Error> {
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

    fn sparse(
        &self,
        file: &dyn ReadAt,
        tables: &Tables,
        wanted: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let start = self.part.disk.start;
        let coverage = tables.coverage();
        let (mut index, end) = ((wanted.start - start) / coverage, (wanted.end - start).div_ceil(coverage));
        let mut holes = Holes::new(file);
        while index < end {
            // Entries in a hole are unallocated: all of them are one extent.
            let at = tables.directory + index * tables.entry_bytes();
            let skipped = holes.entries(at, tables.entry_bytes()).min(end - index);
            let described = tables.described(index + skipped.saturating_sub(1));
            let table = if skipped > 0 { None } else { self.find_table(file, tables, index, &mut holes)? };
            let flow = match table {
                None => builder.push(start + described.end - builder.at(), self.unallocated.clone()),
                Some(table) => self.table(file, tables, (index, table), wanted, builder)?,
            };
            if flow.is_break() {
                return Ok(flow);
            }
            index += skipped.max(1);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The table, if anything is allocated in it: zeros mean nothing, and a hole is zeros.
    fn find_table(
        &self,
        file: &dyn ReadAt,
        tables: &Tables,
        index: u64,
        holes: &mut Holes<'_>,
    ) -> Result<Option<Range<u64>>, Error> {
        let described = tables.described(index);
        let lost = self.part.disk.start + described.start..self.part.disk.start + described.end;
        let table = tables.table(file, index);
        let table = table.map_err(|error| error.in_file(self.part.file).hitting(lost))?;
        Ok(table.filter(|table| !holes.has(table)))
    }

    /// Pushes the grains of one table that lie in `wanted`.
    fn table(
        &self,
        file: &dyn ReadAt,
        tables: &Tables,
        (index, table): (u64, Range<u64>),
        wanted: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let start = self.part.disk.start;
        let described = tables.described(index);
        let from = (wanted.start - start).max(described.start);
        let to = (wanted.end - start).min(described.end);
        let first = (from - described.start) / tables.grain;
        let end = (to - described.start).div_ceil(tables.grain);
        let at = table.start + first * tables.entry_bytes();
        // OK: at most 4096 entries of 8 bytes.
        let len = usize_of((end - first) * tables.entry_bytes());
        let bytes = file.slice(at, len)?;
        let step = if tables.entry_bytes() == 8 { 8 } else { 4 };
        let mut grain = described.start + first * tables.grain;
        for (entry_at, entry) in (at..).step_by(step).zip(bytes.chunks_exact(step)) {
            let part = grain..(grain + tables.grain).min(tables.capacity);
            let source = self.source(file, tables, (entry, entry_at), &part).map_err(|error| {
                error.in_file(self.part.file).hitting(start + part.start..start + part.end)
            })?;
            if builder.push(part.end - part.start, source).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            grain += tables.grain;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Where the bytes of one grain are; `part` is the grain, clipped to its extent.
    fn source(
        &self,
        file: &dyn ReadAt,
        tables: &Tables,
        (entry, entry_at): (&[u8], u64),
        part: &Range<u64>,
    ) -> Result<Source, Error> {
        Ok(match tables.grain(entry, entry_at)? {
            Grain::Unallocated => self.unallocated.clone(),
            Grain::Zero => Source::Zero { explicit: true },
            Grain::Data { at } => {
                let (end, file_len) = (at.saturating_add(part.end - part.start), file.len());
                if end > file_len {
                    return Err(past_end(entry_at, at..end, file_len));
                }
                Source::Data { file: self.part.file, at }
            }
            Grain::Compressed { at } => {
                let (at, len) = tables.compressed(file, entry_at, at, part.start)?;
                self.compressed(at, len, part.start, tables.grain)
            }
        })
    }

    /// A grain's payload; the last grain of an extent may decompress to no more than what is left of it.
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

    fn walked(
        &self,
        walked: &Walked,
        wanted: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let start = self.part.disk.start;
        let len = self.part.disk.end - start;
        let from = builder.at() - start;
        let first = walked.records.partition_point(|record| record.start < from);
        for record in &walked.records[first..] {
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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use imgprep_map::{DiskMap, FileId, ReadError};

    use super::*;
    use crate::tables::Entries;

    /// A file of 2^60 bytes that is a hole but for its first bytes; nothing of the hole may be read.
    struct Holey(Vec<u8>);

    impl ReadAt for Holey {
        fn len(&self) -> u64 {
            1 << 60
        }
        fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
            self.0.as_slice().read_exact_at(buf, at)
        }
        fn next_data(&self, at: u64) -> u64 {
            if at < self.0.len() as u64 { at } else { 1 << 60 }
        }
        fn next_hole(&self, at: u64) -> u64 {
            at.max(self.0.len() as u64)
        }
    }

    /// 2^40 directory entries, of which all but the first few lie in a hole.
    fn huge() -> (Map, Holey) {
        let tables = Tables {
            entries: Entries::Hosted { has_zeroed: false, is_compressed: false },
            grain: 4096,
            per_table: 512,
            capacity: 1 << 61,
            directory: 4096,
            redundant: Some(1 << 50),
            is_salvage: false,
        };
        let mut file = vec![0; 8192];
        file[..4].copy_from_slice(b"KDMV");
        let part =
            Part { disk: 0..1 << 61, file: FileId::SELF, kind: Kind::Sparse(tables), fixed: Vec::new() };
        (Map::new(vec![part], false), Holey(file))
    }

    #[test]
    fn a_directory_in_a_hole_is_one_piece() {
        let (map, file) = huge();
        let files = &file as &dyn ReadAt;
        let mut extents = 0;
        map.visit(&files, 0..u64::MAX, &mut |extent| {
            assert_eq!(extent.disk, 0..1 << 61);
            extents += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(extents, 1);
        let mut uses = 0;
        map.file_usage(&files, &mut |_| {
            uses += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(uses, 2, "the two directories");
    }

    #[test]
    fn the_cost_of_a_check_follows_the_file() {
        let (map, file) = huge();
        let mut codes = Vec::new();
        let checked = map.check(&(&file as &dyn ReadAt), &mut |finding| {
            codes.push(finding.code);
            ControlFlow::Continue(())
        });
        let checked = checked.unwrap();
        assert_eq!((checked.total, checked.allocated), (Some(1 << 49), Some(0)));
        assert_eq!(codes, ["vmdk.check.leak"; 3], "before, between and behind the directories");
    }
}
