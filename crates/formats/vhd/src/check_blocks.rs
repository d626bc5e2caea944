//! Checks of the blocks.
//!
//! They report entries past the end of the disk, unreferenced blocks, invalid padding of sector bitmaps, and
//! contradictions between the sector bitmaps and `XenServer`'s batmap.

use alloc::format;
use core::ops::{ControlFlow, Range};

use imgprep_format_kit::first_nonzero_in;
use imgprep_map::{CoverageSweep, Error, LastHole, ReadAt, Report, Swept, Use, usize_of};

use crate::bat_walk::Entry;
use crate::batmap::Batmap;
use crate::bitmap::Runs;
use crate::codes;
use crate::layout::SECTOR;
use crate::map::Sparse;

/// Reference to a structure, instead of the file offset of a table entry.
const STRUCTURE: u64 = u64::MAX;

/// Counts the blocks; reports unreferenced ones and entries past the end of the disk.
///
/// Returns the range from the end of the last use, without the footer, to the end of the file.
pub(crate) fn check(map: &Sparse, file: &dyn ReadAt, report: &mut Report<'_>) -> Result<Range<u64>, Error> {
    count(map, file, report)?;
    beyond(map, file, report)?;
    let stride = map.bitmap_len + map.block_size;
    let spare_at = map.bat.start + map.blocks() * 4;
    let mut leaks = 0u64;
    let (mut last, mut reported) = (0, None);
    let (mut hole, mut failed) = (LastHole::default(), None);
    let covered = CoverageSweep::new(stride, 4).run(
        file.len(),
        &mut |add| uses(map, file, stride, &mut last, add),
        &mut |swept| match swept {
            Swept::Gap(gap) => {
                let count = (gap.end - gap.start) / stride;
                if count > 0 {
                    leaks = leaks.saturating_add(count);
                    let Range { start, end } = gap;
                    let message = format!("bytes {start}..{end} have space for {count} unreferenced blocks");
                    report.warning(codes::CHECK_LEAK, start, message);
                } else if gap.end < file.len() {
                    // The caller checks the bytes after the last use.
                    if let Err(error) = gap_data(file, &mut hole, gap, report) {
                        failed.get_or_insert(error);
                    }
                }
            }
            // The usage check compares the blocks of the disk with each other and with all structures.
            Swept::Shared { bytes, first, second } => {
                let spare = [first, second].into_iter().filter(|by| *by != STRUCTURE && *by >= spare_at).max();
                // One finding per entry, even if its block overlaps several ranges.
                if let Some(spare) = spare.filter(|spare| reported.replace(*spare) != Some(*spare)) {
                    let Range { start, end } = bytes;
                    let message = format!(
                        "an entry past the end of the disk references bytes {start}..{end}, which are used otherwise: an enlarged disk would share them"
                    );
                    report.warning(codes::CHECK_BAT_OVERLAP, spare, message);
                }
            }
        },
    )?;
    if let Some(error) = failed {
        return Err(error);
    }
    report.counts.leaks = leaks;
    report.counts.image_end = Some(covered.min(file.len()));
    Ok(last..file.len())
}

/// Reports data in an unreferenced range that is shorter than a block.
///
/// The block before or after it may have been moved: then its bytes are read from the wrong offset.
fn gap_data(
    file: &dyn ReadAt,
    hole: &mut LastHole,
    gap: Range<u64>,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    // The last sector of a table is padded with any bytes.
    let start = gap.start.next_multiple_of(SECTOR);
    if let Some((at, _)) = first_nonzero_in(file, hole, start..gap.end)? {
        let message = format!("bytes {start}..{} contain data, but no entry references them", gap.end);
        report.warning(codes::CHECK_GAP_DATA, at, message);
    }
    Ok(())
}

