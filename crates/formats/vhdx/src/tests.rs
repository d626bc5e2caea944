//! Tests with a small sparse image in memory; each of its fields is made invalid.

mod fields;
mod log;
mod map;
mod parent;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{ControlFlow, Range};
use core::sync::atomic::{AtomicU64, Ordering};

use imgprep_format_kit::Invalid;
use imgprep_map::{
    Class, Detail, Error, Extent, FileId, Image, Limits, ParseOptions, Parsed, ReadAt, ReadError, Source,
    Value,
};

use crate::guid::Guid;
use crate::layout::{
    BAT_REGION, FILE_PARAMETERS, HEADERS, LOGICAL_SECTOR, METADATA_REGION, MIB, PAGE_83, PARENT_LOCATOR,
    PHYSICAL_SECTOR, REGION_TABLES, TABLE_BYTES, VHDX_LOCATOR, VIRTUAL_DISK_SIZE,
};
use crate::{Corrupt, Unsupported, crc, parse};

const PAGE: u64 = 4096;

/// A file of pages. Pages that were never written are holes.
struct Sparse {
    pages: BTreeMap<u64, Vec<u8>>,
    len: u64,
    read: AtomicU64,
}

impl Sparse {
    fn put(&mut self, at: u64, bytes: &[u8]) {
        for (at, byte) in (at..).zip(bytes) {
            let page = self.pages.entry(at / PAGE).or_insert_with(|| vec![0; 4096]);
            page[usize::try_from(at % PAGE).unwrap()] = *byte;
        }
        self.len = self.len.max(at + bytes.len() as u64);
    }

    fn seal(&mut self, at: u64, len: usize) {
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, at).unwrap();
        self.put(at + 4, &crc::sealed(&bytes).to_le_bytes());
    }
}

impl ReadAt for Sparse {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, buf: &mut [u8], at: u64) -> Result<(), ReadError> {
        let len = buf.len() as u64;
        self.read.fetch_add(len, Ordering::Relaxed);
        if at.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(ReadError::PastEnd { at, len, file_len: self.len });
        }
        for (at, byte) in (at..).zip(buf) {
            let page = self.pages.get(&(at / PAGE));
            *byte = page.map_or(0, |page| page[usize::try_from(at % PAGE).unwrap()]);
        }
        Ok(())
    }

    fn next_data(&self, at: u64) -> u64 {
        let next = self.pages.range(at / PAGE..).next().map_or(self.len, |(page, _)| page * PAGE);
        next.clamp(at, self.len.max(at))
    }
}

/// Parameters of a test image.
#[derive(Clone, Copy)]
struct Recipe {
    block_size: u64,
    sector: u32,
    size: u64,
    has_parent: bool,
}

const SMALL: Recipe = Recipe { block_size: MIB, sector: 512, size: 4 * MIB, has_parent: false };
const LOG: u64 = MIB;
const METADATA: u64 = 2 * MIB;
const BAT: u64 = 3 * MIB;

fn sample(recipe: Recipe) -> Sparse {
    let mut file = Sparse { pages: BTreeMap::new(), len: BAT, read: AtomicU64::new(0) };
    file.put(0, b"vhdxfile");
    let blocks = recipe.size.div_ceil(recipe.block_size);
    let bat_len = (blocks * 9 + 4096).next_multiple_of(MIB);
    for (at, number) in HEADERS.into_iter().zip([1u64, 2]) {
        file.put(at, b"head");
        file.put(at + 8, &number.to_le_bytes());
        file.put(at + 32, &[0x11; 16]);
        file.put(at + 66, &[1]);
        file.put(at + 68, &u32::try_from(MIB).unwrap().to_le_bytes());
        file.put(at + 72, &LOG.to_le_bytes());
        file.seal(at, 4096);
    }
    for table in REGION_TABLES {
        file.put(table, b"regi");
        file.put(table + 8, &[2]);
        for (at, guid, start, len) in [(16, BAT_REGION, BAT, bat_len), (48, METADATA_REGION, METADATA, MIB)] {
            file.put(table + at, &guid.0);
            file.put(table + at + 16, &start.to_le_bytes());
            file.put(table + at + 24, &u32::try_from(len).unwrap().to_le_bytes());
            file.put(table + at + 28, &[1]);
        }
        file.seal(table, TABLE_BYTES);
    }
    metadata(&mut file, recipe);
    file.put(BAT + bat_len - 1, &[0]);
    file
}

