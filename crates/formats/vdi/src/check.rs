//! Structure checks of the map.
//!
//! They report blocks that two entries reference, blocks that no entry references, and entries past the
//! end of the disk. Corruptions are counted like in `qemu-img check`, which does not report leaks of a VDI.

use alloc::format;
use core::ops::{ControlFlow, Range};

use imgprep_format_kit::Flow;
use imgprep_map::{Error, FileId, Files, Finding, ReadAt, Report, Severity, StructureCounts, UnitSet};

use crate::check_header::check_header;
use crate::codes;
use crate::header::Kind;
use crate::map::{COUNTED_BYTES, Entry, Map};
use crate::tables::{Block, block};

type Found<'f> = &'f mut dyn FnMut(Finding) -> ControlFlow<()>;

pub(crate) fn check(map: &Map, files: &dyn Files, found: Found<'_>) -> Result<StructureCounts, Error> {
    let Some(file) = files.get(FileId::SELF) else { return Ok(StructureCounts::default()) };
    let mut report = Report::new(found);
    check_header(&map.header, file.len(), &mut report);
    report.counts.total = Some(map.header.used_blocks());
    let mut walk = Walk {
        map,
        file,
        units: UnitSet::default(),
        end: 0,
        counted: 0,
        missing: 0,
        allocated: 0,
        fragmented: 0,
        last: None,
        report,
    };
    if walk.entries()?.is_continue() && !walk.report.is_over() {
        walk.check_allocated();
        walk.leaks();
    }
    let checked = &mut walk.report.counts;
    checked.image_end = Some(walk.map.block_start(walk.end).min(file.len()));
    (checked.allocated, checked.fragmented) = (Some(walk.allocated), Some(walk.fragmented));
    Ok(walk.report.finish())
}

impl Map {
    /// Length in bytes of a block with its extra space: less than 2^33.
    fn stride(&self) -> u64 {
        self.header.block_size + u64::from(self.header.raw.block_extra)
    }

    /// File offset of the extra space of a block. Saturates.
    fn block_start(&self, number: u64) -> u64 {
        self.header.data_at.saturating_add(number.saturating_mul(self.stride()))
    }
}

struct Walk<'w, 'f> {
    map: &'w Map,
    file: &'w dyn ReadAt,
    /// Blocks that an entry references.
    units: UnitSet,
    /// Highest number of a referenced block, plus one.
    end: u64,
    /// Number of entries whose block number is less than the number of map entries.
    counted: u64,
    /// Number of entries of the disk whose block was never written.
    missing: u64,
    allocated: u64,
    fragmented: u64,
    last: Option<u32>,
    report: Report<'f>,
}

impl Walk<'_, '_> {
    /// Checks all entries, including those past the end of the disk.
    ///
    /// Returns `Break` if no more blocks can be tracked, or if the report is complete.
    fn entries(&mut self) -> Flow {
        let (map, blocks) = (self.map, self.map.header.blocks());
        map.walk_entries(self.file, 0..blocks, blocks, |entry| {
            Ok(match entry {
                Entry::Hole(entries) => self.hole(entries),
                Entry::One { index, value, .. } => self.entry(index, value),
            })
        })
    }

    /// Checks entries in a hole of the file: all of them reference block 0.
    fn hole(&mut self, entries: Range<u64>) -> ControlFlow<()> {
        self.entry(entries.start, 0)?;
        let others = entries.end - entries.start - 1;
        let of_disk = self.map.header.used_blocks().min(entries.end).saturating_sub(entries.start + 1);
        self.counted += others;
        self.allocated += of_disk;
        self.fragmented += of_disk;
        if others > 0 {
            let message = format!("{others} unwritten entries reference block 0, as another entry does");
            self.report.error(codes::CHECK_DUPLICATE, self.map.entry_at(entries.start + 1), others, message);
        }
        ControlFlow::Continue(())
    }

