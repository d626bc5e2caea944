//! The block bitmap of a disk, on its own.

use std::path::{Path, PathBuf};

use imgprep_engine::{Bitmap, BitmapShape, Losses, Options, scan, survey};
use imgprep_io::{OutputFile, OutputOptions};
use imgprep_map::{Error, Layout as _};
use imgprep_raw::RawLayout;

use crate::{Disk, FaceError};

/// A bitmap that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitmapWritten {
    /// Its file.
    pub path: PathBuf,
    /// Its length, in bytes.
    pub len: u64,
    /// Blocks of the disk.
    pub blocks: u64,
    /// Blocks that hold data.
    pub data_blocks: u64,
}

/// Scans a disk and writes its bitmap.
pub fn write_bitmap(
    disk: &Disk,
    path: &Path,
    shape: BitmapShape,
    output: OutputOptions,
    run: &Options<'_>,
) -> Result<BitmapWritten, Error> {
    disk.check_readable()?;
    if disk.reads_from(path) {
        return Err(Error::new(FaceError::OutputIsSource).in_path(path.display().to_string()));
    }
    let losses = Losses::default();
    let unit = RawLayout::new(disk.size()).unit();
    let survey = survey(disk.stack(), unit, run, &losses)?;
    let bitmap = scan(disk.stack(), &survey, shape, run, &losses)?;
    disk.check_unchanged()?;
    publish_bitmap(&bitmap, path, output)?;
    Ok(BitmapWritten {
        path: path.to_path_buf(),
        len: bitmap.file_len(),
        blocks: bitmap.blocks(),
        data_blocks: bitmap.data_blocks(),
    })
}

/// Writes a bitmap under its name, whole or not at all.
pub(crate) fn publish_bitmap(bitmap: &Bitmap, path: &Path, options: OutputOptions) -> Result<(), Error> {
    let in_path = |error: Error| error.in_path(path.display().to_string());
    let file = OutputFile::create(path, options).map_err(|error| in_path(error.into()))?;
    bitmap.write(&file).map_err(in_path)?;
    file.publish().map_err(|error| in_path(error.into()))
}
