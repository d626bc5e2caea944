//! A writer of QCOW2, from the specification (QEMU's `docs/interop/qcow2.txt`).

use flate2::write::DeflateEncoder;
use std::collections::BTreeMap;
use std::io::Write;

/// What one guest cluster is stored as.
#[derive(Clone, Debug)]
pub enum Cell {
    /// As it is; a whole cluster.
    Data(Vec<u8>),
    /// Reads as zeros (version 3).
    Zero,
    /// Reads as zeros and keeps a cluster of garbage.
    ZeroKept,
    /// Compressed.
    Compressed(Vec<u8>),
    /// Extended entry: which subclusters hold data, which are zeros, and the data.
    Sub(u32, u32, Vec<u8>),
}

/// A recipe of an image.
#[derive(Clone, Debug)]
pub struct Qcow2 {
    /// 2 or 3.
    pub version: u32,
    /// 9 to 21.
    pub cluster_bits: u32,
    /// Bytes of the disk.
    pub size: u64,
    /// Guest clusters that are stored.
    pub cells: BTreeMap<u64, Cell>,
    /// zstd instead of zlib.
    pub zstd: bool,
    /// Extended L2 entries.
    pub extended: bool,
    /// Name and format of the backing file.
    pub backing: Option<(String, Option<String>)>,
    /// Name of the external data file and whether it is raw.
    pub data_file: Option<(String, bool)>,
    /// Further bits to set in the incompatible features.
    pub incompatible: u64,
    /// Encryption method.
    pub crypt: u32,
    /// Clusters are laid out last to first, tables after data.
    pub shuffled: bool,
    /// Extensions by type.
    pub extensions: Vec<(u32, Vec<u8>)>,
    /// A snapshot: id, name, its cells and its disk size.
    pub snapshots: Vec<(String, String, BTreeMap<u64, Cell>, u64)>,
}

/// An image, and the offsets of its tables.
pub struct Written {
    /// The image file.
    pub file: Vec<u8>,
    /// The external data file.
    pub data: Vec<u8>,
    /// File offset of the active L1 table.
    pub l1: u64,
    /// File offset of the active L2 entry of each stored guest cluster.
    pub entries: BTreeMap<u64, u64>,
    /// File offset of the data of each stored guest cluster.
    pub places: BTreeMap<u64, u64>,
    /// File offset of the snapshot table.
    pub snapshot_table: u64,
}

impl Qcow2 {
    /// Version 3, nothing stored.
    pub fn new(cluster_bits: u32, size: u64) -> Self {
        Self {
            version: 3,
            cluster_bits,
            size,
            cells: BTreeMap::new(),
            zstd: false,
            extended: false,
            backing: None,
            data_file: None,
            incompatible: 0,
            crypt: 0,
            shuffled: false,
            extensions: Vec::new(),
            snapshots: Vec::new(),
        }
    }

    /// Stores every cluster of `disk` that is not all zeros, in the cell that `cell` makes.
    #[must_use]
    pub fn with_disk(mut self, disk: &[u8], cell: impl Fn(u64, Vec<u8>) -> Cell) -> Self {
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

    /// The image's bytes.
    pub fn write(&self) -> Written {
        let mut image = Image {
            recipe: self,
            cluster: 1 << self.cluster_bits,
            file: vec![0; 1 << self.cluster_bits],
            data: Vec::new(),
            compressed_end: 0,
            uses: BTreeMap::new(),
        };
        image.build()
    }
}

struct Image<'a> {
    recipe: &'a Qcow2,
    cluster: u64,
    file: Vec<u8>,
    data: Vec<u8>,
    /// Where the last compressed payload ended, if its cluster has room left.
    compressed_end: u64,
    /// Clusters that are not used exactly once: by compressed payloads, or not at all.
    uses: BTreeMap<u64, u16>,
}

const COPIED: u64 = 1 << 63;

