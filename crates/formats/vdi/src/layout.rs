//! On-disk structures: sizes, offsets, decoding and encoding.

use byteorder::{ByteOrder, LittleEndian};
use imgprep_format_kit::FieldsMut;

use crate::uuid::Uuid;

/// Name of the format.
pub const NAME: &str = "vdi";
/// Beginning of the text before the signature, in the files of every writer.
pub(crate) const TEXT: &[u8] = b"<<< ";
/// Offset of the signature.
pub(crate) const SIGNATURE_AT: usize = 64;
/// `0xbeda107f`.
pub(crate) const SIGNATURE: [u8; 4] = [0x7f, 0x10, 0xda, 0xbe];
/// Offset of the version: minor, then major, 16 bits each.
pub(crate) const VERSION_AT: usize = 68;
/// Length of the pre-header in bytes: text, signature and version.
pub(crate) const PREHEADER: u64 = 72;
/// Sector size in bytes.
pub(crate) const SECTOR: u64 = 512;
/// Length of the comment in bytes.
const COMMENT: usize = 256;
/// Bytes read at the beginning of the file: more than the fields of any header.
pub(crate) const HEAD: usize = 512;
/// Minimum `cbHeader` of version 1: up to the modification UUID of the parent.
pub(crate) const HEADER_V1: u32 = 384;
/// Minimum `cbHeader` of a header with a logical geometry.
pub(crate) const HEADER_V1_PLUS: u32 = 400;
/// Offset of the logical geometry in version 1.
pub(crate) const LCHS_AT: usize = 456;

/// Flag: new blocks are filled with zeros.
pub(crate) const ZERO_EXPAND: u32 = 1;

/// File offsets of the header fields; `None` for a field that the version lacks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) header_size: Option<usize>, // cbHeader, without the pre-header
    pub(crate) kind: usize,                // u32Type
    pub(crate) flags: usize,               // fFlags
    pub(crate) comment: usize,             // szComment
    pub(crate) map_offset: Option<usize>,  // offBlocks
    pub(crate) data_offset: Option<usize>, // offData
    pub(crate) geometry: usize,            // LegacyGeometry; its last field is the sector size
    pub(crate) disk_size: usize,           // cbDisk
    pub(crate) block_size: usize,          // cbBlock
    pub(crate) block_extra: Option<usize>, // cbBlockExtra
    pub(crate) blocks: usize,              // cBlocks
    pub(crate) allocated: usize,           // cBlocksAllocated
    pub(crate) image: usize,               // uuidCreate
    pub(crate) modified: usize,            // uuidModify
    pub(crate) parent: usize,              // uuidLinkage
    pub(crate) parent_modified: Option<usize>, // uuidParentModify
    /// End of the fields.
    pub(crate) end: usize,
}

/// Version 0: the map follows the header, and the data follow the map.
pub(crate) const V0: Places = Places {
    header_size: None,
    kind: 72,
    flags: 76,
    comment: 80,
    map_offset: None,
    data_offset: None,
    geometry: 336,
    disk_size: 352,
    block_size: 360,
    block_extra: None,
    blocks: 364,
    allocated: 368,
    image: 372,
    modified: 388,
    parent: 404,
    parent_modified: None,
    end: 420,
};

/// Version 1.
pub(crate) const V1: Places = Places {
    header_size: Some(72),
    kind: 76,
    flags: 80,
    comment: 84,
    map_offset: Some(340),
    data_offset: Some(344),
    geometry: 348,
    disk_size: 368,
    block_size: 376,
    block_extra: Some(380),
    blocks: 384,
    allocated: 388,
    image: 392,
    modified: 408,
    parent: 424,
    parent_modified: Some(440),
    end: 456,
};

const _: () = assert!(V0.end == 72 + 348 && V1.end == 72 + 384 && LCHS_AT + 16 == 72 + 400);

/// Cylinders, heads, sectors, sector size in bytes.
pub(crate) type Geometry = [u32; 4];

