//! On-disk structures: sizes, offsets, magics, decoding and encoding.

use imgprep_format_kit::{Fields, FieldsMut};

/// Name of the format of 2015, with one zlib stream over all records.
pub const ZVHD: &str = "zvhd";
/// Name of the format with records, index and bitmap.
pub const ZVHD2: &str = "zvhd2";
/// Alignment in bytes of all structures; only payloads end at any offset.
pub(crate) const PAGE: u64 = 4096;
/// [`PAGE`] as an array length.
pub(crate) const PAGE_BYTES: usize = 4096;
/// Bytes of the disk per record.
pub(crate) const BLOCK: u64 = 2 << 20;
/// Bytes of a header page that contain fields; zeros follow.
pub(crate) const HEADER_BYTES: usize = 512;

/// First bytes of a ZVHD.
pub(crate) const COOKIE_ZVHD: &[u8; 8] = b"stream\0\0";
/// First bytes of a ZVHD2.
pub(crate) const COOKIE_ZVHD2: &[u8; 8] = b"z2strm\0\0";

/// Entries per index segment, and blocks per bitmap segment.
pub(crate) const PER_SEGMENT: u64 = 32768;
/// Length of an index entry in bytes.
pub(crate) const ENTRY_BYTES: u64 = 16;
/// [`ENTRY_BYTES`] as an array length.
pub(crate) const ENTRY: usize = 16;
/// Length of an index segment in bytes.
pub(crate) const INDEX_SEGMENT: u32 = 524_288;
/// Length of a bitmap segment in bytes.
pub(crate) const BITMAP_SEGMENT: u32 = 4096;
const _: () = assert!(PER_SEGMENT * ENTRY_BYTES == INDEX_SEGMENT as u64);
const _: () = assert!(PER_SEGMENT == BITMAP_SEGMENT as u64 * 8);

/// First bytes of a record.
pub(crate) const RECORD_MAGIC: &[u8; 12] = b"hwstream bg\0";
/// Length of the head of a record in bytes; the payload follows.
pub(crate) const RECORD_HEAD: u64 = 48;
/// [`RECORD_HEAD`] as an array length.
pub(crate) const HEAD: usize = 48;
const _: () = assert!(ENTRY as u64 == ENTRY_BYTES && HEAD as u64 == RECORD_HEAD);
/// Last bytes of the last page of a record.
pub(crate) const RECORD_END: &[u8; 4] = b"end\0";

/// Length of a record in the file in bytes, or `None` if it overflows.
pub(crate) fn record_len(payload: u64) -> Option<u64> {
    payload.checked_add(RECORD_HEAD + RECORD_END.len() as u64)?.checked_next_multiple_of(PAGE)
}

/// The unvalidated fields of a header page. The comments are offsets in the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawHeader {
    pub(crate) cookie: [u8; 8],          // 0
    pub(crate) features: u32,            // 8
    pub(crate) version: u32,             // 12
    pub(crate) data_offset: u64,         // 16
    pub(crate) time_stamp: u32,          // 24
    pub(crate) application: [u8; 4],     // 28
    pub(crate) application_version: u32, // 32
    pub(crate) creator_os: u32,          // 36
    pub(crate) original_size: u64,       // 40
    pub(crate) current_size: u64,        // 48
    pub(crate) geometry: u32,            // 56
    pub(crate) disk_type: u32,           // 60
    pub(crate) checksum: u32,            // 64
    pub(crate) uuid: [u8; 16],           // 68
    pub(crate) hidden: u8,               // 85
    pub(crate) zvhd2_version: u8,        // 87
    pub(crate) block_size: u32,          // 88
    pub(crate) block_count: u32,         // 92
    pub(crate) index_offset: u64,        // 96
    pub(crate) bitmap_offset: u64,       // 104
    pub(crate) index_size: u32,          // 112
    pub(crate) bitmap_size: u32,         // 116
    pub(crate) index_segment: u32,       // 120
    pub(crate) bitmap_segment: u32,      // 124
    pub(crate) index_segments: u32,      // 128
    pub(crate) bitmap_segments: u32,     // 132
    pub(crate) data_blocks: u32,         // 136
    pub(crate) index_has_zeros: u8,      // 140
    pub(crate) compression: u8,          // 141
}

/// Offset of the checksum in a header page.
pub(crate) const CHECKSUM_AT: usize = 64;

impl RawHeader {
    pub(crate) fn decode(page: &[u8; PAGE_BYTES]) -> Self {
        let fields = Fields::le(page);
        Self {
            cookie: fields.array::<0, 8>(),
            features: fields.u32::<8>(),
            version: fields.u32::<12>(),
            data_offset: fields.u64::<16>(),
            time_stamp: fields.u32::<24>(),
            application: fields.array::<28, 4>(),
            application_version: fields.u32::<32>(),
            creator_os: fields.u32::<36>(),
            original_size: fields.u64::<40>(),
            current_size: fields.u64::<48>(),
            geometry: fields.u32::<56>(),
            disk_type: fields.u32::<60>(),
            checksum: fields.u32::<CHECKSUM_AT>(),
            uuid: fields.array::<68, 16>(),
            hidden: fields.u8::<85>(),
            zvhd2_version: fields.u8::<87>(),
            block_size: fields.u32::<88>(),
            block_count: fields.u32::<92>(),
            index_offset: fields.u64::<96>(),
            bitmap_offset: fields.u64::<104>(),
            index_size: fields.u32::<112>(),
            bitmap_size: fields.u32::<116>(),
            index_segment: fields.u32::<120>(),
            bitmap_segment: fields.u32::<124>(),
            index_segments: fields.u32::<128>(),
            bitmap_segments: fields.u32::<132>(),
            data_blocks: fields.u32::<136>(),
            index_has_zeros: fields.u8::<140>(),
            compression: fields.u8::<141>(),
        }
    }

