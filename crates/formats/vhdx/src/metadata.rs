//! The metadata table and its items (2.6).

use alloc::string::ToString;
use alloc::vec::Vec;
use core::ops::Range;

use byteorder::{ByteOrder, LittleEndian};
use imgprep_format_kit::Fields;
use imgprep_map::{Error, ReadAt};

use crate::codes;
use crate::error::METADATA_CODES;
use crate::guid::Guid;
use crate::layout::{
    FILE_PARAMETERS, IS_REQUIRED, IS_USER, LOGICAL_SECTOR, MAX_ENTRIES, MAX_SIZE, METADATA, MIB, PAGE_83,
    PARENT_LOCATOR, PHYSICAL_SECTOR, RawItem, TABLE_BYTES, VIRTUAL_DISK_SIZE, split_table,
};
use crate::region::Region;
use crate::{Corrupt, Part, Unsupported};

/// Validated values of the items.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    /// Bytes of a block: a power of two, 1 to 256 MiB.
    pub(crate) block_size: u64,
    pub(crate) leaves_allocated: bool,
    pub(crate) has_parent: bool,
    /// Bytes of the disk: a multiple of the logical sector, at most 64 TiB.
    pub(crate) size: u64,
    pub(crate) page_83: Guid,
    /// Bytes of a logical sector: 512 or 4096.
    pub(crate) logical_sector: u32,
    pub(crate) physical_sector: u32,
    /// Range of the parent locator, inside the file.
    pub(crate) locator: Option<Range<u64>>,
    /// File offset of the file parameters.
    pub(crate) parameters_at: u64,
    /// File offset of the metadata table.
    pub(crate) table_at: u64,
}

/// An item inside the metadata region.
struct Item {
    guid: Guid,
    bytes: Range<u64>,
    is_user: bool,
    entry_at: u64,
}

impl Metadata {
    pub(crate) fn read(file: &dyn ReadAt, region: &Region) -> Result<Self, Error> {
        let items = Items { file, table_at: region.bytes.start, all: read_table(file, region)? };
        let (parameters_at, bytes) = items.fixed::<8>(FILE_PARAMETERS, "FileParameters")?;
        let parameters = Fields::le(&bytes);
        let (block_size, flags) = (parameters.u32::<0>(), parameters.u32::<4>());
        if !block_size.is_power_of_two() || !(1 << 20..=256 << 20).contains(&block_size) {
            let expected = "a power of two from 1 MiB to 256 MiB";
            return Err(METADATA_CODES.field(parameters_at, "BlockSize", expected, block_size.into()));
        }
        let logical_sector = items.sector(LOGICAL_SECTOR, "LogicalSectorSize")?;
        let (at, bytes) = items.fixed::<8>(VIRTUAL_DISK_SIZE, "VirtualDiskSize")?;
        let size = LittleEndian::read_u64(&bytes);
        if !size.is_multiple_of(logical_sector.into()) {
            return Err(METADATA_CODES.field(
                at,
                "VirtualDiskSize",
                "a multiple of the logical sector size",
                size,
            ));
        }
        if size > MAX_SIZE {
            return Err(METADATA_CODES.field(at, "VirtualDiskSize", "at most 64 TiB", size));
        }
        let (_, page_83) = items.fixed::<16>(PAGE_83, "Page83Data")?;
        Ok(Self {
            block_size: block_size.into(),
            leaves_allocated: flags & 1 != 0,
            has_parent: flags & 2 != 0,
            size,
            page_83: Guid(page_83),
            logical_sector,
            physical_sector: items.sector(PHYSICAL_SECTOR, "PhysicalSectorSize")?,
            locator: items.find(PARENT_LOCATOR).map(|item| item.bytes.clone()),
            parameters_at,
            table_at: region.bytes.start,
        })
    }
}

struct Items<'f> {
    file: &'f dyn ReadAt,
    table_at: u64,
    all: Vec<Item>,
}

impl Items<'_> {
    fn find(&self, guid: Guid) -> Option<&Item> {
        self.all.iter().find(|item| item.guid == guid && !item.is_user)
    }

    /// A required item of exactly `N` bytes, and its file offset.
    fn fixed<const N: usize>(&self, guid: Guid, name: &'static str) -> Result<(u64, [u8; N]), Error> {
        let missing = Corrupt::Missing { code: codes::METADATA_MISSING, at: self.table_at, what: name };
        let item = self.find(guid).ok_or(missing)?;
        let (found, expected) = (item.bytes.end - item.bytes.start, N as u64);
        if found != expected {
            return Err(Corrupt::ItemLength { at: item.entry_at + 20, item: name, expected, found }.into());
        }
        Ok((item.bytes.start, self.file.array(item.bytes.start)?))
    }

    fn sector(&self, guid: Guid, name: &'static str) -> Result<u32, Error> {
        let (at, bytes) = self.fixed::<4>(guid, name)?;
        match LittleEndian::read_u32(&bytes) {
            size @ (512 | 4096) => Ok(size),
            other => Err(METADATA_CODES.field(at, name, "512 or 4096", other.into())),
        }
    }
}

