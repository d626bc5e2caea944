//! The target of a conversion.

use imgprep_map::{Compression, Error, ImageWriter};

use super::kind::{BackingFile, NewImage, TargetKind};
use super::qcow::QcowTarget;
use super::qcow2::Qcow2Target;
use super::qed::QedTarget;
use super::raw::RawTarget;
use super::vdi::VdiTarget;
use super::vhd::VhdTarget;
use super::vhdx::VhdxTarget;
use super::vmdk::VmdkTarget;
use super::zvhd::{Zvhd2Target, ZvhdTarget};

/// The format of an output, with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The bytes of the disk, unchanged.
    Raw,
    /// ZVHD2.
    Zvhd2(Zvhd2Target),
    /// ZVHD.
    Zvhd(ZvhdTarget),
    /// QCOW2.
    Qcow2(Qcow2Target),
    /// VDI.
    Vdi(VdiTarget),
    /// VHD.
    Vhd(VhdTarget),
    /// VHDX.
    Vhdx(VhdxTarget),
    /// QED.
    Qed(QedTarget),
    /// QCOW.
    Qcow(QcowTarget),
    /// VMDK.
    Vmdk(VmdkTarget),
}

/// The options of a target as a [`TargetKind`], and `$raw` for RAW.
macro_rules! kind {
    ($target:expr, $raw:expr) => {
        match $target {
            Self::Raw => $raw,
            Self::Zvhd2(target) => target,
            Self::Zvhd(target) => target,
            Self::Qcow2(target) => target,
            Self::Vdi(target) => target,
            Self::Vhd(target) => target,
            Self::Vhdx(target) => target,
            Self::Qed(target) => target,
            Self::Qcow(target) => target,
            Self::Vmdk(target) => target,
        }
    };
}

impl Target {
    fn kind(&self) -> &dyn TargetKind {
        kind!(self, &RawTarget)
    }

    /// `None` for RAW, which has no options.
    fn kind_mut(&mut self) -> Option<&mut dyn TargetKind> {
        Some(kind!(self, return None))
    }

    /// The same target with another compression level: 1 to 22 for zstd, 1 to 9 for zlib. A plain QCOW2 is then
    /// compressed with zlib.
    pub fn with_level(mut self, level: u32) -> Result<Self, Error> {
        match self.kind_mut() {
            Some(kind) => kind.set_level(level)?,
            None => RawTarget.set_level(level)?,
        }
        Ok(self)
    }

    /// The backing file of the output.
    pub fn backing(&self) -> Option<&BackingFile> {
        self.kind().backing()
    }

    /// The same target, whose backing file has this format.
    pub(crate) fn with_backing_format(mut self, format: &'static str) -> Self {
        if let Some(kind) = self.kind_mut() {
            kind.set_backing_format(format);
        }
        self
    }

    /// The format's name.
    pub fn name(&self) -> &'static str {
        self.kind().properties().name
    }

    /// The virtual size of the output for a disk of `size` bytes. It is a whole number of GiB in a ZVHD and ZVHD2, like all disks of
    /// the cloud, and a whole number of sectors, or of the alignment, in all other formats but RAW.
    pub fn disk_size(&self, size: u64) -> u64 {
        size.checked_next_multiple_of(self.kind().properties().granule).unwrap_or(size)
    }

    /// The compression of its blocks.
    pub fn compression(&self) -> Option<Compression> {
        self.kind().properties().compression
    }

    /// Whether the length of the file depends on the size of the disk only. Zeros are then holes in the file.
    pub fn has_exact_len(&self) -> bool {
        self.kind().properties().has_exact_len
    }

    /// The length that a device must have for a disk of `size` bytes, if the format is recognised only at the end of a file.
    pub(crate) fn device_len(&self, size: u64) -> Option<u64> {
        let footer = self.kind().properties().footer_len?;
        Some(self.disk_size(size).saturating_add(footer))
    }

    /// Whether a bitmap of its blocks can be written next to it.
    pub fn takes_bitmap(&self) -> bool {
        self.kind().properties().takes_bitmap
    }

    /// Whether the file contains a UUID.
    pub fn has_uuid(&self) -> bool {
        self.kind().properties().has_uuid
    }

    /// Whether an image consists of several files. Only a path of a file can be its output.
    pub fn is_multi_file(&self) -> bool {
        self.kind().properties().is_multi_file
    }

    /// The names of all files, apart from its own, that an image in a file of this name can consist of, whatever its size.
    pub(crate) fn extent_names(&self, file_name: &str) -> Vec<String> {
        self.kind().extent_names(file_name)
    }

    /// The writer for a disk of `size` bytes in a file whose name is not known.
    pub(crate) fn writer(
        &self,
        size: u64,
        uuid: [u8; 16],
        unix_time: u64,
    ) -> Result<Box<dyn ImageWriter>, Error> {
        self.writer_of(size, uuid, unix_time, "disk".into())
    }

    /// The writer for a disk of `size` bytes in a file of this name.
    pub(crate) fn writer_of(
        &self,
        size: u64,
        uuid: [u8; 16],
        unix_time: u64,
        file_name: String,
    ) -> Result<Box<dyn ImageWriter>, Error> {
        let disk_size = self.disk_size(size);
        self.kind().writer(&NewImage { source_size: size, disk_size, uuid, unix_time, file_name })
    }
}
