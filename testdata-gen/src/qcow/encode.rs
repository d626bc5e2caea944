//! A writer of QCOW version 1, from QEMU's header and table layout, and its images.

use flate2::{Compress, Compression, FlushCompress, Status};
use std::collections::BTreeMap;

use crate::bytes::{be64_at, put};

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
            let mut at = be64_at(&written.file, slot);
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
