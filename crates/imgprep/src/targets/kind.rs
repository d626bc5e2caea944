//! The interface of a writable format.

use imgprep_map::{Compression, Error, ImageWriter};

use super::error::TargetError;

/// A writable format with its options.
pub(crate) trait TargetKind {
    /// The properties of its outputs.
    fn properties(&self) -> Properties;

    /// Sets the compression level.
    fn set_level(&mut self, level: u32) -> Result<(), TargetError> {
        Err(TargetError::NoLevel { level, target: self.properties().name })
    }

    /// The backing file of the output.
    fn backing(&self) -> Option<&BackingFile> {
        None
    }

    /// Sets the format of the backing file, once it is known.
    fn set_backing_format(&mut self, _: &'static str) {}

    /// The names of all files, apart from its own, that an image in a file of this name can consist of, whatever its size.
    fn extent_names(&self, _file_name: &str) -> Vec<String> {
        Vec::new()
    }

    /// The writer of an image.
    fn writer(&self, image: &NewImage) -> Result<Box<dyn ImageWriter>, Error>;
}

/// The backing file of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackingFile {
    /// Its name, relative to the folder of the output.
    pub name: String,
    /// Its format; `None` if it is detected.
    pub format: Option<&'static str>,
}

/// The properties of an output that commands and the conversion depend on.
pub(crate) struct Properties {
    /// The format's name.
    pub(crate) name: &'static str,
    /// The virtual size is a multiple of this, in bytes.
    pub(crate) granule: u64,
    /// The compression of its blocks.
    pub(crate) compression: Option<Compression>,
    /// Whether the length of the file depends on the size of the disk only.
    pub(crate) has_exact_len: bool,
    /// Whether a bitmap of its blocks can be written next to it.
    pub(crate) takes_bitmap: bool,
    /// Whether the file contains a UUID.
    pub(crate) has_uuid: bool,
    /// Bytes after the disk that must be the last ones of a device, because the format is recognised by them.
    pub(crate) footer_len: Option<u64>,
    /// Whether an image consists of several files.
    pub(crate) is_multi_file: bool,
}

impl Properties {
    /// Properties of most formats: whole sectors, uncompressed, without a UUID.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            granule: 512,
            compression: None,
            has_exact_len: false,
            takes_bitmap: false,
            has_uuid: false,
            footer_len: None,
            is_multi_file: false,
        }
    }
}

/// The properties of an image that do not depend on its format.
pub(crate) struct NewImage {
    /// Size of the source's disk in bytes.
    pub(crate) source_size: u64,
    /// The same, rounded up to [`Properties::granule`].
    pub(crate) disk_size: u64,
    pub(crate) uuid: [u8; 16],
    pub(crate) unix_time: u64,
    /// The name of its file, after which further files are named.
    pub(crate) file_name: String,
}
