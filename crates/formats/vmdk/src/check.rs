//! Structural checks that are not needed to locate the data.
//!
//! Each extent file is checked on its own, then the descriptor is compared with the files. Headers, tables,
//! streams and text have modules of their own.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_map::{
    Code, Contradictions, CoverageSweep, Error, FileId, Files, Finding, ReadAt, Report, StructureCounts,
    Swept, Use,
};

use crate::check_header::{Frame, frame};
use crate::check_text::Text;
use crate::codes;
use crate::file_report::FileReport;
use crate::grain_walk::walk_grains;
use crate::layout::SECTOR;
use crate::magic::{Magic, head, magic};
use crate::map::Map;
use crate::part::Kind;
use crate::tables::{Entries, Grain, Tables};
use crate::{check_stream, check_tables};

/// Checks the files of an image.
pub(crate) fn check(
    map: &Map,
    files: &dyn Files,
    found: &mut dyn FnMut(Finding) -> ControlFlow<()>,
) -> Result<StructureCounts, Error> {
    let mut report = Report::new(found);
    let own = files.get(FileId::SELF);
    let text = own.map(Text::read).transpose()?.flatten();
    let mut seen = BTreeSet::new();
    for (index, part) in map.parts.iter().enumerate() {
        let Some(file) = files.get(part.file) else { continue };
        // A file that several lines name is checked once.
        if report.is_over() || !seen.insert(part.file.0) {
            continue;
        }
        let name = match &text {
            Some(text) if part.file != FileId::SELF => text.name(index),
            _ => String::new(),
        };
        let file_report = &mut FileReport { report: &mut report, name };
        match &part.kind {
            Kind::Sparse(tables) => {
                extent(file, tables, &part.fixed, file_report).map_err(|error| error.in_file(part.file))?;
            }
            Kind::Flat { .. } => flat(map, part.file, file, file_report),
            Kind::Zero | Kind::Walked(_) | Kind::Refused(_) => {}
        }
    }
    if map.parts.len() > 1 || map.parts.iter().any(|part| part.file != FileId::SELF) {
        report.counts.image_end = None;
    }
    if let Some(text) = text {
        text.check(map, files, &mut report)?;
    }
    Ok(report.finish())
}

/// Codes of findings that contradict the tables that a conversion reads.
///
/// These are differing copies, stream grains without a table entry, and entries past the end of the disk.
const CONTRADICTIONS: [&Code; 4] = [
    codes::CHECK_REDUNDANT,
    codes::CHECK_LEAK,
    codes::CHECK_TABLE_BEYOND_CAPACITY,
    codes::CHECK_ENTRY_BEYOND_CAPACITY,
];

/// Compares the tables that a conversion reads with other structures in the files.
///
/// A disk of many extents yields one finding of each kind.
pub(crate) fn cross_check(map: &Map, files: &dyn Files) -> Result<Vec<Finding>, Error> {
    let mut contradictions = Contradictions::default();
    let mut found = |finding: Finding| {
        if CONTRADICTIONS.contains(&finding.code) {
            contradictions.add_finding(finding);
        }
        ControlFlow::Continue(())
    };
    let text = files.get(FileId::SELF).map(Text::read).transpose()?.flatten();
    let mut seen = BTreeSet::new();
    for (index, part) in map.parts.iter().enumerate() {
        let (Some(file), Kind::Sparse(tables)) = (files.get(part.file), &part.kind) else { continue };
        if !seen.insert(part.file.0) {
            continue;
        }
        let name = text.as_ref().filter(|_| part.file != FileId::SELF).map(|text| text.name(index));
        let mut report = Report::new(&mut found);
        let file_report = &mut FileReport { report: &mut report, name: name.unwrap_or_default() };
        contradictions_of(file, tables, file_report).map_err(|error| error.in_file(part.file))?;
        report.finish();
    }
    Ok(contradictions.into_findings())
}

fn contradictions_of(
    file: &dyn ReadAt,
    tables: &Tables,
    file_report: &mut FileReport<'_, '_>,
) -> Result<(), Error> {
    if let Some(redundant) = tables.redundant.filter(|redundant| *redundant != tables.directory) {
        check_tables::redundant(file, tables, redundant, file_report)?;
    }
    let Some(magic) = magic(&head(file)?) else { return Ok(()) };
    let frame = frame(file, magic, file_report)?;
    check_tables::beyond(file, tables, &frame, file_report)?;
    let is_stream = matches!(tables.entries, Entries::Hosted { is_compressed: true, .. });
    if is_stream && check_stream::is_short(file, tables, &frame)? {
        check_stream::walk(file, tables, &frame, file_report)?;
    }
    Ok(())
}

/// Reports a flat file that is longer than the range that the descriptor uses.
fn flat(map: &Map, id: FileId, file: &dyn ReadAt, file_report: &mut FileReport<'_, '_>) {
    let end = |at: u64, disk: &Range<u64>| at.saturating_add(disk.end - disk.start);
    let ends = map.parts.iter().filter(|part| part.file == id).filter_map(|part| match part.kind {
        Kind::Flat { at } => Some(end(at, &part.disk)),
        _ => None,
    });
    let used = ends.max().unwrap_or(0);
    if used < file.len() {
        let message = format!("the file has {} bytes, but the disk uses only the first {used}", file.len());
        file_report.note(codes::CHECK_FLAT_LONGER, used, message);
    }
}

