//! Headers, region tables and metadata: every field, every copy.

use super::*;
use crate::Part;
use crate::codes;

#[test]
fn a_small_image_is_understood() {
    let image = parsed(&sample(SMALL)).unwrap();
    assert_eq!((image.size, image.sector), (4 * MIB, 512));
    assert_eq!(image.identity.as_deref(), Some("11111111-1111-1111-1111-111111111111"));
    assert_eq!(image.facts.variant, "dynamic, blocks of 1 MiB");
    assert!(image.overlay.is_none() && image.parent.is_none() && !image.facts.dirty);
    assert!(image.facts.details.contains(&("block-size", Value::Number(MIB))));
    assert_eq!(codes(&image), Vec::<&str>::new());
}

#[test]
fn every_field_of_the_header() {
    let at = HEADERS[1];
    let field =
        |at, field, expected, found| Invalid::Field { code: codes::HEADER_FIELD, at, field, expected, found };
    let version = |at, what, found, known| Unsupported::Version { at, what, found, known };
    assert_eq!(header_refusal::<Unsupported>(66, &[2]), version(at + 66, Part::File, 2, 1));
    assert_eq!(header_refusal::<Unsupported>(64, &[1]), version(at + 64, Part::Log, 1, 0));
    let want = field(at + 68, "LogLength", "a multiple of 1 MiB", MIB + 1);
    assert_eq!(header_refusal::<Invalid>(68, &[1]), want);
    let want = field(at + 72, "LogOffset", "a multiple of 1 MiB, not 0", MIB + 512);
    assert_eq!(header_refusal::<Invalid>(72, &(MIB + 512).to_le_bytes()), want);
    let want = field(at + 72, "LogOffset", "a multiple of 1 MiB, not 0", 0);
    assert_eq!(header_refusal::<Invalid>(72, &[0; 8]), want);
    let past = Invalid::TablePastEnd {
        code: codes::LOG_PAST_END,
        at: at + 72,
        table: "the log",
        start: u64::MAX - MIB + 1,
        end: u64::MAX,
        file_len: 4 * MIB,
    };
    assert_eq!(header_refusal::<Invalid>(72, &(u64::MAX - MIB + 1).to_le_bytes()), past);
    let named_and_empty = refusal(SMALL, |file| {
        for header in HEADERS {
            file.put(header + 48, &[7; 16]);
            file.put(header + 68, &[0; 4]);
            file.seal(header, 4096);
        }
    });
    assert_eq!(field(at + 68, "LogLength", "at least 1 MiB with a log in use", 0), named_and_empty);
}

#[test]
fn an_image_without_a_log_is_read() {
    let mut file = sample(SMALL);
    for header in HEADERS {
        file.put(header + 68, &[0; 4]);
        file.seal(header, 4096);
    }
    assert!(parsed(&file).is_ok());
}

#[test]
fn the_current_header_is_selected() {
    let both = |edit: &dyn Fn(&mut Sparse)| {
        let mut file = sample(SMALL);
        // The second header (number 2) has another GUID than the first (number 1).
        file.put(HEADERS[1] + 32, &[0x22; 16]);
        file.seal(HEADERS[1], 4096);
        edit(&mut file);
        parsed(&file)
    };
    let first = |image: &Image| image.identity.as_deref().unwrap().starts_with("1111");
    assert!(!first(&both(&|_| {}).unwrap()));
    let image = both(&|file| file.put(HEADERS[1] + 3000, &[1])).unwrap();
    assert!(first(&image));
    assert_eq!(codes(&image), ["vhdx.header.damaged"]);
    assert_eq!(image.findings[0].at, Some(HEADERS[1]));
    let image = both(&|file| file.put(HEADERS[0], &[1])).unwrap();
    assert!(!first(&image));
    assert_eq!(image.findings[0].at, Some(HEADERS[0]));
    let number = |file: &mut Sparse, number: &[u8; 8]| {
        file.put(HEADERS[0] + 8, number);
        file.seal(HEADERS[0], 4096);
    };
    assert!(first(&both(&|file| number(file, &[0xff; 8])).unwrap()));
    let error = both(&|file| number(file, &2u64.to_le_bytes())).unwrap_err();
    assert_eq!(error.detail(), Some(&Corrupt::Ambiguous { at: HEADERS[1] + 8, sequence: 2 }));
    let error = both(&|file| HEADERS.iter().for_each(|at| file.put(*at, &[0; 4]))).unwrap_err();
    assert_eq!((error.code().id, error.at()), ("vhdx.header.none", Some(HEADERS[0])));
}

#[test]
fn the_same_header_twice_is_noted() {
    let mut file = sample(SMALL);
    file.put(HEADERS[0] + 8, &2u64.to_le_bytes());
    file.seal(HEADERS[0], 4096);
    assert_eq!(codes(&parsed(&file).unwrap()), ["vhdx.header.twins"]);
}

