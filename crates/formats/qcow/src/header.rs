//! The header: raw -> validated.

use imgprep_format_kit::{Encrypted, Invalid};
use imgprep_map::{Encryption, Error, ReadAt, usize_of};

use crate::Unsupported;
use crate::codes;
use crate::error::HEADER_CODES;
use crate::layout::{
    ENTRY, HEADER, MAGIC, RawHeader, XEN_AT, XEN_BIG_ENDIAN, XEN_HEADER, XEN_PAGE, XenHeader,
};

/// A header with consistent fields and an L1 table inside the file.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) raw: RawHeader,
    /// 9 to 16.
    pub(crate) cluster_bits: u32,
    cluster_size: u64,
    /// Entries of an L2 table: 2^6 to 2^13.
    pub(crate) l2_entries: u64,
    /// Number of L1 entries that the disk needs. The header has no field for it.
    pub(crate) l1_entries: u64,
    /// Offset and length, inside the file.
    pub(crate) backing_name: Option<(u64, usize)>,
    pub(crate) encryption: Option<Encryption>,
    pub(crate) xen: Option<XenHeader>,
}

impl Header {
    pub(crate) fn read(file: &dyn ReadAt) -> Result<Self, Error> {
        let raw = read_raw(file)?;
        if raw.version != 1 {
            return Err(Unsupported::Version { version: raw.version }.into());
        }
        if !(9..=16).contains(&raw.cluster_bits) {
            return Err(HEADER_CODES.field(32, "cluster_bits", "9 to 16", raw.cluster_bits.into()));
        }
        if !(6..=13).contains(&raw.l2_bits) {
            return Err(HEADER_CODES.field(33, "l2_bits", "6 to 13", raw.l2_bits.into()));
        }
        let (cluster_bits, l2_entries) = (u32::from(raw.cluster_bits), 1 << raw.l2_bits);
        let header = Self {
            cluster_bits,
            cluster_size: 1 << cluster_bits,
            l2_entries,
            l1_entries: raw.size.div_ceil(l2_entries << cluster_bits),
            backing_name: backing_name(file, &raw)?,
            encryption: match raw.crypt_method {
                0 => None,
                1 => Some(Encryption::Aes),
                other => Some(Encryption::Other(other)),
            },
            xen: xen(file, &raw)?,
            raw,
        };
        header.check_l1(file)?;
        Ok(header)
    }

    pub(crate) fn cluster_size(&self) -> u64 {
        self.cluster_size
    }

    /// Bytes of an L2 table: 512 to 64 KiB.
    pub(crate) fn l2_bytes(&self) -> u64 {
        self.l2_entries * ENTRY
    }

    /// Bytes of the disk that an L2 table describes: at most 2^29.
    pub(crate) fn l2_coverage(&self) -> u64 {
        self.l2_entries << self.cluster_bits
    }

    /// Bytes of the L1 table: at most 2^52, by the minimum coverage of 2^15.
    pub(crate) fn l1_bytes(&self) -> u64 {
        self.l1_entries * ENTRY
    }

    /// End of the header and its extension, in bytes.
    pub(crate) fn length(&self) -> u64 {
        HEADER + if self.xen.is_some() { XEN_HEADER } else { 0 }
    }

    /// Reason why data cannot be read, although the image can be described.
    pub(crate) fn refusal(&self) -> Option<Error> {
        if let Some(method) = self.encryption {
            return Some(Encrypted::new(codes::HEADER_ENCRYPTED, 36, method).into());
        }
        let is_native = self.xen.is_some_and(|xen| xen.flags & XEN_BIG_ENDIAN == 0);
        is_native.then(|| Unsupported::NativeL1.into())
    }

    /// Checks that the L1 table is after the header and inside the file.
    ///
    /// A disk of 0 bytes has no L1 table.
    fn check_l1(&self, file: &dyn ReadAt) -> Result<(), Error> {
        let start = self.raw.l1_offset;
        if self.l1_entries == 0 {
            return Ok(());
        }
        if start < HEADER {
            return Err(HEADER_CODES.field(40, "l1_table_offset", "at least 48", start));
        }
        HEADER_CODES.check_table(file, 40, "the L1 table", start, self.l1_bytes())?;
        Ok(())
    }
}

