//! The options of a written image.

use crate::layout::MIB;

/// The variant of a written image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subformat {
    /// Only blocks that contain data, in disk order.
    #[default]
    Dynamic,
    /// All blocks, in disk order.
    Fixed,
}

/// The size of a logical sector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogicalSector {
    /// 512 bytes.
    #[default]
    B512,
    /// 4096 bytes.
    B4096,
}

impl LogicalSector {
    /// A sector size of `bytes`; `None` if it is invalid.
    pub fn new(bytes: u64) -> Option<Self> {
        match bytes {
            512 => Some(Self::B512),
            4096 => Some(Self::B4096),
            _ => None,
        }
    }

    /// The size in bytes.
    pub fn bytes(self) -> u32 {
        match self {
            Self::B512 => 512,
            Self::B4096 => 4096,
        }
    }
}

/// The size of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSize(u32);

impl BlockSize {
    /// A block size: a power of two from 1 MiB to 256 MiB. `None` if it is invalid.
    pub fn new(bytes: u64) -> Option<Self> {
        let is_valid = bytes.is_power_of_two() && (MIB..=256 * MIB).contains(&bytes);
        u32::try_from(bytes).ok().filter(|_| is_valid).map(Self)
    }

    /// The size that QEMU selects for a disk of `size` bytes.
    ///
    /// It ranges from 8 MiB for disks up to 1 GiB to 64 MiB for disks from 32 TiB on.
    pub fn for_disk(size: u64) -> Self {
        Self(match size {
            0..=0x4000_0000 => 8 << 20,
            0x4000_0001..=0x19_0000_0000 => 16 << 20,
            0x19_0000_0001..=0x2000_0000_0000 => 32 << 20,
            _ => 64 << 20,
        })
    }

    pub(crate) fn bytes(self) -> u32 {
        self.0
    }
}

/// The size of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSize(u32);

impl LogSize {
    /// A log size: whole MiB, from 1 to 4095. `None` if it is invalid.
    pub fn new(bytes: u64) -> Option<Self> {
        u32::try_from(bytes).ok().filter(|_| bytes > 0 && bytes.is_multiple_of(MIB)).map(Self)
    }

    pub(crate) fn bytes(self) -> u32 {
        self.0
    }
}

/// 1 MiB, as in Hyper-V and QEMU.
impl Default for LogSize {
    fn default() -> Self {
        Self(1 << 20)
    }
}

/// The options of a written image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Variant: dynamic or fixed.
    pub subformat: Subformat,
    /// The size of a block. The default is [`BlockSize::for_disk`].
    pub block_size: Option<BlockSize>,
    /// The size of a logical sector.
    pub logical_sector: LogicalSector,
    /// The size of the log, which is written empty.
    pub log_size: LogSize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_specification() {
        for bytes in [1 << 20, 32 << 20, 256 << 20] {
            assert_eq!(BlockSize::new(bytes).map(|size| u64::from(size.bytes())), Some(bytes));
        }
        for bytes in [0, 512 << 10, 3 << 20, 512 << 20, 1 << 40, u64::MAX] {
            assert_eq!(BlockSize::new(bytes), None, "{bytes}");
        }
        assert_eq!(
            [512, 4096].map(|bytes| LogicalSector::new(bytes).map(LogicalSector::bytes)),
            [Some(512), Some(4096)]
        );
        assert_eq!([0, 1024, 4097].map(LogicalSector::new), [None; 3]);
        assert_eq!(LogSize::new(1 << 20), Some(LogSize::default()));
        assert_eq!(LogSize::new(4095 << 20).map(LogSize::bytes), Some(4095 << 20));
        assert_eq!([0, 1 << 19, (1 << 20) + 512, 1 << 32].map(LogSize::new), [None; 4]);
    }

    #[test]
    fn default_blocks_grow_with_the_disk() {
        let (gib, tib) = (1_u64 << 30, 1_u64 << 40);
        for (size, mib) in [
            (0, 8),
            (gib, 8),
            (gib + 512, 16),
            (100 * gib, 16),
            (100 * gib + 512, 32),
            (32 * tib, 32),
            (32 * tib + 512, 64),
            (64 * tib, 64),
        ] {
            assert_eq!(BlockSize::for_disk(size), BlockSize(mib << 20), "{size}");
        }
    }
}
