//! The master boot record (UEFI 2.10, 5.2) and the chain of logical partitions after it.

use alloc::string::String;
use alloc::vec::Vec;

use byteorder::{ByteOrder, LittleEndian};

use crate::kind::is_extended;
use crate::{Partition, PartitionKind};

/// Bytes of the record.
pub(crate) const RECORD: usize = 512;
/// Where the four entries begin, and how long each is.
const TABLE: usize = 446;
const ENTRY: usize = 16;
/// The first number of a logical partition.
const FIRST_LOGICAL: u32 = 5;
/// Logical partitions that are followed: no system makes more.
const MAX_LOGICAL: u32 = 60;

/// The type of an entry that protects a GPT.
pub(crate) const PROTECTIVE: u8 = 0xee;

/// One entry, in sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Byte within its record.
    pub(crate) at: u64,
    pub(crate) is_active: bool,
    pub(crate) kind: u8,
    pub(crate) first: u32,
    pub(crate) count: u32,
}

pub(crate) fn has_signature(record: &[u8]) -> bool {
    record.get(510..512) == Some(&[0x55, 0xaa])
}

/// The used entries of a record, if it is a partition table and not a boot sector's code: every entry has
/// flags that a table can have and, if it is used, a first sector and a length.
pub(crate) fn entries(record: &[u8]) -> Option<Vec<Entry>> {
    let table = record.get(TABLE..RECORD).filter(|_| has_signature(record))?;
    let mut used = Vec::new();
    for (at, entry) in (TABLE as u64..).step_by(ENTRY).zip(table.chunks_exact(ENTRY)) {
        let (first, count) = (LittleEndian::read_u32(&entry[8..]), LittleEndian::read_u32(&entry[12..]));
        match entry {
            [0 | 0x80, _, _, _, 0, ..] => {}
            [flag @ (0 | 0x80), _, _, _, kind, ..] if first > 0 && count > 0 => {
                used.push(Entry { at, is_active: *flag == 0x80, kind: *kind, first, count });
            }
            _ => return None,
        }
    }
    (!used.is_empty()).then_some(used)
}

/// Whether a GPT may stand after this record (UEFI 2.10, 5.2.3): one of its entries has the type that protects
/// it and begins at sector 1, or the record is a table, as a hybrid one, that has an entry of this type.
pub(crate) fn is_protective(record: &[u8]) -> bool {
    let Some(table) = record.get(TABLE..RECORD - 2).filter(|_| has_signature(record)) else { return false };
    let protects = |entry: &[u8]| entry[4] == PROTECTIVE && LittleEndian::read_u32(&entry[8..]) == 1;
    table.chunks_exact(ENTRY).any(protects)
        || entries(record).into_iter().flatten().any(|entry| entry.kind == PROTECTIVE)
}

/// Where a table stands and what its numbers count.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    /// Bytes of a sector.
    pub(crate) sector: u64,
    /// The record's first sector.
    pub(crate) record: u64,
    /// The sector from which starts are counted.
    pub(crate) base: u64,
}

pub(crate) fn partition(number: u32, entry: &Entry, frame: Frame) -> Partition {
    Partition {
        number,
        start: (frame.base + u64::from(entry.first)).saturating_mul(frame.sector),
        len: u64::from(entry.count).saturating_mul(frame.sector),
        kind: PartitionKind::Mbr(entry.kind),
        name: String::new(),
        is_active: entry.is_active,
        entry_at: frame.record.saturating_mul(frame.sector).saturating_add(entry.at),
        volume: None,
    }
}

