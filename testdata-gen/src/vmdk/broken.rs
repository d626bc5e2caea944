//! Images that must be rejected, each named after its defect.

use crate::bytes::put;
use crate::model::{BrokenImage, ImageFile, Refused};
use crate::rows::{Row, named};
use crate::vmdk::encode::{
    Cell, Hosted, SECTOR, Written, cells_of, cowd, descriptor, file, recipe, sectors, sesparse,
};

/// Images that must be refused.
pub(crate) fn broken() -> Vec<BrokenImage> {
    let mut all = broken_headers();
    all.extend(broken_tables());
    all.extend(broken_streams());
    all.extend(broken_texts());
    all.extend(broken_extents());
    all.extend(broken_parents());
    all
}

fn edited(written: &Written, at: u64, bytes: &[u8]) -> Vec<u8> {
    let mut file = written.file.clone();
    put(&mut file, at, bytes);
    file
}

fn rows(rows: Vec<Row>) -> Vec<BrokenImage> {
    rows.into_iter().map(|row| named("vmdk", row)).collect()
}

fn broken_headers() -> Vec<BrokenImage> {
    use Refused::AtOpen;
    let written = recipe().write();
    let field = |name, about, code, at: u64, bytes: &[u8]| -> Row {
        (name, about, AtOpen, code, Some(at), edited(&written, at, bytes))
    };
    let eight = |value: u64| value.to_le_bytes();
    let header = "vmdk.header.field";
    let mut mangled = written.file.clone();
    mangled.splice(73..77, *b"\r\n \r");
    rows(vec![
        (
            "vmdk-cut-header",
            "the file ends in its header",
            AtOpen,
            "vmdk.header.cut",
            Some(500),
            written.file[..500].to_vec(),
        ),
        field("vmdk-version-0", "no version", "vmdk.header.version", 4, &[0]),
        field("vmdk-version-4", "a version that does not exist", "vmdk.header.version", 4, &[4]),
        ("vmdk-newlines", "transferred as text", AtOpen, "vmdk.header.newlines", Some(73), mangled),
        field("vmdk-grain-4", "grains too small", header, 20, &eight(4)),
        field("vmdk-grain-24", "grains that are no power of two", header, 20, &eight(24)),
        field("vmdk-grain-bomb", "grains of 2^60 sectors", "vmdk.header.grain-size", 20, &eight(1 << 60)),
        field("vmdk-gtes-0", "tables of nothing", header, 44, &[0; 4]),
        field("vmdk-gtes-513", "tables too large", header, 44, &[1, 2, 0, 0]),
        field("vmdk-capacity-bomb", "a disk of 2^60 sectors", header, 12, &eight(1 << 60)),
        (
            "vmdk-capacity-large",
            "a directory larger than the file",
            AtOpen,
            "vmdk.table.past-end",
            Some(56),
            edited(&written, 12, &eight(1 << 50)),
        ),
        field(
            "vmdk-directory-past-end",
            "a directory behind the file's end",
            "vmdk.table.past-end",
            56,
            &eight(1 << 40),
        ),
        field("vmdk-directory-0", "a directory in the header", header, 56, &eight(0)),
        field(
            "vmdk-descriptor-past-end",
            "a descriptor behind the file's end",
            "vmdk.table.past-end",
            28,
            &eight(1 << 40),
        ),
        field("vmdk-method-without-flag", "deflate without compressed grains", header, 77, &[1, 0]),
        field(
            "vmdk-markers-without-flag",
            "markers without compressed grains",
            "vmdk.header.compression",
            8,
            &[3, 0, 2, 0],
        ),
        field(
            "vmdk-compressed-without-markers",
            "compressed grains without markers",
            "vmdk.header.compression",
            8,
            &[3, 0, 1, 0],
        ),
    ])
}