/// The unvalidated fields of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawHeader {
    pub(crate) header_size: Option<u32>,
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) comment: [u8; COMMENT],
    pub(crate) map_offset: Option<u32>,
    pub(crate) data_offset: Option<u32>,
    pub(crate) geometry: Geometry,
    pub(crate) lchs: Geometry,
    pub(crate) disk_size: u64,
    pub(crate) block_size: u32,
    pub(crate) block_extra: u32,
    pub(crate) blocks: u32,
    pub(crate) allocated: u32,
    pub(crate) image: Uuid,
    pub(crate) modified: Uuid,
    pub(crate) parent: Uuid,
    pub(crate) parent_modified: Uuid,
}

impl RawHeader {
    /// Decodes the header. `head` is the beginning of the file, padded with zeros.
    pub(crate) fn decode(head: &[u8; HEAD], places: &Places) -> Self {
        let u32_at = |at: usize| LittleEndian::read_u32(&bytes_at::<4>(head, at));
        let geometry = |at: usize| [0, 4, 8, 12].map(|field| u32_at(at + field));
        let uuid = |at: usize| Uuid(bytes_at(head, at));
        Self {
            header_size: places.header_size.map(u32_at),
            kind: u32_at(places.kind),
            flags: u32_at(places.flags),
            comment: bytes_at(head, places.comment),
            map_offset: places.map_offset.map(u32_at),
            data_offset: places.data_offset.map(u32_at),
            geometry: geometry(places.geometry),
            lchs: geometry(LCHS_AT),
            disk_size: LittleEndian::read_u64(&bytes_at::<8>(head, places.disk_size)),
            block_size: u32_at(places.block_size),
            block_extra: places.block_extra.map_or(0, u32_at),
            blocks: u32_at(places.blocks),
            allocated: u32_at(places.allocated),
            image: uuid(places.image),
            modified: uuid(places.modified),
            parent: uuid(places.parent),
            parent_modified: places.parent_modified.map_or(Uuid::NULL, uuid),
        }
    }
}

/// The field of `N` bytes at `at`.
fn bytes_at<const N: usize>(head: &[u8; HEAD], at: usize) -> [u8; N] {
    let mut field = [0; N];
    // OK: all offsets are constants, and the last field ends at 472.
    field.copy_from_slice(&head[at..at + N]);
    field
}

/// Encodes the first sector of a written image, version 1.1.
pub(crate) fn encode(written: &Written) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..WRITTEN_TEXT.len()].copy_from_slice(WRITTEN_TEXT); // OK: 64 bytes at most.
    let mut fields = FieldsMut::le(&mut head);
    fields.put::<SIGNATURE_AT, 4>(&SIGNATURE);
    fields.put_u32::<VERSION_AT>(0x0001_0001);
    fields.put_u32::<72>(HEADER_V1_PLUS);
    fields.put_u32::<{ V1.kind }>(if written.is_static { 2 } else { 1 });
    fields.put_u32::<340>(written.map_at);
    fields.put_u32::<344>(written.data_at);
    // Both geometries are unknown; only their sector size is set.
    fields.put_u32::<{ V1.geometry + 12 }>(SECTOR_BYTES);
    fields.put_u64::<{ V1.disk_size }>(written.disk_size);
    fields.put_u32::<{ V1.block_size }>(written.block_size);
    fields.put_u32::<{ V1.blocks }>(written.blocks);
    fields.put_u32::<{ V1.allocated }>(written.allocated);
    fields.put::<{ V1.image }, 16>(&written.created.0);
    fields.put::<{ V1.modified }, 16>(&written.modified.0);
    fields.put_u32::<{ LCHS_AT + 12 }>(SECTOR_BYTES);
    head
}

/// Pre-header text of a written image; `VirtualBox` and QEMU ignore it.
const WRITTEN_TEXT: &[u8] = b"<<< imgprep Virtual Disk Image >>>\n";
const SECTOR_BYTES: u32 = 512;

const _: () = assert!(WRITTEN_TEXT.len() <= SIGNATURE_AT);

/// Fields of a written header that depend on the image.
pub(crate) struct Written {
    pub(crate) is_static: bool,
    pub(crate) map_at: u32,
    pub(crate) data_at: u32,
    pub(crate) disk_size: u64,
    pub(crate) block_size: u32,
    pub(crate) blocks: u32,
    pub(crate) allocated: u32,
    pub(crate) created: Uuid,
    pub(crate) modified: Uuid,
}
