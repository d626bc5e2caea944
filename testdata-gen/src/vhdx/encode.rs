//! A writer of VHDX, from the specification (MS-VHDX).

use std::collections::BTreeMap;

const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;
pub(crate) const HEADERS: [u64; 2] = [64 * KIB, 128 * KIB];
pub(crate) const REGION_TABLES: [u64; 2] = [192 * KIB, 256 * KIB];

/// What one block is stored as.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    /// Fully present; as many bytes of it as the disk has.
    Data(Vec<u8>),
    /// A state without data, 0 to 5; with an offset if asked.
    State(u64, bool),
    /// Partially present: one bit a sector, the lowest first, and the bytes.
    Partial(Vec<u8>, Vec<u8>),
}

/// A recipe of an image.
#[derive(Clone, Debug)]
pub(crate) struct Vhdx {
    pub(crate) block_size: u64,
    pub(crate) sector: u64,
    pub(crate) physical: u64,
    pub(crate) size: u64,
    /// Blocks that are not "not present".
    pub(crate) blocks: BTreeMap<u64, Block>,
    pub(crate) leave_allocated: bool,
    /// Keys and values of the parent locator.
    pub(crate) parent: Option<Vec<(&'static str, String)>>,
    /// The type of the parent locator.
    pub(crate) locator: &'static str,
    pub(crate) data_write: &'static str,
    /// Sequence numbers of the two headers.
    pub(crate) sequences: [u64; 2],
    /// Length of the log.
    pub(crate) log_len: u64,
    /// Data precedes the tables, blocks last to first.
    pub(crate) shuffled: bool,
    /// Further regions: name, whether required.
    pub(crate) regions: Vec<(&'static str, bool)>,
    /// Further metadata items: name, flags, bytes.
    pub(crate) items: Vec<(&'static str, u32, Vec<u8>)>,
}

/// An image, and the offsets of its parts.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) file: Vec<u8>,
    pub(crate) log: u64,
    pub(crate) log_len: u64,
    pub(crate) metadata: u64,
    pub(crate) bat: u64,
    /// File offset of the entry of each block of the recipe.
    pub(crate) entries: BTreeMap<u64, u64>,
    /// File offset of the data of each block that has some.
    pub(crate) places: BTreeMap<u64, u64>,
    /// File offset of the sector bitmap's entry of each chunk that has one.
    pub(crate) bitmap_entries: BTreeMap<u64, u64>,
    /// File offset of each metadata item by its name.
    pub(crate) items: BTreeMap<&'static str, u64>,
    /// The same of the values of the parent locator.
    pub(crate) values: BTreeMap<&'static str, u64>,
}

pub(crate) const BAT: &str = "2DC27766-F623-4200-9D64-115E9BFD4A08";
pub(crate) const METADATA: &str = "8B7CA206-4790-4B9A-B8FE-575F050F886E";
pub(crate) const FILE_PARAMETERS: &str = "CAA16737-FA36-4D43-B3B6-33F0AA44E76B";
pub(crate) const DISK_SIZE: &str = "2FA54224-CD1B-4876-B211-5DBED83BF4B8";
pub(crate) const PAGE_83: &str = "BECA12AB-B2E6-4523-93EF-C309E000C746";
pub(crate) const LOGICAL: &str = "8141BF1D-A96F-4709-BA47-F233A8FAAB5F";
pub(crate) const PHYSICAL: &str = "CDA348C7-445D-4471-9CC9-E9885251C556";
pub(crate) const LOCATOR: &str = "A8D35F2D-B30B-454D-ABF7-D3D84834AB0C";
const LOCATOR_TYPE: &str = "B04AEFB7-D19E-4A81-B789-25B8E9445913";
pub(crate) const DATA_WRITE: &str = "11111111-2222-4333-8444-555555555555";
const FILE_WRITE: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";

/// A GUID as the file has it.
pub(crate) fn guid(text: &str) -> [u8; 16] {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let byte = |index: usize| u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).expect("a GUID");
    [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map(byte)
}

/// CRC-32C, bit by bit.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// Puts the checksum of `len` bytes from `at` on into their bytes 4 to 8.
pub(crate) fn seal(file: &mut [u8], at: u64, len: u64) {
    let bytes = &mut file[at as usize..(at + len) as usize];
    bytes[4..8].fill(0);
    let crc = crc32c(bytes);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// Writes `bytes` at `at`; the file grows if it must.
pub(crate) fn put(file: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let end = at as usize + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[at as usize..end].copy_from_slice(bytes);
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

impl Vhdx {
    /// A dynamic image of 512-byte sectors, nothing stored.
    pub(crate) fn new(block_size: u64, size: u64) -> Self {
        Self {
            block_size,
            sector: 512,
            physical: 4096,
            size,
            blocks: BTreeMap::new(),
            leave_allocated: false,
            parent: None,
            locator: LOCATOR_TYPE,
            data_write: DATA_WRITE,
            sequences: [7, 8],
            log_len: MIB,
            shuffled: false,
            regions: Vec::new(),
            items: Vec::new(),
        }
    }

    /// Stores every block of `disk` that is not all zeros.
    #[must_use]
    pub(crate) fn with_disk(mut self, disk: &[u8]) -> Self {
        for (index, bytes) in (0..).zip(disk.chunks(self.block_size as usize)) {
            if bytes.iter().any(|byte| *byte != 0) {
                self.blocks.insert(index, Block::Data(bytes.to_vec()));
            }
        }
        self
    }

    /// Makes it a differencing image over the image of this name and GUID.
    #[must_use]
    pub(crate) fn over(mut self, name: &str, linkage: &str) -> Self {
        self.parent = Some(vec![
            ("parent_linkage", format!("{{{}}}", linkage.to_lowercase())),
            ("relative_path", format!(".\\{name}")),
            ("absolute_win32_path", format!("\\\\?\\C:\\Virtual Machines\\{name}")),
        ]);
        self
    }

    fn ratio(&self) -> u64 {
        (1 << 23) * self.sector / self.block_size
    }

    fn entry(&self, block: u64) -> u64 {
        (block + block / self.ratio()) * 8
    }

    fn bitmap_entry(&self, chunk: u64) -> u64 {
        (chunk * (self.ratio() + 1) + self.ratio()) * 8
    }

    /// Length of the table: a whole number of MiB, 1 at least.
    fn bat_len(&self) -> u64 {
        let blocks = self.size.div_ceil(self.block_size);
        let chunks = blocks.div_ceil(self.ratio());
        (chunks * (self.ratio() + 1) * 8).max(1).next_multiple_of(MIB)
    }

    /// The image's bytes.
    pub(crate) fn write(&self) -> Written {
        let mut written = Written {
            file: vec![0; MIB as usize],
            log: 0,
            log_len: self.log_len,
            metadata: 0,
            bat: 0,
            entries: BTreeMap::new(),
            places: BTreeMap::new(),
            bitmap_entries: BTreeMap::new(),
            items: BTreeMap::new(),
            values: BTreeMap::new(),
        };
        if self.shuffled {
            self.data(&mut written);
            written.bat = reserve(&mut written.file, self.bat_len());
            written.metadata = reserve(&mut written.file, MIB);
            written.log = reserve(&mut written.file, self.log_len);
        } else {
            written.log = reserve(&mut written.file, self.log_len);
            written.metadata = reserve(&mut written.file, MIB);
            written.bat = reserve(&mut written.file, self.bat_len());
        }
        let others: Vec<_> = self
            .regions
            .iter()
            .map(|(name, required)| (*name, reserve(&mut written.file, MIB), MIB, *required))
            .collect();
        if !self.shuffled {
            self.data(&mut written);
        }
        self.table(&mut written);
        self.metadata(&mut written);
        let mut regions =
            vec![(BAT, written.bat, self.bat_len(), true), (METADATA, written.metadata, MIB, true)];
        regions.extend(others);
        self.heads(&mut written, &regions);
        written
    }

    /// Places for blocks and bitmaps; the entries come later.
    fn data(&self, written: &mut Written) {
        let mut order: Vec<_> = self.blocks.iter().collect();
        if self.shuffled {
            order.reverse();
        }
        let last = order.len().saturating_sub(1);
        for (number, (index, block)) in order.into_iter().enumerate() {
            let bytes = match block {
                Block::Data(bytes) | Block::Partial(_, bytes) => bytes,
                Block::State(_, true) => &vec![0xee; 4096],
                Block::State(_, false) => continue,
            };
            let place = written.file.len().next_multiple_of(MIB as usize) as u64;
            put(&mut written.file, place, bytes);
            // Whole blocks, but for the very last in the file: images of large blocks stay small.
            if number != last || self.shuffled {
                let end = (place + self.block_size.min(2 * MIB)) as usize;
                let end = end.max(written.file.len());
                written.file.resize(end, 0);
            }
            written.places.insert(*index, place);
        }
        written.file.resize(written.file.len().next_multiple_of(MIB as usize), 0);
    }

    fn table(&self, written: &mut Written) {
        let mut bitmaps: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for (index, block) in &self.blocks {
            let at = written.bat + self.entry(*index);
            let place = written.places.get(index).copied().unwrap_or(0);
            let state = match block {
                Block::Data(_) => 6,
                Block::State(state, _) => *state,
                Block::Partial(bits, _) => {
                    let per_block = (self.block_size / self.sector / 8) as usize;
                    let bitmap = bitmaps.entry(index / self.ratio()).or_insert_with(|| vec![0; MIB as usize]);
                    let start = (index % self.ratio()) as usize * per_block;
                    bitmap[start..start + bits.len()].copy_from_slice(bits);
                    7
                }
            };
            put(&mut written.file, at, &(place | state).to_le_bytes());
            written.entries.insert(*index, at);
        }
        for (chunk, bitmap) in bitmaps {
            let place = reserve(&mut written.file, MIB);
            put(&mut written.file, place, &bitmap);
            let at = written.bat + self.bitmap_entry(chunk);
            put(&mut written.file, at, &(place | 6).to_le_bytes());
            written.bitmap_entries.insert(chunk, at);
        }
    }

    fn metadata(&self, written: &mut Written) {
        let flags = u32::from(self.leave_allocated) | u32::from(self.parent.is_some()) << 1;
        let mut parameters = (self.block_size as u32).to_le_bytes().to_vec();
        parameters.extend(flags.to_le_bytes());
        let mut items = vec![
            (FILE_PARAMETERS, 4, parameters),
            (DISK_SIZE, 6, self.size.to_le_bytes().to_vec()),
            (LOGICAL, 6, (self.sector as u32).to_le_bytes().to_vec()),
            (PHYSICAL, 6, (self.physical as u32).to_le_bytes().to_vec()),
            (PAGE_83, 6, guid("01234567-89ab-4cde-8f01-23456789abcd").to_vec()),
        ];
        if let Some(parent) = &self.parent {
            items.push((LOCATOR, 4, self.locator(parent)));
        }
        items.extend(self.items.clone());
        let mut table = b"metadata\0\0".to_vec();
        table.extend((items.len() as u16).to_le_bytes());
        table.resize(32, 0);
        let mut at = 64 * KIB;
        for (name, flags, bytes) in items {
            table.extend(guid(name));
            let offset = if bytes.is_empty() { 0 } else { at as u32 };
            table.extend(offset.to_le_bytes());
            table.extend((bytes.len() as u32).to_le_bytes());
            table.extend(flags.to_le_bytes());
            table.extend([0; 4]);
            let place = written.metadata + at;
            put(&mut written.file, place, &bytes);
            written.items.insert(name, place);
            at += (bytes.len() as u64).next_multiple_of(4);
        }
        put(&mut written.file, written.metadata, &table);
        if let Some(parent) = &self.parent {
            let mut at = written.items[LOCATOR] + 20 + parent.len() as u64 * 12;
            for (key, value) in parent {
                at += utf16(key).len() as u64;
                written.values.insert(key, at);
                at += utf16(value).len() as u64;
            }
        }
    }

    fn locator(&self, parent: &[(&'static str, String)]) -> Vec<u8> {
        let mut bytes = guid(self.locator).to_vec();
        bytes.extend([0; 2]);
        bytes.extend((parent.len() as u16).to_le_bytes());
        let mut texts = Vec::new();
        let start = 20 + parent.len() * 12;
        for (key, value) in parent {
            let (key, value) = (utf16(key), utf16(value));
            bytes.extend(((start + texts.len()) as u32).to_le_bytes());
            bytes.extend(((start + texts.len() + key.len()) as u32).to_le_bytes());
            bytes.extend((key.len() as u16).to_le_bytes());
            bytes.extend((value.len() as u16).to_le_bytes());
            texts.extend(key);
            texts.extend(value);
        }
        bytes.extend(texts);
        bytes
    }

    fn heads(&self, written: &mut Written, regions: &[(&'static str, u64, u64, bool)]) {
        put(&mut written.file, 0, b"vhdxfile");
        put(&mut written.file, 8, &utf16("imgprep testdata-gen"));
        for (at, sequence) in HEADERS.into_iter().zip(self.sequences) {
            let mut header = b"head\0\0\0\0".to_vec();
            header.extend(sequence.to_le_bytes());
            header.extend(guid(FILE_WRITE));
            header.extend(guid(self.data_write));
            header.extend([0; 16]);
            header.extend(0u16.to_le_bytes());
            header.extend(1u16.to_le_bytes());
            header.extend((self.log_len as u32).to_le_bytes());
            header.extend(written.log.to_le_bytes());
            put(&mut written.file, at, &header);
            seal(&mut written.file, at, 4096);
        }
        for at in REGION_TABLES {
            let mut table = b"regi\0\0\0\0".to_vec();
            table.extend((regions.len() as u32).to_le_bytes());
            table.extend([0; 4]);
            for (name, start, len, required) in regions {
                table.extend(guid(name));
                table.extend(start.to_le_bytes());
                table.extend((*len as u32).to_le_bytes());
                table.extend(u32::from(*required).to_le_bytes());
            }
            put(&mut written.file, at, &table);
            seal(&mut written.file, at, 64 * KIB);
        }
    }
}

/// Room for `len` bytes at the file's end, on a MiB.
fn reserve(file: &mut Vec<u8>, len: u64) -> u64 {
    let at = file.len().next_multiple_of(MIB as usize);
    file.resize(at + len as usize, 0);
    at as u64
}

impl Written {
    /// Changes both headers, or one, and seals them again.
    pub(crate) fn header(&mut self, which: &[usize], at: u64, bytes: &[u8]) {
        for index in which {
            put(&mut self.file, HEADERS[*index] + at, bytes);
            seal(&mut self.file, HEADERS[*index], 4096);
        }
    }

    /// Changes both region tables and seals them again.
    pub(crate) fn region(&mut self, at: u64, bytes: &[u8]) {
        for table in REGION_TABLES {
            put(&mut self.file, table + at, bytes);
            seal(&mut self.file, table, 64 * KIB);
        }
    }
}

/// What a log entry does.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// 4096 bytes go to this place.
    Data(u64, Vec<u8>),
    /// From here on so many bytes become zeros.
    Zero(u64, u64),
}

/// One entry of the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) changes: Vec<Change>,
    /// Whether its last sector never reached the disk.
    pub(crate) torn: bool,
    /// `FlushedFileOffset` and `LastFileOffset`, if not the file's length.
    pub(crate) lengths: Option<(u64, u64)>,
    /// The tail it names: the number of an entry, the first one by default.
    pub(crate) tail: usize,
}

impl Entry {
    pub(crate) fn new(changes: Vec<Change>) -> Self {
        Self { changes, torn: false, lengths: None, tail: 0 }
    }

    fn head_len(&self) -> u64 {
        (64 + 32 * self.changes.len() as u64).next_multiple_of(4096)
    }

    fn len(&self) -> u64 {
        let data = self.changes.iter().filter(|change| matches!(change, Change::Data(..))).count();
        self.head_len() + data as u64 * 4096
    }
}

pub(crate) const LOG: &str = "99999999-8888-4777-8666-555555555555";

impl Written {
    /// Writes a log that begins at `start` in its ring; the header names it. The entries'
    /// numbers begin at `sequence`. Gives the file offset of each entry's head.
    pub(crate) fn dirty(&mut self, start: u64, sequence: u64, entries: &[Entry]) -> Vec<u64> {
        self.header(&[0, 1], 48, &guid(LOG));
        self.log_of(LOG, start, sequence, entries)
    }

    /// The same without the header.
    pub(crate) fn log_of(&mut self, name: &str, start: u64, sequence: u64, entries: &[Entry]) -> Vec<u64> {
        let mut ring = Vec::new();
        let mut at = start;
        for entry in entries {
            ring.push(at);
            at = (at + entry.len()) % self.log_len;
        }
        let file_len = self.file.len() as u64;
        for (index, entry) in entries.iter().enumerate() {
            let number = sequence + index as u64;
            let mut bytes = encode(entry, name, number, ring[entry.tail] as u32, file_len);
            if entry.torn {
                let end = bytes.len();
                bytes[end - 4096..].fill(0);
            }
            for (sector, bytes) in (0..).zip(bytes.chunks(4096)) {
                let place = self.log + (ring[index] + sector * 4096) % self.log_len;
                put(&mut self.file, place, bytes);
            }
        }
        ring.iter().map(|at| self.log + at).collect()
    }

    /// Moves the contents of these sectors into a change, and leaves garbage there.
    pub(crate) fn withdraw(&mut self, at: u64) -> Change {
        let range = at as usize..at as usize + 4096;
        let bytes = self.file[range.clone()].to_vec();
        self.file[range].fill(0xbd);
        Change::Data(at, bytes)
    }
}

fn encode(entry: &Entry, name: &str, number: u64, tail: u32, file_len: u64) -> Vec<u8> {
    let (flushed, last) = entry.lengths.unwrap_or((file_len, file_len));
    let mut bytes = b"loge\0\0\0\0".to_vec();
    bytes.extend((entry.len() as u32).to_le_bytes());
    bytes.extend(tail.to_le_bytes());
    bytes.extend(number.to_le_bytes());
    bytes.extend((entry.changes.len() as u32).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(guid(name));
    bytes.extend(flushed.to_le_bytes());
    bytes.extend(last.to_le_bytes());
    let mut sectors = Vec::new();
    for change in &entry.changes {
        match change {
            Change::Data(at, data) => {
                bytes.extend(b"desc");
                bytes.extend(&data[4092..]);
                bytes.extend(&data[..8]);
                bytes.extend(at.to_le_bytes());
                sectors.extend(b"data");
                sectors.extend(((number >> 32) as u32).to_le_bytes());
                sectors.extend(&data[8..4092]);
                sectors.extend((number as u32).to_le_bytes());
            }
            Change::Zero(at, len) => {
                bytes.extend(b"zero\0\0\0\0");
                bytes.extend(len.to_le_bytes());
                bytes.extend(at.to_le_bytes());
            }
        }
        bytes.extend(number.to_le_bytes());
    }
    bytes.resize(entry.head_len() as usize, 0);
    bytes.extend(sectors);
    let len = bytes.len() as u64;
    seal(&mut bytes, 0, len);
    bytes
}
