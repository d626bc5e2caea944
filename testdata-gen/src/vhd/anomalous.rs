//! Images that are read correctly and whose structure is wrong.

use crate::bytes::put;
use crate::disk::{Noise, disk_of, mixed, text};
use crate::model::{AnomalousImage, ImageFile};
use crate::rows::anomaly;
use crate::vhd::encode::{Parent, Vhd, Written, seal, wide};

const HEADER: u64 = 512;
/// Blocks of 16 KiB; 0, 2 and 3 are stored.
const BLOCK: u64 = 1 << 14;

/// All of them.
pub(crate) fn anomalous() -> Vec<AnomalousImage> {
    let mut all = footers();
    all.extend(headers());
    all.extend(blocks());
    all.extend(batmaps());
    all.extend(locators());
    all
}

fn row(
    name: &'static str,
    about: &'static str,
    code: &'static str,
    at: u64,
    bytes: Vec<u8>,
) -> AnomalousImage {
    anomaly("vhd", (name, about, code, at), bytes)
}

fn disk() -> Vec<u8> {
    disk_of(
        6 * BLOCK as usize,
        &[(0, text(BLOCK as usize)), (2 * BLOCK as usize, Noise::new(1).bytes(2 * BLOCK as usize))],
    )
}

fn recipe() -> Vhd {
    Vhd::new(3, 6 * BLOCK, BLOCK as u32).with_disk(&disk())
}

fn edited(recipe: &Vhd, edit: impl Fn(&mut Written)) -> Vec<u8> {
    let mut written = recipe.write();
    edit(&mut written);
    written.file
}

/// `bytes` over those at `at` of the footers that begin at `starts`, with the right checksums.
fn footer_with(starts: &[u64], at: u64, bytes: &[u8]) -> Vec<u8> {
    edited(&recipe(), |written| {
        for start in starts {
            put(&mut written.file, start + at, bytes);
            seal(&mut written.file[*start as usize..][..512], 64);
        }
    })
}

fn header_with(recipe: &Vhd, at: u64, bytes: &[u8]) -> Vec<u8> {
    edited(recipe, |written| {
        put(&mut written.file, HEADER + at, bytes);
        seal(&mut written.file[HEADER as usize..][..1024], 36);
    })
}

fn footers() -> Vec<AnomalousImage> {
    let end = recipe().write().footer;
    let both = [0, end];
    let differ = "vhd.check.footers-differ";
    let mut damaged = recipe().write().file;
    damaged[end as usize + 30] ^= 1;
    let mut followed = recipe().write().file;
    followed.extend(text(5000));
    let mut fixed = Vhd::new(2, 100_352, 0).fixed(&mixed(100_352));
    let fixed_end = fixed.footer;
    put(&mut fixed.file, fixed_end + 16, &512u64.to_be_bytes());
    seal(&mut fixed.file[fixed_end as usize..], 64);
    vec![
        row("vhd-footer-uuid", "a copy with another id", differ, 68, footer_with(&[0], 68, &[7; 16])),
        row(
            "vhd-footer-version",
            "a copy of another version of its creator",
            differ,
            32,
            footer_with(&[0], 32, &[1]),
        ),
        row("vhd-footer-damaged", "a damaged footer, and what is damaged", differ, end + 28, damaged),
        row("vhd-footer-saved", "only the copy is in a saved state", differ, 84, footer_with(&[0], 84, &[1])),
        row(
            "vhd-footer-geometry",
            "a geometry of another disk",
            "vhd.check.geometry",
            end + 56,
            footer_with(&both, 56, &[0, 9, 16, 63]),
        ),
        row(
            "vhd-footer-features",
            "a reserved bit that is not set",
            "vhd.check.features",
            end + 8,
            footer_with(&both, 8, &[0; 4]),
        ),
        row(
            "vhd-footer-reserved",
            "bytes in the reserved part",
            "vhd.check.footer-reserved",
            end + 200,
            footer_with(&both, 200, b"hidden"),
        ),
        row("vhd-footer-followed", "bytes after the end", "vhd.check.after-footer", end + 512, followed),
        row(
            "vhd-fixed-data-offset",
            "a fixed disk that names a header",
            "vhd.check.data-offset",
            fixed_end + 16,
            fixed.file,
        ),
    ]
}

