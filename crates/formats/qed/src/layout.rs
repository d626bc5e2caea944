//! On-disk structures: sizes, offsets, magics.

use imgprep_format_kit::{Fields, FieldsMut};

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

/// The header's fields as stored in the file (section "Header").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawHeader {
    pub(crate) magic: [u8; 4],
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
        let fields = Fields::le(bytes);
        Self {
            magic: fields.array::<0, 4>(),
            cluster_size: fields.u32::<4>(),
            table_size: fields.u32::<8>(),
            header_size: fields.u32::<12>(),
            features: fields.u64::<16>(),
            compat_features: fields.u64::<24>(),
            autoclear_features: fields.u64::<32>(),
            l1_table_offset: fields.u64::<40>(),
            image_size: fields.u64::<48>(),
            backing_filename_offset: fields.u32::<56>(),
            backing_filename_size: fields.u32::<60>(),
        }
    }
    /// Encodes the header. The name of a backing file is not written.
    pub(crate) fn encode(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let mut fields = FieldsMut::le(&mut bytes);
        fields.put::<0, 4>(&self.magic);
        fields.put_u32::<4>(self.cluster_size);
        fields.put_u32::<8>(self.table_size);
        fields.put_u32::<12>(self.header_size);
        fields.put_u64::<16>(self.features);
        fields.put_u64::<24>(self.compat_features);
        fields.put_u64::<32>(self.autoclear_features);
        fields.put_u64::<40>(self.l1_table_offset);
        fields.put_u64::<48>(self.image_size);
        bytes
    }
}