fn read_raw(file: &dyn ReadAt) -> Result<RawHeader, Error> {
    if file.len() < HEADER {
        return Err(
            Invalid::HeaderCut { code: codes::HEADER_CUT, expected: HEADER, file_len: file.len() }.into()
        );
    }
    let bytes = file.array::<48>(0)?;
    let raw = RawHeader::decode(&bytes);
    if raw.magic != MAGIC {
        let (code, expected) = (codes::HEADER_MAGIC, "the QCOW magic");
        return Err(Invalid::Magic { code, expected, found: raw.magic }.into());
    }
    Ok(raw)
}

/// Reads tapdisk's header extension.
///
/// Like tapdisk, expects an extension only if the L1 table is at a multiple of a page. Otherwise the name of
/// a backing file could be misread as an extension.
fn xen(file: &dyn ReadAt, raw: &RawHeader) -> Result<Option<XenHeader>, Error> {
    let has_room = raw.l1_offset >= XEN_PAGE && raw.l1_offset.is_multiple_of(XEN_PAGE);
    if !has_room || file.len() < XEN_AT + XEN_HEADER {
        return Ok(None);
    }
    Ok(XenHeader::decode(&file.array::<16>(XEN_AT)?))
}

/// Location of the name of the backing file. QEMU's limit is 1023 bytes.
fn backing_name(file: &dyn ReadAt, raw: &RawHeader) -> Result<Option<(u64, usize)>, Error> {
    if raw.backing_offset == 0 {
        return Ok(None);
    }
    if raw.backing_offset < HEADER {
        return Err(HEADER_CODES.field(8, "backing_file_offset", "0 or at least 48", raw.backing_offset));
    }
    if !(1..=1023).contains(&raw.backing_len) {
        return Err(HEADER_CODES.field(16, "backing_file_size", "1 to 1023", raw.backing_len.into()));
    }
    HEADER_CODES.check_table(file, 8, "the backing file name", raw.backing_offset, raw.backing_len.into())?;
    // OK: at most 1023.
    Ok(Some((raw.backing_offset, usize_of(raw.backing_len))))
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    /// 1 MiB in clusters of 4 KiB and tables of 4 KiB: one L1 entry at 48.
    fn good() -> Vec<u8> {
        let mut file = vec![0; 56];
        file[..4].copy_from_slice(&MAGIC);
        file[7] = 1;
        file[24..32].copy_from_slice(&(1u64 << 20).to_be_bytes());
        file[32..34].copy_from_slice(&[12, 9]);
        file[47] = 48;
        file
    }

    fn with(at: usize, bytes: &[u8]) -> Result<Header, Error> {
        let mut file = good();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        Header::read(&file)
    }

    fn corrupt(result: Result<Header, Error>) -> Invalid {
        result.expect_err("it is refused").detail::<Invalid>().expect("it is corrupt").clone()
    }

    #[test]
    fn a_header_by_hand() {
        let header = Header::read(&good()).unwrap();
        assert_eq!((header.cluster_size(), header.l2_bytes(), header.l2_coverage()), (4096, 4096, 2 << 20));
        assert_eq!((header.l1_entries, header.length()), (1, 48));
        assert!(header.backing_name.is_none() && header.encryption.is_none() && header.xen.is_none());
    }

    #[test]
    fn a_truncated_header_is_rejected() {
        let file = good()[..47].to_vec();
        assert_eq!(
            corrupt(Header::read(&file)),
            Invalid::HeaderCut { code: codes::HEADER_CUT, expected: 48, file_len: 47 }
        );
    }

    #[test]
    fn every_field_out_of_range_is_rejected() {
        for (at, bytes, name, found) in [
            (32, &[8][..], "cluster_bits", 8),
            (32, &[17], "cluster_bits", 17),
            (33, &[5], "l2_bits", 5),
            (33, &[14], "l2_bits", 14),
            (40, &[0; 8], "l1_table_offset", 0),
            (40, &[0, 0, 0, 0, 0, 0, 0, 47], "l1_table_offset", 47),
            (8, &[0, 0, 0, 0, 0, 0, 0, 47], "backing_file_offset", 47),
        ] {
            match corrupt(with(at, bytes)) {
                Invalid::Field { at: place, field, found: value, .. } => {
                    assert_eq!((place, field, value), (at as u64, name, found));
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(
            corrupt(with(0, b"QFI\xfa")),
            Invalid::Magic { code: codes::HEADER_MAGIC, expected: "the QCOW magic", found: *b"QFI\xfa" }
        );
        let version = with(4, &[0, 0, 0, 2]).unwrap_err();
        assert_eq!(version.detail(), Some(&Unsupported::Version { version: 2 }));
    }

    #[test]
    fn a_name_has_1_to_1023_bytes_inside_the_file() {
        let name = |len: u32| {
            let mut file = good();
            file[15] = 50;
            file[16..20].copy_from_slice(&len.to_be_bytes());
            Header::read(&file)
        };
        assert_eq!(name(6).unwrap().backing_name, Some((50, 6)));
        for len in [0, 1024, u32::MAX] {
            assert!(matches!(corrupt(name(len)), Invalid::Field { at: 16, .. }), "{len}");
        }
        let past = Invalid::TablePastEnd {
            code: HEADER_CODES.past_end,
            at: 8,
            table: "the backing file name",
            start: 50,
            end: 57,
            file_len: 56,
        };
        assert_eq!(corrupt(name(7)), past);
    }

    #[test]
    fn the_l1_table_is_as_long_as_the_disk_needs() {
        let grown = with(24, &(2u64 << 20 | 1).to_be_bytes());
        let past = Invalid::TablePastEnd {
            code: HEADER_CODES.past_end,
            at: 40,
            table: "the L1 table",
            start: 48,
            end: 64,
            file_len: 56,
        };
        assert_eq!(corrupt(grown), past);
        let oversized = with(24, &u64::MAX.to_be_bytes());
        assert!(matches!(corrupt(oversized), Invalid::TablePastEnd { at: 40, .. }));
        let nothing = with(24, &[0; 8]).unwrap();
        assert_eq!(nothing.l1_entries, 0);
    }

    #[test]
    fn encryption_and_native_byte_order_are_rejected() {
        let code = |header: Header| header.refusal().map(|error| error.code().id);
        assert_eq!(code(with(36, &[0, 0, 0, 1]).unwrap()), Some("qcow.header.encrypted"));
        assert_eq!(code(with(36, &[0, 0, 0, 7]).unwrap()), Some("qcow.header.encrypted"));
        let xen = |flags: u8| {
            let mut file = good();
            file[40..48].copy_from_slice(&4096u64.to_be_bytes());
            file.resize(4104, 0);
            file[48..52].copy_from_slice(b"XEN\xfb");
            file[63] = flags;
            Header::read(&file).unwrap()
        };
        assert_eq!(code(xen(1)), Some("qcow.header.native-l1"));
        assert_eq!(code(xen(2)), None);
        assert_eq!(xen(2).length(), 64);
        // The L1 table of tapdisk is at a multiple of a page: these bytes are a part of something else.
        let mut file = good();
        file[40..48].copy_from_slice(&4104u64.to_be_bytes());
        file.resize(4112, 0);
        file[48..52].copy_from_slice(b"XEN\xfb");
        assert!(Header::read(&file).unwrap().xen.is_none());
        // A disk of 0 bytes needs no L1 table: the file may end behind the extension, or in it.
        file[24..32].fill(0);
        file[40..48].copy_from_slice(&4096u64.to_be_bytes());
        for (len, is_xen) in [(64, true), (63, false)] {
            file.truncate(len);
            assert_eq!(Header::read(&file).unwrap().xen.is_some(), is_xen, "{len}");
        }
    }
}
