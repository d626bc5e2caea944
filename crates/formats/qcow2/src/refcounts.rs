//! The reference counts stored in the image: table -> block -> count.
//!
//! Source: section "Host cluster management".

use alloc::format;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::ops::ControlFlow;

use byteorder::{BigEndian, ByteOrder};
use imgprep_format_kit::{padded, walk_entries};
use imgprep_map::{Error, ReadAt, Severity, usize_of};

use crate::codes;
use crate::counts::{CHUNK, Counts};
use crate::header::Header;
use crate::layout::REFCOUNT_TABLE_BYTES;
use crate::report::{Report, clusters};

/// Bits 9 to 63 of a refcount table entry: the block's offset.
///
/// The other bits must be zero.
const BLOCK_MASK: u64 = !0x1ff;

pub(crate) struct Refcounts<'a> {
    file: &'a dyn ReadAt,
    cluster_bits: u32,
    table_at: u64,
    /// Entries of the table.
    entries: u64,
    /// log2 of the bits of a count.
    order: u32,
    /// Number and entry of the block that was looked up last.
    last: Cell<Option<(u64, u64)>>,
    /// Number and bytes of that block if the file is mapped.
    bytes: Cell<Option<(u64, &'a [u8])>>,
    /// Offset and contents of the last read if it is not: at most [`WINDOW`] bytes.
    window: RefCell<(u64, Vec<u8>)>,
}

/// Bytes of a refcount block per read: adjacent clusters have adjacent counts.
const WINDOW: u64 = 4096;

impl<'a> Refcounts<'a> {
    pub(crate) fn new(header: &Header, file: &'a dyn ReadAt) -> Self {
        let table_at = header.raw.refcount_offset;
        let declared = u64::from(header.raw.refcount_clusters) << (header.cluster_bits - 3);
        // Entries past the end of the file are zeros, so nothing is allocated.
        let entries = declared.min(file.len().saturating_sub(table_at) / 8).min(REFCOUNT_TABLE_BYTES / 8);
        Self {
            file,
            cluster_bits: header.cluster_bits,
            table_at,
            entries,
            order: header.raw.refcount_order,
            last: Cell::new(None),
            bytes: Cell::new(None),
            window: RefCell::default(),
        }
    }

    /// Checks the location of the table.
    pub(crate) fn check_place(&self, report: &mut Report<'_>) {
        if self.entries == 0 || !self.table_at.is_multiple_of(1 << self.cluster_bits) {
            let at = self.table_at;
            report.corrupt(codes::REFCOUNT_TABLE, 48, 1, format!("invalid refcount table offset {at}"));
        }
    }

    /// Number of counts per block.
    fn per_block(&self) -> u64 {
        1 << (self.cluster_bits + 3 - self.order)
    }

    /// The largest count that can be stored.
    fn most(&self) -> u64 {
        // QEMU treats a count of 64 bits as signed. A number of uses never becomes that large.
        if self.order == 6 { u64::MAX >> 1 } else { (1 << (1u32 << self.order)) - 1 }
    }

    fn entry(&self, block: u64) -> Result<u64, Error> {
        if block >= self.entries {
            return Ok(0);
        }
        if let Some((number, entry)) = self.last.get().filter(|(number, _)| *number == block) {
            let _ = number;
            return Ok(entry);
        }
        let entry = BigEndian::read_u64(&self.file.array::<8>(self.table_at + block * 8)?);
        self.last.set(Some((block, entry)));
        Ok(entry)
    }

    fn block_at(&self, entry: u64) -> Option<u64> {
        let at = entry & BLOCK_MASK;
        at.is_multiple_of(1 << self.cluster_bits).then_some(at)
    }

    /// The count of a cluster; `None` if its block cannot be read.
    pub(crate) fn get(&self, cluster: u64) -> Result<Option<u64>, Error> {
        let block = cluster / self.per_block();
        let entry = self.entry(block)?;
        let Some(at) = self.block_at(entry) else { return Ok(None) };
        if at == 0 {
            return Ok(Some(0));
        }
        let index = cluster % self.per_block();
        if let Some(count) = self.mapped(block, at, index) {
            return Ok(Some(count));
        }
        self.read(at.saturating_add((index << self.order) / 8), index).map(Some)
    }

