//! On-disk structures: sizes, offsets, magics.

use byteorder::{ByteOrder, LittleEndian};

/// The format's name.
pub const NAME: &str = "qed";
/// First bytes of the file.
pub(crate) const MAGIC: [u8; 4] = *b"QED\0";
/// Length of the header's fields.
pub(crate) const HEADER: u64 = 64;
/// Bytes of an entry of either table.
pub(crate) const ENTRY: u64 = 8;

/// Features that a reader must support (section "Feature bits").
pub(crate) const BACKING_FILE: u64 = 1 << 0;
pub(crate) const NEED_CHECK: u64 = 1 << 1;
pub(crate) const BACKING_FORMAT_NO_PROBE: u64 = 1 << 2;
pub(crate) const KNOWN_FEATURES: u64 = BACKING_FILE | NEED_CHECK | BACKING_FORMAT_NO_PROBE;

/// L2 entry of a cluster that reads as zeros.
pub(crate) const ZERO: u64 = 1;

/// The header's fields as they stand in the file (section "Header").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawHeader {
    pub(crate) cluster_size: u32,            // 4
    pub(crate) table_size: u32,              // 8, in clusters
    pub(crate) header_size: u32,             // 12, in clusters
    pub(crate) features: u64,                // 16
    pub(crate) compat_features: u64,         // 24
    pub(crate) autoclear_features: u64,      // 32
    pub(crate) l1_table_offset: u64,         // 40
    pub(crate) image_size: u64,              // 48
    pub(crate) backing_filename_offset: u32, // 56, if there is a backing file
    pub(crate) backing_filename_size: u32,   // 60, if there is a backing file
}

impl RawHeader {
    pub(crate) fn decode(bytes: &[u8; 64]) -> Self {
        let u32_at = |at: usize| LittleEndian::read_u32(&bytes[at..]);
        let u64_at = |at: usize| LittleEndian::read_u64(&bytes[at..]);
        Self {
            cluster_size: u32_at(4),
            table_size: u32_at(8),
            header_size: u32_at(12),
            features: u64_at(16),
            compat_features: u64_at(24),
            autoclear_features: u64_at(32),
            l1_table_offset: u64_at(40),
            image_size: u64_at(48),
            backing_filename_offset: u32_at(56),
            backing_filename_size: u32_at(60),
        }
    }
}
