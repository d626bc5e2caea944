//! VHDX as a target.

use imgprep_map::{Error, ImageWriter};
use imgprep_vhdx::{BlockSize, LogSize, LogicalSector, Subformat, VhdxWriter, WriteOptions};

use super::error::TargetError;
use super::kind::{NewImage, Properties, TargetKind};
use super::settings::{Settings, TargetOption};

/// A VHDX without a parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VhdxTarget {
    /// Variant, and sizes of blocks, sectors and the log.
    pub options: WriteOptions,
}

impl VhdxTarget {
    pub(super) const OPTIONS: &'static [TargetOption] = &[
        TargetOption {
            key: "subformat",
            values: "dynamic|fixed",
            default: "dynamic",
            about: "store the blocks with data, or all blocks in the order of the disk",
        },
        TargetOption {
            key: "block_size",
            values: "SIZE",
            default: "8M, 16M, 32M or 64M, by the size of the disk",
            about: "bytes of a block, a power of two from 1M to 256M",
        },
        TargetOption {
            key: "logical_sector_size",
            values: "512|4096",
            default: "512",
            about: "bytes of a logical sector; QEMU reads 512 only",
        },
        TargetOption {
            key: "log_size",
            values: "SIZE",
            default: "1M",
            about: "bytes of the log, which is empty: whole MiB, less than 4G",
        },
    ];

    pub(super) fn parse(settings: &Settings<'_>) -> Result<Self, TargetError> {
        let subformats = [("dynamic", Subformat::Dynamic), ("fixed", Subformat::Fixed)];
        let blocks = "blocks have a power of two from 1M to 256M bytes";
        let sectors = "expected logical_sector_size=512|4096";
        let logs = "the log has whole MiB, less than 4G";
        let options = WriteOptions {
            subformat: settings.choice("subformat", &subformats)?.unwrap_or_default(),
            block_size: settings.size("block_size", blocks, BlockSize::new)?,
            logical_sector: settings
                .size("logical_sector_size", sectors, LogicalSector::new)?
                .unwrap_or_default(),
            log_size: settings.size("log_size", logs, LogSize::new)?.unwrap_or_default(),
        };
        Ok(Self { options })
    }
}

impl TargetKind for VhdxTarget {
    fn properties(&self) -> Properties {
        Properties {
            granule: self.options.logical_sector.bytes().into(),
            has_uuid: true,
            ..Properties::new(imgprep_vhdx::NAME)
        }
    }

    fn writer(&self, image: &NewImage) -> Result<Box<dyn ImageWriter>, Error> {
        Ok(Box::new(VhdxWriter::new(image.disk_size, self.options, image.uuid)?))
    }
}
