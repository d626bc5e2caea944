//! The plan of a conversion, from its tables.

use std::sync::Arc;

use imgprep_codec::compress_bound;
use imgprep_engine::{Loss, Losses, OnLoss, Options, TableScan, chunk_size, scan_tables};
use imgprep_map::{Encoding, Error, ImageWriter};

use crate::disk::DiskToken;
use crate::{ConvertOptions, Disk};

/// The plan of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The result of the table scan.
    pub table_scan: TableScan,
    /// Length of the output: exact if the format stores the disk contiguously, otherwise an upper bound.
    pub len: u64,
    /// Whether the length is exact.
    pub is_exact: bool,
    /// Files of the output.
    pub files: usize,
    /// Ranges that cannot be read.
    pub losses: Vec<Loss>,
    /// The conversions that the table scan is valid for.
    scope: Scope,
}

/// A disk and the handling of losses.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scope {
    disk: Arc<DiskToken>,
    on_loss: OnLoss,
}

/// Scans all tables, as a conversion does before it begins. No payload is read, and nothing is written.
pub fn plan(disk: &Disk, options: &ConvertOptions, run: &Options<'_>) -> Result<Plan, Error> {
    disk.check_readable()?;
    let format = options.target.writer(disk.size(), options.uuid, options.unix_time)?;
    let table_scan = scan_tables(disk.stack(), chunk_size(&*format), group_size(&*format), run)?;
    // Where only the backing file has data, zeros may have to be stored.
    let groups = if options.target.backing().is_some() { u64::MAX } else { table_scan.groups };
    let len = max_len(&*format, disk.size(), groups);
    let losses = Losses::from(table_scan.losses.clone()).into_sorted();
    let scope = Scope { disk: Arc::clone(disk.token()), on_loss: run.on_loss };
    Ok(Plan {
        table_scan,
        len,
        is_exact: format.linear_at().is_some() && format.files().is_empty(),
        files: format.files().len().max(1),
        losses,
        scope,
    })
}

/// Size of a group of chunks: a block that is larger than a chunk, or a chunk.
fn group_size(format: &dyn ImageWriter) -> u64 {
    chunk_size(format).max(format.block())
}

/// The maximum length of a file with at most this many groups of chunks that contain data.
pub(crate) fn max_len(format: &dyn ImageWriter, size: u64, groups: u64) -> u64 {
    let block = format.block();
    let stored = match format.encoding() {
        Encoding::PerBlock { compression, keep_if_smaller: false } => compress_bound(compression, block),
        Encoding::Plain | Encoding::PerBlock { .. } => block,
    };
    let blocks = groups.saturating_mul(group_size(format) / block);
    format.max_len(blocks.min(size.div_ceil(block)), stored)
}

/// The table scan of a plan if it is valid for this conversion, otherwise a new one.
pub(crate) fn tables_of(
    disk: &Disk,
    plan: Option<Plan>,
    format: &dyn ImageWriter,
    run: &Options<'_>,
) -> Result<TableScan, Error> {
    let chunk = chunk_size(format);
    let is_valid = |plan: &Plan| {
        Arc::ptr_eq(&plan.scope.disk, disk.token())
            && plan.scope.on_loss == run.on_loss
            && plan.table_scan.chunk == chunk
    };
    match plan.filter(is_valid) {
        Some(plan) => Ok(plan.table_scan),
        None => scan_tables(disk.stack(), chunk, chunk, run),
    }
}
