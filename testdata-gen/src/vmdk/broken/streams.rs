//! Streams of compressed grains.

use crate::model::BrokenImage;
use crate::model::Refused::{AtOpen, AtRead};
use crate::rows::Row;
use crate::vmdk::broken::edits::{edited, rows};
use crate::vmdk::encode::{Cell, recipe};

pub(crate) fn streams() -> Vec<BrokenImage> {
    rows([stream_grains(), stream_sizes()].concat())
}

/// Grains of a stream.
fn stream_grains() -> Vec<Row> {
    let stream = || recipe().stream();
    let written = stream().write();
    let (head, len) = (written.places[&1], written.file.len() as u64);
    let entry = written.entries[&1];
    let read = |name, about, code, place, at, bytes: &[u8]| -> Row {
        (name, about, AtRead, code, Some(place), edited(&written, at, bytes))
    };
    let size =
        u32::from_le_bytes(written.file[head as usize + 8..head as usize + 12].try_into().expect("four"));
    let cut = |name, about, len: u64| -> Row {
        (name, about, AtRead, "vmdk.stream.cut", Some(len), written.file[..len as usize].to_vec())
    };
    let shorter = (size - 3).to_le_bytes();
    vec![
        cut("vmdk-stream-cut", "cut in a grain", written.places[&4] + 100),
        cut("vmdk-stream-no-end", "the last sector is missing", len - 512),
        cut("vmdk-stream-only-header", "nothing but the header and the descriptor", 128 * 512),
        read("vmdk-stream-lba", "a grain of another place", "vmdk.grain.lba", head, head, &[1, 2]),
        read("vmdk-stream-length-0", "a grain of length 0", "vmdk.grain.length", head + 8, head + 8, &[0; 4]),
        read(
            "vmdk-stream-length-huge",
            "a grain of 4 GiB",
            "vmdk.grain.length",
            head + 8,
            head + 8,
            &[0xff; 4],
        ),
        read(
            "vmdk-stream-unfinished",
            "a grain that ends early",
            "codec.decompress.short",
            head + 12,
            head + 8,
            &shorter,
        ),
        read(
            "vmdk-stream-garbage",
            "a grain that is not zlib data",
            "codec.decompress.garbage",
            head + 12,
            head + 12,
            &[0xff; 64],
        ),
        read(
            "vmdk-stream-past-end",
            "a grain after the file's end",
            "vmdk.grain.past-end",
            entry,
            entry,
            &[0xff; 4],
        ),
    ]
}

/// Grains of a wrong size, and the footer.
fn stream_sizes() -> Vec<Row> {
    let stream = || recipe().stream();
    let written = stream().write();
    let len = written.file.len() as u64;
    let mut short = stream();
    short.cells.insert(1, Cell::Data(vec![5; 1000]));
    let mut long = stream();
    long.cells.insert(1, Cell::Data(vec![5; (1 << 16) + 1]));
    let (short, long) = (short.write(), long.write());
    vec![
        (
            "vmdk-stream-short",
            "a grain that is too short",
            AtRead,
            "codec.decompress.short",
            Some(short.places[&1] + 12),
            short.file,
        ),
        (
            "vmdk-stream-long",
            "a grain that is too long",
            AtRead,
            "codec.decompress.long",
            Some(long.places[&1] + 12),
            long.file,
        ),
        (
            "vmdk-stream-method-2",
            "an unknown compression",
            AtOpen,
            "vmdk.header.compression",
            Some(77),
            edited(&written, 77, &[2]),
        ),
        (
            "vmdk-stream-footer-capacity",
            "a footer for another disk",
            AtOpen,
            "vmdk.footer.field",
            Some(len - 1024 + 12),
            edited(&written, len - 1024 + 12, &[1]),
        ),
        (
            "vmdk-stream-footer-directory",
            "a footer that names no directory",
            AtOpen,
            "vmdk.header.field",
            Some(len - 1024 + 56),
            edited(&written, len - 1024 + 56, &[0xff; 8]),
        ),
        (
            "vmdk-stream-directory-past-end",
            "a directory after the file's end",
            AtOpen,
            "vmdk.table.past-end",
            Some(len - 1024 + 56),
            edited(&written, len - 1024 + 56, &[0, 0, 0, 0x7f]),
        ),
    ]
}
