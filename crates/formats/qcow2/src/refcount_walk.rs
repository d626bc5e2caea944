//! Counts the uses of clusters by the structures of the image.
//!
//! These are the header, the L1 and L2 tables of the disk and of every snapshot, data, and the tables that do
//! not describe clusters.

use alloc::format;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use byteorder::{BigEndian, ByteOrder};
use imgprep_format_kit::{Fields, padded, walk_entries};
use imgprep_map::{Error, ReadAt, Severity, usize_of};

use crate::codes;
use crate::counts::Counts;
use crate::header::Header;
use crate::layout::{
    BITMAPS, COMPRESSED, COPIED, L1_BYTES, OFFSET_MASK, REFCOUNT_TABLE_BYTES, SIDE_TABLE_BYTES, ZERO,
};
use crate::map::Map;
use crate::refcounts::Refcounts;
use crate::report::Report;

/// Bits of an L1 entry that must be zero.
const L1_RESERVED: u64 = !(OFFSET_MASK | COPIED);
/// Bits of a standard cluster descriptor that must be zero.
const L2_RESERVED: u64 = !(OFFSET_MASK | COPIED | COMPRESSED | ZERO);

/// Offsets of the header fields that reference tables.
const L1_FIELD: u64 = 40;
const REFCOUNTS_FIELD: u64 = 48;
const SNAPSHOTS_FIELD: u64 = 64;

/// An L1 table of the current disk or of a snapshot.
struct L1 {
    /// File offset of the reference to it.
    referenced_at: u64,
    at: u64,
    entries: u64,
    is_active: bool,
}

/// Use of the file by an L2 entry.
enum Use {
    Nothing,
    Plain { at: u64 },
    Compressed { at: u64, len: u64 },
}

impl Map {
    /// Length of the current disk, not that of a snapshot.
    pub(crate) fn active_size(&self) -> u64 {
        self.header.raw.size
    }

    /// Counts all uses except those by the refcount blocks.
    pub(crate) fn count_uses(
        &self,
        file: &dyn ReadAt,
        refcounts: &Refcounts<'_>,
        counts: &mut Counts,
        report: &mut Report<'_>,
    ) -> Result<(), Error> {
        let header = &self.header;
        counts.add(0, 0, header.cluster_size(), 1, report);
        let mut walk = Walk { header, file, refcounts, counts, report };
        let (at, entries) = (header.raw.l1_offset, header.raw.l1_size.into());
        let active = L1 { referenced_at: L1_FIELD, at, entries, is_active: true };
        walk.l1(&active)?;
        self.count_snapshots(&mut walk)?;
        if let Some(table) = &self.snapshot_table {
            walk.counts.add(SNAPSHOTS_FIELD, table.start, table.end - table.start, 1, walk.report);
        }
        let table_len = u64::from(header.raw.refcount_clusters) << header.cluster_bits;
        if table_len <= REFCOUNT_TABLE_BYTES {
            walk.counts.add(REFCOUNTS_FIELD, header.raw.refcount_offset, table_len, 1, walk.report);
        } else {
            let message = format!("the refcount table of {table_len} bytes is larger than any image needs");
            walk.report.corrupt(codes::REFCOUNT_TABLE, 56, 1, message);
        }
        if let Some((at, len)) = self.tables.crypto.filter(|(_, len)| *len <= SIDE_TABLE_BYTES) {
            walk.counts.add(at, at, len, 1, walk.report);
        }
        if let Some((at, len, count)) = self.tables.bitmaps.filter(|_| header.raw.autoclear & BITMAPS != 0) {
            walk.bitmaps(at, len, count)?;
        }
        Ok(())
    }

