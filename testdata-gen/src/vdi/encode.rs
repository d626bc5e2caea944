//! A writer of VDI, from the layout of its headers.

use std::collections::BTreeMap;

use crate::disk::mixed;
use crate::disk::put;
use crate::disk::{Noise, disk_of, text};
use crate::model::ImageFile;
use crate::model::{BrokenImage, Refused, Row, named};
use crate::model::{GoodImage, image};
use crate::{Cell, Qcow2};

/// What one entry of the map says.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// 0xfffffffe.
    Zero,
    /// A stored block.
    Data(Vec<u8>),
}

/// Which header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// Version 0.0 or 0.1: no offsets, no extra space, no parent's modification uuid.
    V0(u16),
    /// Version 1.0 or 1.1, with 384 bytes.
    V1(u16),
    /// Version 1.1 with a logical geometry: 400 bytes.
    V1Plus,
}

#[derive(Clone, Debug)]
pub(crate) struct Vdi {
    pub(crate) head: Head,
    pub(crate) kind: u32,
    pub(crate) size: u64,
    pub(crate) block_size: u64,
    pub(crate) extra: u64,
    /// Entries of the map beyond those that the disk needs.
    pub(crate) spare: u64,
    /// Blocks stand in the file last to first.
    pub(crate) reversed: bool,
    /// The file ends with the last byte that is read.
    pub(crate) tight: bool,
    pub(crate) uuid: u8,
    pub(crate) revision: u8,
    pub(crate) parent: u8,
    pub(crate) parent_revision: u8,
    /// Cylinders of 16 heads and 63 sectors.
    pub(crate) cylinders: u32,
    pub(crate) cells: BTreeMap<u64, Entry>,
}

/// The file, and what the broken images change.
pub(crate) struct Written {
    pub(crate) file: Vec<u8>,
    pub(crate) map: u64,
    pub(crate) data: u64,
}

impl Vdi {
    pub(crate) fn new(block_size: u64, size: u64) -> Self {
        Self {
            head: Head::V1Plus,
            kind: 1,
            size,
            block_size,
            extra: 0,
            spare: 0,
            reversed: false,
            tight: false,
            uuid: 1,
            revision: 2,
            parent: 0,
            parent_revision: 0,
            cylinders: 7,
            cells: BTreeMap::new(),
        }
    }

    /// All blocks of `disk` that are not zeros.
    pub(crate) fn with_disk(mut self, disk: &[u8]) -> Self {
        for (index, bytes) in (0..).zip(disk.chunks(self.block_size as usize)) {
            if bytes.iter().any(|byte| *byte != 0) {
                self.cells.insert(index, Entry::Data(bytes.to_vec()));
            }
        }
        self
    }

    /// All blocks of `disk`.
    fn with_all_of(mut self, disk: &[u8]) -> Self {
        let blocks = disk.chunks(self.block_size as usize).map(|bytes| Entry::Data(bytes.to_vec()));
        self.cells = (0..).zip(blocks).collect();
        self
    }

    fn blocks(&self) -> u64 {
        self.size.div_ceil(self.block_size) + self.spare
    }

    pub(crate) fn write(&self) -> Written {
        let (map, data) = match self.head {
            Head::V0(_) => (420, 420 + self.blocks() * 4),
            _ => (512, (512 + self.blocks() * 4).next_multiple_of(512)),
        };
        let mut entries = vec![u32::MAX; self.blocks() as usize];
        let stored = self.cells.values().filter(|cell| matches!(cell, Entry::Data(_))).count() as u32;
        let mut file = vec![0; (data + u64::from(stored) * (self.extra + self.block_size)) as usize];
        let (mut next, mut end) = (0, data as usize);
        for (index, cell) in &self.cells {
            entries[*index as usize] = match cell {
                Entry::Zero => u32::MAX - 1,
                Entry::Data(bytes) => {
                    let number = if self.reversed { stored - 1 - next } else { next };
                    let at = data + u64::from(number) * (self.extra + self.block_size);
                    put(&mut file, at, &vec![0xee; self.extra as usize]);
                    put(&mut file, at + self.extra, bytes);
                    end = end.max((at + self.extra) as usize + bytes.len());
                    next += 1;
                    number
                }
            };
        }
        if self.tight {
            file.truncate(end);
        }
        for (index, entry) in (0..).zip(&entries) {
            put(&mut file, map + index * 4, &entry.to_le_bytes());
        }
        put(&mut file, 0, &self.header(map, data, stored));
        Written { file, map, data }
    }