    /// Encodes the page with a computed checksum; ignores the field `checksum`.
    pub(crate) fn encode(&self) -> [u8; PAGE_BYTES] {
        let mut page = self.encode_as_is();
        let sum = checksum(&page);
        FieldsMut::le(&mut page).put_u32::<CHECKSUM_AT>(sum);
        page
    }

    /// Encodes the page with the value of the field `checksum`, even if it is wrong.
    pub(crate) fn encode_as_is(&self) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        let mut fields = FieldsMut::le(&mut page);
        fields.put::<0, 8>(&self.cookie);
        fields.put_u32::<8>(self.features);
        fields.put_u32::<12>(self.version);
        fields.put_u64::<16>(self.data_offset);
        fields.put_u32::<24>(self.time_stamp);
        fields.put::<28, 4>(&self.application);
        fields.put_u32::<32>(self.application_version);
        fields.put_u32::<36>(self.creator_os);
        fields.put_u64::<40>(self.original_size);
        fields.put_u64::<48>(self.current_size);
        fields.put_u32::<56>(self.geometry);
        fields.put_u32::<60>(self.disk_type);
        fields.put_u32::<CHECKSUM_AT>(self.checksum);
        fields.put::<68, 16>(&self.uuid);
        fields.put_u8::<85>(self.hidden);
        fields.put_u8::<87>(self.zvhd2_version);
        fields.put_u32::<88>(self.block_size);
        fields.put_u32::<92>(self.block_count);
        fields.put_u64::<96>(self.index_offset);
        fields.put_u64::<104>(self.bitmap_offset);
        fields.put_u32::<112>(self.index_size);
        fields.put_u32::<116>(self.bitmap_size);
        fields.put_u32::<120>(self.index_segment);
        fields.put_u32::<124>(self.bitmap_segment);
        fields.put_u32::<128>(self.index_segments);
        fields.put_u32::<132>(self.bitmap_segments);
        fields.put_u32::<136>(self.data_blocks);
        fields.put_u8::<140>(self.index_has_zeros);
        fields.put_u8::<141>(self.compression);
        page
    }
}

/// Ones' complement of the sum of the 512 bytes, without the checksum field.
pub(crate) fn checksum(page: &[u8; PAGE_BYTES]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    // OK: the bounds are constants inside the page.
    !(sum(&page[..CHECKSUM_AT]) + sum(&page[CHECKSUM_AT + 4..HEADER_BYTES]))
}

/// An entry of the index of a ZVHD2. The comments are offsets in the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawEntry {
    pub(crate) offset: u64, // 0
    pub(crate) block: u32,  // 8
    pub(crate) len: u32,    // 12: length of the record on disk
}

impl RawEntry {
    pub(crate) fn decode(bytes: &[u8; ENTRY]) -> Self {
        let fields = Fields::le(bytes);
        Self { offset: fields.u64::<0>(), block: fields.u32::<8>(), len: fields.u32::<12>() }
    }

    pub(crate) fn encode(self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        let mut fields = FieldsMut::le(&mut bytes);
        fields.put_u64::<0>(self.offset);
        fields.put_u32::<8>(self.block);
        fields.put_u32::<12>(self.len);
        bytes
    }
}

/// The head of a record, without its magic. The comments are offsets in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawRecord {
    pub(crate) payload: u32, // 12
    pub(crate) block: u32,   // 16
}

impl RawRecord {
    /// Decodes a head; `None` if the magic is missing.
    pub(crate) fn decode(head: &[u8; HEAD]) -> Option<Self> {
        let fields = Fields::le(head);
        head.starts_with(RECORD_MAGIC)
            .then(|| Self { payload: fields.u32::<12>(), block: fields.u32::<16>() })
    }

    pub(crate) fn encode(self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        let mut fields = FieldsMut::le(&mut head);
        fields.put::<0, 12>(RECORD_MAGIC);
        fields.put_u32::<12>(self.payload);
        fields.put_u32::<16>(self.block);
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_header_has_the_right_checksum() {
        let mut page = [0; PAGE_BYTES];
        for (at, byte) in (1..=142).zip(page.iter_mut()) {
            *byte = at;
        }
        (page[84], page[86]) = (0, 0);
        let sum = checksum(&page);
        FieldsMut::le(&mut page).put_u32::<CHECKSUM_AT>(sum);
        assert_eq!(RawHeader::decode(&page).encode(), page);
    }

    #[test]
    fn a_record_has_room_for_its_end_mark() {
        assert_eq!(record_len(4096 - 52), Some(4096));
        assert_eq!(record_len(4096 - 51), Some(8192));
        assert_eq!(record_len(u64::MAX), None);
    }
}
