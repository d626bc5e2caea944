//! A writer of VMDK in all its kinds, from "Virtual Disk Format 5.0" and, for
//! seSparse, from what ESX writes to its log.

use std::collections::BTreeMap;
use std::io::Write;

use flate2::write::ZlibEncoder;

use crate::disk::mixed;
use crate::disk::put;
use crate::disk::{Noise, text};
use crate::model::ImageFile;
use crate::model::{BrokenImage, Refused, Row, named};
use crate::model::{GoodImage, image};

const SECTOR: usize = 512;
/// Sectors that are kept for an embedded descriptor.
const DESCRIPTOR_SECTORS: usize = 20;

/// What one grain is stored as.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// As it is; may be shorter than a grain at the disk's end.
    Data(Vec<u8>),
    /// Reads as zeros.
    Zero,
    /// Unmapped by the guest (seSparse).
    Unmapped,
}

/// How grains and tables are laid out in a `KDMV` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Tables, then grains.
    TablesFirst,
    /// Grains last to first, then tables.
    GrainsFirst,
    /// Compressed, tables in front.
    CompressedTablesFirst,
    /// Compressed, with markers, the directory behind.
    Stream,
}

/// A recipe of a `KDMV` file.
#[derive(Clone, Debug)]
pub(crate) struct Hosted {
    pub(crate) version: u32,
    /// Sectors of a grain.
    pub(crate) grain: usize,
    pub(crate) gtes: usize,
    /// Sectors.
    pub(crate) capacity: u64,
    pub(crate) cells: BTreeMap<u64, Cell>,
    pub(crate) has_zeroed: bool,
    pub(crate) has_redundant: bool,
    pub(crate) is_dirty: bool,
    pub(crate) order: Order,
    /// The text inside; `Some("")` keeps an empty place for it.
    pub(crate) descriptor: Option<String>,
}

/// A file, and where its tables came to stand.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) file: Vec<u8>,
    pub(crate) directory: u64,
    pub(crate) redundant: u64,
    /// Offset of the table entry of each stored grain.
    pub(crate) entries: BTreeMap<u64, u64>,
    /// Offset of each stored grain, or of its head.
    pub(crate) places: BTreeMap<u64, u64>,
}

