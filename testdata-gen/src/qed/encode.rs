//! A writer of QED, from the specification (QEMU's `docs/interop/qed_spec.rst`), and its images.

use std::collections::BTreeMap;

use crate::disk::mixed;
use crate::disk::put;
use crate::disk::{Noise, text};
use crate::model::ImageFile;
use crate::model::{BrokenImage, Refused, Row, named};
use crate::model::{GoodImage, image};

/// What one guest cluster is stored as.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// A whole cluster.
    Data(Vec<u8>),
    Zero,
}

#[derive(Clone, Debug)]
pub(crate) struct Qed {
    pub(crate) cluster: usize,
    /// Clusters of a table.
    pub(crate) table: u32,
    /// Clusters of the header.
    pub(crate) header: u32,
    pub(crate) size: u64,
    pub(crate) cells: BTreeMap<u64, Cell>,
    /// Name, and whether it is declared RAW.
    pub(crate) backing: Option<(String, bool)>,
    /// Further bits of the three feature fields.
    pub(crate) features: [u64; 3],
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

impl Qed {
    pub(crate) fn new(cluster: usize, table: u32, size: u64) -> Self {
        Self {
            cluster,
            table,
            header: 1,
            size,
            cells: BTreeMap::new(),
            backing: None,
            features: [0; 3],
            shuffled: false,
        }
    }

    pub(crate) fn with_disk(mut self, disk: &[u8]) -> Self {
        for (index, bytes) in (0..).zip(disk.chunks(self.cluster)) {
            if bytes.iter().any(|byte| *byte != 0) {
                let mut whole = bytes.to_vec();
                whole.resize(self.cluster, 0);
                self.cells.insert(index, Cell::Data(whole));
            }
        }
        self
    }

    pub(crate) fn write(&self) -> Written {
        let table_bytes = self.table as usize * self.cluster;
        let entries = table_bytes as u64 / 8;
        let mut file = self.head();
        let l1 = append(&mut file, &vec![0; table_bytes]);
        put(&mut file, 40, &l1.to_le_bytes());
        let mut written = Written { file, l1, entries: BTreeMap::new(), places: BTreeMap::new() };
        let mut stored = BTreeMap::new();
        for (index, cell) in self.cells.iter().rev().filter(|_| self.shuffled) {
            stored.insert(*index, store(&mut written.file, cell));
        }
        for (index, cell) in &self.cells {
            let slot = l1 + index / entries * 8;
            let mut table = u64_at(&written.file, slot);
            if table == 0 {
                table = append(&mut written.file, &vec![0; table_bytes]);
                put(&mut written.file, slot, &table.to_le_bytes());
            }
            let entry = table + index % entries * 8;
            let place = stored.remove(index).unwrap_or_else(|| store(&mut written.file, cell));
            put(&mut written.file, entry, &place.to_le_bytes());
            written.entries.insert(*index, entry);
            written.places.insert(*index, place);
        }
        written
    }