fn broken_tables() -> Vec<BrokenImage> {
    use Refused::AtRead;
    let written = recipe().write();
    let (entry, second) = (written.entries[&1], written.places[&4] / 512);
    let four = |sector: u64| u32::try_from(sector).expect("a sector number").to_le_bytes();
    let table = |name, about, code, at, sector: u64| -> Row {
        (name, about, AtRead, code, Some(at), edited(&written, entry, &four(sector)))
    };
    let directory = written.directory;
    let grain_table = written.entries[&0];
    let cut = written.places[&4] as usize + 1000;
    rows(vec![
        table("vmdk-entry-past-end", "data behind the file's end", "vmdk.grain.past-end", entry, 0xffff_ffff),
        table(
            "vmdk-entry-at-end",
            "data that begins where the file ends",
            "vmdk.grain.past-end",
            entry,
            written.file.len() as u64 / 512,
        ),
        table("vmdk-entry-1", "a zeroed grain without its flag", "vmdk.table.entry", entry, 1),
        table("vmdk-shared-grain", "one grain used twice", "claims.overlap", second * 512, second),
        table("vmdk-entry-in-descriptor", "data in the descriptor", "claims.overlap", 1024, 2),
        table(
            "vmdk-entry-in-directory",
            "data in the directory",
            "claims.overlap",
            directory,
            directory / 512,
        ),
        (
            "vmdk-table-past-end",
            "a table behind the file's end",
            AtRead,
            "vmdk.table.past-end",
            Some(directory),
            edited(&written, directory, &four(0xffff_ffff)),
        ),
        (
            "vmdk-table-1",
            "a table in the descriptor",
            AtRead,
            "vmdk.table.entry",
            Some(directory),
            edited(&written, directory, &four(1)),
        ),
        (
            "vmdk-table-is-directory",
            "a directory that is its own table",
            AtRead,
            "claims.overlap",
            Some(directory),
            edited(&written, directory, &four(directory / 512)),
        ),
        (
            "vmdk-redundant-table-shared",
            "both directories name one table",
            AtRead,
            "claims.overlap",
            Some(grain_table),
            edited(&written, written.redundant, &four(grain_table / 512)),
        ),
        (
            "vmdk-cut-in-data",
            "the last grain is cut",
            AtRead,
            "vmdk.grain.past-end",
            Some(written.entries[&4]),
            written.file[..cut].to_vec(),
        ),
    ])
}

fn broken_streams() -> Vec<BrokenImage> {
    use Refused::{AtOpen, AtRead};
    let stream = || recipe().stream();
    let written = stream().write();
    let (head, len) = (written.places[&1], written.file.len() as u64);
    let entry = written.entries[&1];
    let read = |name, about, code, place, at, bytes: &[u8]| -> Row {
        (name, about, AtRead, code, Some(place), edited(&written, at, bytes))
    };
    let mut short = stream();
    short.cells.insert(1, Cell::Data(vec![5; 1000]));
    let mut long = stream();
    long.cells.insert(1, Cell::Data(vec![5; (1 << 16) + 1]));
    let (short, long) = (short.write(), long.write());
    let size =
        u32::from_le_bytes(written.file[head as usize + 8..head as usize + 12].try_into().expect("four"));
    let cut = |name, about, len: u64| -> Row {
        (name, about, AtRead, "vmdk.stream.cut", Some(len), written.file[..len as usize].to_vec())
    };
    let shorter = (size - 3).to_le_bytes();
    rows(vec![
        cut("vmdk-stream-cut", "cut in a grain", written.places[&4] + 100),
        cut("vmdk-stream-no-end", "the last sector is missing", len - 512),
        cut("vmdk-stream-only-header", "nothing but the header and the descriptor", 128 * 512),
        read("vmdk-stream-lba", "a grain of another place", "vmdk.grain.lba", head, head, &[1, 2]),
        read(
            "vmdk-stream-length-0",
            "a grain of no length",
            "vmdk.grain.length",
            head + 8,
            head + 8,
            &[0; 4],
        ),
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
            "codec.unpack.short",
            head + 12,
            head + 8,
            &shorter,
        ),
        read(
            "vmdk-stream-garbage",
            "a grain that is no zlib data",
            "codec.unpack.garbage",
            head + 12,
            head + 12,
            &[0xff; 64],
        ),
        read(
            "vmdk-stream-past-end",
            "a grain behind the file's end",
            "vmdk.grain.past-end",
            entry,
            entry,
            &[0xff; 4],
        ),
        (
            "vmdk-stream-short",
            "a grain that is too short",
            AtRead,
            "codec.unpack.short",
            Some(short.places[&1] + 12),
            short.file,
        ),
        (
            "vmdk-stream-long",
            "a grain that is too long",
            AtRead,
            "codec.unpack.long",
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
            "a directory behind the file's end",
            AtOpen,
            "vmdk.table.past-end",
            Some(len - 1024 + 56),
            edited(&written, len - 1024 + 56, &[0, 0, 0, 0x7f]),
        ),
    ])
}

