//! The formats that are written.

use imgprep_map::{Compression, Error, Layout};
use imgprep_raw::RawLayout;
use imgprep_zvhd::{WriteOptions, Zvhd2Layout};

/// What a conversion makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The bytes of the disk as they are.
    Raw,
    /// ZVHD2 with this compression.
    Zvhd2(Compression),
}

impl Target {
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
