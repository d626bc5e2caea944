//! Tests of ZVHD, of truncated files, and of what both formats share.

use super::*;

#[test]
fn blocks_of_a_zvhd_are_one_stream_in_ascending_order() {
    let size = 9 * BLOCK - 1024;
    let file = zvhd(size, &[(0, 10), (3, 5000), (8, 4043)]);
    let image = parse(&file).unwrap();
    assert!(image.map.is_stream());
    assert_eq!((image.map.size(), image.map.stride()), (size, BLOCK));
    let codec = Codec::ZlibContinued;
    // The first payload begins with the header of the stream.
    let want = [
        stored(0..BLOCK, 0, (4144, 12), codec),
        zeros(BLOCK..3 * BLOCK),
        stored(3 * BLOCK..4 * BLOCK, 3, (8240, 5000), codec),
        zeros(4 * BLOCK..8 * BLOCK),
        stored(8 * BLOCK..size, 8, (16_432, 4043), codec),
    ];
    assert_eq!(extents(&image, &file, 0..u64::MAX).0, want);
    let (got, _) = extents(&image, &file, 2 * BLOCK..3 * BLOCK + 7);
    let part = stored(3 * BLOCK..3 * BLOCK + 7, 3, (8240, 5000), codec);
    assert_eq!(got, [zeros(2 * BLOCK..3 * BLOCK), part]);
    let mut uses = Vec::new();
    let reader: &dyn ReadAt = &file;
    let visited = image.map.file_usage(&reader, &mut |one| {
        uses.push((one.range, one.disk));
        ControlFlow::Continue(())
    });
    visited.unwrap();
    let end = file.len() as u64;
    let headers = [(0..4096, None), (end - 4096..end, None)];
    let records = [(4096..8192, 0), (8192..16_384, 3), (16_384..20_480, 8)];
    assert_eq!(uses[..2], headers);
    assert_eq!(uses[2..], records.map(|(range, block)| (range, Some(block * BLOCK))));
}

#[test]
fn records_of_a_zvhd_that_are_not_in_order_are_rejected() {
    let good = zvhd(3 * BLOCK, &[(0, 10), (1, 10)]);
    for (block, is_fine) in [(0, false), (1, true), (2, true), (3, false)] {
        let mut file = good.clone();
        file[8192 + 16] = block;
        let Err(error) = parse(&file) else {
            assert!(is_fine, "{block}");
            continue;
        };
        let found = block.into();
        let want = Corrupt::RecordOrder { at: 8208, before: 1, blocks: 3, found };
        assert_eq!((error.detail(), is_fine), (Some(&want), false));
    }
}

#[test]
fn a_zvhd_may_have_as_many_records_as_fit_into_the_limit() {
    let file = zvhd(3 * BLOCK, &[(0, 10), (1, 10), (2, 10)]);
    let with = |resident_bytes| {
        let limits = Limits { resident_bytes, ..Limits::default() };
        parse_with(&file, &ParseOptions { limits, ..original() })
    };
    let record = size_of::<crate::record::Record>() as u64;
    assert!(with(3 * record).is_ok());
    let error = with(3 * record - 1).err().unwrap();
    let want = Unsupported::TooManyRecords { at: 12_288, limit: 2 };
    assert_eq!((error.detail(), error.class()), (Some(&want), Class::Limit));
}

