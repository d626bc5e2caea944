//! A writer of VHD, from Microsoft's "Virtual Hard Disk Image Format Specification", and of
//! what `XenServer` adds to it.

use std::collections::BTreeMap;

/// A block that is stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// A whole block.
    pub(crate) bytes: Vec<u8>,
    /// Which of its sectors are set in the bitmap.
    pub(crate) sectors: Vec<bool>,
}

/// The parent's fields in a differencing image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parent {
    pub(crate) uuid: [u8; 16],
    pub(crate) timestamp: u32,
    /// The name in the header.
    pub(crate) name: String,
    /// Platform codes and what they point at.
    pub(crate) locators: Vec<([u8; 4], Vec<u8>)>,
}

/// A recipe of an image.
#[derive(Clone, Debug)]
pub(crate) struct Vhd {
    /// 2, 3, 4, or what does not exist.
    pub(crate) disk_type: u32,
    pub(crate) creator: [u8; 4],
    pub(crate) creator_version: u32,
    /// The field.
    pub(crate) size: u64,
    pub(crate) geometry: (u16, u8, u8),
    pub(crate) uuid: [u8; 16],
    pub(crate) features: u32,
    pub(crate) saved_state: u8,
    pub(crate) hidden: u8,
    pub(crate) block: u32,
    pub(crate) blocks: BTreeMap<u64, Stored>,
    /// Entries of the table beyond those that are needed.
    pub(crate) spare_entries: u32,
    pub(crate) parent: Option<Parent>,
    /// Version of `XenServer`'s map of full blocks.
    pub(crate) batmap: Option<u32>,
    /// 511 bytes at the end.
    pub(crate) short: bool,
    /// Blocks last to first, the table after them.
    pub(crate) shuffled: bool,
    /// Blocks are placed so that their data are page-aligned.
    pub(crate) paged: bool,
}

/// An image, and the offsets of its parts.
pub(crate) struct Written {
    pub(crate) file: Vec<u8>,
    /// The table.
    pub(crate) bat: u64,
    /// The bitmap of each stored block.
    pub(crate) blocks: BTreeMap<u64, u64>,
    /// The header of the map of full blocks.
    pub(crate) batmap: u64,
    /// The footer at the end.
    pub(crate) footer: u64,
}

impl Vhd {
    /// A disk that Hyper-V would write, nothing stored.
    pub(crate) fn new(disk_type: u32, size: u64, block: u32) -> Self {
        Self {
            disk_type,
            creator: *b"win ",
            creator_version: 0x000a_0000,
            size,
            geometry: chs(size),
            uuid: *b"0123456789abcdef",
            features: 2,
            saved_state: 0,
            hidden: 0,
            block,
            blocks: BTreeMap::new(),
            spare_entries: 0,
            parent: None,
            batmap: None,
            short: false,
            shuffled: false,
            paged: false,
        }
    }

    /// Stores every block of `disk` that is not all zeros, with the sectors that are not. What is
    /// not set holds garbage.
    #[must_use]
    pub(crate) fn with_disk(mut self, disk: &[u8]) -> Self {
        for (index, bytes) in (0..).zip(disk.chunks(self.block as usize)) {
            let sectors: Vec<bool> = bytes.chunks(512).map(|s| s.iter().any(|byte| *byte != 0)).collect();
            if sectors.contains(&true) {
                self.blocks.insert(index, stored(bytes, sectors, self.block as usize));
            }
        }
        self
    }

    /// Stores the sectors in which `disk` differs from `below`.
    #[must_use]
    pub(crate) fn with_difference(mut self, disk: &[u8], below: &[u8]) -> Self {
        let mut old = below.to_vec();
        old.resize(disk.len(), 0);
        let block = self.block as usize;
        for (index, (new, old)) in (0..).zip(disk.chunks(block).zip(old.chunks(block))) {
            let sectors: Vec<bool> = new.chunks(512).zip(old.chunks(512)).map(|(a, b)| a != b).collect();
            if sectors.contains(&true) {
                self.blocks.insert(index, stored(new, sectors, block));
            }
        }
        self
    }

