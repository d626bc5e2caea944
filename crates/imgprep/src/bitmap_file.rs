//! A bitmap file that is not published yet.

use std::path::{Path, PathBuf};

use imgprep_engine::Bitmap;
use imgprep_io::{OutputFile, OutputOptions, Published};
use imgprep_map::Error;

/// A complete bitmap that is not published yet.
pub(crate) struct Made {
    file: OutputFile,
    path: PathBuf,
    /// Its length, in bytes.
    pub(crate) len: u64,
}

impl Made {
    /// Writes a bitmap of this program.
    pub(crate) fn ours(bitmap: &Bitmap, path: &Path, options: OutputOptions) -> Result<Self, Error> {
        let in_path = |error: Error| error.in_path(path.display().to_string());
        let file = OutputFile::create(path, options).map_err(|error| in_path(error.into()))?;
        bitmap.write(&file).map_err(in_path)?;
        Ok(Self { file, path: path.to_path_buf(), len: bitmap.file_len() })
    }

    /// Wraps a bitmap that another program wrote.
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

    /// Gives it its name, which it loses again unless it is confirmed.
    pub(crate) fn publish_before(self) -> Result<Published, Error> {
        let published = self.file.publish_before();
        published.map_err(|error| Error::new(error).in_path(self.path.display().to_string()))
    }
}
