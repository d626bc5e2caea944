//! A writer of QCOW version 1, from QEMU's header and table layout, and its images.

use std::collections::BTreeMap;

use flate2::{Compress, Compression, FlushCompress, Status};

use crate::disk::mixed;
use crate::disk::put;
use crate::disk::{Noise, text};
use crate::model::ImageFile;
use crate::model::{BrokenImage, Refused, Row, named};
use crate::model::{GoodImage, image};

/// What one guest cluster is stored as; always a whole cluster.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Data(Vec<u8>),
    Compressed(Vec<u8>),
}

/// What follows the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Xen {
    /// No extension.
    No,
    /// Tapdisk's extension, with these flags; the L1 table on a page.
    Flags(u32),
}

#[derive(Clone, Debug)]
pub(crate) struct Qcow {
    pub(crate) cluster_bits: u8,
    pub(crate) l2_bits: u8,
    pub(crate) size: u64,
    pub(crate) cells: BTreeMap<u64, Cell>,
    pub(crate) backing: Option<String>,
    pub(crate) crypt: u32,
    pub(crate) mtime: u32,
    pub(crate) xen: Xen,
    /// Data last to first, before its tables.
    pub(crate) shuffled: bool,
}

pub(crate) struct Written {
    pub(crate) file: Vec<u8>,
    pub(crate) l1: u64,
    /// File offset of the L2 entry of each stored cluster.
    pub(crate) entries: BTreeMap<u64, u64>,
    pub(crate) places: BTreeMap<u64, u64>,
}

impl Qcow {
    pub(crate) fn new(cluster_bits: u8, l2_bits: u8, size: u64) -> Self {
        Self {
            cluster_bits,
            l2_bits,
            size,
            cells: BTreeMap::new(),
            backing: None,
            crypt: 0,
            mtime: 0,
            xen: Xen::No,
            shuffled: false,
        }
    }

    pub(crate) fn with_disk(mut self, disk: &[u8], cell: impl Fn(u64, Vec<u8>) -> Cell) -> Self {
        let cluster = 1usize << self.cluster_bits;
        for (index, bytes) in (0..).zip(disk.chunks(cluster)) {
            if bytes.iter().any(|byte| *byte != 0) {
                let mut whole = bytes.to_vec();
                whole.resize(cluster, 0);
                self.cells.insert(index, cell(index, whole));
            }
        }
        self
    }

    pub(crate) fn write(&self) -> Written {
        let (cluster, table) = (1u64 << self.cluster_bits, 1u64 << self.l2_bits);
        let mut file = self.head();
        let start = if self.xen == Xen::No { file.len().next_multiple_of(8) } else { 4096 };
        let (l1, tables) = (start as u64, self.size.div_ceil(cluster * table));
        file[40..48].copy_from_slice(&l1.to_be_bytes());
        file.resize(start + tables as usize * 8, 0);
        let mut written = Written { file, l1, entries: BTreeMap::new(), places: BTreeMap::new() };
        let mut stored = BTreeMap::new();
        for (index, cell) in self.cells.iter().rev().filter(|_| self.shuffled) {
            stored.insert(*index, self.store(&mut written.file, cell));
        }
        for (index, cell) in &self.cells {
            let slot = l1 + index / table * 8;
            let mut at = u64_at(&written.file, slot);
            if at == 0 {
                at = (written.file.len() as u64).next_multiple_of(cluster);
                written.file.resize((at + table * 8) as usize, 0);
                put(&mut written.file, slot, &at.to_be_bytes());
            }
            let entry = at + index % table * 8;
            let (bits, place) = stored.remove(index).unwrap_or_else(|| self.store(&mut written.file, cell));
            put(&mut written.file, entry, &bits.to_be_bytes());
            written.entries.insert(*index, entry);
            written.places.insert(*index, place);
        }
        written
    }

    fn head(&self) -> Vec<u8> {
        let mut head = Vec::new();
        head.extend(b"QFI\xfb");
        head.extend(1u32.to_be_bytes());
        head.extend([0; 12]); // the backing file's name: below
        head.extend(self.mtime.to_be_bytes());
        head.extend(self.size.to_be_bytes());
        head.extend([self.cluster_bits, self.l2_bits, 0, 0]);
        head.extend(self.crypt.to_be_bytes());
        head.extend([0; 8]);
        if let Xen::Flags(flags) = self.xen {
            head.extend(b"XEN\xfb");
            head.extend([0; 8]);
            head.extend(flags.to_be_bytes());
        }
        if let Some(name) = &self.backing {
            let at = head.len() as u64;
            put(&mut head, 8, &at.to_be_bytes());
            put(&mut head, 16, &(name.len() as u32).to_be_bytes());
            head.extend(name.as_bytes());
        }
        head
    }