/// Adds all used ranges: structures and blocks.
///
/// Blocks are whole, except the last one of the disk. Raises `last` to the end of the last range, without the footer.
fn uses(
    map: &Sparse,
    file: &dyn ReadAt,
    stride: u64,
    last: &mut u64,
    add: &mut dyn FnMut(Use),
) -> Result<(), Error> {
    let tail = map.fixed.iter().filter(|(_, name)| *name == "the footer").map(|(range, _)| range.start).min();
    let tail = tail.unwrap_or(file.len());
    for (range, _) in &map.fixed {
        add(Use { bytes: range.clone(), by: STRUCTURE });
        if range.start < tail {
            *last = (*last).max(range.end);
        }
    }
    for space in &map.spaces {
        add(Use { bytes: space.clone(), by: STRUCTURE });
    }
    let rules = map.rules(file);
    let _ = map.entries(file, 0..map.blocks(), |entry| {
        if let Some(block) = map.block(&rules, &entry) {
            let stored = map.bitmap_len + map.stored(entry.index * map.block_size);
            // The file may omit the part of the last block that is past the end of the disk.
            let end =
                if block < tail { (block + stride).min(tail).max(block + stored) } else { block + stored };
            *last = (*last).max(end);
            add(Use { bytes: block..end, by: entry.at });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let spare = map.blocks()..(map.bat.end - map.bat.start) / 4;
    let _ = map.entries(file, spare, |entry| {
        let start = u64::from(entry.value) * SECTOR;
        add(Use { bytes: start..start + stride, by: entry.at });
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

/// Counts the blocks of the disk, and checks the padding of their sector bitmaps.
fn count(map: &Sparse, file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    let rules = map.rules(file);
    let (mut allocated, mut fragmented, mut next) = (0u64, 0u64, None);
    let bytes = map.block_size / SECTOR / 8;
    let mut hole = LastHole::default();
    let _ = map.entries(file, 0..map.blocks(), |entry| {
        let Some(block) = map.block(&rules, &entry) else { return Ok(ControlFlow::Continue(())) };
        allocated += 1;
        fragmented += u64::from(next.is_some_and(|next| next != block));
        next = Some(block + map.bitmap_len + map.block_size);
        // A block of 2 MiB has 4096 sectors: their bits fill its bitmap without padding.
        if bytes < map.bitmap_len {
            padding(file, &mut hole, block + bytes..block + map.bitmap_len, report)?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    report.counts.total = Some(map.blocks());
    report.counts.allocated = Some(allocated);
    report.counts.fragmented = Some(fragmented);
    Ok(())
}

/// Reports nonzero bytes in `range`, the padding of a sector bitmap.
fn padding(
    file: &dyn ReadAt,
    hole: &mut LastHole,
    range: Range<u64>,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    if let Some((at, byte)) = first_nonzero_in(file, hole, range)? {
        let message = format!("byte {byte:#04x} in a sector bitmap after the bits of its block, expected 0");
        report.note(codes::CHECK_BITMAP_PADDING, at, message);
    }
    Ok(())
}

/// Reports used entries past the end of the disk, with one finding per run.
fn beyond(map: &Sparse, file: &dyn ReadAt, report: &mut Report<'_>) -> Result<(), Error> {
    let mut run: Option<(Entry, u64)> = None;
    let mut add_run = |(entry, count): (Entry, u64)| {
        let Entry { index, at, value } = entry;
        let message = format!(
            "entry {index} is {value:#010x} ({count} adjacent such entries), but the disk has {} blocks: expected 0xffffffff",
            map.blocks()
        );
        report.warning(codes::CHECK_BAT_BEYOND_DISK, at, message);
    };
    let _ = map.entries(file, map.blocks()..(map.bat.end - map.bat.start) / 4, |entry| {
        match &mut run {
            Some((first, count)) if first.index + *count == entry.index => *count += 1,
            _ => {
                if let Some(run) = run.replace((entry, 1)) {
                    add_run(run);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if let Some(run) = run {
        add_run(run);
    }
    Ok(())
}

/// Compares `XenServer`'s batmap with the sector bitmaps.
pub(crate) fn batmap(
    map: &Sparse,
    batmap: &Batmap,
    file: &dyn ReadAt,
    report: &mut Report<'_>,
) -> Result<(), Error> {
    let Some(place) = batmap.map.clone() else { return Ok(()) };
    let bits = (place.end - place.start) * 8;
    if bits < map.blocks() {
        let message = format!("XenServer's batmap has {bits} bits, but the disk has {} blocks", map.blocks());
        report.warning(codes::CHECK_BATMAP_SHORT, batmap.at + 16, message);
    }
    let mut walk = BatmapWalk { map, place, seen: 0, failed: None };
    let covered = map.blocks().min(bits);
    let _ = map.entries(file, 0..covered, |entry| {
        walk.entry(file, &entry, report);
        Ok(ControlFlow::Continue(()))
    })?;
    walk.unused(file, covered, report);
    walk.failed.map_or(Ok(()), Err)
}

struct BatmapWalk<'a> {
    map: &'a Sparse,
    place: Range<u64>,
    /// Number of blocks that were checked.
    seen: u64,
    failed: Option<Error>,
}

impl BatmapWalk<'_> {
    fn entry(&mut self, file: &dyn ReadAt, entry: &Entry, report: &mut Report<'_>) {
        self.unused(file, entry.index, report);
        self.seen = entry.index + 1;
        let Some(block) = self.map.block(&self.map.rules(file), entry) else { return };
        let at = self.place.start + entry.index / 8;
        let (bit, is_full) = match (self.bit(file, entry.index), self.is_full(file, block, entry.index)) {
            (Ok(bit), Ok(is_full)) => (bit, is_full),
            (Err(error), _) | (_, Err(error)) => {
                self.failed.get_or_insert(error);
                return;
            }
        };
        if bit && !is_full {
            let message = format!(
                "XenServer's batmap marks block {} as full, but its sector bitmap at {block} does not: XenServer reads unwritten sectors",
                entry.index
            );
            report.error(codes::CHECK_BATMAP_FULL, at, 1, message);
        } else if is_full && !bit && self.map.stored(entry.index * self.map.block_size) == self.map.block_size
        {
            let message = format!(
                "the sector bitmap of block {} at {block} has every bit set, but XenServer's batmap does not mark the block as full",
                entry.index
            );
            report.note(codes::CHECK_BATMAP_MISSING, at, message);
        }
    }

    /// Reports blocks before `index` that are marked as full, but are not stored.
    fn unused(&mut self, file: &dyn ReadAt, index: u64, report: &mut Report<'_>) {
        while self.seen < index {
            // Skip eight blocks at once if none of their bits is set.
            let at = self.place.start + self.seen / 8;
            if self.seen.is_multiple_of(8) {
                // Holes begin at page boundaries.
                let is_page = at.is_multiple_of(4096);
                let next = if is_page { file.next_data(at) } else { at };
                let hole = next.saturating_sub(at).min(self.place.end - at);
                if hole > 0 {
                    self.seen += hole * 8;
                    continue;
                }
                if file.array::<1>(at).is_ok_and(|byte| byte == [0]) {
                    self.seen += 8;
                    continue;
                }
            }
            if self.bit(file, self.seen).unwrap_or(false) {
                let message = format!(
                    "XenServer's batmap marks block {} as full, but no entry references it",
                    self.seen
                );
                report.warning(codes::CHECK_BATMAP_UNUSED, at, message);
            }
            self.seen += 1;
        }
    }

    fn bit(&self, file: &dyn ReadAt, index: u64) -> Result<bool, Error> {
        let [byte] = file.array(self.place.start + index / 8)?;
        Ok(byte << (index % 8) & 0x80 != 0)
    }

    /// Whether all sectors of the block that are inside the disk have their bit set.
    ///
    /// `block` is the file offset of the block, `index` its number.
    fn is_full(&self, file: &dyn ReadAt, block: u64, index: u64) -> Result<bool, Error> {
        let sectors = self.map.stored(index * self.map.block_size).div_ceil(SECTOR);
        // OK: at most 64 KiB, and `Rules::block` checks that the block is inside the file.
        let bytes = file.slice(block, usize_of(sectors.div_ceil(8)))?;
        let first = Runs::new(&bytes, sectors, self.map.bit_order).next();
        Ok(first.is_none_or(|(is_set, count)| is_set && count == sectors))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;
    use core::ops::ControlFlow;

    use imgprep_map::{Source, StructureCounts};

    use super::*;
    use crate::bitmap::BitOrder;

    /// A disk of five blocks of 4 KiB; the table at 1536 has two more entries.
    ///
    /// The blocks begin at 2048.
    fn checked(entries: [u32; 7], file_len: usize) -> (StructureCounts, Vec<(&'static str, u64)>) {
        checked_with(entries, file_len, &[])
    }

    /// The same, with these bytes in the file.
    fn checked_with(
        entries: [u32; 7],
        file_len: usize,
        bytes: &[(usize, u8)],
    ) -> (StructureCounts, Vec<(&'static str, u64)>) {
        let bat = 1536..1536 + 28;
        let taken = [(0..512, "copy"), (512..1536, "header"), (bat.clone(), "table")];
        let tail = file_len as u64 - 512..file_len as u64;
        let mut fixed = Vec::from(taken.clone());
        fixed.push((tail, "the footer"));
        let map = Sparse {
            size: 5 * 4096,
            block_size: 4096,
            bat,
            bit_order: BitOrder::HighFirst,
            unwritten: Source::Parent,
            fixed,
            spaces: Vec::new(),
            bitmap_len: 512,
            taken,
        };
        let mut file = vec![0u8; file_len];
        for (at, entry) in (1536..).step_by(4).zip(entries) {
            file[at..at + 4].copy_from_slice(&entry.to_be_bytes());
        }
        bytes.iter().for_each(|(at, byte)| file[*at] = *byte);
        let mut found = Vec::new();
        let mut take = |finding: imgprep_map::Finding| {
            found.push((finding.code.id, finding.at.unwrap()));
            ControlFlow::Continue(())
        };
        let mut report = Report::new(&mut take);
        check(&map, &file, &mut report).unwrap();
        (report.finish(), found)
    }

    /// Sector number of block `n` in the file.
    fn nth(n: u32) -> u32 {
        4 + n * 9
    }

    const NO: u32 = crate::layout::UNUSED;

    #[test]
    fn blocks_are_counted() {
        let (got, found) = checked([nth(1), nth(0), NO, nth(2), nth(3), NO, NO], 2048 + 4 * 4608 + 512);
        assert_eq!(found, []);
        assert_eq!((got.total, got.allocated, got.fragmented), (Some(5), Some(4), Some(2)));
        assert_eq!((got.leaks, got.corruptions), (0, 0));
        assert_eq!(got.image_end, Some(2048 + 4 * 4608 + 512));
    }

    #[test]
    fn unreferenced_blocks_are_reported() {
        let (got, found) = checked([nth(0), nth(3), NO, NO, NO, NO, NO], 2048 + 6 * 4608 + 512 + 1024);
        assert_eq!(found, [("vhd.check.leak", 2048 + 4608), ("vhd.check.leak", 2048 + 4 * 4608)]);
        assert_eq!(got.leaks, 4);
    }

    #[test]
    fn data_between_blocks_is_reported_and_zeros_are_not() {
        let moved = [nth(0), nth(1) + 1, NO, NO, NO, NO, NO];
        let len = 2048 + 3 * 4608 + 512;
        let gap = 2048 + 4608..2048 + 4608 + 512;
        assert_eq!(checked_with(moved, len, &[(gap.start - 1, 1), (gap.end, 1)]).1, []);
        for at in [gap.start, gap.end - 1] {
            assert_eq!(checked_with(moved, len, &[(at, 1)]).1, [("vhd.check.gap-data", at as u64)]);
        }
    }

    #[test]
    fn padding_of_the_tables_last_sector_is_no_data() {
        // Without the padding as a structure of its own: bytes 1564 to 2048 are a gap.
        let blocks = [nth(0), NO, NO, NO, NO, NO, NO];
        assert_eq!(checked_with(blocks, 2048 + 4608 + 512, &[(1600, 0xff), (2047, 0xff)]).1, []);
    }

    #[test]
    fn entries_past_the_disk_are_reported() {
        let (_, found) = checked([nth(0), NO, NO, NO, NO, nth(1), nth(0)], 2048 + 2 * 4608 + 512);
        let beyond = "vhd.check.bat-beyond-disk";
        assert_eq!(found, [(beyond, 1556), ("vhd.check.bat-overlap", 1560)]);
        let (_, found) = checked([nth(0), NO, NO, NO, NO, NO, 0], 2048 + 4608 + 512);
        assert_eq!(found, [(beyond, 1560), ("vhd.check.bat-overlap", 1560)]);
    }
}