    fn header(&self, map: u64, data: u64, stored: u32) -> Vec<u8> {
        let mut head = b"<<< Oracle VM VirtualBox Disk Image >>>\n".to_vec();
        head.resize(64, 0);
        head.extend([0x7f, 0x10, 0xda, 0xbe]);
        let (major, minor) = match self.head {
            Head::V0(minor) => (0u16, minor),
            Head::V1(minor) => (1, minor),
            Head::V1Plus => (1, 1),
        };
        head.extend(minor.to_le_bytes());
        head.extend(major.to_le_bytes());
        if major == 1 {
            head.extend((if self.head == Head::V1Plus { 400u32 } else { 384 }).to_le_bytes());
        }
        head.extend(self.kind.to_le_bytes());
        head.extend(1u32.to_le_bytes());
        let comment = head.len() + 256;
        head.extend(b"a comment");
        head.resize(comment, 0);
        if major == 1 {
            head.extend((map as u32).to_le_bytes());
            head.extend((data as u32).to_le_bytes());
        }
        head.extend([self.cylinders, 16, 63, 512].iter().flat_map(|field| field.to_le_bytes()));
        if major == 1 {
            head.extend([0; 4]);
        }
        head.extend(self.size.to_le_bytes());
        head.extend((self.block_size as u32).to_le_bytes());
        if major == 1 {
            head.extend((self.extra as u32).to_le_bytes());
        }
        head.extend((self.blocks() as u32).to_le_bytes());
        head.extend(stored.to_le_bytes());
        for uuid in [self.uuid, self.revision, self.parent] {
            head.extend([uuid; 16]);
        }
        if major == 1 {
            head.extend([self.parent_revision; 16]);
        }
        if self.head == Head::V1Plus {
            head.extend([3u32, 255, 63, 512].iter().flat_map(|field| field.to_le_bytes()));
        }
        head
    }
}

fn vdi(name: &str, about: &'static str, recipe: &Vdi, disk: Vec<u8>) -> GoodImage {
    image(name, about, "vdi", recipe.write().file, disk)
}

/// Those that must be read right.
pub(crate) fn good() -> Vec<GoodImage> {
    let mut all = blocks();
    all.extend(variants());
    all.extend(chains());
    all
}

fn blocks() -> Vec<GoodImage> {
    let mut all = Vec::new();
    for (size, block) in
        [(300_000, 512), (700_001, 4096), (1_200_000, 65536), (3_500_001, 1 << 20), (9 << 20, 2 << 20)]
    {
        let disk = mixed(size);
        let recipe = Vdi::new(block, size as u64).with_disk(&disk);
        all.push(vdi(&format!("vdi-{block}"), "dynamic", &recipe, disk.clone()));
        let recipe = Vdi { kind: 2, tight: true, ..Vdi::new(block, size as u64) }.with_all_of(&disk);
        all.push(vdi(
            &format!("vdi-static-{block}"),
            "static, the last block ends where the disk does",
            &recipe,
            disk,
        ));
    }
    let disk = mixed(900_000);
    let odd = Vdi::new(1536, 900_000).with_disk(&disk);
    all.push(vdi("vdi-1536", "blocks whose size is no power of two", &odd, disk));
    // A page of the map has 1024 entries: one less, as many, one more; with blocks of a sector.
    for sectors in [1, 1023, 1024, 1025] {
        let mut disk = mixed(sectors * 512);
        disk[sectors * 512 - 1] = 1;
        let recipe = Vdi::new(512, disk.len() as u64).with_disk(&disk);
        all.push(vdi(&format!("vdi-sectors-{sectors}"), "about a page of the map", &recipe, disk));
    }
    all
}

