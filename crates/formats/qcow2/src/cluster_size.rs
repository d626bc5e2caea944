//! Valid sizes of clusters (section "Header", `cluster_bits`).

/// Bytes of an entry of an L1, L2 or refcount table.
pub(crate) const ENTRY: u64 = 8;

/// The size of a cluster in bytes: a power of two from 512 to 2 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterSize {
    pub(crate) bits: u32,
}

impl ClusterSize {
    /// `None` if the size is invalid.
    pub fn new(bytes: u64) -> Option<Self> {
        let bits = bytes.trailing_zeros();
        (bytes.is_power_of_two() && (9..=21).contains(&bits)).then_some(Self { bits })
    }

    /// In bytes.
    pub fn bytes(self) -> u64 {
        1 << self.bits
    }

    /// Number of entries in a table of one cluster.
    pub(crate) fn entries(self) -> u64 {
        self.bytes() / ENTRY
    }
}

impl Default for ClusterSize {
    /// 64 KiB.
    fn default() -> Self {
        Self { bits: 16 }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn cluster_sizes_of_the_format() {
        let sizes: Vec<u64> =
            (0..64).map(|bits| 1 << bits).filter(|size| ClusterSize::new(*size).is_some()).collect();
        assert_eq!((sizes.first(), sizes.last(), sizes.len()), (Some(&512), Some(&(2 << 20)), 13));
        assert_eq!(ClusterSize::new(1000), None);
        assert_eq!(ClusterSize::default().bytes(), 65536);
    }
}