    /// Entry and place of one cluster. A plain one begins on a multiple of its size, a
    /// compressed one at the file's end, wherever that is.
    fn store(&self, file: &mut Vec<u8>, cell: &Cell) -> (u64, u64) {
        let bits = u32::from(self.cluster_bits);
        if let Cell::Compressed(bytes) = cell
            && let Some(payload) = deflate(bytes)
        {
            let (at, len) = (file.len() as u64, payload.len() as u64);
            file.extend(payload);
            return (1 << 63 | len << (63 - bits) | at, at);
        }
        let (Cell::Data(bytes) | Cell::Compressed(bytes)) = cell;
        let at = file.len().next_multiple_of(1 << bits);
        file.resize(at, 0);
        file.extend(bytes);
        (at as u64, at as u64)
    }
}

/// A raw stream with a window of 4 KiB; nothing if that is no smaller than the bytes.
fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut compressor = Compress::new_with_window_bits(Compression::new(6), false, 12);
    let status = compressor.compress_vec(bytes, &mut out, FlushCompress::Finish).ok()?;
    (status == Status::StreamEnd && out.len() < bytes.len()).then_some(out)
}

pub(crate) fn u64_at(file: &[u8], at: u64) -> u64 {
    let bytes = &file[at as usize..at as usize + 8];
    u64::from_be_bytes(bytes.try_into().unwrap_or_default())
}

fn plain(_: u64, bytes: Vec<u8>) -> Cell {
    Cell::Data(bytes)
}

fn compressed(_: u64, bytes: Vec<u8>) -> Cell {
    Cell::Compressed(bytes)
}

fn some_compressed(index: u64, bytes: Vec<u8>) -> Cell {
    if index.is_multiple_of(3) { Cell::Data(bytes) } else { Cell::Compressed(bytes) }
}

fn qcow(name: &str, about: &'static str, recipe: &Qcow, disk: Vec<u8>) -> GoodImage {
    image(name, about, "qcow", recipe.write().file, disk)
}

/// Images that must be read right.
pub(crate) fn good() -> Vec<GoodImage> {
    let mut all = Vec::new();
    // The smallest and largest of both sizes, QEMU's two choices (12 and 9, 9 and 12), one between.
    for (bits, l2_bits) in [(9, 6), (9, 12), (12, 9), (14, 7), (16, 6), (16, 13)] {
        let disk = mixed((5 << bits).max(200_000) + 1234);
        let recipe = Qcow::new(bits, l2_bits, disk.len() as u64);
        let name = |kind| format!("qcow-{kind}-{bits}-{l2_bits}");
        let plain = recipe.clone().with_disk(&disk, plain);
        all.push(qcow(&name("plain"), "plain clusters", &plain, disk.clone()));
        let compressed = recipe.clone().with_disk(&disk, compressed);
        all.push(qcow(&name("compressed"), "deflated clusters", &compressed, disk.clone()));
        let shuffled = Qcow { shuffled: true, ..recipe }.with_disk(&disk, some_compressed);
        all.push(qcow(&name("shuffled"), "data last to first, before its tables", &shuffled, disk));
    }
    all.extend(sizes());
    all.extend(features());
    all.extend(chains());
    all
}

/// A table of 64 entries of 512 bytes covers 32 KiB.
fn sizes() -> Vec<GoodImage> {
    let sized = |size: usize| {
        let disk = Noise::new(size as u64).bytes(size);
        let recipe = Qcow::new(9, 6, size as u64).with_disk(&disk, some_compressed);
        qcow(&format!("qcow-size-{size}"), "sizes around what a table covers", &recipe, disk)
    };
    [0, 1, 511, 512, 32_767, 32_768, 32_769, 33_280].into_iter().map(sized).collect()
}

