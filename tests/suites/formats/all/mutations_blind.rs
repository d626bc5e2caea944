//! Bytes that nothing else in an image repeats or sums up: changed, they are another valid image.

use std::ops::Range;

/// Which images a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// All images of the format.
    Any,
    /// Those with a parent.
    Child,
    /// Those with an external data file that is not raw.
    DataFile,
}

/// Bytes of a structure whose change no check can detect.
#[derive(Debug)]
pub(crate) struct Blind {
    /// The format's name.
    pub(crate) format: &'static str,
    pub(crate) of: Of,
    /// The structure, by its name in the format's map.
    pub(crate) region: &'static str,
    /// Bytes from the start of the structure.
    pub(crate) at: Range<u64>,
    /// Why, with the section of the specification.
    #[expect(dead_code, reason = "printed with the row")]
    pub(crate) why: &'static str,
}

const fn row(format: &'static str, of: Of, region: &'static str, at: Range<u64>, why: &'static str) -> Blind {
    Blind { format, of, region, at, why }
}

/// All of them.
pub(crate) const BLIND: &[Blind] = &[
    row(
        "qcow",
        Of::Any,
        "the header",
        24..32,
        "the disk size: the L1 table has no length of its own, and within the last cluster that an entry names nothing \
         depends on the size (QEMU block/qcow.c, QCowHeader)",
    ),
    row(
        "qcow",
        Of::Any,
        "an L2 table",
        0..8 << 13,
        "whether a cluster is compressed and how long its payload is stands nowhere else, and there are no reference \
         counts (QEMU block/qcow.c, get_cluster_offset)",
    ),
    row("qcow", Of::Any, "payload", PAYLOAD, "raw deflate has no checksum (RFC 1951)"),
    row(
        "qcow2",
        Of::Any,
        "the header",
        24..32,
        "the disk size: l1_size may be larger than needed, and within the last cluster that an entry names nothing \
         depends on the size (section \"Header\")",
    ),
    row(
        "qcow2",
        Of::Child,
        "the L2 table",
        0..2 << 20,
        "bit 0 of an entry: a cluster of zeros without a place and one that is the backing file's differ in it alone \
         (section \"Standard Cluster Descriptor\")",
    ),
    row(
        "qcow2",
        Of::DataFile,
        "the L2 table",
        0..2 << 20,
        "clusters of an external data file have no reference counts, and offset 0 without COPIED is an unallocated \
         cluster (section \"Standard Cluster Descriptor\")",
    ),
    row(
        "qcow2",
        Of::Any,
        "payload",
        PAYLOAD,
        "raw deflate has no checksum, zstd frames are written without one (section \"Compressed Clusters Descriptor\", \
         RFC 1951, RFC 8878 3.1.1)",
    ),
    row(
        "qed",
        Of::Any,
        "the header",
        48..56,
        "image_size: the L1 table has the same length whatever the size is, and within the last cluster that an entry \
         names nothing depends on it (section \"Header\")",
    ),
    row(
        "qed",
        Of::Child,
        "an L2 table",
        0..16 << 26,
        "an offset of 1 is a cluster of zeros, 0 one of the backing file: neither names a place (section \"Data cluster \
         offsets\")",
    ),
    row(
        "vdi",
        Of::Any,
        "the header",
        368..376,
        "cbDisk: within the last block nothing depends on it (VirtualBox VDICore.h, VDIHEADER1)",
    ),
    row(
        "vdi",
        Of::Child,
        "the block map",
        0..4 << 20,
        "0xffffffff is a block of the parent and 0xfffffffe one of zeros: neither names a place (VirtualBox VDICore.h, \
         VDI_IMAGE_BLOCK_FREE and VDI_IMAGE_BLOCK_ZERO)",
    ),
    row(
        "vhd",
        Of::Child,
        "a sector bitmap",
        0..512,
        "a bit alone decides between the sector of this file and the parent's, and the file may hold anything where it \
         is clear (\"Block Allocation Table and Data Blocks\")",
    ),
    row(
        "vhdx",
        Of::Any,
        "the block allocation table",
        0..1 << 20,
        "\"undefined\" and \"unmapped\" blocks may keep their place in the file, so they differ from one that is present \
         in the state alone (2.5.1.1)",
    ),
    row(
        "vhdx",
        Of::Child,
        "a sector bitmap",
        0..1 << 20,
        "a bit alone decides between the sector of this file and the parent's (2.4)",
    ),
    row(
        "vhdx",
        Of::Any,
        "the metadata region",
        65544..65552,
        "VirtualDiskSize: an entry of a block past a smaller disk is reported, but within the last block nothing depends \
         on the size, and a disk that was shrunk may leave its old bytes there (2.6.2.2)",
    ),
    row(
        "vmdk",
        Of::Any,
        "the offset of a flat extent",
        0..8,
        "the file has no header, and bytes of it may belong to no extent (Virtual Disk Format 5.0, \"The Extent \
         Descriptions\")",
    ),
    row(
        "zvhd",
        Of::Any,
        "payload",
        PAYLOAD,
        "records have no checksum, and their zlib stream ends with a flush before its own (RFC 1950 2.2)",
    ),
    row(
        "zvhd2",
        Of::Any,
        "payload",
        PAYLOAD,
        "records have no checksum, flushed zlib streams end before their own (RFC 1950 2.2), and zstd frames are written \
         without one (RFC 8878 3.1.1)",
    ),
];

/// Payload of any length.
const PAYLOAD: Range<u64> = 0..u64::MAX;
