//! On-disk structures: offsets, sizes, signatures.

use imgprep_format_kit::Fields;

use crate::guid::Guid;

/// The format's name.
pub const NAME: &str = "vhdx";
pub(crate) const KIB: u64 = 1 << 10;
/// Alignment of regions, the log and blocks.
pub(crate) const MIB: u64 = 1 << 20;

/// First bytes of the file (2.2.1).
pub(crate) const FILE: [u8; 8] = *b"vhdxfile";
/// Bytes of the creator's name: UTF-16LE after the signature.
pub(crate) const CREATOR_BYTES: usize = 512;

/// Offsets of both copies of the header (2.2.2).
pub(crate) const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
pub(crate) const HEADER: [u8; 4] = *b"head";
/// Bytes of a header that its checksum covers.
pub(crate) const HEADER_BYTES: usize = 4096;

/// Offsets of both copies of the region table (2.2.3).
pub(crate) const REGION_TABLES: [u64; 2] = [192 * KIB, 256 * KIB];
pub(crate) const REGION: [u8; 4] = *b"regi";
pub(crate) const TABLE_BYTES: usize = 64 << 10;
/// Number of 32-byte entries in a table of 64 KiB, after its head.
pub(crate) const MAX_ENTRIES: u32 = 2047;

pub(crate) const BAT_REGION: Guid = Guid::from_text(0x2dc2_7766_f623_4200_9d64_115e_9bfd_4a08);
pub(crate) const METADATA_REGION: Guid = Guid::from_text(0x8b7c_a206_4790_4b9a_b8fe_575f_050f_886e);

/// Bytes of a log sector (2.3.1).
pub(crate) const SECTOR: u64 = 4096;
pub(crate) const ENTRY: [u8; 4] = *b"loge";
pub(crate) const ENTRY_HEAD: usize = 64;
pub(crate) const ZERO_DESCRIPTOR: [u8; 4] = *b"zero";
pub(crate) const DATA_DESCRIPTOR: [u8; 4] = *b"desc";
pub(crate) const DESCRIPTOR: usize = 32;
pub(crate) const DATA_SECTOR: [u8; 4] = *b"data";

/// Signature of the metadata table (2.6.1.1).
pub(crate) const METADATA: [u8; 8] = *b"metadata";

/// Metadata items (2.6.2).
pub(crate) const FILE_PARAMETERS: Guid = Guid::from_text(0xcaa1_6737_fa36_4d43_b3b6_33f0_aa44_e76b);
pub(crate) const VIRTUAL_DISK_SIZE: Guid = Guid::from_text(0x2fa5_4224_cd1b_4876_b211_5dbe_d83b_f4b8);
pub(crate) const PAGE_83: Guid = Guid::from_text(0xbeca_12ab_b2e6_4523_93ef_c309_e000_c746);
pub(crate) const LOGICAL_SECTOR: Guid = Guid::from_text(0x8141_bf1d_a96f_4709_ba47_f233_a8fa_ab5f);
pub(crate) const PHYSICAL_SECTOR: Guid = Guid::from_text(0xcda3_48c7_445d_4471_9cc9_e988_5251_c556);
pub(crate) const PARENT_LOCATOR: Guid = Guid::from_text(0xa8d3_5f2d_b30b_454d_abf7_d3d8_4834_ab0c);
/// The only type of parent locator (2.6.2.6.3).
pub(crate) const VHDX_LOCATOR: Guid = Guid::from_text(0xb04a_efb7_d19e_4a81_b789_25b8_e944_5913);

/// The largest disk, in bytes.
pub(crate) const MAX_SIZE: u64 = 64 << 40;

/// Splits a region or metadata table, of [`TABLE_BYTES`], into head and entries.
pub(crate) fn split_table<const HEAD: usize>(table: &[u8]) -> ([u8; HEAD], &[[u8; 32]]) {
    // OK: no head is longer than a table.
    let (head, entries) = table.split_at(HEAD.min(table.len()));
    (head.first_chunk().copied().unwrap_or([0; HEAD]), entries.as_chunks().0)
}

/// Header fields, as stored in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawHeader {
    pub(crate) sequence_number: u64,  // 8
    pub(crate) file_write_guid: Guid, // 16
    pub(crate) data_write_guid: Guid, // 32
    pub(crate) log_guid: Guid,        // 48
    pub(crate) log_version: u16,      // 64
    pub(crate) version: u16,          // 66
    pub(crate) log_length: u32,       // 68
    pub(crate) log_offset: u64,       // 72
}

impl RawHeader {
    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        let fields = Fields::le(bytes);
        Self {
            sequence_number: fields.u64::<8>(),
            file_write_guid: Guid(fields.array::<16, 16>()),
            data_write_guid: Guid(fields.array::<32, 16>()),
            log_guid: Guid(fields.array::<48, 16>()),
            log_version: fields.u16::<64>(),
            version: fields.u16::<66>(),
            log_length: fields.u32::<68>(),
            log_offset: fields.u64::<72>(),
        }
    }
}

/// One entry of the region table (2.2.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawRegion {
    pub(crate) guid: Guid,       // 0
    pub(crate) file_offset: u64, // 16
    pub(crate) length: u32,      // 24
    pub(crate) required: u32,    // 28, bit 0
}

impl RawRegion {
    pub(crate) fn decode(bytes: &[u8; 32]) -> Self {
        let fields = Fields::le(bytes);
        Self {
            guid: Guid(fields.array::<0, 16>()),
            file_offset: fields.u64::<16>(),
            length: fields.u32::<24>(),
            required: fields.u32::<28>(),
        }
    }
}

/// One entry of the metadata table (2.6.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawItem {
    pub(crate) guid: Guid,  // 0
    pub(crate) offset: u32, // 16, from the region's start
    pub(crate) length: u32, // 20
    pub(crate) flags: u32,  // 24
}

/// The item belongs to a user, not to the format.
pub(crate) const IS_USER: u32 = 1 << 0;
/// The item describes the disk, not the file.
pub(crate) const IS_DISK: u32 = 1 << 1;
pub(crate) const IS_REQUIRED: u32 = 1 << 2;

impl RawItem {
    pub(crate) fn decode(bytes: &[u8; 32]) -> Self {
        let fields = Fields::le(bytes);
        Self {
            guid: Guid(fields.array::<0, 16>()),
            offset: fields.u32::<16>(),
            length: fields.u32::<20>(),
            flags: fields.u32::<24>(),
        }
    }
}

/// The head of a log entry (2.3.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawEntry {
    pub(crate) checksum: u32,            // 4
    pub(crate) entry_length: u32,        // 8
    pub(crate) tail: u32,                // 12
    pub(crate) sequence_number: u64,     // 16
    pub(crate) descriptor_count: u32,    // 24
    pub(crate) log_guid: Guid,           // 32
    pub(crate) flushed_file_offset: u64, // 48
    pub(crate) last_file_offset: u64,    // 56
}

impl RawEntry {
    /// Decodes a head; `None` without its signature.
    pub(crate) fn decode(bytes: &[u8; ENTRY_HEAD]) -> Option<Self> {
        let fields = Fields::le(bytes);
        bytes.starts_with(&ENTRY).then(|| Self {
            checksum: fields.u32::<4>(),
            entry_length: fields.u32::<8>(),
            tail: fields.u32::<12>(),
            sequence_number: fields.u64::<16>(),
            descriptor_count: fields.u32::<24>(),
            log_guid: Guid(fields.array::<32, 16>()),
            flushed_file_offset: fields.u64::<48>(),
            last_file_offset: fields.u64::<56>(),
        })
    }
}
