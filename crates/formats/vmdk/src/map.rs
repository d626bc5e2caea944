//! Location of the disk's data, extent by extent.

use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_format_kit::Flow;
use imgprep_map::{ExtentBuilder, Files, Source};

use crate::extent_map::ExtentMap;
use crate::part::{Kind, Part};

/// Size in bytes at which a walk is split if no part is sparse.
pub(crate) const FLAT_STRIDE: u64 = 64 << 20;

/// The map of a disk.
pub(crate) struct Map {
    pub(crate) size: u64,
    /// Extents of the disk, contiguous and ascending.
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
    ) -> Flow {
        let first = self.parts.partition_point(|part| part.disk.end <= range.start);
        let parts = self.parts.iter().enumerate().skip(first);
        for (index, part) in parts.take_while(|(_, part)| part.disk.start < range.end) {
            let wanted = range.start.max(part.disk.start)..range.end.min(part.disk.end);
            // Empty parts do not intersect any range.
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

    /// End of the unreadable run of parts that starts at `index`, at most `end`.
    ///
    /// All parts of a run are unreadable for the same reason, so a disk of thousands of unopened extents
    /// yields one error. Zeros between unopened extents do not end the run.
    fn refused_until(&self, index: usize, end: u64) -> u64 {
        // OK: the caller passes the index of a part.
        let part = &self.parts[index];
        let is_unopened = matches!(&part.kind, Kind::Refused(refusal) if refusal.is_unopened());
        let is_like = |other: &&Part| match (&part.kind, &other.kind) {
            (Kind::Refused(one), Kind::Refused(other_one)) => {
                other.file == part.file && one.is_like(other_one)
            }
            _ => false,
        };
        let is_in_run = |other: &&Part| is_like(other) || is_unopened && matches!(other.kind, Kind::Zero);
        let run =
            self.parts.iter().skip(index).take_while(|other| other.disk.start < end && is_in_run(other));
        run.filter(is_like).last().map_or(part.disk.end, |last| last.disk.end).min(end)
    }

    /// Pushes the extents of `part` in `wanted`, a non-empty range inside the part.
    fn walk_part(
        &self,
        files: &dyn Files,
        part: &Part,
        wanted: &Range<u64>,
        builder: &mut ExtentBuilder<'_>,
    ) -> Flow {
        let extent = ExtentMap { part, unallocated: &self.unallocated };
        let file = match &part.kind {
            Kind::Zero => return Ok(builder.push(wanted.end - builder.at(), Source::Zero { explicit: true })),
            // The caller has already rejected these parts.
            Kind::Refused(_) => return Ok(ControlFlow::Break(())),
            _ => files.get(part.file),
        };
        // OK: a caller that walks a map has opened its files.
        let Some(file) = file else { return Ok(ControlFlow::Break(())) };
        match &part.kind {
            Kind::Flat { at } => extent.flat(file, *at, wanted, builder),
            Kind::Sparse(tables) => extent.sparse(file, tables, wanted, builder),
            Kind::Walked(walked) => extent.walked(walked, wanted, builder),
            Kind::Zero | Kind::Refused(_) => Ok(ControlFlow::Continue(())),
        }
    }

    /// Start of the walk of a range at `at`, aligned to a grain of its first part.
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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use imgprep_map::{DiskMap, FileId, ReadAt, ReadError};

    use super::*;
    use crate::tables::{Entries, Tables};

    /// A file of 2^60 bytes with a hole after its first bytes; reads in the hole fail.
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

    /// A directory of 2^40 entries, of which all but the first few lie in a hole.
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
            codes.push(finding.code.id);
            ControlFlow::Continue(())
        });
        let checked = checked.unwrap();
        assert_eq!((checked.total, checked.allocated), (Some(1 << 49), Some(0)));
        assert_eq!(codes, ["vmdk.check.leak"; 3], "before, between and after the directories");
    }
}