fn headers() -> Vec<AnomalousImage> {
    let with = |at, bytes: &[u8]| header_with(&recipe(), at, bytes);
    vec![
        row(
            "vhd-header-data-offset",
            "a header after the header",
            "vhd.check.header-data-offset",
            HEADER + 8,
            with(8, &4096u64.to_be_bytes()),
        ),
        row(
            "vhd-header-reserved",
            "a reserved field",
            "vhd.check.header-reserved",
            HEADER + 62,
            with(62, &[1]),
        ),
        row(
            "vhd-header-tail",
            "bytes after the locators",
            "vhd.check.header-reserved",
            HEADER + 900,
            with(900, &[1]),
        ),
        row(
            "vhd-header-parent-of-none",
            "a dynamic disk with the name of a parent",
            "vhd.check.parent-of-none",
            HEADER + 65,
            with(64, &[0, b'p']),
        ),
    ]
}

fn blocks() -> Vec<AnomalousImage> {
    let spare = Vhd { spare_entries: 4, ..recipe() };
    let entry = |sector: &dyn Fn(&Written) -> u64| {
        edited(&spare, |written| {
            let sector = sector(written) as u32;
            put(&mut written.file, written.bat + 7 * 4, &sector.to_be_bytes());
        })
    };
    let bat = recipe().write().bat;
    // Block 2 is no longer allocated: the disk reads zeros there, and its space is leaked.
    let forgotten = edited(&recipe(), |written| put(&mut written.file, written.bat + 8, &[0xff; 4]));
    let written = recipe().write();
    let (leaked, first) = (written.blocks[&2], written.blocks[&0]);
    let padded = edited(&recipe(), |written| put(&mut written.file, written.blocks[&0] + 100, &[0xff]));
    let mut apart = recipe().write();
    let moved = apart.blocks[&3];
    let rest = apart.file.split_off(moved as usize);
    apart.file.extend([&[0; 100][..], &[7; 412], &rest].concat());
    put(&mut apart.file, apart.bat + 12, &(moved as u32 / 512 + 1).to_be_bytes());
    let mut twice = recipe().write();
    let footer = twice.file.split_off(twice.footer as usize);
    twice.file.resize(twice.file.len() + 5 * (512 + BLOCK as usize) + 1024, 0);
    twice.file.extend(footer);
    vec![
        row("vhd-block-forgotten", "a block that no entry names", "vhd.check.leak", leaked, forgotten),
        row("vhd-block-gap", "data before a block", "vhd.check.gap-data", moved + 100, apart.file),
        row(
            "vhd-block-room",
            "room for five blocks after the last",
            "vhd.check.leak",
            twice.footer,
            twice.file,
        ),
        row(
            "vhd-entry-beyond-disk",
            "an entry for a block that the disk does not have",
            "vhd.check.bat-beyond-disk",
            bat + 28,
            entry(&|written| written.footer / 512 + 9),
        ),
        row(
            "vhd-entry-beyond-shared",
            "an entry after the disk's end that shares a block",
            "vhd.check.bat-overlap",
            bat + 28,
            entry(&|written| written.blocks[&2] / 512),
        ),
        row(
            "vhd-entry-beyond-in-header",
            "an entry after the disk's end that names the header",
            "vhd.check.bat-overlap",
            bat + 28,
            entry(&|_| 1),
        ),
        row(
            "vhd-bitmap-padding",
            "bits after a block's own",
            "vhd.check.bitmap-padding",
            first + 100,
            padded,
        ),
    ]
}

