//! The block bitmap of a disk, on its own.

use std::path::{Path, PathBuf};

use imgprep_engine::{Bitmap, BitmapShape, Losses, Options, scan, scan_tables};
use imgprep_io::{OutputFile, OutputOptions, Published};
use imgprep_map::{Error, Layout as _};
use imgprep_raw::RawLayout;

use crate::{BitmapCommand, Disk, Files, RequestError, Role};

/// Who makes the bitmap of a RAW.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BitmapMaker {
    /// This program, with the layout that is known.
    Ours(BitmapShape),
    /// The import service's own tool.
    Command(BitmapCommand),
}

/// A bitmap that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitmapWritten {
    /// Its file.
    pub path: PathBuf,
    /// Its length, in bytes.
    pub len: u64,
    /// Blocks of the disk and how many of them hold data, where this program counted them.
    pub blocks: Option<(u64, u64)>,
}

/// Writes the bitmap of a disk.
pub fn write_bitmap(
    disk: &Disk,
    path: &Path,
    maker: &BitmapMaker,
    output: OutputOptions,
    run: &Options<'_>,
) -> Result<BitmapWritten, Error> {
    disk.check_readable()?;
    let mut files = Files::default();
    files.reads_disk(disk);
    files.writes(Role::Bitmap, path);
    files.check()?;
    match maker {
        BitmapMaker::Ours(shape) => scan_bitmap(disk, path, *shape, output, run),
        BitmapMaker::Command(command) => run_command(disk, path, command, output),
    }
}

/// The tool reads the file itself, so that must be the disk as it is.
fn run_command(
    disk: &Disk,
    path: &Path,
    command: &BitmapCommand,
    output: OutputOptions,
) -> Result<BitmapWritten, Error> {
    let raw = disk.layers().first().filter(|layer| layer.facts.format == imgprep_raw::NAME);
    let raw = raw.and_then(|layer| layer.path()).ok_or(RequestError::BitmapNeedsRaw)?;
    let made = command.make(raw, raw, path, output)?;
    disk.check_unchanged()?;
    let len = made.len;
    made.publish()?;
    Ok(BitmapWritten { path: path.to_path_buf(), len, blocks: None })
}

/// Scans a disk and writes its bitmap.
fn scan_bitmap(
    disk: &Disk,
    path: &Path,
    shape: BitmapShape,
    output: OutputOptions,
    run: &Options<'_>,
) -> Result<BitmapWritten, Error> {
    let losses = Losses::default();
    let chunk = RawLayout::new(disk.size()).unit();
    let table_scan = scan_tables(disk.stack(), chunk, run, &losses)?;
    let bitmap = scan(disk.stack(), &table_scan, shape, run, &losses)?;
    disk.check_unchanged()?;
    Made::ours(&bitmap, path, output)?.publish()?;
    Ok(BitmapWritten {
        path: path.to_path_buf(),
        len: bitmap.file_len(),
        blocks: Some((bitmap.blocks(), bitmap.data_blocks())),
    })
}

/// A bitmap that is whole and waits for its name.
pub(crate) struct Made {
    file: OutputFile,
    path: PathBuf,
    /// Its length, in bytes.
    pub(crate) len: u64,
}

impl Made {
    /// Writes a bitmap of our own.
    pub(crate) fn ours(bitmap: &Bitmap, path: &Path, options: OutputOptions) -> Result<Self, Error> {
        let in_path = |error: Error| error.in_path(path.display().to_string());
        let file = OutputFile::create(path, options).map_err(|error| in_path(error.into()))?;
        bitmap.write(&file).map_err(in_path)?;
        Ok(Self { file, path: path.to_path_buf(), len: bitmap.file_len() })
    }

    /// Takes one that another program wrote.
    pub(crate) fn theirs(file: OutputFile, path: &Path, len: u64) -> Self {
        Self { file, path: path.to_path_buf(), len }
    }

    /// Removes the bitmap that it replaces.
    pub(crate) fn remove_replaced(&self) -> Result<(), Error> {
        let removed = self.file.remove_replaced();
        removed.map_err(|error| Error::new(error).in_path(self.path.display().to_string()))
    }

    pub(crate) fn publish(self) -> Result<(), Error> {
        self.file.publish().map_err(|error| Error::new(error).in_path(self.path.display().to_string()))
    }

    /// Gives it its name, which it keeps only if that is confirmed.
    pub(crate) fn publish_before(self) -> Result<Published, Error> {
        let published = self.file.publish_before();
        published.map_err(|error| Error::new(error).in_path(self.path.display().to_string()))
    }
}
