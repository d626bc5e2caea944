//! Images that must be refused, each named after what is wrong with it.

use crate::disk::{Noise, text};
use crate::model::{BrokenImage, ImageFile};
use crate::rows::{Row, named};
use crate::vhdx::encode::{
    BAT, Block, Change, DATA_WRITE, DISK_SIZE, Entry, FILE_PARAMETERS, HEADERS, LOCATOR, LOG, LOGICAL,
    PAGE_83, PHYSICAL, REGION_TABLES, Vhdx, Written, guid, put,
};

use crate::model::Refused::{AtOpen, AtRead};

const MIB: u64 = 1 << 20;
const OWN: &str = "22222222-2222-4333-8444-555555555555";
const LATER: &str = "0badcafe-0000-4000-8000-000000000001";

fn recipe() -> Vhdx {
    let mut recipe = Vhdx::new(MIB, 4 * MIB);
    recipe.blocks.insert(0, Block::Data(text(MIB as usize)));
    recipe.blocks.insert(2, Block::Data(Noise::new(1).bytes(MIB as usize)));
    recipe
}

fn over(name: &str) -> Vhdx {
    let mut recipe = Vhdx { data_write: OWN, ..recipe() }.over(name, DATA_WRITE);
    recipe.blocks.insert(1, Block::Partial(vec![0x0f; 256], Noise::new(2).bytes(MIB as usize)));
    recipe
}

fn edited(recipe: &Vhdx, edit: impl FnOnce(&mut Written)) -> Vec<u8> {
    let mut written = recipe.write();
    edit(&mut written);
    written.file
}

pub(crate) fn broken() -> Vec<BrokenImage> {
    let rows = [headers(), regions(), metadata(), tables(), logs()].concat();
    let mut all: Vec<_> = rows.into_iter().map(|row| named("vhdx", row)).collect();
    all.extend(parents());
    all
}

fn headers() -> Vec<Row> {
    let whole = recipe().write().file;
    let both = |at, bytes: &[u8]| edited(&recipe(), |written| written.header(&[0, 1], at, bytes));
    let current = HEADERS[1];
    vec![
        (
            "vhdx-cut-in-signature",
            "the file ends behind its signature",
            AtOpen,
            "vhdx.header.cut",
            Some(8),
            whole[..8].to_vec(),
        ),
        (
            "vhdx-cut-in-region-table",
            "the file ends in the second region table",
            AtOpen,
            "vhdx.header.cut",
            Some(300_000),
            whole[..300_000].to_vec(),
        ),
        (
            "vhdx-both-headers-damaged",
            "no header has its checksum",
            AtOpen,
            "vhdx.header.none",
            Some(HEADERS[0]),
            edited(&recipe(), |written| {
                put(&mut written.file, HEADERS[0] + 100, &[1]);
                put(&mut written.file, HEADERS[1], &[0; 4]);
            }),
        ),
        (
            "vhdx-headers-of-one-age",
            "two headers of one number that differ",
            AtOpen,
            "vhdx.header.ambiguous",
            Some(current + 8),
            edited(&Vhdx { sequences: [5, 5], ..recipe() }, |written| written.header(&[0], 16, &[1])),
        ),
        (
            "vhdx-version-2",
            "a version that does not exist",
            AtOpen,
            "vhdx.header.version",
            Some(current + 66),
            both(66, &[2]),
        ),
        (
            "vhdx-log-version-1",
            "a log of a later time",
            AtOpen,
            "vhdx.log.version",
            Some(current + 64),
            both(64, &[1]),
        ),
        (
            "vhdx-log-length-odd",
            "a log that is not whole MiB",
            AtOpen,
            "vhdx.header.field",
            Some(current + 68),
            both(68, &4096u32.to_le_bytes()),
        ),
        (
            "vhdx-log-offset-odd",
            "a log between two MiB",
            AtOpen,
            "vhdx.header.field",
            Some(current + 72),
            both(72, &(MIB + 4096).to_le_bytes()),
        ),
        (
            "vhdx-log-in-headers",
            "a log at the file's start",
            AtOpen,
            "vhdx.header.field",
            Some(current + 72),
            both(72, &[0; 8]),
        ),
        (
            "vhdx-log-past-end",
            "a log of 4 GiB",
            AtOpen,
            "vhdx.log.past-end",
            Some(current + 72),
            both(68, &0xfff0_0000u32.to_le_bytes()),
        ),
        (
            "vhdx-log-overflows",
            "a log that ends behind all offsets",
            AtOpen,
            "vhdx.log.past-end",
            Some(current + 72),
            both(72, &(u64::MAX - MIB + 1).to_le_bytes()),
        ),
        (
            "vhdx-log-of-no-length",
            "a log in use that has no place",
            AtOpen,
            "vhdx.header.field",
            Some(current + 68),
            edited(&recipe(), |written| {
                written.header(&[0, 1], 48, &guid(LOG));
                written.header(&[0, 1], 68, &[0; 4]);
            }),
        ),
    ]
}