#[test]
fn a_file_that_is_too_short_or_something_else() {
    let cut = |len: u64| refusal::<Corrupt>(SMALL, |file| file.len = len);
    assert_eq!(cut(3), Corrupt::Cut { what: "the signature", expected: 8, file_len: 3 });
    let want = Corrupt::Cut { what: "the second region table", expected: 320 << 10, file_len: 100_000 };
    assert_eq!(cut(100_000), want);
    let found = *b"VHDXfile";
    let want = Corrupt::Signature { at: 0, what: Part::File, expected: "vhdxfile", found };
    assert_eq!(refusal::<Corrupt>(SMALL, |file| file.put(0, b"VHDX")), want);
}

#[test]
fn every_field_of_the_region_table() {
    let at = REGION_TABLES[0];
    let field =
        |at, field, expected, found| Invalid::Field { code: codes::REGION_FIELD, at, field, expected, found };
    let want = field(at + 8, "EntryCount", "at most 2047", 2048);
    assert_eq!(region_refusal::<Invalid>(8, &2048u32.to_le_bytes()), want);
    let want = field(at + 32, "FileOffset", "a multiple of 1 MiB, not 0", BAT + 4096);
    assert_eq!(region_refusal::<Invalid>(32, &(BAT + 4096).to_le_bytes()), want);
    let want = field(at + 40, "Length", "a multiple of 1 MiB, not 0", 0);
    assert_eq!(region_refusal::<Invalid>(40, &[0; 4]), want);
    let guid = Guid([9; 16]);
    let want = Unsupported::Region { at: at + 48, guid: guid.to_string() };
    assert_eq!(region_refusal::<Unsupported>(48, &guid.0), want);
    let (code, table) = (codes::REGION_PAST_END, "the region");
    let want =
        Invalid::TablePastEnd { code, at: at + 32, table, start: 4 * MIB, end: 5 * MIB, file_len: 4 * MIB };
    assert_eq!(region_refusal::<Invalid>(32, &(4 * MIB).to_le_bytes()), want);
    let overlap = |other: String| Corrupt::Overlap {
        code: codes::REGION_OVERLAP,
        at: at + 48,
        what: "the region",
        start: BAT,
        end: BAT + MIB,
        other,
    };
    assert_eq!(region_refusal::<Corrupt>(64, &BAT.to_le_bytes()), overlap(format!("region {BAT_REGION}")));
    let error = region_refusal::<Corrupt>(64, &LOG.to_le_bytes());
    assert!(matches!(&error, Corrupt::Overlap { at: 196_656, other, .. } if other == "the log"), "{error:?}");
    let missing = |what| Corrupt::Missing { code: codes::REGION_MISSING, at, what };
    assert_eq!(region_refusal::<Corrupt>(8, &[1]), missing("metadata region"));
    assert_eq!(region_refusal::<Corrupt>(8, &[0]), missing("region of the block allocation table"));
    let twice = region_refusal(48, &BAT_REGION.0);
    let want = Corrupt::Twice {
        code: codes::REGION_TWICE,
        at: at + 48,
        what: "region",
        guid: BAT_REGION.to_string(),
    };
    assert_eq!(want, twice);
}

#[test]
fn the_valid_region_table_is_selected() {
    let edited = |edit: &dyn Fn(&mut Sparse)| {
        let mut file = sample(SMALL);
        edit(&mut file);
        parsed(&file)
    };
    for (index, table) in REGION_TABLES.into_iter().enumerate() {
        let image = edited(&|file| file.put(table + 17, &[0xaa])).unwrap();
        assert_eq!(codes(&image), ["vhdx.region.table-damaged"], "{index}");
        assert_eq!(image.findings[0].at, Some(table));
    }
    let image = edited(&|file| {
        file.put(REGION_TABLES[1] + 5000, &[1]); // after the entries: says nothing
        file.seal(REGION_TABLES[1], TABLE_BYTES);
    });
    assert_eq!(codes(&image.unwrap()), Vec::<&str>::new());
    let error = edited(&|file| {
        file.put(REGION_TABLES[1] + 32, &(4 * MIB).to_le_bytes());
        file.seal(REGION_TABLES[1], TABLE_BYTES);
    });
    let want = Corrupt::TablesDiffer { at: REGION_TABLES[1] };
    assert_eq!(error.unwrap_err().detail(), Some(&want));
    let error = edited(&|file| REGION_TABLES.iter().for_each(|at| file.put(at + 17, &[0xaa]))).unwrap_err();
    assert_eq!((error.code().id, error.at()), ("vhdx.region.no-table", Some(REGION_TABLES[0])));
}

