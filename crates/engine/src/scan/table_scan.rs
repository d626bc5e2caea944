//! The walk over all tables, before an output exists.

use std::ops::{ControlFlow, Range};

use imgprep_map::{Error, Source};

use super::allocation::AllocationHistogram;
use super::usage::{self, Compared};
use crate::{EngineError, Loss, Losses, OnLoss, Options, ResolvedExtent, Stack};

/// The result of a walk over all tables of a stack, without reading payload.
///
/// It is made once and passed to whatever needs it: the plan, the conversion, the reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableScan {
    /// Length of the disk, in bytes.
    pub size: u64,
    /// Bytes of a chunk.
    pub chunk: u64,
    /// Chunks that may contain data.
    pub chunks: u64,
    /// Groups of chunks that may contain data: the blocks of an output whose blocks are larger than chunks.
    pub groups: u64,
    /// Extents of the disk.
    pub extents: u64,
    /// Bytes of the disk that are stored uncompressed.
    pub data: u64,
    /// Bytes of the disk that are stored compressed.
    pub compressed: u64,
    /// Bytes of the disk that are known to be zeros.
    pub zeros: u64,
    /// Bytes of the largest compressed block.
    pub largest_compressed: u64,
    /// The allocation of each part of the disk; `None` if a range of the disk could not be walked.
    pub allocation: Option<AllocationHistogram>,
    /// Ranges that cannot be read, and conflicts, in the order in which they were found.
    pub losses: Vec<Loss>,
}

impl TableScan {
    /// Bytes of the disk that have to be read.
    pub fn total(&self) -> u64 {
        self.chunks.saturating_mul(self.chunk).min(self.size)
    }
}

/// Walks every table of every layer: all errors in the tables are reported now, before an output exists.
///
/// With [`OnLoss::Zero`] ranges that cannot be read are listed in [`TableScan::losses`] and counted as zeros; so are
/// conflicts between entries, though what they name is still read.
///
/// A group of chunks has `group` bytes.
pub fn scan_tables(stack: &Stack, chunk: u64, group: u64, options: &Options<'_>) -> Result<TableScan, Error> {
    let losses = Losses::default();
    for layer in stack.layers() {
        options.interrupt.check()?;
        let mut conflicts = 0;
        let compared =
            usage::check(layer, options.memory / 2, options.on_loss, options.interrupt, &mut |error| {
                conflicts += 1;
                losses.add(error.disk().unwrap_or(0..0), &error);
            })?;
        if compared == Compared::Part {
            losses.add(0..0, &layer.name(EngineError::ManyConflicts { conflicts }.into()));
        }
    }
    let mut counted = Count::new(stack.size(), chunk, group);
    let mut at = 0;
    while at < stack.size() {
        let walked = stack.visit_until(options.interrupt, at..u64::MAX, &mut |extent| {
            counted.add(&extent);
            if options.interrupt.is_raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        options.interrupt.check()?;
        match walked {
            Ok(()) => break,
            Err(error) => match error.disk() {
                Some(lost) if options.on_loss == OnLoss::Zero && lost.end > at => {
                    losses.add(lost.clone(), &error);
                    counted.table_scan.allocation = None;
                    counted.table_scan.zeros += lost.end - lost.start;
                    at = lost.end;
                }
                _ => return Err(error),
            },
        }
    }
    stack.verify_mapping()?;
    Ok(TableScan { losses: losses.into_found(), ..counted.table_scan })
}

struct Count {
    table_scan: TableScan,
    /// Bytes of a group.
    group: u64,
    /// The first chunk and the first group that were not counted yet.
    next_chunk: u64,
    next_group: u64,
}

impl Count {
    fn new(size: u64, chunk: u64, group: u64) -> Self {
        let allocation = Some(AllocationHistogram::new(size));
        let table_scan = TableScan { size, chunk, allocation, ..TableScan::default() };
        Self { table_scan, group, next_chunk: 0, next_group: 0 }
    }

    fn add(&mut self, extent: &ResolvedExtent) {
        let found = &mut self.table_scan;
        found.extents += 1;
        if let Some(allocation) = &mut found.allocation {
            allocation.add(extent);
        }
        match &extent.source {
            Source::Zero { .. } | Source::Parent => {
                found.zeros += extent.len();
                return;
            }
            Source::Data { .. } => found.data += extent.len(),
            Source::Compressed { block, .. } => {
                found.compressed += extent.len();
                found.largest_compressed = found.largest_compressed.max(block.end - block.start);
            }
        }
        found.chunks += count(&extent.disk, found.chunk, &mut self.next_chunk);
        found.groups += count(&extent.disk, self.group, &mut self.next_group);
    }
}

/// Units of `unit` bytes that a range touches, without those before `next`, which becomes the end of the range.
fn count(disk: &Range<u64>, unit: u64, next: &mut u64) -> u64 {
    let (first, end) = ((disk.start / unit).max(*next), disk.end.div_ceil(unit));
    *next = end.max(*next);
    end.saturating_sub(first)
}