fn regions() -> Vec<Row> {
    let first = REGION_TABLES[0];
    let written = recipe().write();
    let file_len = written.file.len() as u64;
    let with = |at, bytes: &[u8]| edited(&recipe(), |written| written.region(at, bytes));
    // Entry 0 is the block allocation table's, entry 1 the metadata's.
    let (bat, metadata) = (16, 48);
    vec![
        (
            "vhdx-both-region-tables-damaged",
            "no region table has its checksum",
            AtOpen,
            "vhdx.region.no-table",
            Some(first),
            edited(&recipe(), |written| {
                put(&mut written.file, REGION_TABLES[0] + 40, &[9]);
                put(&mut written.file, REGION_TABLES[1] + 40, &[9]);
            }),
        ),
        (
            "vhdx-region-tables-differ",
            "two valid region tables, two places of the allocation table",
            AtOpen,
            "vhdx.region.tables-differ",
            Some(REGION_TABLES[1]),
            edited(&recipe(), |written| {
                let place = written.places[&0];
                put(&mut written.file, REGION_TABLES[1] + bat + 16, &place.to_le_bytes());
                crate::vhdx::encode::seal(&mut written.file, REGION_TABLES[1], 65536);
            }),
        ),
        (
            "vhdx-region-count",
            "more regions than the table has room for",
            AtOpen,
            "vhdx.region.field",
            Some(first + 8),
            with(8, &2048u32.to_le_bytes()),
        ),
        (
            "vhdx-region-unknown-required",
            "a region of a later time that must be known",
            AtOpen,
            "vhdx.region.unknown",
            Some(first + 80),
            Vhdx { regions: vec![(LATER, true)], ..recipe() }.write().file,
        ),
        (
            "vhdx-no-bat-region",
            "no region of the block allocation table",
            AtOpen,
            "vhdx.region.missing",
            Some(first),
            edited(&recipe(), |written| {
                written.region(bat, &guid(LATER));
                written.region(bat + 28, &[0]);
            }),
        ),
        (
            "vhdx-no-metadata-region",
            "a region table of one entry",
            AtOpen,
            "vhdx.region.missing",
            Some(first),
            with(8, &[1]),
        ),
        (
            "vhdx-region-twice",
            "two regions of one name",
            AtOpen,
            "vhdx.region.twice",
            Some(first + 80),
            edited(&Vhdx { regions: vec![(LATER, false)], ..recipe() }, |written| {
                written.region(80, &guid(BAT));
            }),
        ),
        (
            "vhdx-region-unaligned",
            "a region between two MiB",
            AtOpen,
            "vhdx.region.field",
            Some(first + bat + 16),
            with(bat + 16, &(written.bat + 65536).to_le_bytes()),
        ),
        (
            "vhdx-region-in-headers",
            "a region at the file's start",
            AtOpen,
            "vhdx.region.field",
            Some(first + metadata + 16),
            with(metadata + 16, &[0; 8]),
        ),
        (
            "vhdx-region-length",
            "a region that is not whole MiB",
            AtOpen,
            "vhdx.region.field",
            Some(first + metadata + 24),
            with(metadata + 24, &65536u32.to_le_bytes()),
        ),
        (
            "vhdx-region-past-end",
            "a region behind the file's end",
            AtOpen,
            "vhdx.region.past-end",
            Some(first + bat + 16),
            with(bat + 16, &file_len.to_le_bytes()),
        ),
        (
            "vhdx-region-overflows",
            "a region that ends behind all offsets",
            AtOpen,
            "vhdx.region.past-end",
            Some(first + bat + 16),
            with(bat + 16, &(u64::MAX - MIB + 1).to_le_bytes()),
        ),
        (
            "vhdx-regions-overlap",
            "the allocation table reaches into the data and another region",
            AtOpen,
            "vhdx.region.overlap",
            Some(first + 80),
            edited(&Vhdx { regions: vec![(LATER, false)], ..recipe() }, |written| {
                written.region(bat + 24, &(2 * MIB as u32).to_le_bytes());
            }),
        ),
        (
            "vhdx-region-in-log",
            "the metadata in the log",
            AtOpen,
            "vhdx.region.overlap",
            Some(first + metadata),
            with(metadata + 16, &written.log.to_le_bytes()),
        ),
    ]
}

