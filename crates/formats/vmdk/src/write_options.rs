//! Options of a written image: subformat, adapter, grain size, identity.

/// The variant of a written image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subformat {
    /// One file: descriptor, tables and the grains with data.
    #[default]
    MonolithicSparse,
    /// One file of compressed grains that is written front to back.
    StreamOptimized {
        /// Deflate level, 1 to 9.
        level: u32,
    },
    /// A descriptor and one file with the bytes of the disk.
    MonolithicFlat,
    /// A descriptor and sparse files of 2047 MiB of the disk each.
    SplitSparse,
    /// A descriptor and flat files of 2047 MiB of the disk each.
    SplitFlat,
}

impl Subformat {
    /// The `createType` of the subformat.
    pub fn name(self) -> &'static str {
        match self {
            Self::MonolithicSparse => "monolithicSparse",
            Self::StreamOptimized { .. } => "streamOptimized",
            Self::MonolithicFlat => "monolithicFlat",
            Self::SplitSparse => "twoGbMaxExtentSparse",
            Self::SplitFlat => "twoGbMaxExtentFlat",
        }
    }

    /// Whether the image consists of a descriptor and further files.
    pub fn is_multi_file(self) -> bool {
        !matches!(self, Self::MonolithicSparse | Self::StreamOptimized { .. })
    }

    /// Whether the disk is stored in grains.
    pub fn has_grains(self) -> bool {
        !matches!(self, Self::MonolithicFlat | Self::SplitFlat)
    }
}

/// The adapter to which the disk is attached. It determines the geometry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Adapter {
    /// An IDE controller.
    #[default]
    Ide,
    /// An LSI Logic SCSI controller.
    LsiLogic,
    /// A `BusLogic` SCSI controller.
    BusLogic,
    /// The SCSI controller of early ESX servers.
    LegacyEsx,
}

impl Adapter {
    /// The `ddb.adapterType` of the adapter.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ide => "ide",
            Self::LsiLogic => "lsilogic",
            Self::BusLogic => "buslogic",
            Self::LegacyEsx => "legacyESX",
        }
    }

    /// Heads, and sectors per track, of a disk of `sectors` sectors
    /// (5.0, "The Disk Database").
    pub(crate) fn track(self, sectors: u64) -> (u64, u64) {
        const GIB: u64 = 1 << 21;
        match self {
            Self::Ide => (16, 63),
            _ if sectors <= GIB => (64, 32),
            _ if sectors <= 2 * GIB => (128, 32),
            _ => (255, 63),
        }
    }
}

/// The size of a grain, the unit of allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrainSize(u64);

impl GrainSize {
    /// A grain size of `bytes`, a power of two from 8 KiB to 1 MiB.
    ///
    /// `None` if the size is invalid. 8 KiB is the specification's minimum.
    pub fn new(bytes: u64) -> Option<Self> {
        (bytes.is_power_of_two() && (8 << 10..=1 << 20).contains(&bytes)).then_some(Self(bytes))
    }

    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// 64 KiB, which all products of the vendor write.
impl Default for GrainSize {
    fn default() -> Self {
        Self(64 << 10)
    }
}

/// The version of the virtual hardware for which the disk is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HardwareVersion(u32);

impl HardwareVersion {
    /// A version from 1 to 99; `None` if it is out of range.
    pub fn new(version: u32) -> Option<Self> {
        (1..=99).contains(&version).then_some(Self(version))
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// 4, as `qemu-img` writes it: all products accept it.
impl Default for HardwareVersion {
    fn default() -> Self {
        Self(4)
    }
}

/// The options of a written image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Bytes of the disk: whole sectors, for a stream whole grains.
    pub disk_size: u64,
    /// The variant.
    pub subformat: Subformat,
    /// The adapter.
    pub adapter: Adapter,
    /// The version of the virtual hardware.
    pub hardware_version: HardwareVersion,
    /// The grain size.
    pub grain: GrainSize,
    /// The UUID from which all identifiers are derived.
    pub uuid: [u8; 16],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grains_are_powers_of_two_from_8_kib_to_1_mib() {
        for bytes in [8 << 10, 64 << 10, 1 << 20] {
            assert_eq!(GrainSize::new(bytes).map(GrainSize::bytes), Some(bytes));
        }
        for bytes in [0, 4096, (8 << 10) + 1, 24 << 10, 2 << 20, u64::MAX] {
            assert_eq!(GrainSize::new(bytes), None, "{bytes}");
        }
    }
}
