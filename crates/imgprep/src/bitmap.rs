//! Writes only the block bitmap of a disk.

use std::path::{Path, PathBuf};

use imgprep_engine::{BitmapShape, CHUNK, Losses, Options, scan, scan_tables};
use imgprep_io::OutputOptions;
use imgprep_map::Error;

use crate::bitmap_file::Made;
use crate::{BitmapCommand, Disk, Files, RequestError, Role};

/// The program that creates the bitmap of a RAW.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BitmapMaker {
    /// This program, with this layout.
    Ours(BitmapShape),
    /// The tool of the import service.
    Command(BitmapCommand),
}

/// A bitmap that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitmapWritten {
    /// Its file.
    pub path: PathBuf,
    /// Its length, in bytes.
    pub len: u64,
    /// Blocks of the disk, and those that contain data, if this program counted them.
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

/// The tool reads the file itself, so it must be a RAW file.
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
    let table_scan = scan_tables(disk.stack(), CHUNK, CHUNK, run)?;
    let losses = Losses::default();
    let bitmap = scan(disk.stack(), &table_scan, shape, run, &losses)?;
    disk.check_unchanged()?;
    Made::ours(&bitmap, path, output)?.publish()?;
    Ok(BitmapWritten {
        path: path.to_path_buf(),
        len: bitmap.file_len(),
        blocks: Some((bitmap.blocks(), bitmap.data_blocks())),
    })
}
