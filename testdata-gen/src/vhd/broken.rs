//! VHDs that must be refused.

use crate::bytes::put;
use crate::disk::{Noise, disk_of, mixed, text};
use crate::model::Refused::{AtOpen, AtRead};
use crate::model::{BrokenImage, ImageFile};
use crate::rows::{Row, named};
use crate::vhd::encode::{Parent, Vhd, Written, seal, wide};

const HEADER: usize = 512;
/// Blocks of 16 KiB; 0, 2 and 3 are stored.
const BLOCK: u64 = 1 << 14;

/// All of them.
pub(crate) fn broken() -> Vec<BrokenImage> {
    let rows = footers().into_iter().chain(headers()).chain(tables());
    let mut all: Vec<_> = rows.map(|row| named("vhd", row)).collect();
    all.extend(parents());
    all
}

fn recipe() -> Vhd {
    let disk = disk_of(
        6 * BLOCK as usize,
        &[(0, text(BLOCK as usize)), (2 * BLOCK as usize, Noise::new(1).bytes(2 * BLOCK as usize))],
    );
    Vhd::new(3, disk.len() as u64, BLOCK as u32).with_disk(&disk)
}

fn edited(edit: impl Fn(&mut Written)) -> Vec<u8> {
    let mut written = recipe().write();
    edit(&mut written);
    written.file
}

/// `bytes` over those at `at` of both footers, with the right checksums.
fn footers_with(at: u64, bytes: &[u8]) -> Vec<u8> {
    edited(|written| {
        for start in [0, written.footer] {
            put(&mut written.file, start + at, bytes);
            seal(&mut written.file[start as usize..][..512], 64);
        }
    })
}

/// `bytes` over those at `at` of the header, with the right checksum.
fn header_with(at: u64, bytes: &[u8]) -> Vec<u8> {
    edited(|written| {
        put(&mut written.file, HEADER as u64 + at, bytes);
        seal(&mut written.file[HEADER..HEADER + 1024], 36);
    })
}

/// Another table entry.
fn entry_with(index: u64, sector: impl Fn(&Written) -> u64) -> Vec<u8> {
    edited(|written| {
        let value = sector(written) as u32;
        put(&mut written.file, written.bat + index * 4, &value.to_be_bytes());
    })
}

fn footers() -> Vec<Row> {
    let good = recipe().write();
    let (len, footer) = (good.file.len() as u64, good.footer);
    let fixed = Vhd::new(2, 100_352, 0).fixed(&mixed(100_352));
    let with_fixed = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut file = fixed.file.clone();
        edit(&mut file);
        file
    };
    let other_end = edited(|written| {
        put(&mut written.file, written.footer + 48, &(BLOCK * 5).to_be_bytes());
        seal(&mut written.file[footer as usize..], 64);
    });
    // A cut right behind a fixed image that the disk holds.
    let nested = edited(|written| {
        let inner = Vhd::new(2, 2048, 0).fixed(&text(2048)).file;
        let at = written.blocks[&3] + 512;
        put(&mut written.file, at, &inner);
        written.file.truncate(at as usize + inner.len());
    });
    vec![
        (
            "vhd-both-footers-damaged",
            "wrong checksums at both ends",
            AtOpen,
            "vhd.footer.checksum",
            Some(footer + 64),
            edited(|written| {
                written.file[90] ^= 1;
                written.file[footer as usize + 90] ^= 1;
            }),
        ),
        (
            "vhd-fixed-footer-damaged",
            "a wrong checksum of the only footer",
            AtOpen,
            "vhd.footer.checksum",
            Some(100_352 + 64),
            with_fixed(&|file| file[100_352 + 90] ^= 1),
        ),
        (
            "vhd-fixed-footer-cut",
            "half of the only footer",
            AtOpen,
            "vhd.footer.cut",
            Some(100_352),
            with_fixed(&|file| file.truncate(100_352 + 256)),
        ),
        (
            "vhd-fixed-footer-followed",
            "zeros behind the only footer",
            AtOpen,
            "vhd.footer.followed",
            Some(100_352),
            with_fixed(&|file| file.resize(100_352 + 2048, 0)),
        ),
        (
            "vhd-fixed-middle-missing",
            "a fixed disk that lost a page",
            AtRead,
            "vhd.fixed.past-end",
            Some(96_256 + 48),
            with_fixed(&|file| drop(file.drain(8192..12_288))),
        ),
        (
            "vhd-start-only",
            "eight bytes and no more",
            AtOpen,
            "vhd.footer.cut",
            Some(0),
            good.file[..100].to_vec(),
        ),
        (
            "vhd-fixed-at-start",
            "a fixed disk's footer at the start only",
            AtOpen,
            "vhd.footer.only-at-start",
            Some(60),
            edited(|written| {
                written.file.truncate(footer as usize);
                written.file[63] = 2;
                seal(&mut written.file[..512], 64);
            }),
        ),
        (
            "vhd-footers-differ",
            "another size at the end",
            AtOpen,
            "vhd.footer.differ",
            Some(footer),
            other_end,
        ),
        (
            "vhd-cut-behind-an-image-inside",
            "the end of another image",
            AtOpen,
            "vhd.footer.differ",
            None,
            nested,
        ),
        (
            "vhd-poisoned",
            "in the middle of a resize",
            AtOpen,
            "vhd.footer.poisoned",
            Some(footer),
            edited(|written| put(&mut written.file, written.footer, b"v_poison")),
        ),
        (
            "vhd-version-2",
            "a version that does not exist",
            AtOpen,
            "vhd.footer.version",
            Some(footer + 12),
            footers_with(12, &[0, 2, 0, 0]),
        ),
        (
            "vhd-type-0",
            "disk type none",
            AtOpen,
            "vhd.footer.disk-type",
            Some(footer + 60),
            footers_with(60, &[0, 0, 0, 0]),
        ),
        (
            "vhd-type-6",
            "a deprecated disk type",
            AtOpen,
            "vhd.footer.disk-type",
            Some(footer + 60),
            footers_with(60, &[0, 0, 0, 6]),
        ),
        (
            "vhd-header-past-end",
            "a header past the file's end",
            AtOpen,
            "vhd.table.past-end",
            Some(footer + 16),
            footers_with(16, &(len - 512).to_be_bytes()),
        ),
        (
            "vhd-header-nowhere",
            "a header at the end of all numbers",
            AtOpen,
            "vhd.table.past-end",
            Some(footer + 16),
            footers_with(16, &[0xff; 8]),
        ),
        (
            "vhd-size-exabytes",
            "a disk larger than its table",
            AtOpen,
            "vhd.bat.too-short",
            Some(512 + 28),
            footers_with(48, &(1u64 << 60).to_be_bytes()),
        ),
    ]
}

