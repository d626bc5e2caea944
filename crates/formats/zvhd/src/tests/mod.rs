//! Tests of the whole crate: images of its writers, read back.
//!
//! Maps do not decompress payloads, so payloads are a few bytes of any value.

mod checks;
mod streams;

use alloc::string::ToString as _;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};

use imgprep_map::{
    Class, Codec, CompressedLen, Compression, Encoding, Error, Extent, FileId, Image, ImageWriter, Limits,
    ParseOptions, Parsed, ReadAt, Severity, SinkKind, SizeChoice, Source, Stored, UseKind, Value,
};
use imgprep_tests::Emitted;

use crate::layout::{BLOCK, PAGE, PAGE_BYTES, checksum};
use crate::{Corrupt, Unsupported, WriteOptions, Zvhd2Writer, ZvhdWriter};

const UUID: [u8; 16] = [0xa0, 0xa1, 0xa2, 0xa3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// An image with records of these blocks, whose payloads have these lengths.
fn image(writer: &mut dyn ImageWriter, blocks: &[(u64, u64)]) -> Vec<u8> {
    use imgprep_map::Emit as _;
    let mut out = Emitted::default();
    writer.begin(&mut out).unwrap();
    for (number, len) in blocks {
        let placed = writer.place(*number, Stored { len: *len, is_compressed: true }, &mut out).unwrap();
        let payload = vec![0x55; usize::try_from(*len).unwrap()];
        out.write(placed.at, &[placed.head, payload, placed.tail].concat()).unwrap();
    }
    let len = writer.finish(&mut out).unwrap();
    assert_eq!(len, out.0.len() as u64, "the length of the file");
    let longest = blocks.iter().map(|(_, len)| *len).max().unwrap_or(0);
    assert!(writer.max_len(blocks.len() as u64, longest) >= len);
    out.0
}

fn options(disk_size: u64) -> WriteOptions {
    WriteOptions { disk_size, uuid: UUID, unix_time: 1_700_000_000 }
}

fn zvhd2(disk_size: u64, blocks: &[(u64, u64)]) -> Vec<u8> {
    let zstd = Compression::Zstd { level: 3, has_checksum: true };
    image(&mut Zvhd2Writer::new(&options(disk_size), zstd).unwrap(), blocks)
}

fn zvhd(disk_size: u64, blocks: &[(u64, u64)]) -> Vec<u8> {
    image(&mut ZvhdWriter::new(&options(disk_size), 6).unwrap(), blocks)
}

fn parse_with(file: &dyn ReadAt, options: &ParseOptions) -> Result<Image, Error> {
    match crate::parse(file, options)? {
        Parsed::Done(image) => Ok(*image),
        Parsed::Needs(_) => panic!("one file is enough"),
    }
}

fn original() -> ParseOptions {
    ParseOptions { size: SizeChoice::Original, ..ParseOptions::default() }
}

fn parse(file: &dyn ReadAt) -> Result<Image, Error> {
    parse_with(file, &original())
}

fn extents(image: &Image, file: &dyn ReadAt, range: Range<u64>) -> (Vec<Extent>, Result<(), Error>) {
    let mut extents = Vec::new();
    let walked = image.map.visit(&file, range, &mut |extent| {
        extents.push(extent);
        ControlFlow::Continue(())
    });
    (extents, walked)
}

fn zeros(disk: Range<u64>) -> Extent {
    Extent { disk, source: Source::Zero { explicit: false } }
}

/// A part of the block that begins at `block`, whose payload is at `at`.
fn stored(disk: Range<u64>, block: u64, (at, len): (u64, u32), codec: Codec) -> Extent {
    let (len, block) = (CompressedLen::Exact(len), block * BLOCK..(block + 1) * BLOCK);
    Extent { disk, source: Source::Compressed { file: FileId::SELF, at, len, codec, block } }
}

fn found(file: &dyn ReadAt) -> Vec<(&'static str, Severity, Option<u64>)> {
    let image = parse(file).unwrap();
    let mut found = Vec::new();
    let checked = image.map.check(&file, &mut |finding| {
        found.push((finding.code.id, finding.severity, finding.at));
        ControlFlow::Continue(())
    });
    checked.unwrap();
    found
}

/// Puts `bytes` at offset `at` of the header page at `page`, and computes its checksum again.
fn put(file: &mut [u8], page: usize, at: usize, bytes: &[u8]) {
    file[page + at..page + at + bytes.len()].copy_from_slice(bytes);
    let whole: &[u8; PAGE_BYTES] = file[page..page + PAGE_BYTES].try_into().unwrap();
    let sum = checksum(whole);
    file[page + 64..page + 68].copy_from_slice(&sum.to_le_bytes());
}

/// The same field of the first and of the last page.
fn put_both(file: &mut [u8], at: usize, bytes: &[u8]) {
    put(file, 0, at, bytes);
    put(file, file.len() - PAGE_BYTES, at, bytes);
}

/// The error of an image that is rejected.
fn refused(file: &dyn ReadAt) -> Error {
    parse(file).err().unwrap_or_else(|| panic!("the image is accepted"))
}

#[test]
fn blocks_of_a_zvhd2_are_found_across_bitmap_segments() {
    let size = 40_002 * BLOCK - 1024;
    let blocks = [(0, 10), (7, 5000), (32_767, 1), (32_768, 4044), (40_001, 4045)];
    let file = zvhd2(size, &blocks);
    let image = parse(&file).unwrap();
    assert_eq!((image.size, image.map.size(), image.map.stride()), (size, size, 32_768 * BLOCK));
    assert!(!image.map.is_stream());
    let one = |number, at: u64, len| {
        let start = number * BLOCK;
        stored(start..(start + BLOCK).min(size), number, (at + 48, len), Codec::Zstd)
    };
    let want = [
        one(0, 4096, 10),
        zeros(BLOCK..7 * BLOCK),
        one(7, 8192, 5000),
        zeros(8 * BLOCK..32_767 * BLOCK),
        one(32_767, 16_384, 1),
        one(32_768, 20_480, 4044),
        zeros(32_769 * BLOCK..40_001 * BLOCK),
        one(40_001, 24_576, 4045),
    ];
    let (got, walked) = extents(&image, &file, 0..u64::MAX);
    walked.unwrap();
    assert_eq!(got, want);
    // A walk may begin and end anywhere.
    let (got, walked) = extents(&image, &file, 7 * BLOCK + 1..32_768 * BLOCK + 5);
    walked.unwrap();
    let first = stored(7 * BLOCK + 1..8 * BLOCK, 7, (8240, 5000), Codec::Zstd);
    let last = stored(32_768 * BLOCK..32_768 * BLOCK + 5, 32_768, (20_528, 4044), Codec::Zstd);
    assert_eq!(got, [first, want[3].clone(), want[4].clone(), last]);
    let (got, _) = extents(&image, &file, 9 * BLOCK..9 * BLOCK + 1);
    assert_eq!(got, [zeros(9 * BLOCK..9 * BLOCK + 1)]);
    assert_eq!(extents(&image, &file, size..u64::MAX).0, []);
    assert_eq!(found(&file), []);
}

#[test]
fn every_byte_of_a_zvhd2_is_used_once() {
    let file = zvhd2(3 * BLOCK, &[(0, 10), (2, 5000)]);
    let image = parse(&file).unwrap();
    let reader: &dyn ReadAt = &file;
    let uses = |most: usize| {
        let mut uses = Vec::new();
        let visited = image.map.file_usage(&reader, &mut |one| {
            uses.push((one.range, one.kind, one.disk));
            if uses.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        visited.unwrap();
        uses
    };
    let page = UseKind::Metadata("header page");
    let want = [
        (0..4096, page, None),
        (16_384..20_480, page, None),
        (20_480..544_768, UseKind::Metadata("index"), None),
        (544_768..548_864, UseKind::Metadata("bitmap"), None),
        (548_864..552_960, page, None),
        (4096..8192, UseKind::Compressed, Some(0)),
        (8192..16_384, UseKind::Compressed, Some(2 * BLOCK)),
    ];
    assert_eq!(uses(usize::MAX), want);
    for most in 1..want.len() {
        assert_eq!(uses(most), want[..most], "a walk that ends after {most} uses");
    }
    assert_eq!(file.len(), 552_960);
}

#[test]
fn a_disk_has_the_size_that_was_chosen() {
    let current = ParseOptions { size: SizeChoice::Current, ..original() };
    for file in [zvhd2(BLOCK + 1, &[(1, 9)]), zvhd(BLOCK + 1, &[(1, 9)])] {
        let image = parse(&file).unwrap();
        assert_eq!(image.size, BLOCK + 512, "whole sectors");
        let image = parse_with(&file, &current).unwrap();
        assert_eq!((image.size, image.map.size()), (1 << 30, 1 << 30));
        let (got, _) = extents(&image, &file, 0..u64::MAX);
        assert_eq!(got.last(), Some(&zeros(2 * BLOCK..1 << 30)), "nothing follows the original size");
    }
}

#[test]
fn facts_are_those_of_the_header() {
    let details = |file: &Vec<u8>| parse(file).unwrap().facts.details;
    let text = |text: &str| Value::Text(text.to_string());
    let want = [
        ("original-size", Value::Number(3 * BLOCK)),
        ("current-size", Value::Number(1 << 30)),
        ("data-blocks", Value::Number(2)),
        ("uuid", text("a0a1a2a3-0405-0607-0809-0a0b0c0d0e0f")),
        ("time-stamp", Value::Number(1_700_000_000)),
        ("creator", text("tap 1.4")),
    ];
    let blocks = [(0, 10), (2, 5000)];
    assert_eq!(details(&zvhd(3 * BLOCK, &blocks)), want);
    let mut file = zvhd2(3 * BLOCK, &blocks);
    let got = details(&file);
    assert_eq!(got[..6], want);
    assert_eq!(got[6], ("compression-type", text("zstd")));
    put_both(&mut file, 141, &[0]);
    put_both(&mut file, 28, b"a\n\0\0\x02\0\x03\0");
    assert_eq!(details(&file)[5..], [("creator", text("a\\n 3.2")), ("compression-type", text("zlib"))]);
    let image = parse(&file).unwrap();
    assert_eq!((image.facts.format, image.facts.variant.as_str()), ("zvhd2", "zlib records"));
    assert_eq!(image.facts.cluster_size, Some(BLOCK));
    let (got, _) = extents(&image, &file, 0..BLOCK);
    assert_eq!(got, [stored(0..BLOCK, 0, (4144, 10), Codec::ZlibOpen)]);
}

/// A page between two records, and one behind the last.
#[test]
fn fields_of_both_pages_must_agree() {
    let good = zvhd2(3 * BLOCK, &[(0, 10)]);
    for (at, field, bytes) in [
        (40, "original size", &(2 * BLOCK).to_le_bytes()[..]),
        (48, "current size", &(2u64 << 30).to_le_bytes()),
        (68, "uuid (hashed)", &[1]),
        (87, "version", &[2]),
        (88, "block size", &[0, 0, 64, 0]),
        (92, "block count", &[4]),
        (141, "compression", &[0]),
    ] {
        let mut file = good.clone();
        put(&mut file, 0, at, bytes);
        let error = refused(&file);
        assert_eq!((error.code().id, error.at()), ("zvhd.header.field", Some(at as u64)), "{field}");
        assert!(error.to_string().contains(field), "{error}");
    }
    let mut file = zvhd(3 * BLOCK, &[(0, 10)]);
    let last = file.len() - PAGE_BYTES;
    for (at, bytes) in [(40, 2 * BLOCK), (48, 2u64 << 30)] {
        let mut file = file.clone();
        put(&mut file, last, at, &bytes.to_le_bytes());
        assert_eq!(refused(&file).at(), Some((last + at) as u64));
    }
    put_both(&mut file, 48, &(3 * BLOCK - 512).to_le_bytes());
    assert_eq!(refused(&file).at(), Some(48), "a current size below the original one");
    put_both(&mut file, 48, &(3 * BLOCK).to_le_bytes());
    assert!(parse(&file).is_ok());
}

#[test]
fn sizes_and_offsets_of_the_tables_follow_from_the_blocks() {
    let good = zvhd2(3 * BLOCK, &[(0, 10)]);
    let page = good.len() - PAGE_BYTES;
    for (at, bytes) in [
        (92, &[2][..]),
        (96, &[1]),
        (104, &[1]),
        (112, &[1]),
        (116, &[1]),
        (120, &[1]),
        (124, &[1]),
        (128, &[2]),
        (132, &[2]),
    ] {
        let mut file = good.clone();
        if at == 92 {
            put_both(&mut file, at, bytes);
        } else {
            put(&mut file, page, at, bytes);
        }
        let error = refused(&file);
        assert_eq!((error.code().id, error.at()), ("zvhd.header.field", Some((page + at) as u64)));
    }
    // A disk of zeros of which the page behind the records is missing.
    let mut file = zvhd2(BLOCK, &[]);
    file.drain(PAGE_BYTES..2 * PAGE_BYTES);
    let page = file.len() - PAGE_BYTES;
    put(&mut file, page, 96, &PAGE.to_le_bytes());
    put(&mut file, page, 104, &PAGE.to_le_bytes());
    let want =
        Corrupt::Field { at: page as u64 + 96, field: "index offset", expected: 2 * PAGE, found: PAGE };
    assert_eq!(refused(&file).detail(), Some(&want));
}

#[test]
fn features_that_are_not_supported_are_rejected_by_name() {
    let good = zvhd2(3 * BLOCK, &[(0, 10)]);
    let at = good.len() as u64 - PAGE;
    for (field, bytes, want) in [
        (87, [2, 0, 0, 32, 0], Unsupported::Version { at: at + 87, version: 2 }),
        (88, [0, 0, 64, 0, 2], Unsupported::BlockSize { at: at + 88, block_size: 4 << 20 }),
        (140, [1, 1, 0, 0, 0], Unsupported::IndexWithZeros { at: at + 140, flag: 1 }),
        (141, [2, 0, 0, 0, 0], Unsupported::Compression { at: at + 141, method: 2 }),
    ] {
        let mut file = good.clone();
        let len = if field == 88 { 4 } else { 1 };
        put_both(&mut file, field, &bytes[..len]);
        let error = refused(&file);
        assert_eq!(
            (error.detail(), error.class(), error.at()),
            (Some(&want), Class::Unsupported, want_at(&want))
        );
    }
}

fn want_at(error: &Unsupported) -> Option<u64> {
    imgprep_map::Detail::at(error)
}

#[test]
fn bits_past_the_last_block_are_rejected() {
    let good = zvhd2(3 * BLOCK, &[(0, 10), (2, 10)]);
    let bitmap = good.len() - 2 * PAGE_BYTES;
    for (byte, bits, block) in [(0, 0b1101, 3), (1, 0b1, 8), (4095, 0x80, 32_767)] {
        let mut file = good.clone();
        file[bitmap + byte] = bits;
        let at = (bitmap + byte) as u64;
        let want = Corrupt::BitmapPastEnd { at, block, blocks: 3 };
        assert_eq!(refused(&file).detail(), Some(&want));
    }
    // In the second segment.
    let mut file = zvhd2(32_769 * BLOCK, &[(0, 10), (32_768, 10)]);
    let second = file.len() - 2 * PAGE_BYTES;
    file[second] = 0b101;
    let want = Corrupt::BitmapPastEnd { at: second as u64, block: 32_770, blocks: 32_769 };
    assert_eq!(refused(&file).detail(), Some(&want));
    let mut file = good;
    file[bitmap] = 0b111;
    let want = Corrupt::BitmapCount { at: bitmap as u64, expected: 2, found: 3 };
    assert_eq!(refused(&file).detail(), Some(&want));
}

#[test]
fn a_damaged_record_loses_its_block_only() {
    let size = 3 * BLOCK - 512;
    let good = zvhd2(size, &[(0, 10), (1, 10), (2, 10)]);
    let index = 20_480;
    let lost = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        let image = parse(&file).unwrap();
        let (got, walked) = extents(&image, &file, 0..u64::MAX);
        let error = walked.unwrap_err();
        (got.len(), error.code().id, error.at().unwrap(), error.disk().unwrap())
    };
    let (middle, last) = (BLOCK..2 * BLOCK, 2 * BLOCK..size);
    assert_eq!(lost(8192, b"X"), (1, "zvhd.record.magic", 8192, middle.clone()));
    assert_eq!(lost(8192 + 12, &[0]), (1, "zvhd.record.empty", 8204, middle.clone()));
    assert_eq!(lost(8192 + 12, &[0xcd, 0x0f]), (1, "zvhd.record.length", 8204, middle.clone()));
    assert_eq!(lost(12_288 - 4, b"X"), (1, "zvhd.record.end-mark", 12_284, middle.clone()));
    assert_eq!(lost(8192 + 16, &[2]), (1, "zvhd.record.block", 8208, middle.clone()));
    let entry = index + 16;
    assert_eq!(lost(entry + 8, &[2]), (1, "zvhd.index.block", entry as u64, middle.clone()));
    // Not on a page; before the records; past them.
    for offset in [8193, 0, 4096 * 4] {
        let found = lost(entry, &u64::to_le_bytes(offset));
        assert_eq!(found, (1, "zvhd.index.range", entry as u64, middle.clone()));
    }
    assert_eq!(lost(entry + 12, &[0, 48]), (1, "zvhd.index.range", entry as u64, middle.clone()));
    assert_eq!(lost(entry + 12, &[0, 32]), (1, "zvhd.record.length", 8204, middle));
    // The last block of a disk may be short.
    assert_eq!(lost(12_288, b"X"), (2, "zvhd.record.magic", 12_288, last));
}
