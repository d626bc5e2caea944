//! Compares the contents of two disks of any formats.

use imgprep_engine::{CHUNK, CompareShape, Differences, Options, ScannedDisk, compare as run, scan_tables};
use imgprep_map::Error;

use crate::{Disk, RequestError};

/// Options of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompareOptions {
    /// Size of the blocks that are compared, in bytes: a power of two of at most 2 MiB. Differing ranges are whole blocks.
    pub granularity: u64,
    /// Most differing ranges that are listed. All are counted.
    pub limit: usize,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self { granularity: 4096, limit: 100 }
    }
}

/// The result of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// Lengths of the two disks, in bytes.
    pub sizes: [u64; 2],
    /// The ranges that differ. The shorter disk is continued by zeros.
    pub differences: Differences,
}

impl Comparison {
    /// Whether no byte differs, except that one disk may end with more zeros than the other.
    pub fn has_same_contents(&self) -> bool {
        self.differences.is_empty()
    }

    /// Whether the disks have the same length.
    pub fn has_same_size(&self) -> bool {
        self.sizes[0] == self.sizes[1]
    }
}

/// Compares the contents of two disks.
///
/// The tables of both are checked as before a conversion. Ranges that both maps report as zeros are not read. A range that
/// cannot be read ends the comparison with its error.
pub fn compare(
    disks: [&Disk; 2],
    options: &CompareOptions,
    run_options: &Options<'_>,
) -> Result<Comparison, Error> {
    let CompareOptions { granularity, limit } = *options;
    if !granularity.is_power_of_two() || granularity > CHUNK {
        return Err(RequestError::Granularity { granularity, limit: CHUNK }.into());
    }
    disks.iter().try_for_each(|disk| disk.check_readable())?;
    let [a, b] = disks.map(|disk| scan_tables(disk.stack(), CHUNK, CHUNK, run_options));
    let (a, b) = (a?, b?);
    let [of_a, of_b] = disks.map(Disk::stack);
    let scanned = [ScannedDisk { stack: of_a, table_scan: &a }, ScannedDisk { stack: of_b, table_scan: &b }];
    let differences = run(scanned, CompareShape { granularity, limit }, run_options)?;
    disks.iter().try_for_each(|disk| disk.check_unchanged())?;
    Ok(Comparison { sizes: disks.map(Disk::size), differences })
}