    fn entry(&mut self, index: u64, entry: u32) -> ControlFlow<()> {
        let is_of_disk = index < self.map.header.used_blocks();
        let Block::Stored(number) = block(entry) else {
            self.missing += u64::from(is_of_disk && block(entry) == Block::Unwritten);
            return ControlFlow::Continue(());
        };
        if is_of_disk {
            self.allocated += 1;
            let is_next = self.last.is_none_or(|last| last.checked_add(1) == Some(number));
            self.fragmented += u64::from(!is_next);
            self.last = Some(number);
        }
        self.stored(index, number, is_of_disk)?;
        if self.report.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn stored(&mut self, index: u64, number: u32, is_of_disk: bool) -> ControlFlow<()> {
        let (at, blocks) = (self.map.entry_at(index), self.map.header.blocks());
        let Ok(was_taken) = self.units.take(number.into()) else {
            let message = "the image uses more units than can be tracked: the check stops here";
            self.report.counts.check_errors += 1;
            self.report.warning(codes::CHECK_TOO_LARGE, at, message.into());
            return ControlFlow::Break(());
        };
        self.end = self.end.max(u64::from(number) + 1);
        // Entries past the end of the disk are never read.
        let severity = if is_of_disk { Severity::Error } else { Severity::Warning };
        if u64::from(number) >= blocks {
            let message =
                || format!("entry {index} references block {number}, but the map has {blocks} blocks");
            self.report.counts.corruptions += 1;
            self.report.add_with(codes::CHECK_OUT_OF_RANGE, severity, at, message);
            return ControlFlow::Continue(());
        }
        self.counted += 1;
        let allocated = self.map.header.raw.allocated;
        if was_taken {
            let message = || format!("entry {index} references block {number}, as another entry does");
            self.report.counts.corruptions += 1;
            self.report.add_with(codes::CHECK_DUPLICATE, severity, at, message);
        } else if number >= allocated {
            let message =
                || format!("entry {index} references block {number}, but {allocated} are allocated");
            self.report.add_with(codes::CHECK_PAST_ALLOCATED, severity, at, message);
        } else if let Some(end) = self.past_end(index, number, is_of_disk) {
            let file_len = self.file.len();
            let message = || format!("block {number} ends at {end}, but the file has {file_len}");
            self.report.add_with(codes::CHECK_PAST_END, severity, at, message);
        } else if !is_of_disk {
            let used = self.map.header.used_blocks();
            let message =
                || format!("entry {index} references block {number}, but the disk has {used} blocks");
            self.report.add_with(codes::CHECK_BEYOND_DISK, Severity::Warning, at, message);
        }
        ControlFlow::Continue(())
    }

    /// File offset of the end of the block, if it is past the end of the file.
    fn past_end(&self, index: u64, number: u32, is_of_disk: bool) -> Option<u64> {
        let len = if is_of_disk {
            let disk = self.map.disk_of(index);
            disk.end - disk.start
        } else {
            self.map.header.block_size
        };
        let end = self.map.header.block_at(number).saturating_add(len);
        (end > self.file.len()).then_some(end)
    }

    /// Checks the number of allocated blocks, and that a static image allocates all.
    fn check_allocated(&mut self) {
        let header = &self.map.header;
        if self.counted != u64::from(header.raw.allocated) {
            self.report.counts.corruptions += 1;
            // The parser reports it for a shorter map.
            if header.blocks() * 4 > COUNTED_BYTES {
                let message = format!(
                    "the header counts {} allocated blocks, the map {}",
                    header.raw.allocated, self.counted
                );
                self.report.warning(codes::CHECK_ALLOCATED, header.places.allocated as u64, message);
            }
        }
        if header.kind == Kind::Static && self.missing > 0 {
            let message = format!("{} blocks of a static image are not allocated", self.missing);
            self.report.note(codes::CHECK_STATIC_HOLES, header.places.kind as u64, message);
        }
    }

    /// Reports unreferenced blocks, and bytes after the last block.
    fn leaks(&mut self) {
        let (map, stride, file_len) = (self.map, self.map.stride(), self.file.len());
        let needed = self.end.max(map.header.raw.allocated.into());
        // OK: `stride` is not 0, because the block size is not 0.
        let there = file_len.saturating_sub(map.header.data_at) / stride;
        let Self { units, report, .. } = self;
        units.free(0..needed.min(there), &mut |run| {
            let count = run.end - run.start;
            report.counts.leaks += count;
            let message = format!("{count} unreferenced blocks from number {} on", run.start);
            report.warning(codes::CHECK_LEAK, map.block_start(run.start), message);
            if report.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        // OK: the sum is less than 2^35.
        let map_end = map.header.map_at + map.header.blocks() * 4;
        let end = map.block_start(needed).max(map_end);
        let (len, whole) = (file_len.saturating_sub(end), file_len.saturating_sub(end) / stride);
        // Padding of the last sector is not a leak.
        if whole > 0 || len >= 512 {
            report.counts.leaks += whole;
            let severity = if whole > 0 { Severity::Warning } else { Severity::Note };
            let message =
                format!("{len} bytes after the last allocated block, including {whole} whole blocks");
            report.add(codes::CHECK_TRAILING, severity, end, message);
        }
    }
}