impl Image<'_> {
    fn build(&mut self) -> Written {
        let active = self.disk(&self.recipe.cells.clone(), self.recipe.size);
        let mut snapshots = Vec::new();
        for (id, name, cells, size) in &self.recipe.snapshots {
            let disk = self.disk(cells, *size);
            snapshots.push((id.clone(), name.clone(), disk.l1, disk.l1_entries, *size));
        }
        let table = self.snapshot_table(&snapshots);
        let snapshot_table = if table.is_empty() { 0 } else { self.append(&table) };
        let (refcounts, clusters) = self.refcounts();
        self.header(&active, snapshot_table, refcounts, clusters);
        Written {
            file: std::mem::take(&mut self.file),
            data: std::mem::take(&mut self.data),
            l1: active.l1,
            entries: active.entries,
            places: active.places,
            snapshot_table,
        }
    }

    /// Room for `len` bytes at the file's end, on a cluster.
    fn reserve(&mut self, len: u64) -> u64 {
        let at = self.file.len() as u64;
        self.file.resize((at + len.max(1).next_multiple_of(self.cluster)) as usize, 0);
        at
    }

    fn append(&mut self, bytes: &[u8]) -> u64 {
        let at = self.reserve(bytes.len() as u64);
        self.put(at, bytes);
        at
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        self.file[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    }

    fn put_u64(&mut self, at: u64, value: u64) {
        self.put(at, &value.to_be_bytes());
    }

    fn disk(&mut self, cells: &BTreeMap<u64, Cell>, size: u64) -> Disk {
        let entry = if self.recipe.extended { 16 } else { 8 };
        let per_table = self.cluster / entry;
        let l1_entries = size.div_ceil(per_table * self.cluster);
        let mut disk = Disk { l1: 0, l1_entries, entries: BTreeMap::new(), places: BTreeMap::new() };
        let mut stored = BTreeMap::new();
        if self.recipe.shuffled {
            for (index, cell) in cells.iter().rev() {
                stored.insert(*index, self.store(*index, cell));
            }
        }
        disk.l1 = self.reserve(l1_entries * 8);
        if l1_entries == 0 {
            self.uses.insert(disk.l1 / self.cluster, 0);
        }
        let mut tables: BTreeMap<u64, u64> = BTreeMap::new();
        for (index, cell) in cells {
            let number = index / per_table;
            if let std::collections::btree_map::Entry::Vacant(e) = tables.entry(number) {
                let table = self.reserve(self.cluster);
                e.insert(table);
                self.put_u64(disk.l1 + number * 8, table | COPIED);
            }
            let at = tables[&number] + index % per_table * entry;
            let (bits, bitmap, place) = match stored.remove(index) {
                Some(done) => done,
                None => self.store(*index, cell),
            };
            self.put_u64(at, bits);
            if self.recipe.extended {
                self.put_u64(at + 8, bitmap);
            }
            disk.entries.insert(*index, at);
            disk.places.insert(*index, place);
        }
        disk
    }

    /// Entry, subcluster bitmap and place of one cell.
    fn store(&mut self, index: u64, cell: &Cell) -> (u64, u64, u64) {
        match cell {
            Cell::Zero if self.recipe.extended => (0, 0xffff_ffff << 32, 0),
            Cell::Zero => (1, 0, 0),
            Cell::ZeroKept => {
                let place = self.append(&vec![0xee; self.cluster as usize]);
                (
                    COPIED | place | u64::from(!self.recipe.extended),
                    if self.recipe.extended { 0xffff_ffff << 32 } else { 0 },
                    place,
                )
            }
            Cell::Data(bytes) => {
                let place = self.store_plain(index, bytes);
                (COPIED | place, if self.recipe.extended { 0xffff_ffff } else { 0 }, place)
            }
            Cell::Sub(data, zeros, bytes) => {
                let place = self.store_plain(index, bytes);
                (COPIED | place, u64::from(*zeros) << 32 | u64::from(*data), place)
            }
            Cell::Compressed(bytes) => self.store_compressed(bytes),
        }
    }

    fn store_plain(&mut self, index: u64, bytes: &[u8]) -> u64 {
        if self.recipe.data_file.is_none() {
            return self.append(bytes);
        }
        // QEMU expects every cluster at its own offset, raw or not.
        let place = index * self.cluster;
        let end = place as usize + bytes.len();
        if self.data.len() < end {
            self.data.resize(end, 0);
        }
        self.data[place as usize..end].copy_from_slice(bytes);
        place
    }

    /// Payloads follow each other byte by byte, as QEMU writes them, until a cluster is full.
    fn store_compressed(&mut self, bytes: &[u8]) -> (u64, u64, u64) {
        let payload = self.compress(bytes);
        let len = payload.len() as u64;
        let left = self.compressed_end.next_multiple_of(self.cluster) - self.compressed_end;
        let at = if self.compressed_end > 0 && len <= left { self.compressed_end } else { self.reserve(len) };
        self.put(at, &payload);
        for cluster in at / self.cluster..=(at + len - 1) / self.cluster {
            *self.uses.entry(cluster).or_default() += 1;
        }
        self.compressed_end = at + len;
        let offset_bits = 62 - (self.recipe.cluster_bits - 8);
        let sectors = (at + len - 1) / 512 - at / 512;
        (1 << 62 | sectors << offset_bits | at, 0, at)
    }

    fn compress(&self, bytes: &[u8]) -> Vec<u8> {
        if self.recipe.zstd {
            return zstd::bulk::compress(bytes, 3).expect("a cluster in memory compresses");
        }
        let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
        encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a cluster in memory compresses")
    }

    fn snapshot_table(&self, snapshots: &[(String, String, u64, u64, u64)]) -> Vec<u8> {
        let mut table = Vec::new();
        for (id, name, l1, l1_entries, size) in snapshots {
            let extra: u32 = if self.recipe.version >= 3 { 16 } else { 0 };
            table.extend(l1.to_be_bytes());
            table.extend((*l1_entries as u32).to_be_bytes());
            table.extend((id.len() as u16).to_be_bytes());
            table.extend((name.len() as u16).to_be_bytes());
            table.extend(1_600_000_000u32.to_be_bytes());
            table.extend([0; 4 + 8 + 4]);
            table.extend(extra.to_be_bytes());
            if extra > 0 {
                table.extend(0u64.to_be_bytes());
                table.extend(size.to_be_bytes());
            }
            table.extend(id.as_bytes());
            table.extend(name.as_bytes());
            table.resize(table.len().next_multiple_of(8), 0);
        }
        table
    }

    /// Every cluster of the file is used once, compressed ones once per payload.
    fn refcounts(&mut self) -> (u64, u64) {
        let per_block = self.cluster / 2;
        let used = self.file.len() as u64 / self.cluster;
        let mut blocks = 1;
        let table_clusters = loop {
            let table = (blocks * 8u64).div_ceil(self.cluster);
            let needed = (used + blocks + table).div_ceil(per_block);
            if needed <= blocks {
                break table;
            }
            blocks = needed;
        };
        let table = self.reserve(table_clusters * self.cluster);
        let total = used + table_clusters + blocks;
        for block in 0..blocks {
            let at = self.reserve(self.cluster);
            self.put_u64(table + block * 8, at);
            for index in 0..per_block.min(total - block * per_block) {
                let uses = self.uses.get(&(block * per_block + index)).copied().unwrap_or(1);
                self.put(at + index * 2, &uses.to_be_bytes());
            }
        }
        (table, table_clusters)
    }

    fn header(&mut self, active: &Disk, snapshot_table: u64, refcounts: u64, refcount_clusters: u64) {
        let recipe = self.recipe;
        let mut head = Vec::new();
        head.extend(b"QFI\xfb");
        head.extend(recipe.version.to_be_bytes());
        head.extend([0; 12]); // backing name: below
        head.extend(recipe.cluster_bits.to_be_bytes());
        head.extend(recipe.size.to_be_bytes());
        head.extend(recipe.crypt.to_be_bytes());
        head.extend((active.l1_entries as u32).to_be_bytes());
        head.extend(active.l1.to_be_bytes());
        head.extend(refcounts.to_be_bytes());
        head.extend((refcount_clusters as u32).to_be_bytes());
        head.extend((recipe.snapshots.len() as u32).to_be_bytes());
        head.extend(snapshot_table.to_be_bytes());
        if recipe.version >= 3 {
            let features = recipe.incompatible
                | u64::from(recipe.data_file.is_some()) << 2
                | u64::from(recipe.zstd) << 3
                | u64::from(recipe.extended) << 4;
            head.extend(features.to_be_bytes());
            head.extend(0u64.to_be_bytes());
            let is_raw = recipe.data_file.as_ref().is_some_and(|(_, is_raw)| *is_raw);
            head.extend((u64::from(is_raw) << 1).to_be_bytes());
            head.extend(4u32.to_be_bytes());
            head.extend(112u32.to_be_bytes());
            head.extend([u8::from(recipe.zstd), 0, 0, 0, 0, 0, 0, 0]);
        }
        self.extensions(&mut head);
        if let Some((name, _)) = &recipe.backing {
            let at = head.len() as u64;
            head[8..16].copy_from_slice(&at.to_be_bytes());
            head[16..20].copy_from_slice(&(name.len() as u32).to_be_bytes());
            head.extend(name.as_bytes());
        }
        self.put(0, &head);
    }

    fn extensions(&self, head: &mut Vec<u8>) {
        let recipe = self.recipe;
        let mut all = recipe.extensions.clone();
        if let Some((_, Some(format))) = &recipe.backing {
            all.push((0xe279_2aca, format.clone().into_bytes()));
        }
        if let Some((name, _)) = &recipe.data_file {
            all.push((0x4441_5441, name.clone().into_bytes()));
        }
        for (kind, data) in all {
            head.extend(kind.to_be_bytes());
            head.extend((data.len() as u32).to_be_bytes());
            head.extend(&data);
            head.resize(head.len().next_multiple_of(8), 0);
        }
        head.extend([0; 8]);
    }
}

struct Disk {
    l1: u64,
    l1_entries: u64,
    entries: BTreeMap<u64, u64>,
    places: BTreeMap<u64, u64>,
}
