//! The walk before the first output byte.

use std::ops::ControlFlow;

use imgprep_map::{Error, Source};

use super::usage::{self, Compared};
use crate::{EngineError, Losses, OnLoss, Options, ResolvedExtent, Stack};

/// The result of a walk over all tables of a stack, without reading payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableScan {
    /// Length of the disk, in bytes.
    pub size: u64,
    /// Bytes of a chunk.
    pub chunk: u64,
    /// Chunks that may hold something else than zeros.
    pub chunks: u64,
    /// Bytes of the disk that are stored as they are.
    pub data: u64,
    /// Bytes of the disk that are stored compressed.
    pub compressed: u64,
    /// Bytes of the disk that are known to be zeros.
    pub zeros: u64,
    /// Bytes of the largest compressed block.
    pub largest_compressed: u64,
}

impl TableScan {
    /// Bytes of the disk that have to be looked at.
    pub fn total(&self) -> u64 {
        self.chunks.saturating_mul(self.chunk).min(self.size)
    }
}

/// Walks every table of every layer: all errors that the tables reveal are reported
/// now, before an output exists.
///
/// With [`OnLoss::Zero`] ranges that cannot be read are listed in `losses` and counted
/// as zeros; so are conflicts between entries, though what they name is still read.
pub fn scan_tables(
    stack: &Stack,
    chunk: u64,
    options: &Options<'_>,
    losses: &Losses,
) -> Result<TableScan, Error> {
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
    let mut counted =
        Count { table_scan: TableScan { size: stack.size(), chunk, ..TableScan::default() }, next_chunk: 0 };
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
                    counted.table_scan.zeros += lost.end - lost.start;
                    at = lost.end;
                }
                _ => return Err(error),
            },
        }
    }
    stack.verify_mapping()?;
    Ok(counted.table_scan)
}

struct Count {
    table_scan: TableScan,
    /// The first chunk that was not counted yet.
    next_chunk: u64,
}

impl Count {
    fn add(&mut self, extent: &ResolvedExtent) {
        match &extent.source {
            Source::Zero { .. } | Source::Parent => {
                self.table_scan.zeros += extent.len();
                return;
            }
            Source::Data { .. } => self.table_scan.data += extent.len(),
            Source::Compressed { block, .. } => {
                self.table_scan.compressed += extent.len();
                self.table_scan.largest_compressed =
                    self.table_scan.largest_compressed.max(block.end - block.start);
            }
        }
        let first = (extent.disk.start / self.table_scan.chunk).max(self.next_chunk);
        let end = extent.disk.end.div_ceil(self.table_scan.chunk);
        self.table_scan.chunks += end.saturating_sub(first);
        self.next_chunk = self.next_chunk.max(end);
    }
}
