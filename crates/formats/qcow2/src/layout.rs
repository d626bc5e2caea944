//! On-disk structures: sizes, offsets, magics.

use imgprep_format_kit::{Fields, FieldsMut};

/// The format's name.
pub const NAME: &str = "qcow2";
/// First bytes of the file.
pub(crate) const MAGIC: [u8; 4] = *b"QFI\xfb";
/// Length of a version 2 header.
pub(crate) const HEADER_V2: u64 = 72;
/// Minimum length of a version 3 header.
pub(crate) const HEADER_V3: u64 = 104;
/// Length of a version 3 header that includes the compression type.
pub(crate) const HEADER_WITH_COMPRESSION: u32 = 112;
/// Offset of the compression type, in headers that are long enough.
pub(crate) const COMPRESSION_AT: usize = 104;

/// The header's fields as stored in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawHeader {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,           // 4
    pub(crate) backing_offset: u64,    // 8
    pub(crate) backing_len: u32,       // 16
    pub(crate) cluster_bits: u32,      // 20
    pub(crate) size: u64,              // 24
    pub(crate) crypt_method: u32,      // 32
    pub(crate) l1_size: u32,           // 36
    pub(crate) l1_offset: u64,         // 40
    pub(crate) refcount_offset: u64,   // 48
    pub(crate) refcount_clusters: u32, // 56
    pub(crate) snapshots: u32,         // 60
    pub(crate) snapshots_offset: u64,  // 64
    pub(crate) incompatible: u64,      // 72, version 3
    pub(crate) compatible: u64,        // 80, version 3
    pub(crate) autoclear: u64,         // 88, version 3
    pub(crate) refcount_order: u32,    // 96, version 3
    pub(crate) length: u32,            // 100, version 3
    pub(crate) compression: u8,        // 104, version 3, if the header is longer than that
}

impl RawHeader {
    /// Decodes a header of version 2 or 3.
    ///
    /// `bytes` contains at least a version 2 header. The fields that version 3 adds are decoded in version 3
    /// only; in version 2, they have the values that version 2 implies.
    pub(crate) fn decode(bytes: &[u8; 112]) -> Self {
        let fields = Fields::be(bytes);
        let version = fields.u32::<4>();
        let is_v3 = version >= 3;
        let length = if is_v3 { fields.u32::<100>() } else { 72 };
        Self {
            magic: fields.array::<0, 4>(),
            version,
            backing_offset: fields.u64::<8>(),
            backing_len: fields.u32::<16>(),
            cluster_bits: fields.u32::<20>(),
            size: fields.u64::<24>(),
            crypt_method: fields.u32::<32>(),
            l1_size: fields.u32::<36>(),
            l1_offset: fields.u64::<40>(),
            refcount_offset: fields.u64::<48>(),
            refcount_clusters: fields.u32::<56>(),
            snapshots: fields.u32::<60>(),
            snapshots_offset: fields.u64::<64>(),
            incompatible: if is_v3 { fields.u64::<72>() } else { 0 },
            compatible: if is_v3 { fields.u64::<80>() } else { 0 },
            autoclear: if is_v3 { fields.u64::<88>() } else { 0 },
            refcount_order: if is_v3 { fields.u32::<96>() } else { 4 },
            length,
            compression: if is_v3 && u64::from(length) > HEADER_V3 {
                fields.u8::<COMPRESSION_AT>()
            } else {
                0
            },
        }
    }

    /// Encodes a version 3 header, including the compression type.
    pub(crate) fn encode(&self) -> [u8; HEADER_WITH_COMPRESSION as usize] {
        let mut bytes = [0; HEADER_WITH_COMPRESSION as usize];
        let mut fields = FieldsMut::be(&mut bytes);
        fields.put::<0, 4>(&self.magic);
        fields.put_u32::<4>(self.version);
        fields.put_u64::<8>(self.backing_offset);
        fields.put_u32::<16>(self.backing_len);
        fields.put_u32::<20>(self.cluster_bits);
        fields.put_u64::<24>(self.size);
        fields.put_u32::<32>(self.crypt_method);
        fields.put_u32::<36>(self.l1_size);
        fields.put_u64::<40>(self.l1_offset);
        fields.put_u64::<48>(self.refcount_offset);
        fields.put_u32::<56>(self.refcount_clusters);
        fields.put_u32::<60>(self.snapshots);
        fields.put_u64::<64>(self.snapshots_offset);
        fields.put_u64::<72>(self.incompatible);
        fields.put_u64::<80>(self.compatible);
        fields.put_u64::<88>(self.autoclear);
        fields.put_u32::<96>(self.refcount_order);
        fields.put_u32::<100>(self.length);
        fields.put_u8::<COMPRESSION_AT>(self.compression);
        bytes
    }
}

/// Incompatible feature bits, with their names in the specification.
pub(crate) const DIRTY: u64 = 1 << 0;
pub(crate) const CORRUPT: u64 = 1 << 1;
pub(crate) const DATA_FILE: u64 = 1 << 2;
pub(crate) const COMPRESSION_TYPE: u64 = 1 << 3;
pub(crate) const EXTENDED_L2: u64 = 1 << 4;
pub(crate) const KNOWN_INCOMPATIBLE: u64 = DIRTY | CORRUPT | DATA_FILE | COMPRESSION_TYPE | EXTENDED_L2;

/// Compatible feature bit.
pub(crate) const LAZY_REFCOUNTS: u64 = 1 << 0;
/// Autoclear feature bits.
pub(crate) const BITMAPS: u64 = 1 << 0;
pub(crate) const DATA_FILE_RAW: u64 = 1 << 1;
pub(crate) const KNOWN_AUTOCLEAR: u64 = BITMAPS | DATA_FILE_RAW;

/// Bits 9 to 55 of L1, L2 and refcount table entries: an offset.
pub(crate) const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
/// Bit 63: the reference count is exactly one.
pub(crate) const COPIED: u64 = 1 << 63;
/// Bit 62 of an L2 entry: the cluster is compressed.
pub(crate) const COMPRESSED: u64 = 1 << 62;
/// Bit 0 of an L2 entry: the cluster reads as zeros.
pub(crate) const ZERO: u64 = 1;
/// QEMU's limit for an L1 table, in bytes.
pub(crate) const L1_BYTES: u64 = 32 << 20;
/// QEMU's limit for the refcount table, in bytes.
pub(crate) const REFCOUNT_TABLE_BYTES: u64 = 8 << 20;
/// Limit of LUKS headers, of bitmap directories and of all bitmap tables, in bytes.
///
/// Larger ones are not walked.
pub(crate) const SIDE_TABLE_BYTES: u64 = 64 << 20;
/// Subclusters of a cluster with extended L2 entries.
pub(crate) const SUBCLUSTERS: u64 = 32;
