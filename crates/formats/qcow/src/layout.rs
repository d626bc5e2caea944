//! On-disk structures: sizes, offsets, magics.

use imgprep_format_kit::{Fields, FieldsMut};

/// The format's name.
pub const NAME: &str = "qcow";
/// First bytes of the file.
pub(crate) const MAGIC: [u8; 4] = *b"QFI\xfb";
/// Length of the header.
pub(crate) const HEADER: u64 = 48;
/// File offset of the header extension, if there is one.
pub(crate) const XEN_AT: u64 = HEADER;
/// First bytes of the header extension that Xen's tapdisk writes.
pub(crate) const XEN_MAGIC: [u8; 4] = *b"XEN\xfb";
/// Length of that extension.
///
/// It contains the magic, a checksum of the L1 table, the minimum allocation and flags.
pub(crate) const XEN_HEADER: u64 = 16;
/// Alignment of the L1 table in images with that extension, in bytes.
pub(crate) const XEN_PAGE: u64 = 4096;
/// Flag of the extension: the L1 table is big-endian, as it must be.
pub(crate) const XEN_BIG_ENDIAN: u32 = 1 << 1;

/// Bit 63 of an L2 entry: the cluster is compressed.
pub(crate) const COMPRESSED: u64 = 1 << 63;
/// Bytes of an entry of either table.
pub(crate) const ENTRY: u64 = 8;

/// The header's fields as stored in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawHeader {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,        // 4
    pub(crate) backing_offset: u64, // 8
    pub(crate) backing_len: u32,    // 16
    pub(crate) mtime: u32,          // 20
    pub(crate) size: u64,           // 24
    pub(crate) cluster_bits: u8,    // 32
    pub(crate) l2_bits: u8,         // 33, then two bytes of padding
    pub(crate) crypt_method: u32,   // 36
    pub(crate) l1_offset: u64,      // 40
}

impl RawHeader {
    pub(crate) fn decode(bytes: &[u8; 48]) -> Self {
        let fields = Fields::be(bytes);
        Self {
            magic: fields.array::<0, 4>(),
            version: fields.u32::<4>(),
            backing_offset: fields.u64::<8>(),
            backing_len: fields.u32::<16>(),
            mtime: fields.u32::<20>(),
            size: fields.u64::<24>(),
            cluster_bits: fields.u8::<32>(),
            l2_bits: fields.u8::<33>(),
            crypt_method: fields.u32::<36>(),
            l1_offset: fields.u64::<40>(),
        }
    }

    pub(crate) fn encode(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        let mut fields = FieldsMut::be(&mut bytes);
        fields.put::<0, 4>(&self.magic);
        fields.put_u32::<4>(self.version);
        fields.put_u64::<8>(self.backing_offset);
        fields.put_u32::<16>(self.backing_len);
        fields.put_u32::<20>(self.mtime);
        fields.put_u64::<24>(self.size);
        fields.put_u8::<32>(self.cluster_bits);
        fields.put_u8::<33>(self.l2_bits);
        fields.put_u32::<36>(self.crypt_method);
        fields.put_u64::<40>(self.l1_offset);
        bytes
    }
}

/// The field of Xen's header extension that a reader needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct XenHeader {
    pub(crate) flags: u32, // 12
}

impl XenHeader {
    /// `None` if the bytes after the header are not the extension.
    pub(crate) fn decode(bytes: &[u8; 16]) -> Option<Self> {
        let fields = Fields::be(bytes);
        (fields.array::<0, 4>() == XEN_MAGIC).then(|| Self { flags: fields.u32::<12>() })
    }
}
