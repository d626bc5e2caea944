//! The backing file of an output.

use std::path::{Path, PathBuf};

use imgprep_engine::{Options, ScannedDisk, TableScan, scan_tables};
use imgprep_map::Error;
use imgprep_open::{FollowPolicy, OpenOptions};

use crate::{Disk, Target};

/// The path of the backing file: its name is relative to the folder of the output.
pub(crate) fn backing_path(target: &Target, folder: &Path) -> Option<PathBuf> {
    Some(folder.join(&target.backing()?.name))
}

/// An open backing file.
pub(crate) struct OpenBacking {
    pub(crate) path: PathBuf,
    disk: Disk,
    table_scan: TableScan,
}

impl OpenBacking {
    /// Opens the backing file of a target, and the files in its folder that it names.
    pub(crate) fn open(
        target: &Target,
        folder: &Path,
        chunk: u64,
        run: &Options<'_>,
    ) -> Result<Option<Self>, Error> {
        let (Some(backing), Some(path)) = (target.backing(), backing_path(target, folder)) else {
            return Ok(None);
        };
        let from = backing.format.and_then(imgprep_catalog::by_name);
        let options = OpenOptions { from, follow: FollowPolicy::Beside, ..OpenOptions::default() };
        let disk = Disk::open(&path, &options)?;
        disk.check_readable()?;
        let table_scan = scan_tables(disk.stack(), chunk, chunk, run)?;
        Ok(Some(Self { path, disk, table_scan }))
    }

    /// Its detected or selected format.
    pub(crate) fn format(&self) -> &'static str {
        self.disk.layers()[0].facts.format // OK: a disk has a layer.
    }

    pub(crate) fn scanned(&self) -> ScannedDisk<'_> {
        ScannedDisk { stack: self.disk.stack(), table_scan: &self.table_scan }
    }

    pub(crate) fn check_unchanged(&self) -> Result<(), Error> {
        self.disk.check_unchanged()
    }
}
