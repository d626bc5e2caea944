//! Images from reports of users: some are read with a warning, some must be rejected.

use crate::bytes::put;
use crate::disk::{Noise, disk_of, mixed, text};
use crate::model::{AnomalousImage, ImageFile};
use crate::rows::anomaly;
use crate::vhd::encode::{Parent, Stored, Vhd, Written, seal};

/// Blocks of 16 KiB; 0, 2 and 3 are stored, and every sector of them holds data.
const BLOCK: u64 = 1 << 14;
const HEADER: u64 = 512;

/// An image whose sector bitmaps contradict what its blocks hold.
#[derive(Clone, Debug)]
pub struct BitmapCase {
    /// Its name.
    pub name: &'static str,
    /// The image.
    pub file: ImageFile,
    /// The disk by the bitmaps.
    pub disk: Vec<u8>,
    /// File offset of the first sector without its bit that holds data.
    pub at: Option<u64>,
    /// Blocks with such sectors.
    pub blocks: u64,
}

fn disk() -> Vec<u8> {
    let block = BLOCK as usize;
    disk_of(6 * block, &[(0, text(block)), (2 * block, Noise::new(1).bytes(2 * block))])
}

fn recipe() -> Vhd {
    Vhd::new(3, 6 * BLOCK, BLOCK as u32).with_disk(&disk())
}

/// Bits cleared over data, and over zeros.
pub fn bitmap_cases() -> Vec<BitmapCase> {
    let case = |name, edit: &dyn Fn(&mut Written, &mut Vec<u8>) -> (Option<u64>, u64)| {
        let (mut written, mut disk) = (recipe().write(), disk());
        let (at, blocks) = edit(&mut written, &mut disk);
        let file = ImageFile { name: format!("{name}.vhd"), bytes: written.file };
        BitmapCase { name, file, disk, at, blocks }
    };
    let clear = |written: &mut Written, disk: &mut Vec<u8>, block: u64, sector: u64| {
        let at = written.blocks[&block];
        written.file[(at + sector / 8) as usize] &= !(0x80 >> (sector % 8));
        let start = (block * BLOCK + sector * 512) as usize;
        disk[start..start + 512].fill(0);
        at + 512 + sector * 512
    };
    vec![
        case("vhd-bitmap-never-set", &|written, disk| {
            for block in [0, 2, 3] {
                (0..32).for_each(|sector| _ = clear(written, disk, block, sector));
            }
            (Some(written.blocks[&0] + 512), 3)
        }),
        case("vhd-bitmap-one-bit", &|written, disk| (Some(clear(written, disk, 2, 13)), 1)),
        case("vhd-bitmap-last-bit", &|written, disk| (Some(clear(written, disk, 3, 31)), 1)),
        // The last byte of the sector decides.
        case("vhd-bitmap-one-byte", &|written, disk| {
            let at = clear(written, disk, 2, 8);
            written.file[at as usize..][..511].fill(0);
            (Some(at), 1)
        }),
        case("vhd-bitmap-clear-over-zeros", &|written, disk| {
            for sector in 5..20 {
                let at = clear(written, disk, 0, sector);
                written.file[at as usize..][..512].fill(0);
            }
            (None, 0)
        }),
    ]
}

/// A child whose block holds garbage where its bit is clear, and its parent: the sector is the parent's.
pub fn bitmap_of_a_child() -> (Vec<ImageFile>, Vec<u8>) {
    let (below, uuid) = (disk(), [0xb5; 16]);
    let mut disk = below.clone();
    disk[512..1024].fill(b'c');
    let parent = Parent { uuid, name: "base.vhd".into(), ..Parent::default() };
    let child = Vhd { parent: Some(parent), ..Vhd::new(4, 6 * BLOCK, BLOCK as u32) };
    let base = Vhd { uuid, ..recipe() };
    let files = [("child.vhd", child.with_difference(&disk, &below)), ("base.vhd", base)];
    let files = files.map(|(name, recipe)| ImageFile { name: name.into(), bytes: recipe.write().file });
    (files.into(), disk)
}