    /// A fixed image of `disk`.
    pub(crate) fn fixed(&self, disk: &[u8]) -> Written {
        let mut file = disk.to_vec();
        file.resize(self.size as usize, 0);
        let footer = file.len() as u64;
        file.extend(self.footer(u64::MAX));
        self.shorten(&mut file);
        Written { file, bat: 0, blocks: BTreeMap::new(), batmap: 0, footer }
    }

    /// A dynamic or differencing image.
    pub(crate) fn write(&self) -> Written {
        let mut file = self.footer(512).to_vec();
        file.resize(1536, 0);
        let mut blocks = BTreeMap::new();
        if self.shuffled {
            for (index, block) in self.blocks.iter().rev() {
                blocks.insert(*index, self.append_block(&mut file, block));
            }
        }
        let entries = self.size.div_ceil(self.block.into()) as u32 + self.spare_entries;
        let bat = file.len() as u64;
        file.resize((file.len() + entries as usize * 4).next_multiple_of(512), 0xff);
        let batmap = self.append_batmap(&mut file, entries);
        let locators = self.append_locators(&mut file);
        for (index, block) in &self.blocks {
            let place = blocks.entry(*index).or_insert_with(|| self.append_block(&mut file, block));
            let sector = (*place / 512) as u32;
            file[bat as usize + *index as usize * 4..][..4].copy_from_slice(&sector.to_be_bytes());
        }
        let header = self.header(bat, entries, &locators);
        file[512..1536].copy_from_slice(&header);
        let footer = file.len() as u64;
        file.extend(self.footer(512));
        self.shorten(&mut file);
        Written { file, bat, blocks, batmap, footer }
    }

    fn shorten(&self, file: &mut Vec<u8>) {
        if self.short {
            file.pop();
        }
    }

    fn append_block(&self, file: &mut Vec<u8>, block: &Stored) -> u64 {
        let bitmap_len = (self.block as usize / 4096).next_multiple_of(512);
        while self.paged && !(file.len() + bitmap_len).is_multiple_of(4096) {
            file.extend([0; 512]);
        }
        let place = file.len();
        file.resize(place + bitmap_len, 0);
        for (index, _) in block.sectors.iter().enumerate().filter(|(_, is_set)| **is_set) {
            // tapdisk 0.1 counts bits from the other end.
            let bit = if &self.creator == b"tap\0" && self.creator_version == 1 {
                index % 8
            } else {
                7 - index % 8
            };
            file[place + index / 8] |= 1 << bit;
        }
        file.extend(&block.bytes);
        place as u64
    }

    fn append_locators(&self, file: &mut Vec<u8>) -> Vec<([u8; 4], u64, usize)> {
        let mut places = Vec::new();
        for (code, bytes) in self.parent.iter().flat_map(|parent| &parent.locators) {
            places.push((*code, file.len() as u64, bytes.len()));
            file.extend(bytes);
            file.resize(file.len().next_multiple_of(512), 0);
        }
        places
    }

    /// The header of the map of full blocks follows the table, the map follows its header.
    fn append_batmap(&self, file: &mut Vec<u8>, entries: u32) -> u64 {
        let at = file.len() as u64;
        let Some(version) = self.batmap else { return 0 };
        let mut map = vec![0u8; (entries as usize).div_ceil(8).next_multiple_of(512)];
        for (index, _) in self.blocks.iter().filter(|(_, block)| !block.sectors.contains(&false)) {
            map[*index as usize / 8] |= 0x80 >> (index % 8);
        }
        let value =
            |byte: &u8| if version == 0x0001_0001 { i32::from(*byte as i8) as u32 } else { (*byte).into() };
        let sum = map.iter().fold(0u32, |sum, byte| sum.wrapping_add(value(byte)));
        file.extend(b"tdbatmap");
        file.extend((at + 512).to_be_bytes());
        file.extend((map.len() as u32 / 512).to_be_bytes());
        file.extend(version.to_be_bytes());
        file.extend((!sum).to_be_bytes());
        file.resize(at as usize + 512, 0);
        file.extend(map);
        at
    }