fn metadata() -> Vec<Row> {
    let written = recipe().write();
    let (table, item) = (written.metadata, |name| written.items[name]);
    let with = |at: u64, bytes: &[u8]| edited(&recipe(), |written| put(&mut written.file, at, bytes));
    let u32s = |value: u64| (value as u32).to_le_bytes();
    let entry = |index: u64| table + 32 + index * 32;
    let block_size = |bytes: u64| with(item(FILE_PARAMETERS), &u32s(bytes));
    let size = |bytes: u64| with(item(DISK_SIZE), &bytes.to_le_bytes());
    let field = "vhdx.metadata.field";
    let parameters = item(FILE_PARAMETERS);
    vec![
        (
            "vhdx-metadata-signature",
            "no metadata table",
            AtOpen,
            "vhdx.metadata.signature",
            Some(table),
            with(table, b"METADATA"),
        ),
        (
            "vhdx-metadata-count",
            "more items than the table has room for",
            AtOpen,
            field,
            Some(table + 10),
            with(table + 10, &2048u16.to_le_bytes()),
        ),
        (
            "vhdx-blocks-of-3m",
            "blocks of no power of two",
            AtOpen,
            field,
            Some(parameters),
            block_size(3 * MIB),
        ),
        ("vhdx-blocks-of-512k", "blocks too small", AtOpen, field, Some(parameters), block_size(MIB / 2)),
        ("vhdx-blocks-of-512m", "blocks too large", AtOpen, field, Some(parameters), block_size(512 * MIB)),
        ("vhdx-blocks-of-nothing", "blocks of nothing", AtOpen, field, Some(parameters), block_size(0)),
        (
            "vhdx-logical-sector-520",
            "sectors of 520 bytes",
            AtOpen,
            field,
            Some(item(LOGICAL)),
            with(item(LOGICAL), &u32s(520)),
        ),
        (
            "vhdx-logical-sector-0",
            "sectors of nothing",
            AtOpen,
            field,
            Some(item(LOGICAL)),
            with(item(LOGICAL), &[0; 4]),
        ),
        (
            "vhdx-physical-sector-8k",
            "physical sectors of 8 KiB",
            AtOpen,
            field,
            Some(item(PHYSICAL)),
            with(item(PHYSICAL), &u32s(8192)),
        ),
        ("vhdx-size-odd", "a disk of half a sector", AtOpen, field, Some(item(DISK_SIZE)), size(256)),
        ("vhdx-size-65t", "a disk larger than 64 TiB", AtOpen, field, Some(item(DISK_SIZE)), size(65 << 40)),
        ("vhdx-size-bomb", "a disk of 2^60 bytes", AtOpen, field, Some(item(DISK_SIZE)), size(1 << 60)),
        (
            "vhdx-item-missing",
            "no virtual disk id",
            AtOpen,
            "vhdx.metadata.missing",
            Some(table),
            // An optional item of another name stands in its place.
            edited(&recipe(), |written| {
                put(&mut written.file, entry(4), &guid(LATER));
                put(&mut written.file, entry(4) + 24, &[0; 4]);
            }),
        ),
        (
            "vhdx-item-is-a-users",
            "the disk's size in a user's item",
            AtOpen,
            "vhdx.metadata.missing",
            Some(table),
            with(entry(1) + 24, &[1]),
        ),
        (
            "vhdx-item-unknown-required",
            "an item of a later time that must be known",
            AtOpen,
            "vhdx.metadata.unknown",
            Some(entry(5)),
            Vhdx { items: vec![(LATER, 4, vec![1; 8])], ..recipe() }.write().file,
        ),
        (
            "vhdx-item-twice",
            "two items of one name",
            AtOpen,
            "vhdx.metadata.twice",
            Some(entry(5)),
            Vhdx { items: vec![(PAGE_83, 6, vec![1; 16])], ..recipe() }.write().file,
        ),
        (
            "vhdx-item-length",
            "a size of four bytes",
            AtOpen,
            "vhdx.metadata.length",
            Some(entry(1) + 20),
            with(entry(1) + 20, &[4]),
        ),
        (
            "vhdx-item-of-2m",
            "an item longer than any may be",
            AtOpen,
            field,
            Some(entry(4) + 20),
            with(entry(4) + 20, &u32s(2 * MIB)),
        ),
        (
            "vhdx-item-in-table",
            "an item inside the table",
            AtOpen,
            field,
            Some(entry(4) + 16),
            with(entry(4) + 16, &u32s(4096)),
        ),
        (
            "vhdx-item-past-end",
            "an item behind its region's end",
            AtOpen,
            "vhdx.metadata.past-end",
            Some(entry(4) + 16),
            with(entry(4) + 16, &u32s(MIB - 8)),
        ),
        (
            "vhdx-items-overlap",
            "two items share bytes",
            AtOpen,
            "vhdx.metadata.overlap",
            Some(entry(1)),
            with(entry(1) + 16, &u32s(65540)),
        ),
        (
            "vhdx-bat-too-short",
            "a disk of 64 TiB with a table of 1 MiB",
            AtOpen,
            "vhdx.bat.too-short",
            Some(REGION_TABLES[0] + 16 + 24),
            size(64 << 40),
        ),
    ]
}