/// A descriptor with one flat extent of two sectors, and that.
fn flat_text(name: &str) -> String {
    descriptor("monolithicFlat", 1, None, &[format!("RW 2 FLAT \"{name}-flat\" 0")])
}

fn broken_texts() -> Vec<BrokenImage> {
    use Refused::{AtOpen, AtRead};
    let of = |name: &'static str, about, refused, code, place: Option<&str>, from: &str, to: &str| {
        let text = flat_text(name).replace(from, to);
        let at = place.map(|place| text.find(place).expect("it is there") as u64);
        let mut image = named("vmdk", (name, about, refused, code, at, text.into_bytes()));
        image.files.push(file(format!("{name}-flat"), vec![1; 1024]));
        image
    };
    let ty = Some("createType");
    let line = Some("RW 2");
    let extent = "vmdk.descriptor.extent-line";
    vec![
        of(
            "vmdk-text-version",
            "a version that does not exist",
            AtOpen,
            "vmdk.header.version",
            Some("version"),
            "version=1",
            "version=5",
        ),
        of(
            "vmdk-physical",
            "a physical disk",
            AtOpen,
            "vmdk.descriptor.physical",
            ty,
            "monolithicFlat",
            "fullDevice",
        ),
        of(
            "vmdk-rdm",
            "a raw device map",
            AtOpen,
            "vmdk.descriptor.physical",
            ty,
            "monolithicFlat",
            "vmfsRawDeviceMap",
        ),
        of(
            "vmdk-type-unknown",
            "a type of disk nobody knows",
            AtOpen,
            "vmdk.descriptor.create-type",
            ty,
            "monolithicFlat",
            "floppy",
        ),
        of(
            "vmdk-extent-rdm",
            "an extent on a device",
            AtOpen,
            "vmdk.descriptor.extent-type",
            line,
            "FLAT",
            "VMFSRDM",
        ),
        of(
            "vmdk-no-access",
            "an extent that must not be read",
            AtRead,
            "vmdk.extent.no-access",
            Some("NOACCESS"),
            "RW 2",
            "NOACCESS 2",
        ),
        of(
            "vmdk-no-extents",
            "a descriptor of nothing",
            AtOpen,
            "vmdk.descriptor.no-extents",
            None,
            "RW 2",
            "# 2",
        ),
        of("vmdk-line-count", "an extent of x sectors", AtOpen, extent, Some("RW x"), "RW 2", "RW x"),
        of("vmdk-line-name", "an extent without name", AtOpen, extent, line, "\"", ""),
        of(
            "vmdk-line-bomb",
            "an extent of 2^60 sectors",
            AtOpen,
            "vmdk.descriptor.too-large",
            Some("RW 1"),
            "RW 2",
            "RW 1152921504606846976",
        ),
        of(
            "vmdk-cid",
            "an invalid id",
            AtOpen,
            "vmdk.descriptor.value",
            Some("CID=xyz"),
            "CID=00000001",
            "CID=xyz",
        ),
        of(
            "vmdk-cid-twice",
            "two ids",
            AtOpen,
            "vmdk.descriptor.twice",
            Some("CID=2"),
            "version=1",
            "version=1\nCID=00000001\nCID=2",
        ),
        of(
            "vmdk-descriptor-cut",
            "a NUL in front of the extents",
            AtOpen,
            "vmdk.descriptor.nul",
            Some("\0# Extent"),
            "# Extent",
            "\0# Extent",
        ),
        of(
            "vmdk-parent-nameless",
            "a parent without name",
            AtOpen,
            "vmdk.descriptor.parent",
            Some("parentCID"),
            "parentCID=ffffffff",
            "parentCID=12",
        ),
        of(
            "vmdk-parent-idless",
            "a parent without id",
            AtOpen,
            "vmdk.descriptor.parent",
            Some("parentFile"),
            "version=1",
            "version=1\nparentFileNameHint=\"base.vmdk\"",
        ),
        of(
            "vmdk-encrypted",
            "an encrypted disk",
            AtRead,
            "vmdk.descriptor.encrypted",
            Some("ddb.iof"),
            "#DDB",
            "#DDB\nddb.iofilters = \"vmwarevmcrypt\"",
        ),
        of("vmdk-extent-missing", "no such extent", AtOpen, "open.name.missing", None, "-flat\"", "-gone\""),
        of(
            "vmdk-extent-outside",
            "an extent elsewhere",
            AtOpen,
            "open.gate.outside",
            None,
            "vmdk-extent-outside-flat",
            "/etc/passwd",
        ),
        of(
            "vmdk-extent-dotdot",
            "an extent in another folder",
            AtOpen,
            "open.gate.outside",
            None,
            "vmdk-extent-dotdot-flat",
            "../../../../../../etc/passwd",
        ),
        of(
            "vmdk-flat-short",
            "a flat file that is too short",
            AtRead,
            "vmdk.flat.past-end",
            None,
            "RW 2",
            "RW 3",
        ),
        of(
            "vmdk-flat-is-no-sparse",
            "a flat file called sparse",
            AtOpen,
            "vmdk.header.magic",
            None,
            "FLAT",
            "SPARSE",
        ),
        of(
            "vmdk-flat-shared",
            "two extents share bytes",
            AtRead,
            "claims.overlap",
            None,
            "RW 2 FLAT \"vmdk-flat-shared-flat\" 0",
            "RW 2 FLAT \"vmdk-flat-shared-flat\" 0\nRW 1 FLAT \"vmdk-flat-shared-flat\" 1",
        ),
    ]
}