fn variants() -> Vec<GoodImage> {
    let disk = mixed(1_000_000);
    let base = Vdi::new(65536, 1_000_000).with_disk(&disk);
    let with = |head| Vdi { head, ..base.clone() };
    let mut zeros = base.clone();
    zeros.cells.insert(1, Entry::Zero);
    zeros.cells.insert(9, Entry::Zero);
    let mut without = disk.clone();
    without[1 << 16..2 << 16].fill(0);
    without[9 << 16..10 << 16].fill(0);
    let all = [
        ("vdi-0.0", "version 0.0: the map follows the header", with(Head::V0(0))),
        ("vdi-0.1", "version 0.1: the map follows the header", with(Head::V0(1))),
        ("vdi-1.0", "version 1.0", with(Head::V1(0))),
        ("vdi-1.1", "version 1.1 without a logical geometry", with(Head::V1(1))),
        ("vdi-extra-512", "a sector before each block", Vdi { extra: 512, ..base.clone() }),
        ("vdi-extra-100", "100 bytes before each block", Vdi { extra: 100, tight: true, ..base.clone() }),
        ("vdi-reversed", "blocks last to first", Vdi { reversed: true, ..base.clone() }),
        ("vdi-spare", "a map of more blocks than the disk has", Vdi { spare: 5000, ..base.clone() }),
        (
            "vdi-stored-in-full",
            "a static image with zeros",
            Vdi { kind: 2, ..base.clone() }.with_all_of(&disk),
        ),
    ];
    let mut all: Vec<_> =
        all.into_iter().map(|(name, about, recipe)| vdi(name, about, &recipe, disk.clone())).collect();
    let disk = mixed(2_500_000);
    let extra = Vdi { extra: 512, ..Vdi::new(1 << 20, 2_500_000) }.with_disk(&disk);
    all.push(vdi("vdi-extra-1048576", "a sector before each block of a MiB", &extra, disk));
    all.push(vdi("vdi-zero-blocks", "blocks of zeros by their entry", &zeros, without));
    all.push(vdi("vdi-empty", "a disk of nothing", &Vdi::new(1 << 20, 0), Vec::new()));
    all.push(vdi("vdi-nothing-stored", "no block at all", &Vdi::new(4096, 3 << 20), vec![0; 3 << 20]));
    all
}

/// A child's recipe over the image that calls itself `parent`, and its disk over `below`.
fn over(below: &[u8], size: usize, uuid: u8, parent: u8) -> (Vdi, Vec<u8>) {
    let bytes = Noise::new(uuid.into()).bytes(1 << 16);
    let at = usize::from(uuid % 4) << 16;
    let mut disk = below.to_vec();
    disk.resize(size, 0);
    disk[at..at + (1 << 16)].copy_from_slice(&bytes);
    disk[4 << 16..5 << 16].fill(0);
    let mut recipe = Vdi { kind: 4, uuid, parent, parent_revision: 2, ..Vdi::new(1 << 16, size as u64) };
    recipe.cells.insert(at as u64 >> 16, Entry::Data(bytes));
    recipe.cells.insert(4, Entry::Zero);
    (recipe, disk)
}

fn base(disk: &[u8], uuid: u8) -> Vec<u8> {
    Vdi { uuid, ..Vdi::new(4096, disk.len() as u64) }.with_disk(disk).write().file
}

/// Uuids are unique over all images, which share a folder in the tests.
fn chains() -> Vec<GoodImage> {
    let below = mixed(600_000);
    let file = |name: &str, bytes| ImageFile { name: format!("{name}.vdi"), bytes };
    let mut all = Vec::new();
    for (name, about, size, kind, head, uuid) in [
        ("vdi-over-vdi", "a differencing image", 600_000, 4, Head::V1Plus, 0x11),
        ("vdi-undo", "an undo image", 600_000, 3, Head::V1(1), 0x21),
        ("vdi-over-vdi-0.1", "a differencing image of version 0.1", 600_000, 4, Head::V0(1), 0x31),
        ("vdi-over-shorter", "a parent shorter than the disk", 900_000, 4, Head::V1Plus, 0x41),
        ("vdi-over-longer", "a parent longer than the disk", 400_000, 4, Head::V1Plus, 0x51),
    ] {
        let (recipe, disk) = over(&below, size, uuid, uuid + 1);
        let recipe = Vdi { head, kind, ..recipe };
        let mut image = vdi(name, about, &recipe, disk);
        image.files.push(file(&format!("{name}-base"), base(&below, uuid + 1)));
        all.push(image);
    }
    let (middle, disk) = over(&below, 600_000, 0x62, 0x63);
    let (top, disk) = over(&disk, 600_000, 0x61, 0x62);
    let mut image = vdi("vdi-chain-of-three", "VDI over VDI over VDI", &top, disk);
    image.files.push(file("vdi-chain-of-three-middle", middle.write().file));
    image.files.push(file("vdi-chain-of-three-base", base(&below, 0x63)));
    all.push(image);
    all.push(under_qcow2(&below));
    all
}

