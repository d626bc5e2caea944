//! A writer of QED, from the specification (QEMU's `docs/interop/qed_spec.rst`), and its images.

use std::collections::BTreeMap;

use crate::bytes::{le64_at, put};

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
            let mut table = le64_at(&written.file, slot);
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

/// The entry: an offset, or 1 for zeros.
fn store(file: &mut Vec<u8>, cell: &Cell) -> u64 {
    match cell {
        Cell::Data(bytes) => append(file, bytes),
        Cell::Zero => 1,
    }
}

pub(crate) const K: usize = 1 << 10;