fn features() -> Vec<GoodImage> {
    let disk = mixed(500_000);
    let base = Qcow::new(12, 9, 500_000).with_disk(&disk, some_compressed);
    let xen = Qcow { xen: Xen::Flags(3), ..base.clone() };
    // Only the part of the last cluster that the disk reaches is there.
    let mut ends = Qcow::new(12, 9, 500_000).with_disk(&disk, plain).write().file;
    ends.truncate(ends.len() - 4096 + 500_000 % 4096);
    let mut zeros = base.clone();
    zeros.cells.insert(50, Cell::Data(vec![0; 4096]));
    zeros.cells.insert(51, Cell::Compressed(vec![0; 4096]));
    let mut with_zeros = disk.clone();
    with_zeros[50 << 12..52 << 12].fill(0);
    vec![
        qcow("qcow-xen", "tapdisk's extension of the header", &xen, disk.clone()),
        image("qcow-ends-with-disk", "a last cluster as long as the disk", "qcow", ends, disk),
        qcow("qcow-allocated-zeros", "clusters of zeros, plain and compressed", &zeros, with_zeros),
        qcow("qcow-nothing-stored", "no cluster at all", &Qcow::new(9, 6, 3 << 20), vec![0; 3 << 20]),
    ]
}

/// Overlays that store cluster 2 over other images.
fn chains() -> Vec<GoodImage> {
    let below = mixed(300_000);
    let stored = Noise::new(9).bytes(1 << 12);
    let chain = |name: &str, about, size: usize, base: Vec<ImageFile>| {
        let mut disk = below.clone();
        disk.resize(size, 0);
        disk[2 << 12..3 << 12].copy_from_slice(&stored);
        let mut top = Qcow::new(12, 9, size as u64);
        top.cells.insert(2, Cell::Data(stored.clone()));
        top.backing = Some(base[0].name.clone());
        top.mtime = 1_200_000_000;
        let mut image = qcow(name, about, &top, disk);
        image.files.extend(base);
        image
    };
    let raw = |name: &str| ImageFile { name: format!("{name}.base"), bytes: below.clone() };
    let middle = |name: &str| {
        let middle = Qcow { backing: Some(format!("{name}.base")), ..Qcow::new(9, 12, below.len() as u64) };
        ImageFile { name: format!("{name}.middle"), bytes: middle.write().file }
    };
    let compressed = Qcow::new(16, 13, below.len() as u64).with_disk(&below, compressed);
    let compressed = ImageFile { name: "qcow-over-qcow.base".into(), bytes: compressed.write().file };
    vec![
        chain("qcow-over-raw", "a RAW backing file", 300_000, vec![raw("qcow-over-raw")]),
        chain("qcow-over-shorter", "a shorter backing file", 500_000, vec![raw("qcow-over-shorter")]),
        chain("qcow-over-longer", "a longer backing file", 100_000, vec![raw("qcow-over-longer")]),
        chain("qcow-over-qcow", "QCOW over QCOW", 300_000, vec![compressed]),
        chain(
            "qcow-chain-of-three",
            "QCOW over QCOW over RAW",
            300_000,
            vec![middle("qcow-chain-of-three"), raw("qcow-chain-of-three")],
        ),
    ]
}

/// 1 MiB: clusters 0 and 2 plain, 3 compressed.
fn recipe() -> Qcow {
    let mut recipe = Qcow::new(12, 9, 4 << 20);
    recipe.cells = BTreeMap::from([
        (0, Cell::Data(text(1 << 12))),
        (2, Cell::Data(Noise::new(1).bytes(1 << 12))),
        (3, Cell::Compressed(text(1 << 12))),
        (600, Cell::Data(text(1 << 12))),
    ]);
    recipe
}

/// Images that must be refused.
pub(crate) fn broken() -> Vec<BrokenImage> {
    let mut all: Vec<_> = headers().into_iter().map(|row| named("qcow", row)).collect();
    all.extend(tables().into_iter().map(|row| named("qcow", row)));
    all.extend(names());
    all
}