    fn count_snapshots(&self, walk: &mut Walk<'_, '_, '_>) -> Result<(), Error> {
        let snapshots = &self.tables.snapshots;
        if self.header.has_data_file() && !snapshots.is_empty() {
            let message = format!("{} snapshots of an image with an external data file", snapshots.len());
            walk.report.corrupt(codes::SNAPSHOT_DATA_FILE, 60, 1, message);
        }
        let mut walked = 0u64;
        for snapshot in snapshots {
            let (at, entries) = (snapshot.l1_at, u64::from(snapshot.l1_entries));
            if self.header.is_v3() && snapshot.extra_len < 16 {
                let message = "the entry has less extra data than version 3 requires".into();
                walk.report.corrupt(codes::SNAPSHOT_INCOMPLETE, snapshot.at, 1, message);
            }
            if !at.is_multiple_of(self.header.cluster_size()) {
                let message = format!("its L1 table at {at} is not cluster-aligned");
                walk.report.corrupt(codes::SNAPSHOT_L1, snapshot.at, 1, message);
                continue;
            }
            if entries * 8 > L1_BYTES {
                let message = format!("its L1 table of {entries} entries is too large");
                walk.report.corrupt(codes::SNAPSHOT_L1, snapshot.at + 8, 1, message);
                continue;
            }
            // Tables that do not overlap fit into the file together. This bounds the work.
            walked = walked.saturating_add((entries * 8).min(walk.file.len().saturating_sub(at)));
            if walked > walk.file.len() {
                walk.report.counts.check_errors += 1;
                let message = "the L1 tables of snapshots overlap: the remaining ones are not checked".into();
                walk.report.add(codes::SNAPSHOT_OVERLAP, Severity::Error, Some(snapshot.at), message);
                return Ok(());
            }
            walk.l1(&L1 { referenced_at: snapshot.at, at, entries, is_active: false })?;
        }
        Ok(())
    }
}

struct Walk<'w, 'a, 'f> {
    header: &'w Header,
    file: &'w dyn ReadAt,
    refcounts: &'w Refcounts<'a>,
    counts: &'w mut Counts,
    report: &'w mut Report<'f>,
}