/// Items of the sample, in the order of their entries; each has 256 bytes of space.
const ITEMS: [Guid; 6] =
    [FILE_PARAMETERS, VIRTUAL_DISK_SIZE, LOGICAL_SECTOR, PHYSICAL_SECTOR, PAGE_83, PARENT_LOCATOR];

fn item(index: u64) -> u64 {
    METADATA + TABLE_BYTES as u64 + index * 256
}

fn item_entry(index: u64) -> u64 {
    METADATA + 32 + index * 32
}

fn metadata(file: &mut Sparse, recipe: Recipe) {
    let parameters = u32::try_from(recipe.block_size).unwrap().to_le_bytes();
    let flags = u32::from(recipe.has_parent) << 1;
    let values: [Vec<u8>; 6] = [
        [parameters, flags.to_le_bytes()].concat(),
        recipe.size.to_le_bytes().to_vec(),
        recipe.sector.to_le_bytes().to_vec(),
        4096u32.to_le_bytes().to_vec(),
        vec![0x83; 16],
        locator(&[("parent_linkage", "{22222222-2222-2222-2222-222222222222}"), ("relative_path", "p.vhdx")]),
    ];
    file.put(METADATA, b"metadata");
    file.put(METADATA + 10, &[if recipe.has_parent { 6 } else { 5 }]);
    for ((index, guid), value) in (0..).zip(ITEMS).zip(&values).take(if recipe.has_parent { 6 } else { 5 }) {
        file.put(item_entry(index), &guid.0);
        file.put(item_entry(index) + 16, &u32::try_from(item(index) - METADATA).unwrap().to_le_bytes());
        file.put(item_entry(index) + 20, &u32::try_from(value.len()).unwrap().to_le_bytes());
        file.put(item_entry(index) + 24, &[4]);
        file.put(item(index), value);
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn locator(values: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = VHDX_LOCATOR.0.to_vec();
    bytes.extend([0, 0]);
    bytes.extend(u16::try_from(values.len()).unwrap().to_le_bytes());
    let mut texts = Vec::new();
    for (key, value) in values {
        let start = u32::try_from(20 + 12 * values.len() + texts.len()).unwrap();
        let (key, value) = (utf16(key), utf16(value));
        let (key_len, value_len) = (u16::try_from(key.len()).unwrap(), u16::try_from(value.len()).unwrap());
        bytes.extend(start.to_le_bytes());
        bytes.extend((start + u32::from(key_len)).to_le_bytes());
        bytes.extend(key_len.to_le_bytes());
        bytes.extend(value_len.to_le_bytes());
        texts.extend(key);
        texts.extend(value);
    }
    bytes.extend(texts);
    bytes
}

fn parsed(file: &Sparse) -> Result<Box<Image>, Error> {
    match parse(file, &ParseOptions::default())? {
        Parsed::Done(image) => Ok(image),
        Parsed::Needs(_) => panic!("a VHDX is one file"),
    }
}

/// The crate's own error for an image with this change.
fn refusal<D: Detail + Clone>(recipe: Recipe, change: impl FnOnce(&mut Sparse)) -> D {
    let mut file = sample(recipe);
    change(&mut file);
    let error = parsed(&file).expect_err("it must be refused");
    error.detail::<D>().unwrap_or_else(|| panic!("another kind: {error:?}")).clone()
}

/// The crate's own error for an image with this field in both headers.
fn header_refusal<D: Detail + Clone>(at: u64, bytes: &[u8]) -> D {
    refusal(SMALL, |file| {
        for header in HEADERS {
            file.put(header + at, bytes);
            file.seal(header, 4096);
        }
    })
}

fn region_refusal<D: Detail + Clone>(at: u64, bytes: &[u8]) -> D {
    refusal(SMALL, |file| {
        for table in REGION_TABLES {
            file.put(table + at, bytes);
            file.seal(table, TABLE_BYTES);
        }
    })
}

fn metadata_refusal<D: Detail + Clone>(at: u64, bytes: &[u8]) -> D {
    refusal(SMALL, |file| file.put(at, bytes))
}

fn codes(image: &Image) -> Vec<&'static str> {
    image.findings.iter().map(|finding| finding.code.id).collect()
}

const CHILD: Recipe = Recipe { has_parent: true, ..SMALL };
