//! On-disk structures: sizes, offsets, magics.
//!
//! Integers are little-endian. Locations are in sectors of 512 bytes from the start of the file.

use imgprep_format_kit::{Fields, FieldsMut};

/// The format's name.
pub const NAME: &str = "vmdk";
/// Bytes of a sector, independent of the disk's own sector size.
pub(crate) const SECTOR: u64 = 512;

/// First line of a descriptor (5.0, "The Descriptor File").
pub(crate) const TEXT_MAGIC: &[u8] = b"# Disk DescriptorFile";
/// First bytes of a hosted sparse extent.
pub(crate) const HOSTED_MAGIC: [u8; 4] = *b"KDMV";
/// First bytes of an ESX server sparse extent.
pub(crate) const COWD_MAGIC: [u8; 4] = *b"COWD";
/// First bytes of an seSparse extent: 0xcafebabe in 64 bits.
pub(crate) const SE_MAGIC: [u8; 8] = *b"\xbe\xba\xfe\xca\0\0\0\0";
/// First bytes of an seSparse extent's volatile header: 0xcafecafe in 64 bits.
pub(crate) const SE_VOLATILE_MAGIC: [u8; 8] = *b"\xfe\xca\xfe\xca\0\0\0\0";

/// Bytes of a hosted sparse extent's header.
pub(crate) const HOSTED_BYTES: usize = 512;
/// Bytes of an ESX server sparse extent's header.
pub(crate) const COWD_BYTES: usize = 2048;
/// Bytes of either header of an seSparse extent.
pub(crate) const SE_BYTES: usize = 512;

/// The newline check bytes are valid.
pub(crate) const FLAG_NEWLINES: u32 = 1 << 0;
/// A redundant grain directory is present.
pub(crate) const FLAG_REDUNDANT: u32 = 1 << 1;
/// Grain table entry 1 means zeros.
pub(crate) const FLAG_ZEROED: u32 = 1 << 2;
/// Grains are compressed.
pub(crate) const FLAG_COMPRESSED: u32 = 1 << 16;
/// Grains and tables are preceded by markers.
pub(crate) const FLAG_MARKERS: u32 = 1 << 17;
pub(crate) const KNOWN_FLAGS: u32 =
    FLAG_NEWLINES | FLAG_REDUNDANT | FLAG_ZEROED | FLAG_COMPRESSED | FLAG_MARKERS;

/// Expected newline check bytes, which detect a transfer that converted line ends.
pub(crate) const NEWLINES: [u8; 4] = *b"\n \r\n";
/// Offset of the newline check bytes.
pub(crate) const NEWLINES_AT: u64 = 73;
/// `gdOffset` of a stream: the footer contains the offset.
pub(crate) const DIRECTORY_AT_END: u64 = u64::MAX;

/// Header of a hosted sparse extent, as stored (5.0, "Hosted Sparse Extents").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawHosted {
    pub(crate) version: u32,            // 4
    pub(crate) flags: u32,              // 8
    pub(crate) capacity: u64,           // 12
    pub(crate) grain_size: u64,         // 20
    pub(crate) descriptor_offset: u64,  // 28
    pub(crate) descriptor_size: u64,    // 36
    pub(crate) num_gtes_per_gt: u32,    // 44
    pub(crate) rgd_offset: u64,         // 48
    pub(crate) gd_offset: u64,          // 56
    pub(crate) over_head: u64,          // 64
    pub(crate) unclean_shutdown: u8,    // 72
    pub(crate) newlines: [u8; 4],       // 73
    pub(crate) compress_algorithm: u16, // 77
}

impl RawHosted {
    pub(crate) fn decode(bytes: &[u8; HOSTED_BYTES]) -> Self {
        let fields = Fields::le(bytes);
        Self {
            version: fields.u32::<4>(),
            flags: fields.u32::<8>(),
            capacity: fields.u64::<12>(),
            grain_size: fields.u64::<20>(),
            descriptor_offset: fields.u64::<28>(),
            descriptor_size: fields.u64::<36>(),
            num_gtes_per_gt: fields.u32::<44>(),
            rgd_offset: fields.u64::<48>(),
            gd_offset: fields.u64::<56>(),
            over_head: fields.u64::<64>(),
            unclean_shutdown: fields.u8::<72>(),
            newlines: fields.array::<73, 4>(),
            compress_algorithm: fields.u16::<77>(),
        }
    }