fn broken_extents() -> Vec<BrokenImage> {
    use Refused::{AtOpen, AtRead};
    let disk = sectors(100_352);
    let alone =
        |name, about, bytes| named("vmdk", (name, about, AtRead, "vmdk.extent.alone", Some(0), bytes));
    let over = |name: &'static str, about, kind: &str, refused, code, at, bytes: Vec<u8>| {
        let lines = [format!("RW {} {kind} \"{name}-x\"", disk.len() / SECTOR)];
        let text = descriptor("custom", 1, None, &lines).into_bytes();
        let mut image = named("vmdk", (name, about, refused, code, at, text));
        image.files.push(file(format!("{name}-x"), bytes));
        image
    };
    let (hosted, cow) = (Hosted::new(8, &disk).write(), cowd(1, &disk));
    let se = sesparse(disk.len(), &cells_of(&disk, 4096));
    let (cow_entry, se_entry) = (cow.entries[&0], se.entries[&0]);
    let odd = edited(&se, se_entry, &(5u64 << 60).to_le_bytes());
    let far = edited(&se, se_entry, &(0x3fff_u64 << 48).to_le_bytes());
    let table = edited(&se, se.directory, &(2u64 << 60).to_le_bytes());
    vec![
        alone("vmdk-alone-sparse", "one extent of a split disk", hosted.file.clone()),
        alone("vmdk-alone-cowd", "a redo log without its descriptor", cow.file.clone()),
        alone("vmdk-alone-sesparse", "an seSparse delta without its descriptor", se.file.clone()),
        over(
            "vmdk-extent-size",
            "an extent of another size",
            "SPARSE",
            AtOpen,
            "vmdk.extent.size",
            Some(12),
            edited(&hosted, 12, &[1]),
        ),
        over(
            "vmdk-cowd-as-sesparse",
            "another kind of extent",
            "SESPARSE",
            AtOpen,
            "vmdk.header.magic",
            Some(0),
            cow.file.clone(),
        ),
        over(
            "vmdk-cowd-version-2",
            "a version that does not exist",
            "VMFSSPARSE",
            AtOpen,
            "vmdk.header.version",
            Some(4),
            edited(&cow, 4, &[2]),
        ),
        over(
            "vmdk-cowd-grain-0",
            "grains of nothing",
            "VMFSSPARSE",
            AtOpen,
            "vmdk.header.field",
            Some(16),
            edited(&cow, 16, &[0; 4]),
        ),
        over(
            "vmdk-cowd-directory-0",
            "no directory entry",
            "VMFSSPARSE",
            AtOpen,
            "vmdk.directory.too-short",
            Some(24),
            edited(&cow, 24, &[0; 4]),
        ),
        over(
            "vmdk-cowd-entry-in-header",
            "data in the header",
            "VMFSSPARSE",
            AtRead,
            "vmdk.table.entry",
            Some(cow_entry),
            edited(&cow, cow_entry, &[3, 0, 0, 0]),
        ),
        over(
            "vmdk-cowd-entry-past-end",
            "data behind the file's end",
            "VMFSSPARSE",
            AtRead,
            "vmdk.grain.past-end",
            Some(cow_entry),
            edited(&cow, cow_entry, &[0xff; 4]),
        ),
        over(
            "vmdk-sesparse-version",
            "another version",
            "SESPARSE",
            AtOpen,
            "vmdk.header.version",
            Some(8),
            edited(&se, 8, &[2]),
        ),
        over(
            "vmdk-sesparse-flags",
            "unknown flags",
            "SESPARSE",
            AtOpen,
            "vmdk.sesparse.field",
            Some(40),
            edited(&se, 40, &[1]),
        ),
        over(
            "vmdk-sesparse-journal",
            "a journal to replay",
            "SESPARSE",
            AtOpen,
            "vmdk.sesparse.journal",
            Some(536),
            edited(&se, 536, &[1]),
        ),
        over(
            "vmdk-sesparse-volatile",
            "no volatile header",
            "SESPARSE",
            AtOpen,
            "vmdk.header.field",
            Some(512),
            edited(&se, 512, &[0]),
        ),
        over(
            "vmdk-sesparse-directory",
            "a directory too short",
            "SESPARSE",
            AtOpen,
            "vmdk.directory.too-short",
            Some(136),
            edited(&se, 136, &[0]),
        ),
        over(
            "vmdk-sesparse-entry-type",
            "an entry of type 5",
            "SESPARSE",
            AtRead,
            "vmdk.table.entry",
            Some(se_entry),
            odd,
        ),
        over(
            "vmdk-sesparse-entry-past-end",
            "data behind the file's end",
            "SESPARSE",
            AtRead,
            "vmdk.grain.past-end",
            Some(se_entry),
            far,
        ),
        over(
            "vmdk-sesparse-table-type",
            "a directory entry of type 2",
            "SESPARSE",
            AtRead,
            "vmdk.table.entry",
            Some(se.directory),
            table,
        ),
    ]
}

fn broken_parents() -> Vec<BrokenImage> {
    let of = |name: &'static str, about, code, parent: (u32, &str), base: Option<ImageFile>| {
        let lines = [format!("RW 2 FLAT \"{name}-flat\" 0")];
        let text = descriptor("monolithicFlat", 1, Some(parent), &lines).into_bytes();
        let mut image = named("vmdk", (name, about, Refused::AtOpen, code, None, text));
        image.files.push(file(format!("{name}-flat"), vec![1; 1024]));
        image.files.extend(base);
        image
    };
    let base = recipe().write().file;
    vec![
        of("vmdk-parent-missing", "no such parent", "open.name.missing", (2, "gone.vmdk"), None),
        of(
            "vmdk-parent-other",
            "a parent with another id",
            "open.parent.mismatch",
            (2, "vmdk-parent-other.base"),
            Some(file("vmdk-parent-other.base", base)),
        ),
        of("vmdk-parent-itself", "its own parent", "open.chain.cycle", (1, "vmdk-parent-itself.vmdk"), None),
        of("vmdk-parent-outside", "a parent elsewhere", "open.gate.outside", (2, "/etc/passwd"), None),
    ]
}
