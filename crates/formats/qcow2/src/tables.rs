//! Decoding of L1 and L2 entries.
//!
//! Source: sections "L1 table entry", "Standard L2 entry", "Extended L2 entries".

use imgprep_format_kit::Invalid;

use crate::Corrupt;
use crate::codes;
use crate::layout::{COMPRESSED, COPIED, OFFSET_MASK, ZERO};

/// The offset of an L2 table; `None` if it is not allocated.
pub(crate) fn l1(found: u64, at: u64, cluster_bits: u32) -> Result<Option<u64>, Invalid> {
    let bad = |reason| Invalid::Entry { code: codes::TABLE_ENTRY, at, table: "L1", found, reason };
    if found & !(OFFSET_MASK | COPIED) != 0 {
        return Err(bad("bits that must be zero are set"));
    }
    let offset = found & OFFSET_MASK;
    if !offset.is_multiple_of(1 << cluster_bits) {
        return Err(bad("the offset is not a multiple of the cluster size"));
    }
    if found == COPIED {
        return Err(bad("COPIED is set without a table"));
    }
    Ok((offset != 0).then_some(offset))
}

/// An L2 entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Section "Standard Cluster Descriptor" or "Compressed Clusters Descriptor".
    pub(crate) descriptor: u64,
    /// The subclusters of an extended entry.
    pub(crate) bitmap: Option<u64>,
}

impl Entry {
    /// A standard entry of 8 bytes or an extended one of 16.
    pub(crate) fn decode<const N: usize>(bytes: [u8; N]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |index: usize| words.get(index).map(|word| u64::from_be_bytes(*word));
        Self { descriptor: word(0).unwrap_or(0), bitmap: word(1) }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.descriptor == 0 && self.bitmap.unwrap_or(0) == 0
    }
}

/// State of a cluster according to its L2 entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cluster {
    Unallocated,
    /// Reads as zeros. The entry may still contain an offset.
    Zero {
        kept: Option<u64>,
    },
    Data {
        at: u64,
    },
    /// `len` is an upper bound.
    Compressed {
        at: u64,
        len: u32,
    },
}

/// Properties of the image that determine the meaning of entry bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) cluster_bits: u32,
    /// Version 3 without extended entries.
    pub(crate) has_zero_flag: bool,
    pub(crate) has_data_file: bool,
}

impl Rules {
    /// The state of a cluster. `at` is the file offset of its entry.
    #[inline]
    pub(crate) fn l2(self, found: u64, at: u64) -> Result<Cluster, Invalid> {
        self.cluster(found).map_err(|reason| invalid(found, at, reason))
    }

    /// The state of a cluster, or what is wrong with its entry.
    #[inline]
    fn cluster(self, found: u64) -> Result<Cluster, &'static str> {
        if found & COMPRESSED != 0 {
            return if self.has_data_file {
                Err("a compressed cluster with an external data file")
            } else {
                Ok(self.compressed(found))
            };
        }
        let is_zero = found & ZERO != 0;
        if found & !(OFFSET_MASK | COPIED | ZERO) != 0 || (is_zero && !self.has_zero_flag) {
            return Err("bits that must be zero are set");
        }
        let offset = found & OFFSET_MASK;
        if !offset.is_multiple_of(1 << self.cluster_bits) {
            return Err("the offset is not a multiple of the cluster size");
        }
        if found == COPIED && !self.has_data_file {
            return Err("COPIED is set without a cluster");
        }
        // Offset 0 of an external data file is valid: COPIED marks it as allocated.
        let has_offset = offset != 0 || (self.has_data_file && found & COPIED != 0);
        Ok(match (is_zero, has_offset) {
            (true, _) => Cluster::Zero { kept: has_offset.then_some(offset) },
            (false, true) => Cluster::Data { at: offset },
            (false, false) => Cluster::Unallocated,
        })
    }

    /// Decodes a compressed entry (section "Compressed Clusters Descriptor").
    ///
    /// The offset is in the low bits. The number of 512-byte sectors beyond the first follows.
    fn compressed(self, found: u64) -> Cluster {
        let offset_bits = 62 - (self.cluster_bits - 8);
        let at = found & ((1 << offset_bits) - 1);
        let sectors = (found & (COMPRESSED - 1)) >> offset_bits;
        // OK: at most 2^13 sectors of 512 bytes, by `cluster_bits` <= 21.
        let len = u32::try_from((sectors + 1) * 512 - at % 512).unwrap_or(u32::MAX);
        Cluster::Compressed { at, len }
    }
}

/// Not inlined: walks over the tables get here once at most.
#[cold]
fn invalid(found: u64, at: u64, reason: &'static str) -> Invalid {
    Invalid::Entry { code: codes::TABLE_ENTRY, at, table: "L2", found, reason }
}

/// State of one subcluster according to the bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subcluster {
    Unallocated,
    Zero,
    Data,
}