    /// The count, if its block is mapped. Caches the block for adjacent clusters.
    fn mapped(&self, block: u64, at: u64, index: u64) -> Option<u64> {
        let bytes = match self.bytes.get().filter(|(number, _)| *number == block) {
            Some((_, bytes)) => bytes,
            None => self.file.mapped(at..at.checked_add(1 << self.cluster_bits)?)?,
        };
        self.bytes.set(Some((block, bytes)));
        let from = usize::try_from((index << self.order) / 8).ok()?;
        Some(self.decode(bytes.get(from..)?, index))
    }

    /// Reads the count at `index` of its block.
    ///
    /// The count begins in the byte at file offset `at`. It does not cross the end of a window: it has at
    /// most 8 bytes, at a multiple of its length.
    fn read(&self, at: u64, index: u64) -> Result<u64, Error> {
        let start = at / WINDOW * WINDOW;
        let mut window = self.window.borrow_mut();
        if window.0 != start || window.1.is_empty() {
            *window = (start, padded(self.file, start, usize_of(WINDOW))?.into_owned());
        }
        // OK: within the window, by its start.
        Ok(self.decode(&window.1[usize_of(at - start)..], index))
    }

    /// Decodes the count at `index` of its block.
    ///
    /// `bytes` begins with the byte of the block in which the count begins.
    fn decode(&self, bytes: &[u8], index: u64) -> u64 {
        match self.order {
            6 => BigEndian::read_u64(bytes),
            5 => BigEndian::read_u32(bytes).into(),
            4 => BigEndian::read_u16(bytes).into(),
            // OK: the caller passes at least the bytes of one count.
            3 => bytes[0].into(),
            // Counts of less than a byte begin at its least significant bit.
            order => {
                let shift = (index << order) % 8;
                // OK: as above.
                u64::from(bytes[0]) >> shift & ((1 << (1u32 << order)) - 1)
            }
        }
    }

