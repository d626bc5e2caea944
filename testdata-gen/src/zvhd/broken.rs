//! Images that must be rejected, each named after its defect.

use crate::bytes::{le64_at, put};
use crate::model::BrokenImage;
use crate::model::Refused::{AtOpen, AtRead};
use crate::rows::{Row, named};
use crate::zvhd::encode::{ZvhdCompression, compress, seal, zvhd, zvhd2, zvhd2_of};

pub(crate) fn broken() -> Vec<BrokenImage> {
    let zvhd2 = [pages(), tables(), records()].concat();
    let all = zvhd2.into_iter().map(|row| named("zvhd2", row));
    all.chain(zvhds().into_iter().map(|row| named("zvhd", row))).collect()
}

/// 6 MiB, of which blocks 0 and 2 are stored.
fn disk() -> Vec<u8> {
    let mut disk = vec![0; 6 << 20];
    disk[0] = 1;
    disk[4 << 20] = 2;
    disk
}

/// A ZVHD2, and the places of its parts.
struct Zvhd2 {
    file: Vec<u8>,
    /// The last page.
    last: usize,
    index: u64,
    bitmap: u64,
}

impl Zvhd2 {
    fn new() -> Self {
        let file = zvhd2(&disk(), ZvhdCompression::Zstd);
        let last = file.len() - 4096;
        let (index, bitmap) = (le64_at(&file, last as u64 + 96), le64_at(&file, last as u64 + 104));
        Self { file, last, index, bitmap }
    }

    /// The file with a field of the last page changed, and its checksum corrected.
    fn field(&self, at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut file = self.bytes((self.last + at) as u64, bytes);
        seal(&mut file[self.last..]);
        file
    }

    /// The file with other bytes at `at`.
    fn bytes(&self, at: u64, bytes: &[u8]) -> Vec<u8> {
        let mut file = self.file.clone();
        put(&mut file, at, bytes);
        file
    }
}

/// The first and the last page.
fn pages() -> Vec<Row> {
    let image = Zvhd2::new();
    let at = image.last as u64;
    vec![
        (
            "zvhd2-cut",
            "the last page is gone",
            AtOpen,
            "zvhd.header.missing",
            None,
            image.file[..image.last].to_vec(),
        ),
        (
            "zvhd2-trailer-checksum",
            "a wrong checksum",
            AtOpen,
            "zvhd.header.checksum",
            Some(at + 64),
            image.bytes(at + 300, &[1]),
        ),
        (
            "zvhd2-block-size-4mib",
            "blocks of 4 MiB",
            AtOpen,
            "zvhd.header.block-size",
            Some(at + 88),
            image.field(88, &(4u32 << 20).to_le_bytes()),
        ),
        (
            "zvhd2-compression-7",
            "an unknown compression",
            AtOpen,
            "zvhd.header.compression",
            Some(at + 141),
            image.field(141, &[7]),
        ),
        (
            "zvhd2-index-has-zeros",
            "an index of all blocks",
            AtOpen,
            "zvhd.header.index-has-zeros",
            Some(at + 140),
            image.field(140, &[1]),
        ),
        (
            "zvhd2-block-count",
            "a wrong number of blocks",
            AtOpen,
            "zvhd.header.field",
            Some(92),
            image.field(92, &9u32.to_le_bytes()),
        ),
        (
            "zvhd2-sizes-differ",
            "another size in the first page",
            AtOpen,
            "zvhd.header.field",
            Some(40),
            image.field(40, &(8u64 << 20).to_le_bytes()),
        ),
    ]
}

/// The bitmap and the index.
fn tables() -> Vec<Row> {
    let image = Zvhd2::new();
    let at = image.last as u64;
    vec![
        (
            "zvhd2-data-blocks",
            "more data blocks than bits",
            AtOpen,
            "zvhd.bitmap.count",
            Some(image.bitmap),
            image.field(136, &3u32.to_le_bytes()),
        ),
        (
            "zvhd2-index-offset",
            "another offset of the index",
            AtOpen,
            "zvhd.header.field",
            Some(at + 96),
            image.field(96, &(image.index + 4096).to_le_bytes()),
        ),
        (
            "zvhd2-bitmap-count",
            "more bits than data blocks",
            AtOpen,
            "zvhd.bitmap.count",
            Some(image.bitmap),
            image.bytes(image.bitmap, &[7]),
        ),
        (
            "zvhd2-bitmap-past-end",
            "a bit after the disk's end",
            AtOpen,
            "zvhd.bitmap.past-end",
            Some(image.bitmap + 9),
            image.bytes(image.bitmap + 9, &[1]),
        ),
        (
            "zvhd2-index-wrong-block",
            "an entry for another block",
            AtRead,
            "zvhd.index.block",
            Some(image.index + 16),
            image.bytes(image.index + 24, &[1]),
        ),
        (
            "zvhd2-index-past-records",
            "an entry that points after the records",
            AtRead,
            "zvhd.index.range",
            Some(image.index + 16),
            image.bytes(image.index + 16, &(1u64 << 40).to_le_bytes()),
        ),
        (
            "zvhd2-index-unaligned",
            "an entry not on a page",
            AtRead,
            "zvhd.index.range",
            Some(image.index),
            image.bytes(image.index, &4097u64.to_le_bytes()),
        ),
    ]
}