    fn footer(&self, data_offset: u64) -> [u8; 512] {
        let mut out = Vec::new();
        out.extend(b"conectix");
        out.extend(self.features.to_be_bytes());
        out.extend(0x0001_0000u32.to_be_bytes());
        out.extend(data_offset.to_be_bytes());
        out.extend(700_000_000u32.to_be_bytes());
        out.extend(self.creator);
        out.extend(self.creator_version.to_be_bytes());
        out.extend(b"Wi2k");
        out.extend(self.size.to_be_bytes());
        out.extend(self.size.to_be_bytes());
        out.extend(self.geometry.0.to_be_bytes());
        out.extend([self.geometry.1, self.geometry.2]);
        out.extend(self.disk_type.to_be_bytes());
        out.extend([0; 4]);
        out.extend(self.uuid);
        out.extend([self.saved_state, self.hidden]);
        out.resize(512, 0);
        seal(&mut out, 64);
        out.try_into().expect("512 bytes")
    }

    fn header(&self, bat: u64, entries: u32, locators: &[([u8; 4], u64, usize)]) -> Vec<u8> {
        let parent = self.parent.clone().unwrap_or_default();
        let mut out = Vec::new();
        out.extend(b"cxsparse");
        out.extend(u64::MAX.to_be_bytes());
        out.extend(bat.to_be_bytes());
        out.extend(0x0001_0000u32.to_be_bytes());
        out.extend(entries.to_be_bytes());
        out.extend(self.block.to_be_bytes());
        out.extend([0; 4]);
        out.extend(parent.uuid);
        out.extend(parent.timestamp.to_be_bytes());
        out.extend([0; 4]);
        out.extend(parent.name.encode_utf16().flat_map(u16::to_be_bytes));
        out.resize(576, 0);
        for (code, at, len) in locators {
            out.extend(code);
            out.extend((len.next_multiple_of(512) as u32).to_be_bytes());
            out.extend((*len as u32).to_be_bytes());
            out.extend([0; 4]);
            out.extend(at.to_be_bytes());
        }
        out.resize(1024, 0);
        seal(&mut out, 36);
        out
    }
}

fn stored(bytes: &[u8], mut sectors: Vec<bool>, block: usize) -> Stored {
    sectors.resize(block / 512, false);
    let mut whole = bytes.to_vec();
    whole.resize(block, 0);
    for (sector, _) in whole.chunks_mut(512).zip(&sectors).filter(|(_, is_set)| !**is_set) {
        sector.fill(0xee);
    }
    Stored { bytes: whole, sectors }
}

/// Puts the right checksum at `at`.
pub(crate) fn seal(bytes: &mut [u8], at: usize) {
    bytes[at..at + 4].fill(0);
    let sum = bytes.iter().fold(0u32, |sum, byte| sum.wrapping_add((*byte).into()));
    bytes[at..at + 4].copy_from_slice(&(!sum).to_be_bytes());
}

/// A geometry for a disk of `size` bytes, by the specification's appendix: rounded down.
pub(crate) fn chs(size: u64) -> (u16, u8, u8) {
    let sectors = (size / 512).min(65535 * 16 * 255);
    if sectors >= 65535 * 16 * 63 {
        return ((sectors / 255 / 16) as u16, 16, 255);
    }
    let mut track = 17;
    let mut rows = sectors / track;
    let mut heads = rows.div_ceil(1024).max(4);
    if rows >= heads * 1024 || heads > 16 {
        (track, heads) = (31, 16);
        rows = sectors / track;
    }
    if rows >= heads * 1024 {
        (track, heads) = (63, 16);
        rows = sectors / track;
    }
    ((rows / heads) as u16, heads as u8, track as u8)
}

/// A name as a locator has it: UTF-16, little-endian.
pub(crate) fn wide(name: &str) -> Vec<u8> {
    name.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
