//! Writer of flat images: the disk in one or several files, and a descriptor.

use alloc::vec;
use alloc::vec::Vec;

use imgprep_map::{Emit, Encoding, Error, FilePart, ImageWriter, Placement, SinkKind, Stored};

use crate::Unsupported;
use crate::descriptor_text::descriptor_text;
use crate::file_names::{
    DESCRIPTOR_AT, ExtentFile, check_name, descriptor_file, extent_name, max_descriptor_len, split,
};
use crate::write_options::WriteOptions;

/// Largest disk in one flat extent: 1 EiB.
///
/// The address of the descriptor follows it.
const MAX_DISK_SIZE: u64 = 1 << 60;

/// Writer of flat images.
pub(crate) struct FlatWriter {
    options: WriteOptions,
    extents: Vec<ExtentFile>,
}

impl FlatWriter {
    /// A disk in one extent file.
    pub(crate) fn monolithic(options: WriteOptions, name: &str) -> Result<Self, Error> {
        check_name(name)?;
        let size = options.disk_size;
        if size > MAX_DISK_SIZE {
            return Err(Unsupported::WriteDiskTooLarge { size, most: MAX_DISK_SIZE }.into());
        }
        Ok(Self { options, extents: vec![ExtentFile { name: extent_name(name, "flat"), disk: 0..size }] })
    }

    /// A disk in extent files of at most 2 GB.
    pub(crate) fn split(options: WriteOptions, name: &str) -> Result<Self, Error> {
        check_name(name)?;
        Ok(Self { options, extents: split(name, options.disk_size, 'f')? })
    }
}

impl ImageWriter for FlatWriter {
    fn block(&self) -> u64 {
        self.options.grain.bytes()
    }

    fn encoding(&self) -> Encoding {
        Encoding::Plain
    }

    fn needs(&self) -> SinkKind {
        SinkKind::Random
    }

    /// Addresses of extents equal disk offsets.
    fn linear_at(&self) -> Option<u64> {
        Some(0)
    }

    fn files(&self) -> Vec<FilePart> {
        let part = |extent: &ExtentFile| FilePart {
            name: Some(extent.name.clone()),
            range: extent.disk.clone(),
            min_len: extent.len(),
        };
        self.extents.iter().map(part).chain([descriptor_file()]).collect()
    }

    fn begin(&mut self, _: &mut dyn Emit) -> Result<(), Error> {
        Ok(())
    }

    fn place(&mut self, _: u64, _: Stored, _: &mut dyn Emit) -> Result<Placement, Error> {
        // Not called: the writer is linear.
        Ok(Placement::bare(0))
    }

    fn finish(&mut self, out: &mut dyn Emit) -> Result<u64, Error> {
        let lines = self.extents.iter().map(|extent| extent.line("FLAT"));
        let text = descriptor_text(&self.options, lines);
        out.write(DESCRIPTOR_AT, text.as_bytes())?;
        Ok(self.options.disk_size + text.len() as u64)
    }

    fn max_len(&self, _: u64, _: u64) -> u64 {
        self.options.disk_size + max_descriptor_len(self.extents.len())
    }
}
