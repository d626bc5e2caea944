//! ZVHD and ZVHD2 as targets.

use imgprep_map::{Compression, Error, ImageWriter};
use imgprep_zvhd::{WriteOptions, Zvhd2Writer, ZvhdWriter};

use super::error::{TargetError, zlib_level, zstd_level};
use super::kind::{NewImage, Properties, TargetKind};
use super::settings::{Method, Settings, TargetOption};

/// Disks of the cloud are whole numbers of GiB.
const GIB: u64 = 1 << 30;

/// A ZVHD2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zvhd2Target {
    /// The compression of its blocks: zstd or an open zlib stream.
    pub compression: Compression,
}

impl Zvhd2Target {
    pub(super) const OPTIONS: &'static [TargetOption] = &[
        TargetOption::LEVEL,
        TargetOption {
            key: "compression_type",
            values: "zstd|zlib",
            default: "zstd",
            about: "compression of the blocks",
        },
        TargetOption {
            key: "checksum",
            values: "on|off",
            default: "on",
            about: "store a checksum of the contents in each zstd block",
        },
    ];

    pub(super) fn parse(settings: &Settings<'_>) -> Result<Self, TargetError> {
        let has_checksum = settings.switch("checksum")?;
        let compression = match settings.method()? {
            // Only a finished stream has a checksum, and the vendor's reader rejects finished streams.
            Some(Method::Zlib) if has_checksum == Some(true) => {
                return Err(TargetError::Option {
                    option: "checksum=on".into(),
                    what: "zlib payloads of a ZVHD2 have no checksum".into(),
                });
            }
            Some(Method::Zlib) => Compression::ZlibOpen { level: settings.zlib_level()? },
            Some(Method::Zstd) | None => {
                let has_checksum = has_checksum.unwrap_or(true);
                Compression::Zstd { level: settings.zstd_level()?, has_checksum }
            }
        };
        Ok(Self { compression })
    }
}

impl TargetKind for Zvhd2Target {
    fn properties(&self) -> Properties {
        Properties {
            granule: GIB,
            compression: Some(self.compression),
            has_uuid: true,
            ..Properties::new(imgprep_zvhd::ZVHD2)
        }
    }

    fn set_level(&mut self, level: u32) -> Result<(), TargetError> {
        self.compression = match self.compression {
            Compression::Zstd { has_checksum, .. } => {
                Compression::Zstd { level: zstd_level(level)?, has_checksum }
            }
            _ => Compression::ZlibOpen { level: zlib_level(level)? },
        };
        Ok(())
    }

    fn writer(&self, image: &NewImage) -> Result<Box<dyn ImageWriter>, Error> {
        Ok(Box::new(Zvhd2Writer::new(&write_options(image), self.compression)?))
    }
}

/// A ZVHD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZvhdTarget {
    /// Level of zlib, 1 to 9.
    pub level: u32,
}

impl ZvhdTarget {
    pub(super) const OPTIONS: &'static [TargetOption] = &[TargetOption::ZLIB_LEVEL];

    pub(super) fn parse(settings: &Settings<'_>) -> Result<Self, TargetError> {
        Ok(Self { level: settings.zlib_level()? })
    }
}

impl TargetKind for ZvhdTarget {
    fn properties(&self) -> Properties {
        Properties {
            granule: GIB,
            compression: Some(Compression::DeflateOpen { level: self.level }),
            has_uuid: true,
            ..Properties::new(imgprep_zvhd::ZVHD)
        }
    }

    fn set_level(&mut self, level: u32) -> Result<(), TargetError> {
        self.level = zlib_level(level)?;
        Ok(())
    }

    fn writer(&self, image: &NewImage) -> Result<Box<dyn ImageWriter>, Error> {
        Ok(Box::new(ZvhdWriter::new(&write_options(image), self.level)?))
    }
}

fn write_options(image: &NewImage) -> WriteOptions {
    WriteOptions { disk_size: image.source_size, uuid: image.uuid, unix_time: image.unix_time }
}