/// Checks the bitmap of an extended entry against itself and the entry's cluster.
pub(crate) fn check_subclusters(bitmap: u64, cluster: Cluster, at: u64) -> Result<(), Corrupt> {
    let allocated = bitmap & 0xffff_ffff;
    let bad = |reason| Err(Corrupt::Subclusters { at, found: bitmap, reason });
    if allocated & (bitmap >> 32) != 0 {
        return bad("a subcluster is both allocated and zero");
    }
    match cluster {
        Cluster::Compressed { .. } if bitmap != 0 => bad("a compressed cluster has no subclusters"),
        Cluster::Unallocated if allocated != 0 => bad("a subcluster of an unallocated cluster is allocated"),
        _ => Ok(()),
    }
}

/// State of one of the 32 subclusters.
pub(crate) fn subcluster(bitmap: u64, index: u64) -> Subcluster {
    match (bitmap >> index & 1, bitmap >> (32 + index) & 1) {
        (1, _) => Subcluster::Data,
        (_, 1) => Subcluster::Zero,
        _ => Subcluster::Unallocated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V3: Rules = Rules { cluster_bits: 16, has_zero_flag: true, has_data_file: false };

    fn reason(result: Result<Cluster, Invalid>) -> &'static str {
        match result {
            Err(Invalid::Entry { at: 9, table: "L2", reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_state_of_an_l2_entry() {
        assert_eq!(V3.l2(0, 9), Ok(Cluster::Unallocated));
        assert_eq!(V3.l2(ZERO, 9), Ok(Cluster::Zero { kept: None }));
        assert_eq!(V3.l2(COPIED | 0x50000 | ZERO, 9), Ok(Cluster::Zero { kept: Some(0x50000) }));
        assert_eq!(V3.l2(COPIED | 0x50000, 9), Ok(Cluster::Data { at: 0x50000 }));
        assert_eq!(V3.l2(COPIED | ZERO, 9), Ok(Cluster::Zero { kept: None }));
        let external = Rules { has_data_file: true, ..V3 };
        assert_eq!(external.l2(COPIED, 9), Ok(Cluster::Data { at: 0 }));
    }

    #[test]
    fn a_compressed_entry_by_hand() {
        // 64 KiB clusters: 54 bits of offset, 8 bits of sectors; 3 more sectors after the first.
        let found = COMPRESSED | 3 << 54 | 0x50123;
        assert_eq!(V3.l2(found, 9), Ok(Cluster::Compressed { at: 0x50123, len: 4 * 512 - 0x123 }));
    }

    #[test]
    fn reserved_bits_are_rejected() {
        let zero = "bits that must be zero are set";
        for bit in [1, 2, 8, 56, 61] {
            assert_eq!(reason(V3.l2(1 << bit, 9)), zero, "{bit}");
        }
        let v2 = Rules { has_zero_flag: false, ..V3 };
        assert_eq!(reason(v2.l2(ZERO, 9)), zero);
        assert_eq!(reason(V3.l2(0x50200, 9)), "the offset is not a multiple of the cluster size");
        assert_eq!(reason(V3.l2(COPIED, 9)), "COPIED is set without a cluster");
        let external = Rules { has_data_file: true, ..V3 };
        assert_eq!(reason(external.l2(COMPRESSED, 9)), "a compressed cluster with an external data file");
    }

    #[test]
    fn l1_entries() {
        assert_eq!(l1(0, 9, 16), Ok(None));
        assert_eq!(l1(COPIED | 0x10000, 9, 16), Ok(Some(0x10000)));
        let reason = "COPIED is set without a table";
        assert_eq!(
            l1(COPIED, 9, 16),
            Err(Invalid::Entry { code: codes::TABLE_ENTRY, at: 9, table: "L1", found: COPIED, reason })
        );
        assert!(matches!(l1(0x10001, 9, 16), Err(Invalid::Entry { at: 9, table: "L1", .. })));
        assert!(matches!(l1(0x10200, 9, 16), Err(Invalid::Entry { at: 9, table: "L1", .. })));
    }

    #[test]
    fn subclusters_by_their_two_bits() {
        let bitmap = 0b01 | 0b10 << 32;
        assert_eq!(
            [0, 1, 2].map(|index| subcluster(bitmap, index)),
            [Subcluster::Data, Subcluster::Zero, Subcluster::Unallocated]
        );
        let data = Cluster::Data { at: 0 };
        assert_eq!(check_subclusters(bitmap, data, 9), Ok(()));
        for (bitmap, cluster) in
            [(1 | 1 << 32, data), (1, Cluster::Unallocated), (1 << 32, Cluster::Compressed { at: 0, len: 1 })]
        {
            let result = check_subclusters(bitmap, cluster, 9);
            assert!(matches!(result, Err(Corrupt::Subclusters { at: 9, .. })), "{bitmap:x}");
        }
    }
}