/// The logical partitions in an extended one that begins at sector `first`. `read` gives the record at
/// a disk offset, or nothing; the chain ends at the first record that goes back.
pub(crate) fn logical(
    first: u32,
    sector: u64,
    read: &mut dyn FnMut(u64) -> Option<Vec<u8>>,
) -> Vec<Partition> {
    let base = u64::from(first);
    let (mut record, mut found) = (base, Vec::new());
    for number in FIRST_LOGICAL..FIRST_LOGICAL + MAX_LOGICAL {
        let Some(entries) = read(record.saturating_mul(sector)).as_deref().and_then(entries) else { break };
        if let Some(data) = entries.iter().find(|entry| !is_extended(entry.kind)) {
            found.push(partition(number, data, Frame { sector, record, base: record }));
        }
        let next =
            entries.iter().find(|entry| is_extended(entry.kind)).map(|entry| base + u64::from(entry.first));
        match next {
            Some(next) if next > record => record = next,
            _ => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn record(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut record = vec![0; RECORD];
        record[510..].copy_from_slice(&[0x55, 0xaa]);
        for (at, bytes) in parts {
            record[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        record
    }

    fn raw(flag: u8, kind: u8, first: u32, count: u32) -> Vec<u8> {
        let mut entry = vec![flag, 0, 0, 0, kind, 0, 0, 0];
        entry.extend(first.to_le_bytes());
        entry.extend(count.to_le_bytes());
        entry
    }

    #[test]
    fn an_entry_is_read_by_its_fields() {
        let found = entries(&record(&[(462, &raw(0x80, 0x83, 2048, 4096))])).unwrap();
        assert_eq!(found, [Entry { at: 462, is_active: true, kind: 0x83, first: 2048, count: 4096 }]);
    }

    #[test]
    fn a_sector_without_a_table_has_no_entries() {
        let used = raw(0, 0x83, 2048, 4096);
        assert_eq!(entries(&record(&[])), None, "nothing is used");
        assert_eq!(entries(&record(&[(446, &used), (511, &[0xab])])), None, "no signature");
        assert_eq!(entries(&record(&[(446, &used), (462, &[0x20])])), None, "flags of no table");
        assert_eq!(entries(&record(&[(446, &raw(0, 0x83, 0, 1))])), None, "over the record itself");
        assert_eq!(entries(&record(&[(446, &raw(0, 0x83, 1, 0))])), None, "of no length");
        assert_eq!(entries(&record(&[])[..511]), None);
    }

    #[test]
    fn a_protective_entry_is_found_by_its_type_and_its_first_sector() {
        let protective = raw(0, 0xee, 1, 99);
        assert!(is_protective(&record(&[(446, &protective)])));
        assert!(
            is_protective(&record(&[(494, &protective), (446, &raw(0x80, 0x83, 2048, 9))])),
            "a hybrid one"
        );
        assert!(is_protective(&record(&[(446, &raw(0, 0xee, 1, 0)), (462, &[0x20])])), "beside garbage");
        assert!(is_protective(&record(&[(446, &raw(0, 0xee, 7, 9))])), "of a valid table");
        assert!(!is_protective(&record(&[(446, &raw(0, 0xee, 7, 9)), (462, &[0x20])])));
        assert!(!is_protective(&record(&[(446, &raw(0, 0x83, 1, 9))])));
        assert!(!is_protective(&record(&[(446, &protective), (511, &[0])])), "no signature");
        assert!(!is_protective(&record(&[(446, &protective)])[..511]));
    }

    #[test]
    fn logical_partitions_are_followed_and_cycles_end() {
        let first = record(&[(446, &raw(0, 0x83, 63, 100)), (462, &raw(0, 5, 1000, 200))]);
        let second = record(&[(446, &raw(0, 0x82, 63, 50)), (462, &raw(0, 5, 1000, 200))]);
        let found = logical(5000, 512, &mut |at| match at {
            2_560_000 => Some(first.clone()),
            3_072_000 => Some(second.clone()),
            _ => None,
        });
        let places: Vec<_> = found.iter().map(|found| (found.number, found.start, found.entry_at)).collect();
        assert_eq!(places, [(5, 5063 * 512, 5000 * 512 + 446), (6, 6063 * 512, 6000 * 512 + 446)]);
    }
}