pub(crate) fn cells_of(disk: &[u8], grain: usize) -> BTreeMap<u64, Cell> {
    let chunks = (0..).zip(disk.chunks(grain));
    let stored = chunks.filter(|(_, chunk)| chunk.iter().any(|byte| *byte != 0));
    stored.map(|(index, chunk)| (index, Cell::Data(chunk.to_vec()))).collect()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn pad(file: &mut Vec<u8>, unit: usize) {
    file.resize(file.len().next_multiple_of(unit), 0);
}

fn put32(file: &mut [u8], at: usize, value: u64) {
    file[at..at + 4].copy_from_slice(&u32::try_from(value).expect("a sector number").to_le_bytes());
}

fn put64(file: &mut [u8], at: usize, value: u64) {
    file[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn marker(value: u64, kind: u32) -> Vec<u8> {
    let mut sector = vec![0; SECTOR];
    put64(&mut sector, 0, value);
    put32(&mut sector, 12, kind.into());
    sector
}

impl Hosted {
    pub(crate) fn new(grain: usize, disk: &[u8]) -> Self {
        Self {
            version: 1,
            grain,
            gtes: 512,
            capacity: (disk.len() / SECTOR) as u64,
            cells: cells_of(disk, grain * SECTOR),
            has_zeroed: false,
            has_redundant: true,
            is_dirty: false,
            order: Order::TablesFirst,
            descriptor: None,
        }
    }

    /// With a descriptor that calls the file `name`.
    pub(crate) fn embedded(mut self, create_type: &str, name: &str) -> Self {
        let line = format!("RW {} SPARSE \"{name}\"", self.capacity);
        self.descriptor = Some(descriptor(create_type, 0x1234_abcd, None, &[line]));
        self
    }

    pub(crate) fn stream(self) -> Self {
        Self { version: 3, order: Order::Stream, has_redundant: false, ..self }
    }

    fn count(&self) -> usize {
        (self.capacity as usize).div_ceil(self.grain * self.gtes)
    }

    fn is_compressed(&self) -> bool {
        matches!(self.order, Order::CompressedTablesFirst | Order::Stream)
    }

    fn header(&self, redundant: u64, directory: u64, overhead: u64) -> Vec<u8> {
        let mut header = vec![0; SECTOR];
        header[..4].copy_from_slice(b"KDMV");
        let compressed = if self.is_compressed() { 0x3_0000 } else { 0 };
        let flags = 1 | u64::from(self.has_redundant) << 1 | u64::from(self.has_zeroed) << 2 | compressed;
        put32(&mut header, 4, self.version.into());
        put32(&mut header, 8, flags);
        put64(&mut header, 12, self.capacity);
        put64(&mut header, 20, self.grain as u64);
        if self.descriptor.is_some() {
            put64(&mut header, 28, 1);
            put64(&mut header, 36, DESCRIPTOR_SECTORS as u64);
        }
        put32(&mut header, 44, self.gtes as u64);
        put64(&mut header, 48, redundant);
        put64(&mut header, 56, directory);
        put64(&mut header, 64, overhead);
        header[72] = self.is_dirty.into();
        header[73..77].copy_from_slice(b"\n \r\n");
        header[77] = self.is_compressed().into();
        header
    }

    /// Header and descriptor, as far as they are known before the rest.
    fn start(&self) -> Vec<u8> {
        let mut file = vec![0; SECTOR];
        if let Some(text) = &self.descriptor {
            file.extend(text.as_bytes());
            file.resize((1 + DESCRIPTOR_SECTORS) * SECTOR, 0);
        }
        file
    }

    fn table_bytes(&self) -> usize {
        (self.gtes * 4).next_multiple_of(SECTOR)
    }

    pub(crate) fn write(&self) -> Written {
        match self.order {
            Order::Stream => self.write_stream(),
            _ => self.write_seekable(),
        }
    }

    /// An empty directory with its tables right behind it; where it stands.
    fn add_tables(&self, file: &mut Vec<u8>) -> u64 {
        let at = file.len();
        let directory = (self.count() * 4).next_multiple_of(SECTOR);
        file.resize(at + directory + self.count() * self.table_bytes(), 0);
        for index in 0..self.count() {
            let table = at + directory + index * self.table_bytes();
            put32(file, at + index * 4, (table / SECTOR) as u64);
        }
        at as u64
    }

    fn entry_at(&self, file: &[u8], directory: u64, grain: u64) -> u64 {
        let at = directory as usize + grain as usize / self.gtes * 4;
        let table = u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
        u64::from(table) * SECTOR as u64 + grain % self.gtes as u64 * 4
    }

    fn write_seekable(&self) -> Written {
        let mut written = Written { file: self.start(), ..Written::default() };
        let file = &mut written.file;
        let add_both = |file: &mut Vec<u8>| {
            let redundant = if self.has_redundant { self.add_tables(file) } else { 0 };
            (redundant, self.add_tables(file))
        };
        let mut tables = None;
        if self.order != Order::GrainsFirst {
            tables = Some(add_both(file));
        }
        pad(file, self.grain * SECTOR);
        let overhead = (file.len() / SECTOR) as u64;
        let mut cells: Vec<_> = self.cells.iter().collect();
        if self.order == Order::GrainsFirst {
            cells.reverse();
        }
        for (index, cell) in cells {
            let Cell::Data(bytes) = cell else { continue };
            written.places.insert(*index, file.len() as u64);
            if self.is_compressed() {
                self.add_compressed(file, *index, bytes);
            } else {
                file.extend(bytes);
                pad(file, self.grain * SECTOR);
            }
        }
        let (redundant, directory) = tables.unwrap_or_else(|| add_both(file));
        for (index, cell) in &self.cells {
            let value = match cell {
                Cell::Data(_) => written.places[index] / SECTOR as u64,
                Cell::Zero | Cell::Unmapped => 1,
            };
            let entry = self.entry_at(file, directory, *index);
            put32(file, entry as usize, value);
            written.entries.insert(*index, entry);
            if self.has_redundant {
                let entry = self.entry_at(file, redundant, *index);
                put32(file, entry as usize, value);
            }
        }
        let sector = SECTOR as u64;
        let header = self.header(redundant / sector, directory / sector, overhead);
        file[..SECTOR].copy_from_slice(&header);
        (written.directory, written.redundant) = (directory, redundant);
        written
    }

    fn add_compressed(&self, file: &mut Vec<u8>, index: u64, bytes: &[u8]) {
        let payload = zlib(bytes);
        file.extend((index * self.grain as u64).to_le_bytes());
        file.extend((payload.len() as u32).to_le_bytes());
        file.extend(payload);
        pad(file, SECTOR);
    }

    fn write_stream(&self) -> Written {
        let mut written = Written { file: self.start(), ..Written::default() };
        let file = &mut written.file;
        file.resize(128 * SECTOR, 0);
        let mut directory = vec![0; (self.count() * 4).next_multiple_of(SECTOR)];
        for table in 0..self.count() {
            let first = (table * self.gtes) as u64;
            let mut entries = vec![0; self.table_bytes()];
            for (index, cell) in self.cells.range(first..first + self.gtes as u64) {
                let value = match cell {
                    Cell::Data(bytes) => {
                        written.places.insert(*index, file.len() as u64);
                        self.add_compressed(file, *index, bytes);
                        written.places[index] / SECTOR as u64
                    }
                    Cell::Zero | Cell::Unmapped => 1,
                };
                put32(&mut entries, (index - first) as usize * 4, value);
            }
            // A table of nothing is not written.
            if entries.iter().all(|byte| *byte == 0) {
                continue;
            }
            file.extend(marker((entries.len() / SECTOR) as u64, 1));
            put32(&mut directory, table * 4, (file.len() / SECTOR) as u64);
            for index in self.cells.range(first..first + self.gtes as u64).map(|(index, _)| *index) {
                written.entries.insert(index, file.len() as u64 + (index - first) * 4);
            }
            file.extend(entries);
        }
        file.extend(marker((directory.len() / SECTOR) as u64, 2));
        written.directory = file.len() as u64;
        file.extend(directory);
        file.extend(marker(1, 3));
        file.extend(self.header(0, written.directory / SECTOR as u64, 128));
        file.extend(marker(0, 0));
        let header = self.header(0, u64::MAX, 128);
        file[..SECTOR].copy_from_slice(&header);
        written
    }
}

/// A `COWD` file.
pub(crate) fn cowd(grain: usize, disk: &[u8]) -> Written {
    let (gtes, grain_bytes) = (4096, grain * SECTOR);
    let count = disk.len().div_ceil(grain_bytes * gtes);
    let mut written = Written { file: vec![0; 2048], directory: 2048, ..Written::default() };
    let file = &mut written.file;
    file[..4].copy_from_slice(b"COWD");
    let fields = [(4, 1), (8, 3), (12, disk.len() / SECTOR), (16, grain), (20, 4), (24, count)];
    for (at, value) in fields {
        put32(file, at, value as u64);
    }
    file.resize(2048 + (count * 4).next_multiple_of(SECTOR), 0);
    for (index, cell) in cells_of(disk, grain_bytes) {
        let Cell::Data(bytes) = cell else { continue };
        let slot = 2048 + index as usize / gtes * 4;
        if file[slot..slot + 4] == [0; 4] {
            let table = file.len();
            put32(file, slot, (table / SECTOR) as u64);
            file.resize(table + gtes * 4, 0);
        }
        let table = u32::from_le_bytes(file[slot..slot + 4].try_into().expect("four bytes"));
        let entry = table as usize * SECTOR + index as usize % gtes * 4;
        let place = file.len();
        put32(file, entry, (place / SECTOR) as u64);
        file.extend(bytes);
        file.resize(place + grain_bytes, 0);
        written.entries.insert(index, entry as u64);
        written.places.insert(index, place as u64);
    }
    let free = (file.len() / SECTOR) as u64;
    put32(file, 28, free);
    written
}

/// An seSparse file: grains of 4 KiB, tables of 4096 entries.
pub(crate) fn sesparse(size: usize, cells: &BTreeMap<u64, Cell>) -> Written {
    let (gtes, grain) = (4096, 4096);
    let count = size.div_ceil(grain * gtes);
    let directory_sectors = (count * 8).div_ceil(SECTOR).max(1);
    let (directory, tables) = (8, 8 + directory_sectors);
    let bitmap = tables + count * 64;
    let grains = (bitmap + 8).next_multiple_of(8);
    let mut written = Written { file: vec![0; grains * SECTOR], ..Written::default() };
    let file = &mut written.file;
    let sectors = [
        (0, 0xcafe_babe),
        (8, 0x2_0000_0001),
        (16, size / SECTOR),
        (24, 8),
        (32, 64),
        (80, 1),
        (88, 1),
        (96, 2),
        (104, 2),
        (112, 4),
        (120, 4),
        (128, directory),
        (136, directory_sectors),
        (144, tables),
        (152, count * 64),
        (160, bitmap),
        (168, 4),
        (176, bitmap + 4),
        (184, 4),
        (192, grains),
        (200, size / SECTOR),
    ];
    for (at, value) in sectors {
        put64(file, at, value as u64);
    }
    put64(file, SECTOR, 0xcafe_cafe);
    written.directory = (directory * SECTOR) as u64;
    // The first grain stays free, so that number 0 and "nothing" differ in the tests as well.
    let mut number = 1;
    file.resize((grains + 8) * SECTOR, 0);
    for (index, cell) in cells {
        // Tables are handed out from the last one on: an entry is a number, not a place.
        let slot = directory * SECTOR + *index as usize / gtes * 8;
        let table = count - 1 - *index as usize / gtes;
        put64(file, slot, 0x1000_0000_0000_0000 | table as u64);
        let entry = (tables + table * 64) * SECTOR + *index as usize % gtes * 8;
        let value = match cell {
            Cell::Data(bytes) => {
                let place = file.len();
                file.extend(bytes);
                file.resize(place + grain, 0);
                written.places.insert(*index, place as u64);
                let entry = 3 << 60 | (number & 0xfff) << 48 | number >> 12;
                number += 1;
                entry
            }
            Cell::Zero => 2 << 60,
            Cell::Unmapped => 1 << 60,
        };
        put64(file, entry, value);
        written.entries.insert(*index, entry as u64);
    }
    written
}

/// The text of a descriptor.
pub(crate) fn descriptor(
    create_type: &str,
    cid: u32,
    parent: Option<(u32, &str)>,
    lines: &[String],
) -> String {
    let parent_cid = parent.map_or(u32::MAX, |(cid, _)| cid);
    let hint = parent.map(|(_, name)| format!("parentFileNameHint=\"{name}\"\n")).unwrap_or_default();
    format!(
        "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={cid:08x}\nparentCID={parent_cid:08x}\n\
         isNativeSnapshot=\"no\"\ncreateType=\"{create_type}\"\n{hint}\n# Extent description\n{}\n\n\
         # The Disk Data Base\n#DDB\n\nddb.virtualHWVersion = \"4\"\nddb.geometry.cylinders = \"1\"\n\
         ddb.geometry.heads = \"16\"\nddb.geometry.sectors = \"63\"\nddb.adapterType = \"lsilogic\"\n",
        lines.join("\n")
    )
}

pub(crate) fn file(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> ImageFile {
    ImageFile { name: name.into(), bytes: bytes.into() }
}

/// An image whose first file is `NAME.vmdk` with this text.
fn described(
    name: &str,
    about: &'static str,
    text: &str,
    disk: Vec<u8>,
    others: Vec<ImageFile>,
) -> GoodImage {
    let mut described = image(name, about, "vmdk", text.as_bytes().to_vec(), disk);
    described.files.extend(others);
    described
}

/// A disk of whole sectors.
pub(crate) fn sectors(size: usize) -> Vec<u8> {
    mixed(size / SECTOR * SECTOR)
}

/// Images that must be read right.
pub(crate) fn good() -> Vec<GoodImage> {
    let mut all = monolithic();
    all.extend(streams());
    all.extend(splits());
    all.extend(texts());
    all.extend(snapshots());
    all
}

fn monolithic() -> Vec<GoodImage> {
    let own = |name: &str, about, disk: &[u8], recipe: Hosted| {
        let recipe = recipe.embedded("monolithicSparse", &format!("{name}.vmdk"));
        image(name, about, "vmdk", recipe.write().file, disk.to_vec())
    };
    let mut all = Vec::new();
    let disk = sectors(1_000_000);
    let plain = Hosted::new(128, &disk);
    for version in 1..=3 {
        let recipe = Hosted { version, ..plain.clone() };
        all.push(own(&format!("vmdk-sparse-v{version}"), "grains of 64 KiB", &disk, recipe));
    }
    // A table of grains of 4 KiB covers 2 MiB.
    for size in [0, 512, (2 << 20) - 512, 2 << 20, (2 << 20) + 512, 5_000_192] {
        let disk = sectors(size);
        all.push(own(&format!("vmdk-sparse-small-{size}"), "grains of 4 KiB", &disk, Hosted::new(8, &disk)));
    }
    let few = Hosted { gtes: 128, has_redundant: false, ..Hosted::new(8, &disk) };
    all.push(own("vmdk-sparse-gtes-128", "tables of 128 entries, no redundant directory", &disk, few));
    let shuffled = Hosted { order: Order::GrainsFirst, ..Hosted::new(16, &disk) };
    all.push(own("vmdk-sparse-shuffled", "grains last to first, before the tables", &disk, shuffled));
    all.push(own(
        "vmdk-sparse-dirty",
        "not closed properly",
        &disk,
        Hosted { is_dirty: true, ..plain.clone() },
    ));
    let mut zeroed = Hosted { version: 2, has_zeroed: true, ..plain.clone() };
    zeroed.cells.insert(1, Cell::Zero);
    zeroed.cells.insert(9, Cell::Zero);
    let mut with_zeros = disk.clone();
    with_zeros[1 << 16..2 << 16].fill(0);
    with_zeros[9 << 16..10 << 16].fill(0);
    all.push(own("vmdk-sparse-zeroed", "zeroed grains", &with_zeros, zeroed));
    let mut allocated = plain.clone();
    allocated.cells.insert(2, Cell::Data(vec![0; 1 << 16]));
    let mut with_zeros = disk.clone();
    with_zeros[2 << 16..3 << 16].fill(0);
    all.push(own("vmdk-sparse-allocated-zeros", "a stored grain of zeros", &with_zeros, allocated));
    let renamed = plain.embedded("monolithicSparse", "another name.vmdk").write().file;
    all.push(image("vmdk-sparse-renamed", "a descriptor that calls it otherwise", "vmdk", renamed, disk));
    all
}

fn streams() -> Vec<GoodImage> {
    let own = |name: &str, about, disk: &[u8], recipe: Hosted| {
        let recipe = recipe.embedded("streamOptimized", &format!("{name}.vmdk"));
        image(name, about, "vmdk", recipe.write().file, disk.to_vec())
    };
    let disk = sectors(3_000_320);
    let stream = Hosted::new(128, &disk).stream();
    let mut padded = stream.clone();
    if let Some(Cell::Data(last)) = padded.cells.values_mut().next_back() {
        last.resize(128 * SECTOR, 0);
    }
    let mut zeroed = Hosted { has_zeroed: true, ..Hosted::new(8, &disk).stream() };
    zeroed.cells.insert(3, Cell::Zero);
    let mut with_zeros = disk.clone();
    with_zeros[3 * 4096..4 * 4096].fill(0);
    let front = Hosted { order: Order::CompressedTablesFirst, has_redundant: true, ..stream.clone() };
    vec![
        own("vmdk-stream", "a directory at the end, a short last grain", &disk, stream.clone()),
        own("vmdk-stream-padded", "a last grain that is filled up", &disk, padded),
        own("vmdk-stream-v1", "version 1", &disk, Hosted { version: 1, ..stream }),
        own("vmdk-stream-tables", "grains of 4 KiB, two tables, a zeroed grain", &with_zeros, zeroed),
        own("vmdk-stream-in-front", "a directory in front", &disk, front),
        own("vmdk-stream-zeros", "no grain", &vec![0; 1 << 20], Hosted::new(128, &vec![0; 1 << 20]).stream()),
    ]
}

fn splits() -> Vec<GoodImage> {
    let disk = sectors(2_000_384);
    let line = |access: &str, part: &[u8], kind: &str, rest: &str| {
        format!("{access} {} {kind} {rest}", part.len() / SECTOR)
    };
    let split = |name: &str, about, create_type: &str, lines: &[String], files: Vec<ImageFile>| {
        described(name, about, &descriptor(create_type, 0x77, None, lines), disk.clone(), files)
    };
    // No part is a whole number of grains.
    let parts = [&disk[..700_416], &disk[700_416..1_500_160], &disk[1_500_160..]];
    let sparse = |part: &[u8], grain| {
        Hosted { descriptor: Some(String::new()), ..Hosted::new(grain, part) }.write().file
    };
    let mut flat = vec![0xee; SECTOR];
    flat.extend(parts[0]);
    flat.extend([0xee; SECTOR]);
    flat.extend(parts[2]);
    flat.extend([0xee; 3 * SECTOR]);
    let offset = 2 + parts[0].len() / SECTOR;
    let n = "vmdk-split-sparse";
    let f = "vmdk-split-flat";
    let stream = Hosted::new(16, parts[1]).stream().write().file;
    let se = sesparse(parts[2].len(), &cells_of(parts[2], 4096)).file;
    vec![
        split(
            n,
            "three sparse extents with grains of different sizes, one of them read-only",
            "twoGbMaxExtentSparse",
            &[
                line("RW", parts[0], "SPARSE", &format!("\"{n}-s001.vmdk\"")),
                line("RDONLY", parts[1], "SPARSE", &format!("\"{n}-s002.vmdk\"")),
                line("RW", parts[2], "SPARSE", &format!("\"{n}-s003.vmdk\"")),
            ],
            vec![
                file(format!("{n}-s001.vmdk"), sparse(parts[0], 128)),
                file(format!("{n}-s002.vmdk"), sparse(parts[1], 8)),
                file(format!("{n}-s003.vmdk"), Hosted::new(64, parts[2]).write().file),
            ],
        ),
        split(
            f,
            "two extents of one flat file at offsets, one of another file",
            "twoGbMaxExtentFlat",
            &[
                line("RW", parts[0], "FLAT", &format!("\"{f}-f001.vmdk\" 1")),
                line("RW", parts[1], "FLAT", &format!("\"{f}-f002.vmdk\"")),
                line("RW", parts[2], "FLAT", &format!("\"{f}-f001.vmdk\" {offset}")),
            ],
            vec![file(format!("{f}-f001.vmdk"), flat), file(format!("{f}-f002.vmdk"), parts[1])],
        ),
        split(
            "vmdk-vmfs",
            "one flat extent",
            "vmfs",
            &[line("RW", &disk, "VMFS", "\"vmdk-vmfs-flat.vmdk\"")],
            vec![file("vmdk-vmfs-flat.vmdk", disk.clone())],
        ),
        split(
            "vmdk-custom",
            "COWD, a stream and seSparse in one disk",
            "custom",
            &[
                line("RW", parts[0], "VMFSSPARSE", "\"vmdk-custom-a\""),
                line("RW", parts[1], "SPARSE", "\"vmdk-custom-b\""),
                line("RW", parts[2], "SESPARSE", "\"vmdk-custom-c\""),
            ],
            vec![
                file("vmdk-custom-a", cowd(1, parts[0]).file),
                file("vmdk-custom-b", stream),
                file("vmdk-custom-c", se),
            ],
        ),
        zero_extents(),
        cowd_tables(),
        sesparse_tables(),
        wrapped(),
    ]
}

fn zero_extents() -> GoodImage {
    let (first, last) = (sectors(100_352), sectors(50_176));
    let disk = [first.clone(), vec![0; 70_144], last.clone()].concat();
    let lines = [
        String::from("RW 0 ZERO"),
        format!("RW {} FLAT \"vmdk-zero-f.vmdk\" 0", first.len() / SECTOR),
        String::from("RDONLY 137 ZERO "),
        format!("RW {} SPARSE \"vmdk-zero-s.vmdk\"", last.len() / SECTOR),
    ];
    let files =
        vec![file("vmdk-zero-f.vmdk", first), file("vmdk-zero-s.vmdk", Hosted::new(8, &last).write().file)];
    described("vmdk-zero-extents", "extents of zeros", &descriptor("custom", 5, None, &lines), disk, files)
}

/// A table of sectors covers 2 MiB.
fn cowd_tables() -> GoodImage {
    let disk = sectors((4 << 20) + 512);
    let lines = [format!("RW {} VMFSSPARSE \"vmdk-cowd-delta.vmdk\"", disk.len() / SECTOR)];
    let text = descriptor("vmfsSparse", 5, None, &lines);
    let files = vec![file("vmdk-cowd-delta.vmdk", cowd(1, &disk).file)];
    described("vmdk-cowd", "three grain tables, grains of a sector", &text, disk, files)
}

/// A table covers 16 MiB: the second is the last sector's.
fn sesparse_tables() -> GoodImage {
    let mut disk = vec![0; (16 << 20) + 512];
    let len = disk.len();
    disk[..20_000].copy_from_slice(&text(20_000));
    disk[len - 512..].copy_from_slice(&Noise::new(3).bytes(512));
    let mut cells = cells_of(&disk, 4096);
    cells.insert(100, Cell::Zero);
    cells.insert(101, Cell::Unmapped);
    let lines = [format!("RW {} SESPARSE \"vmdk-sesparse-x.vmdk\"", len / SECTOR)];
    let text = descriptor("seSparse", 5, None, &lines);
    let files = vec![file("vmdk-sesparse-x.vmdk", sesparse(len, &cells).file)];
    described("vmdk-sesparse", "two grain tables, zeroed and unmapped grains", &text, disk, files)
}

/// A `KDMV` file of no size that is only there for the descriptor inside.
fn wrapped() -> GoodImage {
    let disk = sectors(100_352);
    let lines = [format!("RW {} FLAT \"vmdk-wrapped-flat.vmdk\" 0", disk.len() / SECTOR)];
    let text = descriptor("monolithicFlat", 5, None, &lines);
    let wrapper = Hosted { descriptor: Some(text), ..Hosted::new(128, &[]) }.write().file;
    let mut wrapped = image("vmdk-wrapped", "a descriptor in an empty extent", "vmdk", wrapper, disk.clone());
    wrapped.files.push(file("vmdk-wrapped-flat.vmdk", disk));
    wrapped
}

fn texts() -> Vec<GoodImage> {
    let disk = sectors(60_416);
    let flat = |name: &str, about, stored: &str, change: &dyn Fn(String) -> Vec<u8>, other: &str| {
        let lines = [format!("RW {} FLAT \"{stored}\" 0", disk.len() / SECTOR)];
        let text = change(descriptor("monolithicFlat", 5, None, &lines));
        let mut image = image(name, about, "vmdk", text, disk.clone());
        image.files.push(file(other, disk.clone()));
        image
    };
    let windows = |text: String| {
        let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let mut bytes = text.into_bytes();
        bytes.resize(2048, 0);
        bytes
    };
    let latin = |text: String| {
        let text = text.replace("UTF-8", "windows-1252");
        text.chars().map(|c| u8::try_from(u32::from(c)).expect("it is of latin-1")).collect()
    };
    let odd = |text: String| format!("{text}an odd line\n").into_bytes();
    let own_name = "my \"own\" disk = 1.vmdk";
    vec![
        flat(
            "vmdk-text-windows",
            "CRLF, a byte order mark, NULs",
            "vmdk-text-w.raw",
            &windows,
            "vmdk-text-w.raw",
        ),
        flat("vmdk-text-encoding", "a name in windows-1252", "vmdk café.raw", &latin, "vmdk café.raw"),
        flat("vmdk-text-odd", "an invalid line, a name with blanks and quotes", own_name, &odd, own_name),
        flat(
            "vmdk-text-no-magic",
            "comments in front, not the usual first line",
            "vmdk-text-n.raw",
            &|text| text.replace("# Disk DescriptorFile", "\n  # made by hand").into_bytes(),
            "vmdk-text-n.raw",
        ),
    ]
}

/// Children over parents: what the child stores, else what is below.
fn snapshots() -> Vec<GoodImage> {
    let below = sectors(500_224);
    let written = Noise::new(11).bytes(1 << 16);
    let grain = 1 << 16;
    let merged = |size: usize| {
        let mut disk = below.clone();
        disk.resize(size, 0);
        disk[2 * grain..3 * grain].copy_from_slice(&written);
        disk
    };
    let cells = || BTreeMap::from([(2, Cell::Data(written.clone()))]);
    let base = |name: &str| {
        let recipe = Hosted::new(128, &below).embedded("monolithicSparse", name);
        file(name, recipe.write().file)
    };
    let child = |name: &str, hint: &str, size: usize, cells: BTreeMap<u64, Cell>, parent: u32| {
        let line = format!("RW {} SPARSE \"{name}.vmdk\"", size / SECTOR);
        let text = descriptor("monolithicSparse", 0x99, Some((parent, hint)), &[line]);
        let recipe = Hosted { has_zeroed: true, cells, ..Hosted::new(128, &vec![0; size]) };
        Hosted { descriptor: Some(text), ..recipe }.write().file
    };
    let over = |name: &str, about, hint: &str, size: usize, base_name: &str| {
        let mut cells = cells();
        cells.insert(4, Cell::Zero);
        let mut disk = merged(size);
        disk[4 * grain..5 * grain].fill(0);
        let mut image = image(name, about, "vmdk", child(name, hint, size, cells, 0x1234_abcd), disk);
        image.files.push(base(base_name));
        image
    };
    let size = below.len();
    let mut chain = image(
        "vmdk-chain-of-three",
        "a child of a child",
        "vmdk",
        child("vmdk-chain-of-three", "vmdk-chain-2.vmdk", size, cells(), 0x99),
        merged(size),
    );
    chain.files.push(file(
        "vmdk-chain-2.vmdk",
        child("vmdk-chain-2", "vmdk-chain-1.vmdk", size, BTreeMap::new(), 0x1234_abcd),
    ));
    chain.files.push(base("vmdk-chain-1.vmdk"));
    let delta = |name: &str, about, create_type: &str, kind: &str, extent: Vec<u8>| {
        let line = format!("RW {} {kind} \"{name}-delta\"", size / SECTOR);
        let text = descriptor(create_type, 7, Some((6, &format!("{name}-base.vmdk"))), &[line]);
        let flat = [format!("RW {} VMFS \"{name}-flat\"", size / SECTOR)];
        let files = vec![
            file(format!("{name}-delta"), extent),
            file(format!("{name}-base.vmdk"), descriptor("vmfs", 6, None, &flat)),
            file(format!("{name}-flat"), below.clone()),
        ];
        described(name, about, &text, merged(size), files)
    };
    let mut only = vec![0; size];
    only[2 * grain..3 * grain].copy_from_slice(&written);
    let line = format!("RW {} SPARSE \"x\"", size / SECTOR);
    let text = descriptor("streamOptimized", 7, Some((0x1234_abcd, "vmdk-stream-base.vmdk")), &[line]);
    let stream = Hosted { descriptor: Some(text), ..Hosted::new(128, &only).stream() }.write().file;
    let mut stream = image("vmdk-over-stream", "a stream over a sparse disk", "vmdk", stream, merged(size));
    stream.files.push(base("vmdk-stream-base.vmdk"));
    vec![
        over(
            "vmdk-over",
            "a child, a zeroed grain hides its parent",
            "vmdk-base.vmdk",
            size,
            "vmdk-base.vmdk",
        ),
        over(
            "vmdk-over-shorter",
            "a parent shorter than the disk",
            "vmdk-base-2.vmdk",
            800_256,
            "vmdk-base-2.vmdk",
        ),
        over(
            "vmdk-over-foreign",
            "a parent by a foreign path",
            "C:\\vm\\vmdk-base-3.vmdk",
            size,
            "vmdk-base-3.vmdk",
        ),
        chain,
        delta(
            "vmdk-over-cowd",
            "a redo log over a flat disk",
            "vmfsSparse",
            "VMFSSPARSE",
            cowd(1, &only).file,
        ),
        delta(
            "vmdk-over-sesparse",
            "an seSparse delta over a flat disk",
            "seSparse",
            "SESPARSE",
            sesparse(size, &cells_of(&only, 4096)).file,
        ),
        stream,
    ]
}

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

/// Grains 0, 1 and 4 of 64 KiB on a disk of 1 MiB.
pub(crate) fn recipe() -> Hosted {
    let grain = 1 << 16;
    let cells = BTreeMap::from([
        (0, Cell::Data(text(grain))),
        (1, Cell::Data(Noise::new(1).bytes(grain))),
        (4, Cell::Data(text(grain))),
    ]);
    Hosted { cells, ..Hosted::new(128, &vec![0; 1 << 20]) }.embedded("monolithicSparse", "x.vmdk")
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
