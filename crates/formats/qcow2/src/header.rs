//! The header: raw -> validated (specification, section "Header").

use imgprep_format_kit::{Encrypted, Invalid, padded_head};
use imgprep_map::{Codec, Encryption, Error, ReadAt, usize_of};

use crate::codes;
use crate::error::HEADER_CODES;
use crate::layout::{
    COMPRESSION_AT, COMPRESSION_TYPE, CORRUPT, DATA_FILE, DATA_FILE_RAW, EXTENDED_L2, HEADER_V2, HEADER_V3,
    MAGIC, RawHeader,
};
use crate::{Corrupt, Unsupported};

/// A header with consistent fields.
///
/// The structures that it references are checked where they are read.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) raw: RawHeader,
    /// 9 to 21.
    pub(crate) cluster_bits: u32,
    cluster_size: u64,
    /// End of the header and start of the extensions, in bytes.
    pub(crate) length: u64,
    pub(crate) codec: Codec,
    /// Offset and length, inside the file.
    pub(crate) backing_name: Option<(u64, usize)>,
    pub(crate) encryption: Option<Encryption>,
}

impl Header {
    pub(crate) fn read(file: &dyn ReadAt) -> Result<Self, Error> {
        let raw = read_raw(file)?;
        if !(2..=3).contains(&raw.version) {
            return Err(Unsupported::Version { version: raw.version }.into());
        }
        let length = u64::from(raw.length);
        if raw.version == 3 && (length < HEADER_V3 || !length.is_multiple_of(8)) {
            return Err(HEADER_CODES.field(100, "header_length", "at least 104 and a multiple of 8", length));
        }
        if length > file.len() {
            return Err(cut(length, file));
        }
        if !(9..=21).contains(&raw.cluster_bits) {
            return Err(HEADER_CODES.field(20, "cluster_bits", "9 to 21", raw.cluster_bits.into()));
        }
        if length > 1 << raw.cluster_bits {
            return Err(HEADER_CODES.field(100, "header_length", "at most a cluster", length));
        }
        if raw.refcount_order > 6 {
            return Err(HEADER_CODES.field(96, "refcount_order", "at most 6", raw.refcount_order.into()));
        }
        if raw.incompatible & EXTENDED_L2 != 0 && raw.cluster_bits < 14 {
            return Err(HEADER_CODES.field(
                20,
                "cluster_bits",
                "at least 14 with extended L2 entries",
                raw.cluster_bits.into(),
            ));
        }
        let (codec, backing_name) = (codec(&raw)?, backing_name(file, &raw)?);
        let encryption = match raw.crypt_method {
            0 => None,
            1 => Some(Encryption::Aes),
            2 => Some(Encryption::Luks),
            other => Some(Encryption::Other(other)),
        };
        let (cluster_bits, cluster_size) = (raw.cluster_bits, 1 << raw.cluster_bits);
        Ok(Self { raw, cluster_bits, cluster_size, length, codec, backing_name, encryption })
    }

    pub(crate) fn cluster_size(&self) -> u64 {
        self.cluster_size
    }

    pub(crate) fn is_v3(&self) -> bool {
        self.raw.version >= 3
    }

    pub(crate) fn has_extended_l2(&self) -> bool {
        self.raw.incompatible & EXTENDED_L2 != 0
    }

    pub(crate) fn has_data_file(&self) -> bool {
        self.raw.incompatible & DATA_FILE != 0
    }

    pub(crate) fn has_raw_data_file(&self) -> bool {
        self.has_data_file() && self.raw.autoclear & DATA_FILE_RAW != 0
    }

    /// Entries of an L2 table: 8 bytes each, or 16 if extended; a table is a cluster.
    pub(crate) fn l2_entries(&self) -> u64 {
        1 << (self.cluster_bits - if self.has_extended_l2() { 4 } else { 3 })
    }

    /// Bytes of the disk that an L2 table describes: at most 2^39.
    pub(crate) fn l2_coverage(&self) -> u64 {
        self.l2_entries() << self.cluster_bits
    }

    /// Reason why data cannot be read, although the image can be described.
    pub(crate) fn refusal(&self) -> Option<Error> {
        if self.raw.incompatible & CORRUPT != 0 {
            return Some(Corrupt::MarkedCorrupt { at: 72 }.into());
        }
        Some(Encrypted::new(codes::HEADER_ENCRYPTED, 32, self.encryption?).into())
    }
}

/// Reads the longest known header, padded with zeros if the file is shorter.
fn read_raw(file: &dyn ReadAt) -> Result<RawHeader, Error> {
    if file.len() < HEADER_V2 {
        return Err(cut(HEADER_V2, file));
    }
    let raw = RawHeader::decode(&padded_head::<112>(file)?);
    if raw.magic != MAGIC {
        let (code, expected) = (codes::HEADER_MAGIC, "the QCOW2 magic");
        return Err(Invalid::Magic { code, expected, found: raw.magic }.into());
    }
    if raw.version >= 3 && file.len() < HEADER_V3 {
        return Err(cut(HEADER_V3, file));
    }
    Ok(raw)
}

fn cut(expected: u64, file: &dyn ReadAt) -> Error {
    Invalid::HeaderCut { code: codes::HEADER_CUT, expected, file_len: file.len() }.into()
}

/// Compression type: not zlib exactly if the feature bit is set.
fn codec(raw: &RawHeader) -> Result<Codec, Error> {
    let has_type = raw.incompatible & COMPRESSION_TYPE != 0;
    let at = COMPRESSION_AT as u64;
    match (raw.compression, has_type) {
        (0, false) => Ok(Codec::Deflate),
        (1, true) => Ok(Codec::Zstd),
        (0, true) => Err(HEADER_CODES.field(at, "compression_type", "not zlib with its feature bit", 0)),
        (kind, false) => {
            Err(HEADER_CODES.field(at, "compression_type", "zlib without its feature bit", kind.into()))
        }
        (kind, true) => Err(Unsupported::Compression { at, kind }.into()),
    }
}

fn backing_name(file: &dyn ReadAt, raw: &RawHeader) -> Result<Option<(u64, usize)>, Error> {
    if raw.backing_offset == 0 {
        return Ok(None);
    }
    if !(1..=1023).contains(&raw.backing_len) {
        return Err(HEADER_CODES.field(16, "backing_file_size", "1 to 1023", raw.backing_len.into()));
    }
    HEADER_CODES.check_table(file, 8, "the backing file name", raw.backing_offset, raw.backing_len.into())?;
    // OK: at most 1023.
    let len = usize_of(raw.backing_len);
    Ok(Some((raw.backing_offset, len)))
}
