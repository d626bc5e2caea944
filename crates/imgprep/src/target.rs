//! The target of a conversion.

use imgprep_map::{Compression, Error, ImageWriter};
use imgprep_qcow2::{ClusterCompression, ClusterSize, Qcow2Writer};
use imgprep_raw::RawWriter;
use imgprep_vdi::VdiWriter;
use imgprep_vhd::{Subformat as VhdSubformat, VhdWriter};
use imgprep_zvhd::{WriteOptions, Zvhd2Writer};

use crate::target_error::{TargetError, zlib_level, zstd_level};

/// The format of an output, with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The bytes of the disk, unchanged.
    Raw,
    /// ZVHD2 with this compression.
    Zvhd2(Compression),
    /// QCOW2, version 3.
    Qcow2 {
        /// Bytes of a cluster.
        cluster_size: ClusterSize,
        /// The compression, if clusters are compressed.
        compression: Option<ClusterCompression>,
    },
    /// VDI, version 1.1.
    Vdi {
        /// Whether all blocks are stored.
        is_static: bool,
    },
    /// VHD.
    Vhd {
        /// Fixed or dynamic.
        subformat: VhdSubformat,
        /// The virtual size is a multiple of this, in bytes: a power of two, at least 512. Azure requires 1 MiB.
        align: u64,
    },
}

impl Target {
    /// The target of this name (`raw`, `img`, `zvhd2`, `qcow2`), with default options.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Ok(Self::parse(name, [])?)
    }

    /// The same target with another compression level: 1 to 22 for zstd, 1 to 9 for zlib. A plain QCOW2 is then
    /// compressed with zlib.
    pub fn with_level(self, level: u32) -> Result<Self, Error> {
        Ok(match self {
            Self::Raw | Self::Vdi { .. } | Self::Vhd { .. } => {
                return Err(TargetError::NoLevel { level, target: self.name() }.into());
            }
            Self::Zvhd2(Compression::Zstd { has_checksum, .. }) => {
                Self::Zvhd2(Compression::Zstd { level: zstd_level(level)?, has_checksum })
            }
            Self::Zvhd2(_) => Self::Zvhd2(Compression::ZlibOpen { level: zlib_level(level)? }),
            Self::Qcow2 { cluster_size, compression } => {
                let compression = Some(match compression {
                    Some(ClusterCompression::Zstd { .. }) => {
                        ClusterCompression::Zstd { level: zstd_level(level)? }
                    }
                    _ => ClusterCompression::Zlib { level: zlib_level(level)? },
                });
                Self::Qcow2 { cluster_size, compression }
            }
        })
    }

    /// The format's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => imgprep_raw::NAME,
            Self::Zvhd2(_) => imgprep_zvhd::ZVHD2,
            Self::Qcow2 { .. } => imgprep_qcow2::NAME,
            Self::Vdi { .. } => imgprep_vdi::NAME,
            Self::Vhd { .. } => imgprep_vhd::NAME,
        }
    }

    /// The virtual size of the output for a disk of `size` bytes. It is a whole number of GiB in a ZVHD2, like all disks of
    /// the cloud, and a whole number of sectors, or of the alignment, in all other formats but RAW.
    pub fn disk_size(self, size: u64) -> u64 {
        let granule = match self {
            Self::Raw => 1,
            Self::Zvhd2(_) => 1 << 30,
            Self::Qcow2 { .. } | Self::Vdi { .. } => 512,
            Self::Vhd { align, .. } => align,
        };
        size.checked_next_multiple_of(granule).unwrap_or(size)
    }

    /// The compression of its blocks.
    pub fn compression(self) -> Option<Compression> {
        match self {
            Self::Raw | Self::Vdi { .. } | Self::Vhd { .. } => None,
            Self::Zvhd2(compression) => Some(compression),
            Self::Qcow2 { compression, .. } => compression.map(Into::into),
        }
    }

    /// Whether the length of the file depends on the size of the disk only. Zeros are then holes in the file.
    pub fn has_exact_len(self) -> bool {
        self == Self::Raw
    }

    /// The length that a device must have for a disk of `size` bytes, if the format is recognised only at the end of a file.
    pub(crate) fn device_len(self, size: u64) -> Option<u64> {
        let is_at_end = matches!(self, Self::Vhd { subformat: VhdSubformat::Fixed, .. });
        is_at_end.then(|| self.disk_size(size).saturating_add(imgprep_vhd::FOOTER_LEN))
    }

    /// Whether a bitmap of its blocks can be written next to it.
    pub fn takes_bitmap(self) -> bool {
        self == Self::Raw
    }

    /// Whether the file contains a UUID.
    pub fn has_uuid(self) -> bool {
        matches!(self, Self::Zvhd2(_) | Self::Vdi { .. } | Self::Vhd { .. })
    }

    /// The writer for a disk of `size` bytes.
    pub(crate) fn writer(
        self,
        size: u64,
        uuid: [u8; 16],
        unix_time: u64,
    ) -> Result<Box<dyn ImageWriter>, Error> {
        Ok(match self {
            Self::Raw => Box::new(RawWriter::new(size)),
            Self::Zvhd2(compression) => {
                Box::new(Zvhd2Writer::new(WriteOptions { disk_size: size, compression, uuid, unix_time })?)
            }
            Self::Qcow2 { cluster_size, compression } => {
                Box::new(Qcow2Writer::new(self.disk_size(size), cluster_size, compression)?)
            }
            Self::Vdi { is_static } => Box::new(VdiWriter::new(self.disk_size(size), is_static, uuid)?),
            Self::Vhd { subformat, .. } => {
                Box::new(VhdWriter::new(self.disk_size(size), subformat, uuid, unix_time)?)
            }
        })
    }
}