/// Records and their payloads.
fn records() -> Vec<Row> {
    let image = Zvhd2::new();
    let second = le64_at(&image.file, image.index + 16);
    let unit = |len: usize| {
        zvhd2_of(6 << 20, ZvhdCompression::Zstd, &[(0, compress(ZvhdCompression::Zstd, &vec![1; len]))])
    };
    vec![
        (
            "zvhd2-two-entries-one-record",
            "two entries for one record",
            AtRead,
            "zvhd.record.block",
            Some(4096 + 16),
            image.bytes(image.index + 16, &4096u64.to_le_bytes()),
        ),
        (
            "zvhd2-record-magic",
            "no record where one must be",
            AtRead,
            "zvhd.record.magic",
            Some(second),
            image.bytes(second, b"HWSTREAM"),
        ),
        (
            "zvhd2-record-empty",
            "a record without payload",
            AtRead,
            "zvhd.record.empty",
            Some(second + 12),
            image.bytes(second + 12, &[0; 4]),
        ),
        (
            "zvhd2-record-length",
            "a payload longer than its record",
            AtRead,
            "zvhd.record.length",
            Some(second + 12),
            image.bytes(second + 12, &[0xff; 4]),
        ),
        (
            "zvhd2-record-end",
            "no end mark",
            AtRead,
            "zvhd.record.end-mark",
            Some(second + 4092),
            image.bytes(second + 4092, b"END\0"),
        ),
        (
            "zvhd2-payload-garbage",
            "a payload that is not a zstd frame",
            AtRead,
            "codec.decompress.garbage",
            Some(4096 + 48),
            image.bytes(4096 + 48, &[0; 8]),
        ),
        (
            "zvhd2-payload-short",
            "a payload of less than a block",
            AtRead,
            "codec.decompress.short",
            Some(4096 + 48),
            unit((2 << 20) - 1),
        ),
        (
            "zvhd2-payload-long",
            "a payload of more than a block",
            AtRead,
            "codec.decompress.long",
            Some(4096 + 48),
            unit((2 << 20) + 1),
        ),
    ]
}

/// ZVHD has no index.
fn zvhds() -> Vec<Row> {
    let old = zvhd(&disk());
    let with = |at: u64, bytes: &[u8]| {
        let mut file = old.clone();
        put(&mut file, at, bytes);
        file
    };
    vec![
        (
            "zvhd-cut",
            "the closing page is gone",
            AtOpen,
            "zvhd.header.missing",
            None,
            old[..old.len() - 4096].to_vec(),
        ),
        (
            "zvhd-trailing",
            "bytes after the closing page",
            AtOpen,
            "zvhd.file.trailing",
            Some(old.len() as u64),
            [&old[..], &[0; 5]].concat(),
        ),
        (
            "zvhd-header-checksum",
            "a wrong checksum",
            AtOpen,
            "zvhd.header.checksum",
            Some(64),
            with(300, &[1]),
        ),
        (
            "zvhd-block-past-end",
            "a block that the disk does not have",
            AtOpen,
            "zvhd.record.order",
            Some(4096 + 16),
            with(4096 + 16, &[9]),
        ),
        (
            "zvhd-blocks-descend",
            "blocks out of order",
            AtOpen,
            "zvhd.record.order",
            Some(8192 + 16),
            with(8192 + 16, &[0]),
        ),
        (
            "zvhd-payload-garbage",
            "a payload that is not zlib data",
            AtRead,
            "codec.decompress.garbage",
            Some(4096 + 48),
            with(4096 + 48, &[0xff; 8]),
        ),
    ]
}
