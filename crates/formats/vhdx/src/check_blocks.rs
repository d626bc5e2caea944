//! Checks of the block allocation table: contradictory entries, unreferenced space.

use alloc::format;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use byteorder::{ByteOrder, LittleEndian};
use imgprep_format_kit::{first_nonzero_in, walk_entries};
use imgprep_map::{
    Code, Contradictions, CoverageSweep, Error, Finding, LastHole, ReadAt, Report, Severity, Swept, Use,
};

use crate::bat::{self, Block, has_no_place};
use crate::codes;
use crate::layout::{HEADERS, MIB};
use crate::map::{Map, Run};
use crate::metadata::Metadata;

/// Adjacent entries; a run of several consists of equal entries without data.
struct Entries {
    at: u64,
    found: u64,
    count: u64,
}

impl Entries {
    /// File offset in the entry, regardless of its state (2.5.1).
    fn place(&self) -> u64 {
        self.found & !(MIB - 1)
    }
}

pub(crate) fn check(
    map: &Map,
    file: &dyn ReadAt,
    metadata: &Metadata,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    count(map, file, report)?;
    let allocated = report.counts.allocated.unwrap_or(0);
    if metadata.leaves_allocated && !metadata.has_parent && allocated < map.bat.blocks() {
        let blocks = map.bat.blocks();
        let message = format!("a fixed disk must have all {blocks} blocks in the file, but has {allocated}");
        report.warning(codes::CHECK_FIXED_ABSENT, metadata.parameters_at + 4, message);
    }
    bitmaps(map, file, report)?;
    check_trailing(map, file, report)?;
    space(map, file, report)
}

const NO_PLACE: &str = "that are \"not present\" or \"zero\", where a place in the file is reserved";

/// Findings for entries with a location although their state has none (2.5.1.1).
pub(crate) fn cross_check(map: &Map, file: &dyn ReadAt) -> Result<Vec<Finding>, Error> {
    let mut found = Contradictions::default();
    walk(map, file, &mut |entries| {
        let has_none = matches!(
            bat::block(entries.found, entries.at, map.bat.has_parent),
            Ok(Block::NotPresent | Block::Zero)
        );
        if has_none && entries.place() != 0 {
            let message = || format!("one entry {NO_PLACE}: {:#x}", entries.found);
            found.add(codes::CHECK_PLACE_RESERVED, Severity::Warning, entries.at, message);
        }
    })?;
    Ok(found.into_findings())
}