fn tables() -> Vec<Row> {
    let written = recipe().write();
    let file_len = written.file.len() as u64;
    let second = written.entries[&2];
    let entry =
        |value: u64| edited(&recipe(), |written| put(&mut written.file, second, &value.to_le_bytes()));
    let here = written.places[&2];
    vec![
        ("vhdx-entry-state-4", "a reserved state", AtRead, "vhdx.bat.entry", Some(second), entry(here | 4)),
        (
            "vhdx-entry-state-5",
            "another reserved state",
            AtRead,
            "vhdx.bat.entry",
            Some(second),
            entry(here | 5),
        ),
        (
            "vhdx-entry-partial-without-parent",
            "a block in part in a dynamic image",
            AtRead,
            "vhdx.bat.entry",
            Some(second),
            entry(here | 7),
        ),
        (
            "vhdx-entry-reserved-bits",
            "bits that must be zero",
            AtRead,
            "vhdx.bat.entry",
            Some(second),
            entry(here | 0b1110),
        ),
        ("vhdx-entry-into-headers", "data in the headers", AtRead, "vhdx.bat.entry", Some(second), entry(6)),
        (
            "vhdx-entry-past-end",
            "data behind the file's end",
            AtRead,
            "vhdx.bat.past-end",
            Some(second),
            entry(file_len | 6),
        ),
        (
            "vhdx-entry-bomb",
            "data at the end of all offsets",
            AtRead,
            "vhdx.bat.past-end",
            Some(second),
            entry((u64::MAX << 20) | 6),
        ),
        (
            "vhdx-data-cut",
            "the file ends in its last block",
            AtRead,
            "vhdx.bat.past-end",
            Some(second),
            edited(&recipe(), |written| written.file.truncate(here as usize + 4096)),
        ),
        (
            "vhdx-data-shared-by-two-entries",
            "one block used twice",
            AtRead,
            "claims.overlap",
            Some(written.places[&0]),
            entry(written.places[&0] | 6),
        ),
        (
            "vhdx-data-in-log",
            "data in the log",
            AtRead,
            "claims.overlap",
            Some(written.log),
            entry(written.log | 6),
        ),
        (
            "vhdx-data-in-bat",
            "data in the block allocation table",
            AtRead,
            "claims.overlap",
            Some(written.bat),
            entry(written.bat | 6),
        ),
        (
            "vhdx-data-in-metadata",
            "data in the metadata",
            AtRead,
            "claims.overlap",
            Some(written.metadata),
            entry(written.metadata | 6),
        ),
    ]
}