fn headers() -> Vec<Row> {
    let at = HEADER as u64;
    vec![
        (
            "vhd-header-cookie",
            "another cookie",
            AtOpen,
            "vhd.header.cookie",
            Some(at),
            edited(|written| written.file[512] = b'C'),
        ),
        (
            "vhd-header-checksum",
            "a wrong checksum",
            AtOpen,
            "vhd.header.checksum",
            Some(at + 36),
            edited(|written| written.file[900] ^= 1),
        ),
        (
            "vhd-header-version-2",
            "a version that does not exist",
            AtOpen,
            "vhd.header.version",
            Some(at + 24),
            header_with(24, &[0, 2, 0, 0]),
        ),
        (
            "vhd-block-size-0",
            "blocks of nothing",
            AtOpen,
            "vhd.header.field",
            Some(at + 32),
            header_with(32, &[0; 4]),
        ),
        (
            "vhd-block-size-odd",
            "blocks of no power of two",
            AtOpen,
            "vhd.header.field",
            Some(at + 32),
            header_with(32, &[0, 0x30, 0, 0]),
        ),
        (
            "vhd-block-size-512",
            "blocks too small",
            AtOpen,
            "vhd.header.block-size",
            Some(at + 32),
            header_with(32, &[0, 0, 2, 0]),
        ),
        (
            "vhd-block-size-2-gib",
            "blocks too large",
            AtOpen,
            "vhd.header.block-size",
            Some(at + 32),
            header_with(32, &[0x80, 0, 0, 0]),
        ),
        (
            "vhd-table-too-short",
            "a table that does not cover the disk",
            AtOpen,
            "vhd.bat.too-short",
            Some(at + 28),
            header_with(28, &[0, 0, 0, 5]),
        ),
        (
            "vhd-table-huge",
            "four thousand million entries",
            AtOpen,
            "vhd.table.past-end",
            Some(at + 16),
            header_with(28, &[0xff; 4]),
        ),
        (
            "vhd-table-nowhere",
            "a table at the end of all numbers",
            AtOpen,
            "vhd.table.past-end",
            Some(at + 16),
            header_with(16, &[0xff; 8]),
        ),
        (
            "vhd-table-over-the-header",
            "a table where the header is",
            AtRead,
            "claims.overlap",
            None,
            header_with(16, &512u64.to_be_bytes()),
        ),
    ]
}