    /// Encodes the header: magic, fields, then zeros.
    pub(crate) fn encode(&self) -> [u8; HOSTED_BYTES] {
        let mut bytes = [0; HOSTED_BYTES];
        let mut fields = FieldsMut::le(&mut bytes);
        fields.put::<0, 4>(&HOSTED_MAGIC);
        fields.put_u32::<4>(self.version);
        fields.put_u32::<8>(self.flags);
        fields.put_u64::<12>(self.capacity);
        fields.put_u64::<20>(self.grain_size);
        fields.put_u64::<28>(self.descriptor_offset);
        fields.put_u64::<36>(self.descriptor_size);
        fields.put_u32::<44>(self.num_gtes_per_gt);
        fields.put_u64::<48>(self.rgd_offset);
        fields.put_u64::<56>(self.gd_offset);
        fields.put_u64::<64>(self.over_head);
        fields.put_u8::<72>(self.unclean_shutdown);
        fields.put::<73, 4>(&self.newlines);
        fields.put_u16::<77>(self.compress_algorithm);
        bytes
    }
}

/// Header of an ESX server sparse extent (5.0, "ESX Server Sparse Extents").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawCowd {
    pub(crate) version: u32,          // 4
    pub(crate) flags: u32,            // 8
    pub(crate) num_sectors: u32,      // 12
    pub(crate) grain_size: u32,       // 16
    pub(crate) gd_offset: u32,        // 20
    pub(crate) num_gd_entries: u32,   // 24
    pub(crate) free_sector: u32,      // 28
    pub(crate) unclean_shutdown: u32, // 1648
}

impl RawCowd {
    pub(crate) fn decode(bytes: &[u8; COWD_BYTES]) -> Self {
        let fields = Fields::le(bytes);
        Self {
            version: fields.u32::<4>(),
            flags: fields.u32::<8>(),
            num_sectors: fields.u32::<12>(),
            grain_size: fields.u32::<16>(),
            gd_offset: fields.u32::<20>(),
            num_gd_entries: fields.u32::<24>(),
            free_sector: fields.u32::<28>(),
            unclean_shutdown: fields.u32::<1648>(),
        }
    }
}

/// Constant header of an seSparse extent.
///
/// There is no public specification. The fields are those that ESX writes to its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawSe {
    pub(crate) version: u64,                // 8
    pub(crate) capacity: u64,               // 16
    pub(crate) grain_size: u64,             // 24
    pub(crate) grain_table_size: u64,       // 32
    pub(crate) flags: u64,                  // 40
    pub(crate) reserved: [u64; 4],          // 48
    pub(crate) volatile: (u64, u64),        // 80: offset and size, as all that follow
    pub(crate) journal_header: (u64, u64),  // 96
    pub(crate) journal: (u64, u64),         // 112
    pub(crate) grain_directory: (u64, u64), // 128
    pub(crate) grain_tables: (u64, u64),    // 144
    pub(crate) free_bitmap: (u64, u64),     // 160
    pub(crate) backmap: (u64, u64),         // 176
    pub(crate) grains: (u64, u64),          // 192
}

impl RawSe {
    pub(crate) fn decode(bytes: &[u8; SE_BYTES]) -> Self {
        let fields = Fields::le(bytes);
        Self {
            version: fields.u64::<8>(),
            capacity: fields.u64::<16>(),
            grain_size: fields.u64::<24>(),
            grain_table_size: fields.u64::<32>(),
            flags: fields.u64::<40>(),
            reserved: [fields.u64::<48>(), fields.u64::<56>(), fields.u64::<64>(), fields.u64::<72>()],
            volatile: (fields.u64::<80>(), fields.u64::<88>()),
            journal_header: (fields.u64::<96>(), fields.u64::<104>()),
            journal: (fields.u64::<112>(), fields.u64::<120>()),
            grain_directory: (fields.u64::<128>(), fields.u64::<136>()),
            grain_tables: (fields.u64::<144>(), fields.u64::<152>()),
            free_bitmap: (fields.u64::<160>(), fields.u64::<168>()),
            backmap: (fields.u64::<176>(), fields.u64::<184>()),
            grains: (fields.u64::<192>(), fields.u64::<200>()),
        }
    }
}