impl Walk<'_, '_, '_> {
    fn l1(&mut self, table: &L1) -> Result<(), Error> {
        if table.entries == 0 {
            return Ok(());
        }
        self.counts.add(table.referenced_at, table.at, table.entries * 8, 1, self.report);
        let mut tables = Vec::new();
        // Entries past the end of the file are zeros, so nothing is allocated.
        let end = table.at.saturating_add(table.entries * 8).min(self.file.len());
        let entries = 0..end.saturating_sub(table.at) / 8;
        let _ = walk_entries(self.file, table.at, entries, u64::from_be_bytes, |entry| {
            if entry.value != 0 {
                tables.push(entry.value & OFFSET_MASK);
                self.l1_entry(table, entry.at, entry.value)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        // Walks every table once, in file order, with the number of entries that reference it as its weight.
        tables.sort_unstable();
        for same in tables.chunk_by(|a, b| a == b) {
            // OK: saturates, as all counts do.
            let weight = u32::try_from(same.len()).unwrap_or(u32::MAX);
            // OK: no chunk is empty.
            self.l2(same[0], weight, table.is_active)?;
            if self.report.is_over {
                break;
            }
        }
        Ok(())
    }

    fn l1_entry(&mut self, table: &L1, at: u64, entry: u64) -> Result<(), Error> {
        let offset = entry & OFFSET_MASK;
        if entry & L1_RESERVED != 0 {
            let message = format!("L1 entry {entry:#018x} has reserved bits set");
            self.report.corrupt(codes::L1_RESERVED, at, 1, message);
        }
        self.counts.add(at, offset, self.header.cluster_size(), 1, self.report);
        if !offset.is_multiple_of(self.header.cluster_size()) {
            let message = format!("the L2 table at {offset} is not cluster-aligned");
            self.report.corrupt(codes::L1_UNALIGNED, at, 1, message);
        }
        if table.is_active && offset != 0 {
            self.copied(at, entry, offset, 1, "L2 table")?;
        }
        Ok(())
    }

    /// Checks that COPIED is set exactly if the stored count is one.
    fn copied(&mut self, at: u64, entry: u64, offset: u64, weight: u32, what: &str) -> Result<(), Error> {
        if !self.report.is_first_pass {
            return Ok(());
        }
        let Some(count) = self.refcounts.get(offset >> self.header.cluster_bits)? else { return Ok(()) };
        self.copied_is(at, entry, count, weight, what);
        Ok(())
    }

    fn copied_is(&mut self, at: u64, entry: u64, count: u64, weight: u32, what: &str) {
        let is_copied = entry & COPIED != 0;
        if is_copied != (count == 1) {
            let is = if is_copied { "set" } else { "clear" };
            let message =
                format!("the COPIED flag of the {what} is {is}, but its reference count is {count}");
            self.report.corrupt(codes::COPIED, at, weight.into(), message);
        }
    }

    fn l2(&mut self, table: u64, weight: u32, is_active: bool) -> Result<(), Error> {
        let cluster_size = self.header.cluster_size();
        // A table of zeros has no entries.
        if self.file.next_data(table) >= table.saturating_add(cluster_size) || table >= self.file.len() {
            return Ok(());
        }
        // OK: a cluster, at most 2 MiB.
        let bytes = padded(self.file, table, usize_of(cluster_size))?;
        let step = if self.header.has_extended_l2() { 16 } else { 8 };
        let mut expected = None;
        for (at, entry) in (table..).step_by(step).zip(bytes.chunks_exact(step)) {
            let bitmap = entry.get(8..16).map_or(0, BigEndian::read_u64);
            let entry = BigEndian::read_u64(entry);
            if entry == 0 && bitmap == 0 {
                continue;
            }
            match self.entry(at, entry, bitmap, weight) {
                Use::Nothing => {}
                Use::Compressed { at: place, len } => {
                    self.counts.add(at, place, len, weight, self.report);
                    if is_active {
                        self.stored(weight, true, true);
                    }
                }
                Use::Plain { at: place } => {
                    if is_active {
                        self.stored(weight, expected.is_some_and(|expected| expected != place), false);
                    }
                    expected = place.checked_add(cluster_size);
                    if !self.header.has_data_file() {
                        self.counts.add(at, place, cluster_size, weight, self.report);
                    }
                    // An L1 entry with flags but offset 0 references the header, which is not a table with
                    // valid flags.
                    if is_active && table != 0 {
                        self.copied_plain(at, entry, place, weight)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn copied_plain(&mut self, at: u64, entry: u64, place: u64, weight: u32) -> Result<(), Error> {
        if self.header.has_data_file() {
            // The data file has no counts: it belongs to this image alone.
            self.copied_is(at, entry, 1, weight, "data cluster");
            return Ok(());
        }
        self.copied(at, entry, place, weight, "data cluster")
    }

    /// Adds to the totals of the disk, in the first pass only.
    fn stored(&mut self, weight: u32, is_fragmented: bool, is_compressed: bool) {
        if !self.report.is_first_pass {
            return;
        }
        let add = |number: &mut Option<u64>, is: bool| {
            if let Some(number) = number.as_mut().filter(|_| is) {
                *number += u64::from(weight);
            }
        };
        let checked = &mut self.report.counts;
        add(&mut checked.allocated, true);
        add(&mut checked.fragmented, is_fragmented);
        add(&mut checked.compressed, is_compressed);
    }

    /// Reports the errors of one L2 entry and returns the space that it uses.
    fn entry(&mut self, at: u64, entry: u64, bitmap: u64, weight: u32) -> Use {
        let weight = u64::from(weight);
        let offset = entry & OFFSET_MASK;
        let (allocated, zeros) = (bitmap & 0xffff_ffff, bitmap >> 32);
        let has_data_file = self.header.has_data_file();
        let code = codes::L2_ENTRY;
        if entry & COMPRESSED != 0 {
            return self.compressed(at, entry, bitmap, weight);
        }
        if entry & L2_RESERVED != 0 {
            self.report.corrupt(code, at, weight, format!("L2 entry {entry:#018x} has reserved bits set"));
        }
        let is_zero = entry & ZERO != 0 && !self.header.has_extended_l2();
        if offset == 0 && is_zero {
            return Use::Nothing;
        }
        if offset == 0 && !(has_data_file && entry & COPIED != 0) {
            if allocated != 0 {
                let message = "subclusters of an unallocated cluster are allocated".into();
                self.report.corrupt(codes::L2_SUBCLUSTERS, at + 8, weight, message);
            }
            return Use::Nothing;
        }
        if allocated & zeros != 0 {
            let message = "a subcluster is both allocated and zero".into();
            self.report.corrupt(codes::L2_SUBCLUSTERS, at + 8, weight, message);
        }
        if !offset.is_multiple_of(self.header.cluster_size()) {
            self.report.corrupt(code, at, weight, format!("the data at {offset} is not cluster-aligned"));
        }
        Use::Plain { at: offset }
    }

    fn compressed(&mut self, at: u64, entry: u64, bitmap: u64, weight: u64) -> Use {
        let code = codes::L2_COMPRESSED;
        if entry & COPIED != 0 {
            self.report.corrupt(code, at, weight, "COPIED is set for a compressed cluster".into());
        }
        if self.header.has_data_file() {
            let message = "a compressed cluster with an external data file".into();
            self.report.corrupt(code, at, weight, message);
            return Use::Nothing;
        }
        if bitmap != 0 {
            self.report.corrupt(code, at + 8, weight, "a compressed cluster with subclusters".into());
            return Use::Nothing;
        }
        // Section "Compressed Clusters Descriptor".
        let offset_bits = 62 - (self.header.cluster_bits - 8);
        let place = entry & ((1 << offset_bits) - 1);
        let sectors = (entry & (COMPRESSED - 1)) >> offset_bits;
        Use::Compressed { at: place, len: (sectors + 1) * 512 - place % 512 }
    }

    /// Counts the uses by the bitmap directory and its tables (section "Bitmaps").
    fn bitmaps(&mut self, directory: u64, len: u64, count: u32) -> Result<(), Error> {
        if len > SIDE_TABLE_BYTES {
            self.no_bitmap(directory, format!("the bitmap directory has {len} bytes"));
            return Ok(());
        }
        self.counts.add(directory, directory, len, 1, self.report);
        let end = directory.saturating_add(len);
        let mut at = directory;
        let mut walked = 0u64;
        for number in 0..count {
            let fits =
                |at: u64, len: u64| at.checked_add(len).is_some_and(|to| to <= end.min(self.file.len()));
            if !fits(at, 24) {
                self.no_bitmap(at, format!("bitmap directory entry {number} extends past the directory"));
                return Ok(());
            }
            let head = self.file.array::<24>(at)?;
            let head = Fields::be(&head);
            let (table, entries) = (head.u64::<0>(), u64::from(head.u32::<8>()));
            let (name, extra) = (u64::from(head.u16::<18>()), u64::from(head.u32::<20>()));
            let whole = (24 + name + extra).next_multiple_of(8);
            if !fits(at, whole) {
                self.no_bitmap(at, format!("bitmap directory entry {number} extends past the directory"));
                return Ok(());
            }
            walked = walked.saturating_add(entries * 8);
            if table.saturating_add(entries * 8) > self.file.len() || walked > SIDE_TABLE_BYTES {
                self.no_bitmap(at, format!("the table of bitmap {number} extends past the end of the file"));
                return Ok(());
            }
            if !table.is_multiple_of(self.header.cluster_size()) {
                self.no_bitmap(at, format!("the table of bitmap {number} is not cluster-aligned"));
                return Ok(());
            }
            self.counts.add(at, table, entries * 8, 1, self.report);
            self.bitmap_table(table, entries)?;
            at += whole;
        }
        Ok(())
    }

    fn no_bitmap(&mut self, at: u64, message: alloc::string::String) {
        self.report.corrupt(codes::BITMAPS_DIRECTORY, at, 1, message);
    }

    fn bitmap_table(&mut self, table: u64, entries: u64) -> Result<(), Error> {
        let _ = walk_entries(self.file, table, 0..entries, u64::from_be_bytes, |run| {
            let (entry, size) = (run.value, self.header.cluster_size());
            let offset = entry & OFFSET_MASK;
            // Without an offset, bit 0 means "all ones".
            let is_bad = entry & !(OFFSET_MASK | 1) != 0
                || (offset != 0 && (entry & 1 != 0 || !offset.is_multiple_of(size)));
            if is_bad {
                let message = format!("invalid bitmap table entry {entry:#018x}");
                self.report.corrupt(codes::BITMAPS_ENTRY, run.at, 1, message);
            } else if offset != 0 {
                self.counts.add(run.at, offset, size, 1, self.report);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(())
    }
}
