//! Digests of the contents of a disk.

use imgprep_engine::{CHUNK, Digest, DigestAlgorithm, Options, digest as run, scan_tables};
use imgprep_map::Error;

use crate::Disk;

/// Computes digests of the contents of a disk, in the order of `algorithms`: those of a RAW file with the same contents.
///
/// The tables are checked as before a conversion. Zeros are not read, but hashed: the time depends on the length of the disk. A
/// range that cannot be read ends the run with its error.
pub fn digest(
    disk: &Disk,
    algorithms: &[DigestAlgorithm],
    run_options: &Options<'_>,
) -> Result<Vec<Digest>, Error> {
    disk.check_readable()?;
    let table_scan = scan_tables(disk.stack(), CHUNK, CHUNK, run_options)?;
    let digests = run(disk.stack(), &table_scan, algorithms, run_options)?;
    disk.check_unchanged()?;
    Ok(digests)
}
