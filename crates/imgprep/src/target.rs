//! The formats that are written.

use imgprep_map::{Compression, Error, Layout};
use imgprep_raw::RawLayout;
use imgprep_zvhd::{WriteOptions, Zvhd2Layout};

use crate::RequestError;

/// What a conversion makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The bytes of the disk as they are.
    Raw,
    /// ZVHD2 with this compression.
    Zvhd2(Compression),
}

impl Target {
    /// The target of this name (`raw`, `img`, `zvhd2`), with default compression.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        match name {
            imgprep_raw::NAME | "img" => Ok(Self::Raw),
            imgprep_zvhd::ZVHD2 => Ok(Self::Zvhd2(Compression::Zstd { level: 3, has_checksum: true })),
            _ => Err(RequestError::UnknownTarget { name: name.into() }.into()),
        }
    }

    /// The same target with another compression level: 1 to 22 for zstd, 1 to 9 for zlib, none for RAW.
    pub fn with_level(self, level: u32) -> Result<Self, Error> {
        let rejected = |accepts| RequestError::Level { level, target: self.name(), accepts };
        match self {
            Self::Zvhd2(Compression::Zstd { has_checksum, .. }) => match i32::try_from(level) {
                Ok(level @ 1..=22) => Ok(Self::Zvhd2(Compression::Zstd { level, has_checksum })),
                _ => Err(rejected("1 to 22").into()),
            },
            Self::Zvhd2(Compression::ZlibOpen { .. }) if (1..=9).contains(&level) => {
                Ok(Self::Zvhd2(Compression::ZlibOpen { level }))
            }
            Self::Zvhd2(Compression::ZlibOpen { .. }) => Err(rejected("1 to 9").into()),
            Self::Zvhd2(Compression::Plain) | Self::Raw => Err(rejected("no level").into()),
        }
    }

    /// The format's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => imgprep_raw::NAME,
            Self::Zvhd2(_) => imgprep_zvhd::ZVHD2,
        }
    }

    /// Bytes of the disk that a reader of the output sees for one of `size` bytes: the disk of a ZVHD2 is a whole number
    /// of GiB, as the cloud's disks are.
    pub fn disk_size(self, size: u64) -> u64 {
        match self {
            Self::Raw => size,
            Self::Zvhd2(_) => size.checked_next_multiple_of(1 << 30).unwrap_or(size),
        }
    }

    /// The writer's plan for a disk of `size` bytes.
    pub(crate) fn layout(self, size: u64, uuid: [u8; 16], unix_time: u64) -> Result<Box<dyn Layout>, Error> {
        Ok(match self {
            Self::Raw => Box::new(RawLayout::new(size)),
            Self::Zvhd2(compression) => {
                Box::new(Zvhd2Layout::new(WriteOptions { disk_size: size, compression, uuid, unix_time })?)
            }
        })
    }
}