/// Reads all entries of the table (2.6.1), which must not overlap.
///
/// Unknown required items are an error.
fn read_table(file: &dyn ReadAt, region: &Region) -> Result<Vec<Item>, Error> {
    let at = region.bytes.start;
    // OK: a region has 1 MiB at least and lies inside the file.
    let table = file.slice(at, TABLE_BYTES)?;
    let (head, entries) = split_table::<32>(&table);
    let head = Fields::le(&head);
    let found = head.array::<0, 8>();
    if found != METADATA {
        let (what, expected) = (Part::MetadataTable, "metadata");
        return Err(Corrupt::Signature { at, what, expected, found }.into());
    }
    let count = head.u16::<10>();
    if u32::from(count) > MAX_ENTRIES {
        return Err(METADATA_CODES.field(at + 10, "EntryCount", "at most 2047", count.into()));
    }
    let mut items = Vec::new();
    for (entry_at, entry) in (at + 32..).step_by(32).zip(entries).take(count.into()) {
        items.push(validate(&RawItem::decode(entry), entry_at, region)?);
    }
    check_apart(&items)?;
    Ok(items)
}

fn validate(raw: &RawItem, at: u64, region: &Region) -> Result<Item, Error> {
    const KNOWN: [Guid; 6] =
        [FILE_PARAMETERS, VIRTUAL_DISK_SIZE, PAGE_83, LOGICAL_SECTOR, PHYSICAL_SECTOR, PARENT_LOCATOR];
    let is_user = raw.flags & IS_USER != 0;
    let is_known = !is_user && KNOWN.contains(&raw.guid);
    if !is_known && raw.flags & IS_REQUIRED != 0 {
        return Err(Unsupported::Item { at, guid: raw.guid.to_string() }.into());
    }
    let (offset, len) = (u64::from(raw.offset), u64::from(raw.length));
    if len > MIB {
        return Err(METADATA_CODES.field(at + 20, "Length", "at most 1 MiB", len));
    }
    if len > 0 && offset < TABLE_BYTES as u64 {
        return Err(METADATA_CODES.field(at + 16, "Offset", "at least 64 KiB", offset));
    }
    // OK: a region's end is a file offset; offset and length have 32 bits.
    let (start, room) = (region.bytes.start + offset, region.bytes.end);
    let end = start + len;
    if end > room {
        return Err(Corrupt::ItemPastEnd { at: at + 16, start, end, room }.into());
    }
    Ok(Item { guid: raw.guid, bytes: start..end, is_user, entry_at: at })
}

/// Rejects items that overlap or have the same GUID.
fn check_apart(items: &[Item]) -> Result<(), Corrupt> {
    let mut by_place: Vec<&Item> = items.iter().filter(|item| !item.bytes.is_empty()).collect();
    by_place.sort_by_key(|item| (item.bytes.start, item.entry_at));
    let mut pairs = by_place.iter().zip(by_place.iter().skip(1));
    if let Some((before, item)) = pairs.find(|(before, item)| before.bytes.end > item.bytes.start) {
        return Err(Corrupt::Overlap {
            code: codes::METADATA_OVERLAP,
            at: item.entry_at,
            what: "the metadata item",
            start: item.bytes.start,
            end: item.bytes.end,
            other: alloc::format!("item {}", before.guid),
        });
    }
    let mut by_name: Vec<&Item> = items.iter().collect();
    by_name.sort_by_key(|item| (item.guid, item.is_user, item.entry_at));
    let mut pairs = by_name.iter().zip(by_name.iter().skip(1));
    let same = |(a, b): &(&&Item, &&Item)| a.guid == b.guid && a.is_user == b.is_user;
    if let Some((_, item)) = pairs.find(same) {
        let (code, guid) = (codes::METADATA_TWICE, item.guid.to_string());
        return Err(Corrupt::Twice { code, at: item.entry_at, what: "metadata item", guid });
    }
    Ok(())
}
