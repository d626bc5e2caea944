//! Outputs of this system: files, devices and standard output.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgprep_io::{DeviceOutput, ImageFile, OutputFile, PipeOutput, SourceFile, SourceOptions};
use imgprep_map::{Error, Sink};

use crate::Output;

/// A file that gets its name when it is complete.
pub(crate) struct FileTarget {
    pub(crate) file: OutputFile,
    pub(crate) path: PathBuf,
}

impl Output for FileTarget {
    fn sink(&self) -> &dyn Sink {
        &self.file
    }

    fn label(&self) -> String {
        self.path.display().to_string()
    }

    fn reopen(&self) -> Result<Option<Arc<dyn ImageFile>>, Error> {
        let file = self.file.read_back().map_err(|error| Error::new(error).in_path(self.label()))?;
        Ok(Some(file.into()))
    }

    fn publish(self: Box<Self>) -> Result<(), Error> {
        let label = self.label();
        self.file.publish().map_err(|error| Error::new(error).in_path(label))
    }

    fn readable_paths(&self) -> Option<(&Path, &Path)> {
        Some((self.file.temporary_path()?, &self.path))
    }

    fn is_new(&self) -> bool {
        self.path.symlink_metadata().is_err()
    }
}

/// A block device, written in place.
pub(crate) struct DeviceTarget {
    pub(crate) device: DeviceOutput,
    pub(crate) path: PathBuf,
}

impl Output for DeviceTarget {
    fn sink(&self) -> &dyn Sink {
        &self.device
    }

    fn label(&self) -> String {
        self.path.display().to_string()
    }

    fn reopen(&self) -> Result<Option<Arc<dyn ImageFile>>, Error> {
        let opened = SourceFile::open(&self.path, SourceOptions::default());
        let file = opened.map_err(|error| Error::new(error).in_path(self.label()))?;
        Ok(Some(file.into()))
    }

    fn publish(self: Box<Self>) -> Result<(), Error> {
        let label = self.label();
        self.device.finish().map_err(|error| Error::new(error).in_path(label))
    }

    fn readable_paths(&self) -> Option<(&Path, &Path)> {
        Some((&self.path, &self.path))
    }

    fn has_exact_len(&self) -> bool {
        false
    }
}

/// Standard output.
pub(crate) struct PipeTarget(pub(crate) PipeOutput);

impl Output for PipeTarget {
    fn sink(&self) -> &dyn Sink {
        &self.0
    }

    fn label(&self) -> String {
        "standard output".into()
    }
}