/// Bytes of a marker without padding, or of the head of a compressed grain.
pub(crate) const MARKER_BYTES: usize = 16;
/// Bytes of a marker, padded to a sector.
pub(crate) const MARKER_SECTOR: usize = 512;
/// Offset of the payload in a compressed grain.
pub(crate) const RECORD_HEAD: u64 = 12;

/// Type of a stream sector (5.0, "Stream-Optimized Compressed Sparse Extents").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// A compressed grain: first sector in the extent, and bytes of the payload.
    Grain {
        lba: u64,
        size: u32,
    },
    EndOfStream,
    /// A grain table, a grain directory, a footer, with the number of sectors.
    GrainTable(u64),
    GrainDirectory(u64),
    Footer(u64),
    /// Any other contents.
    Unknown,
}

impl Marker {
    pub(crate) fn decode(bytes: [u8; MARKER_BYTES]) -> Self {
        let fields = Fields::le(&bytes);
        let value = fields.u64::<0>();
        match (fields.u32::<8>(), fields.u32::<12>()) {
            (0, 0) => Self::EndOfStream,
            (0, 1) => Self::GrainTable(value),
            (0, 2) => Self::GrainDirectory(value),
            (0, 3) => Self::Footer(value),
            (0, _) => Self::Unknown,
            (size, _) => Self::Grain { lba: value, size },
        }
    }

    /// Encodes the sector of a marker.
    ///
    /// For a grain, the payload replaces the zeros after the first 12 bytes.
    pub(crate) fn encode(self) -> [u8; MARKER_SECTOR] {
        let (value, size, kind) = match self {
            Self::Grain { lba, size } => (lba, size, 0),
            Self::EndOfStream => (0, 0, 0),
            Self::GrainTable(sectors) => (sectors, 0, 1),
            Self::GrainDirectory(sectors) => (sectors, 0, 2),
            Self::Footer(sectors) => (sectors, 0, 3),
            Self::Unknown => (0, 0, u32::MAX),
        };
        let mut bytes = [0; MARKER_SECTOR];
        let mut fields = FieldsMut::le(&mut bytes);
        fields.put_u64::<0>(value);
        fields.put_u32::<8>(size);
        fields.put_u32::<12>(kind);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use byteorder::{ByteOrder, LittleEndian};

    use super::*;

    #[test]
    fn encoded_structures_are_decoded_to_the_same_values() {
        let header = RawHosted {
            version: 3,
            flags: 0x3_0001,
            capacity: 4096,
            grain_size: 128,
            descriptor_offset: 1,
            descriptor_size: 20,
            num_gtes_per_gt: 512,
            rgd_offset: 21,
            gd_offset: 26,
            over_head: 128,
            unclean_shutdown: 1,
            newlines: NEWLINES,
            compress_algorithm: 1,
        };
        let bytes = header.encode();
        assert_eq!(RawHosted::decode(&bytes), header);
        assert!(bytes.starts_with(&HOSTED_MAGIC) && bytes[79..] == [0; 433]);
        for marker in [
            Marker::Grain { lba: 128, size: 7 },
            Marker::EndOfStream,
            Marker::GrainTable(4),
            Marker::GrainDirectory(1),
            Marker::Footer(1),
            Marker::Unknown,
        ] {
            let bytes = marker.encode();
            assert_eq!(Marker::decode(bytes[..MARKER_BYTES].try_into().unwrap()), marker);
            assert_eq!(bytes[MARKER_BYTES..], [0; MARKER_SECTOR - MARKER_BYTES]);
        }
    }

    #[test]
    fn markers_by_their_size_and_type() {
        let marker = |value: u64, size: u32, kind: u32| {
            let mut bytes = [0; MARKER_BYTES];
            LittleEndian::write_u64(&mut bytes, value);
            LittleEndian::write_u32(&mut bytes[8..], size);
            LittleEndian::write_u32(&mut bytes[12..], kind);
            Marker::decode(bytes)
        };
        assert_eq!(marker(0, 0, 0), Marker::EndOfStream);
        assert_eq!(marker(4, 0, 1), Marker::GrainTable(4));
        assert_eq!(marker(1, 0, 2), Marker::GrainDirectory(1));
        assert_eq!(marker(1, 0, 3), Marker::Footer(1));
        assert_eq!(marker(1, 0, 4), Marker::Unknown);
        assert_eq!(marker(128, 7, 0xffff_ffff), Marker::Grain { lba: 128, size: 7 });
    }
}