/// Two sound footers that contradict each other: the image, and the field that differs.
pub fn footers_of_different_disks() -> Vec<(&'static str, ImageFile, u64)> {
    let fields: [(&str, u64, &[u8]); 6] = [
        ("current size", 48, &[0, 0, 0, 0, 0, 0, 0x80, 0]),
        ("data offset", 16, &[0, 0, 0, 0, 0, 0, 4, 0]),
        ("geometry", 56, &[0, 9]),
        ("geometry", 58, &[5]),
        ("geometry", 59, &[9]),
        ("creator application", 28, b"vbox"),
    ];
    let case = |(field, at, bytes): (&'static str, u64, &[u8])| {
        let Written { mut file, footer, .. } = recipe().write();
        put(&mut file, at, bytes);
        seal(&mut file[..512], 64);
        (field, ImageFile { name: format!("vhd-footers-{at}.vhd"), bytes: file }, footer)
    };
    fields.into_iter().map(case).collect()
}

/// Dynamic images that are read with a finding.
pub fn vhd_cases() -> Vec<AnomalousImage> {
    [marks(), sizes_and_copies(), batmaps(), tables_and_parents()].concat()
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

fn of(recipe: &Vhd) -> Vec<u8> {
    recipe.write().file
}

/// Marks of the footer.
fn marks() -> Vec<AnomalousImage> {
    let end = recipe().write().footer;
    let tap = Vhd { creator: *b"tap\0", creator_version: 0x0001_0003, ..recipe() };
    let hidden = |version: u32, is_sealed: bool| {
        let mut written = Vhd { creator_version: version, ..tap.clone() }.write();
        for start in [0, written.footer as usize] {
            written.file[start + 85] = 1;
            if is_sealed {
                seal(&mut written.file[start..start + 512], 64);
            }
        }
        written.file
    };
    vec![
        row(
            "vhd-temporary",
            "may be deleted",
            "vhd.features.temporary",
            end + 8,
            of(&Vhd { features: 3, ..recipe() }),
        ),
        row(
            "vhd-features",
            "an undefined feature bit",
            "vhd.features.unknown",
            end + 8,
            of(&Vhd { features: 0x102, ..recipe() }),
        ),
        row(
            "vhd-saved",
            "a saved state",
            "vhd.saved-state",
            end + 84,
            of(&Vhd { saved_state: 1, ..recipe() }),
        ),
        row("vhd-marked-hidden", "hidden", "vhd.hidden", end + 85, hidden(0x0001_0003, true)),
        row(
            "vhd-hidden-later",
            "hidden after the checksum",
            "vhd.footer.hidden-checksum",
            end + 85,
            hidden(0x0001_0001, false),
        ),
    ]
}

/// Sizes and the copy of the footer.
fn sizes_and_copies() -> Vec<AnomalousImage> {
    let end = recipe().write().footer;
    let geometry = |creator: &[u8; 4], geometry| of(&Vhd { creator: *creator, geometry, ..recipe() });
    let mut gap = Vhd::new(2, 100_352, 0).fixed(&mixed(100_352));
    let gap_at = gap.footer;
    put(&mut gap.file, gap_at + 48, &99_840u64.to_be_bytes());
    seal(&mut gap.file[gap_at as usize..], 64);
    let edited = |edit: &dyn Fn(&mut Written)| {
        let mut written = recipe().write();
        edit(&mut written);
        written.file
    };
    vec![
        row("vhd-size-differs", "two sizes", "vhd.size.differ", end + 56, geometry(b"vpc ", (2, 4, 17))),
        row(
            "vhd-geometry-empty",
            "no geometry",
            "vhd.size.no-geometry",
            end + 56,
            geometry(b"vpc ", (0, 0, 0)),
        ),
        row("vhd-gap", "bytes before the footer", "vhd.fixed.gap", gap_at + 48, gap.file),
        row(
            "vhd-copy-damaged",
            "a damaged copy",
            "vhd.footer.copy",
            64,
            edited(&|written| written.file[100] ^= 1),
        ),
        row("vhd-copy-gone", "no copy", "vhd.footer.copy", 0, edited(&|written| written.file[..512].fill(0))),
        row(
            "vhd-footer-gone",
            "no footer",
            "vhd.footer.missing",
            end,
            edited(&|written| written.file.truncate(written.footer as usize)),
        ),
    ]
}

/// Maps of full blocks.
fn batmaps() -> Vec<AnomalousImage> {
    let tap = Vhd { creator: *b"tap\0", creator_version: 0x0001_0003, ..recipe() };
    let batmap = || Vhd { batmap: Some(0x0001_0002), ..tap.clone() }.write();
    let batmap_with = |at: u64, bytes: &[u8]| {
        let mut written = batmap();
        let at = written.batmap + at;
        put(&mut written.file, at, bytes);
        written.file
    };
    let batmap_at = batmap().batmap;
    vec![
        row(
            "vhd-batmap-sum",
            "a map of full blocks with a wrong sum",
            "vhd.batmap.checksum",
            batmap_at + 24,
            batmap_with(24, &[1, 2, 3, 4]),
        ),
        row(
            "vhd-batmap-far",
            "a map of full blocks after the file",
            "vhd.batmap.past-end",
            batmap_at + 8,
            batmap_with(8, &(1u64 << 40).to_be_bytes()),
        ),
        row(
            "vhd-batmap-none",
            "a map of full blocks without bits",
            "vhd.check.batmap-short",
            batmap_at + 16,
            batmap_with(16, &[0; 4]),
        ),
    ]
}

/// The table and the parent.
fn tables_and_parents() -> Vec<AnomalousImage> {
    // The table begins 4 bytes after a sector.
    let mut shifted = recipe().write();
    let bat = shifted.bat;
    shifted.file.copy_within(bat as usize..bat as usize + 24, bat as usize + 4);
    put(&mut shifted.file, bat, &[0xff; 4]);
    put(&mut shifted.file, HEADER + 16, &(bat + 4).to_be_bytes());
    seal(&mut shifted.file[HEADER as usize..][..1024], 36);
    let child = |parent| of(&Vhd { disk_type: 4, parent: Some(parent), ..recipe() });
    let unknown = Parent {
        uuid: [1; 16],
        name: "p.vhd".into(),
        locators: vec![(*b"W2ru", crate::vhd::encode::wide("p.vhd")), (*b"Mac ", vec![1, 2, 3])],
        ..Parent::default()
    };
    let unnamed = Parent { uuid: [1; 16], ..Parent::default() };
    let no_uuid = Parent { name: "p.raw".into(), ..Parent::default() };
    vec![
        row(
            "vhd-table-shifted",
            "a table between sectors",
            "vhd.check.bat-unaligned",
            HEADER + 16,
            shifted.file,
        ),
        row(
            "vhd-locator",
            "a locator of an old Mac",
            "vhd.locator.unknown",
            HEADER + 576 + 24,
            child(unknown),
        ),
        row("vhd-unnamed", "a parent without a name", "vhd.parent.unnamed", HEADER + 64, child(unnamed)),
        row("vhd-no-uuid", "a parent without an id", "vhd.parent.no-uuid", HEADER + 40, child(no_uuid)),
    ]
}

/// A dynamic image of so many blocks of 4 KiB (a power of two), stored in an order that no two of them follow each other: its length,
/// and the bytes that are not a hole (headers and table; the footer). No bit is set.
pub fn shuffled_vhd(blocks: u64) -> (u64, Vec<(u64, Vec<u8>)>) {
    let empty = Stored { bytes: Vec::new(), sectors: Vec::new() };
    let recipe = Vhd { blocks: [(0, empty)].into(), ..Vhd::new(3, blocks * 4096, 4096) };
    let Written { file, bat, footer, .. } = recipe.write();
    let first = (bat + blocks * 4).div_ceil(512);
    let mut head = file[..first as usize * 512].to_vec();
    for block in 0..blocks {
        // An odd factor reaches every number once.
        let place = block.wrapping_mul(0x9e37_79b1) % blocks;
        let sector = (first + place * 9) as u32;
        put(&mut head, bat + block * 4, &sector.to_be_bytes());
    }
    let end = (first + blocks * 9) * 512;
    (end + 512, vec![(0, head), (end, file[footer as usize..].to_vec())])
}
