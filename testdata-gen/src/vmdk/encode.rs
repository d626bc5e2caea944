//! A writer of VMDK in all its kinds, from "Virtual Disk Format 5.0" and, for
//! seSparse, from what ESX writes to its log.

use flate2::write::ZlibEncoder;
use std::collections::BTreeMap;
use std::io::Write;

use crate::disk::{Noise, mixed, text};
use crate::model::ImageFile;

pub(crate) const SECTOR: usize = 512;
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
    /// Compressed, with markers, the directory after.
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

/// A file, and the offsets of its tables.
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

    /// An empty directory with its tables right after it; returns its offset.
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
        // Tables are allocated last to first: an entry is a number, not an offset.
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

/// A disk of whole sectors.
pub(crate) fn sectors(size: usize) -> Vec<u8> {
    mixed(size / SECTOR * SECTOR)
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