#[test]
fn a_truncated_file_is_rejected_whatever_is_left() {
    let good = zvhd(3 * BLOCK, &[(0, 10)]);
    for len in [0, 1, 4095, 4096, 8191] {
        let error = refused(&good[..len].to_vec());
        assert_eq!((error.code().id, error.at()), ("zvhd.file.too-short", Some(len as u64)), "{len}");
    }
    let error = refused(&good[..8192].to_vec());
    assert_eq!((error.code().id, error.at()), ("zvhd.header.missing", Some(8192)));
    let error = refused(&good[..good.len() - 1].to_vec());
    assert_eq!((error.code().id, error.at()), ("zvhd.header.missing", Some(8192)));
    let mut longer = good.clone();
    longer.push(0);
    let want = Corrupt::Trailing { at: good.len() as u64, found: 1 };
    assert_eq!(refused(&longer).detail(), Some(&want));
    let good = zvhd2(3 * BLOCK, &[(0, 10)]);
    for len in [4096, 12_287] {
        let error = refused(&good[..len].to_vec());
        assert_eq!((error.code().id, error.at()), ("zvhd.file.too-short", Some(len as u64)), "{len}");
    }
    // Behind the page that follows the records: its checksum is stale.
    let error = refused(&good[..12_288].to_vec());
    assert_eq!((error.code().id, error.at()), ("zvhd.header.checksum", Some(8192 + 64)));
}

#[test]
fn the_hidden_flag_of_early_tools_is_not_in_the_checksum() {
    let good = zvhd2(BLOCK, &[]);
    for (application, version, is_fine) in [
        (b"tap\0", 0x0001_0001u32, true),
        (b"tap\0", 1, true),
        (b"tap\0", 0x0001_0002, false),
        (b"win ", 1, false),
    ] {
        let mut file = good.clone();
        put_both(&mut file, 28, application);
        put_both(&mut file, 32, &version.to_le_bytes());
        assert!(parse(&file).is_ok());
        file[85] = 1;
        assert_eq!(parse(&file).is_ok(), is_fine, "{application:?} {version:#x}");
        // Any other difference is an error, also for those tools.
        file[86] = 1;
        assert_eq!(refused(&file).code().id, "zvhd.header.checksum");
    }
}

#[test]
fn both_writers_append_and_compress_each_block() {
    let zstd = Compression::Zstd { level: 3, has_checksum: true };
    let zvhd2 = Zvhd2Writer::new(&options(3 * BLOCK), zstd).unwrap();
    let zvhd = ZvhdWriter::new(&options(3 * BLOCK), 4).unwrap();
    let writers: [(&dyn ImageWriter, Compression); 2] =
        [(&zvhd2, zstd), (&zvhd, Compression::DeflateOpen { level: 4 })];
    for (writer, compression) in writers {
        assert_eq!((writer.block(), writer.needs()), (BLOCK, SinkKind::Append));
        assert_eq!(writer.encoding(), Encoding::PerBlock { compression, keep_if_smaller: false });
        assert_eq!(writer.linear_at(), None);
    }
    // The bound is exact where all records have the same length.
    let file = image(&mut Zvhd2Writer::new(&options(3 * BLOCK), zstd).unwrap(), &[(0, 10), (1, 10)]);
    assert_eq!(zvhd2.max_len(2, 10), file.len() as u64);
    let file = image(&mut ZvhdWriter::new(&options(3 * BLOCK), 4).unwrap(), &[(0, 10), (1, 10)]);
    assert_eq!(zvhd.max_len(2, 10), file.len() as u64);
    assert_eq!(
        zvhd.max_len(1, 4096 - 52),
        2 * PAGE + 2 * PAGE,
        "the header of the stream needs a second page"
    );
    assert_eq!(zvhd.max_len(u64::MAX, 1), u64::MAX);
    assert_eq!(zvhd2.max_len(2, u64::MAX), u64::MAX);
}

/// Values of the vendor's writer, by offset in the page.
#[test]
fn header_pages_have_the_values_of_the_vendors_writer() {
    for file in [zvhd(3 * BLOCK, &[]), zvhd2(3 * BLOCK, &[])] {
        assert_eq!(file[8..16], [2, 0, 0, 0, 0, 0, 1, 0], "features and version");
        assert_eq!(file[16..24], [0xff; 8], "data offset");
        assert_eq!(file[28..36], *b"tap\0\x04\0\x01\0", "creator");
        assert_eq!(file[56..60], [17, 4, 180, 0], "geometry: 180 cylinders, 4 heads, 17 sectors");
        assert_eq!(file[60..64], [4, 0, 0, 0], "disk type");
    }
}
