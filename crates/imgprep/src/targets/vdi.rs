//! VDI as a target.

use imgprep_map::{Error, ImageWriter};
use imgprep_vdi::VdiWriter;

use super::error::TargetError;
use super::kind::{NewImage, Properties, TargetKind};
use super::settings::{Settings, TargetOption};

/// A VDI, version 1.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VdiTarget {
    /// Whether all blocks are stored.
    pub is_static: bool,
}

impl VdiTarget {
    pub(super) const OPTIONS: &'static [TargetOption] = &[TargetOption {
        key: "static",
        values: "on|off",
        default: "off",
        about: "store all blocks, in the order of the disk",
    }];

    pub(super) fn parse(settings: &Settings<'_>) -> Result<Self, TargetError> {
        Ok(Self { is_static: settings.switch("static")?.unwrap_or(false) })
    }
}

impl TargetKind for VdiTarget {
    fn properties(&self) -> Properties {
        Properties { has_uuid: true, ..Properties::new(imgprep_vdi::NAME) }
    }

    fn writer(&self, image: &NewImage) -> Result<Box<dyn ImageWriter>, Error> {
        Ok(Box::new(VdiWriter::new(image.disk_size, self.is_static, image.uuid)?))
    }
}