/// Names and identities in one chain.
fn under_qcow2(below: &[u8]) -> GoodImage {
    let (middle, mut disk) = over(below, 600_000, 0x71, 0x72);
    let bytes = text(1 << 16);
    disk[5 << 16..6 << 16].copy_from_slice(&bytes);
    let mut top = Qcow2::new(16, 600_000);
    top.cells.insert(5, Cell::Data(bytes));
    top.backing = Some(("qcow2-over-vdi-middle.vdi".into(), Some("vdi".into())));
    let mut image = image("qcow2-over-vdi", "QCOW2 over VDI over VDI", "qcow2", top.write().file, disk);
    // qemu-img cannot read what is below it.
    image.format = "vdi";
    let file = |name: &str, bytes| ImageFile { name: name.into(), bytes };
    image.files.push(file("qcow2-over-vdi-middle.vdi", middle.write().file));
    image.files.push(file("qcow2-over-vdi-base.vdi", base(below, 0x72)));
    image
}

fn recipe() -> Vdi {
    let disk = disk_of(
        (1 << 20) + 700,
        &[(0, text(65536)), (3 << 16, Noise::new(1).bytes(65536)), (1 << 20, vec![7; 700])],
    );
    Vdi::new(1 << 16, disk.len() as u64).with_disk(&disk)
}

/// Those that must be refused.
pub(crate) fn broken() -> Vec<BrokenImage> {
    let mut all: Vec<_> = headers().into_iter().chain(maps()).map(|row| named("vdi", row)).collect();
    all.extend(parents());
    all
}

fn edited(at: u64, bytes: &[u8]) -> Vec<u8> {
    let mut file = recipe().write().file;
    put(&mut file, at, bytes);
    file
}

fn headers() -> Vec<Row> {
    use Refused::AtOpen;
    let whole = recipe().write().file;
    let old = Vdi { head: Head::V0(1), ..recipe() }.write().file;
    let field =
        |name, about, code, at: u64, bytes: &[u8]| (name, about, AtOpen, code, Some(at), edited(at, bytes));
    vec![
        (
            "vdi-cut-text",
            "the file ends in its text",
            AtOpen,
            "vdi.header.cut",
            Some(30),
            whole[..30].to_vec(),
        ),
        (
            "vdi-cut-header",
            "the file ends in its header",
            AtOpen,
            "vdi.header.cut",
            Some(400),
            whole[..400].to_vec(),
        ),
        (
            "vdi-cut-header-0.1",
            "an old header, cut",
            AtOpen,
            "vdi.header.cut",
            Some(419),
            old[..419].to_vec(),
        ),
        field("vdi-version-2", "a version that is not known", "vdi.header.version", 68, &[0, 0, 2, 0]),
        field(
            "vdi-version-1.2",
            "a minor version that is not known",
            "vdi.header.version",
            68,
            &[2, 0, 1, 0],
        ),
        field("vdi-header-size-383", "a header too short", "vdi.header.field", 72, &[0x7f, 1, 0, 0]),
        (
            "vdi-header-size-huge",
            "a header longer than the file",
            AtOpen,
            "vdi.header.cut",
            Some(whole.len() as u64),
            edited(72, &[0xff; 4]),
        ),
        field("vdi-type-0", "an invalid image type", "vdi.header.type", 76, &[0; 4]),
        field("vdi-type-5", "an image type that is not known", "vdi.header.type", 76, &[5, 0, 0, 0]),
        field("vdi-sector-4096", "sectors of 4 KiB", "vdi.header.sector-size", 360, &[0, 16, 0, 0]),
        field("vdi-block-size-0", "blocks of nothing", "vdi.header.field", 376, &[0; 4]),
        field("vdi-block-size-odd", "blocks that are no sectors", "vdi.header.field", 376, &[1, 0, 1, 0]),
        field(
            "vdi-block-size-smaller",
            "a map too short for such blocks",
            "vdi.map.too-short",
            384,
            &[16, 0, 0, 0],
        ),
        (
            "vdi-bomb-size",
            "a disk of 16 EiB",
            AtOpen,
            "vdi.map.too-short",
            Some(384),
            edited(368, &[0xff; 8]),
        ),
        (
            "vdi-bomb-map",
            "a map of 2^32 - 1 blocks",
            AtOpen,
            "vdi.map.past-end",
            Some(340),
            edited(384, &[0xff; 4]),
        ),
        field("vdi-map-past-end", "a map behind the file's end", "vdi.map.past-end", 340, &[0, 0, 0, 0x7f]),
        field("vdi-link-of-dynamic", "a link in an image without a parent", "vdi.header.link", 424, &[9; 16]),
        (
            "vdi-no-link",
            "a differencing image without a link",
            AtOpen,
            "vdi.header.link",
            Some(424),
            edited(76, &[4, 0, 0, 0]),
        ),
    ]
}