fn headers() -> Vec<Row> {
    use Refused::{AtOpen, AtRead};
    let written = recipe().write();
    let with = |at: u64, bytes: &[u8]| {
        let mut file = written.file.clone();
        put(&mut file, at, bytes);
        file
    };
    let field =
        |name, about, at, bytes: &[u8]| (name, about, AtOpen, "qcow.header.field", Some(at), with(at, bytes));
    let past = |name, about, at, bytes: &[u8]| {
        (name, about, AtOpen, "qcow.table.past-end", Some(at), with(at, bytes))
    };
    let encrypted = |name, about, crypt| {
        (name, about, AtRead, "qcow.header.encrypted", Some(36), Qcow { crypt, ..recipe() }.write().file)
    };
    vec![
        (
            "qcow-cut-header",
            "the file ends in its header",
            AtOpen,
            "qcow.header.cut",
            Some(47),
            written.file[..47].to_vec(),
        ),
        (
            "qcow-version-0",
            "a version that never was",
            AtOpen,
            "qcow.header.version",
            Some(4),
            with(4, &[0; 4]),
        ),
        field("qcow-cluster-bits-8", "clusters too small", 32, &[8]),
        field("qcow-cluster-bits-17", "clusters too large", 32, &[17]),
        field("qcow-l2-bits-5", "tables too small", 33, &[5]),
        field("qcow-l2-bits-14", "tables too large", 33, &[14]),
        field("qcow-l1-in-header", "an L1 table in the header", 40, &40u64.to_be_bytes()),
        past("qcow-l1-past-end", "an L1 table behind the file's end", 40, &(1u64 << 40).to_be_bytes()),
        past("qcow-l1-overflow", "an L1 table at the end of all numbers", 40, &[0xff; 8]),
        past("qcow-size-bomb", "a disk of 2^64 - 1 bytes", 40, &[]),
        encrypted("qcow-aes", "AES", 1),
        encrypted("qcow-crypt-2", "an encryption that does not exist", 2),
        (
            "qcow-xen-native-l1",
            "tapdisk's extension without its flag",
            AtRead,
            "qcow.header.native-l1",
            Some(60),
            Qcow { xen: Xen::Flags(1), ..recipe() }.write().file,
        ),
    ]
    .into_iter()
    .map(|mut row: Row| {
        if row.0 == "qcow-size-bomb" {
            put(&mut row.5, 24, &[0xff; 8]);
        }
        row
    })
    .collect()
}

fn tables() -> Vec<Row> {
    use Refused::AtRead;
    let written = recipe().write();
    let (l1, first, second) = (written.l1, written.entries[&0], written.entries[&2]);
    let (third, far) = (written.entries[&3], written.entries[&600]);
    let with = |at: u64, value: u64| {
        let mut file = written.file.clone();
        put(&mut file, at, &value.to_be_bytes());
        file
    };
    let payload = |at: u64, len: u64| 1u64 << 63 | len << 51 | at;
    let (place, len) = (written.places[&3], u64_at(&written.file, third) << 1 >> 52);
    let overlap = "claims.overlap";
    let (entry, past) = ("qcow.table.entry", "qcow.l2.past-end");
    let garbage = {
        let mut file = written.file.clone();
        put(&mut file, place, &[0xff; 8]);
        file
    };
    let repeated = {
        let mut repeated = Qcow { size: 8 << 30, ..recipe() }.write();
        let table = u64_at(&repeated.file, repeated.l1);
        (0..4096).for_each(|index| put(&mut repeated.file, repeated.l1 + index * 8, &table.to_be_bytes()));
        (table, repeated.file)
    };
    let end = written.file.len();
    let two_data = written.places[&600];
    vec![
        (
            "qcow-l1-entry-past-end",
            "a table behind the file's end",
            AtRead,
            "qcow.table.past-end",
            Some(l1 + 8),
            with(l1 + 8, 1 << 40),
        ),
        (
            "qcow-l1-entry-flag",
            "an L1 entry with a flag",
            AtRead,
            "qcow.table.past-end",
            Some(l1),
            with(l1, first | 1 << 63),
        ),
        ("qcow-l1-entry-unaligned", "a table between clusters", AtRead, entry, Some(l1), with(l1, first + 8)),
        (
            "qcow-table-shared",
            "one table for two parts of the disk",
            AtRead,
            overlap,
            Some(first),
            with(l1 + 8, first),
        ),
        (
            "qcow-table-repeated",
            "one table for all parts of the disk",
            AtRead,
            overlap,
            Some(repeated.0),
            repeated.1,
        ),
        (
            "qcow-l2-entry-past-end",
            "data behind the file's end",
            AtRead,
            past,
            Some(second),
            with(second, 1 << 40),
        ),
        (
            "qcow-l2-entry-bomb",
            "data at 2^63 - 4096",
            AtRead,
            past,
            Some(second),
            with(second, (1 << 63) - 4096),
        ),
        (
            "qcow-l2-entry-unaligned",
            "data between clusters",
            AtRead,
            entry,
            Some(second),
            with(second, written.places[&2] + 512),
        ),
        (
            "qcow-data-shared",
            "one cluster used twice",
            AtRead,
            overlap,
            Some(written.places[&0]),
            with(second, written.places[&0]),
        ),
        ("qcow-data-in-l2", "data in its own table", AtRead, overlap, Some(first), with(second, first)),
        (
            "qcow-compressed-in-header",
            "a payload in the header",
            AtRead,
            overlap,
            Some(8),
            with(third, payload(8, 20)),
        ),
        (
            "qcow-compressed-in-l1",
            "a payload in the L1 table",
            AtRead,
            overlap,
            Some(l1),
            with(third, payload(l1, 8)),
        ),
        (
            "qcow-compressed-in-data",
            "a payload inside another cluster",
            AtRead,
            overlap,
            Some(two_data + 100),
            with(third, payload(two_data + 100, 20)),
        ),
        (
            "qcow-compressed-shared",
            "one payload used twice",
            AtRead,
            overlap,
            Some(place),
            with(second, payload(place, len)),
        ),
        (
            "qcow-compressed-empty",
            "a payload of no bytes",
            AtRead,
            entry,
            Some(third),
            with(third, payload(place, 0)),
        ),
        (
            "qcow-compressed-past-end",
            "a payload that runs past the file's end",
            AtRead,
            past,
            Some(third),
            with(third, payload(end as u64 - 10, 11)),
        ),
        (
            "qcow-compressed-short",
            "a payload without its last byte",
            AtRead,
            "codec.unpack.short",
            Some(place),
            with(third, payload(place, len / 2)),
        ),
        (
            "qcow-compressed-garbage",
            "a payload that is no deflate stream",
            AtRead,
            "codec.unpack.garbage",
            Some(place),
            garbage,
        ),
        (
            "qcow-cut-in-data",
            "the last cluster is cut",
            AtRead,
            past,
            Some(far),
            written.file[..end - 1].to_vec(),
        ),
    ]
}

