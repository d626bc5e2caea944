//! Images that must be rejected, each named after its defect.

use crate::bytes::put;
use crate::model::{BrokenImage, Refused};
use crate::rows::{Row, named};
use crate::zvhd::encode::{ZvhdCompression, compress, seal, zvhd, zvhd2, zvhd2_of};

pub(crate) fn broken() -> Vec<BrokenImage> {
    use Refused::{AtOpen, AtRead};
    let mut disk = vec![0; 6 << 20];
    disk[0] = 1;
    disk[4 << 20] = 2;
    let (old, new) = (zvhd(&disk), zvhd2(&disk, ZvhdCompression::Zstd));
    let last = new.len() - 4096;
    let index = u64::from_le_bytes(new[last + 96..last + 104].try_into().unwrap_or_default());
    let bitmap = u64::from_le_bytes(new[last + 104..last + 112].try_into().unwrap_or_default());
    // Changes a field of the last page and makes its checksum right again.
    let field = |at: usize, bytes: &[u8]| {
        let mut file = new.clone();
        put(&mut file, (last + at) as u64, bytes);
        seal(&mut file[last..]);
        file
    };
    let byte = |at: u64, bytes: &[u8]| {
        let mut file = new.clone();
        put(&mut file, at, bytes);
        file
    };
    let of = |file: &[u8], at: usize, bytes: &[u8]| {
        let mut file = file.to_vec();
        put(&mut file, at as u64, bytes);
        file
    };
    let unit = |len: usize| {
        zvhd2_of(6 << 20, ZvhdCompression::Zstd, &[(0, compress(ZvhdCompression::Zstd, &vec![1; len]))])
    };
    let second =
        u64::from_le_bytes(new[index as usize + 16..index as usize + 24].try_into().unwrap_or_default());
    let at = last as u64;
    let rows: Vec<(&str, Row)> = vec![
        (
            "zvhd2",
            ("zvhd2-cut", "the last page is gone", AtOpen, "zvhd.header.missing", None, new[..last].to_vec()),
        ),
        (
            "zvhd2",
            (
                "zvhd2-trailer-checksum",
                "a wrong checksum",
                AtOpen,
                "zvhd.header.checksum",
                Some(at + 64),
                byte(at + 300, &[1]),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-block-size-4mib",
                "blocks of 4 MiB",
                AtOpen,
                "zvhd.header.block-size",
                Some(at + 88),
                field(88, &(4u32 << 20).to_le_bytes()),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-compression-7",
                "an unknown compression",
                AtOpen,
                "zvhd.header.compression",
                Some(at + 141),
                field(141, &[7]),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-index-has-zeros",
                "an index of all blocks",
                AtOpen,
                "zvhd.header.index-has-zeros",
                Some(at + 140),
                field(140, &[1]),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-block-count",
                "a wrong number of blocks",
                AtOpen,
                "zvhd.header.field",
                Some(92),
                field(92, &9u32.to_le_bytes()),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-sizes-differ",
                "another size in the first page",
                AtOpen,
                "zvhd.header.field",
                Some(40),
                field(40, &(8u64 << 20).to_le_bytes()),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-data-blocks",
                "more data blocks than bits",
                AtOpen,
                "zvhd.bitmap.count",
                Some(bitmap),
                field(136, &3u32.to_le_bytes()),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-index-offset",
                "an index elsewhere",
                AtOpen,
                "zvhd.header.field",
                Some(at + 96),
                field(96, &(index + 4096).to_le_bytes()),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-bitmap-count",
                "more bits than data blocks",
                AtOpen,
                "zvhd.bitmap.count",
                Some(bitmap),
                byte(bitmap, &[7]),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-bitmap-past-end",
                "a bit behind the disk's end",
                AtOpen,
                "zvhd.bitmap.past-end",
                Some(bitmap + 9),
                byte(bitmap + 9, &[1]),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-index-wrong-block",
                "an entry for another block",
                AtRead,
                "zvhd.index.block",
                Some(index + 16),
                byte(index + 24, &[1]),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-index-past-records",
                "an entry that points behind the records",
                AtRead,
                "zvhd.index.range",
                Some(index + 16),
                byte(index + 16, &(1u64 << 40).to_le_bytes()),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-index-unaligned",
                "an entry not on a page",
                AtRead,
                "zvhd.index.range",
                Some(index),
                byte(index, &4097u64.to_le_bytes()),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-two-entries-one-record",
                "two entries for one record",
                AtRead,
                "zvhd.record.block",
                Some(4096 + 16),
                byte(index + 16, &4096u64.to_le_bytes()),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-record-magic",
                "no record where one must be",
                AtRead,
                "zvhd.record.magic",
                Some(second),
                byte(second, b"HWSTREAM"),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-record-empty",
                "a record without payload",
                AtRead,
                "zvhd.record.empty",
                Some(second + 12),
                byte(second + 12, &[0; 4]),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-record-length",
                "a payload longer than its record",
                AtRead,
                "zvhd.record.length",
                Some(second + 12),
                byte(second + 12, &[0xff; 4]),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-record-end",
                "no end mark",
                AtRead,
                "zvhd.record.end-mark",
                Some(second + 4092),
                byte(second + 4092, b"END\0"),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-payload-garbage",
                "a payload that is no zstd frame",
                AtRead,
                "codec.unpack.garbage",
                Some(4096 + 48),
                byte(4096 + 48, &[0; 8]),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-payload-short",
                "a payload of less than a block",
                AtRead,
                "codec.unpack.short",
                Some(4096 + 48),
                unit((2 << 20) - 1),
            ),
        ),
        (
            "zvhd2",
            (
                "zvhd2-payload-long",
                "a payload of more than a block",
                AtRead,
                "codec.unpack.long",
                Some(4096 + 48),
                unit((2 << 20) + 1),
            ),
        ),
        (
            "zvhd",
            (
                "zvhd-cut",
                "the closing page is gone",
                AtOpen,
                "zvhd.header.missing",
                None,
                old[..old.len() - 4096].to_vec(),
            ),
        ),
        (
            "zvhd",
            (
                "zvhd-trailing",
                "bytes behind the closing page",
                AtOpen,
                "zvhd.file.trailing",
                Some(old.len() as u64),
                [&old[..], &[0; 5]].concat(),
            ),
        ),
        (
            "zvhd",
            (
                "zvhd-header-checksum",
                "a wrong checksum",
                AtOpen,
                "zvhd.header.checksum",
                Some(64),
                of(&old, 300, &[1]),
            ),
        ),
        (
            "zvhd",
            (
                "zvhd-block-past-end",
                "a block that the disk does not have",
                AtOpen,
                "zvhd.record.order",
                Some(4096 + 16),
                of(&old, 4096 + 16, &[9]),
            ),
        ),
        (
            "zvhd",
            (
                "zvhd-blocks-descend",
                "blocks out of order",
                AtOpen,
                "zvhd.record.order",
                Some(8192 + 16),
                of(&old, 8192 + 16, &[0]),
            ),
        ),
        (
            "zvhd",
            (
                "zvhd-payload-garbage",
                "a payload that is no zlib data",
                AtRead,
                "codec.unpack.garbage",
                Some(4096 + 48),
                of(&old, 4096 + 48, &[0xff; 8]),
            ),
        ),
    ];
    rows.into_iter().map(|(format, row)| named(format, row)).collect()
}