fn extent(
    file: &dyn ReadAt,
    tables: &Tables,
    fixed: &[(Range<u64>, &'static str)],
    file_report: &mut FileReport<'_, '_>,
) -> Result<(), Error> {
    let Some(magic) = magic(&head(file)?) else { return Ok(()) };
    let frame = frame(file, magic, file_report)?;
    check_tables::beyond(file, tables, &frame, file_report)?;
    if let Some(redundant) = tables.redundant.filter(|redundant| *redundant != tables.directory) {
        check_tables::redundant(file, tables, redundant, file_report)?;
    }
    count(file, tables, &frame, file_report)?;
    match tables.entries {
        Entries::Hosted { is_compressed: true, .. } => check_stream::walk(file, tables, &frame, file_report),
        // Only the undocumented bitmap of an seSparse file shows which grains are free.
        Entries::Se { .. } => Ok(()),
        Entries::Hosted { .. } | Entries::Cowd => leaks(file, tables, &frame, fixed, magic, file_report),
    }
}

/// Counts grains, and reports those at invalid offsets.
fn count(
    file: &dyn ReadAt,
    tables: &Tables,
    frame: &Frame,
    file_report: &mut FileReport<'_, '_>,
) -> Result<(), Error> {
    let (mut allocated, mut fragmented, mut compressed, mut next) = (0u64, 0u64, 0u64, None);
    let mut end = 0u64;
    walk_grains(file, tables, &mut |entry, start, grain| {
        let (at, len) = match grain {
            Grain::Data { at } => (at, tables.grain),
            Grain::Compressed { at } => match tables.compressed(file, entry, at, start) {
                Ok((payload, len)) => (at, (payload - at + u64::from(len)).next_multiple_of(SECTOR)),
                Err(_) => return,
            },
            Grain::Unallocated | Grain::Zero => return,
        };
        allocated += 1;
        compressed += u64::from(matches!(grain, Grain::Compressed { .. }));
        fragmented += u64::from(next.is_some_and(|next| next != at));
        let after = at.saturating_add(len);
        next = Some(after);
        end = end.max(after.min(file.len()));
        if at < frame.overhead {
            let message = format!(
                "a grain is at {at}, before {}, where grains begin according to the header",
                frame.overhead
            );
            file_report.warning(codes::CHECK_GRAIN_IN_OVERHEAD, entry, message);
        }
        if at >= frame.free.unwrap_or(u64::MAX) {
            let message = format!(
                "a grain is at {at}, but the header marks everything from {} on as free",
                frame.free.unwrap_or(0)
            );
            file_report.warning(codes::CHECK_GRAIN_IN_FREE, entry, message);
        }
        if frame.grains.as_ref().is_some_and(|grains| after > grains.end) {
            let grains = frame.grains.clone().unwrap_or_default();
            let message =
                format!("a grain is at {at}, but grains must be at bytes {}..{}", grains.start, grains.end);
            file_report.warning(codes::CHECK_GRAIN_OUTSIDE, entry, message);
        }
    })?;
    let checked = &mut file_report.report.counts;
    let add = |sum: &mut Option<u64>, count: u64| *sum = Some(sum.unwrap_or(0).saturating_add(count));
    add(&mut checked.total, tables.capacity.div_ceil(tables.grain));
    add(&mut checked.allocated, allocated);
    add(&mut checked.fragmented, fragmented);
    add(&mut checked.compressed, compressed);
    checked.image_end = Some(checked.image_end.unwrap_or(0).max(end).max(frame.overhead.min(file.len())));
    Ok(())
}

/// Reports space for grains past the overhead that no table references.
fn leaks(
    file: &dyn ReadAt,
    tables: &Tables,
    frame: &Frame,
    fixed: &[(Range<u64>, &'static str)],
    magic: Magic,
    file_report: &mut FileReport<'_, '_>,
) -> Result<(), Error> {
    let mut leaks = 0u64;
    CoverageSweep::new(tables.grain, tables.entry_bytes()).run(
        file.len(),
        &mut |add| {
            let mut add = |bytes: Range<u64>, by| add(Use { bytes, by });
            add(0..frame.overhead, 0);
            add(frame.free.unwrap_or(file.len())..file.len(), 0);
            fixed.iter().for_each(|(range, _)| add(range.clone(), 0));
            check_tables::places(file, tables, frame, &mut |range| add(range, 0))?;
            walk_grains(file, tables, &mut |entry, _, grain| {
                if let Grain::Data { at } = grain {
                    add(at..at.saturating_add(tables.grain), entry);
                }
            })
        },
        &mut |swept| {
            let Swept::Gap(gap) = swept else { return };
            let count = (gap.end - gap.start) / tables.grain;
            if count > 0 {
                leaks = leaks.saturating_add(count);
                let Range { start, end } = gap;
                let kind = if magic == Magic::Cowd { "a COWD file" } else { "the file" };
                let message =
                    format!("bytes {start}..{end} of {kind} have space for {count} unreferenced grains");
                file_report.warning(codes::CHECK_LEAK, start, message);
            }
        },
    )?;
    file_report.report.counts.leaks = file_report.report.counts.leaks.saturating_add(leaks);
    Ok(())
}
