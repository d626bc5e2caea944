//! The codes of VDI.

imgprep_map::code_table! {
    BLOCK_PAST_ALLOCATED = corrupt("vdi.block.past-allocated", "structure/table", "an entry names a block past the allocated ones");
    BLOCK_PAST_END = corrupt("vdi.block.past-end", "structure/past-end", "an entry points past the end of the file");
    CHECK_ALLOCATED = finding("vdi.check.allocated", "structure/note", "the header's number of allocated blocks differs from the map's");
    CHECK_BEYOND_DISK = finding("vdi.check.beyond-disk", "structure/note", "an entry past the end of the disk names a block");
    CHECK_COMMENT = finding("vdi.check.comment", "structure/note", "the comment has no terminating NUL");
    CHECK_DATA_IN_MAP = finding("vdi.check.data-in-map", "structure/note", "the data area begins inside the map");
    CHECK_DATA_PAST_END = finding("vdi.check.data-past-end", "structure/note", "the data area begins past the end of the file");
    CHECK_DUPLICATE = finding("vdi.check.duplicate", "structure/overlap", "two entries name the same block");
    CHECK_GEOMETRY = finding("vdi.check.geometry", "structure/note", "the geometry is invalid");
    CHECK_HEADER_SIZE = finding("vdi.check.header-size", "structure/note", "the header size is one that no known writer uses");
    CHECK_LEAK = finding("vdi.check.leak", "structure/leak", "blocks are allocated but not referenced");
    CHECK_LOGICAL_GEOMETRY = finding("vdi.check.logical-geometry", "structure/note", "the logical geometry is invalid");
    CHECK_MODIFIED_UUID = finding("vdi.check.modified-uuid", "structure/note", "the modification UUID is null");
    CHECK_OUT_OF_RANGE = finding("vdi.check.out-of-range", "structure/note", "an entry names a block past the end of the map");
    CHECK_PARENT_MODIFIED = finding("vdi.check.parent-modified", "structure/note", "the parent's modification UUID contradicts the image type");
    CHECK_PAST_ALLOCATED = finding("vdi.check.past-allocated", "structure/note", "an entry names a block past the allocated ones");
    CHECK_PAST_END = finding("vdi.check.past-end", "structure/past-end", "an entry points past the end of the file");
    CHECK_STATIC_HOLES = finding("vdi.check.static-holes", "structure/note", "a static image has blocks that were never written");
    CHECK_TEXT = finding("vdi.check.text", "structure/note", "the file does not begin with the usual text");
    CHECK_TOO_LARGE = finding("vdi.check.too-large", "structure/note", "the image uses too many places to check all of them");
    CHECK_TRAILING = finding("vdi.check.trailing", "structure/note", "bytes follow the last allocated block");
    CHECK_UUID = finding("vdi.check.uuid", "structure/note", "the UUID of the image is null");
    FILE_LENGTH = finding("vdi.file.length", "structure/note", "the file length does not fit the number of allocated blocks");
    HEADER_ALLOCATED = finding("vdi.header.allocated", "structure/header", "the header's number of allocated blocks differs from the map's");
    HEADER_ALLOCATED_UNCHECKED = finding("vdi.header.allocated-unchecked", "structure/header", "the map is too long to count the allocated blocks");
    HEADER_BLOCK_EXTRA = finding("vdi.header.block-extra", "structure/header", "blocks have extra space in front of them");
    HEADER_BLOCK_SIZE = finding("vdi.header.block-size", "structure/header", "the block size is not a power of two");
    HEADER_CUT = corrupt("vdi.header.cut", "structure/cut", "the file ends inside its header");
    HEADER_DATA_UNALIGNED = finding("vdi.header.data-unaligned", "structure/header", "the data area is not sector-aligned");
    HEADER_FIELD = corrupt("vdi.header.field", "structure/header", "a header field has an invalid value");
    HEADER_LCHS_SECTOR = finding("vdi.header.lchs-sector", "structure/header", "the logical geometry has an unusual sector size");
    HEADER_LINK = corrupt("vdi.header.link", "structure/header", "the parent's UUID contradicts the image type");
    HEADER_MAP_UNALIGNED = finding("vdi.header.map-unaligned", "structure/header", "the map is not sector-aligned");
    HEADER_ODD_SIZE = finding("vdi.header.odd-size", "structure/header", "the disk size is not a multiple of 512 bytes");
    HEADER_SECTOR_SIZE = unsupported("vdi.header.sector-size", "format/unsupported", "the sector size is not 512 bytes");
    HEADER_SIGNATURE = corrupt("vdi.header.signature", "structure/header", "the signature of VDI is missing");
    HEADER_TYPE = unsupported("vdi.header.type", "format/unsupported", "the image type is unknown");
    HEADER_UNKNOWN_FLAGS = finding("vdi.header.unknown-flags", "structure/header", "unknown flags are set");
    HEADER_VERSION = unsupported("vdi.header.version", "format/unsupported", "the version is unknown");
    MAP_HOLE = corrupt("vdi.map.hole", "structure/table", "a part of the map is a hole of the file");
    MAP_LONGER = finding("vdi.map.longer", "structure/note", "the map has more entries than the disk needs");
    MAP_PAST_END = corrupt("vdi.map.past-end", "safety/table-size", "the map lies past the end of the file");
    MAP_TOO_SHORT = corrupt("vdi.map.too-short", "safety/table-size", "the map does not cover the disk");
    WRITE_DISK_TOO_LARGE = unsupported("vdi.write.disk-too-large", "format/unsupported", "the disk is too large for a VDI").without_rule();
}