#[test]
fn every_field_of_the_metadata() {
    let field = |at, field, expected, found| Invalid::Field {
        code: codes::METADATA_FIELD,
        at,
        field,
        expected,
        found,
    };
    let found = *b"Metadata";
    let want = Corrupt::Signature { at: METADATA, what: Part::MetadataTable, expected: "metadata", found };
    assert_eq!(metadata_refusal::<Corrupt>(METADATA, b"M"), want);
    let want = field(METADATA + 10, "EntryCount", "at most 2047", 2048);
    assert_eq!(metadata_refusal::<Invalid>(METADATA + 10, &2048u16.to_le_bytes()), want);
    for size in [0u32, 1 << 19, 3 << 20, 1 << 29] {
        let want = field(item(0), "BlockSize", "a power of two from 1 MiB to 256 MiB", size.into());
        assert_eq!(metadata_refusal::<Invalid>(item(0), &size.to_le_bytes()), want);
    }
    let want = field(item(1), "VirtualDiskSize", "a multiple of the logical sector size", 511);
    assert_eq!(metadata_refusal::<Invalid>(item(1), &511u64.to_le_bytes()), want);
    let want = field(item(1), "VirtualDiskSize", "at most 64 TiB", (64 << 40) + 512);
    assert_eq!(metadata_refusal::<Invalid>(item(1), &((64u64 << 40) + 512).to_le_bytes()), want);
    for (index, name) in [(2, "LogicalSectorSize"), (3, "PhysicalSectorSize")] {
        let want = field(item(index), name, "512 or 4096", 1024);
        assert_eq!(metadata_refusal::<Invalid>(item(index), &1024u32.to_le_bytes()), want);
    }
    let want = field(item_entry(4) + 20, "Length", "at most 1 MiB", MIB + 16);
    assert_eq!(metadata_refusal::<Invalid>(item_entry(4) + 22, &[16]), want);
    let want = field(item_entry(4) + 16, "Offset", "at least 64 KiB", 0);
    assert_eq!(metadata_refusal::<Invalid>(item_entry(4) + 16, &[0; 4]), want);
    let at = item_entry(4) + 16;
    let (start, room) = (METADATA + MIB - 8, METADATA + MIB);
    let want = Corrupt::ItemPastEnd { at, start, end: start + 16, room };
    assert_eq!(metadata_refusal::<Corrupt>(at, &u32::try_from(MIB - 8).unwrap().to_le_bytes()), want);
    let want = Corrupt::ItemLength { at: item_entry(0) + 20, item: "FileParameters", expected: 8, found: 9 };
    assert_eq!(metadata_refusal::<Corrupt>(item_entry(0) + 20, &[9]), want);
    let guid = Guid([9; 16]).to_string();
    let want = Unsupported::Item { at: item_entry(4), guid };
    assert_eq!(metadata_refusal::<Unsupported>(item_entry(4), &[9; 16]), want);
    let want = Corrupt::Missing { code: codes::METADATA_MISSING, at: METADATA, what: "Page83Data" };
    assert_eq!(metadata_refusal::<Corrupt>(METADATA + 10, &[4]), want);
    let error = metadata_refusal::<Corrupt>(item_entry(4) + 16, &[0x04, 1]);
    assert!(matches!(error, Corrupt::Overlap { at, .. } if at == item_entry(4)), "{error:?}");
    let error = metadata_refusal::<Corrupt>(item_entry(4), &FILE_PARAMETERS.0);
    assert!(matches!(error, Corrupt::Twice { at, .. } if at == item_entry(4)), "{error:?}");
    let error = metadata_refusal::<Invalid>(item(1), &(64u64 << 40).to_le_bytes());
    let (at, size) = (REGION_TABLES[0] + 40, 64 << 40);
    assert_eq!(
        error,
        Invalid::TableTooShort {
            code: codes::BAT_TOO_SHORT,
            at,
            table: "the block allocation table",
            expected: (1 << 26) + (1 << 14) - 1,
            found: 1 << 17,
            size
        }
    );
}

#[test]
fn items_and_regions_that_need_not_be_known() {
    let mut file = sample(SMALL);
    file.put(METADATA + 10, &[6]);
    file.put(item_entry(5), &FILE_PARAMETERS.0);
    file.put(item_entry(5) + 24, &[1]); // a user's
    for table in REGION_TABLES {
        file.put(table + 8, &[3]);
        file.put(table + 80, &[9; 16]);
        file.put(table + 96, &(4 * MIB).to_le_bytes());
        file.put(table + 104, &u32::try_from(MIB).unwrap().to_le_bytes());
        file.seal(table, TABLE_BYTES);
    }
    file.len = 5 * MIB;
    assert_eq!(codes(&parsed(&file).unwrap()), ["vhdx.region.optional"]);
}