    /// Calls `each` with number and value of every nonzero entry. Skips holes.
    fn each_entry(&self, mut each: impl FnMut(u64, u64)) -> Result<(), Error> {
        let _ = walk_entries(self.file, self.table_at, 0..self.entries, u64::from_be_bytes, |entry| {
            if entry.value != 0 {
                each(entry.index, entry.value);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(())
    }

    /// Allocates chunks for the blocks themselves, before other uses fill the memory.
    pub(crate) fn touch_blocks(&self, counts: &mut Counts) -> Result<(), Error> {
        let file_len = self.file.len();
        self.each_entry(|_, entry| {
            if let Some(at) = self.block_at(entry).filter(|at| *at != 0 && *at < file_len) {
                counts.touch(at >> self.cluster_bits);
            }
        })
    }

    /// Counts the use of each block by itself, which must be the only one.
    pub(crate) fn count_blocks(&self, counts: &mut Counts, report: &mut Report<'_>) -> Result<(), Error> {
        let cluster_size = 1u64 << self.cluster_bits;
        let most = self.most();
        self.each_entry(|number, entry| {
            let entry_at = self.table_at + number * 8;
            let at = entry & BLOCK_MASK;
            let cluster = at >> self.cluster_bits;
            let code = codes::REFCOUNT_BLOCK;
            if entry & !BLOCK_MASK != 0 {
                report.corrupt(
                    code,
                    entry_at,
                    1,
                    format!("refcount table entry {number} has reserved bits set"),
                );
            } else if !at.is_multiple_of(cluster_size) {
                report.corrupt(code, entry_at, 1, format!("refcount block {number} is not cluster-aligned"));
            } else if cluster >= counts.clusters {
                report.corrupt(code, entry_at, 1, format!("refcount block {number} is outside the file"));
            } else {
                counts.add(entry_at, at, cluster_size, 1, report);
                let is_counted = (counts.start()..counts.end()).contains(&cluster);
                let uses = u64::from(counts.get(cluster)).min(most);
                if is_counted && uses != 1 {
                    // Reported in the pass that counts this cluster, which may not be the first.
                    let was_first = core::mem::replace(&mut report.is_first_pass, true);
                    let message = format!("the cluster of refcount block {number} has {uses} references");
                    report.corrupt(code, entry_at, 1, message);
                    report.is_first_pass = was_first;
                }
            }
        })
    }

    /// Compares the stored counts with the uses.
    ///
    /// Returns the highest cluster that has either.
    pub(crate) fn compare(&self, counts: &Counts, report: &mut Report<'_>) -> Result<u64, Error> {
        let mut run = Run { highest: 0, held: None };
        let end = counts.end().min(counts.clusters);
        let mut cluster = counts.start();
        while cluster < end && !report.is_over {
            let block = cluster / self.per_block();
            let entry = self.entry(block)?;
            let block_end = ((block + 1) * self.per_block()).min(end);
            if entry & BLOCK_MASK == 0 && !counts.has_chunk(cluster) {
                // Nothing is stored or used here: continue where something is.
                let used = counts.next_chunk(cluster).unwrap_or(end);
                let stored = self.next_block(block + 1)?.map_or(end, |block| block * self.per_block());
                cluster = used.min(stored.max(block_end)).max(cluster + 1).min(end);
                continue;
            }
            let part_end = block_end.min((cluster / CHUNK + 1) * CHUNK);
            self.compare_part((cluster, part_end), entry, counts, &mut run, report)?;
            cluster = part_end;
        }
        run.flush(report, self.cluster_bits);
        Ok(run.highest)
    }

    /// First block at or after `block` whose entry is not zero.
    fn next_block(&self, block: u64) -> Result<Option<u64>, Error> {
        let (mut found, entries) = (None, block.min(self.entries)..self.entries);
        let _ = walk_entries(self.file, self.table_at, entries, u64::from_be_bytes, |entry| {
            found = (entry.value != 0).then_some(entry.index);
            Ok(if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// Compares the clusters that are both in one block and in one chunk.
    fn compare_part(
        &self,
        (start, end): (u64, u64),
        entry: u64,
        counts: &Counts,
        run: &mut Run,
        report: &mut Report<'_>,
    ) -> Result<(), Error> {
        let Some(block_at) = self.block_at(entry) else {
            report.counts.check_errors += end - start;
            let message = format!("the reference counts of {} cannot be read", clusters(start, end - start));
            report.add(codes::REFCOUNT_UNREADABLE, Severity::Error, Some(entry & BLOCK_MASK), message);
            return Ok(());
        };
        let first = start % self.per_block();
        let bits = 1u64 << self.order;
        let from = block_at.saturating_add(first * bits / 8);
        // OK: at most as many counts as a chunk has, of at most 8 bytes.
        let len = usize_of(((end - start) * bits).div_ceil(8) + 1);
        let bytes = if block_at == 0 { alloc::vec![0; len].into() } else { padded(self.file, from, len)? };
        if bytes.iter().all(|byte| *byte == 0) && !counts.has_chunk(start) {
            return Ok(());
        }
        let used = counts.chunk(start);
        for cluster in start..end {
            let index = cluster % self.per_block();
            let byte = usize_of((index * bits) / 8 - (first * bits) / 8);
            // OK: within `bytes`, which extend past the part's last count.
            let stored = self.decode(&bytes[byte..], index);
            let within = usize_of(cluster % CHUNK);
            // OK: a part lies in one chunk.
            let uses = u64::from(used.map_or(0, |used| used[within]));
            let most = self.most();
            if uses > most {
                report.counts.corruptions += uses - most;
                let message = format!("cluster {cluster} has {uses} references, the maximum count is {most}");
                report.add(
                    codes::REFCOUNT_OVERFLOW,
                    Severity::Error,
                    Some(cluster << self.cluster_bits),
                    message,
                );
            }
            run.see(cluster, stored, uses.min(most), report, self.cluster_bits);
        }
        Ok(())
    }
}

/// A run of adjacent clusters with the same error, reported once.
struct Run {
    highest: u64,
    /// First cluster, number of clusters, stored count, uses.
    held: Option<(u64, u64, u64, u64)>,
}

impl Run {
    fn see(&mut self, cluster: u64, stored: u64, used: u64, report: &mut Report<'_>, cluster_bits: u32) {
        if stored > 0 || used > 0 {
            self.highest = cluster;
        }
        if stored == used {
            return;
        }
        match &mut self.held {
            Some((first, count, a, b)) if (*a, *b) == (stored, used) && *first + *count == cluster => {
                *count += 1;
            }
            _ => {
                self.flush(report, cluster_bits);
                self.held = Some((cluster, 1, stored, used));
            }
        }
    }

    fn flush(&mut self, report: &mut Report<'_>, cluster_bits: u32) {
        let Some((first, count, stored, used)) = self.held.take() else { return };
        let at = Some(first << cluster_bits);
        let what = clusters(first, count);
        if stored > used {
            report.counts.leaks += count;
            let message = format!("{what}: the reference count is {stored}, but there are {used} references");
            report.add(codes::REFCOUNT_LEAK, Severity::Warning, at, message);
        } else {
            report.counts.corruptions += count;
            let message = format!("{what}: the reference count is {stored}, but there are {used} references");
            report.add(codes::REFCOUNT_LOW, Severity::Error, at, message);
        }
    }
}
