//! VHD as a target.

use imgprep_map::{Error, ImageWriter};
use imgprep_vhd::{BlockSize, Subformat, VhdWriter};

use super::error::TargetError;
use super::kind::{NewImage, Properties, TargetKind};
use super::settings::{Settings, TargetOption};

/// A VHD without a parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VhdTarget {
    /// Fixed or dynamic.
    pub subformat: Subformat,
    /// The virtual size is a multiple of this, in bytes: a power of two, at least 512. Azure requires 1 MiB.
    pub align: u64,
}

impl VhdTarget {
    pub(super) const OPTIONS: &'static [TargetOption] = &[
        TargetOption {
            key: "subformat",
            values: "dynamic|fixed",
            default: "dynamic",
            about: "store the blocks with data, or all bytes of the disk",
        },
        TargetOption {
            key: "block_size",
            values: "SIZE",
            default: "2M",
            about: "bytes of a block of a dynamic image, a power of two from 512K to 256M",
        },
        TargetOption {
            key: "align",
            values: "SIZE",
            default: "512",
            about: "round the virtual size up to a multiple of this power of two; Azure requires 1M",
        },
    ];

    pub(super) fn parse(settings: &Settings<'_>) -> Result<Self, TargetError> {
        let is_fixed = settings.choice("subformat", &[("fixed", true), ("dynamic", false)])?.unwrap_or(false);
        let blocks = "blocks have a power of two from 512K to 256M bytes";
        let block_size = settings.size("block_size", blocks, BlockSize::new)?;
        let alignments = "the alignment is a power of two from 512 to 1G";
        let is_valid = |size: &u64| size.is_power_of_two() && (512..=1 << 30).contains(size);
        let align = settings.size("align", alignments, |size| Some(size).filter(is_valid))?;
        let subformat = match (is_fixed, block_size) {
            (true, Some(_)) => {
                return Err(TargetError::Contradiction(
                    "subformat=fixed contradicts block_size: it has no blocks",
                ));
            }
            (true, None) => Subformat::Fixed,
            (false, block_size) => Subformat::Dynamic { block_size: block_size.unwrap_or_default() },
        };
        Ok(Self { subformat, align: align.unwrap_or(512) })
    }
}

impl TargetKind for VhdTarget {
    fn properties(&self) -> Properties {
        Properties {
            granule: self.align,
            has_uuid: true,
            footer_len: matches!(self.subformat, Subformat::Fixed).then_some(imgprep_vhd::FOOTER_LEN),
            ..Properties::new(imgprep_vhd::NAME)
        }
    }

    fn writer(&self, image: &NewImage) -> Result<Box<dyn ImageWriter>, Error> {
        Ok(Box::new(VhdWriter::new(image.disk_size, self.subformat, image.uuid, image.unix_time)?))
    }
}