    /// The header's clusters; the offset of the L1 table is filled in later.
    fn head(&self) -> Vec<u8> {
        let has_backing = u64::from(self.backing.is_some());
        let is_raw = u64::from(self.backing.as_ref().is_some_and(|(_, is_raw)| *is_raw));
        let mut head = b"QED\0".to_vec();
        for field in [self.cluster as u32, self.table, self.header] {
            head.extend(field.to_le_bytes());
        }
        let [features, compat, autoclear] = self.features;
        for field in [features | has_backing | is_raw << 2, compat, autoclear, 0, self.size] {
            head.extend(field.to_le_bytes());
        }
        let name = self.backing.as_ref().map(|(name, _)| name.as_bytes()).unwrap_or_default();
        for field in [if name.is_empty() { 0 } else { 64 }, name.len() as u32] {
            head.extend(field.to_le_bytes());
        }
        head.extend(name);
        head.resize(self.header as usize * self.cluster, 0);
        head
    }
}

pub(crate) fn append(file: &mut Vec<u8>, bytes: &[u8]) -> u64 {
    let at = file.len() as u64;
    file.extend(bytes);
    at
}

/// The entry: a place, or 1 for zeros.
fn store(file: &mut Vec<u8>, cell: &Cell) -> u64 {
    match cell {
        Cell::Data(bytes) => append(file, bytes),
        Cell::Zero => 1,
    }
}

pub(crate) fn u64_at(file: &[u8], at: u64) -> u64 {
    let bytes = &file[at as usize..at as usize + 8];
    u64::from_le_bytes(bytes.try_into().unwrap_or_default())
}

fn qed(name: &str, about: &'static str, recipe: &Qed, disk: Vec<u8>) -> GoodImage {
    image(name, about, "qed", recipe.write().file, disk)
}

const K: usize = 1 << 10;

/// Images that must be read right.
pub(crate) fn good() -> Vec<GoodImage> {
    let mut all = Vec::new();
    for (cluster, table) in
        [(4 * K, 1), (4 * K, 2), (4 * K, 16), (8 * K, 8), (64 * K, 1), (64 * K, 4), (1024 * K, 1)]
    {
        let disk = mixed((2 * cluster).max(300_000) + 1234);
        let recipe = Qed::new(cluster, table, disk.len() as u64).with_disk(&disk);
        let name = |kind| format!("qed-{kind}-{}k-{table}", cluster / K);
        all.push(qed(&name("plain"), "sizes of clusters and tables", &recipe, disk.clone()));
        if cluster < 1024 * K {
            let shuffled = Qed { shuffled: true, ..recipe };
            all.push(qed(&name("shuffled"), "data last to first, before its tables", &shuffled, disk));
        }
    }
    // A table of 1024 entries of 4 KiB covers 4 MiB.
    for size in [0, 1, 512, 4095, 4096, 4097, (4 << 20) - 512, 4 << 20, (4 << 20) + 512] {
        let disk = mixed(size);
        let recipe = Qed::new(4 * K, 2, size as u64).with_disk(&disk);
        all.push(qed(&format!("qed-size-{size}"), "sizes around what a table covers", &recipe, disk));
    }
    all.extend(features());
    all.extend(chains());
    all
}

fn features() -> Vec<GoodImage> {
    let disk = mixed(500_224);
    let base = Qed::new(4 * K, 2, 500_224).with_disk(&disk);
    let mut zeros = base.clone();
    zeros.cells.insert(5, Cell::Zero);
    zeros.cells.insert(6, Cell::Data(vec![0; 4 * K]));
    let mut with_zeros = disk.clone();
    with_zeros[5 * 4 * K..7 * 4 * K].fill(0);
    let mut ends = base.write().file;
    ends.truncate(ends.len() - 4 * K + 500_224 % (4 * K));
    let need_check = Qed { features: [2, 0, 0], ..base.clone() };
    let ignored = Qed { features: [0, u64::MAX, 1 << 63], ..base.clone() };
    let header = Qed { header: 3, ..base };
    vec![
        qed("qed-zero-clusters", "a zero cluster, and a stored one of zeros", &zeros, with_zeros),
        qed("qed-need-check", "not closed properly", &need_check, disk.clone()),
        qed("qed-ignored-features", "compatible and autoclear bits of a later time", &ignored, disk.clone()),
        qed("qed-header-of-three", "a header of three clusters", &header, disk.clone()),
        image("qed-ends-with-disk", "a last cluster as long as the disk", "qed", ends, disk),
        qed("qed-nothing-stored", "no cluster at all", &Qed::new(4 * K, 2, 3 << 20), vec![0; 3 << 20]),
    ]
}

/// Overlays that store cluster 2 over other images, and zeros in 3.
fn chains() -> Vec<GoodImage> {
    let mut below = mixed(300_032);
    let stored = Noise::new(9).bytes(4 * K);
    let chain = |name: &str, about, below: &[u8], size: usize, is_raw: bool, base: Vec<ImageFile>| {
        let mut disk = below.to_vec();
        disk.resize(size, 0);
        disk[2 * 4 * K..3 * 4 * K].copy_from_slice(&stored);
        disk[3 * 4 * K..4 * 4 * K].fill(0);
        let mut top = Qed::new(4 * K, 2, size as u64);
        top.cells.insert(2, Cell::Data(stored.clone()));
        top.cells.insert(3, Cell::Zero);
        top.backing = Some((base[0].name.clone(), is_raw));
        let mut image = qed(name, about, &top, disk);
        image.files.extend(base);
        image
    };
    let file = |name: &str, end: &str, bytes: Vec<u8>| ImageFile { name: format!("{name}.{end}"), bytes };
    let raw = |name: &str| vec![file(name, "base", below.clone())];
    let middle = |name: &str| {
        let backing = Some((format!("{name}.base"), true));
        let middle = Qed { backing, ..Qed::new(64 * K, 2, below.len() as u64) };
        file(name, "middle", middle.write().file)
    };
    let mut three = vec![middle("qed-chain-of-three")];
    three.extend(raw("qed-chain-of-three"));
    let under = Qed::new(64 * K, 4, below.len() as u64).with_disk(&below).write().file;
    let mut all = vec![
        chain("qed-over-raw", "a RAW backing file", &below, 300_032, true, raw("qed-over-raw")),
        chain(
            "qed-over-guessed",
            "a backing file whose format is not declared",
            &below,
            300_000,
            false,
            raw("qed-over-guessed"),
        ),
        chain("qed-over-shorter", "a shorter backing file", &below, 500_224, true, raw("qed-over-shorter")),
        chain("qed-over-longer", "a longer backing file", &below, 100_352, true, raw("qed-over-longer")),
        chain(
            "qed-over-qed",
            "QED over QED",
            &below,
            300_000,
            false,
            vec![file("qed-over-qed", "base", under)],
        ),
        chain("qed-chain-of-three", "QED over QED over RAW", &below, 300_032, false, three),
    ];
    // Whoever guesses takes this disk for an image.
    below[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    let name = "qed-over-raw-like-qcow2";
    let base = vec![file(name, "base", below.clone())];
    all.push(chain(name, "a RAW backing file that looks like QCOW2", &below, 300_032, true, base));
    all
}

/// 4 MiB: clusters 0 and 2 of the first table, 600 of the second, zeros in 3.
fn recipe() -> Qed {
    let mut recipe = Qed::new(4 * K, 1, 4 << 20);
    recipe.cells = BTreeMap::from([
        (0, Cell::Data(text(4 * K))),
        (2, Cell::Data(Noise::new(1).bytes(4 * K))),
        (3, Cell::Zero),
        (600, Cell::Data(text(4 * K))),
    ]);
    recipe
}

/// Images that must be refused.
pub(crate) fn broken() -> Vec<BrokenImage> {
    let mut all: Vec<_> = headers().into_iter().map(|row| named("qed", row)).collect();
    all.extend(tables().into_iter().map(|row| named("qed", row)));
    all.extend(names());
    all
}

fn headers() -> Vec<Row> {
    use Refused::AtOpen;
    let written = recipe().write();
    let with = |at: u64, bytes: &[u8]| {
        let mut file = written.file.clone();
        put(&mut file, at, bytes);
        file
    };
    let field =
        |name, about, at, bytes: &[u8]| (name, about, AtOpen, "qed.header.field", Some(at), with(at, bytes));
    let past =
        |name, about, bytes: &[u8]| (name, about, AtOpen, "qed.table.past-end", Some(40), with(40, bytes));
    let feature = |name, about, at, bytes: &[u8]| {
        (name, about, AtOpen, "qed.header.unknown-feature", Some(16), with(at, bytes))
    };
    vec![
        (
            "qed-cut-header",
            "the file ends in its header",
            AtOpen,
            "qed.header.cut",
            Some(60),
            written.file[..60].to_vec(),
        ),
        field("qed-cluster-2k", "clusters too small", 4, &2048u32.to_le_bytes()),
        field("qed-cluster-128m", "clusters too large", 4, &(1u32 << 27).to_le_bytes()),
        field("qed-cluster-12k", "clusters of no power of two", 4, &(12u32 << 10).to_le_bytes()),
        field("qed-table-0", "tables of nothing", 8, &[0; 4]),
        field("qed-table-3", "tables of no power of two", 8, &[3]),
        field("qed-table-32", "tables too large", 8, &[32]),
        field("qed-header-0", "a header of no clusters", 12, &[0; 4]),
        field("qed-header-over-l1", "a header that covers the L1 table", 40, &[]).with(12, &[2]),
        field("qed-header-bomb", "a header of 2^44 bytes", 40, &[]).with(12, &[0xff; 4]),
        field("qed-l1-unaligned", "an L1 table between clusters", 40, &[8]),
        field("qed-l1-in-header", "an L1 table in the header", 40, &[0; 8]),
        field(
            "qed-size-over-tables",
            "a disk larger than its tables describe",
            48,
            &((1u64 << 30) + 1).to_le_bytes(),
        ),
        field("qed-size-bomb", "a disk of 2^64 - 1 bytes", 48, &[0xff; 8]),
        past("qed-l1-past-end", "an L1 table behind the file's end", &(1u64 << 40).to_le_bytes()),
        past("qed-l1-overflow", "an L1 table at the end of all numbers", &(u64::MAX - 4095).to_le_bytes()),
        feature("qed-feature-3", "a feature that does not exist", 16, &[8]),
        feature("qed-feature-63", "the last feature", 23, &[0x80]),
    ]
}

/// A further change of a row's file.
trait With {
    fn with(self, at: u64, bytes: &[u8]) -> Self;
}

impl With for Row {
    fn with(mut self, at: u64, bytes: &[u8]) -> Self {
        put(&mut self.5, at, bytes);
        self
    }
}

fn tables() -> Vec<Row> {
    use Refused::AtRead;
    let written = recipe().write();
    let (l1, first, second) = (written.l1, written.entries[&0], written.entries[&2]);
    let far = written.entries[&600];
    let with = |at: u64, value: u64| {
        let mut file = written.file.clone();
        put(&mut file, at, &value.to_le_bytes());
        file
    };
    let (overlap, entry, past) = ("claims.overlap", "qed.table.entry", "qed.l2.past-end");
    let end = written.file.len();
    let repeated = {
        let mut repeated = Qed { size: 1 << 30, ..recipe() }.write().file;
        (0..512).for_each(|index| put(&mut repeated, l1 + index * 8, &first.to_le_bytes()));
        repeated
    };
    vec![
        (
            "qed-l1-entry-past-end",
            "a table behind the file's end",
            AtRead,
            "qed.table.past-end",
            Some(l1 + 8),
            with(l1 + 8, 1 << 40),
        ),
        (
            "qed-l1-entry-overflow",
            "a table at the end of all numbers",
            AtRead,
            "qed.table.past-end",
            Some(l1),
            with(l1, u64::MAX - 4095),
        ),
        ("qed-l1-entry-zeros", "zeros instead of a table", AtRead, entry, Some(l1), with(l1, 1)),
        (
            "qed-l1-entry-unaligned",
            "a table between clusters",
            AtRead,
            entry,
            Some(l1),
            with(l1, first + 512),
        ),
        ("qed-l1-entry-in-l1", "the L1 table as an L2 table", AtRead, overlap, Some(l1), with(l1 + 8, l1)),
        (
            "qed-table-shared",
            "one table for two parts of the disk",
            AtRead,
            overlap,
            Some(first),
            with(l1 + 8, first),
        ),
        ("qed-table-repeated", "one table for all parts of the disk", AtRead, overlap, Some(first), repeated),
        (
            "qed-l2-entry-past-end",
            "data behind the file's end",
            AtRead,
            past,
            Some(second),
            with(second, 1 << 40),
        ),
        (
            "qed-l2-entry-overflow",
            "data at the end of all numbers",
            AtRead,
            past,
            Some(second),
            with(second, u64::MAX - 4095),
        ),
        (
            "qed-l2-entry-unaligned",
            "data between clusters",
            AtRead,
            entry,
            Some(second),
            with(second, written.places[&2] + 512),
        ),
        (
            "qed-l2-entry-2",
            "an entry that is neither zeros nor a place",
            AtRead,
            entry,
            Some(second),
            with(second, 2),
        ),
        (
            "qed-data-shared",
            "one cluster used twice",
            AtRead,
            overlap,
            Some(written.places[&0]),
            with(second, written.places[&0]),
        ),
        ("qed-data-in-l1", "data in the L1 table", AtRead, overlap, Some(l1), with(second, l1)),
        ("qed-data-in-l2", "data in its own table", AtRead, overlap, Some(first), with(second, first)),
        (
            "qed-data-in-header",
            "data in the second cluster of the header",
            AtRead,
            entry,
            Some(second + 2 * 4096),
            {
                let mut moved = Qed { header: 3, ..recipe() }.write();
                put(&mut moved.file, moved.entries[&2], &4096u64.to_le_bytes());
                moved.file
            },
        ),
        (
            "qed-cut-in-data",
            "the last cluster is cut",
            AtRead,
            past,
            Some(far),
            written.file[..end - 1].to_vec(),
        ),
        (
            "qed-cut-in-table",
            "the second table is cut",
            AtRead,
            "qed.table.past-end",
            Some(l1 + 8),
            written.file[..end - 4097].to_vec(),
        ),
    ]
}

fn names() -> Vec<BrokenImage> {
    let with_name = |backing: &str, is_raw| Qed { backing: Some((backing.into(), is_raw)), ..recipe() };
    let over = |name: &'static str, about, backing: &str, code| {
        let top = with_name(backing, false);
        named("qed", (name, about, Refused::AtOpen, code, None, top.write().file))
    };
    let mut all = vec![
        over("qed-backing-missing", "no such backing file", "gone.raw", "open.name.missing"),
        over("qed-backing-absolute", "a file elsewhere", "/etc/passwd", "open.gate.outside"),
        over("qed-backing-nbd", "a server instead of a name", "nbd://127.0.0.1/x", "open.name.protocol"),
        over("qed-backing-itself", "its own backing file", "qed-backing-itself.qed", "open.chain.cycle"),
        over(
            "qed-backing-cycle",
            "the backing file's backing file",
            "qed-backing-cycle.other",
            "open.chain.cycle",
        ),
    ];
    if let Some(cycle) = all.last_mut() {
        let other = with_name("qed-backing-cycle.qed", false).write().file;
        cycle.files.push(ImageFile { name: "qed-backing-cycle.other".into(), bytes: other });
    }
    let row = |name, about, at: u64, bytes: &[u8]| {
        let mut file = with_name("base.raw", true).write().file;
        put(&mut file, at, bytes);
        named("qed", (name, about, Refused::AtOpen, "qed.header.field", Some(at), file))
    };
    all.push(row("qed-name-in-header", "a name in the header's fields", 56, &[4]));
    all.push(row("qed-name-empty", "a feature without a name", 60, &[0]));
    all.push(row("qed-name-over-header", "a name that runs out of the header", 60, &4033u32.to_le_bytes()));
    all.push(row("qed-name-bomb", "a name of 4 GiB", 60, &[0xff; 4]));
    all
}