fn maps() -> Vec<Row> {
    use Refused::AtRead;
    let Written { file, map, data } = recipe().write();
    let stored = |number: u64| data + (number << 16);
    // Entries 0, 3 and 16 name blocks 0, 1 and 2.
    let entry = |index: u64, number: u32| edited(map + index * 4, &number.to_le_bytes());
    let mut unallocated = file.clone();
    put(&mut unallocated, 388, &2u32.to_le_bytes());
    let mut many = entry(3, 3);
    put(&mut many, 388, &100u32.to_le_bytes());
    let mut bomb = entry(3, 0x7fff_ffff);
    put(&mut bomb, 388, &[0xff; 4]);
    let mut no_extra = many.clone();
    put(&mut no_extra, map + 12, &1u32.to_le_bytes());
    put(&mut no_extra, 380, &[0xff; 4]);
    vec![
        (
            "vdi-entry-past-allocated",
            "a block that is not allocated",
            AtRead,
            "vdi.block.past-allocated",
            Some(map + 12),
            entry(3, 3),
        ),
        (
            "vdi-allocated-too-few",
            "a header that knows of fewer blocks",
            AtRead,
            "vdi.block.past-allocated",
            Some(map + 64),
            unallocated,
        ),
        (
            "vdi-entry-at-end",
            "a block where the file ends",
            AtRead,
            "vdi.block.past-end",
            Some(map + 12),
            many,
        ),
        ("vdi-entry-bomb", "a block at 2^47", AtRead, "vdi.block.past-end", Some(map + 12), bomb),
        ("vdi-extra-bomb", "4 GiB before each block", AtRead, "vdi.block.past-end", Some(map), no_extra),
        (
            "vdi-two-entries-one-block",
            "one block used twice",
            AtRead,
            "claims.overlap",
            Some(stored(0)),
            entry(3, 0),
        ),
        (
            "vdi-data-in-header",
            "data that begin in the header",
            AtRead,
            "claims.overlap",
            Some(0),
            edited(344, &[0; 4]),
        ),
        (
            "vdi-data-in-map",
            "data that begin in the map",
            AtRead,
            "claims.overlap",
            Some(map),
            edited(344, &(map as u32).to_le_bytes()),
        ),
        (
            "vdi-map-in-header",
            "a map in the header",
            AtRead,
            "claims.overlap",
            Some(404),
            edited(340, &404u32.to_le_bytes()),
        ),
        (
            "vdi-cut",
            "the last bytes of the disk are gone",
            AtRead,
            "vdi.block.past-end",
            Some(map + 64),
            file[..stored(2) as usize + 699].to_vec(),
        ),
        (
            "vdi-all-zero-map",
            "a map of zeros",
            AtRead,
            "claims.overlap",
            Some(stored(0)),
            edited(map, &[0; 17 * 4]),
        ),
    ]
}

/// Children whose parents are not what they must be. Their uuids are in no other image.
fn parents() -> Vec<BrokenImage> {
    use Refused::AtOpen;
    let below = mixed(400_000);
    let child = |uuid: u8, parent: u8| over(&below, 400_000, uuid, parent).0.write().file;
    let broken = |name: &'static str, about, code, at, files: Vec<(&str, Vec<u8>)>| {
        let files =
            files.into_iter().map(|(part, bytes)| ImageFile { name: format!("{name}{part}.vdi"), bytes });
        BrokenImage { name, about, files: files.collect(), refused: AtOpen, code, at: Some(at) }
    };
    vec![
        broken("vdi-orphan", "no parent", "open.parent.not-found", 424, vec![("", child(0x81, 0x82))]),
        broken(
            "vdi-twins",
            "two files that call themselves the parent",
            "open.parent.several",
            424,
            vec![("", child(0x83, 0x84)), ("-a", base(&below, 0x84)), ("-b", base(&below, 0x84))],
        ),
        broken("vdi-own-parent", "its own parent", "open.chain.cycle", 424, vec![("", child(0x85, 0x85))]),
        broken(
            "vdi-cycle",
            "each the parent of the other",
            "open.chain.cycle",
            424,
            vec![("", child(0x86, 0x87)), ("-below", child(0x87, 0x86))],
        ),
        broken(
            "vdi-broken-parent",
            "a parent that is cut",
            "open.parent.not-found",
            424,
            vec![("", child(0x88, 0x89)), ("-below", base(&below, 0x89)[..450].to_vec())],
        ),
    ]
}