fn logs() -> Vec<Row> {
    let base = recipe().write();
    let (log, bat, file_len) = (base.log, base.bat, base.file.len() as u64);
    let with = |start, entries: &[Entry]| edited(&recipe(), |written| drop(written.dirty(start, 3, entries)));
    let right = || Change::Data(bat, base.file[bat as usize..bat as usize + 4096].to_vec());
    let one = |change| [Entry::new(vec![change])];
    let lengths = |flushed, last| [Entry { lengths: Some((flushed, last)), ..Entry::new(vec![right()]) }];
    let none = "vhdx.log.no-sequence";
    let sealed = |at: u64, bytes: &[u8]| {
        edited(&recipe(), |written| {
            written.dirty(0, 3, &one(right()));
            put(&mut written.file, log + at, bytes);
            crate::vhdx::encode::seal(&mut written.file, log, 8192);
        })
    };
    vec![
        (
            "vhdx-log-named-and-empty",
            "the header names a log that has no entry",
            AtOpen,
            none,
            Some(log),
            edited(&recipe(), |written| written.header(&[0, 1], 48, &guid(LOG))),
        ),
        (
            "vhdx-log-of-another-name",
            "only entries of another log",
            AtOpen,
            none,
            Some(log),
            edited(&recipe(), |written| {
                written.dirty(0, 3, &one(right()));
                written.header(&[0, 1], 48, &guid(LATER));
            }),
        ),
        (
            "vhdx-log-all-torn",
            "the only entry is torn",
            AtOpen,
            none,
            Some(log),
            with(0, &[Entry { torn: true, ..Entry::new(vec![right()]) }]),
        ),
        (
            "vhdx-log-tail-elsewhere",
            "the last entry's tail was overwritten",
            AtOpen,
            none,
            Some(log),
            sealed(12, &65536u32.to_le_bytes()),
        ),
        (
            "vhdx-log-checksum",
            "an entry whose checksum is wrong",
            AtOpen,
            none,
            Some(log),
            edited(&recipe(), |written| {
                written.dirty(0, 3, &one(right()));
                put(&mut written.file, log + 5000, &[1]);
            }),
        ),
        ("vhdx-log-sequence-0", "an entry of no number", AtOpen, none, Some(log), sealed(16, &[0; 8])),
        (
            "vhdx-log-entry-bomb",
            "an entry longer than its log",
            AtOpen,
            none,
            Some(log),
            sealed(8, &0xffff_f000u32.to_le_bytes()),
        ),
        (
            "vhdx-log-descriptor-count",
            "more descriptors than an entry has room for",
            AtOpen,
            none,
            Some(log),
            sealed(24, &[0xff; 4]),
        ),
        (
            "vhdx-log-descriptor-number",
            "a descriptor of another entry",
            AtOpen,
            none,
            Some(log),
            sealed(64 + 24, &[9]),
        ),
        (
            "vhdx-log-data-number",
            "a data sector of another entry",
            AtOpen,
            none,
            Some(log),
            sealed(4096 + 4, &[9]),
        ),
        (
            "vhdx-log-file-was-longer",
            "the file was cut since the log was written",
            AtOpen,
            "vhdx.log.truncated",
            Some(log + 48),
            with(0, &lengths(file_len + MIB, file_len + MIB)),
        ),
        (
            "vhdx-log-data-unaligned",
            "a data descriptor between two sectors",
            AtOpen,
            "vhdx.log.descriptor",
            Some(log + 4096 + 64),
            with(4096, &one(Change::Data(bat + 512, vec![0; 4096]))),
        ),
        (
            "vhdx-log-zeros-unaligned",
            "a zero descriptor of half a sector",
            AtOpen,
            "vhdx.log.descriptor",
            Some(log + 64 + 32),
            with(0, &[Entry::new(vec![right(), Change::Zero(bat + 4096, 512)])]),
        ),
        (
            "vhdx-log-data-past-end",
            "a data descriptor behind the end that the log gives the file",
            AtOpen,
            "vhdx.log.descriptor",
            Some(log + 64),
            with(0, &one(Change::Data(file_len, vec![0; 4096]))),
        ),
        (
            "vhdx-log-zeros-bomb",
            "a zero descriptor that ends behind all offsets",
            AtOpen,
            "vhdx.log.descriptor",
            Some(log + 64),
            with(0, &one(Change::Zero(4096, u64::MAX - 4095))),
        ),
        (
            "vhdx-log-breaks-metadata",
            "what the log writes is no metadata",
            AtOpen,
            "vhdx.metadata.signature",
            Some(base.metadata),
            with(0, &one(Change::Zero(base.metadata, 4096))),
        ),
        (
            "vhdx-log-breaks-bat",
            "what the log writes points behind the file's end",
            AtRead,
            "vhdx.bat.past-end",
            Some(bat),
            with(0, &one(Change::Data(bat, [(file_len | 6).to_le_bytes(), [0; 8]].concat().repeat(256)))),
        ),
    ]
}

