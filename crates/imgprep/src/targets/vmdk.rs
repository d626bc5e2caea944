//! VMDK as a target.

use imgprep_map::{Compression, Error, ImageWriter};
use imgprep_vmdk::{Adapter, GrainSize, HardwareVersion, Subformat, WriteOptions};

use super::error::{TargetError, zlib_level};
use super::kind::{NewImage, Properties, TargetKind};
use super::settings::{Settings, TargetOption};

/// A VMDK without a parent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VmdkTarget {
    /// The variant.
    pub subformat: Subformat,
    /// The adapter that the disk is attached to.
    pub adapter: Adapter,
    /// The version of the virtual hardware.
    pub hardware_version: HardwareVersion,
    /// The size of a grain.
    pub grain: GrainSize,
}

impl VmdkTarget {
    pub(super) const OPTIONS: &'static [TargetOption] = &[
        TargetOption {
            key: "subformat",
            values: "monolithicSparse|monolithicFlat|twoGbMaxExtentSparse|twoGbMaxExtentFlat|streamOptimized",
            default: "monolithicSparse",
            about: "one file or several, of the grains with data or of all bytes, or of compressed grains",
        },
        TargetOption {
            key: "adapter_type",
            values: "ide|lsilogic|buslogic|legacyESX",
            default: "ide",
            about: "the adapter that the disk is attached to; it determines the geometry",
        },
        TargetOption {
            key: "hwversion",
            values: "N",
            default: "4",
            about: "version of the virtual hardware, 1 to 99",
        },
        TargetOption {
            key: "grain",
            values: "SIZE",
            default: "64K",
            about: "bytes of a grain, a power of two from 8K to 1M; all products of VMware write 64K",
        },
        TargetOption {
            key: "level",
            values: "N",
            default: "6",
            about: "compression level of streamOptimized, 1 to 9",
        },
    ];

    pub(super) fn parse(settings: &Settings<'_>) -> Result<Self, TargetError> {
        let level = settings.zlib_level()?;
        let subformats = [
            ("monolithicSparse", Subformat::MonolithicSparse),
            ("monolithicFlat", Subformat::MonolithicFlat),
            ("twoGbMaxExtentSparse", Subformat::SplitSparse),
            ("twoGbMaxExtentFlat", Subformat::SplitFlat),
            ("streamOptimized", Subformat::StreamOptimized { level }),
        ];
        let adapters = [Adapter::Ide, Adapter::LsiLogic, Adapter::BusLogic, Adapter::LegacyEsx]
            .map(|adapter| (adapter.name(), adapter));
        let subformat = settings.choice("subformat", &subformats)?.unwrap_or_default();
        if settings.has("level") && !matches!(subformat, Subformat::StreamOptimized { .. }) {
            return Err(TargetError::Contradiction("level requires subformat=streamOptimized"));
        }
        if settings.has("grain") && !subformat.has_grains() {
            return Err(TargetError::Contradiction("grain requires a subformat that is not flat"));
        }
        let grains = "grains have a power of two from 8K to 1M bytes";
        let versions = "the version of the hardware is a number from 1 to 99";
        let version = |value: &str| value.parse().ok().and_then(HardwareVersion::new);
        Ok(Self {
            subformat,
            adapter: settings.choice("adapter_type", &adapters)?.unwrap_or_default(),
            hardware_version: settings.parsed("hwversion", versions, version)?.unwrap_or_default(),
            grain: settings.size("grain", grains, GrainSize::new)?.unwrap_or_default(),
        })
    }
}

impl TargetKind for VmdkTarget {
    /// The capacity of a stream is a multiple of the grain, as the specification recommends: strict importers expect it.
    fn properties(&self) -> Properties {
        let is_multi_file = self.subformat.is_multi_file();
        let properties = Properties { has_uuid: true, is_multi_file, ..Properties::new(imgprep_vmdk::NAME) };
        match self.subformat {
            Subformat::StreamOptimized { level } => Properties {
                granule: self.grain.bytes(),
                compression: Some(Compression::Zlib { level }),
                ..properties
            },
            _ => properties,
        }
    }

    fn set_level(&mut self, level: u32) -> Result<(), TargetError> {
        match &mut self.subformat {
            Subformat::StreamOptimized { level: current } => *current = zlib_level(level)?,
            _ => {
                return Err(TargetError::NoLevel { level, target: "a VMDK that is not streamOptimized" });
            }
        }
        Ok(())
    }

    fn extent_names(&self, file_name: &str) -> Vec<String> {
        imgprep_vmdk::extent_names(self.subformat, file_name)
    }

    fn writer(&self, image: &NewImage) -> Result<Box<dyn ImageWriter>, Error> {
        let options = WriteOptions {
            disk_size: image.disk_size,
            subformat: self.subformat,
            adapter: self.adapter,
            hardware_version: self.hardware_version,
            grain: self.grain,
            uuid: image.uuid,
        };
        imgprep_vmdk::writer(options, &image.file_name)
    }
}
