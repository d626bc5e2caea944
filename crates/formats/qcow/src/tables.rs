//! Decoding of L1 and L2 entries.

use imgprep_format_kit::Invalid;

use crate::codes;
use crate::layout::COMPRESSED;

/// File offset of an L2 table; `None` if it is unallocated.
///
/// An L1 entry has no flags.
pub(crate) fn l1(found: u64, at: u64, cluster_bits: u32) -> Result<Option<u64>, Invalid> {
    if !found.is_multiple_of(1 << cluster_bits) {
        let reason = "the offset is not a multiple of the cluster size";
        return Err(Invalid::Entry { code: codes::TABLE_ENTRY, at, table: "L1", found, reason });
    }
    Ok((found != 0).then_some(found))
}

/// State of a cluster according to its L2 entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cluster {
    Unallocated,
    Data {
        at: u64,
    },
    /// `len` is exact: QEMU stores the compressor's output, less than a cluster.
    Compressed {
        at: u64,
        len: u32,
    },
}

/// Decodes an L2 entry.
///
/// All writers store plain clusters at multiples of the cluster size, and compressed ones at any offset.
pub(crate) fn l2(found: u64, at: u64, cluster_bits: u32) -> Result<Cluster, Invalid> {
    let bad = |reason| Invalid::Entry { code: codes::TABLE_ENTRY, at, table: "L2", found, reason };
    if found & COMPRESSED != 0 {
        let offset_bits = 63 - cluster_bits;
        // OK: at most 16 bits, by `cluster_bits`.
        let len = u32::try_from((found & !COMPRESSED) >> offset_bits).unwrap_or(u32::MAX);
        return if len == 0 {
            Err(bad("a compressed cluster of 0 bytes"))
        } else {
            Ok(Cluster::Compressed { at: found & ((1 << offset_bits) - 1), len })
        };
    }
    if !found.is_multiple_of(1 << cluster_bits) {
        return Err(bad("the offset is not a multiple of the cluster size"));
    }
    Ok(if found == 0 { Cluster::Unallocated } else { Cluster::Data { at: found } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_an_l2_entry() {
        assert_eq!(l2(0, 9, 12), Ok(Cluster::Unallocated));
        assert_eq!(l2(0x5000, 9, 12), Ok(Cluster::Data { at: 0x5000 }));
        assert_eq!(l2(1 << 62, 9, 12), Ok(Cluster::Data { at: 1 << 62 }));
        let misplaced = "the offset is not a multiple of the cluster size";
        let bad = |found, reason| {
            Err(Invalid::Entry { code: codes::TABLE_ENTRY, at: 9, table: "L2", found, reason })
        };
        assert_eq!(l2(0x5200, 9, 12), bad(0x5200, misplaced));
        assert_eq!(l2(0x5200, 9, 9), Ok(Cluster::Data { at: 0x5200 }));
        let empty = COMPRESSED | 0x5123;
        assert_eq!(l2(empty, 9, 12), bad(empty, "a compressed cluster of 0 bytes"));
    }

    #[test]
    fn a_compressed_entry_by_hand() {
        // 4 KiB clusters: 51 bits of offset, 12 bits of length. 64 KiB: 47 and 16. 512 B: 54 and 9.
        for (bits, shift, len) in [(12, 51, 0xfff), (16, 47, 0xffff), (9, 54, 0x1ff)] {
            let found = COMPRESSED | len << shift | 0x5_0123;
            let len = u32::try_from(len).unwrap();
            assert_eq!(l2(found, 9, bits), Ok(Cluster::Compressed { at: 0x5_0123, len }), "{bits}");
        }
        let last = COMPRESSED | 1 << 51 | ((1 << 51) - 1);
        assert_eq!(l2(last, 9, 12), Ok(Cluster::Compressed { at: (1 << 51) - 1, len: 1 }));
    }

    #[test]
    fn every_state_of_an_l1_entry() {
        assert_eq!(l1(0, 9, 12), Ok(None));
        assert_eq!(l1(0x1000, 9, 12), Ok(Some(0x1000)));
        for found in [1, 0x1200, COMPRESSED | 1] {
            assert!(matches!(l1(found, 9, 12), Err(Invalid::Entry { at: 9, table: "L1", .. })), "{found:x}");
        }
    }
}