fn tables() -> Vec<Row> {
    let good = recipe().write();
    let bat = good.bat;
    vec![
        (
            "vhd-block-past-end",
            "an entry past the file's end",
            AtRead,
            "vhd.bat.past-end",
            Some(bat + 8),
            entry_with(2, |written| written.file.len() as u64 / 512),
        ),
        (
            "vhd-block-nowhere",
            "the largest entry",
            AtRead,
            "vhd.bat.past-end",
            Some(bat + 8),
            entry_with(2, |_| 0xffff_fffe),
        ),
        (
            "vhd-block-cut",
            "the last block and the footer are cut",
            AtRead,
            "vhd.bat.past-end",
            Some(bat + 12),
            good.file[..good.footer as usize - 512].to_vec(),
        ),
        (
            "vhd-block-in-footer",
            "a block whose last sector is the footer",
            AtRead,
            "claims.overlap",
            None,
            entry_with(3, |written| written.blocks[&3] / 512 + 1),
        ),
        ("vhd-block-at-0", "entry 0", AtRead, "vhd.bat.in-header", Some(bat + 4), entry_with(1, |_| 0)),
        (
            "vhd-block-in-table",
            "a block where the table is",
            AtRead,
            "vhd.bat.in-header",
            Some(bat + 4),
            entry_with(1, |written| written.bat / 512),
        ),
        (
            "vhd-shared-block",
            "two entries with one block",
            AtRead,
            "claims.overlap",
            None,
            entry_with(1, |written| written.blocks[&2] / 512),
        ),
        (
            "vhd-overlapping-blocks",
            "a block in the middle of another",
            AtRead,
            "claims.overlap",
            None,
            entry_with(1, |written| written.blocks[&2] / 512 + 3),
        ),
    ]
}

fn child(name: &str, uuid: [u8; 16], below: &str) -> Vhd {
    let locators = vec![(*b"W2ru", wide(&format!(".\\{below}")))];
    let parent = Parent { uuid, name: below.into(), locators, ..Parent::default() };
    let uuid = if name.is_empty() { [9; 16] } else { *b"0123456789abcdef" };
    Vhd { uuid, parent: Some(parent), ..Vhd::new(4, 6 * BLOCK, BLOCK as u32) }
}

fn parents() -> Vec<BrokenImage> {
    let base = |name: &str| ImageFile { name: name.into(), bytes: recipe().write().file };
    let bytes = |recipe: Vhd| recipe.write().file;
    let row = |name, about, code, at, bytes| named("vhd", (name, about, AtOpen, code, at, bytes));
    let with_base = |image: BrokenImage, file: ImageFile| {
        let mut image = image;
        image.files.push(file);
        image
    };
    // The locator's name stands behind the table, which takes a sector.
    let name_at = Some(2048);
    let mut nameless = child("a", [7; 16], "");
    nameless.parent = Some(Parent { uuid: [7; 16], ..Parent::default() });
    let mut lost = child("a", *b"0123456789abcdef", "vhd-base.vhd").write().file;
    put(&mut lost, 512 + 576 + 16, &(1u64 << 50).to_be_bytes());
    seal(&mut lost[512..1536], 36);
    let mut long = child("a", *b"0123456789abcdef", "vhd-base.vhd").write().file;
    put(&mut long, 512 + 576 + 8, &[0xff; 4]);
    seal(&mut long[512..1536], 36);
    let cycle = child("", [9; 16], "vhd-cycle.vhd");
    vec![
        row(
            "vhd-parent-missing",
            "no such file",
            "open.name.missing",
            name_at,
            bytes(child("a", [7; 16], "gone.vhd")),
        ),
        with_base(
            row(
                "vhd-parent-other",
                "a parent with another uuid",
                "open.parent.mismatch",
                name_at,
                bytes(child("a", [7; 16], "vhd-other.base.vhd")),
            ),
            base("vhd-other.base.vhd"),
        ),
        row(
            "vhd-parent-unnamed",
            "a parent without a name",
            "open.parent.not-found",
            Some(512 + 64),
            bytes(nameless),
        ),
        row("vhd-cycle", "an image that is its own parent", "open.chain.cycle", name_at, bytes(cycle)),
        row(
            "vhd-locator-past-end",
            "a name past the file's end",
            "vhd.table.past-end",
            Some(512 + 576 + 16),
            lost,
        ),
        row("vhd-locator-long", "a name of 4 GiB", "vhd.limit.text", Some(512 + 576 + 8), long),
    ]
}
