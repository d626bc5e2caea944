//! Decoding of L1 and L2 entries (section "Tables").

use imgprep_format_kit::Invalid;

use crate::codes;
use crate::header::Header;
use crate::layout::ZERO;

/// File offset of an L2 table; `None` if it is unallocated.
///
/// Only L2 entries can mark zeros.
pub(crate) fn l1(header: &Header, found: u64, at: u64) -> Result<Option<u64>, Invalid> {
    check_offset(header, "L1", found, at)?;
    Ok((found != 0).then_some(found))
}

/// State of a cluster according to its L2 entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cluster {
    Unallocated,
    Zero,
    Data { at: u64 },
}

pub(crate) fn l2(header: &Header, found: u64, at: u64) -> Result<Cluster, Invalid> {
    if found == ZERO {
        return Ok(Cluster::Zero);
    }
    check_offset(header, "L2", found, at)?;
    Ok(if found == 0 { Cluster::Unallocated } else { Cluster::Data { at: found } })
}

fn check_offset(header: &Header, table: &'static str, found: u64, at: u64) -> Result<(), Invalid> {
    let bad = |reason| Err(Invalid::Entry { code: codes::TABLE_ENTRY, at, table, found, reason });
    if !found.is_multiple_of(header.cluster_size) {
        return bad("the offset is not a multiple of the cluster size");
    }
    if found != 0 && found < header.length {
        return bad("the offset is inside the header clusters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::RawHeader;

    /// Clusters of 4 KiB, a header of two.
    fn header() -> Header {
        let raw = RawHeader::decode(&[0; 64]);
        Header { raw, cluster_size: 4096, table_entries: 512, length: 8192, backing_name: None }
    }

    #[test]
    fn every_state_of_an_l2_entry() {
        assert_eq!(l2(&header(), 0, 9), Ok(Cluster::Unallocated));
        assert_eq!(l2(&header(), 1, 9), Ok(Cluster::Zero));
        assert_eq!(l2(&header(), 8192, 9), Ok(Cluster::Data { at: 8192 }));
        let bad = |found, reason| {
            Err(Invalid::Entry { code: codes::TABLE_ENTRY, at: 9, table: "L2", found, reason })
        };
        for found in [2, 8193, 8192 + 512, u64::MAX] {
            let reason = "the offset is not a multiple of the cluster size";
            assert_eq!(l2(&header(), found, 9), bad(found, reason));
        }
        assert_eq!(l2(&header(), 4096, 9), bad(4096, "the offset is inside the header clusters"));
    }

    #[test]
    fn every_state_of_an_l1_entry() {
        assert_eq!(l1(&header(), 0, 9), Ok(None));
        assert_eq!(l1(&header(), 8192, 9), Ok(Some(8192)));
        for found in [1, 512, 4096, 8193] {
            let result = l1(&header(), found, 9);
            assert!(matches!(result, Err(Invalid::Entry { at: 9, table: "L1", .. })), "{found}");
        }
    }
}