fn names() -> Vec<BrokenImage> {
    let over = |name: &'static str, about, backing: &str, code| {
        let top = Qcow { backing: Some(backing.into()), ..recipe() };
        named("qcow", (name, about, Refused::AtOpen, code, None, top.write().file))
    };
    let mut all = vec![
        over("qcow-backing-missing", "no such backing file", "gone.raw", "open.name.missing"),
        over("qcow-backing-absolute", "a file elsewhere", "/etc/passwd", "open.gate.outside"),
        over("qcow-backing-nbd", "a server instead of a name", "nbd://127.0.0.1/x", "open.name.protocol"),
        over("qcow-backing-itself", "its own backing file", "qcow-backing-itself.qcow", "open.chain.cycle"),
        over(
            "qcow-backing-cycle",
            "the backing file's backing file",
            "qcow-backing-cycle.other",
            "open.chain.cycle",
        ),
    ];
    let other = Qcow { backing: Some("qcow-backing-cycle.qcow".into()), ..recipe() };
    if let Some(cycle) = all.last_mut() {
        cycle.files.push(ImageFile { name: "qcow-backing-cycle.other".into(), bytes: other.write().file });
    }
    let with = |at: u64, bytes: &[u8]| {
        let mut file = Qcow { backing: Some("base.raw".into()), ..recipe() }.write().file;
        put(&mut file, at, bytes);
        file
    };
    let rows: Vec<Row> = vec![
        (
            "qcow-name-in-header",
            "a name in the header",
            Refused::AtOpen,
            "qcow.header.field",
            Some(8),
            with(8, &4u64.to_be_bytes()),
        ),
        (
            "qcow-name-empty",
            "a name of no bytes",
            Refused::AtOpen,
            "qcow.header.field",
            Some(16),
            with(16, &[0; 4]),
        ),
        (
            "qcow-name-bomb",
            "a name of 4 GiB",
            Refused::AtOpen,
            "qcow.header.field",
            Some(16),
            with(16, &[0xff; 4]),
        ),
        (
            "qcow-name-past-end",
            "a name behind the file's end",
            Refused::AtOpen,
            "qcow.table.past-end",
            Some(8),
            with(8, &[0xff; 8]),
        ),
    ];
    all.extend(rows.into_iter().map(|row| named("qcow", row)));
    all
}
