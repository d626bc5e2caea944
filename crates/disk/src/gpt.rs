//! The GUID partition table (UEFI 2.10, 5.3).

use alloc::string::String;
use alloc::vec::Vec;

use byteorder::{ByteOrder, LittleEndian};
use imgprep_map::usize_of;

use crate::{Partition, PartitionKind};

/// Bytes of the header that are defined.
const HEADER: usize = 92;
/// Maximum number of bytes read of an array of entries: eight times the usual size.
pub(crate) const MAX_ENTRY_BYTES: u64 = 128 << 10;
/// Attribute 2: a BIOS boots it.
const LEGACY_BOOT: u64 = 4;

/// A header that begins with the signature. Only the fields that determine its location are validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of a sector.
    pub(crate) sector: u64,
    /// Sector of the other header.
    pub(crate) alternate: u64,
    /// Sector of the first entry.
    pub(crate) entries: u64,
    /// Number of entries, and bytes of each.
    pub(crate) count: u32,
    pub(crate) entry_size: u32,
    pub(crate) entries_crc: u32,
    /// Whether its checksum matches.
    pub(crate) is_sound: bool,
}

impl Header {
    /// The header in a sector of `sector.len()` bytes, if there is one.
    pub(crate) fn decode(sector: &[u8]) -> Option<Self> {
        if !sector.starts_with(b"EFI PART") || sector.len() < HEADER {
            return None;
        }
        let u32 = |at: usize| LittleEndian::read_u32(&sector[at..]);
        let u64 = |at: usize| LittleEndian::read_u64(&sector[at..]);
        let summed = usize::try_from(u32(12)).ok().and_then(|len| sector.get(..len));
        let is_sound = summed.is_some_and(|summed| {
            let mut copy = summed.to_vec();
            copy.len() >= HEADER && {
                copy[16..20].fill(0);
                crc32(&copy) == u32(16)
            }
        });
        Some(Self {
            sector: sector.len() as u64,
            alternate: u64(32),
            entries: u64(72),
            count: u32(80),
            entry_size: u32(84),
            entries_crc: u32(88),
            is_sound,
        })
    }

    /// Disk range of the entries, if a table of that shape can be read.
    pub(crate) fn entry_range(&self) -> Option<(u64, usize)> {
        let len = u64::from(self.count) * u64::from(self.entry_size);
        let is_sane = self.entry_size >= 128 && self.entry_size.is_multiple_of(8) && len <= MAX_ENTRY_BYTES;
        let start = self.entries.checked_mul(self.sector).filter(|_| is_sane)?;
        Some((start, usize::try_from(len).ok()?))
    }

    /// The used entries of the array at disk offset `at`.
    pub(crate) fn partitions(&self, at: u64, array: &[u8]) -> Vec<Partition> {
        // OK: at least 128, see `entry_range`.
        let size = usize_of(self.entry_size);
        let numbered = (1..).zip((at..).step_by(size)).zip(array.chunks_exact(size));
        numbered.filter_map(|((number, at), entry)| self.partition(number, at, entry)).collect()
    }

    fn partition(&self, number: u32, at: u64, entry: &[u8]) -> Option<Partition> {
        // OK: an entry has 128 bytes or more.
        let kind: [u8; 16] = entry[..16].try_into().ok().filter(|kind| *kind != [0; 16])?;
        let (first, last) = (LittleEndian::read_u64(&entry[32..]), LittleEndian::read_u64(&entry[40..]));
        let start = first.saturating_mul(self.sector);
        let end = last.saturating_add(1).saturating_mul(self.sector);
        Some(Partition {
            number,
            start,
            len: end.saturating_sub(start),
            kind: PartitionKind::Gpt(kind),
            name: name(&entry[56..128]),
            is_active: LittleEndian::read_u64(&entry[48..]) & LEGACY_BOOT != 0,
            entry_at: at,
            volume: None,
        })
    }
}

/// UTF-16 up to the first zero, unescaped: the caller must escape it before printing.
fn name(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(LittleEndian::read_u16).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// CRC-32 as in Ethernet, bit by bit: tables are small.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn header(len: usize) -> Vec<u8> {
        let mut sector = vec![0; len];
        sector[..8].copy_from_slice(b"EFI PART");
        sector[12..16].copy_from_slice(&92_u32.to_le_bytes());
        sector[32..40].copy_from_slice(&2047_u64.to_le_bytes());
        sector[72..80].copy_from_slice(&2_u64.to_le_bytes());
        sector[80..84].copy_from_slice(&4_u32.to_le_bytes());
        sector[84..88].copy_from_slice(&128_u32.to_le_bytes());
        let crc = crc32(&sector[..92]);
        sector[16..20].copy_from_slice(&crc.to_le_bytes());
        sector
    }

    #[test]
    fn the_checksum_is_crc32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_header_is_read_and_its_checksum_is_verified() {
        for len in [512, 4096] {
            let found = Header::decode(&header(len)).unwrap();
            assert!(found.is_sound);
            assert_eq!(found.sector, len as u64);
            assert_eq!(found.entry_range(), Some((2 * len as u64, 512)));
        }
        for at in [16, 40, 91] {
            let mut bad = header(512);
            bad[at] ^= 1;
            assert!(!Header::decode(&bad).unwrap().is_sound, "{at}");
        }
        let mut bad = header(512);
        bad[12] = 20;
        assert!(!Header::decode(&bad).unwrap().is_sound, "a header of 20 bytes");
        bad[0] = b'e';
        assert_eq!(Header::decode(&bad), None);
        assert_eq!(Header::decode(&header(512)[..91]), None);
    }

    #[test]
    fn oversized_tables_have_no_entries() {
        let sound = Header::decode(&header(512)).unwrap();
        for header in [
            Header { count: u32::MAX, ..sound },
            Header { entry_size: 0, ..sound },
            Header { entry_size: 120, ..sound },
            Header { entry_size: u32::MAX, ..sound },
            Header { entries: u64::MAX, ..sound },
        ] {
            assert_eq!(header.entry_range(), None, "{header:?}");
        }
    }

    #[test]
    fn entries_are_read_and_unused_ones_keep_their_numbers() {
        let mut array = vec![0; 512];
        array[128..144].fill(7);
        array[160..168].copy_from_slice(&34_u64.to_le_bytes());
        array[168..176].copy_from_slice(&99_u64.to_le_bytes());
        array[176] = 4;
        for (at, unit) in "a\x1bé".encode_utf16().enumerate() {
            array[184 + 2 * at..186 + 2 * at].copy_from_slice(&unit.to_le_bytes());
        }
        array[256..272].fill(9);
        array[288..296].copy_from_slice(&[0xff; 8]);
        let found = Header::decode(&header(512)).unwrap().partitions(1024, &array);
        assert_eq!(found.len(), 2);
        let first = &found[0];
        assert_eq!((first.number, first.start, first.len, first.entry_at), (2, 34 * 512, 66 * 512, 1152));
        assert_eq!((first.name.as_str(), first.is_active), ("a\u{1b}é", true));
        assert_eq!((found[1].start, found[1].len), (u64::MAX, 0), "saturated");
    }
}
