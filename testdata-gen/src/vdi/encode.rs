//! A writer of VDI, from the layout of its headers.

use std::collections::BTreeMap;

use crate::bytes::put;

/// An entry of the map.
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
    /// Blocks are stored last to first.
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
    pub(crate) fn with_all_of(mut self, disk: &[u8]) -> Self {
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