/// Visits the entries of all blocks.
fn walk(map: &Map, file: &dyn ReadAt, see: &mut dyn FnMut(&Entries)) -> Result<(), Error> {
    let _ = map.walk_bat(file, 0..map.bat.blocks(), |run| {
        let Run { at, found, ref blocks } = *run;
        see(&Entries { at, found, count: blocks.end - blocks.start });
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

/// Counts blocks, and reports blocks without data that keep their location (2.5.1.1).
fn count(map: &Map, file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    let (mut allocated, mut fragmented, mut expected) = (0, 0, None);
    let mut kept = Neighbours { code: codes::CHECK_ENTRY_PLACE, is_warning: false, run: None };
    let mut reserved = Neighbours { code: codes::CHECK_PLACE_RESERVED, is_warning: true, run: None };
    walk(map, file, &mut |entries| match bat::block(entries.found, entries.at, map.bat.has_parent) {
        Ok(Block::Present { at } | Block::Partial { at }) => {
            allocated += 1;
            fragmented += u64::from(expected.is_some_and(|expected| expected != at));
            expected = at.checked_add(map.bat.block_size);
        }
        Ok(Block::NotPresent | Block::Zero) if entries.place() != 0 => {
            reserved.add(entries, NO_PLACE, report);
        }
        Ok(_) if entries.place() != 0 => {
            kept.add(entries, "without data that reserve space in the file", report);
        }
        // `visit` reports invalid entries.
        Ok(_) | Err(_) => {}
    })?;
    kept.report("without data that reserve space in the file", report);
    reserved.report(NO_PLACE, report);
    report.counts.total = Some(map.bat.blocks());
    report.counts.allocated = Some(allocated);
    report.counts.fragmented = Some(fragmented);
    Ok(())
}

/// Adjacent entries that are reported together.
struct Neighbours {
    code: &'static Code,
    is_warning: bool,
    run: Option<Entries>,
}

impl Neighbours {
    fn add(&mut self, entries: &Entries, what: &str, report: &mut Report<'_>) {
        let &Entries { at, found, count } = entries;
        if let Some(run) = self.run.as_mut().filter(|run| run.at + run.count * 8 == at) {
            run.count += count;
            return;
        }
        self.report(what, report);
        self.run = Some(Entries { at, found, count });
    }

    fn report(&mut self, what: &str, report: &mut Report<'_>) {
        let Some(Entries { at, found, count }) = self.run.take() else { return };
        let message = if count == 1 {
            format!("one entry {what}: {found:#x}")
        } else {
            format!("{count} entries {what}, the first one is {found:#x}")
        };
        if self.is_warning {
            report.warning(self.code, at, message);
        } else {
            report.note(self.code, at, message);
        }
    }
}

/// Checks the entries of sector bitmaps (2.5.1.2).
///
/// In an image without a parent, these entries must be 0. With a parent, `visit` only reads those that a
/// block needs.
fn bitmaps(map: &Map, file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    let chunks = map.bat.blocks().div_ceil(map.bat.ratio);
    // Without a parent, the last chunk's entry lies past those that the disk needs.
    let chunks = if map.bat.has_parent { chunks } else { chunks.saturating_sub(1) };
    for chunk in 0..chunks {
        let at = map.bat.bitmap_entry_at(chunk);
        if file.next_data(at) >= at + 8 {
            continue;
        }
        let found = LittleEndian::read_u64(&file.array::<8>(at)?);
        if !map.bat.has_parent {
            if found != 0 {
                let message =
                    format!("{found:#x} references a sector bitmap, but the image has no parent: expected 0");
                report.warning(codes::CHECK_BITMAP_UNUSED, at, message);
            }
            continue;
        }
        if let Err(error) = bat::bitmap(file, found, at) {
            report.warning(codes::CHECK_BITMAP_ENTRY, at, format!("{error}"));
        } else if found & bat::RESERVED != 0 {
            let message = format!("the sector bitmap's entry is {found:#x}, bits 3 to 19 are reserved");
            report.note(codes::CHECK_BITMAP_RESERVED, at, message);
        }
    }
    Ok(())
}

/// Reports entries past those that the disk needs.
fn check_trailing(map: &Map, file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    let region = &map.regions.bat.bytes;
    let (first, end) = (map.bat.entries(), (region.end - region.start) / 8);
    let mut used = Neighbours { code: codes::CHECK_BAT_AFTER_END, is_warning: true, run: None };
    let mut other = Neighbours { code: codes::CHECK_BAT_SLACK, is_warning: false, run: None };
    let (is_used, is_other) =
        ("past the end of the disk that reference data", "past the end of the disk that are not 0");
    let flow = walk_entries(file, map.bat.at, first..end, u64::from_le_bytes, |run| {
        let entries = Entries { at: run.at, found: run.value, count: run.count };
        match entries.found & bat::STATE {
            _ if entries.found == 0 => {}
            6 | 7 => used.add(&entries, is_used, report),
            _ => other.add(&entries, is_other, report),
        }
        Ok(if report.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if flow.is_continue() {
        used.report(is_used, report);
        other.report(is_other, report);
    }
    Ok(())
}

/// Reports unreferenced MiB, and space that two entries reference.
fn space(map: &Map, file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    // The stored file does not include space that the log adds.
    let end = file.len().min(map.stored_len);
    let mut uses = |add: &mut dyn FnMut(Use)| uses(map, file, add);
    let used = CoverageSweep::new(map.bat.block_size, 8).run(end, &mut uses, &mut |swept| match swept {
        Swept::Gap(gap) => {
            let start = gap.start.next_multiple_of(MIB);
            let count = gap.end.saturating_sub(start) / MIB;
            if count > 0 && is_room(map, file, &(start..gap.end)) {
                let message = format!("{count} MiB after the tables are reserved and contain zeros");
                report.note(codes::CHECK_ROOM, start, message);
            } else if count > 0 {
                report.counts.leaks += count;
                let message = format!("{count} MiB of the file are unreferenced");
                report.warning(codes::CHECK_LEAK, start, message);
            }
        }
        Swept::Shared { bytes, first, second } => {
            let kept = [second, first].into_iter().find(|at| keeps(map, file, *at));
            if let Some(at) = kept {
                let other = if at == first { second } else { first };
                let message = format!(
                    "a block without data reserves {} bytes at {}, which the entry at {other} also references",
                    bytes.end - bytes.start,
                    bytes.start
                );
                report.warning(codes::CHECK_PLACE_SHARED, at, message);
            } else {
                // The usage check reports these with both names.
                report.counts.corruptions += 1;
            }
        }
    })?;
    report.counts.image_end = Some(used);
    Ok(())
}

/// Space that QEMU reserves between its tables and the first block.
const ROOM: u64 = 4 * MIB;

/// Whether a gap is space that a writer reserved between tables and data.
///
/// At most `ROOM` bytes are read.
fn is_room(map: &Map, file: &dyn ReadAt, gap: &Range<u64>) -> bool {
    let tables = [map.regions.bat.bytes.end, map.regions.metadata.bytes.end, map.header.log.end];
    let is_after = tables.contains(&gap.start) && gap.end - gap.start <= ROOM;
    is_after && matches!(first_nonzero_in(file, &mut LastHole::default(), gap.clone()), Ok(None))
}

/// Whether `at` is the offset of a table entry without data.
fn keeps(map: &Map, file: &dyn ReadAt, at: u64) -> bool {
    map.regions.bat.bytes.contains(&at) && file.array::<8>(at).is_ok_and(has_no_place)
}

fn uses(map: &Map, file: &dyn ReadAt, add: &mut dyn FnMut(Use)) -> Result<(), Error> {
    let end = file.len();
    add(Use { bytes: 0..MIB.min(end), by: 0 });
    add(Use { bytes: map.header.log.clone(), by: HEADERS[0] + 72 });
    let regions = &map.regions;
    for region in [&regions.bat, &regions.metadata].into_iter().chain(&regions.others) {
        add(Use { bytes: region.bytes.clone(), by: region.entry_at + 16 });
    }
    let chunks = if map.bat.has_parent { map.bat.blocks().div_ceil(map.bat.ratio) } else { 0 };
    for chunk in 0..chunks {
        let at = map.bat.bitmap_entry_at(chunk);
        if file.next_data(at) < at + 8
            && let Ok(Some(place)) = bat::bitmap(file, LittleEndian::read_u64(&file.array::<8>(at)?), at)
        {
            add(Use { bytes: place..place + MIB, by: at });
        }
    }
    walk(map, file, &mut |entries| {
        let place = entries.place();
        if place != 0 {
            add(Use { bytes: place..place.saturating_add(map.bat.block_size).min(end), by: entries.at });
        }
    })
}