fn batmaps() -> Vec<AnomalousImage> {
    let recipe =
        Vhd { creator: *b"tap\0", creator_version: 0x0001_0003, batmap: Some(0x0001_0002), ..recipe() };
    // Blocks 0, 2 and 3 are full.
    let with = |edit: &dyn Fn(&mut Written)| {
        edited(&recipe, |written| {
            edit(written);
            let map = written.batmap as usize + 512;
            let sum = written.file[map..map + 512].iter().fold(0u32, |sum, byte| sum + u32::from(*byte));
            put(&mut written.file, written.batmap + 24, &(!sum).to_be_bytes());
        })
    };
    let map = recipe.write().batmap + 512;
    vec![
        row(
            "vhd-batmap-not-full",
            "a block marked full that is not",
            "vhd.check.batmap-full",
            map,
            // The sector is zeros on the disk, and garbage where it is not set.
            with(&|written| put(&mut written.file, written.blocks[&0], &[0x7f])),
        ),
        row(
            "vhd-batmap-missing",
            "a full block that the map leaves out",
            "vhd.check.batmap-missing",
            map,
            with(&|written| put(&mut written.file, map, &[0xa0])),
        ),
        row(
            "vhd-batmap-unused",
            "a block marked full that is not stored",
            "vhd.check.batmap-unused",
            map,
            with(&|written| put(&mut written.file, map, &[0xf0])),
        ),
    ]
}

fn locators() -> Vec<AnomalousImage> {
    const UUID: [u8; 16] = *b"0123456789abcdef";
    let child = |name: &'static str, about, code, at, locator: Vec<u8>, edit: &dyn Fn(&mut [u8])| {
        let locators = vec![(*b"W2ru", locator)];
        let parent = Parent { uuid: UUID, name: format!("{name}.base.vhd"), locators, ..Parent::default() };
        let recipe = Vhd { uuid: [9; 16], parent: Some(parent), ..Vhd::new(4, 6 * BLOCK, BLOCK as u32) };
        let bytes = edited(&recipe, |written| {
            edit(&mut written.file[HEADER as usize + 576..HEADER as usize + 768]);
            seal(&mut written.file[HEADER as usize..][..1024], 36);
        });
        let mut odd = row(name, about, code, at, bytes);
        odd.files.push(ImageFile { name: format!("{name}.base.vhd"), bytes: self::recipe().write().file });
        odd
    };
    let entry = HEADER + 576;
    // The locator's name is after the table, which has one sector.
    let name_at = 2048;
    let surrogate = "vhd-name-surrogate";
    let base = format!("\\{surrogate}.base.vhd");
    let mut name = child(
        surrogate,
        "a name in the header that does not decode",
        "vhd.check.parent-name",
        HEADER + 64,
        wide(&format!(".{base}")),
        &|_| {},
    );
    let units = [0xd800].into_iter().chain(base.encode_utf16());
    put(&mut name.files[0].bytes, HEADER + 64, &units.flat_map(u16::to_be_bytes).collect::<Vec<_>>());
    seal(&mut name.files[0].bytes[HEADER as usize..][..1024], 36);
    vec![
        name,
        child(
            "vhd-locator-space",
            "no room for the name",
            "vhd.check.locator-space",
            entry + 4,
            wide(".\\vhd-locator-space.base.vhd"),
            &|entries| entries[4..8].fill(0),
        ),
        child(
            "vhd-locator-reserved",
            "a reserved field",
            "vhd.check.locator-reserved",
            entry + 12,
            wide(".\\vhd-locator-reserved.base.vhd"),
            &|entries| entries[15] = 1,
        ),
        child(
            "vhd-locator-empty",
            "a place without a platform code",
            "vhd.check.locator-empty",
            entry + 24 + 7,
            wide(".\\vhd-locator-empty.base.vhd"),
            &|entries| entries[24 + 7] = 1,
        ),
        child(
            "vhd-locator-surrogate",
            "a name that does not decode",
            "vhd.check.locator-name",
            name_at,
            vec![b'a', 0, 0, 0xd8],
            &|_| {},
        ),
        child(
            "vhd-locator-other-name",
            "a locator that names another file than the header",
            "vhd.check.parent-names",
            name_at,
            wide(".\\other.vhd"),
            &|_| {},
        ),
    ]
}