fn parents() -> Vec<BrokenImage> {
    let base = recipe().write().file;
    let whole = over("below.vhdx").write();
    let locator = whole.items[LOCATOR];
    let with = |name, about, refused, code, at, bytes: Vec<u8>| {
        let mut image = named("vhdx", (name, about, refused, code, Some(at), bytes));
        image.files.push(ImageFile { name: "below.vhdx".into(), bytes: base.clone() });
        image
    };
    let keys = |keys: &[(&'static str, &str)]| Vhdx {
        parent: Some(keys.iter().map(|(key, value)| (*key, (*value).to_string())).collect()),
        ..over("below.vhdx")
    };
    let linkage = ("parent_linkage", "{11111111-2222-4333-8444-555555555555}");
    let edit =
        |at: u64, bytes: &[u8]| edited(&over("below.vhdx"), |written| put(&mut written.file, at, bytes));
    let bitmap_entry = whole.bitmap_entries[&0];
    let bitmap = |value: u64| edit(bitmap_entry, &value.to_le_bytes());
    let file_len = whole.file.len() as u64;
    let bad = "vhdx.parent.locator";
    let alone = named(
        "vhdx",
        (
            "vhdx-parent-missing",
            "the parent is not there",
            AtOpen,
            "open.name.missing",
            Some(over("gone.vhdx").write().values["relative_path"]),
            over("gone.vhdx").write().file,
        ),
    );
    let own = Vhdx { data_write: OWN, ..recipe() }.over("vhdx-own-parent.vhdx", OWN).write();
    let cycle = (
        "vhdx-own-parent",
        "an image that is its own parent",
        AtOpen,
        "open.chain.cycle",
        Some(own.values["relative_path"]),
        own.file,
    );
    let stranger = over("below.vhdx").over("below.vhdx", LATER).write();
    vec![
        alone,
        named("vhdx", cycle),
        with(
            "vhdx-parent-of-another-name",
            "the parent was written to since",
            AtOpen,
            "open.parent.mismatch",
            stranger.values["relative_path"],
            stranger.file,
        ),
        with(
            "vhdx-parent-without-linkage",
            "no parent_linkage",
            AtOpen,
            bad,
            locator,
            keys(&[("relative_path", "below.vhdx")]).write().file,
        ),
        with(
            "vhdx-parent-linkage-no-guid",
            "an invalid parent_linkage",
            AtOpen,
            bad,
            keys(&[("parent_linkage", "{me}"), ("relative_path", "below.vhdx")]).write().values["parent_linkage"],
            keys(&[("parent_linkage", "{me}"), ("relative_path", "below.vhdx")]).write().file,
        ),
        with("vhdx-parent-without-name", "no path", AtOpen, bad, locator, keys(&[linkage]).write().file),
        with(
            "vhdx-locator-count",
            "more keys than there is room for",
            AtOpen,
            bad,
            locator + 18,
            edit(locator + 18, &[0xff; 2]),
        ),
        with(
            "vhdx-locator-value-outside",
            "a value outside the locator",
            AtOpen,
            bad,
            locator + 20 + 12,
            edit(locator + 20 + 12 + 4, &[0xff; 4]),
        ),
        with(
            "vhdx-locator-type",
            "a parent locator of a later time",
            AtOpen,
            "vhdx.parent.type",
            locator,
            Vhdx { locator: LATER, ..over("below.vhdx") }.write().file,
        ),
        with(
            "vhdx-no-locator",
            "a parent that is not named",
            AtOpen,
            "vhdx.metadata.missing",
            whole.metadata,
            edited(&recipe(), |written| put(&mut written.file, written.items[FILE_PARAMETERS] + 4, &[2])),
        ),
        with(
            "vhdx-partial-without-bitmap",
            "a block in part and no bitmap",
            AtRead,
            "vhdx.bat.entry",
            bitmap_entry,
            bitmap(0),
        ),
        with(
            "vhdx-bitmap-state-3",
            "a reserved state of a bitmap",
            AtRead,
            "vhdx.bat.entry",
            bitmap_entry,
            bitmap(whole.bat | 3),
        ),
        with(
            "vhdx-bitmap-past-end",
            "a bitmap behind the file's end",
            AtRead,
            "vhdx.bat.past-end",
            bitmap_entry,
            bitmap(file_len | 6),
        ),
        with(
            "vhdx-bitmap-in-data",
            "a bitmap in a block",
            AtRead,
            "claims.overlap",
            whole.places[&0],
            bitmap(whole.places[&0] | 6),
        ),
        with(
            "vhdx-bitmap-in-headers",
            "a bitmap in the headers",
            AtRead,
            "vhdx.bat.entry",
            bitmap_entry,
            bitmap(6),
        ),
    ]
}
